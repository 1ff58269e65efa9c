"""What goes wrong in a user's hands, told in one sentence that says what to do."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

ELSEWHERE = "name another place, or have it made writable"
IN_THE_WAY = "move what is in the way, or name another place"
FIXES: Mapping[int, str] = MappingProxyType(
    {
        errno.ENOSPC: "free some space, or name another place",
        errno.EDQUOT: "free some of your quota, or name another place",
        errno.EFBIG: "name a place that takes files so large",
        errno.EROFS: ELSEWHERE,
        errno.EACCES: ELSEWHERE,
        errno.EPERM: ELSEWHERE,
        errno.EIO: "look after the disk, and copy what is on it",
        errno.ENAMETOOLONG: "choose a shorter name",
        errno.EEXIST: IN_THE_WAY,
        errno.ENOTDIR: IN_THE_WAY,
        errno.EISDIR: IN_THE_WAY,
        errno.EMFILE: "allow more open files (ulimit -n), or use fewer --workers",
    }
)
"""What a user can do when the system refuses; any other OSError is our bug."""


class ChallengeError(Exception):
    """A mistake the user can mend: a summary, and every problem found, one line each.

    A command line prints it as `error: …` and leaves with exit code 1; any other traceback is our
    bug.
    """

    def __init__(self, summary: str, problems: Sequence[str] = ()) -> None:
        self.summary = summary
        self.problems = tuple(problems)
        super().__init__("\n  - ".join((summary, *self.problems)))


class DataError(ChallengeError):
    """Images or events on disk, or arrays made of them, are not what they should be."""


class ConfigError(ChallengeError):
    """A configuration file, an override or a command-line value cannot be used."""


class SubmissionError(ChallengeError):
    """A folder of predictions or a zip would not be accepted, or could not be scored."""


class DiskError(ChallengeError):
    """The system refuses to write, or to read: a disk is full, read-only, somebody else's."""


@contextlib.contextmanager
def disk_errors() -> Iterator[None]:
    """Turn an OSError that a user can mend into a DiskError; any other, a bug of ours, passes.

    Raises:
        DiskError: one sentence: file, reason, fix.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None or error.errno not in FIXES:
            raise
        file = error.filename2 or error.filename or "a file"
        reason = os.strerror(error.errno).lower()
        raise DiskError(f"{file}: {reason}; {FIXES[error.errno]}") from error
