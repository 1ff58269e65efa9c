"""The event camera, against a plain loop over pixels, and against what theory says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from challenge.errors import DataError
from challenge.events import Events
from challenge.simulation.camera import (
    SMALLEST_THRESHOLD,
    Firings,
    Sensor,
    SensorState,
    draw_thresholds,
    drop_refractory,
    log_light,
    rested,
    shot_noise,
    simulate_events,
    threshold_crossings,
    watching,
)

HEIGHT, WIDTH = 7, 9


def scalar_events(
    light: np.ndarray, times_us: np.ndarray, sensor: Sensor, change: np.ndarray
) -> list[tuple[int, int, int, int]]:
    """One pixel after the other, one event after the other: (t, y, x, p), sorted by t, y, x."""
    events = []
    for y in range(light.shape[1]):
        for x in range(light.shape[2]):
            level = [math.log(float(v) + 0.02) for v in light[:, y, x]]
            leak = sensor.leak_hz * sensor.on[y, x] / 1e6  # the reference sinks, per microsecond
            reference = level[0] - change[y, x]
            last_kept = -math.inf
            for i in range(len(level) - 1):
                t0, t1 = times_us[i], times_us[i + 1]
                goal = level[i + 1] + leak * (t1 - t0)  # seen from a reference that stands still
                slope = (goal - level[i]) / (t1 - t0)
                while True:
                    if goal - reference >= sensor.on[y, x]:
                        reference += sensor.on[y, x]
                        p = 1
                    elif reference - goal >= sensor.off[y, x]:
                        reference -= sensor.off[y, x]
                        p = 0
                    else:
                        break
                    t = t0 + (reference - level[i]) / slope
                    if t - last_kept >= sensor.refractory_us:
                        events.append((math.floor(t), y, x, p))
                        last_kept = t
                reference -= leak * (t1 - t0)
    return sorted(events, key=lambda event: event[:3])


def as_tuples(events: Events) -> list[tuple[int, int, int, int]]:
    return [tuple(map(int, e)) for e in zip(events.t, events.y, events.x, events.p, strict=True)]


def flicker(rng: np.random.Generator, frames: int = 40, scale: float = 0.3) -> np.ndarray:
    """Light that wanders at random, in [0, 1]."""
    steps = rng.normal(0, scale, (frames, HEIGHT, WIDTH)).cumsum(axis=0)
    return 0.5 + 0.5 * np.sin(steps)


def sensor_of(rng: np.random.Generator, mismatch: float = 0.05, **noise: float) -> Sensor:
    return Sensor(*draw_thresholds(HEIGHT, WIDTH, 0.2, mismatch, rng), **noise)


def uniform_sensor(contrast: float = 0.2, shape: tuple[int, int] = (HEIGHT, WIDTH)) -> Sensor:
    return Sensor(np.full(shape, contrast), np.full(shape, contrast))


@pytest.mark.parametrize("mismatch", [0.0, 0.05])
@pytest.mark.parametrize("refractory_us", [0.0, 150.0])
@pytest.mark.parametrize("leak_hz", [0.0, 40.0])
def test_equals_the_scalar_loop_event_for_event(
    mismatch: float, refractory_us: float, leak_hz: float
) -> None:
    rng = np.random.default_rng(1)
    light = flicker(rng)
    times_us = np.cumsum(rng.uniform(200, 900, len(light))) + 1e6
    sensor = sensor_of(rng, mismatch, refractory_us=refractory_us, leak_hz=leak_hz)
    state = watching(sensor, rng)
    events, _ = simulate_events(light, times_us, sensor, state, rng)
    expected = scalar_events(light, times_us, sensor, state.change)
    assert len(expected) > 10 * HEIGHT * WIDTH
    assert as_tuples(events) == expected


def test_the_comparison_with_the_scalar_loop_can_fail() -> None:
    rng = np.random.default_rng(1)
    light, times_us, sensor = flicker(rng), np.arange(40) * 500.0, sensor_of(rng)
    events, _ = simulate_events(light, times_us, sensor, rested(sensor), rng)
    slower = Sensor(sensor.on * 1.001, sensor.off)
    expected = scalar_events(light, times_us, slower, np.zeros((HEIGHT, WIDTH)))
    assert as_tuples(events) != expected


def test_the_refractory_period_drops_events() -> None:
    rng = np.random.default_rng(1)
    light, times_us, plain = flicker(rng), np.arange(40) * 500.0, sensor_of(rng)
    tired = Sensor(plain.on, plain.off, refractory_us=300.0)
    every, end = simulate_events(light, times_us, plain, rested(plain), rng)
    some, tired_end = simulate_events(light, times_us, tired, rested(tired), rng)
    assert 0 < len(some) < len(every)
    assert np.array_equal(end.change, tired_end.change)  # the reference moves all the same
    for y, x in np.ndindex(HEIGHT, WIDTH):
        gaps = np.diff(some.t[(some.y == y) & (some.x == x)])
        assert np.all(gaps >= 299)  # whole microseconds of times 300 apart


def test_a_ramp_fires_at_evenly_spaced_interpolated_times() -> None:
    """From log 0.02 to log 1.02 in 1000 us with threshold a tenth of that: at 100, 200, … 1000."""
    contrast = (math.log(1.02) - math.log(0.02)) / 10 * (1 - 1e-12)
    sensor = uniform_sensor(contrast, (1, 1))
    levels = np.array([math.log(0.02), math.log(1.02)]).reshape(2, 1, 1)
    firings, change = threshold_crossings(levels, np.array([0.0, 1000.0]), sensor, np.zeros((1, 1)))
    assert firings.t == pytest.approx(np.arange(1, 11) * 100.0)
    assert firings.on.all()
    assert change.item() == pytest.approx(0, abs=1e-9)


def test_the_sum_of_events_follows_the_light_to_within_one_threshold() -> None:
    rng = np.random.default_rng(2)
    light, sensor = flicker(rng), sensor_of(rng)
    state = rested(sensor)
    events, end = simulate_events(light, np.arange(40) * 500.0, sensor, state, rng)
    total = np.zeros((HEIGHT, WIDTH))
    step = np.where(events.p > 0, sensor.on[events.y, events.x], -sensor.off[events.y, events.x])
    np.add.at(total, (events.y, events.x), step)
    rest = log_light(light[-1]) - log_light(light[0]) - total
    assert np.all((-sensor.off < rest) & (rest < sensor.on))
    assert rest == pytest.approx(end.change, abs=1e-9)


def test_a_static_scene_gives_none() -> None:
    rng = np.random.default_rng(3)
    light = np.repeat(rng.random((1, HEIGHT, WIDTH)), 30, axis=0)
    sensor = sensor_of(rng)
    events, _ = simulate_events(light, np.arange(30) * 500.0, sensor, watching(sensor, rng), rng)
    assert len(events) == 0


def test_negated_log_light_gives_the_same_times_with_flipped_polarity() -> None:
    rng = np.random.default_rng(4)
    levels, sensor, times_us = log_light(flicker(rng)), uniform_sensor(), np.arange(40) * 500.0
    nothing = np.zeros((HEIGHT, WIDTH))
    up, _ = threshold_crossings(levels, times_us, sensor, nothing)
    down, _ = threshold_crossings(-levels, times_us, sensor, nothing)
    assert len(up.t) > 100
    assert np.array_equal(up.t, down.t) and np.array_equal(up.pixel, down.pixel)
    assert np.array_equal(up.on, ~down.on)


def test_pieces_with_the_state_passed_on_equal_one_call() -> None:
    rng = np.random.default_rng(5)
    light, times_us = flicker(rng), np.arange(40) * 500.0
    sensor = sensor_of(rng, refractory_us=200.0, leak_hz=5.0)
    state = first = watching(sensor, rng)
    whole, whole_end = simulate_events(light, times_us, sensor, first, rng)
    parts = []
    for i in range(0, 39, 13):
        part, state = simulate_events(light[i : i + 14], times_us[i : i + 14], sensor, state, rng)
        parts.append(part)
    assert as_tuples(Events.concatenate(parts)) == as_tuples(whole)
    assert np.array_equal(state.change, whole_end.change)
    assert np.array_equal(state.silent_until_us, whole_end.silent_until_us)


def test_thresholds_have_the_asked_mean_spread_and_floor() -> None:
    on, off = draw_thresholds(200, 200, 0.2, 0.03, np.random.default_rng(6))
    for drawn in (on, off):
        assert drawn.mean() == pytest.approx(0.2, abs=5 * 0.03 / 200)
        assert drawn.std() == pytest.approx(0.03, rel=0.03)
    assert abs(np.corrcoef(on.ravel(), off.ravel())[0, 1]) < 5 / 200  # apart from each other
    low, _ = draw_thresholds(50, 50, 0.02, 0.03, np.random.default_rng(6))
    assert low.min() == SMALLEST_THRESHOLD


def test_leak_fires_on_at_the_asked_rate_and_not_in_unison() -> None:
    """5 Hz for 2 s: ten ON events from every pixel, whatever its threshold."""
    rng = np.random.default_rng(7)
    sensor = sensor_of(rng, leak_hz=5.0)
    light = np.full((21, HEIGHT, WIDTH), 0.3)
    _, state = simulate_events(light, np.linspace(0, 1e6, 21), sensor, watching(sensor, rng), rng)
    events, _ = simulate_events(light, np.linspace(1e6, 3e6, 21), sensor, state, rng)
    counts = np.bincount(events.y * WIDTH + events.x, minlength=HEIGHT * WIDTH)
    assert np.all(counts == 10)
    assert np.all(events.p == 1)
    assert len(np.unique(events.t)) > 0.9 * len(events)


@pytest.mark.parametrize("light, part", [(0.0, 1.0), (0.5, 0.625), (1.0, 0.25)])  # 1 - 0.75 light
def test_shot_noise_has_the_asked_rate_which_falls_with_light(light: float, part: float) -> None:
    seconds, pixels, hz = 10.0, 400, 4.0
    frames = np.full((11, 20, 20), light)
    times_us = np.linspace(0, seconds * 1e6, 11)
    noise = shot_noise(frames, times_us, hz, np.random.default_rng(8))
    expected = hz * part * seconds * pixels
    assert abs(len(noise.t) - expected) < 5 * math.sqrt(expected)
    assert abs(noise.on.sum() - expected / 2) < 5 * math.sqrt(expected) / 2 + 5
    spread = np.bincount(noise.pixel, minlength=pixels)
    assert spread.var() == pytest.approx(spread.mean(), rel=0.4)  # Poisson: 5 sigma of 400 pixels
    assert np.histogram(noise.t, bins=10)[0] == pytest.approx(
        expected / 10, abs=5 * math.sqrt(expected / 10)
    )


def test_noise_reaches_the_events_in_order_of_time() -> None:
    rng = np.random.default_rng(9)
    sensor = sensor_of(rng, refractory_us=100.0, leak_hz=1.0, shot_hz=50.0)
    light, times_us = flicker(rng), np.arange(40) * 500.0
    quiet = Sensor(sensor.on, sensor.off, 100.0, 1.0)
    events, _ = simulate_events(light, times_us, sensor, rested(sensor), rng)
    without, _ = simulate_events(light, times_us, quiet, rested(quiet), rng)
    added = len(events) - len(without)  # about 63 pixels * 50 Hz * 19.5 ms * 0.6
    assert 10 < added < 80
    assert np.all(np.diff(events.t) >= 0)
    assert events.t.min() >= 0 and events.t.max() <= times_us[-1]
    assert set(np.unique(events.p)) == {0, 1}


def test_refractory_counts_from_the_last_kept_event() -> None:
    """Events at 0, 60, 120, 180 with 100 us: 0 stays, 60 goes, 120 stays (60 does not count)."""
    firings = Firings(np.zeros(4, int), np.array([180.0, 0.0, 120.0, 60.0]), np.ones(4, bool))
    sensor = Sensor(np.ones((1, 1)), np.ones((1, 1)), refractory_us=100.0)
    kept, ends = drop_refractory(firings, np.full((1, 1), -np.inf), sensor)
    assert kept.t.tolist() == [0.0, 120.0]
    assert ends.tolist() == [[220.0]]


def test_inputs_are_not_modified() -> None:
    rng = np.random.default_rng(10)
    light, times_us = flicker(rng), np.arange(40) * 500.0
    sensor = sensor_of(rng, refractory_us=100.0, leak_hz=1.0, shot_hz=5.0)
    state = watching(sensor, rng)
    given = (light, times_us, sensor.on, sensor.off, state.change, state.silent_until_us)
    before = [array.copy() for array in given]
    simulate_events(light, times_us, sensor, state, rng)
    assert all(np.array_equal(a, b) for a, b in zip(given, before, strict=True))


def test_same_seed_same_events_other_seed_other_events() -> None:
    def make(seed: int) -> list[tuple[int, int, int, int]]:
        rng = np.random.default_rng(seed)
        sensor = sensor_of(rng, shot_hz=20.0)
        light = flicker(np.random.default_rng(0))
        return as_tuples(
            simulate_events(light, np.arange(40) * 500.0, sensor, rested(sensor), rng)[0]
        )

    assert make(1) == make(1)
    assert make(1) != make(2)


@pytest.mark.parametrize(
    "shape, times, says",
    [
        ((3, HEIGHT, WIDTH + 1), [0, 1, 2], r"expected \(T, 7, 9\)"),
        ((3, HEIGHT, WIDTH), [0, 1], "2 times"),
        ((1, HEIGHT, WIDTH), [0], "T >= 2"),
        ((3, HEIGHT, WIDTH), [0, 2, 1], "strictly ascending"),
    ],
)
def test_what_does_not_fit_is_refused(shape: tuple[int, ...], times: list[int], says: str) -> None:
    sensor = uniform_sensor()
    with pytest.raises(DataError, match=says):
        simulate_events(
            np.zeros(shape), np.array(times), sensor, rested(sensor), np.random.default_rng(0)
        )


def test_watching_starts_inside_the_thresholds() -> None:
    sensor = sensor_of(np.random.default_rng(0))
    state: SensorState = watching(sensor, np.random.default_rng(0))
    assert np.all((state.change >= -sensor.off) & (state.change < sensor.on))
    assert (state.change > 0).any() and (state.change < 0).any()
