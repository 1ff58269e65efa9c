"""Motion blur, tried on a prediction: blurred again, an honest restoration is its input."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import cv2
import numpy as np

LENGTHS = 2.0 * 1.1 ** np.arange(22)  # cells, up to a third of a small copy
DIRECTIONS = 12
EXPLAINED = 0.2  # of the squared error, and of the input's contrast, may be left


def blurred_by_motion(ours: np.ndarray, theirs: np.ndarray) -> bool:
    """Say whether moving along a straight line makes the prediction's small copy the input's.

    It is for what repeats itself: a line as long as a period wipes a pattern out, a longer one
    brings it back inverted, so that the two have little in common. (H, W, 3) float32 levels each;
    only what the line does not bring in from outside is compared, with its brightness.
    """
    for line in _lines():
        rows, columns = (side // 2 for side in line.shape)
        inner = slice(rows, len(ours) - rows), slice(columns, len(ours[0]) - columns)
        target = theirs[inner]
        error = _power(cv2.filter2D(ours, -1, line)[inner] - target)
        contrast = _power(target - target.mean(axis=(0, 1)))
        if error < EXPLAINED * min(contrast, _power(ours[inner] - target)):
            return True
    return False


def _power(image: np.ndarray) -> float:
    return float(np.square(image).mean())


@cache
def _lines() -> tuple[np.ndarray, ...]:
    return tuple(_draw())


def _draw() -> Iterator[np.ndarray]:
    """Draw a line of each length and direction: odd sides, sum 1."""
    for length in LENGTHS:
        for angle in np.pi * np.arange(DIRECTIONS) / DIRECTIONS:
            steps = np.linspace(-length / 2, length / 2, 8 * int(length) + 1)
            places = np.outer(steps, (np.sin(angle), np.cos(angle)))
            reach = np.ceil(np.abs(places).max(axis=0) - 1e-6).astype(int)
            whole = np.floor(places).astype(int)
            part = places - whole
            line = np.zeros(2 * (reach + 1) + 1, np.float32)
            for corner in np.ndindex(2, 2):  # each step is shared out among four cells
                weight = np.abs(1 - np.array(corner) - part).prod(axis=1)
                rows, columns = (whole + reach + 1 + np.array(corner)).T
                np.add.at(line, (rows, columns), weight)
            yield line / line.sum()
