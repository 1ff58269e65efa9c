"""The voxel grid: signed events, shared between the two time bins nearest to each."""

from __future__ import annotations

from typing import Any

import numpy as np

from challenge.errors import DataError
from challenge.events import Events, check_on_sensor, elapsed


def voxel_grid(
    events: Events, bins: int, height: int, width: int, span: tuple[Any, Any] | None = None
) -> np.ndarray:
    """Spread each event over the two time bins nearest to it.

    With s = (bins - 1) * (t - t_first) / (t_last - t_first), an event of sign +1 (p = 1) or -1 (p =
    0) adds sign * max(0, 1 - |b - s|) to bin b of its pixel. If t_first = t_last, s = 0. One bin
    holds the sum of the signs.

    The first time stamp is subtracted before anything is rounded (`elapsed`): unix microseconds,
    which float32 cannot tell apart, keep every digit.

    Args:
        events: t ascending, in microseconds; x, y in pixels; p in {0, 1}. Not modified.
        bins: number of time bins, at least 1.
        height, width: sensor size in pixels.
        span: (t_first, t_last) on the events' clock; by default those of the events. With the span
            of a whole frame, the grid of its cropped events is the crop of its grid, bit for bit.

    Returns:
        (bins, height, width) float32, signed events per bin and pixel; zeros if there are no
        events.

    Raises:
        DataError: no bins, an event lies off the sensor or outside the span, time runs backwards,
            or a polarity is none.

    Source: Zhu et al., Unsupervised Event-based Learning of Optical Flow, Depth, and Egomotion,
    CVPR 2019.

    >>> events = Events(x=[0, 0, 1], y=[0, 0, 0], t=[10, 15, 20], p=[1, 0, 1])
    >>> voxel_grid(events, bins=2, height=1, width=2).tolist()  # t = 15 is shared by both bins
    [[[0.5, 0.0]], [[-0.5, 1.0]]]
    """
    if bins < 1:
        raise DataError(f"voxel grid: expected at least 1 bin, found {bins}")
    check_on_sensor(events, height, width)
    if not len(events):
        return np.zeros((bins, height, width), np.float32)
    first, last = np.asarray(span or (events.t[0], events.t[-1]), events.t.dtype)
    if events.t[0] < first or events.t[-1] > last:
        raise DataError(
            f"voxel grid: expected events from t = {first} to {last}, "
            f"found {events.t[0]} to {events.t[-1]}"
        )
    span_us = float(elapsed(last[None], first)[0]) or 1.0
    position = (bins - 1) * elapsed(events.t, first) / span_us
    pixel = events.y.astype(np.int64) * width + events.x.astype(np.int64)
    return _spread(pixel, position, events.sign, bins, height * width).reshape(bins, height, width)


def _spread(
    pixel: np.ndarray, position: np.ndarray, sign: np.ndarray, bins: int, cells: int
) -> np.ndarray:
    """Add each sign to the two bins beside its position, in (bins, cells) float32.

    pixel: (N,) below `cells`. position: (N,) float64 ascending, from 0 to bins - 1.
    """
    if bins == 1:
        return np.bincount(pixel, sign, cells).astype(np.float32)[None]
    grid = np.zeros((bins, cells), np.float32)
    left = np.minimum(position.astype(np.int64), bins - 2)
    to_right = sign * (position - left)
    # positions ascend, so the events of one left bin are neighbours: one pixel histogram per bin
    edges = np.searchsorted(left, np.arange(bins))
    for index in range(bins - 1):
        part = slice(edges[index], edges[index + 1])
        right_share = np.bincount(pixel[part], to_right[part], cells)
        grid[index] += np.bincount(pixel[part], sign[part], cells) - right_share
        grid[index + 1] += right_share
    return grid
