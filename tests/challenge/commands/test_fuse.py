"""The mean of runs: what is averaged, how it is rounded, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from challenge.commands import check, fuse, score
from challenge.files import images_sha256
from challenge.images import read_png, write_png
from challenge.runs import RunRecord, find_runs, load_record, save_record

FRAMES = ("park_00000", "park_00012")


@pytest.fixture()
def submissions(highrev: Path, tmp_path: Path) -> Path:
    """Runs `a` and `b` of val, `a` of test; `b` is the input, `a` one level darker or brighter."""
    root = tmp_path / "submissions"
    for split, name in (("val", "a"), ("val", "b"), ("test", "a")):
        folder = root / "own" / split / name
        for path in (highrev / split / "blur").glob("*.png"):
            image = read_png(path)
            write_png(folder / path.name, image ^ 1 if name == "a" else image)
        place = {"data_root": str(highrev), "split": split, "rules": "own"}
        times = {"runtime_per_image_s": 0.5, "device": "cpu", "parameters": 10}
        made = {"created": "2026-01-01", "extra_data": name == "b"}
        save_record(
            folder, RunRecord(name, "efnet", description=f"d{name}", **place, **times, **made)
        )
    return root


def test_means_are_rounded_to_the_nearest_level() -> None:
    levels = [np.full((2, 3, 3), level, np.uint8) for level in (0, 0, 1, 254, 255, 255)]
    for chosen, expected in (((0, 2), 1), ((0, 1, 2), 0), ((3, 4, 5), 255), ((4, 5), 255)):
        result = fuse.mean([levels[each] for each in chosen])  # 0.5, 1/3, 254.67, 255
        assert result.dtype == np.uint8 and np.all(result == expected)


def test_every_split_that_has_all_runs_is_averaged(
    submissions: Path, highrev: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fuse.main(["a", "b", "--name", "both"], submissions) == 0
    folder = submissions / "own" / "val" / "both"
    assert f"wrote {folder} (2 PNGs, mean of 2 runs)" in capsys.readouterr().out
    assert [path.name for path in find_runs(submissions) if path.parent.name == "test"] == ["a"]
    for frame in FRAMES:  # of 2k and 2k + 1: 2k + 0.5, rounded up
        expected = read_png(highrev / "val" / "blur" / f"{frame}.png") | 1
        assert np.array_equal(read_png(folder / f"{frame}.png"), expected)
    record = load_record(folder)
    parts = [folder.with_name(name) for name in "ab"]
    assert record.parts == {str(part.resolve()): images_sha256(part) for part in parts}
    assert (record.baseline, record.runtime_per_image_s, record.parameters) == ("fuse", 1.0, 20)
    assert record.description == "mean of 2 runs (a: da; b: db)" and record.extra_data
    assert (record.device, record.split, record.frames) == ("cpu", "val", 2)


def test_a_mean_is_checked_and_scored_as_any_run(
    submissions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fuse.main(["a", "b", "--name", "both"], submissions) == 0
    folder = submissions / "own" / "val" / "both"
    assert check.main([str(folder), "--no-pixels"]) == 0
    assert score.main([str(folder), "--workers", "1"], submissions) == 0
    assert "own/val/both: 2 images" in capsys.readouterr().out


def test_folders_of_pngs_need_no_record(submissions: Path, tmp_path: Path) -> None:
    for name in ("x", "y"):
        for frame in FRAMES:
            write_png(tmp_path / name / f"{frame}.png", np.full((2, 2, 3), 7, np.uint8))
    assert fuse.main([str(tmp_path / "x"), str(tmp_path / "y"), "--name", "z"], submissions) == 0
    assert read_png(tmp_path / "z" / f"{FRAMES[0]}.png").tolist() == [[[7] * 3] * 2] * 2
    assert load_record(tmp_path / "z").runtime_per_image_s is None


def test_what_cannot_be_averaged_is_refused_and_nothing_is_written(
    submissions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    val = submissions / "own" / "val"

    def refused(*arguments: str) -> str:
        before = sorted(submissions.rglob("*"))
        capsys.readouterr()
        assert fuse.main([*arguments], submissions) == 1
        assert sorted(submissions.rglob("*")) == before
        return capsys.readouterr().err

    assert "expected two runs or more, found a" in refused("a", "--name", "m")
    assert "has all of a, nobody; runs: a, b" in refused("a", "nobody", "--name", "m")
    assert "expected a plain folder name" in refused("a", "b", "--name", "../m")
    assert "is one of the runs to average" in refused("a", "b", "--name", "a")
    other = str(submissions / "own" / "test" / "a")
    assert "other frames than" in refused(str(val / "a"), other, "--name", "m")
    write_png(val / "mine" / "x.png", np.zeros((2, 2, 3), np.uint8))
    assert "was not made by fuse" in refused("a", "b", "--name", "mine")
    record = json.loads((val / "b" / "run.json").read_text())
    (val / "b" / "run.json").write_text(
        json.dumps(record | {"inputs_sha256": "0", "data_root": "x"})
    )
    assert "made from other inputs than" in refused("a", "b", "--name", "m")
    (val / "b" / "run.json").write_text(json.dumps(record))
    write_png(val / "b" / f"{FRAMES[1]}.png", np.zeros((2, 2, 3), np.uint8))
    assert "in different sizes: 56x40, 2x2" in refused("a", "b", "--name", "m")


def test_a_mean_is_replaced_by_the_next(submissions: Path) -> None:
    assert fuse.main(["a", "b", "--name", "both"], submissions) == 0
    assert fuse.main(["b", "a", "--name", "both"], submissions) == 0
    names = [Path(part).name for part in load_record(submissions / "own" / "val" / "both").parts]
    assert names == ["b", "a"]
