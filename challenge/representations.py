"""Events as dense arrays a network can read."""

from __future__ import annotations

import cv2
import numpy as np

from challenge.errors import DataError
from challenge.events import Events, check_on_sensor


def voxel_grid(events: Events, bins: int, height: int, width: int) -> np.ndarray:
    """Spread each event over the two time bins nearest to it.

    With s = (bins - 1) * (t - t_first) / (t_last - t_first), an event of sign +1 (p = 1) or -1 (p =
    0) adds sign * max(0, 1 - |b - s|) to bin b of its pixel. If all events share one time, s = 0.

    The first time stamp is subtracted in the clock's own type, so that unix microseconds, which
    float32 cannot tell apart, keep every digit.

    Args:
        events: t ascending, in microseconds; x, y in pixels; p in {0, 1}. Not modified.
        bins: number of time bins, at least 2.
        height, width: sensor size in pixels.

    Returns:
        (bins, height, width) float32, signed events per bin and pixel; zeros if there are no
        events.

    Raises:
        DataError: fewer than 2 bins, an event lies off the sensor, or time runs backwards.

    Source: Zhu et al., Unsupervised Event-based Learning of Optical Flow, Depth, and Egomotion,
    CVPR 2019.
    """
    if bins < 2:
        raise DataError(f"voxel grid: expected at least 2 bins, found {bins}")
    check_on_sensor(events, height, width)
    grid = np.zeros((bins, height * width), np.float32)
    if not len(events):
        return grid.reshape(bins, height, width)
    elapsed = (events.t - events.t[0]).astype(np.float64)
    position = (bins - 1) * elapsed / (elapsed[-1] or 1.0)
    left = np.minimum(position.astype(np.int64), bins - 2)
    sign = events.sign
    to_right = sign * (position - left)
    pixel = events.y.astype(np.int64) * width + events.x.astype(np.int64)
    # t ascends, so the events of one left bin are neighbours: one pixel histogram per bin
    edges = np.searchsorted(left, np.arange(bins))
    for index in range(bins - 1):
        part = slice(edges[index], edges[index + 1])
        right_share = np.bincount(pixel[part], to_right[part], height * width)
        grid[index] += np.bincount(pixel[part], sign[part], height * width) - right_share
        grid[index + 1] += right_share
    return grid.reshape(bins, height, width)


def normalise_nonzero(voxel: np.ndarray) -> np.ndarray:
    """Give the non-zero cells mean 0 and (population) standard deviation 1; zeros stay zero.

    Where the non-zero cells are all equal their spread is zero: they become 0, never NaN. Applied
    after cropping, as the published HighREV baseline does.

    Args:
        voxel: any shape, float. Not modified.

    Returns:
        The same shape, float32.

    Source: the HighREV baseline (AHupuJR/EFNet, `voxel_norm`); Rebecq et al., E2VID, CVPR 2019.
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


def event_mask(voxel: np.ndarray) -> np.ndarray:
    """Mark the pixels that saw events: any non-zero bin, closed with a 3x3 square.

    Args:
        voxel: (bins, H, W), not normalised.

    Returns:
        (1, H, W) float32, 0 or 1.

    Source: the event mask of REBlur (Sun et al., Event-Based Fusion for Motion Deblurring with
    Cross-modal Attention, ECCV 2022).
    """
    seen = (voxel != 0).any(axis=0).astype(np.uint8)
    closed = cv2.morphologyEx(seen, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    return closed[None].astype(np.float32)
