"""Data sets on disk, each a sequence of `challenge.sample.Sample`: one module per format."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

from challenge.datasets.highrev import HighRevRaw
from challenge.datasets.highrev_voxel import HighRevVoxel
from challenge.errors import ConfigError
from challenge.sample import Sample

FORMATS = ("highrev_raw", "highrev_voxel")
BINS = 6
"""Time bins of the published voxel grids."""


class Dataset(Protocol):
    """The frames of one split, in the order of their names."""

    frames: list[str]  # "SEQNAME_00012"
    has_sharp: bool

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...

    def read_images(self, frame: str) -> tuple[np.ndarray, np.ndarray | None]: ...

    def sharp_folder(self) -> Path: ...


def open_split(
    root: Path,
    split: str,
    format: str = "highrev_raw",
    bins: int = BINS,
    voxel_root: Path | None = None,
) -> Dataset:
    """Open one split ("train", "val", "test") of a data set.

    Args:
        root: the folder with `{train,val,test}/`.
        format: one of `FORMATS`.
        bins: time bins of the voxel grid (made for raw events, expected of stored ones).
        voxel_root: for `highrev_voxel`, the folder with `{train,val}/voxel/`.

    Raises:
        ConfigError: an unknown format, or `highrev_voxel` without `voxel_root`.
        DataError: what is on disk is incomplete; every problem is listed.
    """
    if format == "highrev_raw":
        return HighRevRaw(root, split, bins)
    if format == "highrev_voxel":
        if voxel_root is None:
            raise ConfigError(
                "data.format=highrev_voxel needs data.voxel_root=/path/to/HighREV_voxel"
            )
        return HighRevVoxel(root, voxel_root, split, bins)
    raise ConfigError(f"data.format={format}: expected one of {', '.join(FORMATS)}")
