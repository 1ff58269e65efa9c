"""One DAVIS346 frame in five formats, each read to the same events; a recording of 59 frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from challenge.datasets import open_split
from challenge.events import Events
from challenge.importers import Frame, open_recording
from challenge.importers.recording import all_events

FRAME = "eslcups_00025"
"""The frame of `davis346_cups` that the files of `raw_formats` hold."""
BAG = 20_000


def since_the_first(events: Events) -> np.ndarray:
    return np.stack([events.x, events.y, events.t - events.t[0], events.p])


@pytest.fixture(scope="session")
def expected(recordings: Path) -> np.ndarray:
    """The events of the frame as HighREV's layout has them: another file, another reader."""
    dataset = open_split(recordings / "davis346_cups", "test")
    events = dataset.read_inputs(FRAME).events
    assert events is not None
    return since_the_first(events)


@pytest.mark.parametrize("name", ["s.aedat4", "s_dat.dat", "s_evt2.raw", "s_evt3.raw", "s.bag"])
def test_every_format_holds_the_same_events(
    recordings: Path, expected: np.ndarray, name: str
) -> None:
    pytest.importorskip({".aedat4": "aedat", ".bag": "rosbags"}.get(name[1:], "numpy"))
    found = since_the_first(all_events(open_recording(recordings / "raw_formats" / name)))
    np.testing.assert_array_equal(found, expected[:, : BAG if name == "s.bag" else None])


def test_the_frame_comes_out_of_the_aedat4_as_it_is(recordings: Path) -> None:
    pytest.importorskip("aedat")
    recording = open_recording(recordings / "raw_formats" / "s.aedat4")
    (frame,) = (part for part in recording.parts() if isinstance(part, Frame))
    blurry = open_split(recordings / "davis346_cups", "test").read_blurry(FRAME)
    np.testing.assert_array_equal(frame.image, blurry)
    assert (frame.start_us, frame.end_us) == (None, None)  # the file has twice the same time
    assert recording.size == (346, 260)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.99])
def test_a_recording_that_was_not_ended_is_read_to_there_and_it_is_said(
    recordings: Path, tmp_path: Path, share: float
) -> None:
    """A camera that lost its battery: events of the whole packets, the first ones of the file."""
    pytest.importorskip("aedat")
    source = recordings / "davis346_street" / "street.aedat4"
    whole = all_events(open_recording(source))
    content = source.read_bytes()
    cut = tmp_path / "cut.aedat4"
    cut.write_bytes(content[: int(share * len(content))])
    recording = open_recording(cut)
    assert "the file is cut off" in recording.notes[0]
    events = all_events(recording)
    assert share - 0.2 < len(events) / len(whole) <= 1
    np.testing.assert_array_equal(events.t, whole.t[: len(events)])


def test_frames_of_a_davis_say_when_they_were_exposed(recordings: Path) -> None:
    pytest.importorskip("aedat")
    recording = open_recording(recordings / "davis346_street" / "street.aedat4")
    parts = [*recording.parts()]
    frames = [part for part in parts if isinstance(part, Frame)]
    assert len(frames) == 59
    assert sum(len(part) for part in parts if isinstance(part, Events)) == 78_830
    assert {frame.end_us - frame.start_us for frame in frames} == {500}  # type: ignore[operator]
    assert {frame.stamp_us - frame.start_us for frame in frames} == {250}  # type: ignore[operator]
