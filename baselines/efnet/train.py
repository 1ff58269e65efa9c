"""Train EFNet: `bash run.sh train [CONFIG.yml] [key=value …] [--resume]`."""

from __future__ import annotations

if __name__ == "__main__":
    from challenge.environment import bootstrap

    bootstrap.ensure_packages()

import contextlib
import dataclasses
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from baselines import BEST, CONFIG, LAST, RUNS
from baselines.distributed import is_launched, joined
from baselines.efnet.budget import require_training_memory
from baselines.efnet.checkpoint import (
    load_checkpoint,
    load_last,
    load_weights,
    save_checkpoint,
)
from baselines.efnet.claim import claimed, ending_noted
from baselines.efnet.config import Config, read_config
from baselines.efnet.crops import Crops
from baselines.efnet.device import choose_device, device_name
from baselines.efnet.folder import compare_settings, own_folder, run_folder, settle
from baselines.efnet.memory import out_of_memory_is
from baselines.efnet.restorer import largest_frame
from baselines.efnet.score_tables import FRAMES, VALIDATIONS, validations
from baselines.efnet.shipped import weights_path
from baselines.efnet.stages import stages_of
from baselines.efnet.trainer import train
from baselines.efnet.training import Training
from baselines.efnet.training_log import LOG, SPEED, TENSORBOARD, read_log
from baselines.efnet.validation import Scores, blurry_scores, validate
from baselines.launch import Launch, launch
from baselines.options import MaxRestarts, Nnodes, Nproc, Rdzv
from baselines.stopping import Stop, Stopped
from challenge import REPOSITORY, cli
from challenge.datasets import Dataset, DataSource, stored_grid_doubt
from challenge.datasets.layout import sharp_folder
from challenge.datasets.store import StoredFrames, open_store, store_folder
from challenge.datasets.store.tiles import SIDE
from challenge.errors import DataError
from challenge.files import kit_path
from challenge.metrics.profiles import Profile
from challenge.rules import load_rules
from challenge.simulation import embedded

DEFAULT_CONFIG = REPOSITORY / "configs" / "efnet_mini.yml"
NO_STORE = "none"
"""Of data.store: the plain files are to be read."""
WORTH_A_STORE_S = 0.03
"""Processor time of a crop from which on a store is worth a word."""


def open_data(config: Config, split: str) -> Dataset:
    """Open one split of the configured data, from its training store where there is one that is up
    to date; make the embedded data set if it is not there yet.
    """
    source = DataSource.of_config(dataclasses.asdict(config.data))
    if source.root == embedded.DEFAULT_ROOT:
        embedded.ensure(source.root)
    data = source.open(split)
    if config.data.store == NO_STORE:
        return data
    given = kit_path(config.data.store) if config.data.store else None
    folder = store_folder(source, split, given)
    try:
        stored = open_store(data, folder)
    except DataError as error:
        cli.warn_once(f"{error}\nuntil then the plain files are read")
        return data
    if stored is None:
        if given:
            cli.warn_once(f"{folder}: no training store there; the plain files are read")
        return data
    print(f"{split}: read from the training store {folder}")
    return stored


def store_advice(config: Config, frames: Dataset, seconds: float) -> str | None:
    """Say what a training store would gain; None where there is one, or next to nothing to gain.

    Args:
        config: of the training.
        frames: that are trained on.
        seconds: that one crop took of them, processor time.
    """
    crop, kept = stages_of(config.train)[0].crop, config.data.keep_in_memory
    if isinstance(frames, StoredFrames) or kept or not crop or seconds < WORTH_A_STORE_S:
        return None
    height, width = frames.frame_size(frames.frames[0])
    times = height * width / (crop + SIDE) ** 2  # on average so many pixels of tiles are touched
    if times < 2:
        return None
    return (
        f"a crop took {1e3 * seconds:.0f} ms to read; from a training store it would take up to "
        f"{times:.0f} times less: bash run.sh prepare, with this configuration"
    )


def start(config: Config, folder: Path, stop: Stop) -> None:
    """Train into a folder as configured, from iteration 0 or from its `last.pth`."""
    world = stop.world
    resumes = world.first(folder.exists)
    rules = load_rules(config.data.rules)
    profile = rules.all_profiles[rules.profile]
    frames = open_data(config, "train")
    if not frames.has_sharp:
        sharp = sharp_folder(kit_path(config.data.root), "train")
        raise DataError(f"{sharp}: no such folder, nor sharp images elsewhere; training needs them")
    valid = validation_frames(config)
    begun = folder / CONFIG
    if resumes and config.train.tile is None and begun.exists():  # as it was decided then
        config.train.tile = read_config(begun).train.tile
    training = Training(config, folder, world)
    if resumes:
        checkpoint, path = load_last(folder)
        compare_settings(config, checkpoint, path)
        training.resume(checkpoint, path)
    elif config.train.weights:
        weights = weights_path(config.train.weights)
        load_weights(training.network, load_checkpoint(weights)["params"], weights)
    crops = Crops(frames, config.data, config.train)
    began = time.process_time()
    first, *later = stages_of(config.train)
    crops.of_stage(first)[0]  # what cannot be cut is refused before work starts
    if advice := store_advice(config, frames, time.process_time() - began):
        print(advice)
    for stage in later:
        crops.of_stage(stage)[0]
    if doubt := stored_grid_doubt(DataSource.of_config(dataclasses.asdict(config.data))):
        cli.warn_once(doubt)
    size = frames.frame_size(frames.frames[0])
    channels = training.network.ev_chn
    require_training_memory(config, training.device, channels, size, len(frames))
    if valid is not None:
        fit_validation(training, valid)
    world.first(lambda: settle(training, resumes))
    introduce(training, len(frames), valid)
    with contextlib.ExitStack() as ending:
        world.first(lambda: ending.enter_context(ending_noted(folder)))
        if valid is None:
            train(training, frames, None, stop)
            world.first(lambda: save_checkpoint(folder / BEST, training.weights()))
            return
        images = folder / "val"

        def judge() -> Scores:
            return validate(training.restorer(), valid, profile, images, stop)

        train(training, frames, judge, stop, valid)
    world.first(lambda: summarise(training, valid, profile))


def summarise(training: Training, valid: Dataset, profile: Profile) -> None:
    """Say how good the best of a training is, beside the input."""
    split, best = training.config.data.validation, training.best_psnr
    assert best is not None
    blurry = blurry_scores(valid, profile).psnr
    when = [row["best_iteration"] for row in validations(read_log(training.folder / LOG))]
    at = f" at iteration {when[-1]}" if when else ""
    gain = f"{best - blurry:+.2f} dB ({profile.name})"
    print(f"{split} PSNR {best:.2f} dB{at}, blurry input {blurry:.2f} dB: {gain}")


def fit_validation(training: Training, valid: Dataset) -> None:
    """Choose tiles that memory holds, and keep them in the configuration: of one training, all
    validations are alike.
    """

    def tile() -> int:
        restorer = training.restorer()
        if told := restorer.fit(largest_frame(valid), "validation"):
            print(told)
        return restorer.settings.tiles[0]

    training.config.train.tile = training.world.first(tile)


def validation_frames(config: Config) -> Dataset | None:
    """Return the validation split; None where there is none, or its sharp images are withheld."""
    split = config.data.validation
    if not (kit_path(config.data.root) / split).is_dir():
        return None
    valid = open_data(config, split)
    return valid if valid.has_sharp else None


def introduce(training: Training, frames: int, valid: Dataset | None) -> None:
    """Say what is about to be trained, on what."""
    config, parameters = training.config, training.restorer().parameters
    count = training.world.size
    processes = f" in each of {count} processes" if count > 1 else ""
    print(
        f"{training.folder.name}: {frames} training frames, {parameters / 1e6:.2f} M parameters, "
        f"on {device_name(training.device)}{processes}, from iteration {training.iteration} to "
        f"{config.train.iterations}"
    )
    if valid is not None and config.data.validation == "test":
        print(
            "note: validated on test, and the best of it is kept: its score flatters; that of "
            "last.pth, predicted with --checkpoint, does not"
        )
    if valid is None:
        print("no sharp validation images: nothing is validated, best.pth is the last checkpoint")


def find_config(path: str) -> Path:
    """Find a configuration file by its path, or by its name in the kit's `configs/`."""
    given = kit_path(path)
    return given if given.exists() else DEFAULT_CONFIG.parent / given.name


def command(
    arguments: Annotated[
        list[str] | None, typer.Argument(help="a configuration file, then overrides: key=value")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            help="go on from the last.pth of the newest training of this name; where there is "
            "none, begin one: a scheduler can always pass it"
        ),
    ] = False,
    nproc: Nproc = None,
    nnodes: Nnodes = 1,
    rdzv: Rdzv = None,
    max_restarts: MaxRestarts = 3,
    *,
    given: Sequence[str],
    runs: Path,
) -> int:
    """Train EFNet and validate it as the challenge scores.

    Ctrl-C, SIGTERM and SIGUSR1 end the step, save, and leave with exit code 130, 143 or 138.

    Example: bash run.sh train configs/efnet_highrev_raw.yml data.root=/data/HighREV train.batch=8

    Four GPUs: bash run.sh train --nproc 4 configs/efnet_highrev_raw.yml data.root=/data/HighREV
    (train.batch is that of each process)
    """
    words = list(arguments or [])
    path = find_config(words.pop(0)) if words and "=" not in words[0] else DEFAULT_CONFIG
    config = read_config(path, words)
    plan = Launch(nproc, nnodes, rdzv, max_restarts)
    if plan.asked_for:
        code = launch(plan, "baselines.efnet.train", given, [runs], "go on with --resume")
        if code > 128:
            print("\nstopped; go on with the same command and --resume", file=sys.stderr)
        return code
    own = own_folder(path, runs) if resume else None
    try:
        train_here(config, lambda: own or run_folder(config.name, resume, runs))
    except Stopped as stopped:
        if not is_launched():  # else the launcher says so
            again = " ".join(["bash run.sh train", *(arguments or []), "--resume"])
            print(f"\n{stopped}; go on with: {again}", file=sys.stderr)
        return stopped.exit_code
    return 0


def train_here(config: Config, choose: Callable[[], Path]) -> None:
    """Train in this process, alone or as one of those that torchrun started.

    Args:
        config: of the training.
        choose: its folder; asked in one process alone.
    """
    full = "memory ended during training; lower train.batch or train.crop, or train in bfloat16"
    with (
        joined(choose_device(config.train.device).type == "cuda") as world,
        Stop(world).listening() as stop,
        out_of_memory_is(full),
        contextlib.ExitStack() as claim,
    ):
        folder = Path(world.once("folder", lambda: str(choose())))
        world.first(lambda: claim.enter_context(claimed(folder)))
        start(config, folder, stop)
        announce(folder)


def announce(folder: Path) -> None:
    """Say where the training is, and what comes next."""
    wrote = (BEST, LAST, LOG, SPEED, VALIDATIONS, FRAMES, "val/", f"{TENSORBOARD}/")
    print(f"wrote {folder} ({', '.join(name for name in wrote if (folder / name).exists())})")
    print("next: bash run.sh predict, bash run.sh runs; curves and pictures in a browser:")
    print(f"  tensorboard --logdir {folder / TENSORBOARD}")


def main(argv: Sequence[str] | None = None, runs: Path = RUNS) -> int:
    """Run the command line; return the exit code."""
    given = sys.argv[1:] if argv is None else argv
    return cli.run(command, given, "bash run.sh train", given=given, runs=runs)


if __name__ == "__main__":
    sys.exit(main())
