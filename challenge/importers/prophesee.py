"""Prophesee's files: DAT, and RAW in the encodings EVT 2.0 and EVT 3.0, decoded here.

What reads them is the vendor's own SDK, GPL, LGPL, or does not read all three. Lines that begin
with `%` come first, then words of 64, 32 or 16 bits, little-endian. All times are in microseconds.
They run over after 2**32 (DAT), 2**34 (EVT 2) or 2**24 (EVT 3); a fall by half of that or more is
the next round, as in the vendor's decoder. Events before the first word that gives a time, a row or
a base are left out: nobody knows where they belong.

Source: https://docs.prophesee.ai/stable/data/encoding_formats/index.html and
https://docs.prophesee.ai/stable/data/file_formats/index.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from challenge.errors import DataError
from challenge.events import Events
from challenge.importers.evt3 import decode_evt3
from challenge.importers.recording import BLOCK, Part, Recording, as_events
from challenge.importers.words import Rounds

LONGEST_LINE = 1000
CHANGES = (0x00, 0x0C)
"""Types of a DAT file that hold changes of brightness, in records of 8 bytes."""
EVT2_ON, EVT2_TIME_HIGH = 0x1, 0x8  # 0x0: off


@dataclass(frozen=True)
class Header:
    """The lines in front of the words: `% KEY VALUE` or `% KEY:VALUE`; and where they end."""

    values: dict[str, str]
    end: int

    @property
    def size(self) -> tuple[int, int] | None:
        """(width, height) of the sensor; None where the header does not say."""
        geometry = re.fullmatch(r"(\d+)x(\d+)", self.values.get("geometry", ""))
        width = geometry[1] if geometry else self.values.get("width", "")
        height = geometry[2] if geometry else self.values.get("height", "")
        if not (width.isdecimal() and height.isdecimal()):
            return None
        return int(width), int(height)

    @property
    def encoding(self) -> str:
        """EVT2, EVT3, … as the header calls it; "" where it does not."""
        if "format" in self.values:
            return self.values["format"].upper()
        number = self.values.get("evt", "")
        return f"EVT{number.removesuffix('.0')}" if number else ""


def read_header(path: Path) -> Header:
    """Read the lines in front of the words.

    Raises:
        DataError: there are none.
    """
    values: dict[str, str] = {}
    with open(path, "rb") as file:
        while True:
            end = file.tell()
            line = file.readline(LONGEST_LINE)
            text = line[1:].strip()
            if not (line[:1] == b"%" and line.endswith(b"\n") and text.isascii()):
                break
            if text == b"end":
                end = file.tell()
                break
            key, _, value = text.decode("ascii").replace(":", " ", 1).partition(" ")
            options = value.strip().split(";")
            values[key.lower()] = options[0].strip()
            values |= dict(each.lower().split("=", 1) for each in options[1:] if "=" in each)
    if not end:
        raise DataError(
            f"{path}: expected lines that begin with %, found none: no file of Prophesee"
        )
    return Header(values, end)


def read_raw(path: Path) -> Recording:
    """Open a RAW file in EVT 2.0 or EVT 3.0.

    Raises:
        DataError: no header, or another encoding.
    """
    header = read_header(path)
    if header.encoding not in ("EVT2", "EVT3"):
        raise DataError(
            f"{path}: expected EVT 2.0 or EVT 3.0, the header says "
            f"{header.encoding or 'neither `% evt` nor `% format`'}; Prophesee's tool "
            "metavision_file_to_dat turns it into a DAT file"
        )
    decode, kind = (decode_evt2, "<u4") if header.encoding == "EVT2" else (decode_evt3, "<u2")
    width = np.dtype(kind).itemsize

    def parts() -> Iterator[Part]:
        yield from decode(blocks(path, header.end, np.dtype(kind)))

    notes = _rest(path, header.end, width)
    return Recording(path, header.encoding, parts, header.size, notes)


def read_dat(path: Path) -> Recording:
    """Open a DAT file of changes of brightness.

    After the header the type of the records (u8) and their size in bytes (u8), then records of a
    time (u32) and a word: version 2 has x in 14 bits, y in 14, the polarity in 4; version 1 has 9,
    8 and 1.

    Raises:
        DataError: no header, or records of another kind.
    """
    header = read_header(path)
    with open(path, "rb") as file:
        file.seek(header.end)
        kind = file.read(2)
    if len(kind) < 2:
        raise DataError(f"{path}: damaged or cut off (it ends in its header); copy it again")
    if kind[0] not in CHANGES or kind[1] != 8:
        raise DataError(
            f"{path}: expected records of type 0 or 12 and 8 bytes (changes of brightness), found "
            f"type {kind[0]} and {kind[1]} bytes"
        )
    version = header.values.get("version", "2")
    if version not in ("1", "2"):
        raise DataError(f"{path}: expected version 1 or 2 of DAT, the header says {version}")
    start = header.end + 2

    def parts() -> Iterator[Part]:
        yield from decode_dat(
            blocks(path, start, np.dtype([("t", "<u4"), ("data", "<u4")])), version
        )

    return Recording(path, "DAT", parts, header.size, _rest(path, start, 8))


def blocks(path: Path, start: int, dtype: np.dtype) -> Iterator[np.ndarray]:
    """Read a file's words from byte `start` on, `BLOCK` at a time; a part of one at the end is left
    out.
    """
    with open(path, "rb") as file:
        file.seek(start)
        read = partial(np.fromfile, file, dtype, BLOCK)
        while len(block := read()):
            yield block


def _rest(path: Path, start: int, width: int) -> tuple[str, ...]:
    rest = (path.stat().st_size - start) % width
    return (f"its last {rest} bytes are no whole word: the file is cut off",) if rest else ()


def decode_dat(words: Iterator[np.ndarray], version: str = "2") -> Iterator[Events]:
    """Decode records of (t u4, data u4)."""
    bits_x, bits_y = (14, 14) if version == "2" else (9, 8)
    rounds = Rounds(32)
    for block in words:
        data = block["data"]
        yield as_events(
            x=data & ((1 << bits_x) - 1),
            y=(data >> bits_x) & ((1 << bits_y) - 1),
            t=rounds.unroll(block["t"]),
            p=(data >> (bits_x + bits_y)) & 1,
        )


def decode_evt2(words: Iterator[np.ndarray]) -> Iterator[Events]:
    """Decode words of 32 bits: the type in the highest 4.

    CD_OFF, CD_ON: 6 low bits of the time, x in 11, y in 11. TIME_HIGH: the other 28 bits of the
    time, for the events that follow. Triggers and all other types are passed over.
    """
    rounds, high = Rounds(28), None
    for block in words:
        kind = block >> 28
        is_high = kind == EVT2_TIME_HIGH
        highs = rounds.unroll(block[is_high] & 0xFFFFFFF)
        if high is not None:
            highs = np.concatenate([[high], highs])
        changes = np.flatnonzero(kind <= EVT2_ON)
        before = np.cumsum(is_high)[changes] - (high is None)
        changes, before = changes[before >= 0], before[before >= 0]
        event = block[changes]
        yield as_events(
            x=(event >> 11) & 0x7FF,
            y=event & 0x7FF,
            t=(highs[before] << 6) | ((event >> 22) & 0x3F).astype(np.int64),
            p=kind[changes] == EVT2_ON,
        )
        high = highs[-1] if len(highs) else None
