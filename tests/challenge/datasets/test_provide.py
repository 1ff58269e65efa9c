"""Frames in HDF5 files, written as PNGs for all who look at folders of PNGs."""

from __future__ import annotations

import json
import os
import shutil
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hdf5_recordings import BINS, write_monash, write_scer

from challenge.datasets import open_split, provide_frames
from challenge.datasets.hdf5 import close_files
from challenge.datasets.layout import blurry_folder, inputs_sha256, sharp_folder
from challenge.errors import DataError, DiskError
from challenge.files import list_pngs
from challenge.images import read_png, write_png


@pytest.mark.parametrize("kind", ["scer", "seven channels", "monash"])
def test_the_pngs_are_the_frames(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "test" / "a_b.h5"
    if kind == "monash":
        write_monash(path)
    else:
        write_scer(path, channels=BINS + (kind == "seven channels"))
    provide_frames(tmp_path, "test")
    data = open_split(tmp_path, "test", bins=BINS + (kind == "seven channels"))
    for folder, read in (
        (blurry_folder(tmp_path, "test"), data.read_blurry),
        (sharp_folder(tmp_path, "test"), data.read_sharp),
    ):
        assert [path.stem for path in list_pngs(folder)] == data.frames
        for png in list_pngs(folder):
            assert np.array_equal(read_png(png), read(png.stem))
    assert inputs_sha256(tmp_path, "test") is not None


def test_they_are_written_once_and_again_when_the_files_change(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_scer(tmp_path / "test" / "a.h5", sharp=False)
    provide_frames(tmp_path, "test")
    assert "2 frames are written there as PNGs, once" in capsys.readouterr().out
    assert not sharp_folder(tmp_path, "test").exists()
    first = inputs_sha256(tmp_path, "test")
    provide_frames(tmp_path, "test")
    assert capsys.readouterr().out == "" and inputs_sha256(tmp_path, "test") == first
    close_files()
    write_scer(tmp_path / "test" / "a.h5", frames=3, seed=5)
    provide_frames(tmp_path, "test")
    assert len(list_pngs(blurry_folder(tmp_path, "test"))) == 3
    assert len(list_pngs(sharp_folder(tmp_path, "test"))) == 3
    shutil.rmtree(sharp_folder(tmp_path, "test"))  # what somebody took away comes back
    provide_frames(tmp_path, "test")
    assert len(list_pngs(sharp_folder(tmp_path, "test"))) == 3


def test_other_formats_and_folders_of_others_are_left_as_they_are(
    highrev: Path, tmp_path: Path
) -> None:
    before = inputs_sha256(highrev, "val")
    for split in ("val", "train", "addition", None):
        provide_frames(highrev, split)
    assert inputs_sha256(highrev, "val") == before and not (highrev / "addition").exists()
    write_scer(tmp_path / "mine" / "test" / "a.h5")
    own = blurry_folder(tmp_path / "mine", "test") / "own.png"
    write_png(own, np.zeros((4, 4, 3), np.uint8))
    provide_frames(tmp_path / "mine", "test")
    assert list_pngs(own.parent) == [own] and not sharp_folder(tmp_path / "mine", "test").exists()


def test_a_damaged_frame_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    path = tmp_path / "test" / "a.h5"
    write_scer(path, frames=3)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - 9000])
    with pytest.raises(DataError, match="a.h5"):
        provide_frames(tmp_path, "test")
    assert [each.name for each in (tmp_path / "test").iterdir()] == ["a.h5"]


def test_a_folder_that_cannot_be_written_gets_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_scer(tmp_path / "test" / "a.h5")
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(DataError, match=r"mkdir -p MINE/test && ln -s .*test/\*.h5 MINE/test/"):
        provide_frames(tmp_path, "test")
    monkeypatch.undo()
    mine = tmp_path / "MINE" / "test"
    mine.mkdir(parents=True)
    (mine / "a.h5").symlink_to(tmp_path / "test" / "a.h5")
    provide_frames(tmp_path / "MINE", "test")
    assert len(list_pngs(blurry_folder(tmp_path / "MINE", "test"))) == 2
    assert [each.name for each in (tmp_path / "test").iterdir()] == ["a.h5"]


def test_too_small_a_disk_is_refused_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_scer(tmp_path / "test" / "a.h5")
    usage = SimpleNamespace(free=(64 << 20) + 26_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage)
    with pytest.raises(DiskError, match="its 2 frames as PNGs needs 0.0 MB"):
        provide_frames(tmp_path, "test")  # 2 x 2 x 40 x 56 x 3 = 26,880 bytes
    usage.free += 1_000
    provide_frames(tmp_path, "test")


def test_two_at_once_write_them_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_scer(tmp_path / "test" / "a.h5", sharp=False)
    threads = [threading.Thread(target=provide_frames, args=(tmp_path, "test")) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert capsys.readouterr().out.count("as PNGs, once") == 1
    mark = json.loads((blurry_folder(tmp_path, "test") / ".made_of.json").read_text())
    assert mark["files"][0][0] == "a.h5" and mark["sharp"] is False
