"""`bash run.sh doctor PATH`: what it prints, its JSON and its exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import broken_sets
import pytest

from challenge.commands.doctor import main


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return broken_sets.healthy(tmp_path_factory.mktemp("sound") / "set")


@pytest.fixture()
def root(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "set"))


TEN = (
    *(broken_sets.ABOUT_FILES[0], broken_sets.ABOUT_FILES[6], broken_sets.ABOUT_FILES[9]),
    broken_sets.Fault(
        "cut", lambda root: broken_sets.cut_file(0.5)(root / "val/blur/camera_pan_00012.png"),
        *("damaged", "val/blur/camera_pan_00012.png"),
    ),
    broken_sets.Fault(
        "cut", lambda root: broken_sets.cut_file(0.5)(root / "val/event/camera_pan_00000_03.npz"),
        *("damaged", "val/event/camera_pan_00000_03.npz"),
    ),
    *(each for each in broken_sets.ABOUT_EVENTS if each.name in ("keys of another name", )),
    broken_sets.Fault(
        "off the sensor",
        lambda root: broken_sets.change(
            root / "train/event/astronaut_pan_00000_02.npz",
            broken_sets.setting("y", 5, broken_sets.WIDTH),
        ),
        *("off sensor", "astronaut_pan_00000_02"),
    ),
    broken_sets.Fault(
        "polarity",
        lambda root: broken_sets.change(
            root / "train/event/astronaut_pan_00000_03.npz",
            broken_sets.setting("polarity", 5, 7),
        ),
        *("polarity", "astronaut_pan_00000_03"),
    ),
    broken_sets.Fault(
        "a slice is missing", broken_sets.remove("test/event/rocket_pan_00012_05.npz"),
        *("slices", "test/event/rocket_pan_00012"),
    ),
    broken_sets.Fault(
        "splits mixed",
        broken_sets.copy("train/blur/astronaut_pan_00024.png", "val/blur/camera_pan_00024.png"),
        *("splits mixed", "val/blur/camera_pan_00024.png"),
    ),
)  # fmt: skip


def test_ten_faults_at_once_are_all_listed(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for fault in TEN:
        fault.harm(root)
    assert main([str(root), "--json", str(tmp_path / "x.json"), "--workers", "2"]) == 1
    printed = capsys.readouterr().out
    report = json.loads((tmp_path / "x.json").read_text())
    for fault in TEN:
        found = [
            each
            for each in report["findings"]
            if each["kind"] == fault.kind and fault.file in each["file"]
        ]
        assert found, fault.name
        assert found[0]["level"] == fault.level
        assert found[0]["file"].split(" (")[0] in "".join(printed.split())
    assert report["verdict"] == "errors" and report["errors"] >= 8 and report["warnings"] >= 2
    assert "not sound: " in printed.splitlines()[-1]


def test_the_number_of_workers_changes_nothing(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for fault in TEN:
        fault.harm(root)
    reports = []
    for workers in ("1", "3"):
        assert main([str(root), "--json", "-", "--workers", workers]) == 1
        reports.append(capsys.readouterr().out)
    assert reports[0] == reports[1]
    assert json.loads(reports[0])["splits"]["test"]["frames"] == 3


def test_a_sound_set(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(root)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("highrev_raw: train 3 frames, val 3 frames, test 3 frames, ")
    assert "aligned: events follow the images in 3 sequences" in printed
    assert printed.splitlines()[-1] == f"{root}: nothing wrong was found in 9 frames"


def test_warnings_alone_leave_the_exit_code(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "train" / "blur" / "notes [draft].txt").touch()
    assert main([str(root)]) == 0
    printed = capsys.readouterr().out
    assert "train/blur/notes [draft].txt" in printed
    assert printed.splitlines()[-1].endswith("can be used (exit code 0), but has 1 warning")


@pytest.mark.parametrize(
    "below, splits",
    [
        ("", ("train", "val", "test")),
        ("..", ("train", "val", "test")),
        ("val", ("val",)),
        ("train/blur", ("train",)),
        ("train/event", ("train",)),
    ],
)
def test_the_wrong_level_is_understood(
    root: Path, below: str, splits: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(root / below), "--json", "-"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert tuple(report["splits"]) == splits
    assert report["path"] == str(root)


@pytest.mark.parametrize(
    "place, said",
    [
        ("nowhere", "no such folder; expected {train,val,test}/{blur,event}/"),
        ("train/blur/astronaut_pan_00000.png", "found a file"),
        ("empty", "no data set that the doctor knows"),
    ],
)
def test_what_is_no_data_set(
    root: Path, place: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "empty").mkdir()
    assert main([str(root / place)]) == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--format", "gopro"], ["--workers", "0"]])
def test_options_that_cannot_be(
    root: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(root), *options]) in (1, 2)
    assert f"error: {options[0]} {options[1]}: expected" in capsys.readouterr().err


def test_stored_grids_alone_need_their_frames(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grids = broken_sets.with_grids(root)
    assert main([str(grids)]) == 1
    assert f"--voxel-root {grids}" in capsys.readouterr().err
    assert main([str(root), "--voxel-root", str(grids), "--format", "highrev_voxel"]) == 0
