"""Pictures of a few validation frames, the same ones at each validation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from challenge.datasets import Dataset
from challenge.images import read_png

TITLE = "blurry | restored | sharp"
MOST_FRAMES = 4
SIDE = 256
"""Pixels, as they are: smaller ones would hide the blur. Three of them side by side take some 0.3
MiB as PNG: 1.2 MiB a validation, whatever the size of the frames.
"""
GAP = 4
WHITE = 255


def chosen(frames: int, most: int = MOST_FRAMES) -> list[int]:
    """Choose up to `most` of so many frames, from the first to the last at equal distances.

    >>> chosen(12), chosen(2), chosen(0)
    ([0, 4, 7, 11], [0, 1], [])
    """
    count = min(frames, most)
    return [round(k * (frames - 1) / max(count - 1, 1)) for k in range(count)]


def blurriest(blurry: np.ndarray, sharp: np.ndarray, side: int = SIDE) -> tuple[slice, slice]:
    """Find the square of a frame where blurry and sharp differ most: there is most to restore.

    Args:
        blurry, sharp: (H, W, 3) uint8.
        side: of the square, in pixels; less where the frame is smaller.

    Returns:
        Its rows and columns. Of equal squares, the uppermost, then the leftmost.
    """
    height, width = (min(side, length) for length in blurry.shape[:2])
    differences = np.abs(blurry.astype(np.int16) - sharp).sum(axis=2, dtype=np.int64)
    sums = np.pad(differences.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    squares = sums[height:, width:] - sums[:-height, width:]
    squares -= sums[height:, :-width] - sums[:-height, :-width]
    row, column = np.unravel_index(int(squares.argmax()), squares.shape)
    return slice(int(row), int(row) + height), slice(int(column), int(column) + width)


class SamplePictures:
    """Draws blurry | restored | sharp for a few frames of a validation set."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.frames = [dataset.frames[index] for index in chosen(len(dataset))]
        self.parts: dict[str, tuple[tuple[slice, slice], np.ndarray, np.ndarray]] = {}

    def draw(self, restored: Path) -> Iterator[tuple[str, np.ndarray]]:
        """Yield each frame's name and its picture, (H, W, 3) uint8 RGB.

        Args:
            restored: the folder with the frames' PNGs.
        """
        for frame in self.frames:
            place, blurry, sharp = self._part(frame)
            image = read_png(restored / f"{frame}.png")[place]
            gap = np.full((len(image), GAP, 3), WHITE, np.uint8)
            yield frame, np.concatenate([blurry, gap, image, gap, sharp], axis=1)

    def _part(self, frame: str) -> tuple[tuple[slice, slice], np.ndarray, np.ndarray]:
        """Read what stays the same, once."""
        if frame not in self.parts:
            blurry, sharp = self.dataset.read_blurry(frame), self.dataset.read_sharp(frame)
            place = blurriest(blurry, sharp)
            self.parts[frame] = place, blurry[place].copy(), sharp[place].copy()
        return self.parts[frame]
