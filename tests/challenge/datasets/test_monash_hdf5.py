"""Raw events in HDF5: which events belong to a frame, what is left out, what is refused."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from hdf5_recordings import HEIGHT, WIDTH, write_monash

from challenge.datasets import DataSource, open_split
from challenge.datasets.hdf5 import close_files
from challenge.datasets.store.frame_file import FrameFile
from challenge.datasets.store.writing import write_frame
from challenge.errors import DataError
from challenge.sample import Window, part_of


def between(stored: dict[str, np.ndarray], start: float, end: float) -> np.ndarray:
    """Places of the events with start <= t < end."""
    return np.flatnonzero((stored["ts"] >= start) & (stored["ts"] < end))


def test_gopro_frames_lie_between_the_middles_to_their_neighbours(tmp_path: Path) -> None:
    stored = write_monash(tmp_path / "train" / "a_b.h5", frames=5)
    train = open_split(tmp_path, "train")
    assert DataSource.of_folder(tmp_path).format == "monash_hdf5" and train.stored_kind is None
    assert train.frames == ["a_b_00000", "a_b_00001", "a_b_00002"]  # without the first and the last
    for index, sample in enumerate(train[index] for index in range(3)):
        number, times = index + 1, stored["times"]
        start, end = (
            (times[number - 1] + times[number]) / 2,
            (times[number] + times[number + 1]) / 2,
        )
        expected = between(stored, start, end)
        assert len(expected) > 200 and sample.events is not None
        assert np.array_equal(sample.events.x, stored["xs"][expected])
        assert np.array_equal(sample.events.y, stored["ys"][expected])
        assert np.array_equal(sample.events.p, stored["ps"][expected])
        microseconds = (stored["ts"][expected] - start) * 1e6
        assert np.allclose(sample.events.t, microseconds, rtol=0, atol=1e-6)
        image = stored[f"images/image{number:09d}"]
        assert np.array_equal(sample.blurry, image[:, :, ::-1])  # BGR on disk
        sharp = stored[f"sharp_images/image{number:09d}"]
        assert sample.sharp is not None and np.array_equal(sample.sharp, sharp[:, :, ::-1])


def test_reblur_frames_are_their_exposures_without_the_last_two_rows(tmp_path: Path) -> None:
    path = tmp_path / "test" / "c.h5"
    stored = write_monash(path, frames=3, size=(262, 320), exposed=True, sharp=False)
    test = open_split(tmp_path, "test")
    assert test.frames == ["c_00000", "c_00001", "c_00002"] and not test.has_sharp
    expected = between(stored, stored["times"][1] - 0.003, stored["times"][1] + 0.003)
    sample = test[1]
    assert sample.blurry.shape == (260, 320, 3) and test.frame_size("c_00001") == (260, 320)
    assert sample.events is not None and sample.span is not None
    kept = expected[stored["ys"][expected] < 260]
    assert np.array_equal(sample.events.y, stored["ys"][kept])
    # the grid's edges are those of all events, also of those in the rows that are left out
    length = stored["ts"][expected[-1]] - stored["ts"][expected[0]]
    assert sample.span[1] - sample.span[0] == pytest.approx(length * 1e6, abs=1e-5)


def test_other_sensors_keep_all_rows(tmp_path: Path) -> None:
    write_monash(tmp_path / "test" / "c.h5", frames=1, exposed=True)
    assert open_split(tmp_path, "test")[0].blurry.shape == (HEIGHT, WIDTH, 3)


def test_channels_may_come_first(tmp_path: Path) -> None:
    write_monash(tmp_path / "train" / "a.h5")
    write_monash(tmp_path / "test" / "a.h5", channels_first=True)
    train, test = open_split(tmp_path, "train"), open_split(tmp_path, "test")
    assert np.array_equal(train[0].blurry, test[0].blurry)


def test_a_grey_image_has_three_equal_channels(tmp_path: Path) -> None:
    path = tmp_path / "train" / "a.h5"
    write_monash(path, frames=1, exposed=True, sharp=False)
    grey = np.arange(HEIGHT * WIDTH, dtype=np.uint32).reshape(HEIGHT, WIDTH).astype(np.uint8)
    with h5py.File(path, "a") as file:
        said = dict(file["images/image000000000"].attrs)
        del file["images/image000000000"]
        file["images/image000000000"] = grey
        file["images/image000000000"].attrs.update(said, size=grey.shape)
    assert np.array_equal(open_split(tmp_path, "train")[0].blurry, np.stack([grey] * 3, axis=2))


@pytest.mark.parametrize("start_s", [0.0, 1000.0, 1.7e9])
def test_no_time_stamp_is_lost_however_late_the_clock(tmp_path: Path, start_s: float) -> None:
    path = tmp_path / "train" / "a.h5"
    stored = write_monash(path, start_s=start_s, frames=3, exposed=True)
    sample = open_split(tmp_path, "train")[1]
    expected = between(stored, stored["times"][1] - 0.003, stored["times"][1] + 0.003)
    assert sample.events is not None and len(expected) > 100
    distinct = len(np.unique(stored["ts"][expected]))  # what a float64 of seconds has left of them
    assert len(np.unique(sample.events.t)) == distinct
    assert np.allclose(np.diff(sample.events.t), np.diff(stored["ts"][expected]) * 1e6, atol=1e-5)


def test_whole_microseconds_come_back_whole(tmp_path: Path) -> None:
    path = tmp_path / "train" / "a.h5"
    write_monash(path, frames=1, exposed=True)
    microseconds = np.arange(2000, 8000, 7)
    with h5py.File(path, "a") as file:
        for name in ("xs", "ys", "ps"):
            del file[f"events/{name}"]
            file[f"events/{name}"] = np.zeros(len(microseconds), np.int16)
        del file["events/ts"]
        file["events/ts"] = microseconds / 1e6
    events = open_split(tmp_path, "train")[0].events
    assert events is not None and np.array_equal(events.t, microseconds - 2000)


def test_a_part_is_cut_from_the_whole(tmp_path: Path) -> None:
    write_monash(tmp_path / "train" / "a.h5", frames=3, size=(262, 320), exposed=True)
    train, window = open_split(tmp_path, "train"), Window(200, 16, 60, 64)
    part, whole = train.read_part("a_00001", window), part_of(train[1], window)
    assert part.events is not None and whole.events is not None and len(part.events)
    assert np.array_equal(part.events.t, whole.events.t) and part.span == whole.span
    assert np.array_equal(part.blurry, whole.blurry) and part.blurry.shape == (60, 64, 3)


def test_a_frame_without_events_is_legal(tmp_path: Path) -> None:
    path = tmp_path / "train" / "a.h5"
    write_monash(path, frames=2, exposed=True)
    with h5py.File(path, "a") as file:
        file["images/image000000001"].attrs.update(exposure_start=5.0, exposure_end=6.0)
    sample = open_split(tmp_path, "train")[1]
    assert sample.events is not None and len(sample.events) == 0 and sample.span is None


def change(path: Path, what: str) -> None:
    with h5py.File(path, "a") as file:
        if what == "no ts":
            del file["events/ts"]
        elif what == "lengths":
            del file["events/xs"]
            file["events/xs"] = np.zeros(3, np.int16)
        elif what == "off the sensor":
            file["events/xs"][:] = WIDTH
        elif what == "no pixels":
            values = file["events/xs"][:] + 0.5
            del file["events/xs"]
            file["events/xs"] = values
        elif what == "polarity":
            file["events/ps"][:] = 3
        elif what == "whole seconds":
            values = (file["events/ts"][:] * 1e6).astype(np.int64)
            del file["events/ts"]
            file["events/ts"] = values
        elif what == "backwards":
            values = file["events/ts"][:]
            values[len(values) // 2 :: 9] -= 1e-3
            file["events/ts"][:] = values
        elif what == "no exposure":
            del file["images/image000000002"].attrs["exposure_end"]
        elif what == "exposure":
            file["images/image000000002"].attrs["exposure_end"] = 0.0
        elif what == "images":
            del file["images"]


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("no ts", "expected events/ts, found none"),
        ("lengths", "expected four .N,. arrays of one length"),
        ("off the sensor", "x from 56 to 56, expected 0 to 55"),
        ("no pixels", "events/xs: expected pixels, whole numbers"),
        ("polarity", "polarity: expected 1"),
        ("whole seconds", "expected seconds as floating point, found int64"),
        ("backwards", "time runs backwards"),
        ("no exposure", "image000000002: expected exposure_start and exposure_end"),
        ("exposure", "image000000002: from 0.022.* to 0.0"),
        ("images", "expected images/image%09d, found none"),
    ],
)
def test_what_is_wrong_is_said_with_the_name_of_the_file(
    tmp_path: Path, what: str, said: str
) -> None:
    path = tmp_path / "train" / "a.h5"
    write_monash(path, exposed=True)
    assert len(open_split(tmp_path, "train", "monash_hdf5")[2].frame) == 7
    close_files()
    change(path, what)
    with pytest.raises(DataError, match=said) as caught:
        open_split(tmp_path, "train", "monash_hdf5")[2]
    assert str(path) in str(caught.value)


def test_without_exposures_stamps_must_ascend_and_be_three(tmp_path: Path) -> None:
    path = tmp_path / "train" / "a.h5"
    write_monash(path, frames=2)
    with pytest.raises(DataError, match="expected at least 3 images, found 2"):
        open_split(tmp_path, "train")
    close_files()
    write_monash(path, frames=4)
    assert len(open_split(tmp_path, "train")) == 2
    close_files()
    with h5py.File(path, "a") as file:
        file["images/image000000001"].attrs["timestamp"] = 1.0
    with pytest.raises(DataError, match="expected times in seconds, ascending"):
        open_split(tmp_path, "train")


def test_a_store_keeps_the_span_of_the_rows_that_are_left_out(tmp_path: Path) -> None:
    write_monash(tmp_path / "train" / "a.h5", frames=3, size=(262, 320), exposed=True, seed=4)
    sample = open_split(tmp_path, "train")[1]
    assert sample.events is not None and sample.span is not None
    write_frame(tmp_path / "one", sample, [])
    with FrameFile(tmp_path / "one") as file:
        kept = file.read()
    assert kept.events is not None and kept.span == sample.span
    assert np.array_equal(kept.events.t, sample.events.t)
