"""Reference rows: made where that is cheap or asked for, kept, and never in the way."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from baselines import predict, references
from challenge.commands import submit
from challenge.images import read_png, write_png
from challenge.runs import load_record, save_record
from challenge.scoring import references as rows
from challenge.scoring.results import load_scores

Score = Callable[..., int]


@pytest.fixture(autouse=True)
def nothing_of_the_kits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIT_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture()
def submissions(tmp_path: Path) -> Path:
    return tmp_path / "submissions"


@pytest.fixture()
def score(submissions: Path) -> Score:
    return lambda *arguments: references.main(list(arguments), submissions)


def predict_all(submissions: Path, root: Path, baseline: str, *options: str) -> None:
    arguments = ["--baseline", baseline, "--data", str(root), *options]
    assert predict.main(arguments, submissions, submissions.parent / "runs") == 0


def state(folder: Path) -> dict[str, bytes]:
    """Name -> bytes of the PNGs and the record."""
    files = [*folder.glob("*.png"), folder / "run.json"]
    return {path.name: path.read_bytes() for path in files}


def test_a_run_of_a_baseline_stays_the_users_and_is_packed(
    score: Score, highrev: Path, submissions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predict_all(submissions, highrev, "edi")
    val = submissions / "HighREV" / "val"
    before = state(val / "edi")
    assert score() == 0 and score("--references") == 0
    assert "gain over blurry" in capsys.readouterr().out
    assert state(val / "edi") == before
    assert sorted(path.name for path in val.iterdir()) == ["blurry", "edi"]
    assert submit.main([], submissions) == 0
    assert sorted(path.parent.name for path in submissions.rglob("*.zip")) == ["test", "val"]


def test_blurry_is_scored_from_the_inputs_and_reads_as_if_predicted(
    score: Score, highrev: Path, submissions: Path
) -> None:
    predict_all(submissions, highrev, "blurry", "--name", "copied", "--split", "val")
    assert score() == 0
    val = submissions / "HighREV" / "val"
    copied, row = load_scores(val / "copied"), load_scores(val / "blurry")
    assert copied is not None and row is not None
    assert (row.means, row.sequences) == (copied.means, copied.sequences)
    assert load_record(val / "blurry").reference
    assert not list((val / "blurry").glob("*.png"))
    times = {path: path.stat().st_mtime_ns for path in val.glob("*/*.json")}
    assert score("--all") == 0  # kept
    assert {path: path.stat().st_mtime_ns for path in val.glob("*/*.json")} == times


def test_edi_is_made_where_it_is_cheap_or_asked_for(
    score: Score,
    highrev: Path,
    submissions: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    predict_all(submissions, highrev, "blurry", "--name", "mine", "--split", "val")
    val = submissions / "HighREV" / "val"
    assert score("--no-references") == 0
    assert [path.name for path in val.iterdir()] == ["mine"]
    monkeypatch.setattr(rows, "CHEAP_PIXELS", 2 * 56 * 40 - 1)
    capsys.readouterr()
    assert score() == 0
    output = capsys.readouterr().out
    assert "no reference row edi: predicting 2 frames of 56x40" in output
    assert "bash run.sh score --references makes it" in output
    assert not (val / "edi").exists() and (val / "blurry" / "scores.json").exists()
    assert score("--references") == 0
    assert load_record(val / "edi").reference and load_scores(val / "edi") is not None
    shutil.rmtree(val / "edi")
    monkeypatch.setattr(rows, "CHEAP_PIXELS", 2 * 56 * 40)
    capsys.readouterr()
    assert score() == 0
    assert load_scores(val / "edi") is not None and "note:" not in capsys.readouterr().out


def test_a_run_of_the_users_called_edi_is_left_alone(
    score: Score, highrev: Path, submissions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("edi", "mine"):
        predict_all(submissions, highrev, "blurry", "--name", name, "--split", "val")
    folder = submissions / "HighREV" / "val" / "edi"
    before = state(folder)
    assert score(str(folder.with_name("mine")), "--references") == 0
    assert "no reference row edi" in capsys.readouterr().err
    assert state(folder) == before and not load_record(folder).reference


@pytest.fixture()
def other(highrev: Path, tmp_path: Path) -> Path:
    """Another root of the same folder name: the same frames' names, each 9 levels darker."""
    root = tmp_path / "elsewhere" / "HighREV"
    shutil.copytree(highrev, root)
    for path in [*root.glob("*/blur/*.png"), *root.glob("*/sharp/*.png")]:
        write_png(path, np.maximum(read_png(path), 9) - 9)
    return root


def test_two_roots_of_one_name_never_share_a_folder(
    score: Score,
    highrev: Path,
    other: Path,
    submissions: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    predict_all(submissions, highrev, "blurry", "--name", "mine")
    before = state(submissions / "HighREV" / "val" / "mine")
    assert score() == 0
    capsys.readouterr()
    predict_all(submissions, other, "blurry", "--name", "mine")
    output = capsys.readouterr().out
    assert "holds runs made from other frames" in output and "HighREV-2" in output
    assert state(submissions / "HighREV" / "val" / "mine") == before
    second = submissions / "HighREV-2"
    assert sorted(path.parent.name for path in second.glob("*/mine")) == ["test", "val"]
    record = load_record(second / "val" / "mine")
    assert (record.challenge, record.data_root) == ("HighREV-2", str(other))
    assert score() == 0
    lines = capsys.readouterr().out.splitlines()
    (gain,) = [line for line in lines if line.startswith("gain over blurry")]
    assert "0.000 / +0.0000" in gain and "1" not in gain and "9" not in gain  # over itself: nothing
    predict_all(submissions, other, "blurry", "--name", "again", "--split", "val")
    assert (second / "val" / "again").is_dir()


def test_a_copy_of_the_data_shares_the_folder(
    highrev: Path, tmp_path: Path, submissions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "elsewhere" / "HighREV"
    shutil.copytree(highrev, copy)
    for root, name in ((highrev, "one"), (copy, "two")):
        predict_all(submissions, root, "blurry", "--name", name, "--split", "val")
    assert [path.name for path in submissions.iterdir()] == ["HighREV"]
    assert "other frames" not in capsys.readouterr().out


def test_a_row_of_other_data_is_made_again(
    score: Score, highrev: Path, other: Path, submissions: Path
) -> None:
    """What an older kit left behind: rows of one root, a run of another, no hashes."""
    predict_all(submissions, highrev, "blurry", "--name", "mine", "--split", "val")
    assert score("--references") == 0
    val = submissions / "HighREV" / "val"
    for path in (val / "mine").glob("*.png"):
        shutil.copy(other / "val" / "blur" / path.name, path)
    record = load_record(val / "mine")
    record = dataclasses.replace(record, data_root=str(other), inputs_sha256=None)
    save_record(val / "mine", record)
    kept = load_record(val / "edi")
    assert score() == 0
    mine, blurry = load_scores(val / "mine"), load_scores(val / "blurry")
    assert mine is not None and blurry is not None and mine.means == blurry.means
    for name in ("blurry", "edi"):
        row = load_record(val / name)
        assert row.data_root == str(other) and row.inputs_sha256 != kept.inputs_sha256


def test_frames_that_changed_under_a_run_are_noticed(
    score: Score,
    highrev: Path,
    other: Path,
    submissions: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    predict_all(submissions, highrev, "blurry", "--name", "mine", "--split", "val")
    folder = str(submissions / "HighREV" / "val" / "mine")
    shutil.rmtree(highrev / "val")
    shutil.copytree(other / "val", highrev / "val")
    assert score(folder) == 1
    assert "was made from other frames than those that lie in" in capsys.readouterr().err
    assert score(folder, "--data", str(highrev)) == 0  # said so: a warning remains
    assert "warning: " in capsys.readouterr().err
