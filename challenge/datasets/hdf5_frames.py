"""What the HDF5 formats share: one file per sequence, images numbered in groups, channels BGR.

    ROOT/SPLIT/SEQUENCE.h5    images/image%09d         uint8 (3, H, W) or (H, W, 3) BGR, or (H, W)
                              sharp_images/image%09d   the same; absent where they are withheld
                              attrs sensor_resolution = [H, W]; of each array attrs size, its shape

A frame is called SEQUENCE_%05d. `.hdf5` counts as well; macOS archives leave `._*` files behind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from challenge.datasets.frames import Frames, refuse
from challenge.datasets.hdf5 import Hdf5, list_hdf5
from challenge.errors import DataError
from challenge.sample import Window

BLURRY, SHARP = "images", "sharp_images"
IMAGE = re.compile(r"image(\d{1,9})")


class Place(NamedTuple):
    """Where a frame lies."""

    file: Hdf5
    number: int  # in its file

    @property
    def image(self) -> str:
        """The name of its image in a group."""
        return f"image{self.number:09d}"


class Hdf5Frames(Frames):
    """One split in HDF5 files, one for each sequence; nothing but names is read to open it."""

    def __init__(self, root: Path, split: str) -> None:
        self.files = [Hdf5(path) for path in split_files(root, split)]
        self.places = {
            f"{file.path.stem}_{position:05d}": Place(file, number)
            for file in self.files
            for position, number in self.positions(file)
        }
        self.frames = sorted(self.places)
        if not self.frames:
            raise DataError(f"{root / split}: no frames in {len(self.files)} HDF5 files")
        sharp = {file: set(file.names(SHARP)) for file in self.files}
        missing = [
            f"{place.file.path}: {SHARP}/{place.image} is missing"
            for place in self.places.values()
            if place.image not in sharp[place.file]
        ]
        self.has_sharp = not missing
        if len(missing) < len(self.frames):
            refuse(missing, f"{root / split}: no sharp image for some of the blurry ones")

    def positions(self, file: Hdf5) -> Iterator[tuple[int, int]]:
        """Yield for each frame of a file the number in its name, and that of its image.

        Raises:
            DataError: the file is none of this format.
        """
        raise NotImplementedError

    def frame_size(self, frame: str) -> tuple[int, int]:
        """Tell the (height, width) of a frame; no pixel is read.

        Raises:
            DataError: a damaged file.
        """
        place = self.places[frame]
        return image_size(place.file, place.image)

    def source_files(self, frame: str) -> list[Path]:
        """List the one file that a frame is read from."""
        return [self.places[frame].file.path]

    def read_blurry(self, frame: str) -> np.ndarray:
        """Read the blurry image alone: (H, W, 3) uint8 RGB.

        Raises:
            DataError: a damaged file.
        """
        place = self.places[frame]
        return read_image(place.file, f"{BLURRY}/{place.image}")

    def read_sharp(self, frame: str) -> np.ndarray:
        """Read the sharp image: (H, W, 3) uint8 RGB.

        Raises:
            DataError: it is withheld, damaged, or not of the blurry frame's size.
        """
        return self.read_sharp_part(frame, None)

    def read_sharp_part(self, frame: str, window: Window | None) -> np.ndarray:
        """Read a part of the sharp image, or all of it."""
        place = self.places[frame]
        if not self.has_sharp:
            raise DataError(f"{place.file.path}: no {SHARP}; the sharp images are withheld")
        name = f"{SHARP}/{place.image}"
        found, expected = _axes(place.file, name)[1], image_size(place.file, place.image)
        if found != expected:
            raise DataError(
                f"{place.file.path}: {name}: expected {expected[1]}x{expected[0]} (width x height) "
                f"like its blurry frame, found {found[1]}x{found[0]}"
            )
        return read_image(place.file, name, window)


def split_files(root: Path, split: str) -> list[Path]:
    """List the HDF5 files of a split.

    Raises:
        DataError: there are none, or two of one sequence.
    """
    paths = list_hdf5(root / split)
    if not paths:
        found = "no HDF5 file" if (root / split).is_dir() else "no such folder"
        raise DataError(
            f"{root / split}: expected SEQUENCE.h5 files, found {found}; "
            f"expected {{train,test}}/*.h5 in data.root={root}"
        )
    stems = [path.stem for path in paths]
    refuse(
        [f"{stem}: {stems.count(stem)} files" for stem in set(stems) if stems.count(stem) > 1],
        f"{root / split}: sequences in more than one file",
    )
    return paths


def image_numbers(file: Hdf5) -> list[int]:
    """List the numbers of a file's images."""
    found = (IMAGE.fullmatch(name) for name in file.names(BLURRY))
    return sorted(int(match[1]) for match in found if match)


def image_size(file: Hdf5, image: str) -> tuple[int, int]:
    """Return the (height, width) of a file's image, from its header."""
    return _axes(file, f"{BLURRY}/{image}")[1]


def read_image(file: Hdf5, name: str, window: Window | None = None) -> np.ndarray:
    """Read an image stored as BGR, channels first or last, or as grey: (H, W, 3) uint8 RGB.

    Args:
        file, name: where it is.
        window: the part that is read; by default all.

    Raises:
        DataError: another shape or type, or of another size than the file says its sensor has.
    """
    channels, size = _axes(file, name)
    cut = window or Window.whole(*size)
    part = (cut.rows, cut.columns)
    image = file.read(name, (slice(None), *part) if channels == 0 else part)
    if image.dtype != np.uint8:
        raise DataError(f"{file.path}: {name}: expected uint8, found {image.dtype}")
    if channels is None:
        return np.repeat(image[:, :, None], 3, axis=2)
    if channels == 0:
        image = image.transpose(1, 2, 0)
    return np.ascontiguousarray(image[:, :, ::-1])


def _axes(file: Hdf5, name: str) -> tuple[int | None, tuple[int, int]]:
    """Say which axis of an image holds the channels (None: grey), and its (height, width)."""
    shape = file.shape(name)
    sensor = sensor_of(file)
    kinds: list[tuple[int | None, tuple[int, ...]]] = []
    if len(shape) == 2:
        kinds.append((None, shape))
    if len(shape) == 3 and shape[0] == 3:
        kinds.append((0, shape[1:]))
    if len(shape) == 3 and shape[2] == 3:
        kinds.append((2, shape[:2]))
    if not kinds or 0 in shape:
        raise DataError(f"{file.path}: {name}: expected (3, H, W) or (H, W, 3), found {shape}")
    size = file.attributes(name).get("size")
    if size is not None and sorted(np.ravel(size).tolist()) != sorted(shape):
        raise DataError(
            f"{file.path}: {name}: expected {shape}, as it is stored, in its attribute size, "
            f"found {np.ravel(size).tolist()}; write the file again"
        )
    fitting = [kind for kind in kinds if sensor in (None, kind[1])]
    if not fitting:
        found = kinds[0][1]
        turned = "; it is [H, W], not [W, H]" if sensor == found[::-1] else ""
        raise DataError(
            f"{file.path}: {name}: its attribute sensor_resolution says [H, W] = {sensor}, "
            f"the image is {found}{turned}"
        )
    channels, (height, width) = fitting[0]
    return channels, (height, width)


def sensor_of(file: Hdf5) -> tuple[int, int] | None:
    """Return (height, width) of the sensor as the file's attribute says; None without one.

    Raises:
        DataError: the attribute is no two numbers.
    """
    said = file.attributes().get("sensor_resolution")
    if said is None:
        return None
    values = np.ravel(said)
    if len(values) < 2 or values.dtype.kind not in "iuf" or not np.isfinite(values).all():
        raise DataError(f"{file.path}: sensor_resolution: expected [H, W], found {said}")
    return int(values[0]), int(values[1])
