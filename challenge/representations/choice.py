"""Which representation a network reads: a value to be chosen in a configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from challenge.errors import DataError
from challenge.events import Events, elapsed
from challenge.representations.scer import scer
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
        self, events: Events, height: int, width: int, span: tuple[Any, Any] | None = None
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
    """
    if not len(events):
        return np.zeros((len(windows) * bins, height, width), np.float32)
    first, last = np.asarray(span or (events.t[0], events.t[-1]), events.t.dtype)
    whole_us = float(elapsed(last[None], first)[0])
    since = elapsed(events.t, first)
    grids = []
    for share in windows:
        low, high = whole_us * (1 - share) / 2, whole_us * (1 + share) / 2
        start, end = np.searchsorted(since, low, "left"), np.searchsorted(since, high, "right")
        part = slice(start, end)
        inside = Events(x=events.x[part], y=events.y[part], t=since[part], p=events.p[part])
        grids.append(voxel_grid(inside, bins, height, width, span=(low, high)))
    return np.concatenate(grids)
