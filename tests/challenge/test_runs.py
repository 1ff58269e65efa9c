"""What a run's place and its neighbours say; which runs are of the same data."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from challenge.errors import SubmissionError
from challenge.files import images_sha256
from challenge.images import write_png
from challenge.runs import (
    RunRecord,
    check_record,
    explain_place,
    find_place,
    find_runs,
    load_record,
    of_same_data,
    place_of,
    run_folders,
    save_record,
)

IMAGE = np.full((4, 6, 3), 7, np.uint8)


def add_run(root: Path, path: str, **values: object) -> Path:
    """A run with a `run.json` of these values."""
    folder = root / path
    folder.mkdir(parents=True)
    save_record(folder, RunRecord(**{"name": folder.name, **values}))  # type: ignore[arg-type]
    return folder


def add_images(root: Path, path: str) -> Path:
    """A folder of PNGs without `run.json`."""
    write_png(root / path / "a_00000.png", IMAGE)
    return root / path


# --- place and neighbours -------------------------------------------------------------------------


def test_a_folder_of_pngs_is_understood_from_place_and_neighbours(tmp_path: Path) -> None:
    add_run(tmp_path, "mini/test/x", rules="other", data_root="/other", created="2027")
    add_run(tmp_path, "mini/val/old", rules="old", data_root="/old", created="2025")
    values = {"data_format": "highrev_voxel", "voxel_root": "/voxels", "bins": 5}
    add_run(tmp_path, "mini/val/new", rules="mine", data_root="/new", created="2026", **values)
    folder = add_images(tmp_path, "mini/val/theirs")
    record, findings = check_record(folder)
    assert findings == []
    assert record == RunRecord(
        "theirs",
        challenge="mini",
        split="val",
        rules="mine",
        data_root="/new",
        data_format="highrev_voxel",
        voxel_root="/voxels",
        bins=5,
    )
    note = explain_place(folder, record)
    assert "no run.json" in note and "mini/val" in note and "mine" in note and "/new" in note


def test_another_split_of_the_challenge_knows_the_data_too(tmp_path: Path) -> None:
    add_run(tmp_path, "mini/test/x", rules="mine", data_root="/data")
    (add_run(tmp_path, "mini/val/broken") / "run.json").write_text("{")
    record = load_record(add_images(tmp_path, "mini/val/theirs"))
    assert (record.split, record.rules, record.data_root) == ("val", "mine", "/data")


def test_what_a_record_says_stands(tmp_path: Path) -> None:
    add_run(tmp_path, "mini/val/x", rules="mine", data_root="/data", bins=5)
    own = {"split": "test", "challenge": "c", "rules": "own", "data_root": "/own"}
    folder = add_run(tmp_path, "mini/val/mine", **own)
    assert load_record(folder) == RunRecord("mine", **own)  # type: ignore[arg-type]
    assert explain_place(folder, load_record(folder)) == ""


def test_elsewhere_nothing_is_guessed(tmp_path: Path) -> None:
    add_run(tmp_path, "mini/images/x", rules="mine", data_root="/data")
    folder = add_images(tmp_path, "mini/images/theirs")
    assert place_of(folder) is None
    assert load_record(folder) == RunRecord("theirs")
    assert "not at submissions/" in explain_place(folder, RunRecord("theirs"))


def test_an_empty_folder_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "mini/val/empty").mkdir(parents=True)
    with pytest.raises(SubmissionError, match="neither a PNG nor a run.json"):
        load_record(tmp_path / "mini/val/empty")
    assert run_folders(tmp_path) == []


def test_which_folders_are_runs(tmp_path: Path) -> None:
    found = [add_images(tmp_path, "mini/val/a"), add_run(tmp_path, "mini/val/b")]
    add_images(tmp_path, "mini/val/.c.7.tmp")
    add_images(tmp_path, "mini/images/d")  # of no split
    write_png(tmp_path / "mini/val/picture.png", IMAGE)
    assert run_folders(tmp_path) == found


def test_runs_without_a_date_stand_where_their_files_were_written(tmp_path: Path) -> None:
    add_run(tmp_path, "mini/val/first", created="2026-01-01T00:00:00+00:00")
    add_run(tmp_path, "mini/val/third", created="2026-01-03T00:00:00+00:00")
    second = add_images(tmp_path, "mini/val/second")
    time = 1767312000  # 2026-01-02
    os.utime(second / "a_00000.png", (time, time))
    assert [run.name for run in find_runs(tmp_path)] == ["first", "second", "third"]


# --- of the same data -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("a", "/x"), ("a", "/y"), True),  # a copy
        (("a", "/x"), ("b", "/x"), False),  # made anew
        (("a", "/x"), (None, "/x"), True),
        (("a", "/x"), (None, "/y"), False),
        ((None, "/x"), (None, None), True),
        ((None, None), ("a", None), True),
    ],
)
def test_data_are_known_by_content_then_by_folder(
    one: tuple[str | None, str | None], other: tuple[str | None, str | None], same: bool
) -> None:
    records = [RunRecord("x", inputs_sha256=sha, data_root=root) for sha, root in (one, other)]
    assert of_same_data(*records) is of_same_data(*records[::-1]) is same


def test_names_and_contents_make_the_hash_and_nothing_else(tmp_path: Path) -> None:
    for folder, name, level in (("a", "x", 1), ("b", "x", 1), ("c", "y", 1), ("d", "x", 2)):
        write_png(tmp_path / folder / f"{name}.png", np.full((4, 6, 3), level, np.uint8))
    (tmp_path / "b" / "notes.txt").write_text("x")
    a, b, c, d = (images_sha256(tmp_path / folder) for folder in "abcd")
    assert a == b and len({a, c, d}) == 3


def place(root: Path, inputs: str, data_root: str = "/new") -> str:
    """Where runs of these inputs in val belong."""
    record = RunRecord("x", inputs_sha256=inputs, data_root=data_root)
    return find_place(root, "mini", lambda split: record if split == "val" else None)


def test_runs_of_other_frames_get_a_folder_of_their_own(tmp_path: Path) -> None:
    assert place(tmp_path, "a") == "mini"
    add_run(tmp_path, "mini/val/x", split="val", inputs_sha256="a")
    assert (place(tmp_path, "a"), place(tmp_path, "b")) == ("mini", "mini-2")
    add_run(tmp_path, "mini-2/val/x", split="val", inputs_sha256="b")
    assert [place(tmp_path, inputs) for inputs in "abc"] == ["mini", "mini-2", "mini-3"]


def test_what_holds_no_place(tmp_path: Path) -> None:
    add_run(tmp_path, "mini/val/edi", split="val", inputs_sha256="a", reference=True)
    add_run(tmp_path, "mini/test/x", split="test", inputs_sha256="a")  # the data have no test
    add_run(tmp_path, "mini/val/before", split="val", data_root="/new")  # by an older kit
    assert place(tmp_path, "b") == "mini"
    assert place(tmp_path, "b", "/another") == "mini-2"
