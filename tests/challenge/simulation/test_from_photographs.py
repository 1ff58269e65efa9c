"""`bash run.sh data --photographs`: the same bytes whoever makes them, however often killed."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from challenge import REPOSITORY
from challenge.commands.data import main
from challenge.datasets import open_split
from challenge.datasets.layout import rules_named
from challenge.images import read_png
from challenge.simulation.from_photographs import WideRequest, plan
from challenge.simulation.gallery import Photograph
from challenge.simulation.wide import Size
from challenge.simulation.world import load_world

QUICK = ["--set", "exposure_ms=[2,40]", "--set", "path_px=[0.5,10]", "--set", "frames=[7,9]"]
SIZES = ["--width", "48", "--height", "32", "--sequences", "7"]
Make = Callable[..., int]


def write_photographs(folder: Path, number: int = 4) -> Path:
    """Smooth pictures, no two the same, in two folders."""
    y, x = np.mgrid[0:140, 0:180]
    for i in range(number):
        waves = np.stack([np.sin(x / (7 + i) + y / (9 + c)) for c in range(3)], axis=2)
        path = folder / ("", "holiday")[i % 2] / f"photo {i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.round(127 + 120 * waves).astype(np.uint8))
    return folder


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_photographs(tmp_path_factory.mktemp("photographs"))
    (folder / "cut.png").write_bytes((folder / "photo 0.png").read_bytes()[:999])
    shutil.copy(folder / "photo 0.png", folder / "zz copy.png")
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, photographs: Path) -> Path:
    root = tmp_path_factory.mktemp("data") / "wide"
    assert main([*arguments(photographs, root), "--workers", "1"]) == 0
    return root


def arguments(photographs: Path, root: Path) -> list[str]:
    return ["--photographs", str(photographs), "--out", str(root), *SIZES, *QUICK]


def bytes_of(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def manifest_of(root: Path) -> dict:
    return json.loads((root / "dataset.json").read_text(encoding="utf-8"))


# What is made


def test_the_folder_is_an_ordinary_data_set(whole: Path) -> None:
    for split, number in (("train", 6), ("val", 1)):
        data = open_split(whole, split)
        assert len(data) == number and data.has_sharp
        for i in range(number):
            sample = data[i]
            assert sample.blurry.shape == (32, 48, 3)
            assert len(list((whole / split / "event").glob(f"{sample.frame}_*.npz"))) == 11
    assert rules_named(whole) == "own"
    assert {path.name for path in whole.parent.iterdir()} == {"wide"}  # nothing is left over


def test_the_manifest_and_the_table_say_what_was_made(whole: Path, photographs: Path) -> None:
    manifest = manifest_of(whole)
    assert manifest["request"]["seed"] == 0
    assert manifest["request"]["world"]["exposure_ms"] == [2.0, 40.0]
    assert manifest["request"]["world"]["contrast"] == load_world().contrast
    assert [each["name"] for each in manifest["skipped"]] == ["cut.png"]
    names = {each["name"]: each["split"] for each in manifest["photographs"]}
    photos = ["holiday/photo 1.png", "holiday/photo 3.png", "photo 0.png", "photo 2.png"]
    assert list(names) == [*photos, "zz copy.png"]
    assert names["photo 0.png"] == names["zz copy.png"]
    assert sorted(set(names.values())) == ["train", "val"]
    with open(whole / "sequences.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 7 and len({row["name"] for row in rows}) == 7
    for row in rows:
        assert row["split"] == names[row["photograph"]]
        assert read_png(whole / row["split"] / "blur" / f"{row['name']}_00000.png").any()
        assert 2_000 <= int(row["exposure_us"]) <= 40_000


def test_no_photograph_is_in_two_splits_and_each_is_used_in_turn() -> None:
    photographs = [Photograph(f"{i}.jpg", 9, f"{i * 7 % 50:02d}", 200, 200) for i in range(50)]
    twin = Photograph("twin.jpg", 9, "03", 200, 200)
    for total in (None, 7, 50, 1000):
        shots = plan([*photographs, twin], WideRequest(Size(0, 64, 48, 1), total, load_world()))
        assert len(shots) == (total or 50)
        assert len({(shot.split, shot.number) for shot in shots}) == len(shots)
        used = {
            split: [shot.photograph.sha256 for shot in shots if shot.split == split]
            for split in ("train", "val")
        }
        assert not set(used["train"]) & set(used["val"])
        assert len(used["val"]) == max(round(0.1 * len(shots)), 1)
        counts = [used["train"].count(each) for each in set(used["train"])]
        assert max(counts) - min(counts) <= 1
        if total in (None, 1000):
            assert (len(set(used["train"])), len(set(used["val"]))) == (45, 5)


@pytest.mark.parametrize("number, total, splits", [
    (1, None, {"train"}), (1, 5, {"train"}), (2, None, {"train", "val"}), (9, 1, {"train"}),
])  # fmt: skip
def test_few_photographs(number: int, total: int | None, splits: set[str]) -> None:
    photographs = [Photograph(f"{i}.jpg", 9, str(i), 200, 200) for i in range(number)]
    shots = plan(photographs, WideRequest(Size(0, 64, 48, 1), total, load_world()))
    assert {shot.split for shot in shots} == splits and len(shots) == (total or number)


# The same bytes


def test_any_number_of_workers_makes_the_same_bytes(
    whole: Path, photographs: Path, tmp_path: Path
) -> None:
    assert main([*arguments(photographs, tmp_path / "wide"), "--workers", "2"]) == 0
    assert bytes_of(tmp_path / "wide") == bytes_of(whole)


def test_a_killed_call_goes_on_and_makes_the_same_bytes(
    whole: Path, photographs: Path, tmp_path: Path
) -> None:
    root = tmp_path / "wide"
    made = tmp_path / "wide.parts" / "made"
    command = [sys.executable, "-m", "challenge.commands.data", *arguments(photographs, root)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(
        [*command, "--workers", "1"], env=environment, stderr=subprocess.DEVNULL
    ) as child:
        while child.poll() is None and not (made.is_dir() and len(list(made.iterdir())) > 1):
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL and not root.exists()
    assert 0 < len(list(made.glob("*.json"))) < 7
    complete = f"{next(made.glob('*.json')).stem}_*.npz"
    first = next((tmp_path / "wide.parts" / "data").rglob(complete))
    written = first.stat().st_mtime_ns
    assert main([*arguments(photographs, root), "--workers", "1"]) == 0
    assert bytes_of(root) == bytes_of(whole)
    kept = root / first.relative_to(tmp_path / "wide.parts" / "data")
    assert kept.stat().st_mtime_ns == written  # what was complete is not made again
    assert {path.name for path in tmp_path.iterdir()} == {"wide"}


def test_a_call_that_ends_while_it_puts_the_data_in_place_loses_nothing(
    whole: Path, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    call = [*arguments(photographs, tmp_path / "wide"), "--workers", "1"]
    with monkeypatch.context() as patched:
        patched.setattr("challenge.simulation.from_photographs.put_in_place", killed)
        assert main(call) == 130
    assert not (tmp_path / "wide").exists()
    (tmp_path / "wide.parts" / ".request.json.1@0.tmp.json").touch()  # of a process that is gone
    assert main(call) == 0
    assert bytes_of(tmp_path / "wide") == bytes_of(whole)


def test_a_photograph_that_goes_away_is_an_error_and_what_was_made_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_photographs(tmp_path / "photographs")
    call = [*arguments(folder, tmp_path / "wide"), "--workers", "1"]
    assert main([*call, "--part", "7/7"]) == 0
    (kept,) = (tmp_path / "wide.parts" / "made").glob("*.json")
    photograph = folder / "photo 0.png"
    content = photograph.read_bytes()
    photograph.write_bytes(content[:-1] + b"x")  # of the same size, and another picture
    assert main(call) == 1
    assert "photo 0.png: has changed since it was looked at" in capsys.readouterr().err
    assert kept.exists() and not (tmp_path / "wide").exists()
    photograph.write_bytes(content)
    assert main(call) == 0 and (tmp_path / "wide" / "dataset.json").exists()


def test_parts_of_several_machines_make_the_same_bytes(
    whole: Path, photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = [*arguments(photographs, tmp_path / "wide"), "--workers", "1"]
    assert main([*call, "--part", "2/2"]) == 0
    assert "other parts have to make 4" in capsys.readouterr().out
    assert not (tmp_path / "wide").exists()
    assert main([*call, "--part", "1/2"]) == 0
    assert bytes_of(tmp_path / "wide") == bytes_of(whole)


def test_made_once_then_left_alone_and_another_needs_force(
    whole: Path, photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "wide"
    shutil.copytree(whole, root)
    call = arguments(photographs, root)
    assert main(call) == 0 and "nothing to do" in capsys.readouterr().out
    assert main([*call, "--seed", "1"]) == 1
    message = capsys.readouterr().err
    assert "--force" in message and "seed: 0 there, 1 asked for" in message
    assert bytes_of(root) == bytes_of(whole)
    (root / "train" / "notes.txt").touch()
    assert main([*call, "--seed", "1", "--force"]) == 1
    assert "train/notes.txt" in capsys.readouterr().err
    (root / "train" / "notes.txt").unlink()
    assert main([*call, "--seed", "1", "--force", "--workers", "1"]) == 0
    assert manifest_of(root)["request"]["seed"] == 1
    assert manifest_of(root)["sha256"] != manifest_of(whole)["sha256"]


def test_the_beginning_of_another_data_set_is_not_mixed_in(
    photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = [*arguments(photographs, tmp_path / "wide"), "--workers", "1"]
    assert main([*call, "--part", "1/7"]) == 0
    assert main([*call, "--seed", "9"]) == 1
    message = capsys.readouterr().err
    assert "beginning of another data set" in message and "seed: 0 there, 9" in message
    fewer = write_photographs(tmp_path / "others", 3)
    assert main(["--photographs", str(fewer), *call[2:]]) == 1
    assert "the photographs: others are in the folder" in capsys.readouterr().err


# What cannot be


def test_a_folder_with_nothing_to_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "photographs").mkdir()
    call = arguments(tmp_path / "photographs", tmp_path / "wide")
    assert main(call) == 1 and "holds no photographs" in capsys.readouterr().err
    (tmp_path / "photographs" / "a.jpg").touch()
    assert main(call) == 1
    message = capsys.readouterr().err
    assert "none of its photographs can be used" in message and "a.jpg: empty" in message
    assert {path.name for path in tmp_path.iterdir()} == {"photographs"}


def test_somebody_elses_folder_is_left_alone(
    photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "wide" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("mine", encoding="utf-8")
    assert main([*arguments(photographs, tmp_path / "wide"), "--force"]) == 1
    assert "not made by" in capsys.readouterr().err
    assert mine.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("more, says", [
    (["--real"], "--real"), (["--train-only"], "val_share=0"), (["--world", "x"], "no such"),
    (["--set", "contrast=1"], "contrast"), (["--width", "9"], "--width 9"),
    (["--part", "1/2", "--force"], "--part and --force"), (["--part", "3/2"], "expected I/N"),
])  # fmt: skip
def test_options_that_do_not_fit(
    photographs: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    says: str,
) -> None:
    assert main([*arguments(photographs, tmp_path / "wide"), *more]) == 1
    assert says in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_world_goes_with_photographs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--set", "grey=0"]) == 1
    assert "go with --photographs" in capsys.readouterr().err
