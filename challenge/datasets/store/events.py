"""Events in the order of tiles, and within a tile in that of time: 4 bytes each, as a rule.

pixel  uint16   row in the tile << 7 | column in the tile << 1 | 1 if brighter
time            since the frame's first event, uint16 or uint32, if that gives back the very
                stamps; else the stamps themselves, in the clock's own type
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from challenge.datasets.store.tiles import SIDE, Run, Tiles
from challenge.events import Events
from challenge.sample import Window

COLUMN_BIT, ROW_BIT = 1, 7
assert SIDE == 1 << (ROW_BIT - COLUMN_BIT)


def tile_order(events: Events, tiles: Tiles) -> tuple[np.ndarray, np.ndarray]:
    """Order events by tile; within a tile they keep their order.

    Returns:
        (N,) indices, and (tiles + 1,) where in them each tile's begin and end.
    """
    tile = (events.y // SIDE) * tiles.shape[1] + events.x // SIDE
    if len(tiles) <= np.iinfo(np.uint16).max:
        tile = tile.astype(np.uint16)  # sorted ten times as fast
    counts = np.bincount(tile, minlength=len(tiles))
    return np.argsort(tile, kind="stable"), np.concatenate([[0], np.cumsum(counts)])


def pixels_of(events: Events) -> np.ndarray:
    """Write where in its tile each event is, and its sign: (N,) uint16."""
    row, column = events.y % SIDE, events.x % SIDE
    packed = (row << ROW_BIT) | (column << COLUMN_BIT) | (events.p > 0)
    return packed.astype(np.uint16)


def checksum(pixel: np.ndarray, time: np.ndarray) -> int:
    """Compute the CRC-32 of a tile's events."""
    return zlib.crc32(time.tobytes(), zlib.crc32(pixel.tobytes()))


def times_of(t: np.ndarray) -> np.ndarray:
    """Write ascending stamps as short as gives them back exactly."""
    if not len(t):
        return t
    since = t - t[0] if t.dtype.kind == "f" else t.astype(np.uint64) - t[:1].astype(np.uint64)
    for short in (np.dtype(np.uint16), np.dtype(np.uint32)):
        if since[-1] <= np.iinfo(short).max:
            offsets = since.astype(short)
            if np.array_equal(stamps_of(offsets, t[0]), t):
                return offsets
    return t


def stamps_of(times: np.ndarray, first: np.generic) -> np.ndarray:
    """Undo `times_of`: (N,) stamps in the type of `first`."""
    clock = first.dtype
    if times.dtype == clock:
        return times
    if clock.kind == "f":
        return np.asarray(first + times.astype(clock), clock)
    return (times.astype(np.uint64) + np.asarray(first).astype(np.uint64)).astype(clock)


class Piece(NamedTuple):
    """The events of a run of tiles, as they are stored."""

    run: Run
    counts: np.ndarray  # (tiles of the run,) how many each has
    pixel: np.ndarray  # (N,)
    time: np.ndarray  # (N,)


def events_of(pieces: Sequence[Piece], window: Window, first: np.generic) -> Events:
    """Take the events inside a window, counted from its corner, in order of time.

    Args:
        pieces: all that the window touches; events of equal time come in their order.
        window: in pixels.
        first: stamp of the frame's first event.
    """
    counts = np.concatenate([piece.counts for piece in pieces])
    pixel = np.concatenate([piece.pixel for piece in pieces])
    time = np.concatenate([piece.time for piece in pieces])
    runs = [piece.run for piece in pieces]
    columns = np.concatenate([run.column + np.arange(run.number) for run in runs])
    rows = np.repeat([run.row for run in runs], [run.number for run in runs])
    lefts = (SIDE * columns - window.left).astype(np.int32)
    tops = (SIDE * rows - window.top).astype(np.int32)
    x = np.repeat(lefts, counts) + ((pixel >> COLUMN_BIT) & (SIDE - 1))
    y = np.repeat(tops, counts) + (pixel >> ROW_BIT)
    inside = (x >= 0) & (x < window.width) & (y >= 0) & (y < window.height)
    chosen = np.flatnonzero(inside)
    time = time[chosen]
    order = np.argsort(time, kind="stable")
    chosen = chosen[order]
    return Events(
        x=x[chosen],
        y=y[chosen],
        t=stamps_of(time[order], first),
        p=(pixel[chosen] & 1).astype(np.int8),
    )
