"""Harder compression: the same pixels in fewer bytes, in order, and nothing changed behind it."""

from __future__ import annotations

import hashlib
import io
import tracemalloc
import zipfile
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from challenge.errors import SubmissionError
from challenge.images import read_png, write_png
from challenge.rules import Rules
from challenge.submission import Readme, write_submission
from challenge.submission.recompress import LEVELS, recompressed, same_pixels, smaller_png
from challenge.submission.write import zip_size

TEMPLATE, README = Rules().readme, Readme(0.5, 1, 0)


def picture(seed: int, height: int = 96, width: int = 128) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 255, (height // 16, width // 16, 3))
    smooth = cv2.resize(coarse.astype(np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(9):
        write_png(tmp_path / "mine" / f"a_{number:05d}.png", picture(number))
    return tmp_path / "mine"


@pytest.mark.parametrize("level", LEVELS)
def test_fewer_bytes_same_pixels(folder: Path, level: int) -> None:
    path = folder / "a_00000.png"
    before = path.read_bytes()
    packed = smaller_png(path, level)
    assert len(packed) < 0.95 * len(before)
    with Image.open(io.BytesIO(packed)) as image:  # another decoder than the one that compared
        assert image.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(image), picture(0))
    assert path.read_bytes() == before


def test_a_file_that_cannot_get_smaller_stays_as_it_is(folder: Path) -> None:
    path = folder / "a_00000.png"
    path.write_bytes(smaller_png(path, 9))
    assert smaller_png(path, 9) == path.read_bytes()


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "I;16"])
def test_another_mode_is_not_touched(tmp_path: Path, mode: str) -> None:
    """Its fault has to stay visible."""
    Image.new(mode, (64, 64)).save(tmp_path / "a.png", compress_level=0)
    content = (tmp_path / "a.png").read_bytes()
    assert len(smaller_png(tmp_path / "a.png", 9)) <= len(content)
    if mode != "P":  # OpenCV resolves a palette; only PNGs that passed the check come here
        assert smaller_png(tmp_path / "a.png", 9) == content


def test_a_codec_that_changes_pixels_is_caught(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = cv2.imencode(".png", np.zeros((96, 128, 3), np.uint8))[1].tobytes()
    monkeypatch.setattr("challenge.submission.recompress.encode_png", lambda *_: wrong)
    with pytest.raises(RuntimeError, match="pixels changed"):
        smaller_png(folder / "a_00000.png", 6)


def test_order_and_bytes_do_not_depend_on_the_threads(folder: Path) -> None:
    paths = sorted(folder.iterdir())
    alone = list(recompressed(paths, 6, workers=1))
    assert alone == list(recompressed(paths, 6, workers=4)) == [smaller_png(p, 6) for p in paths]


def test_the_zip_of_smaller_pngs_holds_the_folders_pixels(folder: Path, tmp_path: Path) -> None:
    arguments = (TEMPLATE, README, partial(recompressed, level=6), same_pixels)
    first = write_submission(folder, tmp_path / "a.zip", *arguments)
    second = write_submission(folder, tmp_path / "b.zip", *arguments)
    assert first.sha256 == second.sha256
    assert first.size < 0.95 * zip_size(folder)
    with zipfile.ZipFile(first.path) as archive:
        for path in sorted(folder.iterdir()):
            (tmp_path / "out.png").write_bytes(archive.read(path.name))
            np.testing.assert_array_equal(read_png(tmp_path / "out.png"), read_png(path))


def test_other_pixels_in_the_zip_are_noticed(folder: Path, tmp_path: Path) -> None:
    def shuffled(paths: list[Path]) -> list[bytes]:
        return [path.read_bytes() for path in reversed(paths)]

    with pytest.raises(SubmissionError, match="its pixels differ") as caught:
        write_submission(
            folder, tmp_path / "zips" / "a.zip", TEMPLATE, README, shuffled, same_pixels
        )
    assert len(caught.value.problems) == 8  # the one in the middle stayed in its place
    assert list((tmp_path / "zips").iterdir()) == []


def test_the_size_of_the_zip_is_known_beforehand(folder: Path, tmp_path: Path) -> None:
    written = write_submission(folder, tmp_path / "a.zip", TEMPLATE, README)
    with zipfile.ZipFile(written.path) as archive:
        readme = archive.getinfo("readme.txt").file_size + 76 + 2 * len("readme.txt")
    assert zip_size(folder) == written.size - readme


def test_memory_does_not_grow_with_the_zip(tmp_path: Path) -> None:
    """24 MB in 1 MB files: held are the block that is copied and the list of names."""
    noise = np.random.default_rng(0).bytes(1 << 20)
    folder = tmp_path / "mine"
    folder.mkdir()
    for number in range(24):
        (folder / f"{number:05d}.png").write_bytes(hashlib.sha256(bytes([number])).digest() + noise)
    tracemalloc.start()
    write_submission(folder, tmp_path / "a.zip", TEMPLATE, README)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "a.zip").stat().st_size > 24 << 20
    assert peak < 8 << 20
