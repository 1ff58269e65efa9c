"""One sequence of the wide world: a photograph, what was drawn for it (`Take`), and its frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from challenge.datasets.highrev import in_order
from challenge.events import Events
from challenge.light import luminance
from challenge.simulation.camera import (
    Sensor,
    SensorState,
    draw_thresholds,
    simulate_events,
    watching,
)
from challenge.simulation.frames import FixedPattern, FrameSensor, through_filters
from challenge.simulation.gallery import Photograph, read_light
from challenge.simulation.scenes import (
    MARGIN,
    OBJECT_PACE,
    OBJECT_SPEED,
    REFERENCE_PIXELS,
    SPEEDS,
    STILL,
    Look,
    MovingObject,
    Scene,
    SmoothPath,
    background,
    cut_object,
    draw_path,
    place,
    reach,
    render,
    take_picture,
)
from challenge.simulation.sequences import SLICES, STEPS, Frame
from challenge.simulation.textures import TEXTURES
from challenge.simulation.world import Take, World, between, draw_take

GENERATOR = 2
"""Raise it with every change that changes the bytes of such data."""

SPLITS = ("train", "val")
FEWEST_STEPS, MOST_STEPS = 12, 240
"""Moments of an exposure that are rendered; in between what moves does so by about a pixel."""
SLOWEST_WAVE = 0.05
"""Waves of the camera's way in an exposure: one slower is as good as straight."""
AROUND = (1 / 1.5, 1.5)
"""The waves of one way have frequencies so far apart."""
SAMPLES = 65
"""Moments of an exposure at which a way is looked at."""
OBJECT_SIZES = (0.7, 1.0)
"""Objects of one scene are so much smaller than drawn."""
OF_TEXTURES = 0.3
"""So many of the objects are made of textures, the others of the photograph."""
MOST_PIXELS = 20_000_000
"""Of the photograph, enlarged: 240 MB."""
FOR_TAKE, FOR_SCENE, FOR_SENSOR = range(3)


@dataclass(frozen=True)
class Shot:
    """One sequence to be made: the `number`-th of its split."""

    split: str
    number: int
    photograph: Photograph


@dataclass(frozen=True)
class Size:
    """What all sequences have in common."""

    seed: int
    width: int
    height: int
    frames: int

    @property
    def scale(self) -> float:
        """Say how long the sides are, relative to 320 x 240."""
        return float(np.sqrt(self.height * self.width / REFERENCE_PIXELS))


def generator(shot: Shot, seed: int, purpose: int) -> np.random.Generator:
    """Make the random numbers of a sequence, for one of its purposes."""
    return np.random.default_rng([GENERATOR, seed, SPLITS.index(shot.split), shot.number, purpose])


def take_of(shot: Shot, world: World, seed: int) -> Take:
    """Draw what a sequence has, from the seed and its number alone."""
    return draw_take(world, generator(shot, seed, FOR_TAKE))


def film(shot: Shot, take: Take, size: Size, folder: Path) -> Iterator[Frame]:
    """Make the frames of a sequence in turn.

    Args:
        folder: where the photograph is.
    """
    scene = draw_scene(shot, take, size, folder, generator(shot, size.seed, FOR_SCENE))
    rng = generator(shot, size.seed, FOR_SENSOR)
    sensor = draw_sensor(take, size.height, size.width, rng)
    frame_sensor = draw_frame_sensor(take, size.height, size.width, rng)
    for i in range(size.frames):
        start_us = i * (take.exposure_us + take.gap_us)
        yield film_frame(scene, take, sensor, frame_sensor, start_us, rng)


def draw_scene(shot: Shot, take: Take, size: Size, folder: Path, rng: np.random.Generator) -> Scene:
    """Draw a scene that never leaves its photograph, which is read no larger than needed."""
    photograph, scale = shot.photograph, size.scale
    path = _way(SPEEDS[take.motion], take.path_px, take, scale, rng)
    extent = reach(path, size.height, size.width, _moments(take, size.frames))
    needed = extent[1] - extent[0] + 2 * MARGIN + 2
    factor = float(np.max(needed / (take.view * np.array([photograph.width, photograph.height]))))
    look = Look(float(2.0**take.stops), take.grey, shot.split == "train", take.highlights)
    light = look.variant(read_light(photograph, folder, factor), rng)
    world, finer, home = place(light, extent, 1.0, rng, MOST_PIXELS)
    number = max(take.objects, 1) if take.motion == "tripod" else take.objects
    objects = tuple(_draw_object(light, take, size, look, rng) for _ in range(number))
    return Scene(size.height, size.width, look.light(world), finer, home, path, objects, take.grey)


def _way(
    speed: tuple[float, float, float],
    px: float,
    take: Take,
    scale: float,
    rng: np.random.Generator,
) -> SmoothPath:
    """Draw a way of so many pixels in an exposure; rotation and zoom are scaled alike."""
    exposure_s = take.exposure_us / 1e6
    hz = max(take.shake_hz, SLOWEST_WAVE / exposure_s)
    pace = px / speed[0] if speed[0] else 0.0
    around = (hz * AROUND[0], hz * AROUND[1])
    return draw_path(speed, scale, pace, rng, take.exposure_us, around)


def _moments(take: Take, frames: int) -> np.ndarray:
    """List moments of all exposures, and of what is recorded after each, in microseconds."""
    starts = np.arange(frames) * (take.exposure_us + take.gap_us)
    return (starts[:, None] + np.linspace(0, take.exposure_us + _after_us(take), SAMPLES)).ravel()


def _after_us(take: Take) -> int:
    """Return how long events are recorded after an exposure: for a slice, or until the next one."""
    return min(take.exposure_us // SLICES, take.gap_us)


def _draw_object(
    photograph: np.ndarray, take: Take, size: Size, look: Look, rng: np.random.Generator
) -> MovingObject:
    source = photograph
    if rng.random() < OF_TEXTURES:
        source = take_picture(str(rng.choice(sorted(TEXTURES))), rng)
    radius = take.object_radius * float(rng.uniform(*OBJECT_SIZES))
    least = max((2 * radius * size.scale + 8) / min(source.shape[:2]), 1.0)
    patch, finer = cut_object(source, size.scale, least, rng, look, (radius, radius))
    home = rng.uniform(0.1, 0.9, 2) * np.array([size.width, size.height])
    px = 0.0 if take.motion == STILL else take.object_px * float(rng.uniform(*OBJECT_PACE))
    return MovingObject(patch, finer, home, _way(OBJECT_SPEED, px, take, size.scale, rng))


def draw_sensor(take: Take, height: int, width: int, rng: np.random.Generator) -> Sensor:
    """Draw the pixels of the event sensor: thresholds, leaks, hot and dead ones."""
    spread = take.mismatch * take.contrast
    on, off = draw_thresholds(height, width, take.contrast, spread, rng, take.on_to_off)
    leak = take.leak_hz * np.exp(take.leak_spread * rng.standard_normal((height, width)))
    hot = np.flatnonzero(rng.random(height * width) < take.hot_share)
    leak.ravel()[hot] = [between(take.hot_hz, part) for part in rng.random(len(hot))]
    dead = np.flatnonzero(rng.random(height * width) < take.dead_share)
    return Sensor(
        *(on, off, take.refractory_us, leak, take.shot_hz, take.dark_light, dead, take.row_us),
        by_columns=take.in_columns,
    )


def draw_frame_sensor(take: Take, height: int, width: int, rng: np.random.Generator) -> FrameSensor:
    """Draw the pixels of the frame's sensor: how they differ."""
    pattern = FixedPattern.draw((height, width), take.prnu, take.dsnu, take.pattern_columns, rng)
    noise = (take.electrons, take.read_noise)
    return FrameSensor(*noise, take.curve, take.gamma, take.mosaic, pattern)


def shutter(frames: int, steps: int, part: float) -> np.ndarray:
    """Say how much of each frame comes from each moment; light is linear in between.

    Args:
        frames: that follow each other without a pause.
        steps: from one moment to the next, in each frame; even.
        part: of a frame's time during which it is exposed, in its middle; 0: its middle alone.

    Returns:
        (frames, frames * steps + 1), each row with the sum 1.
    """
    weights = np.zeros((frames, frames * steps + 1))
    half = round(part * steps / 2)
    for i, row in enumerate(weights):
        middle = i * steps + steps // 2
        row[middle - half : middle + half + 1] = 1.0
        if half:
            row[[middle - half, middle + half]] = 0.5
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def way_px(scene: Scene, take: Take, start_us: int) -> float:
    """Return how far anything in a picture moves during an exposure, in pixels."""
    times_us = start_us + np.linspace(0, take.exposure_us, SAMPLES)
    far = float(np.hypot(scene.height, scene.width)) / 2
    ways = [(scene.path, far), *((thing.path, 0.0) for thing in scene.objects)]
    longest = 0.0
    for path, radius in ways:
        x, y, angle, log_zoom = np.abs(np.diff([path.at(t) for t in times_us], axis=0)).T
        longest = max(longest, float((np.hypot(x, y) + radius * (angle + log_zoom)).sum()))
    return longest


@dataclass
class Film:
    """A frame in the making: takes light moment by moment.

    weights: of `shutter`. total: the mean of the frames that are complete, times their number.
    """

    weights: np.ndarray
    take: Take
    sensor: FrameSensor
    rng: np.random.Generator
    total: np.ndarray | float = 0.0
    _open: dict[int, np.ndarray] = field(default_factory=dict)

    def add(self, moment: int, light: np.ndarray) -> None:
        """Take (H, W, 3) linear light of the moment that comes next."""
        for i in np.flatnonzero(self.weights[:, moment]).tolist():
            part = light * np.float32(self.weights[i, moment])
            so_far = self._open.pop(i, None)
            self._open[i] = part if so_far is None else so_far + part
            if not self.weights[i, moment + 1 :].any():
                self._complete(self._open.pop(i))

    def _complete(self, light: np.ndarray) -> None:
        levels = self.sensor.expose(light, self.rng)
        one = levels if self.take.of_levels else self.sensor.light(levels)
        self.total = self.total + one.astype(np.float32)

    def blurry(self) -> np.ndarray:
        """Return the mean: (H, W, 3) uint8."""
        mean = np.asarray(self.total / len(self.weights), np.float32)
        if self.take.of_levels:
            return np.rint(mean).astype(np.uint8)
        return self.sensor.levels(mean)


@dataclass
class Cutter:
    """Cuts events into slices while they come.

    edges_us: ascending; slice k holds edges_us[k] <= t < edges_us[k + 1].
    """

    edges_us: np.ndarray
    slices: list[Events] = field(default_factory=list)
    _waiting: Events = field(default_factory=Events.empty)

    def add(self, events: Events, until_us: float) -> None:
        """Take events; none that come later are before `until_us`."""
        small = Events(events.x.astype(np.uint16), events.y.astype(np.uint16), events.t, events.p)
        self._waiting = in_order(Events.concatenate([self._waiting, small]))
        while len(self.slices) + 1 < len(self.edges_us):
            first, last = self.edges_us[len(self.slices) :][:2]
            if last > until_us:
                return
            low, high = np.searchsorted(self._waiting.t, [first, last])
            self.slices.append(self._waiting.select(slice(low, high)))
            self._waiting = self._waiting.select(slice(high, None))


def film_frame(
    scene: Scene,
    take: Take,
    sensor: Sensor,
    frame_sensor: FrameSensor,
    start_us: int,
    rng: np.random.Generator,
) -> Frame:
    """Expose one frame from `start_us` on; the events' pixels have been watching for a while.

    The light in the middle of the exposure, without noise, is the sharp picture, made by the same
    sensor.
    """
    wanted = np.clip(way_px(scene, take, start_us), FEWEST_STEPS, MOST_STEPS)
    steps = 2 * int(np.ceil(wanted / take.frames / 2))
    moments, after_us = steps * take.frames, _after_us(take)
    step_us = take.exposure_us / moments
    times_us = start_us + np.arange(moments + 1) * step_us
    after = int(np.ceil(after_us / step_us)) if after_us else 0
    ends = start_us + take.exposure_us + np.arange(1, after + 1) * after_us / max(after, 1)
    times_us = np.concatenate([times_us, ends])
    weights = shutter(take.frames, steps, take.open if take.frames > 1 else 1.0)
    picture = Film(weights, take, frame_sensor, rng)
    tenths = start_us + np.arange(SLICES + 1) * (take.exposure_us // SLICES)
    cutter = Cutter(np.append(tenths, start_us + take.exposure_us + after_us))
    state, sharp = watching(sensor, rng), np.empty(0)
    behind = None if scene.path.amplitude.any() else background(scene, float(start_us))
    now = render(scene, float(times_us[0]), behind)
    picture.add(0, now)
    for first in range(0, len(times_us) - 1, STEPS):
        piece = times_us[first : first + STEPS + 1]
        light = [now]
        for i, t in enumerate(piece[1:], first + 1):
            now = render(scene, float(t), behind)
            light.append(now)
            if i <= moments:
                picture.add(i, now)
            if i == moments // 2:
                sharp = frame_sensor.expose(now, None)
        state = _watch(np.stack(light), piece, take, sensor, state, cutter, rng)
    cutter.add(Events.empty(), np.inf)
    return Frame(picture.blurry(), sharp, tuple(cutter.slices))


def _watch(
    light: np.ndarray,
    times_us: np.ndarray,
    take: Take,
    sensor: Sensor,
    state: SensorState,
    cutter: Cutter,
    rng: np.random.Generator,
) -> SensorState:
    seen = through_filters(light, take.mosaic) if take.coloured_events else luminance(light)
    events, state = simulate_events(seen, times_us, sensor, state, rng)
    cutter.add(events, float(times_us[-1]))
    return state
