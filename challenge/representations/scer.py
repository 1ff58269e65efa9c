"""SCER: events summed from the middle of the exposure outwards."""

from __future__ import annotations

from typing import Any

import numpy as np

from challenge.errors import DataError
from challenge.events import Events
from challenge.representations.spread import count, span_of


def events_per_bin(grid: np.ndarray) -> np.ndarray:
    """Take a SCER grid apart into the signed events between each two of its edges.

    Args:
        grid: (bins, H, W), not normalised. Not modified.

    Returns:
        (bins, H, W) of the grid's type: bin k holds what lies between e_k and e_(k+1).

    >>> events = Events(x=[0, 0, 0], y=[0, 0, 0], t=[0, 30, 100], p=[1, 1, 0])
    >>> events_per_bin(scer(events, bins=4, height=1, width=1)).ravel().tolist()
    [1.0, 1.0, 0.0, -1.0]
    """
    half = len(grid) // 2
    counts = grid.copy()
    counts[:half] *= -1
    counts[: half - 1] -= counts[1:half].copy()
    counts[half + 1 :] -= grid[half:-1]
    return counts


def scer(
    events: Events,
    bins: int,
    height: int,
    width: int,
    span: tuple[Any, Any] | None = None,
) -> np.ndarray:
    """Sum events between the middle of the exposure and equally spaced moments before and after.

    With edges e_0 … e_bins from t_first to t_last and their middle m = e_(bins/2), channel k holds
    minus the signed events in [e_k, m) where k < bins/2, else those in [m, e_(k+1)); the last event
    counts in the last channel.

    Args:
        events: t ascending, in microseconds; x, y in pixels; p in {0, 1}. Not modified.
        bins: number of channels, even, at least 2.
        height, width: sensor size in pixels.
        span: (t_first, t_last) on the events' clock; by default those of the events.

    Returns:
        (bins, height, width) float32, whole numbers; zeros if there are no events.

    Raises:
        DataError: an odd number of bins, an event lies off the sensor or outside the span, time
            runs backwards, or a polarity is none.

    Source: Sun et al., Event-Based Fusion for Motion Deblurring with Cross-modal Attention, ECCV
    2022.

    >>> events = Events(x=[0, 0, 0, 0], y=[0, 0, 0, 0], t=[0, 30, 60, 100], p=[1, 1, 0, 1])
    >>> scer(events, bins=2, height=1, width=1).ravel().tolist()
    [-2.0, 0.0]
    """
    if bins < 2 or bins % 2:
        raise DataError(f"SCER: expected an even number of bins, at least 2, found {bins}")
    grid = np.zeros((bins, height, width), np.float32)
    if not len(events):
        return grid
    first, last, span_us = span_of(events, span)
    half = bins // 2
    if span_us:
        count(grid, events, first, last, span_us)
    else:  # all are the last
        count(grid[-1:], events, first, last, 1.0)
    np.subtract(0, grid[half - 1], out=grid[half - 1])
    for k in range(1, half):  # from the middle outwards
        np.subtract(grid[half - k], grid[half - k - 1], out=grid[half - k - 1])
        np.add(grid[half + k - 1], grid[half + k], out=grid[half + k])
    return grid
