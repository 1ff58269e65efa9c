"""`python challenge/make_submission.py`: every fault named, or a zip."""

from __future__ import annotations

import dataclasses
import functools
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from challenge.commands import submit as submit_verb
from challenge.runs import RunRecord, load_record, save_record

Main = Callable[[list[str]], int]
Parse = Callable[[str], tuple[float, int, int, str]]
FRAMES = ("logo_a_00012", "logo_a_00024", "zigzag_00012")
NAMES = [f"{frame}.png" for frame in FRAMES]
WIDTH, HEIGHT = 8, 6


def png(width: int = WIDTH, height: int = HEIGHT, channels: int = 3) -> bytes:
    """A black PNG."""
    return bytes(cv2.imencode(".png", np.zeros((height, width, channels), np.uint8))[1])


@pytest.fixture
def submissions(tmp_path: Path) -> Path:
    return tmp_path / "submissions"


@pytest.fixture
def main(submissions: Path) -> Main:
    """The command line, its runs in a folder of the test's own."""
    return functools.partial(submit_verb.main, submissions=submissions)


def test_without_an_argument_the_latest_run_is_packed(
    main: Main,
    server_parse: Parse,
    folder: Path,
    submissions: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, created, reference in (("older", "2025-01-01", False), ("edi", "2026-09-09", True)):
        other = folder.parent / name
        other.mkdir()
        save_record(other, RunRecord(name, created=created, reference=reference))
    assert main([]) == 0
    output = capsys.readouterr().out
    assert str(folder.with_name("mine.zip")) in output
    assert "development phase" in output and "SHA-256" in output and "next:" in output
    assert not (folder.parent / "older.zip").exists() and not (folder.parent / "edi.zip").exists()
    with zipfile.ZipFile(folder.with_name("mine.zip")) as archive:
        readme = archive.read("readme.txt").decode()
    assert server_parse(readme) == (0.3125, 1, 0, "two: lines of text")


def test_both_splits_of_the_latest_run_or_none(
    main: Main, folder: Path, data: Path, submissions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "val").rename(data / "test")
    test_folder = submissions / "mini" / "test" / "mine"
    test_folder.parent.mkdir()
    folder.rename(test_folder)
    record = json.loads((test_folder / "run.json").read_text())
    (data / "val" / "blur").mkdir(parents=True)
    (data / "val" / "blur" / NAMES[0]).write_bytes(png())
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps(record | {"split": "val"}))
    (test_folder / "run.json").write_text(json.dumps(record | {"split": "test"}))
    assert main([]) == 1  # val holds nothing yet
    assert "nothing was written" in capsys.readouterr().err
    assert list(submissions.rglob("*.zip")) == []
    (folder / NAMES[0]).write_bytes(png())
    assert main([]) == 0
    output = capsys.readouterr().out
    assert "development phase" in output and "final (test) phase" in output
    assert len(list(submissions.rglob("*.zip"))) == 2


def test_a_split_that_is_left_out_is_said(
    main: Main, folder: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([]) == 0
    assert "note: only" not in capsys.readouterr().err  # the data have no test
    (data / "test" / "blur").mkdir(parents=True)
    (data / "test" / "blur" / NAMES[0]).write_bytes(png())
    assert main([]) == 0
    error = capsys.readouterr().err
    assert "note: only val is packed" in error and "test/mine is not there" in error
    assert "put its PNGs there" in error  # it was not made by `predict`
    save_record(folder, dataclasses.replace(load_record(folder), baseline="edi"))
    assert main([]) == 0
    assert "bash run.sh predict --split test" in capsys.readouterr().err
    save_record(folder.parents[1] / "test" / "mine", RunRecord("mine", reference=True))
    assert main([]) == 0
    assert "test/mine is a reference row" in capsys.readouterr().err
    assert main([str(folder)]) == 0  # named: that one is meant
    assert "note: only" not in capsys.readouterr().err


def test_a_folder_of_pngs_is_packed_as_its_neighbours_are(
    main: Main, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = folder.with_name("theirs")
    shutil.copytree(folder, theirs)
    (theirs / "run.json").unlink()
    assert main([str(theirs), "--runtime", "1", "--device", "cpu"]) == 0
    captured = capsys.readouterr()
    assert "3 PNGs and readme.txt" in captured.out and "development phase" in captured.out
    assert "no run.json; by its place it is of mini/val" in captured.err
    (theirs / NAMES[0]).unlink()
    assert main([str(theirs), "--runtime", "1", "--device", "cpu"]) == 1
    assert f"{NAMES[0]}: expected a prediction, found none" in capsys.readouterr().err


def test_options_stand_above_the_record(
    main: Main, server_parse: Parse, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.zip"
    options = ["--runtime", "2.5", "--device", "NVIDIA H100", "--extra-data", "--description", "z"]
    assert main([str(folder), "--out", str(out), *options]) == 0
    with zipfile.ZipFile(out) as archive:
        assert server_parse(archive.read("readme.txt").decode()) == (2.5, 0, 1, "z")


def test_a_language_model_is_told_where_the_template_asks(
    main: Main, folder: Path, tmp_path: Path
) -> None:
    rules = tmp_path / "llm.yml"
    rules.write_text('readme: "runtime : {runtime}\\nLLM : {llm}\\n"\n')
    for options, told in (([], "0"), (["--llm"], "1")):
        out = tmp_path / f"{told}.zip"
        assert main([str(folder), "--out", str(out), "--rules", str(rules), *options]) == 0
        with zipfile.ZipFile(out) as archive:
            assert archive.read("readme.txt").decode() == f"runtime : 0.3125\nLLM : {told}\n"


def test_a_run_json_by_hand_is_told_what_it_lacks(
    main: Main, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "run.json").write_text('{"name": "mine", "rules": "own"}')
    assert main([str(folder)]) == 1
    error = capsys.readouterr().err
    assert "--runtime" in error and "--device" in error and "names were not compared" in error


def test_wrong_types_in_a_run_json_by_hand_are_findings(
    main: Main, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = json.loads((folder / "run.json").read_text())
    wrong = {"extra_data": "yes", "device": 0, "runtime_per_image_s": "fast", "description": None}
    (folder / "run.json").write_text(json.dumps(record | wrong))
    assert main([str(folder)]) == 1
    error = capsys.readouterr().err
    for words in ("extra_data: 'yes'", "device: 0", "'fast'"):
        assert words in error
    assert "description:" not in error


def test_a_folder_without_run_json_is_checked_all_the_same(
    main: Main, folder: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "run.json").unlink()
    (folder / NAMES[0]).unlink()
    assert main([str(folder), "--data", str(data)]) == 1
    error = capsys.readouterr().err
    assert "run.json" in error and f"{NAMES[0]}: expected a prediction" in error


def test_a_reference_row_is_never_submitted(
    main: Main, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_record(folder, RunRecord("edi", baseline="edi", reference=True))
    assert main([str(folder)]) == 1
    error = capsys.readouterr().err
    assert "reference row" in error and "bash run.sh predict --baseline edi" in error


@pytest.mark.parametrize("missing", ["nowhere", "submissions/mini/val/mine/run.json"])
def test_what_is_no_folder(
    main: Main, folder: Path, tmp_path: Path, missing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / missing)]) == 1
    assert "expected a folder of predictions" in capsys.readouterr().err


def test_faults_leave_the_old_zip_alone(main: Main, folder: Path) -> None:
    assert main([str(folder)]) == 0
    before = folder.with_name("mine.zip").read_bytes()
    (folder / NAMES[0]).write_bytes(png(channels=4))
    assert main([str(folder)]) == 1
    assert folder.with_name("mine.zip").read_bytes() == before


def test_the_zip_cannot_go_into_its_own_folder(
    main: Main, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(folder), "--out", str(folder / "x.zip")]) == 1
    assert "outside the folder" in capsys.readouterr().err
