"""Grids brought to a common scale, as the published networks expect them."""

from __future__ import annotations

import math

import numpy as np

from challenge.representations.speed import LANES, NORMALISED_ROWS, compiled

CONTRAST = 0.25
"""Log light that an event stands for in `normalise_contrast`: the middle of usual thresholds."""
LOG_RANGE = math.log(255)
"""Log light between the darkest and the brightest level of an 8-bit picture, about 5.54."""


def normalise_nonzero(voxel: np.ndarray) -> np.ndarray:
    """Give the non-zero cells mean 0 and (population) standard deviation 1; zeros stay zero.

    Where the non-zero cells are all equal their spread is zero: they become 0, never NaN. Applied
    after cropping, as the published HighREV baseline does.

    Args:
        voxel: any shape, float. Not modified.

    Returns:
        The same shape, float32.

    Source: the HighREV baseline (AHupuJR/EFNet, `voxel_norm`); Rebecq et al., E2VID, CVPR 2019.

    >>> normalise_nonzero(np.array([2.0, 0.0, 6.0])).tolist()
    [-1.0, 0.0, 1.0]
    """
    flat = np.ascontiguousarray(voxel, np.float32).reshape(-1)
    loops = compiled()
    count, total, squares = loops.moments(flat) if loops else _moments(flat)
    mean = total / max(count, 1)
    spread = math.sqrt(max(squares / max(count, 1) - mean * mean, 0.0))
    apart = spread > 1e-6 * max(1.0, math.sqrt(squares))  # of the root of all, so of the largest
    if not apart and not spread > 1e-6 * max(1.0, largest_magnitude(flat)):
        return np.zeros(np.shape(voxel), np.float32)
    result = np.empty_like(flat)
    (loops.standardise if loops else _standardise)(flat, mean, 1 / spread, result)
    return result.reshape(np.shape(voxel))


def _moments(flat: np.ndarray) -> tuple[float, float, float]:
    """Return how many cells are not zero, their sum, and that of their squares."""
    count, totals, squares = 0, np.zeros(LANES), np.zeros(LANES)
    for begin in range(0, flat.size, LANES * NORMALISED_ROWS):
        block = flat[begin : begin + LANES * NORMALISED_ROWS].astype(np.float64)
        count += int(np.count_nonzero(block))
        block = np.pad(block, (0, -block.size % LANES)).reshape(-1, LANES)
        totals += block.sum(axis=0)
        squares += np.square(block, out=block).sum(axis=0)
    return float(count), sum(totals.tolist()), sum(squares.tolist())


def _standardise(flat: np.ndarray, mean: float, scale: float, result: np.ndarray) -> None:
    """Write (cell - mean) * scale of the cells that are not zero; zeros stay zero."""
    for begin in range(0, flat.size, LANES * NORMALISED_ROWS):
        part = slice(begin, begin + LANES * NORMALISED_ROWS)
        block = flat[part].astype(np.float64)
        block -= mean
        block *= scale
        result[part] = np.where(flat[part] != 0, block, 0.0)


def normalise_magnitude(grid: np.ndarray, magnitude: float | None = None) -> np.ndarray:
    """Divide by the largest magnitude, so that values lie in [-1, 1]; a grid of zeros stays so.

    Args:
        grid: any shape, float. Not modified.
        magnitude: the divisor; by default the grid's own. A crop takes that of the whole frame, as
            the published code does, which divides before it cuts.

    Returns:
        The same shape, float32.

    Source: EFNet's GoPro and REBlur loader (AHupuJR/EFNet, `H5ImageDataset`), where a grid of zeros
    becomes NaN.

    >>> normalise_magnitude(np.array([2.0, 0.0, -4.0])).tolist()
    [0.5, 0.0, -1.0]
    """
    grid = np.asarray(grid, np.float32)
    if magnitude is None:
        magnitude = largest_magnitude(grid)
    return grid / np.float32(magnitude or 1.0)


def largest_magnitude(grid: np.ndarray) -> float:
    """Return the largest absolute value of a grid; 0 of an empty one."""
    return max(float(grid.max(initial=0.0)), -float(grid.min(initial=0.0)))


def normalise_contrast(grid: np.ndarray) -> np.ndarray:
    """Turn events into log light as by a camera with a threshold of CONTRAST, at most LOG_RANGE.

    What an event is worth does not depend on the others, in a crop as in a whole frame, in a still
    scene as in a fast one; a hot pixel cannot outshout the rest.

    Args:
        grid: any shape, float. Not modified.

    Returns:
        The same shape, float32, in [-LOG_RANGE, LOG_RANGE].

    >>> normalise_contrast(np.array([2.0, 0.0, -5.0])).tolist()
    [0.5, 0.0, -1.25]
    """
    scaled = np.asarray(grid, np.float32) * np.float32(CONTRAST)
    return np.clip(scaled, -LOG_RANGE, LOG_RANGE, out=scaled, dtype=np.float32)
