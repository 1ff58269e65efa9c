"""Restore a data set with any baseline: `bash run.sh predict [RUN]` writes PNGs and `run.json`."""

from __future__ import annotations

if __name__ == "__main__":
    from challenge.environment import bootstrap

    bootstrap.ensure_packages()

import dataclasses
import datetime
import hashlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from baselines import RUNS
from baselines.efnet.inference import Inference, parse_sides
from baselines.mean import load_mean
from baselines.options import (
    Afresh,
    Checkpoints,
    Data,
    Engine,
    Flips,
    Local,
    Memory,
    Overlap,
    Precision,
    Rules,
    Tile,
)
from baselines.plan import (
    Plan,
    find_data,
    find_weights,
    place_for,
    read_training_config,
    splits_of,
)
from baselines.restorer import Restorer
from baselines.restoring import restore_all
from baselines.unfinished import Making, Unfinished
from challenge import REPOSITORY, cli
from challenge.datasets import Dataset, provide_frames, stored_grid_doubt
from challenge.datasets.layout import inputs_sha256
from challenge.environment.locks import locked
from challenge.errors import ConfigError
from challenge.files import sha256
from challenge.runs import SUBMISSIONS, RunRecord, load_record, save_record


def command(
    run: Annotated[str | None, typer.Argument(help="a training; default: the newest one")] = None,
    baseline: Annotated[
        str | None, typer.Option(help="efnet, edi, blurry, or a module of yours; default: efnet")
    ] = None,
    checkpoint: Checkpoints = None,
    data: Data = None,
    split: Annotated[
        list[str] | None, typer.Option(help="default: val and test, those there are")
    ] = None,
    rules: Rules = None,
    name: Annotated[str | None, typer.Option(help="of the predictions; default: RUN's")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1")] = "auto",
    tile: Tile = None,
    overlap: Overlap = None,
    flips: Flips = False,
    local: Local = 0,
    engine: Engine = None,
    precision: Precision = None,
    memory: Memory = None,
    afresh: Afresh = False,
    *,
    submissions: Path,
    runs: Path,
) -> None:
    """Restore blurry frames into submissions/<challenge>/<split>/<name>/*.png.

    Example: bash run.sh predict --data /data/my_recording --split test
    """
    settings = Inference(engine, precision, parse_sides(tile), overlap, flips, local, memory)
    training, weights = find_weights(run, baseline, tuple(checkpoint or ()), runs)
    config = read_training_config(training) if training else {}
    source, played_by = find_data(data, rules, config)
    stems = "+".join(path.stem for path in weights)
    name = name or (training.name if training else stems or baseline) or "run"
    plan = Plan(source, played_by, name, baseline or "efnet", weights, device, config=config)
    plan = dataclasses.replace(plan, settings=settings, afresh=afresh)
    parts = split or splits_of(source)
    for part in parts:
        provide_frames(source.root, part)
    plan = dataclasses.replace(plan, place=place_for(plan, submissions))
    if doubt := stored_grid_doubt(source):
        cli.warn_once(doubt)
    for part in parts:
        predict(plan, part, submissions)
    print("next: bash run.sh score, python challenge/make_submission.py")


def predict(plan: Plan, split: str, submissions: Path) -> Path:
    """Restore one split into `<submissions>/<challenge>/<split>/<name>/`, whole or not at all.

    Predictions of the same name and the same frames are replaced; a folder that was not made by
    `predict` never is. What was interrupted goes on where it stopped (see `Unfinished`).

    Raises:
        ChallengeError: the data, the checkpoint or the device cannot be used, or the folder is
            somebody else's.
    """
    provide_frames(plan.source.root, split)
    plan = dataclasses.replace(plan, place=plan.place or place_for(plan, submissions))
    folder = submissions / str(plan.place) / split / plan.name
    if folder.exists() and any(folder.iterdir()) and load_record(folder).baseline is None:
        raise ConfigError(f"{folder}: was not made by predict; choose another name with --name")
    source = plan.source.of_split(split)
    if source != plan.source:
        print(f"{split}: no voxel grids are stored; they are made of its raw events")
    dataset = source.open(split)
    asked = asked_of(plan, split, dataset)
    with locked(folder, wait_s=0), Unfinished(folder, asked, plan.afresh) as work:
        settings = work.settings(plan.settings)
        restorer = load_mean(plan.baseline, dataset, plan.checkpoints, plan.device, settings)
        work.begin({"device": restorer.device, "inference": settings_of(restorer)})
        if dataset.stored_kind is None:  # grids of raw events have the bins that the network takes
            source = dataclasses.replace(source, bins=getattr(restorer, "bins", source.bins))
        plan = dataclasses.replace(plan, source=source)
        runtime = restore_all(restorer, dataset, work, f"{plan.name} {split}")
        save_record(work.images, record_of(plan, split, len(dataset), restorer, runtime))
        work.publish()
    print(f"wrote {folder} ({len(dataset)} PNGs, {runtime:.3f} s per image on {restorer.device})")
    return folder


def record_of(
    plan: Plan, split: str, frames: int, restorer: Restorer, runtime_s: float
) -> RunRecord:
    """Write down how the predictions of a split came to be."""
    return RunRecord(
        name=plan.name,
        baseline=plan.baseline,
        challenge=plan.place,
        rules=plan.rules,
        split=split,
        inputs_sha256=inputs_sha256(plan.source.root, split),
        frames=frames,
        runtime_per_image_s=runtime_s,
        device=restorer.device,
        parameters=restorer.parameters,
        **weights_of(plan),
        inference=settings_of(restorer),
        commit=commit(),
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        reference=plan.reference,
        description=restorer.description,
        config=plan.config,
        **plan.source.record_fields(),
    )


def asked_of(plan: Plan, split: str, dataset: Dataset) -> Making:
    """Say what is to be made, so that it is told from anything else that was left unfinished."""
    files = (path for frame in dataset.frames for path in dataset.source_files(frame))
    stats = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return {
        "baseline": plan.baseline,
        "weights": [sha256(path) for path in plan.checkpoints if path.is_file()],
        "split": split,
        **plan.source.record_fields(),
        "frames": dataset.frames,
        "inputs_sha256": inputs_sha256(plan.source.root, split),
        "files": hashlib.sha256(repr(stats).encode()).hexdigest(),
        "device": plan.device,
        "settings": plan.settings.record(),
        "code": commit(with_changes=True),
    }


def weights_of(plan: Plan) -> dict[str, Any]:
    """Say in fields of a RunRecord which weights are used: one file, or the parts of a mean."""
    hashes = {str(path): sha256(path) for path in plan.checkpoints}
    if len(hashes) == 1:
        ((path, digest),) = hashes.items()
        return {"checkpoint": path, "checkpoint_sha256": digest}
    return {"parts": hashes}


def settings_of(restorer: Restorer) -> dict[str, Any]:
    """Say how a restorer restores, if it was told; what was chosen, not what was left to it."""
    settings = getattr(restorer, "settings", None)
    return settings.record() if isinstance(settings, Inference) else {}


def commit(with_changes: bool = False) -> str | None:
    """Read the kit's commit, "+changes" where tracked files differ from it.

    None outside a checkout.

    Args:
        with_changes: adds a hash of them.
    """
    git = ["git", "-C", str(REPOSITORY)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True)
        changes = subprocess.run([*git, "diff", "HEAD"], capture_output=True).stdout
    except OSError:
        return None
    if head.returncode != 0:
        return None
    digest = hashlib.sha256(changes).hexdigest() if with_changes else ""
    return head.stdout.strip() + (f"+changes{digest}" if changes else "")


def main(
    argv: Sequence[str] | None = None, submissions: Path = SUBMISSIONS, runs: Path = RUNS
) -> int:
    """Run the command line; return the exit code."""
    return cli.run(command, argv, "bash run.sh predict", submissions=submissions, runs=runs)


if __name__ == "__main__":
    sys.exit(main())
