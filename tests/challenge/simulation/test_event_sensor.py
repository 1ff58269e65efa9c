"""What event sensors have that an ideal one lacks: each against the number that was asked for."""

from __future__ import annotations

import math

import numpy as np
import pytest

from challenge.events import Events
from challenge.simulation.camera import (
    Firings,
    Sensor,
    draw_thresholds,
    drop_refractory,
    log_light,
    rested,
    simulate_events,
    watching,
)

HEIGHT, WIDTH = 20, 30
SECOND = 1e6


def even(contrast: float = 0.2, **more: object) -> Sensor:
    thresholds = np.full((HEIGHT, WIDTH), contrast)
    return Sensor(thresholds, thresholds, **more)  # type: ignore[arg-type]


def dark(seconds: float, steps: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Light that does not change, and its moments."""
    return np.full((steps + 1, HEIGHT, WIDTH), 0.1), np.linspace(0, seconds * SECOND, steps + 1)


def events_of(sensor: Sensor, light: np.ndarray, times_us: np.ndarray, seed: int = 0) -> Events:
    rng = np.random.default_rng(seed)
    return simulate_events(light, times_us, sensor, watching(sensor, rng), rng)[0]


def test_hot_pixels_fire_on_at_their_own_rates_and_no_others_do() -> None:
    leak = np.zeros((HEIGHT, WIDTH))
    leak[3, 4], leak[7, 20] = 50.0, 400.0
    events = events_of(even(leak_hz=leak), *dark(2.0))
    for (y, x), hz in (((3, 4), 50.0), ((7, 20), 400.0)):
        own = (events.y == y) & (events.x == x)
        assert abs(int(own.sum()) - 2 * hz) <= 1
        assert np.diff(events.t[own]) == pytest.approx(SECOND / hz, abs=1)
    assert len(events) == pytest.approx(900, abs=2) and np.all(events.p == 1)


def test_dead_pixels_report_nothing_and_their_neighbours_all() -> None:
    light = 0.5 + 0.4 * np.sin(np.arange(40) / 3)[:, None, None] * np.ones((1, HEIGHT, WIDTH))
    dead = np.array([0, 5 * WIDTH + 7])
    sensor = even(leak_hz=100.0, shot_hz=100.0, dead=dead)
    events = events_of(sensor, light, np.arange(40) * 5000.0)
    count = np.bincount(events.y * WIDTH + events.x, minlength=HEIGHT * WIDTH)
    assert np.all(count[dead] == 0) and np.all(np.delete(count, dead) > 20)


@pytest.mark.parametrize("ratio", [0.6, 1.0, 1.6])
def test_thresholds_are_recovered_from_a_ramp(ratio: float) -> None:
    """Log light rises by 4 and falls by 4: 4 / threshold events of each sign in each pixel."""
    rng = np.random.default_rng(1)
    on, off = draw_thresholds(60, 60, 0.25, 0.02, rng, ratio)
    assert on.mean() / off.mean() == pytest.approx(ratio, rel=0.01)
    assert np.sqrt(on.mean() * off.mean()) == pytest.approx(0.25, rel=0.01)
    assert on.std() / on.mean() == pytest.approx(0.08, rel=0.1)
    sensor = Sensor(on, off)
    rise = np.exp(np.concatenate([np.linspace(-4, 0, 200), np.linspace(0, -4, 200)[1:]])) - 0.02
    light = np.maximum(rise, 0)[:, None, None] * np.ones((1, 60, 60))
    assert np.ptp(log_light(light[:, 0, 0])) > 3.8
    events, _ = simulate_events(light, np.arange(399) * 100.0, sensor, rested(sensor), rng)
    swing = float(np.ptp(log_light(light[:, 0, 0])))
    ways = {1: np.full((60, 60), swing)}
    for p, threshold in ((1, on), (0, off)):
        count = np.zeros((60, 60))
        mine = events.select(events.p == p)
        np.add.at(count, (mine.y, mine.x), 1)
        ways.setdefault(0, count * on)  # so far down as the ON events went up
        assert np.all(count * threshold <= ways[p] + 1e-6)
        assert np.all(ways[p] < (count + 1) * threshold + 1e-6)


def test_more_dark_light_hides_what_is_dim() -> None:
    """From 0.01 to 0.02 of light: log(2) for a pixel without dark light, log(1.2) with 0.04."""
    light = np.stack([np.full((HEIGHT, WIDTH), 0.01), np.full((HEIGHT, WIDTH), 0.02)])
    for dark_light, count in ((1e-9, 6), (0.04, 1)):
        sensor = even(0.11, dark_light=dark_light)
        rng = np.random.default_rng(0)
        events, _ = simulate_events(light, np.array([0.0, 1e3]), sensor, rested(sensor), rng)
        assert (
            len(events)
            == count * HEIGHT * WIDTH
            == HEIGHT
            * WIDTH
            * math.floor(math.log((0.02 + dark_light) / (0.01 + dark_light)) / 0.11)
        )


@pytest.mark.parametrize("by_columns, pixels", [(False, [5, 5, 5, 0]), (True, [3, 8, 13, 0])])
def test_rows_are_read_in_turn_and_events_wait_for_it(by_columns: bool, pixels: list[int]) -> None:
    """4 rows each 100 us: row 1 at 25, 125, …; an event at 25 is read at once, at 26 at 125.

    Column 3 of 5 at 60, 160, …
    """
    late = [60.0, 61.0, 159.0, 1.0] if by_columns else [25.0, 26.0, 124.0, 1.0]
    firings = Firings(np.array(pixels), np.array(late), np.ones(4, bool))
    thresholds = np.ones((4, 5))
    sensor = Sensor(thresholds, thresholds, row_us=100.0, by_columns=by_columns)
    first = late[0]
    assert sensor.readout_times(firings).tolist() == [first, first + 100, first + 100, 100.0]
    assert Sensor(thresholds, thresholds).readout_times(firings).tolist() == late


def test_a_pixel_that_waits_reports_one_event() -> None:
    """At 26 and 124 both would be read at 125: the second is lost; so is 150 with 30 us of rest."""
    times = np.array([26.0, 124.0, 150.0, 160.0])
    firings = Firings(np.full(4, 5), times, np.ones(4, bool))
    sensor = Sensor(np.ones((4, 5)), np.ones((4, 5)), refractory_us=30.0, row_us=100.0)
    kept, ends = drop_refractory(firings, np.full((4, 5), -np.inf), sensor)
    assert kept.t.tolist() == [26.0, 160.0]
    assert ends[1, 0] == 225.0 + 30.0


def test_readout_in_rows_makes_bursts_of_equal_stamps() -> None:
    light, times_us = dark(0.2)
    rows = events_of(even(shot_hz=200.0, row_us=1000.0), light, times_us)
    single = events_of(even(shot_hz=200.0), light, times_us)
    assert len(rows) > 0.8 * len(single) > 10_000
    turn = rows.t - np.floor(rows.y / HEIGHT * 1000.0)
    assert np.all(np.abs(turn - 1000 * np.round(turn / 1000)) <= 1)
    assert np.all(np.diff(rows.t) >= 0)

    def shared(events: Events) -> float:
        return float(np.mean(np.diff(events.t) == 0))

    assert shared(rows) > 0.6 and shared(single) < 0.1
    pairs = np.stack([rows.t, rows.y * WIDTH + rows.x])
    assert len(np.unique(pairs, axis=1)[0]) == len(rows)  # a pixel once in each reading


@pytest.mark.parametrize("refractory_us", [200.0, 900.0])
@pytest.mark.parametrize("row_us", [0.0, 300.0])
def test_the_refractory_gap_is_kept(refractory_us: float, row_us: float) -> None:
    light, times_us = dark(0.5)
    events = events_of(
        even(shot_hz=800.0, refractory_us=refractory_us, row_us=row_us), light, times_us
    )
    order = np.lexsort((events.t, events.y * WIDTH + events.x))
    pixel = (events.y * WIDTH + events.x)[order]
    gaps = np.diff(events.t[order])[np.diff(pixel) == 0]
    assert gaps.min() >= refractory_us - 1
    assert np.percentile(gaps, 1) < refractory_us + row_us + 100  # and no longer one


def test_pieces_with_the_state_passed_on_equal_one_call_by_rows_too() -> None:
    rng = np.random.default_rng(5)
    light = 0.5 + 0.4 * np.sin(np.arange(41) / 4 + 6 * rng.random((HEIGHT, WIDTH, 1))).T.reshape(
        41, WIDTH, HEIGHT
    ).transpose(0, 2, 1)
    times_us = np.arange(41) * 500.0
    leak = rng.uniform(0, 200, (HEIGHT, WIDTH))
    sensor = even(refractory_us=200.0, leak_hz=leak, row_us=700.0)
    first = state = watching(sensor, rng)
    whole, _ = simulate_events(light, times_us, sensor, first, rng)
    parts = []
    for i in range(0, 40, 8):
        part, state = simulate_events(light[i : i + 9], times_us[i : i + 9], sensor, state, rng)
        parts.append(part)
    joined = Events.concatenate(parts)
    order = np.lexsort((joined.y * WIDTH + joined.x, joined.t))
    assert len(whole) > 1000
    for name in "xytp":
        assert np.array_equal(getattr(joined, name)[order], getattr(whole, name))
