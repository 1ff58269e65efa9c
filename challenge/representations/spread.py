"""Events added to the cells of a grid, each shared between two bins: one definition, two ways."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from challenge.errors import DataError
from challenge.events import Events, check_on_sensor, checked_blocks, elapsed
from challenge.representations.speed import compiled

MOST_CELLS = 2**31
"""The compiled way counts cells in 32 bits: larger grids take NumPy's."""


def spread(
    grid: np.ndarray, events: Events, first: Any, last: Any, start_us: float, span_us: float
) -> None:
    """Add the sign of each event to the two time bins nearest to it.

    With s = (bins - 1) * (t - first - start_us) / span_us and b = min(floor(s), bins - 2), the
    share s - b goes to bin b + 1, the rest to bin b. One bin takes the signs. Sums are float32, and
    in each cell they follow the order of the events: with numba and without it, of a frame and of a
    crop, bit for bit.

    Args:
        grid: (bins, height, width) float32, contiguous. Added to.
        events: at least one, with 0 <= s <= bins - 1.
        first, last: on the events' clock: none lies outside.
        start_us, span_us: of the grid, since `first`. Where the span is none, s = 0.

    Raises:
        DataError: see `blocks_within`.
    """
    bins = len(grid)
    _add_up(grid, events, first, last, start_us, span_us, bins - 1, split=bins > 1)


def count(grid: np.ndarray, events: Events, first: Any, last: Any, span_us: float) -> None:
    """Add the sign of each event to the time bin it lies in.

    That is bin min(floor(bins * (t - first) / span_us), bins - 1). Arguments and errors are those
    of `spread`.
    """
    _add_up(grid, events, first, last, 0.0, span_us, len(grid), split=False)


def _add_up(
    grid: np.ndarray,
    events: Events,
    first: Any,
    last: Any,
    start_us: float,
    span_us: float,
    scale: int,
    split: bool,
) -> None:
    """Add signs at s = scale * (t - first - start_us) / span_us: split, or to bin floor(s)."""
    span_us = span_us or 1.0
    _, height, width = grid.shape
    blocks = blocks_within(events, height, width, first, last)
    loops = compiled() if grid.size < MOST_CELLS else None
    if loops is None:
        for block in blocks:
            since = elapsed(block.t, first) - start_us
            _add_block(grid, block, scale * since / span_us, split)
    elif loops.takes(events):
        if not loops.add_up(grid, events, first, start_us, span_us, scale, split):
            check_on_sensor(events, height, width)  # says what is wrong
    else:
        for block in blocks:
            loops.add_up(grid, loops.taken(block, first), 0.0, start_us, span_us, scale, split)


def _add_block(grid: np.ndarray, block: Events, position: np.ndarray, split: bool) -> None:
    """Add signs at s = position, by NumPy."""
    bins, height, width = grid.shape
    flat, top = grid.reshape(-1), bins - 1 - split
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
    events: Events, height: int, width: int, first: Any, last: Any
) -> Iterator[Events]:
    """Hand out the events in blocks, as `checked_blocks` does, if they lie from first to last.

    Raises:
        DataError: an event lies outside, here already; or, with its block, see `check_on_sensor`.
    """
    if not (first <= events.t[0] and events.t[-1] <= last):
        check_on_sensor(events, height, width)  # if time runs backwards, say that
        raise DataError(
            f"grid: expected events from t = {first} to {last}, "
            f"found {events.t.min()} to {events.t.max()}"
        )
    return checked_blocks(events, height, width)
