"""What is known of a training, read from its folder, while it runs or long after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from baselines import CONFIG
from baselines.efnet.claim import ENDED, runner_of, silence_s
from baselines.efnet.score_tables import validations
from baselines.efnet.stages import crops_before, laid_out
from baselines.efnet.training_log import LOG, SPEED, damaged_line, read_log
from challenge.config import flatten
from challenge.environment.locks import lock_of
from challenge.errors import ConfigError

RECENT = 5
"""Rows of the speed log that tell how quick a training is now."""


@dataclass(frozen=True)
class Facts:
    """One folder of `runs/`."""

    name: str
    folder: Path
    state: str  # running, finished, stopped, failed, killed; broken: what it holds is not readable
    why: str = ""  # it failed, or is broken; or who runs it
    iteration: int = 0
    iterations: int | None = None  # to be run in all
    silent_s: float = float("inf")  # since something was written
    left_s: float | None = None  # until its end, while it runs
    best_psnr: float | None = None
    best_iteration: int | None = None
    images_per_s: float | None = None
    config: Mapping[str, Any] = field(default_factory=dict)  # flat
    scores: Sequence[Mapping[str, Any]] = ()  # of each validation (see `validations`)
    speed: Sequence[Mapping[str, Any]] = ()  # rows of the speed log


def read_trainings(runs: Path) -> list[Facts]:
    """Read every folder in `runs`, hidden ones aside, the one last written to first."""
    folders = [path for path in runs.glob("*") if path.is_dir() and path.name[0] != "."]
    return sorted((read_training(path) for path in folders), key=lambda each: each.silent_s)


def read_training(folder: Path) -> Facts:
    """Read one; what cannot be read makes it broken, with the reason, and is no error."""
    silent = silence_s(folder)
    try:
        config, total = read_settings(folder)
        rows, speed = read_log(folder / LOG), read_log(folder / SPEED)
        line = damaged_line(folder / LOG)
    except (ConfigError, OSError) as error:
        return Facts(folder.name, folder, "broken", str(error), silent_s=silent)
    iteration = max((row["iteration"] for row in (*rows, *speed)), default=0)
    state, why = state_of(folder, iteration >= total)
    if line is not None and state != "running":
        state, why = "broken", f"{LOG}: line {line} cannot be read; what follows is left out"
    scores = [row for row in validations(rows) if isinstance(row["psnr"], float | int)]
    best = scores[-1] if scores else {}
    return Facts(
        folder.name,
        folder,
        state,
        why,
        iteration,
        total,
        silent,
        time_left(speed, config, iteration, total) if state == "running" else None,
        best.get("best_psnr"),
        best.get("best_iteration"),
        recent(speed or rows, "images_per_s"),  # rows: older trainings logged it there
        config,
        scores,
        speed,
    )


def read_settings(folder: Path) -> tuple[dict[str, Any], int]:
    """Read a training's configuration, flat, and the number of its iterations.

    Raises:
        ConfigError: it has none, or one that is not a training's.
        OSError: it cannot be read.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise ConfigError(f"no {CONFIG}: not a training of this kit, or one that never began")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{CONFIG}: not valid YAML") from error
    config = flatten(values) if isinstance(values, dict) else {}
    total = config.get("train.iterations")
    if not isinstance(total, int) or isinstance(total, bool):
        raise ConfigError(f"{CONFIG}: no number at train.iterations: not one of a training")
    return config, total


def state_of(folder: Path, reached_the_end: bool) -> tuple[str, str]:
    """Say in a word how it stands with a training, and what is to be added.

    A lock that nobody holds was left by a process that had no time to end.
    """
    if runner := runner_of(folder):
        return "running", runner
    ended = folder / ENDED
    if ended.is_file():
        word, _, why = ended.read_text(encoding="utf-8", errors="replace").strip().partition(": ")
        return ("failed" if word == "failed" else "stopped"), why
    if lock_of(folder).exists():
        return "killed", ""
    return ("finished" if reached_the_end else "stopped"), ""


def recent(rows: Sequence[Mapping[str, Any]], key: str) -> float | None:
    """Return the median of the last rows that have a value; None if none has."""
    values = [row[key] for row in rows if isinstance(row.get(key), float | int)]
    return float(median(values[-RECENT:])) if values else None


def time_left(
    speed: Sequence[Mapping[str, Any]], config: Mapping[str, Any], iteration: int, total: int
) -> float | None:
    """Estimate the seconds until a training ends, validations among them; None if nothing tells."""
    images_per_s, images = recent(speed, "images_per_s"), images_left(config, iteration, total)
    every = config.get("train.validate_every")
    if not images_per_s or images is None:
        return None
    left = images / images_per_s
    if (took := recent(speed, "validation_s")) and isinstance(every, int) and every > 0:
        left += took * (-(-total // every) - iteration // every)  # one more at the end
    return left


def images_left(config: Mapping[str, Any], iteration: int, total: int) -> int | None:
    """Count the crops of one process from an iteration on; None if the configuration is odd."""
    asked = config.get("train.stages") or [{"share": 1, "batch": config.get("train.batch")}]
    try:
        stages = laid_out(total, [(each["share"], 0, int(each["batch"])) for each in asked])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return crops_before(stages, total) - crops_before(stages, iteration)
