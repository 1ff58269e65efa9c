"""Events added to the cells of a grid, each shared between two bins: one definition, two ways."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from challenge.errors import DataError
from challenge.events import Events, check_on_sensor, checked_blocks, elapsed
from challenge.representations.speed import compiled

MOST_CELLS = 2**31
"""A record of the compiled way has 31 bits for its cell: larger grids take NumPy's."""


def spread(
    grid: np.ndarray, blocks: Iterable[Events], first: Any, start_us: float, span_us: float
) -> None:
    """Add the sign of each event to the two time bins nearest to it.

    With s = (bins - 1) * (t - first - start_us) / span_us and b = min(floor(s), bins - 2), the
    share s - b goes to bin b + 1, the rest to bin b. One bin takes the signs. Sums are float32, and
    in each cell they follow the order of the events: with numba and without it, of a frame and of a
    crop, bit for bit.

    Args:
        grid: (bins, height, width) float32, contiguous. Added to.
        blocks: events on the grid, with 0 <= s <= bins - 1. Those of one pixel in order of time.
        first: on the events' clock.
        start_us, span_us: of the grid, since `first`. Where the span is none, s = 0.
    """
    bins = len(grid)
    _add_up(grid, blocks, first, start_us, span_us, bins - 1, split=bins > 1)


def count(grid: np.ndarray, blocks: Iterable[Events], first: Any, span_us: float) -> None:
    """Add the sign of each event to the time bin it lies in.

    That is bin min(floor(bins * (t - first) / span_us), bins - 1). Arguments are as of `spread`,
    but the order of events does not matter.
    """
    _add_up(grid, blocks, first, 0.0, span_us, len(grid), split=False)


def _add_up(
    grid: np.ndarray,
    blocks: Iterable[Events],
    first: Any,
    start_us: float,
    span_us: float,
    scale: int,
    split: bool,
) -> None:
    """Add signs at s = scale * (t - first - start_us) / span_us: split, or to bin floor(s)."""
    span_us = span_us or 1.0
    loops = compiled() if grid.size < MOST_CELLS else None
    if loops is not None:
        loops.add_up(grid, blocks, first, start_us, span_us, scale, split)
        return
    bins, height, width = grid.shape
    flat, top = grid.reshape(-1), bins - 1 - split
    for block in blocks:
        position = scale * (elapsed(block.t, first) - start_us) / span_us
        left = np.minimum(position.astype(np.int64), top)
        cell = (left * height + block.y.astype(np.int64)) * width + block.x.astype(np.int64)
        sign = np.where(block.p > 0, np.float32(1), np.float32(-1))
        if split:  # first the right shares: in each bin they are of earlier events than the left
            share = sign * (position - left).astype(np.float32)
            np.add.at(flat[height * width :], cell, share)
            sign -= share
        np.add.at(flat, cell, sign)


def span_of(events: Events, span: tuple[Any, Any] | None) -> tuple[Any, Any, float]:
    """Return a span's ends on the events' clock, by default those of the events, and its length in
    microseconds.
    """
    first, last = np.asarray(span or (events.t[0], events.t[-1]), events.t.dtype)
    with np.errstate(invalid="ignore"):  # what is no number is refused with its block
        return first, last, float(elapsed(last[None], first)[0])


def blocks_within(
    events: Events, height: int, width: int, first: Any, last: Any, ordered: bool
) -> Iterator[Events]:
    """Hand out the events in blocks, as `checked_blocks` does, if they lie from first to last.

    Raises:
        DataError: an event lies outside, or see `check_on_sensor`.
    """
    for block in checked_blocks(events, height, width, ordered):
        ends = (block.t[0], block.t[-1]) if ordered else (block.t.min(), block.t.max())
        if ends[0] < first or ends[1] > last:
            check_on_sensor(events, height, width, ordered)  # if time runs backwards, say that
            raise DataError(
                f"grid: expected events from t = {first} to {last}, "
                f"found {events.t.min()} to {events.t.max()}"
            )
        yield block
