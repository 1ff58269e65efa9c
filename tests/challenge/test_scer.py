"""SCER and the event mask against numbers of the published functions, and where those fail."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from challenge.errors import DataError
from challenge.events import Events
from challenge.representations import event_mask, scer


def formula_events(count: int, height: int, width: int) -> Events:
    i = np.arange(count, dtype=np.int64)
    return Events(
        x=(i * 7919) % width,
        y=(i * 104729 // 7) % height,
        t=(i * 15_000) // count,
        p=((i * i + i // 3) % 5 < 2).astype(np.int8),
    )


def scer_by_formula(events: Events, bins: int, height: int, width: int) -> np.ndarray:
    """The definition, word for word, in whole numbers: every event against every channel."""
    t = [int(value) for value in events.t]
    first, span = t[0], t[-1] - t[0]
    grid = np.zeros((bins, height, width))
    for x, y, sign, stamp in zip(events.x, events.y, events.sign, t, strict=True):
        later = bins * (stamp - first)  # times the span: edge k lies at k * span
        for k in range(bins):
            if k < bins // 2:
                inside = k * span <= later < bins // 2 * span
            else:
                inside = bins // 2 * span <= later < (k + 1) * span
            if k >= bins // 2 and stamp == t[-1]:
                inside = k == bins - 1
            grid[k, y, x] += inside * (-sign if k < bins // 2 else sign)
    return grid


# AHupuJR/EFNet 7cf6737, `events_to_accumulate_voxel_torch` (6 bins, no middle channel) on
# formula_events(2000, 24, 32): cells [:, row 3, column 5] and [:, row 10, column 20], the sums of
# each channel and of its magnitudes, and all cells as int8. Before the last event, see below.
PUBLISHED_CELLS = {(3, 5): [0, -1, -1, 0, 1, 1], (10, 20): [1, 0, 0, 1, 1, 0]}
PUBLISHED_SUMS = [64, 44, 21, -25, -46, -67]
PUBLISHED_MAGNITUDES = [562, 666, 333, 333, 666, 561]
PUBLISHED_SHA256 = "5edbb233a876abcf3b099b13e711363072a1652b4b52113e315ba1ff4e4314bd"


def test_equals_the_published_function_but_for_the_last_event_which_that_drops() -> None:
    events = formula_events(2000, 24, 32)
    without = events.select(slice(0, -1))
    grid = scer(without, 6, 24, 32, span=(events.t[0], events.t[-1]))
    assert grid.dtype == np.float32 and grid.shape == (6, 24, 32)
    for (row, column), cells in PUBLISHED_CELLS.items():
        assert grid[:, row, column].tolist() == cells
    assert grid.sum(axis=(1, 2)).tolist() == PUBLISHED_SUMS
    assert np.abs(grid).sum(axis=(1, 2)).tolist() == PUBLISHED_MAGNITUDES
    assert hashlib.sha256(grid.astype(np.int8).tobytes()).hexdigest() == PUBLISHED_SHA256
    last = scer(events, 6, 24, 32) - grid
    assert np.argwhere(last).tolist() == [[5, events.y[-1], events.x[-1]]]
    assert last.sum() == events.sign[-1]


@given(st.integers(1, 60), st.sampled_from([2, 4, 6, 8]), st.integers(0, 2**32 - 1))
def test_the_definition_holds_also_where_many_events_share_a_moment(
    count: int, bins: int, seed: int
) -> None:
    """The published search lands on any of equal stamps: of 50 lists with stamps in common, 35
    came out otherwise; of 50 without, none.
    """
    rng = np.random.default_rng(seed)
    events = Events(
        x=rng.integers(0, 3, count),
        y=rng.integers(0, 2, count),
        t=np.sort(rng.integers(0, rng.integers(1, 200), count)),
        p=rng.integers(0, 2, count),
    )
    assert np.array_equal(scer(events, bins, 2, 3), scer_by_formula(events, bins, 2, 3))


def test_an_event_at_an_edge_begins_the_next_channel() -> None:
    # edges 0, 10, …, 60: the one at the middle counts after it
    events = Events(x=[0] * 4, y=[0] * 4, t=[0, 20, 30, 60], p=[1, 1, 1, 1])
    assert scer(events, 6, 1, 1).ravel().tolist() == [-2, -1, -1, 1, 1, 2]


@pytest.mark.parametrize("offset_s", [0.0, 1000.0])
def test_a_clock_in_seconds_keeps_its_microseconds(offset_s: float) -> None:
    """In float32, as the published code reads it, 17 of these events change their channel a
    thousand seconds after the recording began.
    """
    near = formula_events(2000, 24, 32)
    seconds = Events(x=near.x, y=near.y, t=near.t * 1e-6 + offset_s, p=near.p)
    assert np.array_equal(scer(seconds, 6, 24, 32), scer(near, 6, 24, 32))
    single = Events(x=near.x, y=near.y, t=seconds.t.astype(np.float32), p=near.p)
    assert np.array_equal(scer(single, 6, 24, 32), scer(near, 6, 24, 32)) == (offset_s == 0)


def test_no_event_and_one_moment() -> None:
    """The published function has no answer to the first, and counts nothing of the second."""
    assert not scer(Events.empty(), 6, 3, 4).any()
    together = Events(x=[1, 1], y=[2, 2], t=[9, 9], p=[1, 1])
    grid = scer(together, 6, 3, 4)
    assert grid[5, 2, 1] == 2 and np.count_nonzero(grid) == 1


@pytest.mark.parametrize("bins", [0, 1, 3])
def test_an_odd_number_of_bins_has_no_middle(bins: int) -> None:
    with pytest.raises(DataError, match=f"an even number of bins, at least 2, found {bins}"):
        scer(Events.empty(), bins, 3, 4)


@pytest.mark.parametrize(
    "t, span, message",
    [
        ([5, 4], None, "time runs backwards"),
        ([10, 30], (11, 30), "t = 11 to 30, found 10 to 30"),
        ([10, 30], (10, 29), "t = 10 to 29, found 10 to 30"),
    ],
)
def test_what_has_no_place_is_refused(
    t: list[int], span: tuple[int, int] | None, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        scer(Events(x=[0, 0], y=[0, 0], t=t, p=[1, 1]), 6, 3, 4, span)


# AHupuJR/EFNet 7cf6737, `voxel2mask` and the closing in `make_voxels_real.py`, on the published
# SCER of formula_events(120, 24, 32).
PUBLISHED_MASK = """
############........####........
#.....######...........#........
#........######.........######..
#............###........########
####............###.....####....
....####...........#########....
....#######...........######....
....##.....###............###...
..####........###............###
######.........######........#..
......#........#########.....#..
.......###.....####.....######..
..........#########........#####
##........#########........#####
..###.....##.......#.......##...
.....#######........#########...
........####........#########...
........#######.....##.......###
#.......##.....#######........##
##########........####..........
##########............###.......
###.......###............###....
###........######...........####
###........#########........####
"""


def test_the_mask_equals_the_published_one() -> None:
    events = formula_events(120, 24, 32)
    grid = scer(events.select(slice(0, -1)), 6, 24, 32, span=(events.t[0], events.t[-1]))
    rows = ["".join("#" if cell else "." for cell in row) for row in event_mask(grid)[0]]
    assert rows == PUBLISHED_MASK.split()
    assert "".join(rows).count("#") > np.count_nonzero(grid.any(axis=0))  # the closing closed some
