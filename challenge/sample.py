"""The one carrier between data sets and restorers, and a part of it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from challenge.events import Events, crop


class Window(NamedTuple):
    """A part of a frame, in pixels; it lies inside the frame."""

    top: int
    left: int
    height: int
    width: int

    @classmethod
    def whole(cls, height: int, width: int) -> Window:
        """All of a frame."""
        return cls(0, 0, height, width)

    def overlap(self, other: Window) -> Window:
        """What it shares with another that it overlaps."""
        top, left = max(self.top, other.top), max(self.left, other.left)
        bottom = min(self.top + self.height, other.top + other.height)
        right = min(self.left + self.width, other.left + other.width)
        return Window(top, left, bottom - top, right - left)

    def seen_from(self, other: Window) -> Window:
        """The same pixels, counted from the corner of another."""
        return self._replace(top=self.top - other.top, left=self.left - other.left)

    @property
    def rows(self) -> slice:
        """Its rows in the frame."""
        return slice(self.top, self.top + self.height)

    @property
    def columns(self) -> slice:
        """Its columns in the frame."""
        return slice(self.left, self.left + self.width)


@dataclass(frozen=True)
class Sample:
    """One blurry frame, or a part of one, and all that is known about it. Plain numpy: any
    framework can read it.

    A part holds its own pixels and events, counted from its corner, and of the whole frame what its
    grid cannot be made without: `span`, and `magnitude` where that costs nothing.
    """

    frame: str  # "SEQNAME_00012", the PNG's stem on disk and on the server
    blurry: np.ndarray  # (H, W, 3) uint8 RGB
    events: Events | None  # those of the exposure; None where only a grid is on disk
    stored_grid: np.ndarray | None = None  # (bins, H, W) float32, as the data set hands it out
    stored_kind: str = "voxel"  # of which representation it is: "voxel", "scer"
    stored_mask: np.ndarray | None = None  # (1, H, W) uint8, 1 where the data set says events were
    sharp: np.ndarray | None = None  # (H, W, 3) uint8 RGB; None where it is withheld
    span: tuple[Any, Any] | None = None  # (t_first, t_last) of the frame's events; None: `events`'
    magnitude: float | None = None  # largest of the frame's grid; None: not known


def part_of(sample: Sample, window: Window) -> Sample:
    """Cut a window from all that a sample holds; images and grids are views.

    Args:
        sample: a whole frame, or a part of one. Not modified.
        window: inside it.
    """
    events, span = sample.events, sample.span
    if events is not None:
        if span is None and len(events):
            span = (events.t[0], events.t[-1])
        if window != Window.whole(*sample.blurry.shape[:2]):
            events = crop(events, *window)

    def cut(array: np.ndarray | None) -> np.ndarray | None:  # of (channels, H, W)
        return None if array is None else array[:, window.rows, window.columns]

    sharp = sample.sharp
    return dataclasses.replace(
        sample,
        blurry=sample.blurry[window.rows, window.columns],
        events=events,
        stored_grid=cut(sample.stored_grid),
        stored_mask=cut(sample.stored_mask),
        sharp=None if sharp is None else sharp[window.rows, window.columns],
        span=span,
    )


def sequence_of(frame: str) -> str:
    """Name the sequence of a frame: all but the last `_` group, which is the frame number.

    >>> sequence_of("old_town_00012")
    'old_town'
    """
    return frame.rpartition("_")[0] or frame
