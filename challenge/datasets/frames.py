"""What the formats share: a split's blurry frames, and their sharp ones."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np

from challenge.datasets.layout import EXPECTED, blurry_folder, sharp_folder
from challenge.datasets.npz import read_npz as read_npz
from challenge.errors import DataError
from challenge.files import list_pngs
from challenge.findings import shorten
from challenge.images import png_size, read_png
from challenge.sample import Sample, Window, part_of


class Frames(ABC):
    """One split: a sequence of Sample, in the order of the frames' names. See `Dataset`."""

    frames: list[str]
    has_sharp: bool
    stored_kind: str | None = None

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Sample:
        """Read everything there is of a frame."""
        frame = self.frames[index]
        inputs = self.read_inputs(frame)
        if not self.has_sharp:
            return inputs
        return dataclasses.replace(inputs, sharp=self.read_sharp(frame))

    @abstractmethod
    def read_inputs(self, frame: str) -> Sample:
        """Read what a restorer may see of a frame."""

    def read_part(self, frame: str, window: Window) -> Sample:
        """Read a part of everything there is of a frame (see `Dataset.read_part`).

        This one cuts it from the whole; a format that can read less does.
        """
        whole = self.read_inputs(frame)
        if self.has_sharp:
            whole = dataclasses.replace(whole, sharp=self.read_sharp(frame))
        return part_of(whole, window)

    @abstractmethod
    def frame_size(self, frame: str) -> tuple[int, int]:
        """Tell the (height, width) of a frame; nothing is decoded.

        Raises:
            DataError: a damaged file.
        """

    @abstractmethod
    def source_files(self, frame: str) -> list[Path]:
        """List the files that a frame is read from."""

    @abstractmethod
    def read_blurry(self, frame: str) -> np.ndarray:
        """Read the blurry image alone: (H, W, 3) uint8 RGB.

        Raises:
            DataError: a damaged file.
        """

    @abstractmethod
    def read_sharp(self, frame: str) -> np.ndarray:
        """Read the sharp image: (H, W, 3) uint8 RGB.

        Raises:
            DataError: it is withheld, damaged, or not of the blurry frame's size.
        """


class PngFrames(Frames):
    """A split whose images are PNGs, as HighREV's are."""

    def __init__(self, root: Path, split: str) -> None:
        if not (root / split).is_dir():
            raise DataError(f"{root / split}: no such folder; {EXPECTED} in data.root={root}")
        self.blurry_folder = existing(blurry_folder(root, split))
        self.sharp_folder = sharp_folder(root, split)
        self.blurry = {path.stem: path for path in list_pngs(self.blurry_folder)}
        self.sharp = {path.stem: path for path in list_pngs(self.sharp_folder)}
        self.frames = list(self.blurry)
        self.has_sharp = self.sharp_folder.is_dir()
        if not self.frames:
            raise DataError(f"{self.blurry_folder}: holds no PNG; {EXPECTED} in data.root={root}")
        if self.has_sharp:
            missing = [
                f"{frame}.png is missing" for frame in self.frames if frame not in self.sharp
            ]
            refuse(missing, f"{self.sharp_folder}: no sharp image for some of the blurry ones")

    def frame_size(self, frame: str) -> tuple[int, int]:
        """Tell the (height, width) of a frame; nothing is decoded.

        Raises:
            DataError: not a PNG.
        """
        width, height = png_size(self.blurry[frame])
        return height, width

    def source_files(self, frame: str) -> list[Path]:
        """List the files that a frame is read from."""
        images = [self.blurry[frame]]
        return [*images, self.sharp[frame]] if self.has_sharp else images

    def read_blurry(self, frame: str) -> np.ndarray:
        """Read the blurry image alone: (H, W, 3) uint8 RGB.

        Raises:
            DataError: a damaged PNG.
        """
        return read_png(self.blurry[frame])

    def read_sharp(self, frame: str) -> np.ndarray:
        """Read the sharp image: (H, W, 3) uint8 RGB.

        Raises:
            DataError: it is withheld, damaged, or not of the blurry frame's size.
        """
        if not self.has_sharp:
            raise DataError(f"{self.sharp_folder}: no such folder; the sharp images are withheld")
        path = self.sharp[frame]
        sharp = read_png(path)
        found, expected = sharp.shape[1::-1], png_size(self.blurry[frame])
        if found != expected:
            raise DataError(
                f"{path}: expected {expected[0]}x{expected[1]} (width x height) "
                f"like its blurry frame, found {found[0]}x{found[1]}"
            )
        return sharp


def existing(folder: Path) -> Path:
    """Return a folder that must be there.

    Raises:
        DataError: it is not.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; {EXPECTED}")
    return folder


def list_npzs(folder: Path) -> list[Path]:
    """List the npz files of a folder by name, without hidden ones such as macOS's `._x.npz`.

    Raises:
        DataError: no such folder.
    """
    files = existing(folder).iterdir()
    return sorted(p for p in files if p.suffix == ".npz" and not p.name.startswith("."))


def refuse(problems: list[str], summary: str) -> None:
    """Raise a DataError with the first problems and their number; nothing if there are none."""
    if problems:
        raise DataError(f"{summary} ({len(problems)})", shorten(problems))
