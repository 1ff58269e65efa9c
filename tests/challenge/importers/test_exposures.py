"""When frames were exposed, and which events belong to which exposure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from challenge.errors import ConfigError, DataError
from challenge.events import Events
from challenge.importers.columns import Layout
from challenge.importers.exposures import Exposure, Taken, Timing, by_rate, by_table, windows_of
from challenge.importers.slices import SLICES, Slicer

NAMES = ["frame_0000.png", "frame_0001.png", "frame_0002.png"]
STAMPS = [Taken(0, 10_000), Taken(1, 50_000), Taken(2, 90_000)]


def pairs(windows: list[Exposure]) -> list[tuple[int, int, int]]:
    return [(each.number, each.start_us, each.end_us) for each in windows]


def test_known_exposures_are_taken_and_frames_without_are_left_out() -> None:
    taken = [Taken(0, 5, 3, 7), Taken(1, 15), Taken(2, 25, 24, 24), Taken(3, 35, 33, 37)]
    windows, notes = windows_of(taken, Timing())
    assert pairs(windows) == [(0, 3, 7), (3, 33, 37)]
    assert notes == ["2 frames without exposure are left out"]


@pytest.mark.parametrize(
    "mark, start_us", [("start", 10_000), ("middle", 5_000), ("end", 0), (None, 5_000)]
)
def test_a_stamp_marks_a_place_of_the_exposure(mark: str | None, start_us: int) -> None:
    windows, notes = windows_of(STAMPS, Timing(exposure_ms=10, mark=mark))
    assert pairs(windows)[0] == (0, start_us, start_us + 10_000)
    assert f"the {mark or 'middle'} of it" in notes[0]


def test_without_any_word_the_interval_is_taken_and_it_is_said() -> None:
    windows, notes = windows_of(STAMPS, Timing())
    assert pairs(windows) == [(0, -10_000, 30_000), (1, 30_000, 70_000), (2, 70_000, 110_000)]
    assert "no exposure is known" in notes[0]


@pytest.mark.parametrize("taken", [STAMPS[:1], [Taken(0, 5), Taken(1, 5)]])
def test_one_frame_tells_no_interval(taken: list[Taken]) -> None:
    with pytest.raises(DataError, match="give --exposure-ms"):
        windows_of(taken, Timing())


def test_a_rate_counts_from_the_first_event() -> None:
    timing = Timing(fps=25, start_ms=3, exposure_ms=8)
    windows, _ = windows_of(by_rate(3, 1_000_000, timing), timing)
    assert pairs(windows) == [
        (0, 1_003_000, 1_011_000),
        (1, 1_043_000, 1_051_000),
        (2, 1_083_000, 1_091_000),
    ]
    whole, _ = windows_of(by_rate(2, 0, Timing(fps=25)), Timing(fps=25))
    assert pairs(whole) == [(0, 0, 40_000), (1, 40_000, 80_000)]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("frame_0000.png 10 30\nframe_0002 50 70\n", [(0, 10, 30), (2, 50, 70)]),
        ("name,start,end\nimages/frame_0001.png,10,30\n", [(1, 10, 30)]),
        ("index,start,end\n2,50,70\n1,10,30\n", [(1, 10, 30), (2, 50, 70)]),
        ("10 30\n50 70\n", [(0, 10, 30), (1, 50, 70)]),
        ("0.00001 0.00003 frame_0001.png\n", [(1, 10, 30)]),
        ("# made by hand\n1000;3000;frame_0001.png\n", [(1, 1000, 3000)]),
    ],
)
def test_tables_of_exposures(
    tmp_path: Path, text: str, expected: list[tuple[int, int, int]]
) -> None:
    (tmp_path / "t.csv").write_text(text)
    taken, note = by_table(tmp_path / "t.csv", NAMES, Layout())
    assert [(each.number, each.start_us, each.end_us) for each in taken] == expected
    assert "t.csv: time is taken for" in note


@pytest.mark.parametrize("text", ["0.5 frame_0001.png\n", "frame_0001.png 0.5\n"])
def test_a_table_of_stamps_as_the_event_camera_dataset_has_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "images.txt").write_text(text)
    taken, _ = by_table(tmp_path / "images.txt", NAMES, Layout())
    assert taken == [Taken(1, 500_000)]


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "rows of one length"),
        ("1 2 3\n1 2\n", "rows of one length"),
        ("a b c\nd e f\n", "NAME START END"),
        ("1 2 3 4\n", "NAME START END"),
        ("other.png 1 2\n", "not there, first other.png"),
        ("7 10 30\n", "names frame 7"),
        ("0 30 10\n", "ends before it begins"),
    ],
)
def test_other_tables_are_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError, match=words):
        by_table(tmp_path / "t.csv", NAMES, Layout())


@pytest.mark.parametrize(
    "timing",
    [
        Timing(exposure_ms=0),
        Timing(fps=-1),
        Timing(mark="centre"),
        Timing(fps=5, table=Path("t.csv")),
        Timing(start_ms=5),
        Timing(exposure_ms=float("nan")),
    ],
)
def test_what_cannot_be_meant_is_refused(timing: Timing) -> None:
    with pytest.raises(ConfigError):
        timing.check()


# --- the slices ----------------------------------------------------------------------------------


def sliced(
    events: Events, windows: list[Exposure], block: int, late_us: int
) -> tuple[dict, Slicer]:
    """The slices of each window's number as lists of times, and the slicer."""
    found: dict[int, list[list[int]]] = {}

    def write(window: Exposure, slices: list[Events]) -> None:
        assert window.number not in found
        found[window.number] = [each.t.tolist() for each in slices]

    slicer = Slicer(windows, late_us, write)
    for start in range(0, len(events), block):
        slicer.add(events.select(np.arange(start, min(start + block, len(events)))))
    slicer.finish()
    return found, slicer


def at(times: np.ndarray) -> Events:
    zeros = np.zeros(len(times), np.int64)
    return Events(zeros, zeros, np.asarray(times, np.int64), zeros)


def test_ten_slices_and_one_after_the_exposure() -> None:
    times = np.array([99, 100, 109, 110, 199, 200, 209, 210])
    found, slicer = sliced(at(times), [Exposure(4, 100, 200)], block=3, late_us=0)
    assert found == {4: [[100, 109], [110], [], [], [], [], [], [], [], [199], [200, 209]]}
    assert (slicer.total, slicer.inside, slicer.without) == (8, 4, 0)


def test_the_slice_after_an_exposure_ends_where_the_next_begins() -> None:
    """No event is written twice."""
    windows = [Exposure(0, 100, 200), Exposure(1, 205, 305), Exposure(2, 305, 405)]
    found, slicer = sliced(at(np.arange(100, 450)), windows, 9, 0)
    assert found[0][10] == [200, 201, 202, 203, 204]
    assert found[1][10] == [] and found[2][10] == [*range(405, 415)]
    assert slicer.inside == 300


@pytest.mark.parametrize("block", [1, 7, 1000])
@pytest.mark.parametrize("late_us", [0, 300])
def test_windows_get_their_events_however_these_come(block: int, late_us: int) -> None:
    """Overlapping windows, lengths that ten does not divide, events late by up to late_us."""
    rng = np.random.default_rng(block)
    times = np.sort(rng.integers(0, 10_000, 600))
    order = np.argsort(times + rng.integers(0, late_us + 1, 600), kind="stable")
    starts = np.sort(rng.integers(0, 9_000, 12))
    windows = [Exposure(i, int(s), int(s) + 3 + 97 * i) for i, s in enumerate(starts)]
    found, slicer = sliced(at(times[order]), windows, block, late_us)
    inside = np.zeros(600, bool)
    for window in windows:
        length = window.end_us - window.start_us
        chosen = (times >= window.start_us) & (times < window.end_us)
        inside |= chosen
        slices = found[window.number]
        assert len(slices) == SLICES + 1
        assert sum(slices[:SLICES], []) == times[chosen].tolist()
        for k, each in enumerate(slices):
            for t in each:
                assert k * length <= SLICES * (t - window.start_us) < (k + 1) * length
    assert (slicer.total, slicer.inside) == (600, int(inside.sum()))


def test_frames_without_events_have_empty_slices_and_are_counted() -> None:
    found, slicer = sliced(at(np.array([5])), [Exposure(0, 0, 10), Exposure(1, 50, 60)], 1, 0)
    assert found[1] == [[]] * (SLICES + 1)
    assert slicer.without == 1
