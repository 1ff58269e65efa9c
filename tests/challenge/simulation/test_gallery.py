"""Any folder of pictures: what can be used is found and becomes light, the rest is named."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest

from challenge.errors import ConfigError, DataError
from challenge.images import decode
from challenge.simulation.gallery import (
    Photograph,
    Skipped,
    as_light,
    list_files,
    look_at,
    read_light,
)


def scene(height: int, width: int) -> np.ndarray:
    """A smooth picture of all levels: (height, width, 3) uint8."""
    y, x = np.mgrid[0:height, 0:width]
    channels = [x / width, y / height, 0.5 + 0.5 * np.sin(x / 20)]
    return np.round(255 * np.stack(channels, axis=2)).astype(np.uint8)


def look(folder: Path) -> dict[str, Photograph | Skipped]:
    return {each.name: look_at(each, folder) for each in list_files(folder)}


def test_every_kind_of_picture_becomes_the_same_light(tmp_path: Path) -> None:
    levels = scene(160, 200)
    for name in ("a.png", "sub/b.jpg", "sub/deep/C.BMP", "d.tif", "e.webp", "f.jpeg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        quality = [cv2.IMWRITE_JPEG_QUALITY, 100] if name.endswith(("jpg", "jpeg")) else []
        ok, data = cv2.imencode(Path(name).suffix.lower(), levels[:, :, ::-1], quality)
        (tmp_path / name).write_bytes(data.tobytes())
    sixteen = levels[:, :, ::-1].astype(np.uint16) * 257
    cv2.imwrite(str(tmp_path / "g.tiff"), sixteen)
    cv2.imwrite(str(tmp_path / "h.tif"), as_light(levels)[:, :, :].astype(np.float32))
    found = look(tmp_path)
    assert list(found) == sorted(found) and len(found) == 8
    expected = as_light(levels[:, :, ::-1])
    for name, each in found.items():
        assert isinstance(each, Photograph) and (each.height, each.width) == (160, 200)
        light = read_light(each, tmp_path, 1.0)
        assert light.shape == (160, 200, 3) and light.dtype == np.float32
        assert np.abs(light - expected).mean() < 0.012, name


def test_grey_and_transparent_pictures() -> None:
    grey = np.full((4, 4), 188, np.uint8)
    assert as_light(grey) == pytest.approx(np.full((4, 4, 3), 0.5029), abs=1e-4)
    clear = np.zeros((4, 4, 4), np.uint8)
    clear[:2, :, :] = [10, 20, 30, 255]
    light = as_light(clear)
    assert light[0, 0] == pytest.approx(as_light(np.uint8([[[10, 20, 30]]]))[0, 0], abs=1e-6)
    assert light[3, 3] == pytest.approx([0.2140] * 3, abs=1e-4)  # half grey behind it
    bright = np.full((10, 10, 3), 4.0, np.float32)
    bright[0, 0] = [np.nan, np.inf, 1.0]
    assert as_light(bright)[5, 5] == pytest.approx([1, 1, 1])
    assert np.isfinite(as_light(bright)).all()


def test_what_cannot_be_used_is_named_with_its_reason(tmp_path: Path) -> None:
    levels = scene(160, 200)
    whole = cv2.imencode(".jpg", levels)[1].tobytes()
    png = cv2.imencode(".png", levels)[1].tobytes()
    files = {
        "cut.jpg": whole[: len(whole) // 2],
        "cut.png": png[: len(png) // 2],
        "empty.png": b"",
        "flat.png": cv2.imencode(".png", np.full((200, 200), 80, np.uint8))[1].tobytes(),
        "text.jpg": b"no picture at all",
        "tiny.png": cv2.imencode(".png", scene(100, 400))[1].tobytes(),
        "good.png": png,
        "notes.txt": b"not listed",
        ".hidden.png": png,
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    found = look(tmp_path)
    why = {name: each.reason for name, each in found.items() if isinstance(each, Skipped)}
    assert why == {
        "cut.jpg": "no picture that OpenCV reads, or cut off",
        "cut.png": "no picture that OpenCV reads, or cut off",
        "empty.png": "empty",
        "flat.png": "shows nothing: one tone all over",
        "text.jpg": "no picture that OpenCV reads, or cut off",
        "tiny.png": "400x100 pixels: expected 128 or more of each side",
    }
    assert isinstance(found["good.png"], Photograph) and len(found) == 7


def test_a_folder_without_photographs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        list_files(tmp_path / "absent")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ConfigError, match="holds no photographs"):
        list_files(tmp_path)


def test_a_large_jpeg_is_decoded_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To a fifth: by 4 while decoding, then by the rest; light is the mean of what was there."""
    levels = scene(800, 1200)
    cv2.imwrite(str(tmp_path / "large.jpg"), levels[:, :, ::-1])
    (found,) = look(tmp_path).values()
    assert isinstance(found, Photograph) and (found.height, found.width) == (800, 1200)
    asked = []

    def noted(content: bytes, reduced: int = 1) -> tuple[np.ndarray | None, list[str]]:
        asked.append(reduced)
        return decode(content, reduced)

    monkeypatch.setattr("challenge.simulation.gallery.decode", noted)
    small = read_light(found, tmp_path, 0.2)
    assert asked == [4] and small.shape == (160, 240, 3)
    exact = cv2.resize(as_light(levels[:, :, ::-1]), (240, 160), interpolation=cv2.INTER_AREA)
    assert np.abs(small - exact).mean() < 0.01


def test_a_photograph_that_changes_is_an_error(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), scene(160, 200))
    (found,) = look(tmp_path).values()
    assert isinstance(found, Photograph)
    with pytest.raises(DataError, match="has changed"):
        read_light(dataclasses.replace(found, sha256="0"), tmp_path, 1.0)
    (tmp_path / "a.png").unlink()
    with pytest.raises(DataError, match="cannot be read any more"):
        read_light(found, tmp_path, 1.0)
