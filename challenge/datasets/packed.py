"""Where the splits of a data set lie in an archive, whatever folders its makers put around them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from challenge import SPLITS
from challenge.errors import DataError
from challenge.findings import shorten

OF_A_SPLIT = ("blur", "sharp", "event", "voxel")


def find_root(names: Iterable[str], alone: str | None = None) -> tuple[str, str]:
    """Find the folder of an archive that is to become a data set's ROOT.

    Args:
        names: of all files, with `/`.
        alone: the one split that is in it, if it may be there without a folder of its own.

    Returns:
        (prefix, target): what to take off the names, and what to put before them instead; "" or
        ending in `/`. Files that do not begin with the prefix belong to something else.

    Raises:
        DataError: no split in it, or several folders that hold some.

    >>> find_root(["x/HighREV/train/blur/a_00000.png", "x/readme.txt"])
    ('x/HighREV/', '')
    >>> find_root(["blur/a_00000.png", "event/a_00000_00.npz"], alone="test")
    ('', 'test/')
    """
    paths = [PurePosixPath(name).parts for name in names]
    for folders, target in ((SPLITS, ""), (OF_A_SPLIT if alone else (), f"{alone}/")):
        found = sorted({prefix for path in paths if (prefix := _before(path, folders)) is not None})
        if len(found) > 1:
            some = ", ".join(prefix or "its top" for prefix in found[:3])
            raise DataError(f"expected one data set in it, found several: in {some}")
        if found:
            return found[0], target
    tops = sorted({path[0] for path in paths})
    raise DataError(
        f"expected folders {', '.join(SPLITS[:3])} in it, found "
        f"{', '.join(shorten(tops, 5)) or 'nothing'}"
    )


def _before(path: Sequence[str], folders: Sequence[str]) -> str | None:
    """Return what stands before the first of `folders` in a file's path; None if there is none."""
    for depth, part in enumerate(path[:-1]):
        if part in folders:
            return "".join(f"{each}/" for each in path[:depth])
    return None
