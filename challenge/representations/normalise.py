"""Grids brought to a common scale, as the published networks expect them."""

from __future__ import annotations

import numpy as np


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
    voxel = np.asarray(voxel, np.float32)
    nonzero = voxel != 0
    cells = voxel[nonzero].astype(np.float64)
    if not cells.size:
        return np.zeros_like(voxel)
    spread = cells.std()
    result = np.zeros_like(voxel)
    if spread > 1e-6 * max(1.0, float(np.abs(cells).max())):
        result[nonzero] = (cells - cells.mean()) / spread
    return result


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
