"""The structure of a PNG: its header, and whether it is whole. Nothing is decoded."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import IO

SIGNATURE = b"\x89PNG\r\n\x1a\n"
OTHER_FORMATS = (
    (b"\xff\xd8\xff", "a JPEG"),
    (b"BM", "a BMP"),
    (b"II*\x00", "a TIFF"),
    (b"MM\x00*", "a TIFF"),
    (b"RIFF", "a WebP"),
    (b"GIF8", "a GIF"),
    (b"\x93NUMPY", "a numpy array"),
)
COLOURS = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGB with alpha"}
BLOCK = 1 << 20


@dataclass(frozen=True)
class Png:
    """A PNG's header; `fault` says what the file is instead of a whole PNG."""

    width: int = 0
    height: int = 0
    bit_depth: int = 0
    colour: str = ""
    fault: str | None = None

    @property
    def is_another_format(self) -> bool:
        """A JPEG, a BMP, …: a sound file perhaps, but no PNG."""
        return self.fault in {name for _, name in OTHER_FORMATS}

    @property
    def mode(self) -> str:
        """Such as "8-bit RGB"."""
        return f"{self.bit_depth}-bit {self.colour}"


def inspect_png(stream: IO[bytes], header_only: bool = False) -> Png:
    """Read a PNG's chunks and verify their checksums, holding at most 1 MiB.

    A file that was cut off, or in which a byte changed, cannot pass; what the pixels are is not
    looked at. Bytes after the end chunk are ignored, as decoders do. OSError and zip errors of the
    stream pass through.
    """
    start = stream.read(len(SIGNATURE))
    if start != SIGNATURE:
        return Png(fault=_foreign(start))
    header = Png()
    transparent = False
    while True:
        head = stream.read(8)
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        body, checksum = _read_chunk(stream, length, zlib.crc32(kind))
        stored = stream.read(4)
        if len(head) < 8 or body is None or len(stored) < 4:
            return _with_fault(header, "a PNG that is cut off")
        if int.from_bytes(stored, "big") != checksum:
            name = kind.decode("latin-1")
            return _with_fault(header, f"a damaged PNG (wrong checksum in {name!a})")
        if not header.width:
            if kind != b"IHDR" or length != 13 or not any(body[:4]) or not any(body[4:8]):
                return Png(fault="a PNG without a header")
            header = _header(body)
            if header_only:
                return header
        transparent |= kind == b"tRNS"
        if kind == b"IEND":
            colour = header.colour + " with transparency" * transparent
            return Png(header.width, header.height, header.bit_depth, colour)


def _read_chunk(stream: IO[bytes], length: int, checksum: int) -> tuple[bytes | None, int]:
    """The chunk's first block (None if the stream ends before the chunk) and its checksum."""
    first, left = b"", length
    while left:
        block = stream.read(min(left, BLOCK))
        if not block:
            return None, checksum
        first = first or block
        checksum = zlib.crc32(block, checksum)
        left -= len(block)
    return first, checksum


def _header(body: bytes) -> Png:
    width, height = int.from_bytes(body[:4], "big"), int.from_bytes(body[4:8], "big")
    return Png(width, height, body[8], COLOURS.get(body[9], f"colour type {body[9]}"))


def _with_fault(png: Png, fault: str) -> Png:
    return Png(png.width, png.height, png.bit_depth, png.colour, fault)


def _foreign(start: bytes) -> str:
    if not start:
        return "an empty file"
    for signature, name in OTHER_FORMATS:
        if start.startswith(signature):
            return name
    if SIGNATURE.startswith(start):
        return "a PNG that is cut off"
    return "something that is not a PNG"
