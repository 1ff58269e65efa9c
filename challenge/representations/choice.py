"""Which representation a network reads: a value to be chosen in a configuration."""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from typing import Any

import numpy as np

from challenge.errors import DataError
from challenge.events import Events, elapsed
from challenge.representations.scer import scer
from challenge.representations.spread import blocks_within, span_of, spread
from challenge.representations.voxel import voxel_grid

KINDS = ("voxel", "scer", "nested")
WINDOWS = (1.0, 0.3, 0.1)
"""Shares of the exposure: of ten slices all, the three in the middle, and one."""


@dataclass(frozen=True)
class Representation:
    """How events become the (channels, H, W) grid that a network reads.

    kind: "voxel" (`voxel_grid`), "scer" (`scer`), or "nested": a voxel grid for each of several
    windows around the middle of the exposure, stacked. bins: of each grid. windows: of "nested",
    shares of the exposure in (0, 1].

    >>> Representation("nested", bins=7).channels
    21
    """

    kind: str = "voxel"
    bins: int = 6
    windows: tuple[float, ...] = WINDOWS

    @property
    def channels(self) -> int:
        """Number of channels of a grid."""
        return self.bins * (len(self.windows) if self.kind == "nested" else 1)

    def grid(
        self,
        events: Events,
        height: int,
        width: int,
        span: tuple[Any, Any] | None = None,
    ) -> np.ndarray:
        """Make the (channels, height, width) float32 grid of some events, not normalised.

        With the span of a whole frame, the grid of its cropped events is the crop of its grid, bit
        for bit.

        Raises:
            DataError: an unknown kind, or what `voxel_grid` and `scer` refuse.
        """
        if self.kind == "voxel":
            return voxel_grid(events, self.bins, height, width, span)
        if self.kind == "scer":
            return scer(events, self.bins, height, width, span)
        if self.kind == "nested":
            return nested(events, self.bins, self.windows, height, width, span)
        raise DataError(f"representation {self.kind}: expected one of {', '.join(KINDS)}")


def nested(
    events: Events,
    bins: int,
    windows: tuple[float, ...],
    height: int,
    width: int,
    span: tuple[Any, Any] | None = None,
) -> np.ndarray:
    """Stack the voxel grids of several windows around the middle of the exposure.

    A window of share f holds the events with |t - m| <= f (t_last - t_first) / 2, where m is the
    middle; its grid spans the window, not its events.

    Args:
        events: t ascending, in microseconds; x, y in pixels; p in {0, 1}. Not modified.
        bins: of each window.
        windows: shares of the exposure, each in (0, 1].
        height, width: sensor size in pixels.
        span: (t_first, t_last) on the events' clock; by default those of the events.

    Returns:
        (len(windows) * bins, height, width) float32.

    Raises:
        DataError: see `voxel_grid`.
    """
    if bins < 1:
        raise DataError(f"voxel grid: expected at least 1 bin, found {bins}")
    grids = np.zeros((len(windows), bins, height, width), np.float32)
    if len(events):
        first, last, whole_us = span_of(events, span)
        for _ in blocks_within(events, height, width, first, last):
            pass  # those outside the windows are looked at too
        for grid, share in zip(grids, windows, strict=True):
            low, high = whole_us * (1 - share) / 2, whole_us * (1 + share) / 2
            inside = _between(events, first, low, high)
            if len(inside):
                spread(grid, inside, first, last, low, high - low)
    return grids.reshape(-1, height, width)


def _between(events: Events, first: Any, low: float, high: float) -> Events:
    """Take the events from low to high, in microseconds since `first`; time ascends."""

    def since(index: int) -> float:
        return float(elapsed(events.t[index : index + 1], first)[0])

    begin = bisect.bisect_left(range(len(events)), low, key=since)
    return events.select(slice(begin, bisect.bisect_right(range(len(events)), high, key=since)))
