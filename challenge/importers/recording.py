"""What a recording is, whatever file it comes from: parts in the order of the file."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from challenge.errors import ChallengeError, ConfigError, DataError
from challenge.events import Events

BLOCK = 1 << 18
"""Words, rows or events that are read at a time: memory does not grow with the file."""


@dataclass(frozen=True)
class Frame:
    """One picture of a recording, and what its file says about when it was taken.

    stamp_us: the time that the file gives it. start_us, end_us: of its exposure; None where the
    file does not say. All in microseconds on the clock of the events.
    """

    image: np.ndarray  # (H, W, 3) uint8 RGB
    stamp_us: int
    start_us: int | None = None
    end_us: int | None = None


Part = Events | Frame
RUST_PANICS = "pyo3_runtime"
"""Module of what a panic in a library written in Rust becomes; it is no Exception."""


@dataclass(frozen=True)
class Recording:
    """A file of events, and of frames where it holds some. Nothing is kept of what was read.

    `parts()` walks through the file, and can be called again: blocks of `Events` (t int64 in
    microseconds, p 1 or 0) and `Frame`s, each kind in the order of the file.
    """

    path: Path
    kind: str  # "AEDAT4", for people
    parts: Callable[[], Iterator[Part]]
    size: tuple[int, int] | None = None  # (width, height) of the sensor, where the file says so
    notes: tuple[str, ...] = ()  # what had to be decided, for people


def library(name: str, package: str, kind: str) -> Any:
    """Import what reads one kind of file; no other kind needs it.

    Raises:
        ConfigError: it is not installed; says how to.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"{kind} is read by the package {package}, which {sys.executable} cannot import "
            f"({error}); bash run.sh setup installs it into .venv, "
            f"{sys.executable} -m pip install {package} into this Python"
        ) from error


def as_events(x: Any, y: Any, t: Any, p: Any) -> Events:
    """Hold events in little: x and y of 16 bits, t int64 in microseconds, p 1 or 0 of 8 bits."""
    return Events(
        x=np.asarray(x).astype(np.uint16, copy=False),
        y=np.asarray(y).astype(np.uint16, copy=False),
        t=np.asarray(t).astype(np.int64, copy=False),
        p=(np.asarray(p) > 0).astype(np.int8),
    )


def all_events(recording: Recording) -> Events:
    """Read every event at once, in the order of the file; takes 13 bytes for each of them."""
    return Events.concatenate([p for p in recording.parts() if isinstance(p, Events)])


def damaged(path: Path, error: object) -> DataError:
    """Say that a file does not hold what its kind promises."""
    text = " ".join(str(error).split()) or type(error).__name__
    return DataError(f"{path}: damaged or cut off ({text[:200]}); copy it again")


@contextlib.contextmanager
def foreign(path: Path) -> Iterator[None]:
    """Turn what a library raises over a damaged file, which may be anything, into a DataError that
    names the file. The kit's own errors get the file's name in front, where they lack it.
    """
    try:
        yield
    except DataError as error:
        if str(path) in error.summary:
            raise
        raise DataError(f"{path}: {error.summary}", error.problems) from error
    except ChallengeError:
        raise
    except MemoryError as error:
        raise damaged(path, "it asks for more memory than there is") from error
    except BaseException as error:
        if isinstance(error, Exception) or type(error).__module__ == RUST_PANICS:
            raise damaged(path, error) from error
        raise


def named(path: Path, parts: Iterable[Part]) -> Iterator[Part]:
    """Pass on the parts that a library reads out of a file; see `foreign`."""
    with foreign(path):
        yield from parts
