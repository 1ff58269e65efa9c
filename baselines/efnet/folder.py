"""The folder of a training: which one it is, what is always in it, what may change on the way."""

from __future__ import annotations

import dataclasses
import glob
from pathlib import Path

from omegaconf import OmegaConf

from baselines import CONFIG, LAST, PREVIOUS
from baselines.efnet.checkpoint import Checkpoint, save_checkpoint
from baselines.efnet.claim import runner_of
from baselines.efnet.config import Config, read_config
from baselines.efnet.training import Training
from baselines.efnet.training_log import read_log
from challenge.config import flatten
from challenge.environment.leftovers import remove_leftovers_once
from challenge.errors import ChallengeError, ConfigError
from challenge.files import scratch_folder, write_text

FIXED = ("network.", "train.optimiser=")
"""How changes begin that no training can go on with."""


def run_folder(name: str, resume: bool, runs: Path) -> Path:
    """Choose `<runs>/<name>`, or `<name>-2`, … if there is one already, or one about to be; to
    resume, the newest that can be, else as if it were not to be.
    """
    numbered = {
        int(path.name[len(name) + 1 :]): path
        for path in runs.glob(f"{glob.escape(name)}-*")
        if path.name[len(name) + 1 :].isdigit()
    }
    if (runs / name).exists() or runner_of(runs / name):
        numbered[1] = runs / name
    taken = [path for _, path in sorted(numbered.items())]
    if resume:
        if started := [path for path in taken if has_begun(path)]:
            return started[-1]
        print(f"note: {runs / name}: nothing to resume, so it begins")
    elif taken and not runner_of(taken[-1]) and (stopped := stopped_at(taken[-1])) is not None:
        print(f"note: {taken[-1].name} stopped at iteration {stopped}; --resume goes on with it")
    if not taken:
        return runs / name
    new = max(numbered) + 1
    while runner_of(runs / f"{name}-{new}"):  # started, but has not made its folder yet
        new += 1
    return runs / f"{name}-{new}"


def own_folder(config: Path, runs: Path) -> Path | None:
    """Return the training that a configuration file is the record of; None for any other file."""
    folder = config.resolve().parent
    started = config.name == CONFIG and has_begun(folder)
    return folder if started and folder.parent == runs.resolve() else None


def has_begun(folder: Path) -> bool:
    """Say whether there is something to go on from in a training's folder."""
    return any((folder / name).exists() for name in (LAST, PREVIOUS))


def stopped_at(folder: Path) -> int | None:
    """Return the last logged iteration of a training that did not reach its end; None if it did."""
    if not has_begun(folder) or not (folder / CONFIG).exists():
        return None
    rows = read_log(folder / "log.jsonl")
    last = int(rows[-1]["iteration"]) if rows else 0
    return last if last < read_config(folder / CONFIG).train.iterations else None


def settle(training: Training, resumes: bool) -> None:
    """Write the configuration; of a new training its first checkpoint too, in one go: whatever
    folder there is can be resumed.

    Raises:
        ChallengeError: another process has made the folder meanwhile.
    """
    folder, config = training.folder, OmegaConf.to_yaml(OmegaConf.structured(training.config))
    remove_leftovers_once(folder.parent)
    if resumes:
        write_text(folder / CONFIG, config)
        return
    with scratch_folder(folder.parent, folder.name) as scratch:
        new = scratch / folder.name  # the scratch folder itself is for this user alone
        write_text(new / CONFIG, config)
        save_checkpoint(new / LAST, training.checkpoint())
        try:
            new.rename(folder)
        except OSError as error:
            if not folder.exists():
                raise
            raise ChallengeError(
                f"{folder}: another training has begun there meanwhile; start this one again, "
                "it takes another folder"
            ) from error


def compare_settings(config: Config, checkpoint: Checkpoint, path: Path) -> None:
    """Say which settings are other ones than those that a checkpoint was made with.

    Raises:
        ConfigError: those of the network, and which optimiser, which cannot change on the way.
    """
    now = flatten(dataclasses.asdict(config))
    before = now | flatten(checkpoint.get("config", {}))
    changed = [f"{key}={now[key]} (was {before[key]})" for key in now if now[key] != before[key]]
    if fixed := [change for change in changed if change.startswith(FIXED)]:
        raise ConfigError(
            f"{path}: of another network or optimiser; resume with its settings, or begin another "
            f"training, with train.weights={path} where the weights fit",
            fixed,
        )
    if changed:
        print(f"note: goes on with other settings: {', '.join(changed)}")
