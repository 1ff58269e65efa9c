"""Restore a data set with any baseline: `bash run.sh predict [RUN]` writes PNGs and `run.json`."""

from __future__ import annotations

if __name__ == "__main__":
    from challenge.environment import bootstrap

    bootstrap.ensure_packages()

import dataclasses
import datetime
import functools
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from baselines import RUNS
from baselines.restorer import Restorer, load_restorer
from baselines.restoring import restore_all
from challenge import REPOSITORY, SPLITS, cli
from challenge.datasets import BINS, DataSource, provide_frames, stored_grid_doubt
from challenge.datasets.layout import inputs_sha256, rules_named
from challenge.errors import ConfigError, DataError
from challenge.files import replace_folder, sha256
from challenge.rules import OWN, load_rules
from challenge.runs import SUBMISSIONS, RunRecord, find_place, load_record, save_record
from challenge.simulation import embedded

BEST = "best.pth"
"""The weights of a training that are used."""


def command(
    run: Annotated[str | None, typer.Argument(help="a training; default: the newest one")] = None,
    baseline: Annotated[
        str | None, typer.Option(help="efnet, edi, blurry, or a module of yours; default: efnet")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="weights to use; default: RUN's best.pth")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="folder with {val,test}/ in any format; default: RUN's")
    ] = None,
    split: Annotated[
        list[str] | None, typer.Option(help="default: val and test, those there are")
    ] = None,
    rules: Annotated[
        str | None,
        typer.Option(help="configs/challenge/<RULES>.yml; default: RUN's, `own` with --data"),
    ] = None,
    name: Annotated[str | None, typer.Option(help="of the predictions; default: RUN's")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1")] = "auto",
    *,
    submissions: Path,
    runs: Path,
) -> None:
    """Restore blurry frames into submissions/<challenge>/<split>/<name>/*.png.

    Example: bash run.sh predict --data /data/my_recording --split test
    """
    training, weights = find_weights(run, baseline, checkpoint, runs)
    config = read_training_config(training) if training else {}
    source, played_by = find_data(data, rules, config)
    default_name = training.name if training else (weights.stem if weights else baseline)
    name, baseline = name or default_name or "run", baseline or "efnet"
    plan = Plan(source, played_by, name, baseline, weights, device, config=config)
    parts = split or splits_of(source)
    for part in parts:
        provide_frames(source.root, part)
    plan = dataclasses.replace(plan, place=place_for(plan, submissions))
    if doubt := stored_grid_doubt(source):
        cli.warn_once(doubt)
    for part in parts:
        predict(plan, part, submissions)
    print("next: bash run.sh score, python challenge/make_submission.py")


def find_weights(
    run: str | None, baseline: str | None, checkpoint: Path | None, runs: Path
) -> tuple[Path | None, Path | None]:
    """Find the training that is meant, if any, and the weights to use, if any.

    EFNet, which is the default, takes those of the training unless others are given.

    Raises:
        ConfigError: no such training, or it has no `best.pth` yet.
    """
    learns = baseline in (None, "efnet")
    if run is None and (checkpoint is not None or not learns):
        return None, checkpoint
    training = find_training(run, runs)
    return training, checkpoint or (training / BEST if learns else None)


def find_training(run: str | None, runs: Path) -> Path:
    """Find the folder of a named training, or of the newest one, below `runs`.

    Raises:
        ConfigError: there is none, or it has no `best.pth` yet.
    """
    trained = sorted(runs.glob(f"*/{BEST}"), key=lambda path: path.stat().st_mtime)
    if run is None:
        if not trained:
            raise ConfigError(
                f"{runs}: nothing trained yet; `bash run.sh train`, "
                "or `bash run.sh predict --baseline edi`"
            )
        return trained[-1].parent
    folder = Path(run) if (Path(run) / BEST).exists() else runs / run
    if not (folder / BEST).exists():
        known = ", ".join(sorted(path.parent.name for path in trained)) or "none"
        raise ConfigError(f"{folder}: no {BEST} there; trainings: {known}")
    return folder


def read_training_config(training: Path) -> dict[str, Any]:
    """Read the configuration a training was started with."""
    config: dict[str, Any] = yaml.safe_load((training / "config.yml").read_text(encoding="utf-8"))
    return config


def find_data(
    data: Path | None, rules: str | None, config: dict[str, Any]
) -> tuple[DataSource, str]:
    """Decide which data are restored, and by which rules they are played.

    Args:
        data, rules: as the command line has them.
        config: of the training; empty where there is none. Without it and without `data` the
            embedded data set is restored.
    """
    if data is not None:
        bins = config.get("data", {}).get("bins", BINS)
        return DataSource.of_folder(data, bins), rules or rules_named(data) or OWN
    if config:
        return DataSource.of_config(config["data"]), rules or config["data"]["rules"]
    embedded.ensure(embedded.DEFAULT_ROOT)
    return DataSource(embedded.DEFAULT_ROOT), rules or "mini"


def splits_of(source: DataSource) -> list[str]:
    """List which of val, test and addition there are.

    Raises:
        DataError: none.
    """
    splits = [split for split in SPLITS[1:] if (source.root / split).is_dir()]
    if not splits:
        raise DataError(
            f"{source.root}: no val/ and no test/ in it; expected {{val,test}}/{{blur,event}}/"
        )
    return splits


@dataclass(frozen=True)
class Plan:
    """What is to be restored, by what, and under which name."""

    source: DataSource
    rules: str  # name of configs/challenge/<rules>.yml, or a path
    name: str  # of the predictions
    baseline: str  # a folder of `baselines/`, or the import path of a module
    checkpoint: Path | None = None
    device: str = "auto"
    reference: bool = False  # a row to compare with, never submitted
    config: dict[str, Any] = field(default_factory=dict)  # of the training, kept in `run.json`
    place: str | None = None  # the challenge's folder under `submissions`; None: see `place_for`


def place_for(plan: Plan, submissions: Path) -> str:
    """Name the challenge's folder under `submissions`: that of the rules, else of the data.

    Runs of other frames are neither replaced nor mixed with: where such lie there, the runs get a
    folder of their own (see `find_place`), and a sentence says so.
    """

    @functools.cache
    def ask(split: str) -> RunRecord | None:
        digest = inputs_sha256(plan.source.root, split)
        root = str(plan.source.root.resolve())
        return RunRecord(plan.name, data_root=root, inputs_sha256=digest) if digest else None

    name = load_rules(plan.rules).name or plan.source.root.resolve().name
    place = find_place(submissions, name, ask)
    if place != name:
        print(
            f"note: {submissions / name} holds runs made from other frames than those of "
            f"{plan.source.root}; these go to {submissions / place}"
        )
    return place


def predict(plan: Plan, split: str, submissions: Path) -> Path:
    """Restore one split into `<submissions>/<challenge>/<split>/<name>/`, whole or not at all.

    Predictions of the same name and the same frames are replaced; a folder that was not made by
    `predict` never is.

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
    restorer = load_restorer(plan.baseline, dataset, plan.checkpoint, plan.device)
    if dataset.stored_kind is None:  # grids of raw events have the bins that the network takes
        source = dataclasses.replace(source, bins=getattr(restorer, "bins", source.bins))
    plan = dataclasses.replace(plan, source=source)
    with replace_folder(folder) as unfinished:
        runtime = restore_all(restorer, dataset, unfinished, f"{plan.name} {split}")
        save_record(unfinished, record_of(plan, split, len(dataset), restorer, runtime))
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
        checkpoint=str(plan.checkpoint) if plan.checkpoint else None,
        checkpoint_sha256=sha256(plan.checkpoint) if plan.checkpoint else None,
        commit=commit(),
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        reference=plan.reference,
        description=restorer.description,
        config=plan.config,
        **plan.source.record_fields(),
    )


def commit() -> str | None:
    """Read the kit's commit, "+changes" where tracked files differ from it.

    None outside a checkout.
    """
    git = ["git", "-C", str(REPOSITORY)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True)
        state = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no"], capture_output=True, text=True
        )
    except OSError:
        return None
    if head.returncode != 0:
        return None
    return head.stdout.strip() + ("+changes" if state.stdout.strip() else "")


def main(
    argv: Sequence[str] | None = None, submissions: Path = SUBMISSIONS, runs: Path = RUNS
) -> int:
    """Run the command line; return the exit code."""
    return cli.run(command, argv, "bash run.sh predict", submissions=submissions, runs=runs)


if __name__ == "__main__":
    sys.exit(main())
