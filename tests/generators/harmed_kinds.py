"""The kinds of files that `harmed_files` damages, and how the kit reads each of them."""

from __future__ import annotations

import functools
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import event_files
import fuzzing
import hdf5_recordings
import numpy as np
from harmed_files import Kind, crafted_npz, crafted_png, npz, packed, slice_arrays

from challenge.datasets import open_split
from challenge.datasets.hdf5 import close_files
from challenge.datasets.highrev import read_slice
from challenge.datasets.highrev_voxel import read_grid
from challenge.datasets.store.frame_file import FrameFile
from challenge.datasets.store.writing import write_frame
from challenge.events import Events
from challenge.images import read_png
from challenge.importers.columns import Layout
from challenge.importers.formats import open_recording
from challenge.sample import Sample

GRID = np.random.default_rng(5).normal(size=(6, 8, 6)).astype(np.float32)
RAW_FORMATS = {"aedat4": "s.aedat4", "bag": "s.bag", "evt3, real": "s_evt3.raw"}


def kinds(samples: str | None = None) -> dict[str, Kind]:
    """Every kind by name; with the folder of real recordings, those that nobody else writes too."""
    known = {
        "slice": Kind(".npz", lambda: npz(slice_arrays()), slice_of, crafted_npz),
        "slice, stored": Kind(".npz", lambda: npz(slice_arrays(), False), slice_of),
        "grid": Kind(".npz", lambda: npz({"voxel": GRID}), grid_of),
        "control": Kind(".npz", lambda: npz(slice_arrays()), believed, crafted_npz),
        "png": Kind(".png", whole_png, lambda path: packed(read_png(path)), crafted_png),
        "scer": Kind(".h5", whole_scer, frames_of("scer_hdf5"), checked=False),
        "monash": Kind(".h5", whole_monash, frames_of("monash_hdf5"), checked=False),
        "store": Kind(".npz", whole_store, stored_of),
        "hdf5": Kind(".h5", whole_monash, recording_of, checked=False),
        "dat": Kind(".dat", lambda: event_files.dat(rows()), recording_of, checked=False),
        "evt2": Kind(".raw", whole_evt2, recording_of, checked=False),
        "evt3": Kind(".raw", whole_evt3, recording_of, checked=False),
        "npy": Kind(".npy", whole_npy, recording_of, checked=False),
        "csv": Kind(".csv", whole_csv, recording_of, checked=False),
        "columns": Kind(".npz", lambda: npz(slice_arrays()), recording_of, crafted_npz),
    }
    if samples:
        known |= {
            name: Kind(Path(file).suffix, real(samples, file), recording_of, checked=False)
            for name, file in RAW_FORMATS.items()
        }
    return known


def slice_of(path: Path) -> Any:
    events = read_slice(path)
    return packed(events.x, events.y, events.t, events.p)


def grid_of(path: Path) -> Any:
    return packed(read_grid(path, GRID.shape))  # type: ignore[arg-type]


def believed(path: Path) -> Any:
    """What a reader does that takes its file at its word."""
    with np.load(path, allow_pickle=True) as archive:
        return packed(*(archive[key] for key in slice_arrays(0)))


def frames_of(format: str) -> Callable[[Path], Any]:
    def read(path: Path) -> Any:
        close_files()
        data = open_split(path.parents[1], path.parent.name, format)
        return tuple(sample_of(data[i]) for i in range(len(data)))

    return read


def sample_of(sample: Sample) -> Any:
    events = sample.events or Events.empty()
    images = (sample.blurry, sample.sharp, sample.stored_grid, sample.stored_mask)
    there = (each for each in images if each is not None)
    return packed(events.x, events.y, events.t, events.p, *there)


def stored_of(path: Path) -> Any:
    with FrameFile(path) as file:
        return sample_of(file.read())


def recording_of(path: Path) -> Any:
    """Walk through a recording, in whatever format."""
    found = []
    for part in open_recording(path, Layout()).parts():
        events = isinstance(part, Events)
        found += packed(*((part.x, part.y, part.t, part.p) if events else (part.image,)))
    return tuple(found)


def real(samples: str, name: str) -> Callable[[], bytes]:
    return functools.cache((Path(samples) / "raw_formats" / name).read_bytes)


@functools.cache
def rows() -> list[tuple[int, int, int, int]]:
    """200 events: x, y, t, p."""
    return [(i * 7 % 346, i * 5 % 260, 1000 + 37 * i, i % 2) for i in range(200)]


def whole_evt2() -> bytes:
    return event_files.evt2(event_files.evt2_words(rows()))


def whole_evt3() -> bytes:
    return event_files.evt3(event_files.evt3_words(rows()))


def whole_png() -> bytes:
    return fuzzing.as_png(fuzzing.good_chunks(random.Random(4)))


def written(suffix: str, write: Callable[[Path], object]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x{suffix}"
        write(path)
        return path.read_bytes()


@functools.cache
def whole_scer() -> bytes:
    return written(".h5", hdf5_recordings.write_scer)


@functools.cache
def whole_monash() -> bytes:
    return written(".h5", lambda path: hdf5_recordings.write_monash(path, events=40))


@functools.cache
def whole_npy() -> bytes:
    table = np.array([(t, x, y, p) for x, y, t, p in rows()], np.int64)
    return written(".npy", lambda path: np.save(path, table))


def whole_csv() -> bytes:
    lines = (f"{t},{x},{y},{p}" for x, y, t, p in rows())
    return "\n".join(("t,x,y,p", *lines, "")).encode()


@functools.cache
def whole_store() -> bytes:
    rng = np.random.default_rng(2)
    count = 400
    events = Events(
        x=rng.integers(0, 56, count).astype(np.int32),
        y=rng.integers(0, 40, count).astype(np.int32),
        t=1_700_000_000_000_000 + np.sort(rng.integers(0, 15_000, count)),
        p=rng.integers(0, 2, count).astype(np.int8),
    )
    image = rng.integers(0, 256, (40, 56, 3), np.uint8)
    sample = Sample(frame="a_00012", blurry=image, events=events, sharp=image[::-1])
    return written(".npz", lambda path: write_frame(path, sample, {}))
