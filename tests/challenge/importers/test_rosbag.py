"""ROS 1 bags: events and pictures in one bag, written by `rosbags`, their messages byte by byte."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from challenge.errors import DataError
from challenge.events import Events
from challenge.importers import Frame, open_recording
from challenge.importers.recording import all_events
from challenge.importers.rosbag import event_array, image

COUNT, WIDTH, HEIGHT = 500, 12, 8
RNG = np.random.default_rng(2)
X, Y = RNG.integers(0, WIDTH, COUNT), RNG.integers(0, HEIGHT, COUNT)
T = 1_600_000_000_999_000 + np.cumsum(RNG.integers(0, 9, COUNT))
P = RNG.integers(0, 2, COUNT)
PICTURE = RNG.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)  # RGB
DEFINITION = "uint32 x"


def text(content: bytes) -> bytes:
    return struct.pack("<I", len(content)) + content


def header(t_us: int) -> bytes:
    seconds, rest = divmod(t_us, 1_000_000)
    return struct.pack("<III", 7, seconds, 1000 * rest + 999) + text(b"a frame of reference")


def events_message(part: slice) -> bytes:
    content = header(int(T[0])) + struct.pack("<III", HEIGHT, WIDTH, len(T[part]))
    for x, y, t, p in zip(X[part], Y[part], T[part].tolist(), P[part], strict=True):
        content += struct.pack("<HHIIB", x, y, t // 1_000_000, 1000 * (t % 1_000_000) + 500, p)
    return content


def image_message(encoding: str, pixels: np.ndarray, padding: int = 0) -> bytes:
    rows = np.pad(pixels.reshape(len(pixels), -1), ((0, 0), (0, padding)))
    shape = struct.pack("<II", *pixels.shape[:2])
    kind = text(encoding.encode()) + struct.pack("<BI", 0, rows.shape[1])
    return header(int(T[3])) + shape + kind + text(rows.tobytes())


def write_bag(path: Path, compression: str | None) -> None:
    from rosbags.rosbag1 import Writer

    writer = Writer(path)
    if compression:
        writer.set_compression(Writer.CompressionFormat[compression])
    with writer:
        kinds = {"msgdef": DEFINITION, "md5sum": "0" * 32}
        events = writer.add_connection("/dvs/events", "dvs_msgs/msg/EventArray", **kinds)
        images = writer.add_connection("/dvs/image_raw", "sensor_msgs/msg/Image", **kinds)
        imu = writer.add_connection("/dvs/imu", "sensor_msgs/msg/Imu", **kinds)
        for number, part in enumerate((slice(0, 200), slice(200, 200), slice(200, COUNT))):
            writer.write(events, 1000 * number, events_message(part))
            writer.write(imu, 1000 * number + 1, b"whatever")
        writer.write(images, 5000, image_message("mono8", PICTURE[:, :, 0]))


@pytest.mark.parametrize("compression", [None, "BZ2", "LZ4"])
def test_events_and_pictures_of_one_bag(tmp_path: Path, compression: str | None) -> None:
    pytest.importorskip("rosbags")
    write_bag(tmp_path / "a.bag", compression)
    recording = open_recording(tmp_path / "a.bag")
    assert recording.size == (WIDTH, HEIGHT)
    parts = [*recording.parts()]
    events = Events.concatenate([part for part in parts if isinstance(part, Events)])
    for name, expected in zip("xytp", (X, Y, T, P), strict=True):
        np.testing.assert_array_equal(getattr(events, name), expected)
    (frame,) = (part for part in parts if isinstance(part, Frame))
    assert (frame.stamp_us, frame.start_us) == (T[3], None)
    np.testing.assert_array_equal(frame.image, np.repeat(PICTURE[:, :, :1], 3, axis=2))


@pytest.mark.parametrize("cut", [0.2, 0.5, 0.9])
def test_a_bag_that_was_cut_off_is_refused_with_its_name(tmp_path: Path, cut: float) -> None:
    pytest.importorskip("rosbags")
    write_bag(tmp_path / "a.bag", None)
    whole = (tmp_path / "a.bag").read_bytes()
    (tmp_path / "a.bag").write_bytes(whole[: int(cut * len(whole))])
    with pytest.raises(DataError, match=r"a\.bag: damaged or cut off"):
        all_events(open_recording(tmp_path / "a.bag"))


@pytest.mark.parametrize(
    "encoding, stored",
    [
        ("rgb8", PICTURE),
        ("bgr8", PICTURE[:, :, ::-1]),
        ("rgba8", np.dstack([PICTURE, PICTURE[:, :, 0]])),
        ("bgra8", np.dstack([PICTURE[:, :, ::-1], PICTURE[:, :, 0]])),
    ],
)
@pytest.mark.parametrize("padding", [0, 5])
def test_pictures_in_colours(encoding: str, stored: np.ndarray, padding: int) -> None:
    frame = image(image_message(encoding, np.ascontiguousarray(stored), padding), False)
    np.testing.assert_array_equal(frame.image, PICTURE)


def test_a_compressed_picture() -> None:
    encoded = cv2.imencode(".png", PICTURE[:, :, ::-1])[1].tobytes()
    frame = image(header(5) + text(b"png") + text(encoded), True)
    np.testing.assert_array_equal(frame.image, PICTURE)


def test_pictures_of_16_bits_are_refused() -> None:
    with pytest.raises(DataError, match="found mono16"):
        image(image_message("mono16", PICTURE[:, :, :2]), False)


def test_a_message_that_ends_early_is_no_message() -> None:
    whole = events_message(slice(0, 3))
    assert len(event_array(whole)[0]) == 3
    for end in range(len(whole)):
        with pytest.raises((ValueError, struct.error)):
            event_array(whole[:end])
