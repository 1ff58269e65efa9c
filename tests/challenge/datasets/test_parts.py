"""A part of a frame is what the whole has there, whichever way it is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from samples import same

from challenge.datasets import Dataset, open_split
from challenge.errors import DataError
from challenge.representations import voxel_grid
from challenge.sample import Sample, Window, part_of

WINDOWS = (
    Window(0, 0, 40, 56),
    Window(39, 55, 1, 1),
    Window(7, 0, 1, 56),
    Window(0, 9, 40, 1),
    Window(5, 11, 24, 32),
)


def whole(data: Dataset, frame: str) -> Sample:
    return data[data.frames.index(frame)]


@pytest.fixture()
def voxels(highrev: Path) -> Path:
    """Stored grids beside the raw events."""
    root = highrev.parent / "HighREV_voxel"
    for split in ("train", "val"):
        data = open_split(highrev, split)
        (root / split / "voxel").mkdir(parents=True)
        for frame in data.frames:
            events = data.read_inputs(frame).events
            assert events is not None
            grid = voxel_grid(events, 6, 40, 56).transpose(1, 2, 0)
            np.savez_compressed(root / split / "voxel" / f"{frame}.npz", voxel=grid)
    return root


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_part_of_raw_events_is_that_of_the_whole(highrev: Path, split: str) -> None:
    data = open_split(highrev, split)
    for frame in data.frames:
        for window in WINDOWS:
            assert same(data.read_part(frame, window), part_of(whole(data, frame), window))
    assert not same(data.read_part(frame, WINDOWS[-1]), part_of(whole(data, frame), WINDOWS[1]))


def test_a_part_of_a_stored_grid_is_that_of_the_whole(highrev: Path, voxels: Path) -> None:
    data = open_split(highrev, "train", "highrev_voxel", voxel_root=voxels)
    for window in WINDOWS:
        part = data.read_part("harbour_00012", window)
        assert same(part, part_of(whole(data, "harbour_00012"), window))
        assert part.stored_grid is not None and part.stored_grid.shape[1:] == window[2:]


def rewrite(path: Path, **changed: np.ndarray) -> None:
    with np.load(path) as stored:
        arrays = {key: stored[key] for key in stored.files}
    np.savez(path, **(arrays | changed))


def test_slices_out_of_order_empty_and_of_several_types(highrev: Path) -> None:
    folder = highrev / "train" / "event"
    first, second = (folder / f"harbour_00000_{number:02d}.npz" for number in (0, 1))
    with np.load(first) as a, np.load(second) as b:
        times = a["timestamp"], b["timestamp"]
    rewrite(first, timestamp=times[0][::-1].astype(np.float64))  # backwards, on another clock
    empty = np.zeros((0, 1), np.uint16)
    keys = ("x", "y", "timestamp", "polarity")
    rewrite(folder / "harbour_00000_05.npz", **dict.fromkeys(keys, empty))
    for number in range(11):  # one slice is left
        if number != 1:
            rewrite(folder / f"harbour_00012_{number:02d}.npz", **dict.fromkeys(keys, empty))
    data = open_split(highrev, "train")
    for frame in ("harbour_00000", "harbour_00012"):
        for window in WINDOWS:
            assert same(data.read_part(frame, window), part_of(whole(data, frame), window))


def test_a_frame_without_events_has_no_span(highrev: Path) -> None:
    empty = np.zeros((0, 1), np.uint16)
    for path in (highrev / "train" / "event").glob("harbour_00000_*.npz"):
        rewrite(path, **dict.fromkeys(("x", "y", "timestamp", "polarity"), empty))
    part = open_split(highrev, "train").read_part("harbour_00000", WINDOWS[-1])
    assert part.span is None and part.events is not None and not len(part.events)


@pytest.mark.parametrize("key, value", [("x", 40), ("y", 56), ("x", -1)])
def test_an_event_off_the_sensor_is_refused_wherever_the_part_lies(
    highrev: Path, key: str, value: int
) -> None:
    path = highrev / "train" / "event" / "harbour_00000_03.npz"
    with np.load(path) as stored:
        column = stored[key].astype(np.int32)
    column[7] = value
    rewrite(path, **{key: column})
    data = open_split(highrev, "train")
    with pytest.raises(DataError, match=r"harbour_00000_\*.npz: events do not fit a sensor"):
        data.read_part("harbour_00000", Window(0, 0, 1, 1))
    data.read_part("harbour_00012", Window(0, 0, 1, 1))


def test_size_and_files_of_a_frame(highrev: Path, voxels: Path) -> None:
    raw, stored = (
        open_split(highrev, "train"),
        open_split(highrev, "train", "highrev_voxel", 6, voxels),
    )
    assert raw.frame_size("harbour_00000") == (40, 56)
    names = [path.name for path in raw.source_files("harbour_00000")]
    events = [f"harbour_00000_{number:02d}.npz" for number in range(10)]
    assert names == ["harbour_00000.png", "harbour_00000.png", *events]
    assert [path.parent.name for path in stored.source_files("harbour_00000")][-1] == "voxel"
    assert len(open_split(highrev, "test").source_files("zig_zag_00000")) == 11
