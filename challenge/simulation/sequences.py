"""The embedded data set: its scenes, and how they become files in HighREV's layout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from challenge.datasets.highrev import write_slice
from challenge.events import Events
from challenge.images import write_png
from challenge.light import linear_to_srgb, luminance
from challenge.simulation.camera import (
    Sensor,
    SensorState,
    draw_thresholds,
    simulate_events,
    watching,
)
from challenge.simulation.frames import develop
from challenge.simulation.photographs import GREY
from challenge.simulation.scenes import EXPOSURE_US, Scene, draw_look, draw_scene, render
from challenge.simulation.textures import TEXTURES

GENERATOR = 2
"""Raise it with every change that changes the bytes of the data set."""

SLICES = 10
SLICE_US = EXPOSURE_US // SLICES
STEPS = 5
"""Rendered moments per slice: what moves does so by about one pixel in between."""
FRAME_STEP = 12
PERIOD_US = FRAME_STEP * SLICE_US
"""Frames are numbered, and follow each other, in steps of 12 slices."""

CONTRAST, MISMATCH = 0.28, 0.03
REFRACTORY_US, LEAK_HZ, SHOT_HZ = 100.0, 0.1, 2.0


@dataclass(frozen=True)
class Split:
    """A split: its photographs and textures, in no other split, and each sequence's (background,
    motion).

    recoloured: whether photographs are turned, mirrored and recoloured. grey: the share of
    sequences that a camera without colours sees, beside those of a photograph without colours.
    """

    textures: tuple[str, ...]
    scenes: tuple[tuple[str, str], ...]
    frames: int
    pace: tuple[float, float]
    sharp: bool = True
    recoloured: bool = False
    grey: float = 0.0


MOVING = ("pan", "shake", "spin", "zoom")
TRAINING = ("astronaut", "brick", "grass", "gravel", "hubble_deep_field", "retina", *TEXTURES)
JUDGED = ("camera", "chelsea", "coffee")
SPLITS = {
    "train": Split(
        textures=TRAINING,
        scenes=(
            *((name, motion) for motion in (*MOVING, "tripod") for name in TRAINING),
            *((name, "still") for name in TRAINING[::2]),
        ),
        frames=1,
        pace=(0.2, 0.9),
        recoloured=True,
        grey=0.25,
    ),
    "val": Split(
        textures=JUDGED,
        scenes=(
            *((name, motion) for motion in MOVING for name in JUDGED),
            ("camera", "tripod"),
            ("chelsea", "still"),
        ),
        frames=2,
        pace=(0.3, 0.5),
    ),
    "test": Split(
        textures=("rocket",),
        scenes=(("rocket", "pan"), ("rocket", "shake"), ("rocket", "spin")),
        frames=3,
        pace=(0.4, 0.7),
        sharp=False,
    ),
}


@dataclass(frozen=True)
class Request:
    """What to make: everything that decides the bytes.

    frames, sequences: per sequence and per split; None means as many as the plan has.
    """

    seed: int = 0
    width: int = 320
    height: int = 240
    frames: int | None = None
    sequences: int | None = None
    train_only: bool = False


@dataclass(frozen=True)
class Sequence:
    """One sequence of a request. `number` counts over all splits of the plan."""

    split: str
    name: str
    background: str
    motion: str
    number: int
    frames: int

    @property
    def clock_us(self) -> int:
        """Read the clock at the first exposure."""
        return clock_of(self.number)

    @property
    def off(self) -> int:
        """Say how the files of this sequence store the polarity OFF."""
        return off_of(self.number)


@dataclass(frozen=True)
class Frame:
    """One blurry frame, the sharp picture in the middle of its exposure, and its events.

    blurry, sharp: (H, W, 3) uint8 RGB. events: eleven slices of 1.5 ms, ten in the exposure and one
    after it, in microseconds since the first exposure began.
    """

    blurry: np.ndarray
    sharp: np.ndarray
    events: tuple[Events, ...]


def plan(request: Request) -> list[Sequence]:
    """List the sequences of a request; what one holds never depends on which others are made."""
    sequences = []
    number = 0
    for split_name, split in SPLITS.items():
        for i, (background, motion) in enumerate(split.scenes):
            wanted = request.sequences is None or i < request.sequences
            if wanted and (split_name == "train" or not request.train_only):
                frames = request.frames or split.frames
                name = f"{background}_{motion}"
                sequences.append(Sequence(split_name, name, background, motion, number, frames))
            number += 1
    return sequences


def file_names(sequence: Sequence) -> list[str]:
    """Name every file of a sequence, relative to the data set's folder."""
    names = []
    for i in range(sequence.frames):
        stem = f"{sequence.name}_{i * FRAME_STEP:05d}"
        folders = ("blur", "sharp") if SPLITS[sequence.split].sharp else ("blur",)
        names += [f"{sequence.split}/{folder}/{stem}.png" for folder in folders]
        names += [f"{sequence.split}/event/{stem}_{k:02d}.npz" for k in range(SLICES + 1)]
    return names


def simulate_sequence(sequence: Sequence, request: Request) -> Iterator[Frame]:
    """Make the frames of a sequence in turn, from the seed and the sequence's number alone."""
    rng = np.random.default_rng([GENERATOR, request.seed, sequence.number])
    split = SPLITS[sequence.split]
    end_us = sequence.frames * PERIOD_US
    grey = bool(rng.random() < split.grey) or sequence.background in GREY
    scene = draw_scene(
        sequence.background,
        split.textures,
        sequence.motion,
        float(rng.uniform(*split.pace)),
        request.height,
        request.width,
        np.arange(0, end_us + 1, SLICE_US),
        rng,
        draw_look(grey, split.recoloured, rng),
    )
    on, off = draw_thresholds(request.height, request.width, CONTRAST, MISMATCH, rng)
    sensor = Sensor(on, off, REFRACTORY_US, LEAK_HZ, SHOT_HZ)
    state = watching(sensor, rng)
    for start_us in range(0, end_us, PERIOD_US):
        frame, state = simulate_frame(scene, sensor, state, start_us, rng)
        yield frame


def simulate_frame(
    scene: Scene, sensor: Sensor, state: SensorState, start_us: int, rng: np.random.Generator
) -> tuple[Frame, SensorState]:
    """Expose one frame from `start_us` on for 15 ms, and watch until the next one begins.

    blurry = the mean of linear light over the exposure, which is linear in time between rendered
    moments, with the sensor's noise. sharp = the light in the middle of the exposure, between
    slices 4 and 5, without.
    """
    total = np.zeros((scene.height, scene.width, 3), np.float32)
    now = render(scene, start_us)
    slices = []
    for k in range(FRAME_STEP):
        times_us = start_us + k * SLICE_US + np.linspace(0, SLICE_US, STEPS + 1)
        light = np.stack([now, *(render(scene, t) for t in times_us[1:])])
        now = light[-1]
        events, state = simulate_events(luminance(light), times_us, sensor, state, rng)
        slices.append(events)
        if k < SLICES:
            total += light.sum(axis=0) - (light[0] + light[-1]) / 2
    blurry = develop(total / (SLICES * STEPS), scene.grey, rng)
    sharp = linear_to_srgb(render(scene, start_us + EXPOSURE_US / 2))
    return Frame(blurry, sharp, tuple(slices[: SLICES + 1])), state


def write_sequence(root: Path, sequence: Sequence, request: Request) -> None:
    """Simulate a sequence and write its files below `root`."""
    split = root / sequence.split
    for i, frame in enumerate(simulate_sequence(sequence, request)):
        stem = f"{sequence.name}_{i * FRAME_STEP:05d}"
        write_png(split / "blur" / f"{stem}.png", frame.blurry)
        if SPLITS[sequence.split].sharp:
            write_png(split / "sharp" / f"{stem}.png", frame.sharp)
        for k, events in enumerate(frame.events):
            write_events(split / "event" / f"{stem}_{k:02d}.npz", events, sequence.number)


def clock_of(number: int) -> int:
    """Set the clock of a sequence, microseconds: real recordings count from zero or from 1970."""
    return 1_700_000_000_000_000 + number * 60_000_000 if number % 3 == 1 else 0


def off_of(number: int) -> int:
    """Choose how the files of a sequence store the polarity OFF: real ones have 0 or -1."""
    return -1 if number % 3 == 2 else 0


def write_events(path: Path, events: Events, number: int) -> None:
    """Write one slice of the sequence of this number, on its clock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_slice(path, replace(events, t=events.t + clock_of(number)), off_of(number))
