"""How much memory there still is for this process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

GIB = 2**30


def free_memory(root: Path = Path("/")) -> int | None:
    """Read how many bytes this process can still take without being killed; None if none tells.

    The least of what the machine has left (swap included) and what each control group above the
    process leaves it: those of containers and schedulers, version 1 and 2. Files that the system
    keeps in memory count as free, since it gives them up first.

    Args:
        root: where `proc/` and `sys/` are.
    """
    return min([*_left_on_machine(root), *_left_in_groups(root)], default=None)


def peak_memory(root: Path = Path("/")) -> int | None:
    """Read the most bytes of memory that this process ever held at once (its peak resident set);
    None if the system does not tell.

    Args:
        root: where `proc/` is.
    """
    if kib := _numbers(root / "proc/self/status").get("VmHWM:"):
        return 1024 * kib
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


def resident_memory(root: Path = Path("/")) -> int | None:
    """Read the bytes of memory that this process holds now; None if the system does not tell."""
    kib = _numbers(root / "proc/self/status").get("VmRSS:")
    return None if kib is None else 1024 * kib


def _left_on_machine(root: Path) -> Iterator[int]:
    kib = _numbers(root / "proc/meminfo")
    if "MemAvailable:" in kib:
        yield 1024 * (kib["MemAvailable:"] + kib.get("SwapFree:", 0))


def _left_in_groups(root: Path) -> Iterator[int]:
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, group = line.split(":", 2)
        if not controllers:
            base, most, used, files = "", "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            base, most, used = "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
            files = "total_inactive_file"
        else:
            continue
        top = root / "sys/fs/cgroup" / base
        # in a container the group's path may be the host's, and its files lie at the top
        for folder in (top / group.lstrip("/"), *(top / group.lstrip("/")).parents):
            limit, usage = _text(folder / most).strip(), _text(folder / used).strip()
            if limit.isdigit() and usage.isdigit():  # "max" is no limit
                reclaimable = _numbers(folder / "memory.stat").get(files, 0)
                yield max(int(limit) - int(usage) + reclaimable, 0)
            if folder == top:
                break


def _numbers(path: Path) -> dict[str, int]:
    """Read lines of a word and a number."""
    rows = (line.split() for line in _text(path).splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
