"""`bash run.sh show PATH [FRAME]`: a data set drawn without any run; and videos of both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hdf5_recordings import write_monash, write_scer

from challenge.errors import ConfigError, DataError
from challenge.events import Events
from challenge.images import read_png, write_png
from challenge.representations import Representation
from challenge.runs import RunRecord, save_record
from challenge.sample import Sample
from leaderboard.histogram import BAR, BRIGHTER, DARKER, LEFT, RIGHT, draw_sums, draw_times
from leaderboard.sample_picture import (
    choose_part,
    draw_sample,
    find_frame,
    reading_of,
    source_of,
    top_panels,
)
from leaderboard.sheet import GAP, LINE, WIDEST, Crop
from leaderboard.show import main, places_of

Capture = pytest.CaptureFixture[str]
VOXEL = Representation("voxel", 6)


def events_at(*rows: tuple[int, int, int, int]) -> Events:
    x, y, t, p = (np.array(column) for column in zip(*rows, strict=True))
    return Events(x=x, y=y, t=t, p=p)


def grey(height: int = 240, width: int = 320) -> np.ndarray:
    return np.full((height, width, 3), 120, np.uint8)


# --- the events over time


def test_bars_stand_where_and_as_high_as_events_are() -> None:
    width, plot = LEFT + RIGHT + 100 * BAR, 100
    events = events_at(*[(0, 0, 0, 1)] * 10, *[(0, 0, 5000, 0)] * 5, *[(0, 0, 10000, 1)] * 5)
    drawing = draw_times(events, VOXEL, width, plot)
    assert drawing.shape == (plot + 3 * LINE, width, 3)
    middle = 2 * LINE + plot // 2
    for bar, colour, share in ((0, BRIGHTER, 1.0), (50, DARKER, 0.5), (99, BRIGHTER, 0.5)):
        column = drawing[2 * LINE : 2 * LINE + plot, LEFT + bar * BAR]
        filled = int((column == colour).all(axis=1).sum())
        assert abs(filled - share * (plot // 2 - 1)) <= 1  # the line of 0 covers one
        side = drawing[middle - 3 if colour == BRIGHTER else middle + 3, LEFT + bar * BAR]
        assert tuple(side) == colour
    between = drawing[2 * LINE : 2 * LINE + plot - 6, LEFT + 25 * BAR]
    assert not (between == BRIGHTER).all(axis=1).any()
    assert not (between == DARKER).all(axis=1).any()


@pytest.mark.parametrize("kind", ["voxel", "scer", "nested"])
def test_marks_stand_where_the_bins_are(kind: str) -> None:
    width = LEFT + RIGHT + 100 * BAR
    events = events_at((0, 0, 0, 1), (0, 0, 10000, 1))
    drawing = draw_times(events, Representation(kind, 5, (1.0, 0.5)), width, 100)
    marked = (drawing[2 * LINE + 10, LEFT:] == 205).all(axis=1)
    expected = {
        "voxel": [0, 0.25, 0.5, 0.75, 1],
        "scer": [0, 0.2, 0.4, 0.6, 0.8, 1],
        "nested": [0, 0.25, 0.75, 1],
    }[kind]
    inside = [round(share * 100 * BAR) for share in expected if 0 < share < 1]
    assert set(inside) <= set(np.flatnonzero(marked)) and marked.sum() <= len(expected)


def test_no_events_and_one_time_and_a_stored_grid_are_drawn_too() -> None:
    for events in (Events.empty(), events_at((0, 0, 7, 1)), events_at(*[(0, 0, 7, 0)] * 3)):
        assert draw_times(events, VOXEL, 400, 80).shape == (80 + 3 * LINE, 400, 3)
    grid = np.zeros((4, 2, 2), np.float32)
    assert (draw_sums(grid, 400, 80) != BRIGHTER).any(axis=2).all()
    grid[0, 0, 0], grid[3, 0, 0] = 2.0, -1.0
    drawn = draw_sums(grid, 400, 80)
    blue, red = (
        (drawn == colour).all(axis=2).any(axis=0).nonzero()[0] for colour in (BRIGHTER, DARKER)
    )
    assert blue.max() < 400 / 2 < red.min()


# --- the picture


def test_blurry_events_sharp_and_bins_stand_in_the_picture() -> None:
    sharp = np.full((240, 320, 3), 121, np.uint8)
    events = events_at((10, 20, 0, 1), (11, 20, 500, 1), (30, 40, 1000, 0))
    sample = Sample("s_00000", grey(), events, sharp=sharp)
    panels = {panel.title: panel for panel in top_panels(sample, None)}
    assert list(panels) == ["blurry", "events", "sharp"]
    assert (panels["blurry"].figures, panels["events"].figures) == ("320x240", "3, 67% brighter")
    assert panels["sharp"].figures == "blurry: 48.13 dB"  # 20 log10(255 / 1)
    seen = panels["events"].image
    assert seen[20, 10, 2] > seen[20, 10, 0] and seen[40, 30, 0] > seen[40, 30, 2]
    assert (seen == 255).all(axis=2).sum() == 240 * 320 - 3
    drawn = draw_sample(sample, reading_of("voxel", 6, None), None, "title")
    assert drawn.shape[1] == 3 * (320 + GAP) + GAP
    top = LINE + GAP + 2 * LINE
    assert (drawn[top : top + 240, GAP : GAP + 320] == 120).all()
    without = draw_sample(
        Sample("s_00000", grey(), Events.empty()), reading_of("scer", 6, None), None, "no events"
    )
    assert without.shape[1] == 2 * (320 + GAP) + GAP


def test_the_bins_are_those_of_the_representation() -> None:
    """Two windows of three bins take two rows of three, a grid of six bins one of six."""
    rng = np.random.default_rng(3)
    count = 5000
    events = Events(
        x=rng.integers(0, 320, count),
        y=rng.integers(0, 240, count),
        t=np.sort(rng.integers(0, 15000, count)),
        p=rng.integers(0, 2, count),
    )
    sample = Sample("s_00000", grey(), events, sharp=grey())
    heights = {
        kind: draw_sample(sample, reading_of(kind, bins, None), None, "t").shape[0]
        for kind, bins in (("voxel", 6), ("scer", 6), ("nested", 6))
    }
    assert heights["voxel"] == heights["scer"]
    rest = LINE + (2 * LINE + 240 + 2 * GAP + GAP) + (120 + 3 * LINE)
    assert (heights["nested"] - rest) == pytest.approx(3 * (heights["voxel"] - rest), abs=3 * GAP)


def test_the_part_with_the_most_events_is_drawn_of_a_large_frame() -> None:
    height, width = 600, 900
    events = events_at(*[(700 + each % 5, 400, each, 1) for each in range(50)], (3, 3, 60, 0))
    sample = Sample("s_00000", grey(height, width), events)
    crop = choose_part(sample, None)
    assert crop is not None and (crop.width, crop.height) == (WIDEST, 300)
    assert crop.left <= 700 <= crop.left + crop.width - 5
    assert crop.top <= 400 < crop.top + crop.height
    panels = top_panels(sample, crop)
    assert [panel.title for panel in panels] == ["frame", "blurry", "events"]
    assert choose_part(sample, "none") is None
    assert choose_part(sample, "5,6,70x80") == Crop(5, 6, 70, 80)
    assert choose_part(Sample("s", grey(), events_at((1, 1, 0, 1))), None) is None
    with pytest.raises(ConfigError, match="expected a part of the frame, 900x600"):
        choose_part(sample, "800,0,200x100")


def test_a_stored_scer_grid_is_drawn_as_the_events_it_counts() -> None:
    """Its first channel counts backwards: the plain sum of the channels would lose them."""
    events = events_at((1, 2, 0, 1), (3, 2, 100, 0), (5, 2, 900, 1), (7, 2, 1000, 0))
    grid = Representation("scer", 6).grid(events, 4, 9)
    mask = np.zeros((1, 4, 9), np.uint8)
    mask[0, 2, 1] = 1
    given = {"stored_grid": grid, "stored_mask": mask}
    stored = Sample("s", grey(4, 9), None, stored_kind="scer", **given)
    recorded = top_panels(Sample("s", grey(4, 9), events), None)[1].image
    panels = {panel.title: panel for panel in top_panels(stored, None)}
    assert (panels["events"].image == recorded).all()
    assert panels["stored mask"].figures == "white: events, 3%"
    plain = Sample("s", grey(4, 9), None, stored_kind="voxel", **given)
    assert (top_panels(plain, None)[1].image != recorded).any()  # the control
    assert draw_sample(stored, reading_of("scer", 6, None), None, "t").shape[2] == 3


# --- finding a frame


def test_a_frame_is_found_in_whatever_split_it_is(highrev: Path) -> None:
    source = source_of(highrev, None, 6)
    for asked, split, found in (
        (None, "val", "park_00012"),
        ("harbour_00012", "train", "harbour_00012"),
        ("harbour_00012.png", "train", "harbour_00012"),
        ("zig_zag_00000", "test", "zig_zag_00000"),
        ("old_town", "train", "old_town_00012"),
    ):
        dataset, where, frame = find_frame(highrev, asked, source)
        assert (where, frame) == (split, found) and frame in dataset.frames
    inside = highrev / "test"
    assert find_frame(inside, None, source_of(inside, None, 6))[1:] == ("test", "zig_zag_00012")


def test_an_unknown_frame_is_answered_with_the_nearest(highrev: Path) -> None:
    with pytest.raises(DataError, match=r"nearest are harbour_00000 \(train\), harbour_00012"):
        find_frame(highrev, "harbor_00000", source_of(highrev, None, 6))
    for path in (highrev / "test" / "blur", highrev.parent):
        with pytest.raises(DataError, match="no data set; expected {train,val,test}"):
            find_frame(path, None, source_of(path, None, 6))
    with pytest.raises(DataError, match="expected a folder, found a file"):
        source_of(highrev / "val" / "blur" / "park_00000.png", None, 6)


def test_a_path_is_told_from_a_frame(highrev: Path) -> None:
    assert places_of([]) == (None, None)
    assert places_of(["park_00000"]) == (None, "park_00000")
    assert places_of([str(highrev)]) == (highrev, None)
    assert places_of([str(highrev), "a"]) == (highrev, "a")
    assert places_of(["no/such"]) == (Path.cwd() / "no" / "such", None)
    with pytest.raises(ConfigError, match="expected"):
        places_of(["a", "b", "c"])


# --- the verb


def test_a_data_set_is_shown_without_any_run(
    highrev: Path, tmp_path: Path, capsys: Capture
) -> None:
    submissions = tmp_path / "submissions"
    assert main([str(highrev)], submissions) == 0
    path = submissions / "pictures" / "park_00012.png"
    assert f"wrote {path}: park_00012" in capsys.readouterr().out
    assert read_png(path).shape[1] == 3 * (280 + GAP) + GAP  # 56 pixels, five times as large
    for kind in ("scer", "nested"):
        out = tmp_path / f"{kind}.png"
        given = [str(highrev / "test"), "--representation", kind, "--out", str(out)]
        assert main(given, submissions) == 0
        assert read_png(out).shape[1] == 2 * (280 + GAP) + GAP  # test has no sharp images


def test_stored_grids_are_shown_as_they_are(highrev: Path, tmp_path: Path, capsys: Capture) -> None:
    grids = tmp_path / "HighREV_voxel"
    (grids / "val" / "voxel").mkdir(parents=True)
    rng = np.random.default_rng(1)
    for frame in ("park_00000", "park_00012"):
        grid = rng.normal(size=(40, 56, 4)).astype(np.float32)
        np.savez(grids / "val" / "voxel" / f"{frame}.npz", voxel=grid)
    out = tmp_path / "a.png"
    given = [str(highrev), "--voxel-root", str(grids), "--out", str(out)]
    assert main(given, tmp_path) == 1
    assert "set data.bins" in capsys.readouterr().err
    assert main([*given, "--bins", "4"], tmp_path) == 0
    assert read_png(out).shape[1] == 3 * (280 + GAP) + GAP
    assert main([*given[:2], str(tmp_path), "--out", str(out)], tmp_path) == 1  # no grids there


def test_hdf5_files_are_shown_with_what_they_store(tmp_path: Path, capsys: Capture) -> None:
    write_scer(tmp_path / "GOPRO" / "test" / "a_1.h5")
    write_monash(tmp_path / "raw" / "train" / "b.h5")
    out = tmp_path / "a.png"
    assert main([str(tmp_path / "GOPRO"), "a_1_00001", "--out", str(out)], tmp_path) == 0
    assert read_png(out).shape[1] == 4 * (280 + GAP) + GAP  # blurry, events, sharp, mask
    assert main([str(tmp_path / "raw" / "train"), "b", "--out", str(out)], tmp_path) == 0
    assert read_png(out).shape[1] == 3 * (280 + GAP) + GAP
    capsys.readouterr()
    assert main([str(tmp_path / "GOPRO"), "--bins", "7", "--out", str(out)], tmp_path) == 1
    assert str(tmp_path / "GOPRO" / "test" / "a_1.h5") in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--out", "a.mp4"], "expected a file .png"),
        (["--normalise", "much"], "expected one of nonzero, magnitude, contrast"),
        (["--representation", "much"], "expected one of voxel, scer, nested"),
        (["--run", "mine"], "give them without PATH"),
        (["--video", "--out", "a.gif"], "expected a file .mp4 or .webm"),
    ],
)
def test_a_mistake_is_told(
    highrev: Path, tmp_path: Path, capsys: Capture, arguments: list[str], words: str
) -> None:
    assert main([str(highrev), *arguments], tmp_path) == 1
    assert words in capsys.readouterr().err


def frames_of(path: Path) -> list[np.ndarray]:
    """The brightness of each frame of a video, 16 to 235: (H, W) uint8."""
    av = pytest.importorskip("av", reason="the extra `video` is not installed")
    with av.open(str(path)) as container:
        pictures = [frame.to_ndarray() for frame in container.decode(video=0)]
    return [picture[: picture.shape[0] * 2 // 3] for picture in pictures]


def test_a_sequence_of_data_becomes_a_video(highrev: Path, tmp_path: Path, capsys: Capture) -> None:
    pytest.importorskip("av", reason="the extra `video` is not installed")
    assert main([str(highrev), "old_town_00000", "--video"], tmp_path) == 0
    frames = frames_of(tmp_path / "pictures" / "old_town.mp4")
    assert len(frames) == 2  # of harbour none
    assert "from old_town_00000 to old_town_00012" in capsys.readouterr().out
    for frame, name in zip(frames, ("old_town_00000", "old_town_00012"), strict=True):
        blurry = read_png(highrev / "train" / "blur" / f"{name}.png")
        top = LINE + GAP + 2 * LINE
        panel = frame[top : top + 200, GAP : GAP + 280].reshape(40, 5, 56, 5).mean(axis=(1, 3))
        brightness = 16 + 219 / 255 * (blurry @ (0.2126, 0.7152, 0.0722))
        assert np.abs(panel - brightness).mean() < 2


def test_all_runs_of_a_sequence_become_a_video(
    highrev: Path, tmp_path: Path, capsys: Capture
) -> None:
    pytest.importorskip("av", reason="the extra `video` is not installed")
    for name, frames in (("one", ("park_00000", "park_00012")), ("two", ("park_00012",))):
        run = tmp_path / "own" / "val" / name
        for frame in frames:
            sharp = read_png(highrev / "val" / "sharp" / f"{frame}.png")
            write_png(run / f"{frame}.png", sharp)
        save_record(run, RunRecord(name, data_root=str(highrev), split="val", created="2026"))
    out = tmp_path / "a.webm"
    given = ["--folder", str(tmp_path / "own" / "val" / "one"), "--video", "--out", str(out)]
    assert main(given, tmp_path) == 0
    said = capsys.readouterr().out
    assert "1 of 2 frames of the sequence" in said
    assert f"wrote {out}: blurry | events | one | two | sharp" in said
    (frame,) = frames_of(out)
    assert frame.shape[1] == 5 * (280 + GAP) + GAP
    assert main([*given, "--run", "one"], tmp_path) == 0
    assert len(frames_of(out)) == 2
