"""Voxel grid, normalisation, mask: against the formula, and against numbers of the published
functions.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from challenge.errors import DataError
from challenge.events import Events
from challenge.representations import (
    event_mask,
    normalise_contrast,
    normalise_nonzero,
    voxel_grid,
)


def formula_events(count: int, height: int, width: int, span_us: int = 15_000) -> Events:
    i = np.arange(count, dtype=np.int64)
    return Events(
        x=(i * 7919) % width,
        y=(i * 104729 // 7) % height,
        t=(i * span_us) // count,
        p=((i * i + i // 3) % 5 < 2).astype(np.int8),
    )


def voxel_by_formula(events: Events, bins: int, height: int, width: int) -> np.ndarray:
    """The definition, word for word, in float64: every event against every bin."""
    t = [int(value) for value in events.t]
    span = (t[-1] - t[0]) or 1
    s = np.array([(bins - 1) * (value - t[0]) / span for value in t])
    grid = np.zeros((bins, height, width))
    for b in range(bins):
        share = np.maximum(0.0, 1.0 - np.abs(b - s)) * np.where(events.p > 0, 1, -1)
        np.add.at(grid[b], (events.y, events.x), share)
    return grid


# AHupuJR/EFNet 7cf6737, `events_to_voxel_grid` and `voxel_norm`, on formula_events(2000, 24, 32):
# cells [:, row 3, column 5], [:, row 10, column 20] and the sum of magnitudes of each bin.
PUBLISHED_CELLS = {
    (3, 5): [-0.57243866, -0.42756137, 0.89154214, 0.31910350, 0.78935432, 0.0],
    (10, 20): [-0.16955709, -0.83044291, 0.48866063, 0.51133937, -0.80776411, -0.19223586],
}
PUBLISHED_SUMS = [200.42688, 386.20783, 386.21997, 386.22681, 386.21106, 200.42691]
PUBLISHED_NORMALISED = {
    (3, 5): [-0.86805254, -0.63280690, 1.50909877, 0.57959664, 1.34317052, 0.0],
    (10, 20): [-0.21387021, -1.28698921, 0.85491651, 0.89174128, -1.25016427, -0.25069505],
}


def test_equals_the_published_functions() -> None:
    grid = voxel_grid(formula_events(2000, 24, 32), 6, 24, 32)
    normalised = normalise_nonzero(grid)
    for (row, column), cells in PUBLISHED_CELLS.items():
        np.testing.assert_allclose(grid[:, row, column], cells, atol=1e-6)
        np.testing.assert_allclose(
            normalised[:, row, column], PUBLISHED_NORMALISED[row, column], atol=1e-5
        )
    np.testing.assert_allclose(np.abs(grid).sum(axis=(1, 2)), PUBLISHED_SUMS, rtol=1e-5)


def test_a_million_events_follow_the_formula() -> None:
    events = formula_events(1_000_000, 240, 320)
    difference = voxel_grid(events, 6, 240, 320) - voxel_by_formula(events, 6, 240, 320)
    assert np.abs(difference).max() <= 1e-5


def test_three_events_by_hand() -> None:
    # s = 0, 0.5, 1: the middle event is shared equally by both bins
    events = Events(
        x=np.array([0, 0, 1]),
        y=np.array([0, 0, 0]),
        t=np.array([10, 15, 20]),
        p=np.array([1, 0, 1]),
    )
    assert voxel_grid(events, 2, 1, 2).tolist() == [[[0.5, 0.0]], [[-0.5, 1.0]]]


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.float64])
def test_a_unix_clock_changes_nothing(dtype: type) -> None:
    near = formula_events(5000, 24, 32)
    far = Events(x=near.x, y=near.y, t=(near.t + 1_700_000_000_000_000).astype(dtype), p=near.p)
    assert np.array_equal(voxel_grid(near, 6, 24, 32), voxel_grid(far, 6, 24, 32))
    # control: through float32, as the published code reads it, nearly all stamps become one
    collapsed = Events(x=near.x, y=near.y, t=far.t.astype(np.float32), p=near.p)
    assert not np.allclose(voxel_grid(near, 6, 24, 32), voxel_grid(collapsed, 6, 24, 32), atol=0.1)


def test_no_events_give_zeros_and_one_moment_gives_the_first_bin() -> None:
    assert not voxel_grid(Events.empty(), 6, 3, 4).any()
    together = Events(
        x=np.array([1, 1]), y=np.array([2, 2]), t=np.array([9, 9]), p=np.array([1, 1])
    )
    grid = voxel_grid(together, 6, 3, 4)
    assert grid[0, 2, 1] == 2 and np.count_nonzero(grid) == 1


def test_a_span_longer_than_the_events_places_them_in_it() -> None:
    one = Events(x=np.array([1]), y=np.array([0]), t=np.array([15], np.uint64), p=np.array([1]))
    assert voxel_grid(one, 3, 1, 2, span=(10, 20)).tolist() == [[[0, 0]], [[0, 1]], [[0, 0]]]
    assert voxel_grid(one, 3, 1, 2, span=(15, 15)).tolist() == voxel_grid(one, 3, 1, 2).tolist()


@pytest.mark.parametrize("span", [(16, 20), (10, 14)])
def test_an_event_outside_the_span_is_refused(span: tuple[int, int]) -> None:
    one = Events(x=np.array([1]), y=np.array([0]), t=np.array([15]), p=np.array([1]))
    with pytest.raises(DataError, match=f"t = {span[0]} to {span[1]}, found 15 to 15"):
        voxel_grid(one, 3, 1, 2, span=span)


def test_inputs_are_not_written_to() -> None:
    events = formula_events(100, 24, 32)
    before = {name: getattr(events, name).copy() for name in "xytp"}
    voxel_grid(events, 6, 24, 32)
    assert all(np.array_equal(before[name], getattr(events, name)) for name in "xytp")


def test_an_event_off_the_sensor_does_not_wrap_into_another_row() -> None:
    with pytest.raises(DataError, match="x from 4 to 4, expected 0 to 3"):
        voxel_grid(
            Events(x=np.array([4]), y=np.array([0]), t=np.array([0]), p=np.array([1])), 6, 3, 4
        )


def test_no_bins_are_refused() -> None:
    with pytest.raises(DataError, match="at least 1 bin, found 0"):
        voxel_grid(Events.empty(), 0, 3, 4)


def test_one_bin_holds_the_sum_of_the_signs() -> None:
    """AHupuJR/EFNet 7cf6737, `events_to_voxel_grid` with one bin, on formula_events(2000, 24, 32):
    row 10, columns 16 to 25, and the sum of magnitudes.
    """
    grid = voxel_grid(formula_events(2000, 24, 32), 1, 24, 32)
    assert grid.shape == (1, 24, 32) and grid.dtype == np.float32
    assert grid[0, 10, 16:26].tolist() == [-1, -1, 1, 0, -1, -3, -1, 1, 1, -1]
    assert (np.abs(grid).sum(), grid.sum()) == (752, -132)


@st.composite
def clocks(draw: st.DrawFn) -> np.ndarray:
    """Ascending stamps of any real type, which may run over all of it."""
    dtype = np.dtype(draw(st.sampled_from("?bBhHiIqQefd")))
    if dtype.kind == "f":
        width = dtype.itemsize * 8
        largest = min(float(np.finfo(dtype).max), 1e300)  # a span beyond float64 is no time
        stamp = st.floats(-largest, largest, width=width) | st.floats(0, 1000, width=width)
    elif dtype.kind == "b":
        stamp = st.booleans()
    else:
        limits = np.iinfo(dtype)
        stamp = st.integers(int(limits.min), int(limits.max))
    return np.sort(np.array(draw(st.lists(stamp, min_size=1, max_size=12)), dtype))


@given(clocks(), st.integers(1, 7))
def test_any_clock_gives_the_exact_grid(t: np.ndarray, bins: int) -> None:
    """Against rational arithmetic: whatever the type, and however much of it the clock spans."""
    exact = [Fraction(stamp.item()) for stamp in t]
    span = (exact[-1] - exact[0]) or 1
    expected = np.zeros((bins, len(t)))
    for event, stamp in enumerate(exact):
        position = (bins - 1) * (stamp - exact[0]) / span
        for b in range(bins):
            expected[b, event] = max(0, 1 - abs(b - position))
    events = Events(x=np.arange(len(t)), y=np.zeros(len(t), int), t=t, p=np.ones(len(t), np.int8))
    np.testing.assert_allclose(voxel_grid(events, bins, 1, len(t))[:, 0], expected, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64])
def test_a_signed_clock_may_span_more_than_half_its_range(dtype: type) -> None:
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    t = np.array([low, 0, high], dtype)
    events = Events(x=np.arange(3), y=np.zeros(3, int), t=t, p=np.ones(3, int))
    whole = voxel_grid(events, 3, 1, 3)
    np.testing.assert_allclose(whole[:, 0, 1], [0, 1, 0], atol=0.01)  # 0 is near the middle
    part = voxel_grid(events.select(np.array([1])), 3, 1, 3, span=(low, high))
    assert np.array_equal(part[:, 0, 1], whole[:, 0, 1])
    with np.errstate(over="ignore"):  # control: in the clock's own type the span comes out negative
        assert t[-1] - t[0] < 0


@given(st.integers(0, 400), st.integers(2, 9), st.integers(0, 2**32 - 1))
def test_the_grid_holds_every_event_once(count: int, bins: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    events = Events(
        x=rng.integers(0, 7, count),
        y=rng.integers(0, 5, count),
        t=np.sort(rng.integers(0, 1000, count)),
        p=rng.integers(0, 2, count),
    )
    grid = voxel_grid(events, bins, 5, 7)
    per_pixel = np.zeros((5, 7))
    np.add.at(per_pixel, (events.y, events.x), events.sign)
    np.testing.assert_allclose(grid.sum(axis=0), per_pixel, atol=1e-4)


def test_normalised_cells_have_mean_0_and_spread_1() -> None:
    voxel = np.zeros((2, 4, 5), np.float32)
    voxel[0, 0] = [1, 2, 3, 4, 5]
    normalised = normalise_nonzero(voxel)
    cells = normalised[0, 0]
    assert cells.mean() == pytest.approx(0, abs=1e-6) and cells.std() == pytest.approx(1, abs=1e-6)
    assert not normalised[1].any() and not normalised[0, 1:].any()


def test_an_event_is_worth_the_same_in_any_company() -> None:
    """One event of any cell is a quarter of log light; a hot pixel ends at black against white."""
    quiet = np.zeros((2, 4, 5), np.float32)
    quiet[0, 1, 2], quiet[1, 3, 4] = 1.0, -2.5
    loud = quiet.copy()
    loud[1, 0, 0], loud[0, 3, 3] = 1e6, -150.0
    normalised = normalise_contrast(loud)
    assert normalised.dtype == np.float32 and loud[1, 0, 0] == 1e6
    assert normalised[0, 1, 2] == 0.25 and normalised[1, 3, 4] == -0.625
    assert normalised[1, 0, 0] == -normalised[0, 3, 3] == np.float32(np.log(255))
    assert np.array_equal(normalise_contrast(loud[:, 1:, 2:]), normalised[:, 1:, 2:])


@pytest.mark.parametrize("value", [0.0, 1.0, -0.3, 1e6])
def test_equal_cells_give_zeros_never_nan(value: float) -> None:
    voxel = np.zeros((2, 3, 3), np.float32)
    voxel[0, 1] = value
    assert normalise_nonzero(voxel).tolist() == np.zeros((2, 3, 3)).tolist()


def test_mask_closes_a_gap_of_one_pixel() -> None:
    voxel = np.zeros((6, 7, 9), np.float32)
    voxel[0, 3, 3], voxel[5, 3, 5] = 0.2, -1.0
    mask = event_mask(voxel)
    assert mask.shape == (1, 7, 9) and mask.dtype == np.float32
    assert np.argwhere(mask[0]).tolist() == [[3, 3], [3, 4], [3, 5]]
