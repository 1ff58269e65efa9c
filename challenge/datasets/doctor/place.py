"""Which data set a path means: its folder, its format, its splits."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from challenge import SPLITS
from challenge.datasets.hdf5 import SUFFIXES, Hdf5, list_hdf5
from challenge.datasets.layout import (
    EXPECTED,
    blurry_folder,
    event_folder,
    grid_folder,
    sharp_folder,
)
from challenge.errors import DataError
from challenge.findings import shorten

PARTS = tuple(
    folder(Path(), "").name for folder in (blurry_folder, sharp_folder, event_folder, grid_folder)
)
"""Names of the folders of a split."""


@dataclass(frozen=True)
class Place:
    """A data set's folder, as `locate` understood the path that was given."""

    root: Path
    splits: tuple[str, ...]
    voxel_root: Path | None = None
    hdf5: str = ""  # the format, if it is one of HDF5

    @property
    def format(self) -> str:
        """One of `challenge.datasets.FORMATS`."""
        if self.hdf5:
            return self.hdf5
        raw = any(event_folder(self.root, split).is_dir() for split in self.splits)
        return "highrev_voxel" if self.voxel_root and not raw else "highrev_raw"

    def name(self, path: Path) -> str:
        """Name a file as findings do: from the root on, or whole where it lies elsewhere."""
        try:
            return path.relative_to(self.root).as_posix()
        except ValueError:
            return str(path)


def locate(path: Path, voxel_root: Path | None = None, format: str | None = None) -> Place:
    """Find the data set that a path means: its root, a split, a folder of a split, one above.

    Args:
        path: a folder.
        voxel_root: where stored grids are, if not in the root or beside it as ROOT_voxel.
        format: one of `challenge.datasets.FORMATS`, to keep to it; None: what is there.

    Raises:
        DataError: nothing that looks like a data set; says what was expected and what is there.
    """
    if not path.exists():
        raise DataError(f"{path}: no such folder; {EXPECTED}")
    if path.suffix.lower() in SUFFIXES and path.is_file():
        path = path.absolute().parent
    if not path.is_dir():
        raise DataError(f"{path}: expected the folder of a data set, found a file; {EXPECTED}")
    path = Path(os.path.abspath(path))
    root, splits = _root_of(path)
    if files := [file for split in splits for file in list_hdf5(root / split)]:
        return Place(root, splits, None, format or _format_of(files))
    grids = voxel_root or next(
        (
            each
            for each in (root, root.with_name(f"{root.name}_voxel"))
            if any(grid_folder(each, split).is_dir() for split in splits)
        ),
        None,
    )
    return Place(root, splits, None if format == "highrev_raw" else grids)


def _format_of(files: Sequence[Path]) -> str:
    """Say what HDF5 files hold, by the first that can be read."""
    for file in files:
        with contextlib.suppress(DataError):
            return "monash_hdf5" if Hdf5(file).names("events") else "scer_hdf5"
    return "scer_hdf5"


def _root_of(path: Path) -> tuple[Path, tuple[str, ...]]:
    if splits := _splits_of(path):
        return path, splits
    if _is_split(path):
        return path.parent, (path.name,)
    if list_hdf5(path):
        return path.parent, (path.name,)
    if path.name in PARTS and _is_split(path.parent):
        return path.parent.parent, (path.parent.name,)
    inside = [each for each in _folders(path) if _splits_of(each)]
    if len(inside) == 1:
        return inside[0], _splits_of(inside[0])
    if inside:
        names = [f"{each}: holds {', '.join(_splits_of(each))}" for each in inside]
        raise DataError(f"{path}: holds {len(inside)} data sets; name one of them", names)
    if any(grid_folder(path, split).is_dir() for split in SPLITS):
        raise DataError(
            f"{path}: holds voxel grids alone; name the folder that has the blurry frames, and "
            f"--voxel-root {path}"
        )
    found = ", ".join(shorten(sorted(each.name for each in path.iterdir()), 8)) or "nothing"
    raise DataError(f"{path}: no data set that the doctor knows; {EXPECTED}, found {found}")


def _splits_of(root: Path) -> tuple[str, ...]:
    """List the splits in a folder: the known ones in their order, then others."""
    names = [each.name for each in _folders(root) if _is_split(each)]
    return tuple(sorted(names, key=lambda name: (name not in SPLITS, (*SPLITS, name).index(name))))


def _is_split(folder: Path) -> bool:
    """Whether a folder holds frames; in one of a split's name, its events or sharp images do."""
    known = folder.name in (*SPLITS, "addition")
    if known and list_hdf5(folder):
        return True
    parts = (blurry_folder, *((event_folder, sharp_folder) if known else ()))
    return any(part(folder.parent, folder.name).is_dir() for part in parts)


def _folders(path: Path) -> list[Path]:
    try:
        return sorted(each for each in path.iterdir() if each.is_dir() and each.name[0] != ".")
    except PermissionError:
        return []
