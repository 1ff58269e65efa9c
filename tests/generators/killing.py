"""Kill trainings, resume them, and compare with one that was left alone.

    PYTHONPATH=. python tests/generators/killing.py ROOT FOLDER --kills 100 [KEY=VALUE ...]

ROOT: a data set in HighREV's layout; FOLDER: where the trainings go. Every other kill is at a
random moment, the others just before something changes on disk: a file is flushed, renamed, linked
or removed. A kill between two of those leaves what a kill at the later one leaves.
"""

from __future__ import annotations

import argparse
import ctypes
import functools
import itertools
import multiprocessing
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from baselines.efnet import train
from baselines.efnet.report import Report
from baselines.efnet.training import Training

CHANGES = ("fsync", "replace", "rename", "link", "unlink")
"""Of `os`: what changes a disk, all of it on the way of files that are written whole."""
SETTINGS = [
    *("data.rules=own", "name=t", "network.wf=4", "train.crop=16", "train.batch=2"),
    *("train.iterations=14", "train.log_every=3", "train.save_every=4", "train.validate_every=5"),
]
"""Rows, saves and validations that fall together, and apart."""
PLACES: tuple[tuple[str, Any, tuple[str, ...]], ...] = (
    ("before the first step", None, ()),
    ("between", None, ()),
    ("in a step", Training, ("step",)),
    ("in a validation", train, ("validate",)),
    ("in a save", Report, ("save_last", "save_best")),
    ("in a row", Report, ("log_losses", "log_scores")),
)
"""Where a kill can hit: in a call of one of these functions, or in none."""


def run(arguments: Sequence[str], runs: Path, place: Any, instant: int | None = None) -> None:
    """Train in this process, which is killed just before its `instant`-th change on disk, and keeps
    in `place` where in PLACES it is.
    """
    sys.stderr = sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    torch.set_num_threads(1)
    for number, (_, owner, names) in enumerate(PLACES):
        for name in names:
            setattr(owner, name, _noting(getattr(owner, name), place, number))
    if instant is not None:
        left = itertools.count(instant, -1)
        for name in CHANGES:
            setattr(os, name, _killing(getattr(os, name), left))
    sys.exit(train.main([*arguments, "--resume"], runs))


def _killing(change: Callable[..., Any], left: itertools.count[int]) -> Callable[..., Any]:
    def killed(*args: Any, **kwargs: Any) -> Any:
        if next(left) == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return change(*args, **kwargs)

    return killed


def _noting(work: Callable[..., Any], place: Any, number: int) -> Callable[..., Any]:
    @functools.wraps(work)
    def noted(*args: Any, **kwargs: Any) -> Any:
        place.value = number
        try:
            return work(*args, **kwargs)
        finally:
            place.value = 1

    return noted


class Trainings:
    """Starts trainings from a process that has imported what they need; counts where they were
    killed.
    """

    def __init__(self) -> None:
        self.hits: Counter[str] = Counter()
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["killing", train.__name__])

    def start(
        self,
        arguments: Sequence[str],
        runs: Path,
        instant: int | None = None,
        after_s: float | None = None,
    ) -> int:
        """Train; return the exit code, -SIGKILL where it was killed.

        Args:
            arguments: of the command line; `--resume` is always passed.
            runs: the folder of trainings.
            instant: kill it before so many changes on disk more.
            after_s: kill it after so many seconds.
        """
        place = self.context.Value(ctypes.c_int, lock=False)
        process = self.context.Process(target=run, args=(arguments, runs, place, instant))
        began = time.monotonic()
        process.start()
        process.join(after_s)
        process.kill()
        process.join()
        assert process.exitcode is not None
        if process.exitcode == -signal.SIGKILL:
            self.hits[PLACES[place.value][0]] += 1
            self.hits["in the first second"] += time.monotonic() - began < 1
        return process.exitcode


def differences(one: Path, other: Path) -> list[str]:
    """Compare two folders of trainings: log, tables and pictures by their bytes, checkpoints by
    all that they hold, and nothing is left over.
    """
    found = []
    for pattern in ("*.jsonl", "*.csv", "val/*.png", "config.yml"):
        names = {path.relative_to(one) for path in one.glob(pattern)}
        names |= {path.relative_to(other) for path in other.glob(pattern)}
        for name in sorted(names - {Path("speed.jsonl")}):
            pair = [folder / name for folder in (one, other)]
            if not all(p.exists() for p in pair) or pair[0].read_bytes() != pair[1].read_bytes():
                found.append(str(name))
    for name in ("best.pth", "last.pth", "previous.pth"):
        pair = [torch.load(folder / name, weights_only=True) for folder in (one, other)]
        if not equal(*pair):
            found.append(name)
    found += [str(path) for path in other.parent.rglob(".*")]
    return found


def equal(one: Any, other: Any) -> bool:
    """Say whether two checkpoints hold the same, to the bit."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[k], other[k]) for k in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)


def kill_and_resume(
    trainings: Trainings,
    arguments: Sequence[str],
    runs: Path,
    kills: Sequence[tuple[int | None, float | None]],
) -> int:
    """Kill a training again and again, let the last one finish; return how many were killed.

    Args:
        kills: of each, the change on disk or the second. None of them is before the last one is
            over, or the training has ended.
    """
    killed = 0
    for instant, after_s in kills:
        code = trainings.start(arguments, runs, instant, after_s)
        if code == 0:
            return killed
        assert code == -signal.SIGKILL, code
        killed += 1
    assert trainings.start(arguments, runs) == 0
    return killed


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("settings", nargs="*")
    given = parser.parse_intermixed_args()
    arguments = [*SETTINGS, f"data.root={given.root}", *given.settings]
    trainings, rng = Trainings(), random.Random(given.seed)
    assert trainings.start(arguments, given.folder / "whole") == 0
    began = time.monotonic()
    assert trainings.start(arguments, given.folder / "timed") == 0
    took, killed, number = time.monotonic() - began, 0, 0
    faults = differences(given.folder / "whole" / "t", given.folder / "timed" / "t")
    while killed < given.kills and not faults:
        number += 1
        drawn = [
            (None, rng.uniform(0.0, took)) if k % 2 else (rng.randrange(40), None)
            for k in range(min(12, given.kills - killed))
        ]
        runs = given.folder / str(number)
        killed += kill_and_resume(trainings, arguments, runs, drawn)
        faults = differences(given.folder / "whole" / "t", runs / "t")
        print(f"training {number}: {killed} kills so far; {faults or 'equal'}", flush=True)
    print(", ".join(f"{count} {place}" for place, count in trainings.hits.most_common()))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
