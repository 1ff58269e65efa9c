from __future__ import annotations

import os
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from challenge.errors import DataError
from challenge.images import decode, png_size, read_png, to_uint8, write_png

RGB = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3) * 2


def test_what_is_written_is_read_back_and_is_rgb(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", RGB)
    assert np.array_equal(read_png(tmp_path / "a.png"), RGB)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), RGB)  # an independent reader
    assert png_size(tmp_path / "a.png") == (7, 5)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_grey_image_has_three_equal_channels(tmp_path: Path) -> None:
    Image.fromarray(RGB[:, :, 0]).save(tmp_path / "grey.png")
    assert np.array_equal(read_png(tmp_path / "grey.png"), np.repeat(RGB[:, :, :1], 3, axis=2))


def damaged(path: Path, kind: str) -> None:
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "cut off":
        write_png(path, RGB)
        path.write_bytes(path.read_bytes()[:-30])
    elif kind == "something else":
        Image.fromarray(RGB).save(path, format="jpeg")
    elif kind == "found 16":
        cv2.imwrite(str(path), RGB.astype(np.uint16) * 257)
    elif kind == "without alpha":
        Image.fromarray(np.dstack([RGB, RGB[:, :, :1]])).save(path)
    elif kind == "damaged":
        write_png(path, RGB)
        data = bytearray(path.read_bytes())
        data[45:60] = bytes(15)
        path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    "kind",
    [
        "empty",
        "cut off",
        "something else",
        "found 16",
        "without alpha",
        "damaged",
        "cannot be read",
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "frame.png"
    damaged(path, kind)
    with pytest.raises(DataError, match="frame.png.*" + kind):
        read_png(path)


@pytest.mark.parametrize(
    "array", [RGB.astype(np.float32), RGB[:, :, 0], RGB[:, :, :2], np.zeros((0, 3, 3), np.uint8)]
)
def test_only_rgb_bytes_are_written(tmp_path: Path, array: np.ndarray) -> None:
    with pytest.raises(DataError, match="expected"):
        write_png(tmp_path / "a.png", array)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_png(tmp_path / "a.png", RGB)

    def disk_full(path: Path, data: bytes) -> int:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_bytes", disk_full)
    with pytest.raises(OSError):
        write_png(tmp_path / "a.png", 255 - RGB)
    assert np.array_equal(read_png(tmp_path / "a.png"), RGB)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "value, level",
    [(-1.0, 0), (0.0, 0), (0.5 / 255, 1), (1.4 / 255, 1), (1.6 / 255, 2), (1.0, 255), (9.0, 255)],
)
def test_rounding(value: float, level: int) -> None:
    assert to_uint8(np.full((1, 1, 3), value)).tolist() == [[[level] * 3]]


def test_nan_is_refused() -> None:
    with pytest.raises(DataError, match="NaN"):
        to_uint8(np.array([np.nan]))


# --- what libpng says stays off the terminal ------------------------------------------------------


def with_chunk(path: Path, name: bytes, data: bytes) -> Path:
    """Put a chunk behind the header of a PNG."""
    write_png(path, RGB)
    content = path.read_bytes()
    length, checksum = struct.pack(">I", len(data)), struct.pack(">I", zlib.crc32(name + data))
    path.write_bytes(content[:33] + length + name + data + checksum + content[33:])
    return path


@pytest.fixture
def noisy(tmp_path: Path) -> Path:
    """A PNG with a colour profile that libpng complains of."""
    return with_chunk(tmp_path / "noisy.png", b"iCCP", b"x\0\0" + zlib.compress(b"bad"))


def test_control_libpng_complains(noisy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    cv2.imdecode(np.frombuffer(noisy.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    assert "iCCP" in capfd.readouterr().err


def test_a_complaint_is_not_seen_and_the_pixels_are(
    noisy: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert np.array_equal(read_png(noisy), RGB)
    assert any("iCCP" in word for word in decode(noisy.read_bytes())[1])
    damaged(noisy, "damaged")
    with pytest.raises(DataError, match="damaged"):
        read_png(noisy)
    assert capfd.readouterr().err == ""
    assert decode(noisy.read_bytes())[0] is None


def test_what_others_write_meanwhile_is_passed_on(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def busy(*_: object) -> None:
        os.write(2, b"\r 50 %|libpng warning: x\nlibpng error: y\nok\n")

    monkeypatch.setattr(cv2, "imdecode", busy)
    assert decode(b"") == (None, ["libpng error: y"])
    assert capfd.readouterr().err == "\r 50 %|libpng warning: x\nok\n"


def test_many_threads_leave_the_terminal_as_it_was(
    noisy: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before, content = os.fstat(2), noisy.read_bytes()
    with ThreadPoolExecutor(8) as pool:
        decoded = list(pool.map(decode, [content] * 200))
    assert all(image is not None and any("iCCP" in w for w in words) for image, words in decoded)
    assert os.path.samestat(os.fstat(2), before)
    assert capfd.readouterr().err == ""


def test_without_a_terminal_it_decodes_all_the_same(
    noisy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(descriptor: int) -> int:
        raise OSError(9, "bad file descriptor")

    monkeypatch.setattr(os, "dup", closed)
    assert np.array_equal(read_png(noisy), RGB)
