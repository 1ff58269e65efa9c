"""Where a data set is described: its folder, its format, and what its format needs to know."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from challenge.datasets.highrev import HighRevRaw
from challenge.datasets.highrev_voxel import HighRevVoxel
from challenge.datasets.layout import blurry_folder, event_folder, grid_folder
from challenge.errors import ConfigError, DataError
from challenge.files import kit_path
from challenge.runs import RunRecord
from challenge.sample import Sample, Window

FORMATS = ("highrev_raw", "highrev_voxel")
BINS = 6
"""Time bins of the published voxel grids."""


class Dataset(Protocol):
    """The frames of one split, in the order of their names; `frame` is always one of `frames`."""

    frames: list[str]  # "SEQNAME_00012"
    has_sharp: bool

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

    root: Path  # folder with {train,val,test}/
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
    def of_record(cls, record: RunRecord) -> DataSource | None:
        """Take the data a run was made from; None where its record does not say."""
        if record.data_root is None:
            return None
        return cls(
            root=Path(record.data_root),
            format=record.data_format or "highrev_raw",
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
        """Open one split ("train", "val", "test").

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
        raise ConfigError(f"data.format={self.format}: expected one of {', '.join(FORMATS)}")


def open_split(
    root: Path,
    split: str,
    format: str = "highrev_raw",
    bins: int = BINS,
    voxel_root: Path | None = None,
) -> Dataset:
    """Open one split of a data set, described in place: `DataSource(root, …).open(split)`.

    Args:
        root: the folder with `{train,val,test}/`.
        split: "train", "val" or "test".
        format: one of `FORMATS`.
        bins: for `highrev_voxel`, the time bins of its grids.
        voxel_root: for `highrev_voxel`, the folder with `{train,val}/voxel/`.

    Raises:
        ConfigError: an unknown format, or `highrev_voxel` without `voxel_root`.
        DataError: what is on disk is incomplete; every problem is listed.
    """
    return DataSource(root, format, voxel_root, bins).open(split)
