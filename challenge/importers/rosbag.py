"""ROS 1 bags, by the package `rosbags` (Apache): `EventArray` of dvs_msgs or prophesee_event_msgs,
and `Image` or `CompressedImage` of sensor_msgs.

The events of a message are read as one array of their 13-byte records; the first topic of each kind
is taken. A bag says nothing about exposures.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from challenge.errors import DataError
from challenge.events import Events
from challenge.importers.pictures import to_rgb
from challenge.importers.recording import Frame, Part, Recording, as_events, foreign, library, named

RECORD = np.dtype([("x", "<u2"), ("y", "<u2"), ("s", "<u4"), ("ns", "<u4"), ("p", "u1")])
EVENTS = ("dvs_msgs/msg/EventArray", "prophesee_event_msgs/msg/EventArray")
IMAGES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
ENCODINGS = {"mono8": 1, "8UC1": 1, "rgb8": 3, "bgr8": 3, "8UC3": 3, "rgba8": 4, "bgra8": 4}
"""Channels of the pictures that are read."""


def read(path: Path) -> Recording:
    """Open a bag.

    Raises:
        ConfigError: the package `rosbags` is not installed.
        DataError: not a bag, damaged, or without events.
    """
    reader = library("rosbags.rosbag1", "rosbags", "a ROS bag").Reader
    with foreign(path), reader(path) as bag:
        topics = {each.topic: each.msgtype for each in bag.connections}
    events = [topic for topic, kind in topics.items() if kind in EVENTS]
    images = [topic for topic, kind in topics.items() if kind in IMAGES]
    if not events:
        found = ", ".join(f"{topic} ({kind})" for topic, kind in topics.items()) or "nothing"
        raise DataError(f"{path}: expected a topic of dvs_msgs/EventArray, found {found}")
    wanted = [events[0], *images[:1]]
    many = len(events) > 1 or len(images) > 1
    notes = (f"of several topics these are read: {', '.join(wanted)}",) if many else ()

    def parts() -> Iterator[Part]:
        return named(path, _parts(reader, path, wanted))

    return Recording(path, "ROS bag", parts, _size(reader, path, events[0]), notes)


def _parts(reader: Any, path: Path, topics: list[str]) -> Iterator[Part]:
    with reader(path) as bag:
        connections = [each for each in bag.connections if each.topic in topics]
        for connection, _, message in bag.messages(connections):
            if connection.msgtype in EVENTS:
                yield event_array(message)[0]
            else:
                yield image(message, connection.msgtype == IMAGES[1])


def _size(reader: Any, path: Path, topic: str) -> tuple[int, int] | None:
    """Read (width, height) from the first message of events."""
    with foreign(path), reader(path) as bag:
        connections = [each for each in bag.connections if each.topic == topic]
        for _, _, message in bag.messages(connections):
            return event_array(message)[1]
    return None


class Message:
    """Reads a message of ROS 1 from its front: little-endian, nothing between the values."""

    def __init__(self, content: bytes | memoryview) -> None:
        self.content = memoryview(content)
        self.place = 0

    def number(self, kind: str = "I") -> int:
        """Read one number."""
        (value,) = struct.unpack_from(f"<{kind}", self.content, self.place)
        self.place += struct.calcsize(f"<{kind}")
        return int(value)

    def take(self, length: int) -> memoryview:
        """Read bytes.

        Raises:
            ValueError: there are fewer.
        """
        found = self.content[self.place : self.place + length]
        if len(found) != length:
            raise ValueError(f"a message ends early: {len(found)} of {length} bytes")
        self.place += length
        return found

    def stamp_us(self) -> int:
        """Read a header: a number, a time, a name; return the time."""
        self.number()
        seconds, nanoseconds = self.number(), self.number()
        self.take(self.number())
        return seconds * 1_000_000 + nanoseconds // 1000


def event_array(content: bytes | memoryview) -> tuple[Events, tuple[int, int] | None]:
    """Read one EventArray: the events, and (width, height) of the sensor if it says so."""
    message = Message(content)
    message.stamp_us()
    height, width = message.number(), message.number()
    records = np.frombuffer(message.take(message.number() * RECORD.itemsize), RECORD)
    t = records["s"].astype(np.int64) * 1_000_000 + records["ns"] // 1000
    size = (width, height) if width and height else None
    return as_events(records["x"], records["y"], t, records["p"]), size


def image(content: bytes | memoryview, compressed: bool) -> Frame:
    """Read one Image or CompressedImage."""
    message = Message(content)
    stamp_us = message.stamp_us()
    if compressed:
        message.take(message.number())
        return Frame(to_rgb(bytes(message.take(message.number())), "a picture in it"), stamp_us)
    height, width = message.number(), message.number()
    encoding = bytes(message.take(message.number())).decode("ascii", "replace")
    message.number("B")
    step = message.number()
    data = np.frombuffer(message.take(message.number()), np.uint8)
    channels = ENCODINGS.get(encoding)
    if channels is None:
        raise DataError(
            f"expected pictures in {', '.join(ENCODINGS)}, found {encoding}; "
            "export them as PNGs of 8 bits, and give them with --frames"
        )
    rows = data.reshape(height, step)[:, : width * channels]
    pixels = rows.reshape(height, width, channels)
    if channels == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    elif encoding.startswith("bgr") or encoding == "8UC3":
        pixels = pixels[..., 2::-1]
    return Frame(np.ascontiguousarray(pixels[..., :3]), stamp_us)
