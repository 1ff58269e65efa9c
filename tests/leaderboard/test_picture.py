from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from challenge.images import read_png, write_png
from challenge.runs import RunRecord, save_record
from leaderboard.picture import GAP, TITLE_HEIGHT, event_picture, main, side_by_side


def test_events_are_blue_where_brighter_red_where_darker_white_elsewhere() -> None:
    grid = np.zeros((2, 1, 3), np.float32)
    grid[:, 0, 0], grid[:, 0, 1] = 9.0, -9.0
    assert event_picture(grid)[0].tolist() == [[0, 70, 255], [255, 30, 0], [255, 255, 255]]


def test_panels_stand_in_order_with_nothing_lost() -> None:
    panels = {str(level): np.full((7, 9, 3), level, np.uint8) for level in (10, 20, 30)}
    sheet = side_by_side(panels, columns=2)
    assert sheet.shape == (2 * (7 + TITLE_HEIGHT + GAP) + GAP, 2 * (9 + GAP) + GAP, 3)
    top, right, below = GAP + TITLE_HEIGHT, GAP + 9 + GAP, GAP + 2 * TITLE_HEIGHT + 7 + GAP
    for row, column, level in ((top, GAP, 10), (top, right, 20), (below, GAP, 30)):
        assert (sheet[row : row + 7, column : column + 9] == level).all()


@pytest.fixture()
def submissions(highrev: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "submissions"
    for name, reference in (("edi", True), ("mine", False)):
        run = folder / "own" / "val" / name
        write_png(run / "park_00012.png", np.full((40, 56, 3), 99, np.uint8))
        record = RunRecord(
            name, data_root=str(highrev), split="val", created="2026", reference=reference
        )
        save_record(run, record)
    return folder


def test_the_newest_run_is_drawn(submissions: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], submissions) == 0
    assert "blurry | events | edi | mine | sharp" in capsys.readouterr().out
    assert read_png(submissions / "own" / "val" / "picture.png").shape[1] == 5 * (56 + GAP) + GAP


def test_a_wrong_frame_is_one_error(submissions: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parc_00012"], submissions) == 1
    assert "no such frame" in capsys.readouterr().err and not list(submissions.rglob("picture.png"))


def test_nothing_predicted_yet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], tmp_path / "none") == 1
    assert "bash run.sh predict" in capsys.readouterr().err


def test_the_folders_of_the_kit_are_no_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--submissions", "x"]) == 2
    assert "No such option" in capsys.readouterr().err
