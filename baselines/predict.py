"""Restore a data set with any baseline: `bash run.sh predict [RUN]` writes PNGs and `run.json`."""

from __future__ import annotations

if __name__ == "__main__":
    from challenge.environment import bootstrap

    bootstrap.ensure_packages()

import contextlib
import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from baselines import RUNS, suspicions
from baselines.distributed import World, joined
from baselines.efnet.inference import Inference, parse_sides
from baselines.efnet.shipped import LIST, WEIGHTS, shipped_weights, show
from baselines.launch import Launch, launch
from baselines.mean import load_mean
from baselines.options import (
    Afresh,
    Baseline,
    Checkpoints,
    Data,
    Engine,
    Flips,
    Local,
    MaxRestarts,
    Memory,
    Nnodes,
    Nproc,
    Overlap,
    Precision,
    Rdzv,
    Rules,
    Splits,
    Tile,
    Weights,
)
from baselines.plan import (
    Plan,
    find_data,
    find_weights,
    name_for,
    place_for,
    read_training_config,
    splits_of,
)
from baselines.provenance import asked_of, record_of, settings_of
from baselines.restorer import Restorer
from baselines.restoring import restore_all
from baselines.stopping import Stop, Stopped
from baselines.unfinished import Unfinished
from challenge import cli
from challenge.datasets import Dataset, DataSource, provide_frames, stored_grid_doubt
from challenge.environment.locks import locked
from challenge.errors import ConfigError
from challenge.runs import SUBMISSIONS, load_record, save_record


def command(
    run: Annotated[str | None, typer.Argument(help="a training; default: the newest one")] = None,
    baseline: Baseline = None,
    checkpoint: Checkpoints = None,
    weights: Weights = None,
    data: Data = None,
    split: Splits = None,
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
    nproc: Nproc = None,
    nnodes: Nnodes = 1,
    rdzv: Rdzv = None,
    max_restarts: MaxRestarts = 3,
    *,
    given: Sequence[str],
    submissions: Path,
    runs: Path,
    shipped: Path,
) -> int:
    """Restore blurry frames into submissions/<challenge>/<split>/<name>/*.png.

    Where nothing was trained, by the network that comes with the kit.

    Example: bash run.sh predict --data /data/my_recording --split test

    Four GPUs, each frame on one of them: bash run.sh predict --nproc 4
    """
    if weights == LIST:
        show(shipped_weights(shipped).values())
        return 0
    settings = Inference(engine, precision, parse_sides(tile), overlap, flips, local, memory)
    processes = Launch(nproc, nnodes, rdzv, max_restarts)
    if processes.asked_for:
        folders = [submissions, runs, shipped]
        return launch(processes, "baselines.predict", given, folders, "the same command goes on")

    def prepare() -> tuple[Plan, list[str]]:
        given_files = tuple(checkpoint or ())
        training, files = find_weights(run, baseline, given_files, runs, weights, shipped)
        config = read_training_config(training) if training else {}
        source, played_by = find_data(data, rules, config)
        called = name_for(training, files, baseline) if name is None else name
        plan = Plan(source, played_by, called, baseline or "efnet", files, device, config=config)
        plan = dataclasses.replace(plan, settings=settings, afresh=afresh)
        parts = ready_splits(source, split)
        if doubt := stored_grid_doubt(source):
            cli.warn_once(doubt)
        return dataclasses.replace(plan, place=place_for(plan, submissions)), parts

    return predict_here(prepare, submissions)


def ready_splits(source: DataSource, asked: list[str] | None) -> list[str]:
    """List the splits to restore, and see that their frames are there as files.

    Raises:
        DataError: there are none, or one that was asked for by name cannot be read: before any is
            restored.
    """
    parts = asked or splits_of(source)
    for part in parts:
        provide_frames(source.root, part)
        if asked:
            source.of_split(part).open(part)
    return parts


def predict_here(prepare: Callable[[], tuple[Plan, list[str]]], submissions: Path) -> int:
    """Restore splits in this process, alone or as one of those that torchrun started; return the
    exit code.

    Args:
        prepare: says what is restored, and which splits; asked in one process alone.
        submissions: where the folders of predictions are.
    """
    try:
        with joined(False) as world, Stop(world).listening() as stop:
            plan, parts = world.first(prepare)
            for part in parts:
                if not world.noted(f"{part} done"):  # before all processes were started again
                    predict(plan, part, submissions, stop)
                    world.note(f"{part} done")
            print("next: bash run.sh score, python challenge/make_submission.py")
    except Stopped as stopped:
        return stopped.exit_code
    return 0


def predict(plan: Plan, split: str, submissions: Path, stop: Stop | None = None) -> Path:
    """Restore one split into `<submissions>/<challenge>/<split>/<name>/`, whole or not at all.

    Predictions of the same name and the same frames are replaced; a folder that was not made by
    `predict` never is. What was interrupted goes on where it stopped (see `Unfinished`).

    Args:
        plan: what is restored, by what.
        split: of the data.
        submissions: where the folders of predictions are.
        stop: knows the processes that share the frames, and whether to stop; None: this one alone.

    Raises:
        ChallengeError: the data, the checkpoint or the device cannot be used, or the folder is
            somebody else's.
    """
    stop = stop or Stop()
    world = stop.world
    world.first(lambda: provide_frames(plan.source.root, split))
    place = plan.place or world.first(lambda: place_for(plan, submissions))
    folder = submissions / place / split / plan.name
    source = plan.source.of_split(split)
    if source != plan.source:
        print(f"{split}: no voxel grids are stored; they are made of its raw events")
    dataset = source.open(split)
    begun = world.noted(f"{split} begun")  # before all processes were started again
    afresh = plan.afresh and not begun
    with contextlib.ExitStack() as held:

        def begin() -> Unfinished:
            if folder.exists() and any(folder.iterdir()) and load_record(folder).baseline is None:
                raise ConfigError(
                    f"{folder}: was not made by predict; choose another name with --name"
                )
            held.enter_context(locked(folder, wait_s=0))
            return held.enter_context(Unfinished(folder, asked_of(plan, split, dataset), afresh))

        work = world.first(begin)  # the others write into it, no more
        restorer = load_alike(plan, dataset, work.settings(plan.settings), world)
        used = {"device": restorer.device, "inference": settings_of(restorer)}
        world.first(lambda: work.begin(used))
        world.note(f"{split} begun")
        if getattr(restorer, "reads_events", True) and not (plan.reference or begun):
            world.first(lambda: suspicions.warn(source, split, plan.checkpoints))
        runtime = restore_all(restorer, dataset, work, f"{plan.name} {split}", stop)

        def end() -> None:
            # grids of raw events have the bins that the network takes
            bins = source.bins if dataset.stored_kind else getattr(restorer, "bins", source.bins)
            told = dataclasses.replace(
                plan, source=dataclasses.replace(source, bins=bins), place=place
            )
            save_record(work.images, record_of(told, split, len(dataset), restorer, runtime))
            work.publish()

        world.first(end)
    print(f"wrote {folder} ({len(dataset)} PNGs, {runtime:.3f} s per image on {restorer.device})")
    return folder


def load_alike(plan: Plan, dataset: Dataset, settings: Inference, world: World) -> Restorer:
    """Load the baseline in each process; all of them restore in the tiles that the first chose."""
    device = own_device(plan.device, world)
    loaded: list[Restorer] = []

    def load() -> Inference:
        loaded.append(load_mean(plan.baseline, dataset, plan.checkpoints, device, settings))
        return getattr(loaded[0], "settings", settings)

    settings = world.first(load)
    if not loaded:
        load()
    return loaded[0]


def own_device(name: str, world: World) -> str:
    """Name the device of this process: where several are on a machine, each takes a GPU."""
    if world.local_rank is None:
        return name
    from baselines.efnet.device import choose_device

    return str(choose_device(name, world.local_rank))


def main(
    argv: Sequence[str] | None = None,
    submissions: Path = SUBMISSIONS,
    runs: Path = RUNS,
    shipped: Path = WEIGHTS,
) -> int:
    """Run the command line; return the exit code."""
    given = sys.argv[1:] if argv is None else argv
    folders = {"submissions": submissions, "runs": runs, "shipped": shipped}
    return cli.run(command, given, "bash run.sh predict", given=given, **folders)


if __name__ == "__main__":
    sys.exit(main())
