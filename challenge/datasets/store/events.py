"""Events in the order of tiles, and within a tile in that of time: 4 bytes each, as a rule.

pixel  uint16   row in the tile << 7 | column in the tile << 1 | 1 if brighter
time            since the frame's first event, uint16 or uint32, if that gives back the very
                stamps; else the stamps themselves, in the clock's own type
"""

from __future__ import annotations

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


class Part:
    """The events of a window, collected run by run of tiles."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.x: list[np.ndarray] = []
        self.y: list[np.ndarray] = []
        self.p: list[np.ndarray] = []
        self.times: list[np.ndarray] = []

    def add(self, run: Run, counts: np.ndarray, pixel: np.ndarray, times: np.ndarray) -> None:
        """Take those of a run that lie in the window.

        Args:
            run: of tiles.
            counts: (tiles of the run,) how many events each has.
            pixel, times: (N,) as they are stored.
        """
        lefts = SIDE * (run.column + np.arange(run.number)) - self.window.left
        column = (pixel >> COLUMN_BIT) & (SIDE - 1)
        x = column.astype(np.int32) + np.repeat(lefts.astype(np.int32), counts)
        y = (pixel >> ROW_BIT).astype(np.int32) + np.int32(SIDE * run.row - self.window.top)
        inside = (x >= 0) & (x < self.window.width) & (y >= 0) & (y < self.window.height)
        chosen = np.flatnonzero(inside)
        self.x.append(x[chosen])
        self.y.append(y[chosen])
        self.p.append((pixel[chosen] & 1).astype(np.int8))
        self.times.append(times[chosen])

    def events(self, first: np.generic) -> Events:
        """Put all in order of time; those of equal time come in the order of tiles."""
        times = np.concatenate(self.times)
        order = np.argsort(times, kind="stable")
        return Events(
            x=np.concatenate(self.x)[order],
            y=np.concatenate(self.y)[order],
            t=stamps_of(times[order], first),
            p=np.concatenate(self.p)[order],
        )
