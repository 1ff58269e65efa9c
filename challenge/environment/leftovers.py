"""Temporary files that say whose they are, so that those of killed processes can be removed.

`.NAME.PID@MACHINE.tmp` lies beside the NAME to be, `.NAME.PID@MACHINE.old` is a folder whose
successor is being put in its place. Standard library only.
"""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import re
import shutil
import time
import zlib
from pathlib import Path

ABANDONED_S = 7 * 86400.0
"""Of a process that cannot be asked after (on another machine), a file untouched for so long."""
CLOCK_S = 60.0
"""So far the clocks of a file system and of a machine may be apart."""
TEMPORARY, REPLACED = "tmp", "old"
OURS = re.compile(
    r"\.(?P<name>.+)\.(?P<pid>\d{1,10})(@(?P<machine>[0-9a-f]{8}))?\.(?P<kind>tmp|old)(\.[^.]+)?"
)


def temporary_path(path: Path, kind: str = TEMPORARY, suffix: str = "") -> Path:
    """Name a temporary file or folder beside `path`, this process's own."""
    return path.with_name(f".{path.name}.{os.getpid()}@{this_machine()}.{kind}{suffix}")


@functools.cache
def remove_leftovers_once(folder: Path) -> None:
    """Call `remove_leftovers` the first time that this process writes into a folder."""
    remove_leftovers(folder)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files in `folder` whose process has ended; none of a living one's.

    A folder that was to be replaced when its process was killed is put back, if no other is in its
    place. What cannot be removed is left: the next one may.
    """
    try:
        found = [(path, OURS.fullmatch(path.name)) for path in folder.iterdir()]
    except OSError:
        return
    for path, match in found:
        if match is None:
            continue
        try:
            touched = path.lstat().st_mtime
            if not is_gone(int(match["pid"]), match["machine"] or "", touched):
                continue
            if path.is_symlink() or not path.is_dir():
                path.unlink(missing_ok=True)
            elif match["kind"] == REPLACED and not (folder / match["name"]).exists():
                path.rename(folder / match["name"])
            else:
                shutil.rmtree(path, ignore_errors=True)
        except OSError:
            continue


def is_gone(pid: int, machine: str, touched: float) -> bool:
    """Say whether the process that made a temporary file has ended, for certain.

    Args:
        pid: of the process.
        machine: its `this_machine()`; "" where that is not known.
        touched: when the file was last changed, in seconds since 1970. A process that began after
            that is another one, to which the system gave the same number.
    """
    if os.name != "posix" or machine != this_machine():  # elsewhere os.kill would end a process
        return time.time() - touched > ABANDONED_S
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:
        pass  # it lives, and is somebody else's
    return _began(pid) > touched + CLOCK_S


@functools.cache
def this_machine() -> str:
    """Return 8 hexadecimal digits for all that sees the same processes: a machine or container."""
    parts = platform.node()
    with contextlib.suppress(OSError):
        parts += " " + os.readlink("/proc/self/ns/pid")  # of a container: numbers of its own
    with contextlib.suppress(OSError):
        parts += " " + Path("/etc/machine-id").read_text(encoding="ascii")
    return f"{zlib.crc32(parts.encode()):08x}"


def _began(pid: int) -> float:
    """Read when a process began, in seconds since 1970; 0 where the system does not say."""
    try:
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        lines = Path("/proc/stat").read_text().splitlines()
        booted = next(line.split()[1] for line in lines if line.startswith("btime "))
        return float(booted) + int(ticks) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, StopIteration):
        return 0.0
