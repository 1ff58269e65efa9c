"""Room on a disk, asked before it is filled."""

from __future__ import annotations

import shutil
from pathlib import Path

from challenge.errors import DiskError

RESERVE = 64 << 20
"""Bytes that are left free."""


def need_space(
    place: Path, size: int, what: str, fix: str = "name another place (--out DIR)"
) -> None:
    """See that a disk has room.

    Args:
        place: where it is to be written; its folder need not be there yet.
        size: in bytes.
        what: is to be written.
        fix: what can be done beside freeing space.

    Raises:
        DiskError: there is not enough; says how much there is.
    """
    folder = next(each for each in (place, *place.absolute().parents) if each.is_dir())
    free = shutil.disk_usage(folder).free
    if size + RESERVE > free:
        raise DiskError(
            f"{place}: {what} needs {readable(size)}, free are {readable(free)}; free some space, "
            f"or {fix}"
        )


def readable(size: float) -> str:
    """Write a number of bytes for people.

    >>> readable(71_200_000_000), readable(340_000)
    ('71.2 GB', '0.3 MB')
    """
    return f"{size / 1e9:.1f} GB" if size >= 10**9 else f"{size / 1e6:.1f} MB"
