from __future__ import annotations

import math

import numpy as np
import pytest

from challenge.errors import DataError
from challenge.events import Events, check_on_sensor, crop, elapsed, polarity_problems


def events(x: list[int], y: list[int], t: list[int], p: list[int]) -> Events:
    return Events(x=np.array(x), y=np.array(y), t=np.array(t), p=np.array(p))


def test_sign_reads_both_spellings_of_darker() -> None:
    assert events([0, 0, 0], [0, 0, 0], [0, 1, 2], [1, 0, -1]).sign.tolist() == [1.0, -1.0, -1.0]


def test_arrays_of_different_length_are_refused() -> None:
    with pytest.raises(DataError, match="one length"):
        events([1, 2], [1], [1], [1])


def test_lists_are_read_as_arrays() -> None:
    assert Events(x=[1], y=[2], t=[3], p=[0]).sign.tolist() == [-1.0]  # type: ignore[arg-type]


def test_column_vectors_are_refused() -> None:
    with pytest.raises(DataError, match="one length"):
        Events(**{name: np.zeros((3, 1)) for name in "xytp"})


@pytest.mark.parametrize(
    "x, y, t, message",
    [
        ([-1], [0], [0], "x from -1 to -1, expected 0 to 3"),
        ([4], [3], [0], "x from 4 to 4"),
        ([0], [3], [0], "y from 3 to 3, expected 0 to 2"),
        ([0, 0], [0, 0], [5, 4], "time runs backwards"),
        ([0], [3], [0], "x and y seem to be swapped"),
        ([0, 0], [0, 0], [0.0, math.nan], "t: expected finite numbers"),
        ([math.nan], [0], [0], "x from nan to nan, expected 0 to 3"),
    ],
)
def test_what_no_sensor_can_have_seen(
    x: list[int], y: list[int], t: list[int], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        check_on_sensor(events(x, y, t, [1] * len(x)), height=3, width=4)


@pytest.mark.parametrize("dtype", ["?", "i1", "u1", "i8", "f4", "f8"])
def test_both_spellings_of_polarity_are_taken_in_any_type(dtype: str) -> None:
    for values in ([0, 1], [1, 1], [0, 0], [-1, 1], [-1, 0, 1]):
        if min(values) < 0 and dtype in ("?", "u1"):
            continue
        assert polarity_problems(np.array(values, dtype)) == []


@pytest.mark.parametrize("strange", [2, -2, 255, 0.5, math.nan, math.inf])
def test_any_other_polarity_is_refused_with_its_value(strange: float) -> None:
    dtype = np.uint8 if strange == 255 else np.asarray(strange).dtype
    given = Events(*(np.zeros(3, int) for _ in "xyt"), p=np.array([1, strange, strange], dtype))
    with pytest.raises(DataError, match=f"0 or -1 where it became darker, found {strange} and 1"):
        check_on_sensor(given, height=3, width=4)


@pytest.mark.parametrize("clock", ["i2", "u2", "i4", "u8", "f2", "f4", "f8", "g"])
def test_elapsed_time_is_exact_on_every_clock(clock: str) -> None:
    first, last = (-30_000, 30_000) if clock[0] != "u" else (1, 60_001)
    t = np.array([first, first, last], clock)
    expected = float(int(t[-1]) - int(t[0]))  # half precision rounds the stamps themselves
    found = elapsed(t, t[0])
    assert found.dtype == np.float64 and found.tolist() == [0, 0, expected]


def test_the_corners_of_the_sensor_are_on_it() -> None:
    check_on_sensor(events([0, 3], [0, 2], [0, 0], [1, 0]), height=3, width=4)
    check_on_sensor(Events.empty(), height=3, width=4)


def test_concatenate_keeps_the_order() -> None:
    both = Events.concatenate([events([1], [2], [3], [1]), events([4], [5], [6], [0])])
    assert (both.x.tolist(), both.y.tolist(), both.t.tolist(), both.p.tolist()) == (
        [1, 4], [2, 5], [3, 6], [1, 0],
    )  # fmt: skip
    assert len(Events.concatenate([])) == 0


def test_a_crop_keeps_what_is_inside_in_its_order_and_counts_from_its_corner() -> None:
    given = events([2, 1, 4, 2, 3, 2], [5, 5, 5, 4, 6, 7], [1, 2, 3, 4, 5, 6], [1, 1, 1, 0, 0, 1])
    before = given.x.copy()
    inside = crop(given, top=5, left=2, height=2, width=2)
    assert (inside.x.tolist(), inside.y.tolist()) == ([0, 1], [0, 1])
    assert (inside.t.tolist(), inside.p.tolist()) == ([1, 5], [1, 0])
    assert np.array_equal(given.x, before)
    assert len(crop(given, 0, 0, 3, 9)) == len(crop(Events.empty(), 0, 0, 3, 9)) == 0


def test_a_crop_keeps_the_types() -> None:
    unsigned = Events(
        x=np.array([7, 9], np.uint16),
        y=np.array([0, 3], np.uint8),
        t=np.array([1_700_000_000_000_000, 1_700_000_000_000_001], np.uint64),
        p=np.array([True, False]),
    )
    inside = crop(unsigned, 2, 8, 5, 5)
    assert [getattr(inside, name).dtype for name in "xytp"] == ["u2", "u1", "u8", "?"]
    assert (int(inside.x[0]), int(inside.y[0]), int(inside.t[0])) == (1, 1, 1_700_000_000_000_001)
