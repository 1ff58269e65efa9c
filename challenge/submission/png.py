"""A PNG's structure: its header, its checksums, and whether all its pixels are there."""

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
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
ADAM7 = (  # first column, first row, step in x, step in y of each pass
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2)),
    (0, 1, 1, 2),
)
CRITICAL = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
LARGEST = 1 << 26  # pixels; decoders refuse about as much, and no frame comes near
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
    """Read a PNG's chunks, verify their checksums and unpack its pixels, holding a few MiB.

    A file that was cut off, in which a byte changed, or whose pixels are fewer than its header
    says, cannot pass; what the pixels are is not looked at. Bytes after the end chunk are ignored,
    as decoders do. OSError and zip errors of the stream pass through.
    """
    start = stream.read(len(SIGNATURE))
    if start != SIGNATURE:
        return Png(fault=_foreign(start))
    header = Png()
    pixels = _Pixels([])
    transparent = False
    while True:
        head = stream.read(8)
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        sink = pixels if kind == b"IDAT" else None
        body, checksum = _read_chunk(stream, length, zlib.crc32(kind), sink)
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
            if header_only or header.fault:
                return header
            pixels = _Pixels(_passes(body))
        elif not _is_known(kind, length):
            name = kind.decode("latin-1")
            return _with_fault(header, f"a damaged PNG (unexpected chunk {name!a})")
        transparent |= kind == b"tRNS"
        if kind == b"IEND":
            colour = header.colour + " with transparency" * transparent
            return Png(header.width, header.height, header.bit_depth, colour, pixels.fault())


class _Pixels:
    """Unpacks the pixels' bytes to count them, one block at a time; nothing is kept."""

    def __init__(self, passes: list[tuple[int, int]]) -> None:
        """`passes`: (rows, bytes per row with its filter byte) of each pass of the image."""
        self._inflate = zlib.decompressobj()
        self._wanted = sum(rows * row for rows, row in passes)
        self._row = (
            passes[0][1] if len(passes) == 1 else 0
        )  # of interlaced ones filters stay unseen
        self._count = 0
        self._broken = ""

    def feed(self, block: bytes) -> None:
        """Unpack a part of the data."""
        while block and self._count <= self._wanted and not (self._broken or self._inflate.eof):
            try:
                pixels = self._inflate.decompress(block, BLOCK)
            except zlib.error:
                self._broken = "its pixels cannot be unpacked"
                return
            if self._row and max(pixels[-self._count % self._row :: self._row], default=0) > 4:
                self._broken = "a row has an unknown filter"
            self._count += len(pixels)
            block = self._inflate.unconsumed_tail

    def fault(self) -> str | None:
        """What is wrong with the pixels, once all are fed."""
        if self._broken:
            return f"a damaged PNG ({self._broken})"
        if self._count > self._wanted:
            return "a damaged PNG (more pixels than its header says)"
        try:
            self._inflate.decompress(b"", 1)  # the end may wait in what was read already
        except zlib.error:
            return "a damaged PNG (its pixels cannot be unpacked)"
        whole = self._count == self._wanted and self._inflate.eof
        return None if whole else "a PNG whose last pixels are missing"


def _passes(body: bytes) -> list[tuple[int, int]]:
    """(rows, bytes per row with its filter byte) of each pass; one, if it is not interlaced."""
    width, height = int.from_bytes(body[:4], "big"), int.from_bytes(body[4:8], "big")
    bits = body[8] * SAMPLES[body[9]]
    steps = ADAM7 if body[12] else ((0, 0, 1, 1),)
    sizes = [(-((x - width) // dx), -((y - height) // dy)) for x, y, dx, dy in steps]
    return [(rows, 1 + (columns * bits + 7) // 8) for columns, rows in sizes if columns and rows]


def _is_known(kind: bytes, length: int) -> bool:
    """Whether decoders take such a chunk after the header: a name by the standard's rules, and what
    is critical (a capital first) is known.
    """
    if not (kind.isalpha() and kind[2:3].isupper()) or kind == b"IHDR":
        return False
    if kind == b"PLTE":
        return 0 < length <= 768 and length % 3 == 0
    return kind in CRITICAL or kind[:1].islower()


def _read_chunk(
    stream: IO[bytes], length: int, checksum: int, pixels: _Pixels | None
) -> tuple[bytes | None, int]:
    """The chunk's first block (None if the stream ends before the chunk) and its checksum."""
    first, left = b"", length
    while left:
        block = stream.read(min(left, BLOCK))
        if not block:
            return None, checksum
        first = first or block
        checksum = zlib.crc32(block, checksum)
        if pixels:
            pixels.feed(block)
        left -= len(block)
    return first, checksum


def _header(body: bytes) -> Png:
    width, height = int.from_bytes(body[:4], "big"), int.from_bytes(body[4:8], "big")
    depth, colour, compression, filtering, interlace = body[8:13]
    fault = None
    if width * height > LARGEST:
        fault = f"a PNG that claims {width}x{height} pixels"
    elif depth not in DEPTHS.get(colour, ()) or compression or filtering or interlace > 1:
        fault = "a PNG with an impossible header"
    return Png(width, height, depth, COLOURS.get(colour, f"colour type {colour}"), fault)


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
