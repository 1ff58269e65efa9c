"""Pictures of one frame: what is drawn, where, how large; and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from challenge.images import read_png, write_png
from challenge.runs import RunRecord, load_record, save_record
from leaderboard.picture import (
    Shown,
    choose_crop,
    choose_runs,
    open_shelf,
    panels_of,
    read_shown,
)
from leaderboard.pictures import event_picture
from leaderboard.sheet import (
    GAP,
    LINE,
    NARROWEST,
    WIDEST,
    Crop,
    Panel,
    difference,
    draw_sheet,
    error_map,
    fit,
    full_scale,
    most_disputed,
    write_text,
)
from leaderboard.show import main

Capture = pytest.CaptureFixture[str]


def shown_of(folder: Path, frame: str | None = None) -> Shown:
    shelf = open_shelf(load_record(folder), folder)
    return read_shown(shelf, *choose_runs(shelf, frame, []))


def flat(level: int, height: int = 40, width: int = 56) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def test_events_are_blue_where_brighter_red_where_darker_white_elsewhere() -> None:
    grid = np.zeros((2, 1, 3), np.float32)
    grid[:, 0, 0], grid[:, 0, 1] = 9.0, -9.0
    assert event_picture(grid)[0].tolist() == [[0, 70, 255], [255, 30, 0], [255, 255, 255]]


# --- the sheet


def test_panels_stand_in_order_with_nothing_lost() -> None:
    panels = [Panel("", flat(level, 7, 9), below=flat(level + 1, 7, 9)) for level in (10, 20, 30)]
    sheet = draw_sheet(panels, columns=2)
    cell = LINE + 2 * (7 + GAP) + GAP, 9 + GAP
    assert sheet.shape == (2 * cell[0] + GAP, 2 * cell[1] + GAP, 3)
    for index, level in enumerate((10, 20, 30)):
        top, left = GAP + index // 2 * cell[0] + LINE, GAP + index % 2 * cell[1]
        assert (sheet[top : top + 7, left : left + 9] == level).all()
        below = top + 7 + GAP
        assert (sheet[below : below + 7, left : left + 9] == level + 1).all()


@pytest.mark.parametrize(
    "text", ["mine", "a_very_long_name_of_a_run_that_does_not_fit" * 3, "\u65e5"]
)
def test_a_label_stays_over_its_panel(text: str) -> None:
    sheet = flat(255, LINE, NARROWEST + 100)
    write_text(sheet, text, 5, 14, NARROWEST)
    dark = np.flatnonzero((sheet < 128).any(axis=(0, 2)))
    assert len(dark) > 5 and dark.min() >= 4 and dark.max() <= 5 + NARROWEST


@pytest.mark.parametrize(
    ("size", "panel"),
    [((40, 56), (200, 280)), ((240, 320), (240, 320)), ((1224, 1632), (300, 400))],
)
def test_every_frame_becomes_a_panel_of_readable_width(
    size: tuple[int, int], panel: tuple[int, int]
) -> None:
    fitted = fit(flat(77, *size))
    assert fitted.shape == (*panel, 3) and (fitted == 77).all()
    assert NARROWEST <= fitted.shape[1] <= WIDEST


def test_errors_are_drawn_on_one_scale() -> None:
    small, large = (difference(flat(100), flat(100 + step)) for step in (20, 40))
    assert (small == 20).all()
    assert full_scale([small, large]) == 40 and full_scale([small * 0]) == 16
    none, half, all_of_it, more = (
        error_map(np.full((1, 1), level, np.uint8), 40)[0, 0].astype(int)
        for level in (0, 20, 40, 90)
    )
    assert none.sum() < 10 < half.sum() < all_of_it.sum() and (all_of_it == more).all()


def test_the_most_disputed_place_is_where_one_errs_and_the_other_does_not() -> None:
    sharp, one, other = flat(100), flat(100), flat(100)
    one[5:15, 5:15] = other[5:15, 5:15] = 0  # both err alike: no dispute
    other[24:30, 30:40] = 160
    crop = most_disputed([one, other], sharp, 10, 6)
    assert crop == Crop(30, 24, 10, 6) and (crop.of(other) == 160).all()
    assert most_disputed([one, other], None, 10, 6) == crop
    assert most_disputed([one, one], sharp, 10, 6) == Crop(23, 17, 10, 6)  # the middle
    assert most_disputed([one, other], sharp, 56, 40) == Crop(0, 0, 56, 40)


# --- the verb


@pytest.fixture()
def submissions(highrev: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "submissions"
    sharp = read_png(highrev / "val" / "sharp" / "park_00012.png")
    for name, reference in (("edi", True), ("mine", False)):
        run = folder / "own" / "val" / name
        write_png(run / "park_00012.png", sharp ^ (1 if name == "mine" else 3))
        record = RunRecord(
            name, data_root=str(highrev), split="val", created="2026", reference=reference
        )
        save_record(run, record)
    return folder


def test_the_newest_run_is_drawn(submissions: Path, capsys: Capture) -> None:
    assert main([], submissions) == 0
    assert "blurry | events | edi | mine | sharp" in capsys.readouterr().out
    picture = read_png(submissions / "own" / "val" / "picture.png")
    assert picture.shape[1] == 5 * (280 + GAP) + GAP


def test_what_stands_on_the_panels(submissions: Path) -> None:
    folder = submissions / "own" / "val" / "mine"
    shown = shown_of(folder, "park_00012")
    panels = {panel.title: panel for panel in panels_of(shown, None)}
    assert panels["mine"].figures == "48.13 dB"  # off by 1 everywhere: 20 log10(255)
    assert panels["events"].below is None and panels["sharp"].below is not None
    assert np.array_equal(panels["mine"].image, fit(shown.restored["mine"]))
    assert panels["mine"].below is not None
    worse, better = (panels[name].below for name in ("edi", "mine"))
    assert worse is not None and better is not None and worse.mean() > better.mean()
    where, *cropped = panels_of(shown, choose_crop(shown, "8,4,20x12"))
    assert (where.title, where.figures) == ("park_00012", "8,4,20x12")
    assert cropped[3].figures == "48.13 dB, here 48.13"
    assert {panel.image.shape for panel in (where, *cropped)} == {(144, 240, 3)}


def test_withheld_sharp_images_leave_no_figures(submissions: Path, highrev: Path) -> None:
    shutil.rmtree(highrev / "val" / "sharp")
    folder = submissions / "own" / "val" / "mine"
    panels = panels_of(shown_of(folder), None)
    assert [panel.title for panel in panels] == ["blurry", "events", "edi", "mine"]
    assert all(panel.figures == "" and panel.below is None for panel in panels)
    assert main(["--crop", "auto"], submissions) == 0


def test_a_large_frame_is_cropped_where_runs_differ_unless_told_otherwise(
    submissions: Path, highrev: Path, capsys: Capture
) -> None:
    large = np.tile(read_png(highrev / "val" / "blur" / "park_00012.png"), (15, 15, 1))
    for part in ("blur", "sharp"):
        write_png(highrev / "val" / part / "park_00012.png", large)
    for name in ("edi", "mine"):
        image = large.copy()
        image[100:400, 250:650] ^= 4 if name == "mine" else 0
        write_png(submissions / "own" / "val" / name / "park_00012.png", image)
    assert main(["park_00012"], submissions) == 0
    assert "drawn is --crop 250,100,400x300 of park_00012" in capsys.readouterr().out
    picture = submissions / "own" / "val" / "picture.png"
    assert read_png(picture).shape[1] == 6 * (WIDEST + GAP) + GAP
    assert main(["park_00012", "--crop", "none"], submissions) == 0
    assert "--crop" not in capsys.readouterr().out
    assert read_png(picture).shape[1] == 5 * (WIDEST + GAP) + GAP


def test_a_folder_without_run_json_is_drawn_and_runs_of_other_data_are_not(
    submissions: Path, capsys: Capture
) -> None:
    beside = submissions / "own" / "val"
    shutil.copytree(beside / "mine", beside / "theirs")
    (beside / "theirs" / "run.json").unlink()
    shutil.copytree(beside / "mine", beside / "foreign")
    save_record(beside / "foreign", RunRecord("foreign", data_root="/elsewhere", split="val"))
    assert main(["--folder", str(beside / "theirs")], submissions) == 0
    assert "blurry | events | edi | mine | theirs | sharp" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["parc_00012"], "no such frame"),
        (["--run", "nosuch"], "--run nosuch: expected runs of"),
        (["park_00012", "--run", "mine", "--run", "nosuch"], "that have park_00012.png: edi, mine"),
        (["park_00000", "--run", "mine"], "that have park_00000.png: none"),
        (["--crop", "here"], "expected auto, none, X,Y or X,Y,WIDTHxHEIGHT"),
        (["--crop", "50,0,20x10"], "expected a part of the frame, 56x40"),
        (["--crop", "0,0,0x10"], "expected a part of the frame"),
    ],
)
def test_what_cannot_be_drawn_is_one_error_and_leaves_the_picture(
    submissions: Path, arguments: list[str], message: str, capsys: Capture
) -> None:
    picture = submissions / "own" / "val" / "picture.png"
    picture.write_bytes(b"the last one")
    assert main(arguments, submissions) == 1
    assert message in capsys.readouterr().err and picture.read_bytes() == b"the last one"


def test_a_prediction_of_another_size_is_one_error(submissions: Path, capsys: Capture) -> None:
    write_png(submissions / "own" / "val" / "mine" / "park_00012.png", flat(9, 20, 28))
    assert main(["park_00012"], submissions) == 1
    assert "expected 56x40 (width x height) like the input, found 28x20" in capsys.readouterr().err


def test_nothing_predicted_yet(tmp_path: Path, capsys: Capture) -> None:
    assert main([], tmp_path / "none") == 1
    assert "bash run.sh predict" in capsys.readouterr().err


def test_the_folders_of_the_kit_are_no_options(capsys: Capture) -> None:
    assert main(["--submissions", "x"]) == 2
    assert "No such option" in capsys.readouterr().err
