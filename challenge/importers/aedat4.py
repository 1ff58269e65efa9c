"""AEDAT4 of iniVation's cameras (DAVIS346, DVXplorer, …), by the package `aedat` (MIT).

A DAVIS writes its frames with the beginning and the end of their exposure. The stamp of a frame is
the middle of that. Several streams of events (of several cameras): the first is read.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from challenge.errors import DataError
from challenge.importers.recording import (
    Frame,
    Part,
    Recording,
    as_events,
    damaged,
    foreign,
    library,
    named,
)

KIND = "AEDAT4"
MAGIC = b"#!AER-DAT4.0\r\n"
LARGEST_HEADER = 1 << 20


def read(path: Path) -> Recording:
    """Open an AEDAT4 file.

    Raises:
        ConfigError: the package `aedat` is not installed.
        DataError: not an AEDAT4 file, damaged, or without a stream of events.
    """
    aedat = library("aedat", "aedat", KIND)
    packets, is_whole = count_packets(path)
    with foreign(path):
        streams: dict[int, dict[str, Any]] = aedat.Decoder(str(path)).id_to_stream()
    events = [number for number, each in sorted(streams.items()) if each["type"] == "events"]
    frames = [number for number, each in sorted(streams.items()) if each["type"] == "frame"]
    if not events:
        kinds = ", ".join(sorted({each["type"] for each in streams.values()})) or "nothing"
        raise DataError(f"{path}: expected a stream of events, found {kinds}")
    wanted = {events[0], *frames[:1]}
    size = streams[events[0]]["width"], streams[events[0]]["height"]
    many = len(events) > 1 or len(frames) > 1
    notes = [f"of several streams those called {sorted(wanted)} are read"] if many else []
    if not is_whole:
        notes.append(f"the file is cut off: its {packets} whole packets are read")

    def parts() -> Iterator[Part]:
        return named(path, _parts(itertools.islice(aedat.Decoder(str(path)), packets), wanted))

    return Recording(path, KIND, parts, size, tuple(notes))


def count_packets(path: Path) -> tuple[int, bool]:
    """Walk along the packets' sizes, before anything is decoded or allocated because of them.

    The file: a line that says its version, the size of a header (u32) and the header, then packets:
    the stream (u32), a size (u32), so many bytes; then a table, where the header says so.

    Returns:
        How many whole packets there are; and False if the file ends within one, as it does when the
        recording was not brought to its end.

    Raises:
        DataError: not an AEDAT4 file, no whole packet, or a size that cannot be right.
    """
    with open(path, "rb") as file:
        total = path.stat().st_size
        if file.read(len(MAGIC)) != MAGIC:
            raise DataError(f"{path}: expected an AEDAT 4.0 file, its first line says otherwise")
        try:
            (length,) = struct.unpack("<I", file.read(4))
            place = file.tell() + length
            table = _table_place(file.read(min(length, LARGEST_HEADER)))
        except struct.error as error:
            raise damaged(path, "it ends before its header, or that makes no sense") from error
        end = total if table < 0 else table
        packets = 0
        while place + 8 <= min(end, total):
            file.seek(place)
            _, size = struct.unpack("<II", file.read(8))
            if place + 8 + size > total:
                break
            place, packets = place + 8 + size, packets + 1
        may_be_cut = table < 0 or total < table
        if not packets or not (place == end or may_be_cut):
            raise damaged(path, f"packet {packets} has a size that cannot be right")
        return packets, place == end


def _table_place(header: bytes) -> int:
    """Read where the table behind the packets begins; -1 without one.

    The header is a FlatBuffer: an offset to a table, which has an offset back to the places of its
    fields; the table's place is field 1, an i64.
    """
    (table,) = struct.unpack_from("<I", header)
    (back,) = struct.unpack_from("<i", header, table)
    size, _, _, field = struct.unpack_from("<4H", header, table - back)
    if size < 8 or not field:
        return -1
    return int(struct.unpack_from("<q", header, table + field)[0])


def _parts(packets: Iterable[dict[str, Any]], wanted: set[int]) -> Iterator[Part]:
    for packet in packets:
        if packet["stream_id"] not in wanted:
            continue
        if "events" in packet:
            events = packet["events"]
            yield as_events(events["x"], events["y"], events["t"], events["on"])
        elif "frame" in packet:
            yield _frame(packet["frame"])


def _frame(frame: dict[str, Any]) -> Frame:
    pixels = frame["pixels"]
    if pixels.dtype != np.uint8:
        raise DataError(
            f"expected frames of 8 bits, found {frame['format']} {pixels.dtype}; "
            "export them as PNGs of 8 bits, and give them with --frames"
        )
    colours = pixels[..., None] if pixels.ndim == 2 else pixels
    image = np.repeat(colours, 3, axis=2) if colours.shape[2] == 1 else colours[..., :3]
    start, end = int(frame["exposure_begin_t"]), int(frame["exposure_end_t"])
    known = 0 < start < end
    return Frame(
        np.ascontiguousarray(image),
        int(frame["t"]),
        start if known else None,
        end if known else None,
    )
