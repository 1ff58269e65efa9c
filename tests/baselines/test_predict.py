"""Any baseline over any data: what is written, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from baselines import predict, references
from baselines.efnet import train
from baselines.plan import Plan
from challenge.datasets import DataSource, open_split
from challenge.images import png_size, read_png
from challenge.representations import voxel_grid
from challenge.runs import find_runs, load_record
from leaderboard import show

Main = Callable[[list[str]], int]


@pytest.fixture()
def submissions(tmp_path: Path) -> Path:
    return tmp_path / "submissions"


@pytest.fixture(autouse=True)
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture()
def main(submissions: Path, runs: Path) -> Main:
    """The command line, whose results land in folders of the test."""
    none = runs / "no-weights"  # what comes with the kit is tried in test_predict_shipped.py
    return lambda arguments: predict.main(arguments, submissions, runs, none)


def test_blurry_is_the_input_in_both_splits(main: Main, highrev: Path, submissions: Path) -> None:
    assert main(["--baseline", "blurry", "--data", str(highrev)]) == 0
    for split, frames in (
        ("val", ("park_00000", "park_00012")),
        ("test", ("zig_zag_00000", "zig_zag_00012")),
    ):
        folder = submissions / "HighREV" / split / "blurry"
        assert {path.name for path in folder.iterdir()} == {
            "run.json",
            *(f"{f}.png" for f in frames),
        }
        for frame in frames:
            expected = read_png(highrev / split / "blur" / f"{frame}.png")
            assert np.array_equal(read_png(folder / f"{frame}.png"), expected)
    record = load_record(folder)
    assert (record.split, record.frames, record.parameters) == ("test", 2, 0)
    assert record.data_root == str(highrev) and record.device == "cpu" and not record.reference
    assert record.runtime_per_image_s is not None and record.runtime_per_image_s >= 0
    assert record.created is not None and record.created.endswith("+00:00")


def test_the_newest_training_predicts_its_own_data(
    runs: Path, main: Main, highrev: Path, tmp_path: Path, submissions: Path
) -> None:
    settings = [
        "train.iterations=1",
        "train.crop=16",
        "train.batch=1",
        "network.wf=4",
        "data.bins=5",
    ]
    assert (
        train.main([f"data.root={highrev}", "data.rules=own", "name=first", *settings], runs) == 0
    )
    assert main([]) == 0
    record = load_record(submissions / "HighREV" / "val" / "first")
    assert record.baseline == "efnet" and record.parameters and record.parameters > 10_000
    assert record.checkpoint_sha256 is not None and len(record.checkpoint_sha256) == 64
    assert record.config["network"]["wf"] == 4
    # the same network wrote the validation images of the training
    written = read_png(submissions / "HighREV" / "val" / "first" / "park_00000.png")
    validated = read_png(tmp_path / "runs" / "first" / "val" / "park_00000.png")
    assert np.array_equal(written, validated)


def test_edi_on_a_recording_of_odd_size(main: Main, recordings: Path, submissions: Path) -> None:
    assert (
        main(["--baseline", "edi", "--data", str(recordings / "davis346_cups"), "--name", "mine"])
        == 0
    )
    folder = submissions / "davis346_cups" / "test" / "mine"
    assert len(list(folder.glob("*.png"))) == 30
    assert png_size(folder / "eslcups_00010.png") == (346, 260)
    assert "contrast threshold 0." in load_record(folder).description


def test_a_module_of_ones_own_is_a_baseline(
    main: Main, highrev: Path, tmp_path: Path, submissions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "negative").mkdir()
    (tmp_path / "negative" / "restorer.py").write_text(
        "class Negative:\n"
        "    parameters, device, description = 0, 'cpu', 'x'\n"
        "    def __call__(self, sample):\n"
        "        return 255 - sample.blurry\n"
        "def load(dataset, checkpoint, device):\n"
        "    return Negative()\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert (
        main(
            [
                "--baseline",
                "negative.restorer",
                "--data",
                str(highrev),
                "--split",
                "val",
                "--name",
                "n",
            ]
        )
        == 0
    )
    written = read_png(submissions / "HighREV" / "val" / "n" / "park_00000.png")
    assert np.array_equal(written, 255 - read_png(highrev / "val" / "blur" / "park_00000.png"))


def test_predictions_are_replaced_whole_or_not_at_all(
    main: Main, highrev: Path, submissions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--baseline", "blurry", "--data", str(highrev), "--split", "val"]
    assert main(arguments) == 0
    folder = submissions / "HighREV" / "val" / "blurry"
    (folder / "scores.json").write_text("{}")
    before = (folder / "run.json").read_bytes()
    damaged = highrev / "val" / "blur" / "park_00012.png"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-30])
    assert main(arguments) == 1
    assert "park_00012.png: the PNG is cut off" in capsys.readouterr().err
    assert (folder / "run.json").read_bytes() == before and (folder / "scores.json").exists()
    assert find_runs(submissions) == [folder]  # the frame that is kept is no run
    damaged.write_bytes(whole)
    assert main(arguments) == 0
    assert [path.name for path in folder.parent.iterdir()] == ["blurry"]
    assert not (folder / "scores.json").exists()  # they were those of the replaced images


def test_a_folder_made_elsewhere_is_never_replaced(
    main: Main, highrev: Path, submissions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = submissions / "HighREV" / "val" / "blurry"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"name": "blurry"}))
    assert main(["--baseline", "blurry", "--data", str(highrev), "--split", "val"]) == 1
    assert "choose another name with --name" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "nothing trained yet"),
        (["nobody"], "no best.pth there; trainings: none; shipped weights (--weights): none"),
        (["--weights", "small", "--data", "{data}"], "none come with the kit yet"),
        (["--baseline", "edo", "--data", "{data}"], "expected one of blurry, edi, efnet"),
        (["--baseline", "edi", "--data", "nowhere"], "no val/ and no test/"),
        (["--baseline", "edi", "--data", "{data}", "--split", "tset"], "tset: no such folder"),
        (
            ["--baseline", "edi", "--data", "{data}", "--split", "val", "--split", "tset"],
            "tset: no such folder",
        ),
        (["--baseline", "edi", "--data", "{data}", "--name", "../x"], "a plain folder name"),
        (["--baseline", "edi", "--data", "{data}", "--name", ""], "a plain folder name"),
        (["--baseline", "edi", "--data", "{data}", "--name", ".x"], "a plain folder name"),
        (["--checkpoint", "nothing.pth", "--data", "{data}"], "no such checkpoint"),
        (
            ["--baseline", "blurry", "--data", "{data}", "--rules", "hihgrev"],
            "no such configuration file",
        ),
    ],
)
def test_what_cannot_be_predicted_is_one_error(
    main: Main,
    highrev: Path,
    arguments: list[str],
    message: str,
    submissions: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([argument.format(data=highrev) for argument in arguments]) == 1
    text = capsys.readouterr().err
    assert message in text and "Traceback" not in text
    assert not list(submissions.rglob("*.png"))


def test_reference_rows_are_made_once_where_scores_are_possible(
    main: Main, highrev: Path, submissions: Path
) -> None:
    assert main(["--baseline", "edi", "--data", str(highrev), "--name", "mine"]) == 0
    assert references.main([], submissions) == 0
    assert sorted(path.name for path in (submissions / "HighREV" / "val").iterdir()) == [
        "blurry",
        "edi",
        "mine",
    ]
    assert [path.name for path in (submissions / "HighREV" / "test").iterdir()] == ["mine"]
    assert load_record(submissions / "HighREV" / "val" / "edi").reference
    times = [path.stat().st_mtime_ns for path in sorted(submissions.rglob("*.png"))]
    assert references.main([], submissions) == 0
    assert [path.stat().st_mtime_ns for path in sorted(submissions.rglob("*.png"))] == times


def test_reference_rows_and_pictures_follow_the_bins_of_stored_voxel_grids(
    highrev: Path, tmp_path: Path, submissions: Path
) -> None:
    raw = open_split(highrev, "val")
    folder = tmp_path / "voxels" / "val" / "voxel"
    folder.mkdir(parents=True)
    for index, frame in enumerate(raw.frames):
        events = raw[index].events
        assert events is not None
        grid = voxel_grid(events, 5, 40, 56)
        np.savez(folder / f"{frame}.npz", voxel=grid.transpose(1, 2, 0))
    source = DataSource(highrev, "highrev_voxel", tmp_path / "voxels", bins=5)
    made = predict.predict(Plan(source, "own", "mine", "blurry"), "val", submissions)
    assert load_record(made).bins == 5
    assert references.main([], submissions) == 0
    assert load_record(made.with_name("edi")).bins == 5
    assert show.main(["--folder", str(made)]) == 0


def test_rules_can_be_chosen_for_the_newest_training(
    runs: Path, main: Main, highrev: Path, tmp_path: Path, submissions: Path
) -> None:
    settings = ["train.iterations=1", "train.crop=16", "train.batch=1", "network.wf=4"]
    assert train.main([f"data.root={highrev}", "data.rules=own", "name=t", *settings], runs) == 0
    (tmp_path / "mine.yml").write_text("name: mine")
    assert main(["--rules", str(tmp_path / "mine.yml"), "--split", "val"]) == 0
    assert (submissions / "mine" / "val" / "t" / "run.json").exists()
