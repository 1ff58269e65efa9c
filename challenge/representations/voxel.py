"""The voxel grid: signed events, shared between the two time bins nearest to each."""

from __future__ import annotations

from typing import Any

import numpy as np

from challenge.errors import DataError
from challenge.events import Events
from challenge.representations.spread import span_of, spread


def voxel_grid(
    events: Events,
    bins: int,
    height: int,
    width: int,
    span: tuple[Any, Any] | None = None,
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
    grid = np.zeros((bins, height, width), np.float32)
    if len(events):
        first, last, span_us = span_of(events, span)
        spread(grid, events, first, last, 0.0, span_us)
    return grid
