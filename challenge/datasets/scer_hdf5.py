"""GoPro and REBlur as the authors of EFNet hand them out: images, SCER grids and masks in HDF5.

    GoPro/{train,test}/SEQUENCE.h5             1280x720 (width x height)
    REBlur/{train,test,addition}/SEQUENCE.h5   320x260, grey; no sharp images in `addition`

        images/image%09d        uint8 (3, H, W) BGR       sharp_images/image%09d  the same
        voxels/voxel%09d        float32 (bins, H, W)      masks/mask%09d          uint8 (1, H, W)

Each array has the attribute size, its shape, and the file sensor_resolution = [H, W]. The grids are
counts of signed events, not normalised; the masks are 0 or 255. `challenge.datasets.hdf5_frames`
says more of the images.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from challenge.datasets.frames import refuse
from challenge.datasets.hdf5 import Hdf5
from challenge.datasets.hdf5_frames import (
    BLURRY,
    Hdf5Frames,
    Place,
    image_numbers,
    image_size,
    read_image,
)
from challenge.errors import DataError
from challenge.sample import Sample, Window

VOXELS, MASKS = "voxels", "masks"
MIDDLE = (
    "it has one channel more than bins, as the authors' GoPro converter writes it unless told "
    "otherwise: an empty one for the middle of the exposure, which their networks do not take; "
    "convert the raw events again, for example with `bash run.sh convert scer`"
)


class ScerHdf5(Hdf5Frames):
    """One split of GoPro or REBlur: a sequence of Sample, with grids and masks, without events."""

    stored_kind: str | None = "scer"

    def __init__(self, root: Path, split: str, bins: int) -> None:
        self.bins = bins
        super().__init__(root, split)
        self.has_masks = all(file.names(MASKS) for file in self.files)
        missing = []
        for file in self.files:
            grids, masks = set(file.names(VOXELS)), set(file.names(MASKS))
            for number in image_numbers(file):
                if f"voxel{number:09d}" not in grids:
                    missing.append(f"{file.path}: {VOXELS}/voxel{number:09d} is missing")
                if self.has_masks and f"mask{number:09d}" not in masks:
                    missing.append(f"{file.path}: {MASKS}/mask{number:09d} is missing")
        refuse(missing, f"{root / split}: frames without their grid or mask")
        for file in self.files:  # what all of them have wrong is better said before the work starts
            self.check_grid(Place(file, image_numbers(file)[0]))

    def positions(self, file: Hdf5) -> Iterator[tuple[int, int]]:
        """Yield each image's number twice: frames are called by it."""
        numbers = image_numbers(file)
        if not numbers or not file.names(VOXELS):
            there = ", ".join(file.names("/")) or "nothing"
            raise DataError(
                f"{file.path}: expected the groups {BLURRY} and {VOXELS}, found {there}; "
                "raw events in HDF5 are data.format=monash_hdf5"
            )
        return ((number, number) for number in numbers)

    def read_inputs(self, frame: str) -> Sample:
        """Read the blurry image, the stored grid, and the event mask where there is one.

        Raises:
            DataError: a damaged file, or a grid or mask of another shape.
        """
        return self._inputs(frame, Window.whole(*self.frame_size(frame)))

    def read_part(self, frame: str, window: Window) -> Sample:
        """Read a part of everything there is of a frame; chunks it does not touch are not read.

        Raises:
            DataError: a damaged file, or arrays of shapes that do not belong together.
        """
        part = self._inputs(frame, window)
        sharp = self.read_sharp_part(frame, window) if self.has_sharp else None
        return dataclasses.replace(part, sharp=sharp)

    def _inputs(self, frame: str, window: Window) -> Sample:
        place = self.places[frame]
        return Sample(
            frame=frame,
            blurry=read_image(place.file, f"{BLURRY}/{place.image}", window),
            events=None,
            stored_grid=self._read_grid(place, window),
            stored_kind="scer",
            stored_mask=self._read_mask(place, window) if self.has_masks else None,
        )

    def _read_grid(self, place: Place, window: Window) -> np.ndarray:
        """Read a part of a stored grid: (bins, H, W) float32."""
        name = self.check_grid(place)
        grid = place.file.read(name, (slice(None), window.rows, window.columns))
        if not np.isfinite(grid).all():
            raise DataError(
                f"{place.file.path}: {name}: expected finite numbers, found NaN or infinity"
            )
        return np.ascontiguousarray(grid, dtype=np.float32)

    def _read_mask(self, place: Place, window: Window) -> np.ndarray:
        """Read a part of a stored mask: (1, H, W) uint8, 0 or 1."""
        name = f"{MASKS}/mask{place.number:09d}"
        expected = (1, *image_size(place.file, place.image))
        if (found := place.file.shape(name)) != expected:
            raise DataError(f"{place.file.path}: {name}: expected {expected}, found {found}")
        mask = place.file.read(name, (slice(None), window.rows, window.columns))
        return (mask > 0).astype(np.uint8)

    def check_grid(self, place: Place) -> str:
        """Return the name of a frame's grid in its file.

        Raises:
            DataError: its header says another shape.
        """
        name = f"{VOXELS}/voxel{place.number:09d}"
        expected = (self.bins, *image_size(place.file, place.image))
        found = place.file.shape(name)
        if found != expected:
            fix = "if only the bins differ, set data.bins"
            if found == (self.bins + 1, *expected[1:]):
                fix = MIDDLE
            raise DataError(
                f"{place.file.path}: {name}: expected (bins, H, W) = {expected}, found {found}; "
                f"{fix}"
            )
        return name
