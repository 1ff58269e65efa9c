"""PNGs that are odd in one way each: name -> bytes. Whole ones, and such as one decoder refuses."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

Chunks = list[tuple[bytes, bytes]]
SRGB_PRIMARIES = struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def as_png(chunks: Chunks) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


def chunks_of(content: bytes) -> Chunks:
    chunks, place = [], 8
    while place < len(content):
        length = int.from_bytes(content[place : place + 4], "big")
        chunks.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + length]))
        place += 12 + length
    return chunks


def picture(pixels: np.ndarray) -> Chunks:
    """The three chunks of a plain PNG of (H, W, 3) uint8 pixels."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]


def odd_pngs(pixels: np.ndarray) -> Iterator[tuple[str, bytes]]:
    """Yield (what is odd, the PNG's bytes), all of the same pixels where those can be read."""
    head, data, end = picture(pixels)
    for name, before in _ancillary():
        yield f"before: {name}", as_png([head, *before, data, end])
        yield f"after: {name}", as_png([head, data, *before, end])
    half = len(data[1]) // 2
    first, second = (b"IDAT", data[1][:half]), (b"IDAT", data[1][half:])
    empty, text = (b"IDAT", b""), (b"tEXt", b"a\0b")
    yield "two IDAT", as_png([head, first, second, end])
    yield "IDAT of one byte each", as_png([head, *_bytewise(data[1]), end])
    yield "IDAT parted by a text", as_png([head, first, text, second, end])
    yield "IDAT parted by a time", as_png([head, first, (b"tIME", bytes(7)), second, end])
    yield "IDAT after the last text", as_png([head, data, text, empty, end])
    yield "empty IDAT first", as_png([head, empty, data, end])
    yield "empty IDAT last", as_png([head, data, empty, end])
    yield "second picture after the first", as_png([head, data, data, end])
    yield "bytes after the stream", as_png([head, (b"IDAT", data[1] + b"more"), end])
    yield "bytes after IEND", as_png([head, data, end]) + b"more"
    yield "a whole PNG after IEND", as_png([head, data, end]) * 2
    yield "IEND that is not empty", as_png([head, data, (b"IEND", b"x")])
    yield "two headers", as_png([head, head, data, end])
    yield "a palette", as_png([head, (b"PLTE", bytes(768)), data, end])
    yield "two palettes", as_png([head, *[(b"PLTE", bytes(768))] * 2, data, end])
    yield "a palette after the pixels", as_png([head, data, (b"PLTE", bytes(3)), end])
    yield "no end", as_png([head, data])
    for name, frames in _animations(data[1], head[1][:8]):
        yield f"animation: {name}", as_png([head, *frames, end])
    for level in (0, 1, 9):
        rows = zlib.decompress(data[1])
        yield f"deflate {level}", as_png([head, (b"IDAT", zlib.compress(rows, level)), end])
    for bits in (9, 12):
        packer = zlib.compressobj(9, zlib.DEFLATED, bits)
        small = packer.compress(zlib.decompress(data[1])) + packer.flush()
        yield f"window of {1 << bits} bytes", as_png([head, (b"IDAT", small), end])
    liar = bytes([0x08, 0x1D]) + data[1][2:]  # a window of 256 bytes that is not kept to
    yield "a window that is too small", as_png([head, (b"IDAT", liar), end])
    yield "wrong checksum of the stream", as_png([head, (b"IDAT", data[1][:-4] + bytes(4)), end])
    yield "no checksum of the stream", as_png([head, (b"IDAT", data[1][:-4]), end])
    yield from _saved(pixels)


def _bytewise(data: bytes) -> Chunks:
    return [(b"IDAT", data[at : at + 1]) for at in range(len(data))]


def _ancillary() -> Iterator[tuple[str, Chunks]]:
    """Chunks that say something about the picture: right, wrong, huge."""
    huge, much = zlib.compress(bytes(3 << 20)), zlib.compress(b"x" * (1 << 19))
    kinds: dict[str, tuple[bytes, list[bytes]]] = {
        "gamma": (b"gAMA", [struct.pack(">I", 45455), b"", bytes(3), bytes(4), bytes(5)]),
        "chromaticity": (b"cHRM", [SRGB_PRIMARIES, b"", bytes(31), bytes(32), b"\xff" * 32]),
        "resolution": (
            b"pHYs",
            [struct.pack(">IIB", 2835, 2835, 1), b"", bytes(8), bytes(9), b"\xff" * 9],
        ),
        "sRGB": (b"sRGB", [b"\0", b"", b"\x09", bytes(2)]),
        "time": (b"tIME", [b"\x07\xea\x0b\x18\0\0\0", b"", b"\xff" * 7]),
        "background": (b"bKGD", [bytes(6), b"", bytes(2)]),
        "histogram": (b"hIST", [b"", bytes(2)]),
        "significant bits": (b"sBIT", [b"\x08\x08\x08", b"", b"\x09\x09\x09", bytes(3)]),
        "transparency": (b"tRNS", [bytes(6), b"", bytes(2), bytes(300)]),
        "suggested palette": (b"sPLT", [b"a\0\x08", b"", b"a"]),
        "exif": (b"eXIf", [b"MM\0*\0\0\0\x08\0\0\0\0\0\0", b"", b"nonsense", b"II*\0\xff\xff\xff"]),
        "unknown": (b"abCd", [b"", b"x", bytes(5000)]),
        "profile": (
            b"iCCP",
            [
                *(b"a\0\0" + huge, b"a\0\0" + much, b"a\0\0", b"a\0", b"a", b"", b"\0\0" + much),
                *(b"a\0\1" + much, b"a\0\0nonsense", b"a" * 200 + b"\0\0" + much),
                b"a\0\0" + much[:9],
            ],
        ),
        "packed text": (
            b"zTXt",
            [
                *(b"a\0\0" + huge, b"a\0\0" + much, b"a\0\0", b"a\0", b"a", b"", b"\0\0" + much),
                *(b"a\0\1" + much, b"a\0\0nonsense", b"a\0\0" + much[:9]),
            ],
        ),
        "world text": (
            b"iTXt",
            [
                *(b"a\0\1\0\0\0" + huge, b"a\0\1\0\0\0" + much, b"a\0\0\0\0\0text", b"a", b""),
                *(b"a\0\1\1\0\0" + much, b"a\0\1\0\0\0nonsense", b"a\0\0\0"),
                b"a\0\0\0\0\0\xff\xfe",
            ],
        ),
        "text": (b"tEXt", [b"a\0b", b"", b"a", b"\0b", b"a\0" + b"x" * (2 << 20), b"a\0\xff\0"]),
    }  # fmt: skip
    for name, (kind, bodies) in kinds.items():
        for number, body in enumerate(bodies):
            yield f"{name} {number}", [(kind, body)]
        yield f"{name} twice", [(kind, bodies[0])] * 2
    many = [(b"zTXt", b"a%d\0\0" % number + much) for number in range(140)]
    yield "70 MB of packed texts", many
    yield "two thousand texts", [(b"tEXt", b"a%d\0b" % number) for number in range(2000)]


def _animations(data: bytes, size: bytes) -> Iterator[tuple[str, Chunks]]:
    def control(number: int, dispose: int = 0) -> tuple[bytes, bytes]:
        place = struct.pack(">IIHHBB", 0, 0, 1, 10, dispose, 0)
        return b"fcTL", struct.pack(">I", number) + size + place

    still, frame = (b"IDAT", data), (b"fdAT", struct.pack(">I", 2) + data)
    two, one, none = ((b"acTL", struct.pack(">II", count, 0)) for count in (2, 1, 0))
    yield "two frames", [two, control(0), still, control(1), frame]
    yield "one frame", [one, control(0), still]
    yield "a hidden still", [one, still, control(0), (b"fdAT", struct.pack(">I", 1) + data)]
    yield "two frames, the still hidden", [two, still, control(0), frame]
    yield "no frame", [none, control(0), still]
    yield "two promised, one there", [two, control(0), still]
    yield "no control of a frame", [two, still]
    yield "a control of a frame alone", [control(0), still]
    yield "data of a frame alone", [still, frame]
    yield "control cut", [(b"acTL", b"\0"), still]
    yield "control twice", [two, two, control(0), still, control(1), frame]
    yield "control after the pixels", [still, two, control(0)]
    yield "wrong order of numbers", [two, control(5), still, control(1), frame]
    larger = (b"fcTL", bytes(4) + b"\0\1\0\0" * 2 + bytes(10))
    yield "frame larger than the picture", [two, larger, still]


def _saved(pixels: np.ndarray) -> Iterator[tuple[str, bytes]]:
    """What Pillow itself can write."""
    image = Image.fromarray(pixels)
    other = Image.fromarray(255 - pixels)
    for mode in ("1", "L", "P", "LA", "RGBA", "I;16"):
        yield f"mode {mode}", _encoded(image.convert("L" if mode == "I;16" else mode).convert(mode))
    yield "optimised", _encoded(image, optimize=True)
    yield "dpi", _encoded(image, dpi=(300, 300))
    yield "transparent colour", _encoded(image, transparency=(0, 0, 0))
    yield "Pillow's animation", _encoded(image, save_all=True, append_images=[other])
    yield (
        "Pillow's still before one",
        _encoded(image, save_all=True, default_image=True, append_images=[other]),
    )


def _encoded(image: Image.Image, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG", **options)
    return stream.getvalue()
