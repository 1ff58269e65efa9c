"""A training's folder belongs to one process at a time, and keeps how its last one ended."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from challenge.environment.locks import holder_of, is_locked, lock_of, locked
from challenge.errors import ChallengeError
from challenge.files import write_text

ENDED = "ended.txt"
"""In a training's folder: `stopped`, or `failed: …`; gone while it runs, and once it is finished.
A kill leaves none, but the lock.
"""
SILENT_S = 600.0
"""A process of another machine that wrote nothing for so long counts as gone, where the file system
does not pass its locks on.
"""
WAIT_S = 1.0


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Keep every other process from training into a folder; it need not be there yet.

    Raises:
        ChallengeError: another process has it.
    """
    if runner := runner_of(folder):
        raise ChallengeError(
            f"{folder}: is being trained by {runner}; wait until it ends, or stop that one first "
            f"(where there is none, remove {lock_of(folder)})"
        )
    with locked(folder, WAIT_S):
        yield


def runner_of(folder: Path) -> str | None:
    """Say who trains into a folder, "process 123 on this machine"; None if nobody does."""
    holder = holder_of(folder)
    here = holder is None or holder[0] == socket.gethostname()
    if not is_locked(folder) and (here or silence_s(folder) > SILENT_S):
        return None
    if holder is None:
        return "another process"
    return f"process {holder[1]} on {'this machine' if here else holder[0]}"


def silence_s(folder: Path) -> float:
    """Return the seconds since a training last wrote something; infinite if it never did."""
    written = []
    for path in (lock_of(folder), *folder.glob("*")):
        with contextlib.suppress(OSError):
            written.append(path.stat().st_mtime)
    return time.time() - max(written) if written else float("inf")


@contextlib.contextmanager
def ending_noted(folder: Path) -> Iterator[None]:
    """Keep in `folder` how what is done in the block ended (see ENDED)."""
    (folder / ENDED).unlink(missing_ok=True)
    try:
        yield
    except KeyboardInterrupt:
        _note(folder, "stopped")
        raise
    except BaseException as error:
        said = error.summary if isinstance(error, ChallengeError) else str(error)
        _note(folder, f"failed: {said.strip() or type(error).__name__}")
        raise


def _note(folder: Path, text: str) -> None:
    with contextlib.suppress(OSError):  # what ended the training may be a full disk
        write_text(folder / ENDED, f"{text}\n")
