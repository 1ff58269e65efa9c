"""Whether a file is a whole PNG: its header, its chunks, and whether all its pixels are there.

Pillow decodes it, here as on the server. What it passes over (measured on thousands of mutants:
checksums of IDAT and IEND, some row filters, chunks that no standard knows, fewer or more pixels
than the header says) is looked at here, and said in our words.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

import numpy as np
from PIL import Image, UnidentifiedImageError

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
HEADER_SIZE = 33  # bytes: the signature, and IHDR with its length and checksum
PILLOW_RAISES: tuple[type[Exception], ...] = (
    *(OSError, EOFError, SyntaxError, ValueError, IndexError, MemoryError),
    *(struct.error, zlib.error, Image.DecompressionBombError),
)
Chunk = tuple[bytes, memoryview | None, bool]
"""Name, data (None where the file is cut off), and whether its checksum is right."""


@dataclass(frozen=True)
class Png:
    """A PNG's header, and its pixels where they were decoded.

    Attributes:
        fault: what the file is instead of a whole PNG.
        pixels: (H, W) or (H, W, C) as Pillow decodes them; None of a header alone, or with a fault.
    """

    width: int = 0
    height: int = 0
    bit_depth: int = 0
    colour: str = ""
    fault: str | None = None
    pixels: np.ndarray | None = field(default=None, repr=False, compare=False)

    @property
    def is_another_format(self) -> bool:
        """A JPEG, a BMP, …: a sound file perhaps, but no PNG."""
        return self.fault in {name for _, name in OTHER_FORMATS}

    @property
    def mode(self) -> str:
        """Such as "8-bit RGB"."""
        return f"{self.bit_depth}-bit {self.colour}"


def inspect_png(stream: IO[bytes], header_only: bool = False) -> Png:
    """Read a PNG and say what is wrong with it, if anything.

    A file that was cut off, in which a byte changed, whose pixels are fewer or more than its
    header says, or that is an animation, cannot pass. Bytes after the end chunk are ignored, as
    decoders do. OSError and zip errors of the stream pass through.

    Args:
        stream: need not be seekable. Unless `header_only`, it is read to its end.
        header_only: look at the first 33 bytes alone.
    """
    start = stream.read(HEADER_SIZE)
    if not start.startswith(SIGNATURE):
        return Png(fault=_foreign(start))
    header = _header(start)
    if header_only or header.fault:
        return header
    content = start + stream.read()
    chunks = list(_chunks(content))
    fault = _chunk_fault(chunks) or _pixel_fault(start, chunks)
    pixels = None
    if not fault:
        try:
            pixels = decode_png(content)
        except ValueError as error:
            fault = str(error)
    transparent = " with transparency" * any(kind == b"tRNS" for kind, _, _ in chunks)
    colour = header.colour + transparent
    return Png(header.width, header.height, header.bit_depth, colour, fault, pixels)


def decode_png(content: bytes) -> np.ndarray:
    """Decode a PNG by Pillow: (H, W) or (H, W, C), C as the file has it.

    Raises:
        ValueError: Pillow cannot decode it, or it is an animation; says what the file is.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large images: LARGEST is the limit here
            with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
                image.load()
                frames = getattr(image, "n_frames", 1)
                pixels = np.array(image)
    except UnidentifiedImageError as error:  # its own words name an object in memory
        raise ValueError("a damaged PNG (Pillow cannot identify it)") from error
    except PILLOW_RAISES as error:
        raise ValueError(f"a damaged PNG (Pillow: {error or type(error).__name__})") from error
    if frames != 1:
        raise ValueError(f"an animation of {frames} pictures")
    return pixels


def _header(start: bytes) -> Png:
    if len(start) < HEADER_SIZE:
        known = b"IHDR".startswith(start[12:16])
        return Png(fault=f"a PNG {'that is cut off' if known else 'without a header'}")
    length, kind, width, height = struct.unpack(">I4sII", start[8:24])
    if kind != b"IHDR" or length != 13 or not width or not height:
        return Png(fault="a PNG without a header")
    depth, colour, compression, filtering, interlace = start[24:29]
    fault = None
    if zlib.crc32(start[12:29]) != int.from_bytes(start[29:], "big"):
        fault = "a damaged PNG (wrong checksum in 'IHDR')"
    elif width * height > LARGEST:
        fault = f"a PNG that claims {width}x{height} pixels"
    elif depth not in DEPTHS.get(colour, ()) or compression or filtering or interlace > 1:
        fault = "a PNG with an impossible header"
    return Png(width, height, depth, COLOURS.get(colour, f"colour type {colour}"), fault)


def _chunks(content: bytes) -> Iterator[Chunk]:
    """Take the chunks after the header apart, to IEND or to where the file is cut off."""
    view, place, kind = memoryview(content), HEADER_SIZE, b""
    while kind != b"IEND":
        length = int.from_bytes(content[place : place + 4], "big")
        kind = content[place + 4 : place + 8]
        end = place + 12 + length
        if end > len(content):
            yield kind, None, False
            return
        sound = zlib.crc32(view[place + 4 : end - 4]) == int.from_bytes(view[end - 4 : end], "big")
        yield kind, view[place + 8 : end - 4], sound
        place = end


def _chunk_fault(chunks: list[Chunk]) -> str | None:
    """Find the first chunk that is cut off, damaged, or unknown to every decoder."""
    for kind, data, sound in chunks:
        name = f"{kind.decode('latin-1')!a}"
        if data is None:
            return "a PNG that is cut off"
        if not sound:
            return f"a damaged PNG (wrong checksum in {name})"
        known = kind in CRITICAL or kind[:1].islower()
        if not (kind.isalpha() and kind[2:3].isupper() and known) or kind == b"IHDR":
            return f"a damaged PNG (unexpected chunk {name})"
        if kind == b"PLTE" and (len(data) % 3 or not 0 < len(data) <= 768):
            return f"a damaged PNG (unexpected chunk {name})"
    return None


def _pixel_fault(start: bytes, chunks: list[Chunk]) -> str | None:
    """Unpack the pixels once more, block by block, to count them: Pillow stops at enough."""
    passes = _passes(start[16:29])
    wanted = sum(rows * row for rows, row in passes)
    row = passes[0][1] if len(passes) == 1 else 0  # of interlaced ones filters stay unseen
    inflate, count = zlib.decompressobj(), 0
    for block in (bytes(data or b"") for kind, data, _ in chunks if kind == b"IDAT"):
        while block and count <= wanted and not inflate.eof:
            try:
                pixels = inflate.decompress(block, BLOCK)
            except zlib.error:
                return "a damaged PNG (its pixels cannot be unpacked)"
            if row and max(pixels[-count % row :: row], default=0) > 4:
                return "a damaged PNG (a row has an unknown filter)"
            count += len(pixels)
            block = inflate.unconsumed_tail
    if count > wanted:
        return "a damaged PNG (more pixels than its header says)"
    return None if count == wanted and inflate.eof else "a PNG whose last pixels are missing"


def _passes(header: bytes) -> list[tuple[int, int]]:
    """List (rows, bytes per row with its filter byte) of each pass; one, if not interlaced."""
    width, height, depth, colour = struct.unpack(">IIBB", header[:10])
    steps = ADAM7 if header[12] else ((0, 0, 1, 1),)
    sizes = [(-((x - width) // dx), -((y - height) // dy)) for x, y, dx, dy in steps]
    bits = depth * SAMPLES[colour]
    return [(rows, 1 + (columns * bits + 7) // 8) for columns, rows in sizes if columns and rows]


def _foreign(start: bytes) -> str:
    if not start:
        return "an empty file"
    for signature, name in OTHER_FORMATS:
        if start.startswith(signature):
            return name
    if SIGNATURE.startswith(start):
        return "a PNG that is cut off"
    return "something that is not a PNG"
