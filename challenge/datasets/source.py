"""Where a data set is described: its folder, its format, and what its format needs to know."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from challenge import SPLITS
from challenge.datasets.hdf5 import Hdf5, list_hdf5
from challenge.datasets.highrev import HighRevRaw
from challenge.datasets.highrev_voxel import HighRevVoxel
from challenge.datasets.layout import blurry_folder, event_folder, grid_folder
from challenge.datasets.monash_hdf5 import MonashHdf5
from challenge.datasets.scer_hdf5 import ScerHdf5
from challenge.errors import ConfigError, DataError
from challenge.files import kit_path
from challenge.runs import RunRecord
from challenge.sample import Sample, Window

FORMATS = ("highrev_raw", "highrev_voxel", "scer_hdf5", "monash_hdf5")
STORED = {"highrev_voxel": "voxel", "scer_hdf5": "scer"}
"""Formats without raw events, and the representation that they have stored in their place."""
BINS = 6
"""Time bins of the published grids."""


class Dataset(Protocol):
    """The frames of one split, in the order of their names; `frame` is always one of `frames`."""

    frames: list[str]  # "SEQNAME_00012"
    has_sharp: bool
    stored_kind: str | None  # of its stored grids: "voxel", "scer"; None: it has raw events

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample:
        """Read everything there is of a frame. No grid is computed."""
        ...

    def read_inputs(self, frame: str) -> Sample:
        """Read what a restorer may see of a frame: everything but the sharp image."""
        ...

    def read_part(self, frame: str, window: Window) -> Sample:
        """Read a part of everything there is of a frame, its sharp image too.

        Pixels, grids and events are those that `part_of` cuts from the whole, bit for bit, but that
        events of equal time may stand in another order. `span` is that of the whole frame;
        `magnitude` may be None.
        """
        ...

    def frame_size(self, frame: str) -> tuple[int, int]:
        """Tell the (height, width) of a frame in pixels; its pixels are not read."""
        ...

    def source_files(self, frame: str) -> list[Path]:
        """List the files that a frame is read from: what changes with the frame."""
        ...

    def read_blurry(self, frame: str) -> np.ndarray:
        """Read the blurry image alone: (H, W, 3) uint8 RGB."""
        ...

    def read_sharp(self, frame: str) -> np.ndarray:
        """Read the sharp image: (H, W, 3) uint8 RGB; DataError where it is withheld."""
        ...


@dataclass(frozen=True)
class DataSource:
    """A data set with all its splits, not opened yet."""

    root: Path  # folder with {train,val,test}/, or other splits
    format: str = "highrev_raw"  # one of FORMATS
    voxel_root: Path | None = None  # highrev_voxel: folder with {train,val}/voxel/
    bins: int = BINS  # time bins of the grids: expected of stored ones, for others to make

    @classmethod
    def of_config(cls, data: Mapping[str, Any]) -> DataSource:
        """Take the data from the `data` section of a training's configuration.

        Relative folders that are not there are sought in the kit.
        """
        voxel_root = data.get("voxel_root")
        return cls(
            root=kit_path(data["root"]),
            format=data["format"],
            voxel_root=kit_path(voxel_root) if voxel_root else None,
            bins=data["bins"],
        )

    @classmethod
    def of_folder(cls, root: Path, bins: int = BINS) -> DataSource:
        """Take the data that lie in a folder, in the format that they have.

        Raises:
            DataError: an HDF5 file that cannot be read.
        """
        return cls(root, format_of(root), bins=bins)

    @classmethod
    def of_record(cls, record: RunRecord) -> DataSource | None:
        """Take the data a run was made from; None where its record does not say."""
        if record.data_root is None:
            return None
        return cls(
            root=Path(record.data_root),
            format=record.data_format or format_of(Path(record.data_root)),
            voxel_root=Path(record.voxel_root) if record.voxel_root else None,
            bins=record.bins or BINS,
        )

    def record_fields(self) -> dict[str, Any]:
        """Say the same in the fields of a RunRecord."""
        return {
            "data_root": str(self.root.resolve()),
            "data_format": self.format,
            "voxel_root": str(self.voxel_root.resolve()) if self.voxel_root else None,
            "bins": self.bins,
        }

    def of_split(self, split: str) -> DataSource:
        """Take the raw events of a split for which no voxel grids are stored, if they are there.

        The organisers hand out grids of train and val alone.

        Raises:
            DataError: neither grids nor raw events of the split; says where each would be.
        """
        if self.format != "highrev_voxel" or self.voxel_root is None:
            return self
        grids, events = grid_folder(self.voxel_root, split), event_folder(self.root, split)
        if grids.is_dir() or not blurry_folder(self.root, split).is_dir():
            return self
        if events.is_dir():
            return dataclasses.replace(self, format="highrev_raw", voxel_root=None)
        raise DataError(
            f"{split}: its events are nowhere",
            [
                f"{grids}: not there; the organisers' {split} voxels belong there, FRAME.npz with "
                f"(H, W, {self.bins})",
                f"{events}: not there; raw events belong there, or give the folder that has them: "
                f"bash run.sh predict --data ROOT --split {split}",
            ],
        )

    def open(self, split: str) -> Dataset:
        """Open one split ("train", "val", "test", "addition").

        Raises:
            ConfigError: an unknown format, or `highrev_voxel` without `voxel_root`.
            DataError: what is on disk is incomplete; every problem is listed.
        """
        if self.format == "highrev_raw":
            return HighRevRaw(self.root, split)
        if self.format == "highrev_voxel":
            if self.voxel_root is None:
                raise ConfigError(
                    "data.format=highrev_voxel needs data.voxel_root=/path/to/HighREV_voxel"
                )
            return HighRevVoxel(self.root, self.voxel_root, split, self.bins)
        if self.format == "scer_hdf5":
            return ScerHdf5(self.root, split, self.bins)
        if self.format == "monash_hdf5":
            return MonashHdf5(self.root, split)
        raise ConfigError(f"data.format={self.format}: expected one of {', '.join(FORMATS)}")


def format_of(root: Path) -> str:
    """Say in which format the data in a folder are; grids of HighREV have a folder of their own.

    HDF5 files tell by what is in them: raw events, or else SCER grids.

    Raises:
        DataError: an HDF5 file that cannot be read.
    """
    for split in SPLITS:
        if files := list_hdf5(root / split):
            return "monash_hdf5" if Hdf5(files[0]).names("events") else "scer_hdf5"
    return "highrev_raw"


def open_split(
    root: Path,
    split: str,
    format: str | None = None,
    bins: int = BINS,
    voxel_root: Path | None = None,
) -> Dataset:
    """Open one split of a data set, described in place: `DataSource(root, …).open(split)`.

    Args:
        root: the folder with `{train,val,test}/`.
        split: "train", "val", "test" or "addition".
        format: one of `FORMATS`; by default the one that lies there (see `format_of`).
        bins: for `highrev_voxel` and `scer_hdf5`, the time bins of the grids.
        voxel_root: for `highrev_voxel`, the folder with `{train,val}/voxel/`.

    Raises:
        ConfigError: an unknown format, or `highrev_voxel` without `voxel_root`.
        DataError: what is on disk is incomplete; every problem is listed.
    """
    return DataSource(root, format or format_of(root), voxel_root, bins).open(split)
