"""The frames of HDF5 files as PNGs, where everybody looks for them (`layout`).

Scoring, checking and packing read folders of PNGs and open no data set: what lies in another
container is written out for them, once for each split.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from challenge.datasets.hdf5 import Hdf5, list_hdf5
from challenge.datasets.layout import blurry_folder, sharp_folder
from challenge.datasets.source import Dataset, DataSource
from challenge.environment.locks import locked
from challenge.environment.space import need_space
from challenge.errors import DataError
from challenge.files import list_pngs, replace_folder, write_json
from challenge.images import write_png

MARK = ".made_of.json"
"""In a folder of PNGs written here: the files they were made of."""
WAIT_S = 3600.0
"""For another process that is writing them."""


def provide_frames(root: Path, split: str | None) -> None:
    """Write the images of a split as PNGs into its folders, if they lie in HDF5 files.

    They are written again when the files have changed. A folder of PNGs that was not written here
    is left as it is. Nothing is done for other formats, or without a split.

    Raises:
        DataError: the files cannot be read, or their folder cannot be written; says what to do.
        DiskError: too little room on the disk.
    """
    files = list_hdf5(root / split) if split else []
    if split is None or not files or _is_current(root, split, files):
        return
    _refuse_read_only(root, split)
    with locked(root / split / MARK, WAIT_S):
        if _is_current(root, split, files):  # another process has just done it
            return
        dataset = DataSource.of_folder(root, _bins(files[0])).open(split)
        _refuse_full(root / split, dataset)
        mark = {"files": _listed(files), "sharp": dataset.has_sharp}
        if dataset.has_sharp:
            _write(sharp_folder(root, split), dataset.frames, dataset.read_sharp, mark)
        # last: who finds these finds all
        _write(blurry_folder(root, split), dataset.frames, dataset.read_blurry, mark)


def _is_current(root: Path, split: str, files: list[Path]) -> bool:
    """Say whether the PNGs are those of the files, or somebody else's."""
    blurry, sharp = blurry_folder(root, split), sharp_folder(root, split)
    mark = _read_mark(blurry)
    if mark is None:
        return bool(list_pngs(blurry))
    same = mark.get("files") == _listed(files)
    return same and (not mark.get("sharp") or bool(list_pngs(sharp)))


def _read_mark(folder: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads((folder / MARK).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError):
        return {}


def _listed(files: list[Path]) -> list[list[Any]]:
    """Name the files with their sizes and times: what changes in them changes this."""
    return [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]


def _bins(file: Path) -> int:
    """Read how many bins the stored grids of a file have: images do not depend on it."""
    grids = Hdf5(file).names("voxels")
    return Hdf5(file).shape(f"voxels/{grids[0]}")[0] if grids else 1


def _refuse_read_only(root: Path, split: str) -> None:
    if os.access(root / split, os.W_OK | os.X_OK):
        return
    raise DataError(
        f"{root / split}: its frames are in HDF5 files, have to be written beside them as PNGs, "
        "and nothing can be written there; make a folder of links to the files, and name that as "
        f"your data: mkdir -p MINE/{split} && ln -s {root.resolve() / split}/*.h5 MINE/{split}/"
    )


def _refuse_full(folder: Path, dataset: Dataset) -> None:
    height, width = dataset.read_blurry(dataset.frames[0]).shape[:2]
    need = len(dataset) * height * width * 3 * (2 if dataset.has_sharp else 1)
    fix = "link the files into a folder on another disk"
    need_space(folder, need, f"its {len(dataset)} frames as PNGs", fix)


def _write(
    folder: Path, frames: list[str], read: Callable[[str], np.ndarray], mark: dict[str, Any]
) -> None:
    """Write a folder of PNGs, whole or not at all; one that was not written here is left alone."""
    if list_pngs(folder) and _read_mark(folder) is None:
        return
    print(f"{folder}: {len(frames)} frames are written there as PNGs, once", flush=True)
    with replace_folder(folder) as new:
        for frame in tqdm(frames, desc="writing", unit=" images", leave=False, disable=None):
            write_png(new / f"{frame}.png", read(frame))
        write_json(new / MARK, mark)
