"""A PNG is whole only if all its pixels are there, whatever its checksums say."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from challenge.submission.png import inspect_png


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(packed: list[bytes], width: int = 5, height: int = 4, tail: bytes = bytes(3)) -> bytes:
    header = struct.pack(">IIBB", width, height, 8, 2) + tail
    body = b"".join(chunk(b"IDAT", each) for each in packed)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


def rows(width: int = 5, height: int = 4, filtering: int = 0) -> bytes:
    return (bytes([filtering]) + bytes(3 * width)) * height


def fault(content: bytes) -> str | None:
    return inspect_png(io.BytesIO(content)).fault


WHOLE = zlib.compress(rows())


@pytest.mark.parametrize("filtering", range(5))
def test_a_whole_one(filtering: int) -> None:
    assert fault(png([zlib.compress(rows(filtering=filtering))])) is None
    assert fault(png([WHOLE[:3], b"", WHOLE[3:]])) is None


@pytest.mark.parametrize(
    ("packed", "words"),
    [
        ([], "last pixels are missing"),
        ([zlib.compress(rows(height=3))], "last pixels are missing"),
        ([zlib.compress(rows()[:-1])], "last pixels are missing"),
        ([WHOLE[:-1]], "last pixels are missing"),
        ([zlib.compress(rows(height=5))], "more pixels"),
        ([zlib.compress(bytes(1 << 24))], "more pixels"),
        ([b"no zlib"], "cannot be unpacked"),
        ([WHOLE[:-4] + b"oops"], "cannot be unpacked"),
        ([zlib.compress(rows(filtering=5))], "unknown filter"),
    ],
)
def test_right_checksums_over_wrong_pixels(packed: list[bytes], words: str) -> None:
    assert words in str(fault(png(packed)))


@pytest.mark.parametrize("height", [1023, 1024, 1025, 2048, 3072])
def test_pixels_that_fill_the_blocks_exactly(height: int) -> None:
    """341 pixels make rows of 1024 bytes; pixels are unpacked by blocks of 1 MiB."""
    for level in (0, 1, 9):
        packed = zlib.compress(rows(341, height), level)
        assert fault(png([packed], 341, height)) is None
        assert fault(png([packed], 341, height + 1)) is not None


@pytest.mark.parametrize(
    ("width", "height"), [(0, 4), (1 << 31, 1 << 31), (1 << 14, (1 << 12) + 1)]
)
def test_sides_that_cannot_be(width: int, height: int) -> None:
    assert fault(png([WHOLE], width, height)) is not None


@pytest.mark.parametrize("tail", [b"\x01\x00\x00", b"\x00\x01\x00", b"\x00\x00\x02"])
def test_an_impossible_header(tail: bytes) -> None:
    assert fault(png([WHOLE], tail=tail)) == "a PNG with an impossible header"


@pytest.mark.parametrize("name", [b"ABCD", b"abcd", b"ab1D", b"\xff\xff\xff\xff", b"IHDR", b"PLTE"])
def test_a_chunk_that_decoders_refuse(name: bytes) -> None:
    content = png([WHOLE])
    assert "unexpected chunk" in str(fault(content[:33] + chunk(name, b"1234") + content[33:]))


def test_control_a_comment_is_no_fault() -> None:
    content = png([WHOLE])
    assert fault(content[:33] + chunk(b"tEXt", b"a\x00b") + content[33:]) is None


@pytest.mark.parametrize("size", [(1, 1), (3, 9), (8, 8), (33, 17)])
def test_what_encoders_write_is_whole(size: tuple[int, int]) -> None:
    width, height = size
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    for level in (0, 3, 9):
        encoded = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, level])[1].tobytes()
        assert fault(encoded) is None
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG", optimize=True)
    assert fault(stream.getvalue()) is None


def test_an_interlaced_one_is_counted_by_its_passes() -> None:
    """8x8 pixels in 7 passes: 1, 1, 2, 4, 8, 16 and 32 pixels in 1, 1, 1, 2, 2, 4 and 4 rows."""
    passes = [(1, 1), (1, 1), (1, 2), (2, 2), (2, 4), (4, 4), (4, 8)]
    pixels = b"".join((b"\x00" + bytes(3 * columns)) * lines for lines, columns in passes)
    assert len(pixels) == 3 * 64 + 15
    interlaced = b"\x00\x00\x01"
    assert fault(png([zlib.compress(pixels)], 8, 8, interlaced)) is None
    assert fault(png([zlib.compress(pixels[:-1])], 8, 8, interlaced)) is not None
