"""One process at a time: a lock beside a file that several may change. Standard library only."""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from challenge.errors import ChallengeError

HAS_LOCKS = importlib.util.find_spec("fcntl") is not None
"""Whether the system has locks of its own: a POSIX one has."""
WAIT_S = 30.0
PAUSE_S = 0.02
STALE_S = 60.0
"""Where the system has no locks: so old, a lock file belongs to a process that was killed."""
EXCLUSIVE = ".exclusive"
"""Suffix of the file that stands for a lock where the file system has none."""
UNSUPPORTED = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
Held = tuple[Path, int | None]
"""The lock file, and its open descriptor where the system's lock is on that."""


@contextlib.contextmanager
def locked(path: Path, wait_s: float = WAIT_S) -> Iterator[None]:
    """Let one process at a time into the block, by `.NAME.lock` beside `path`.

    The system's own lock, which ends with its process; where a file system has none, a file that
    only one can create.

    Raises:
        ChallengeError: another process did not come out of it within `wait_s` seconds.
        OSError: of the system, with the name of `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = lock_of(path)
    deadline = time.monotonic() + wait_s
    try:
        while (held := _take(lock)) is None:
            if time.monotonic() > deadline:
                since = f"has been changing it for {wait_s:g} s" if wait_s else "is changing it"
                raise ChallengeError(
                    f"{path}: another process{_named(path)} {since}; wait for it and try again, "
                    f"or remove {lock} where there is none"
                )
            time.sleep(PAUSE_S)
    except OSError as error:
        error.filename = str(path)
        raise
    taken, descriptor = held
    try:
        with contextlib.suppress(OSError):  # a full disk keeps nobody from holding a lock
            taken.write_text(f"{socket.gethostname()} {os.getpid()}\n", encoding="utf-8")
        yield
    finally:
        with contextlib.suppress(OSError):
            taken.unlink()
        if descriptor is not None:
            os.close(descriptor)


def lock_of(path: Path) -> Path:
    """Name the lock file of a path."""
    return path.with_name(f".{path.name}.lock")


def is_locked(path: Path) -> bool:
    """Say whether a process has the lock of `path`; takes and changes nothing.

    Where the file system has no locks of its own, those are meant that are younger than STALE_S.
    """
    lock = lock_of(path)
    made = [] if HAS_LOCKS else [lock]
    for file in (lock.with_suffix(EXCLUSIVE), *made):
        with contextlib.suppress(OSError):
            if time.time() - file.stat().st_mtime < STALE_S:
                return True
    return HAS_LOCKS and _is_taken(lock)


def holder_of(path: Path) -> tuple[str, int] | None:
    """Return the machine and the number of the process that has the lock of `path`, or was killed
    while it had it; None where there is no lock file, or it does not say.
    """
    lock = lock_of(path)
    for file in (lock, lock.with_suffix(EXCLUSIVE)):
        try:
            machine, number = file.read_text(encoding="utf-8").split()
            return machine, int(number)
        except (OSError, ValueError):  # not there, or taken this very moment
            continue
    return None


def _named(path: Path) -> str:
    holder = holder_of(path)
    return f" ({holder[0]}, process {holder[1]})" if holder else ""


def _is_taken(lock: Path) -> bool:
    import fcntl

    try:
        descriptor = os.open(lock, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


def _take(lock: Path) -> Held | None:
    """Take the lock, or return None where another has it."""
    if not HAS_LOCKS:
        return _create(lock)
    import fcntl

    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # who had it before removes the file at the end: a lock on that one would keep nobody out
        if os.fstat(descriptor).st_ino == os.stat(lock).st_ino:
            return lock, descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError as error:
        os.close(descriptor)
        if error.errno not in UNSUPPORTED:
            raise
        return _create(lock.with_suffix(EXCLUSIVE))
    os.close(descriptor)
    return None


def _create(lock: Path) -> Held | None:
    try:
        os.close(os.open(lock, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666))
    except FileExistsError:
        with contextlib.suppress(OSError):
            if time.time() - lock.stat().st_mtime > STALE_S:
                lock.unlink()
        return None
    return lock, None
