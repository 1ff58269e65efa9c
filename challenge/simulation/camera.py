"""A simulated event camera: brightness over time in, events out.

Each pixel watches L = log(light + eps) and fires whenever L has moved by its contrast threshold
since it last fired (Rebecq et al., ESIM: an Open Event Camera Simulator, CoRL 2018). Between two
rendered frames L is taken as linear, so every crossing has its own interpolated time. Noise follows
Hu, Liu, Delbruck, v2e: From Video Frames to Realistic DVS Events, CVPRW 2021: thresholds differ
from pixel to pixel, pixels leak towards ON, and fire at random in the dark. A hot pixel is one that
leaks much.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from challenge.errors import DataError
from challenge.events import Events

LOG_EPS = 0.02
"""Light added before the logarithm. Smaller values flood dark regions with events."""

SMALLEST_THRESHOLD = 0.01
SHOT_NOISE_LOST_IN_LIGHT = 0.75
"""A pixel in full light (1.0) has this fraction less shot noise than one in the dark."""

US_PER_S = 1e6


@dataclass(frozen=True)
class Sensor:
    """The pixels of one event camera.

    on, off: (H, W) float64 contrast thresholds in log light, at least 0.01.
    refractory_us: time after an event during which the pixel stays silent.
    leak_hz: rate of ON events of a pixel that sees no change; one for all, or (H, W) float64.
    shot_hz: rate of random events, ON as often as OFF, of a pixel in the dark.
    dark_light: added to the light before the logarithm.
    dead: (K,) pixel indices y * W + x that never report anything.
    row_us: time from one readout of a row to its next; 0 where each event is stamped by itself.
    by_columns: it is columns that are read.
    """

    on: np.ndarray
    off: np.ndarray
    refractory_us: float = 0.0
    leak_hz: float | np.ndarray = 0.0
    shot_hz: float = 0.0
    dark_light: float = LOG_EPS
    dead: np.ndarray | None = None
    row_us: float = 0.0
    by_columns: bool = False

    def readout_times(self, firings: Firings) -> np.ndarray:
        """Find when each event is read, if rows are read in turn and each every `row_us`.

        Row y is read at (n + y / height) * row_us, column x likewise; an event waits for the next
        of these moments.

        Args:
            firings: in any order.

        Returns:
            (N,) float64 microseconds, at least those of the events and less than row_us later.
        """
        if not self.row_us:
            return firings.t
        height, width = self.on.shape
        by_columns = self.by_columns
        turn = firings.pixel % width / width if by_columns else firings.pixel // width / height
        return np.asarray((np.ceil(firings.t / self.row_us - turn) + turn) * self.row_us)


@dataclass(frozen=True)
class SensorState:
    """What the pixels remember between two calls.

    change: (H, W) float64, L now minus L at the last event, in (-off, on).
    silent_until_us: (H, W) float64, the end of each pixel's refractory period.
    """

    change: np.ndarray
    silent_until_us: np.ndarray


@dataclass(frozen=True)
class Firings:
    """Candidate events: pixel index y * W + x, time in microseconds (not rounded), ON or OFF."""

    pixel: np.ndarray
    t: np.ndarray
    on: np.ndarray


def draw_thresholds(
    height: int,
    width: int,
    contrast: float,
    mismatch: float,
    rng: np.random.Generator,
    on_to_off: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw ON and OFF thresholds, apart from each other: max(0.01, N(contrast, mismatch)).

    Args:
        on_to_off: what their means' quotient is; ON gets its square root as a factor, OFF loses it.

    Returns:
        Two (height, width) float64 arrays, in log light.
    """
    drawn = rng.normal(contrast, mismatch, (2, height, width))
    uneven = np.sqrt([on_to_off, 1 / on_to_off])[:, None, None]
    on, off = np.maximum(drawn * uneven, SMALLEST_THRESHOLD)
    return on, off


def rested(sensor: Sensor) -> SensorState:
    """Start with pixels that have just fired, long enough ago to fire again."""
    return SensorState(np.zeros(sensor.on.shape), np.full(sensor.on.shape, -np.inf))


def watching(sensor: Sensor, rng: np.random.Generator) -> SensorState:
    """Start with pixels that have been watching for a while: change is uniform in (-off, on)."""
    change = rng.uniform(-sensor.off, sensor.on)
    return SensorState(change, np.full(sensor.on.shape, -np.inf))


def log_light(light: np.ndarray, dark_light: float = LOG_EPS) -> np.ndarray:
    """Compute what a pixel responds to: log(light + dark_light).

    Args:
        light: linear, 0 or more, any shape. Not modified.
        dark_light: what the pixel takes for light in the dark.

    Returns:
        The same shape, float64.
    """
    return np.log(np.asarray(light, np.float64) + dark_light)


def threshold_crossings(
    levels: np.ndarray, times_us: np.ndarray, sensor: Sensor, change: np.ndarray
) -> tuple[Firings, np.ndarray]:
    """Find every crossing of a threshold, with L linear between the given moments.

    With d the change since the last event, d gains L1 - L0 (and the leak, leak_hz * on per second)
    over a segment from t0 to t1. For k = 1, 2, … while k * on <= d1 there is an ON event at t0 + (k
    * on - d0) / (d1 - d0) * (t1 - t0), and d starts again from that level; OFF likewise downwards.
    So |L(end) - L(start) - sum of signed thresholds| stays below one threshold if there was no
    leak.

    Args:
        levels: (T, H, W) log light, T >= 1. Not modified.
        times_us: (T,) microseconds, strictly ascending.
        sensor: thresholds and leak; its refractory period plays no part here.
        change: (H, W) d at the first moment, in (-off, on). Not modified.

    Returns:
        The crossings, in the order of each pixel's time, and (H, W) d at the last moment.
    """
    on, off = sensor.on.ravel(), sensor.off.ravel()
    start = change.ravel()
    leak = np.ravel(sensor.leak_hz)  # of one value for all, or of each pixel's
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for i in range(len(levels) - 1):
        duration = times_us[i + 1] - times_us[i]
        end = start + (levels[i + 1] - levels[i]).ravel()
        if leak.any():
            end += on * (leak * duration / US_PER_S)
        fired = np.flatnonzero((end >= on) | (end <= -off))
        rises = end[fired] > 0
        step = np.where(rises, on[fired], -off[fired])
        count = np.floor(end[fired] / step).astype(np.int64)
        each = np.repeat(np.arange(len(fired)), count)
        nth = np.arange(len(each)) - np.repeat(np.cumsum(count) - count, count) + 1
        pixel = fired[each]
        part = (nth * step[each] - start[pixel]) / (end[pixel] - start[pixel])
        found.append((pixel, times_us[i] + np.minimum(part, 1.0) * duration, rises[each]))
        end[fired] -= count * step
        start = end
    if not found:
        none = np.zeros(0, np.int64)
        return Firings(none, none.astype(np.float64), none.astype(bool)), change.copy()
    pixel, t, rising = (np.concatenate(column) for column in zip(*found, strict=True))
    return Firings(pixel, t, rising), start.reshape(change.shape)


def shot_noise(
    light: np.ndarray, times_us: np.ndarray, shot_hz: float, rng: np.random.Generator
) -> Firings:
    """Draw random events, half of them ON: Poisson of rate shot_hz * (1 - 0.75 * light) per pixel.

    Args:
        light: (T, H, W) linear light, more than 1 counts as 1; frame i holds from times_us[i] to
            times_us[i + 1].
        times_us: (T,) microseconds, ascending.
        shot_hz: rate in the dark, in events per second and pixel.
    """
    frames = light.reshape(len(light), -1)
    first, last = float(times_us[0]), float(times_us[-1])
    number = rng.poisson(shot_hz * frames.shape[1] * (last - first) / US_PER_S)
    pixel = rng.integers(0, frames.shape[1], number)
    t = rng.uniform(first, last, number)
    segment = np.searchsorted(times_us, t, side="right") - 1
    seen = np.minimum(frames[np.minimum(segment, len(frames) - 1), pixel], 1.0)
    dimmed = 1.0 - SHOT_NOISE_LOST_IN_LIGHT * seen
    kept = rng.random(number) < dimmed
    rising = rng.random(number) < 0.5
    return Firings(pixel[kept], t[kept], rising[kept])


def drop_refractory(
    firings: Firings, silent_until_us: np.ndarray, sensor: Sensor
) -> tuple[Firings, np.ndarray]:
    """Drop events that come sooner than the refractory period after their pixel's last kept event
    was read.

    Args:
        firings: in any order.
        silent_until_us: (H, W) when each pixel can fire again, at the start. Not modified.
        sensor: its refractory period, and when it reads.

    Returns:
        The kept events, sorted by pixel and then time, and the new (H, W) ends.
    """
    order = np.lexsort((firings.t, firings.pixel))
    pixel, t, rising = firings.pixel[order], firings.t[order], firings.on[order]
    firings = Firings(pixel, t, rising)
    if sensor.refractory_us <= 0 and not sensor.row_us:
        return firings, silent_until_us.copy()
    awake_from = sensor.readout_times(firings) + sensor.refractory_us
    ends = silent_until_us.ravel().copy()
    kept = np.zeros(len(pixel), bool)
    pixels, first, count = np.unique(pixel, return_index=True, return_counts=True)
    nth = 0
    while len(pixels):  # the n-th event of every pixel that has so many, all at once
        now = t[first + nth]
        awake = now >= ends[pixels]
        kept[first + nth] = awake
        ends[pixels[awake]] = awake_from[first + nth][awake]
        nth += 1
        more = count > nth
        pixels, first, count = pixels[more], first[more], count[more]
    return _chosen(firings, kept), ends.reshape(silent_until_us.shape)


def _chosen(firings: Firings, kept: np.ndarray) -> Firings:
    return Firings(firings.pixel[kept], firings.t[kept], firings.on[kept])


def simulate_events(
    light: np.ndarray,
    times_us: np.ndarray,
    sensor: Sensor,
    state: SensorState,
    rng: np.random.Generator,
) -> tuple[Events, SensorState]:
    """Simulate what the camera reports while the light changes from frame to frame.

    A long recording may be cut into pieces that share their boundary frame: pass each piece the
    state that the piece before returned. Without shot noise the events are the same as in one call.

    Args:
        light: (T, H, W) linear light, 0 or more, T >= 2. Not modified.
        times_us: (T,) microseconds, strictly ascending. Not modified.
        sensor: thresholds, refractory period and noise.
        state: `rested`, `watching`, or what the last call returned.
        rng: draws the shot noise; untouched where shot_hz is 0.

    Returns:
        Events in order of time (equal times: of y, then x): x, y, t int64 (whole microseconds,
        rounded down; those that wait for their row up to row_us after the last moment), p int8 0 or
        1; and the state at the last moment.

    Raises:
        DataError: shapes do not fit, or time does not ascend.
    """
    shape = sensor.on.shape
    if light.ndim != 3 or light.shape[1:] != shape or len(light) != len(times_us) or len(light) < 2:
        raise DataError(
            f"light: expected (T, {shape[0]}, {shape[1]}) with T >= 2 and {len(times_us)} times, "
            f"found {light.shape}"
        )
    if np.any(np.diff(times_us) <= 0):
        raise DataError("times_us: expected strictly ascending times")
    firings, change = threshold_crossings(
        log_light(light, sensor.dark_light), times_us, sensor, state.change
    )
    if sensor.shot_hz:
        noise = shot_noise(light, times_us, sensor.shot_hz, rng)
        pairs = ((getattr(firings, name), getattr(noise, name)) for name in ("pixel", "t", "on"))
        firings = Firings(*(np.concatenate(pair) for pair in pairs))
    if sensor.dead is not None:
        firings = _chosen(firings, ~np.isin(firings.pixel, sensor.dead))
    firings, silent = drop_refractory(firings, state.silent_until_us, sensor)
    stamps = np.floor(sensor.readout_times(firings)).astype(np.int64)
    order = np.lexsort((firings.pixel, stamps))
    y, x = np.divmod(firings.pixel[order], shape[1])
    events = Events(x=x, y=y, t=stamps[order], p=firings.on[order].astype(np.int8))
    return events, SensorState(change, silent)
