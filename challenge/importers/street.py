"""A small real benchmark with truth: a DAVIS346 over a street, `data/davis346_street`.

The recording (MIT licence) has 59 frames, one every 40 ms, each exposed 0.5 ms and hence sharp. The
mean of seven of them is a blurry frame whose sharp middle is known, and whose events are real. Its
exposure is taken as 280 ms: from 20 ms before the first of the seven to 20 ms after the last. What
such figures cannot say stands in `configs/challenge/davis346_street.yml`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from challenge import REPOSITORY
from challenge.datasets.highrev import write_slice
from challenge.datasets.layout import MANIFEST, RULES_KEY
from challenge.errors import DataError
from challenge.events import Events
from challenge.files import sha256, write_json
from challenge.images import write_png
from challenge.importers import aedat4
from challenge.importers.exposures import Exposure
from challenge.importers.place import new_folder
from challenge.importers.recording import Frame
from challenge.importers.slices import Slicer

NAME = "davis346_street"
ROOT = REPOSITORY / "data" / NAME
MADE_BY = "bash run.sh data --real"
RECORDING_SHA256 = "b383462d72122c69fd96ebf095c384e3f1a2f092cc1b2681be52ebc1d260cf8a"
LICENCE = "MIT, Copyright (c) 2020 International Centre for Neuromorphic Systems"
MIDDLES = range(3, 59, 7)
REACH = 3
"""Frames before and after the middle one that a blurry frame is the mean of."""
HALF_PERIOD_US = 20_000


def make(recording: Path, root: Path, force: bool = False) -> list[str]:
    """Make the data set of the recording at `root`, whole or not at all; return its frames.

    Raises:
        ChallengeError: another recording, something else at `root`, the package `aedat` is missing.
    """
    if not recording.is_file():
        raise DataError(f"{recording}: expected the recording, found no such file")
    found = sha256(recording)
    if found != RECORDING_SHA256:
        raise DataError(
            f"{recording}: is not the recording of this data set: expected SHA-256 "
            f"{RECORDING_SHA256}, found {found}; your own become data by bash run.sh import FILE"
        )
    parts = [*aedat4.read(recording).parts()]
    frames = [part for part in parts if isinstance(part, Frame)]
    with new_folder(root, MANIFEST, MADE_BY, force) as folder:
        names = write(folder / "val", frames, [part for part in parts if isinstance(part, Events)])
        about = {"made_by": MADE_BY, RULES_KEY: NAME, "recording": found, "licence": LICENCE}
        write_json(folder / MANIFEST, about)
    return names


def write(folder: Path, frames: Sequence[Frame], blocks: Sequence[Events]) -> list[str]:
    """Write blurry frames, the events of their exposures and the sharp middles; return names."""
    names = {middle: f"street_{middle:05d}" for middle in MIDDLES}
    (folder / "event").mkdir(parents=True)
    windows = []
    for middle, name in names.items():
        seven = frames[middle - REACH : middle + REACH + 1]
        write_png(folder / "blur" / f"{name}.png", mean(seven))
        write_png(folder / "sharp" / f"{name}.png", frames[middle].image)
        start_us, end_us = seven[0].stamp_us - HALF_PERIOD_US, seven[-1].stamp_us + HALF_PERIOD_US
        windows.append(Exposure(middle, start_us, end_us))

    def write_slices(window: Exposure, slices: list[Events]) -> None:
        for number, events in enumerate(slices):
            write_slice(folder / "event" / f"{names[window.number]}_{number:02d}.npz", events)

    slicer = Slicer(windows, 0, write_slices)
    slicer.add(Events.concatenate(blocks))
    slicer.finish()
    return [*names.values()]


def mean(frames: Sequence[Frame]) -> np.ndarray:
    """Average 8-bit levels, as they are, and round: (H, W, 3) uint8."""
    levels = np.mean([frame.image for frame in frames], axis=0, dtype=np.float64)
    return np.asarray(np.rint(levels).astype(np.uint8))
