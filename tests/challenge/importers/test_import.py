"""The verb, from a recording to what `predict` reads."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from challenge import REPOSITORY
from challenge.commands.import_recording import main
from challenge.datasets import open_split
from challenge.environment.leftovers import remove_leftovers_once
from challenge.errors import FIXES, DataError
from challenge.events import Events
from challenge.images import read_png

WIDTH, HEIGHT = 64, 40
FIRST_US = 1_600_000_000_000_000
PERIOD_US, EXPOSURE_US, FRAMES = 40_000, 15_000, 4


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """`events.npz` of 0.16 s, `images/` of 4 grey frames and `exposures.csv`."""
    rng = np.random.default_rng(5)
    count = 4000
    t = FIRST_US + np.sort(rng.integers(0, FRAMES * PERIOD_US, count))
    x, y, p = (rng.integers(0, most, count) for most in (WIDTH, HEIGHT, 2))
    np.savez(tmp_path / "events.npz", x=x, y=y, t=t, p=p)
    (tmp_path / "images").mkdir()
    rows = []
    for i in range(FRAMES):
        image = np.full((HEIGHT, WIDTH), 50 * i, np.uint8)
        cv2.imwrite(str(tmp_path / "images" / f"frame_{i}.png"), image)
        rows.append(
            f"frame_{i}.png,{FIRST_US + i * PERIOD_US},{FIRST_US + i * PERIOD_US + EXPOSURE_US}"
        )
    (tmp_path / "exposures.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def arguments(folder: Path, *more: str) -> list[str]:
    return [
        str(folder / "events.npz"),
        *("--frames", str(folder / "images"), "--exposures", str(folder / "exposures.csv")),
        *("--out", str(folder / "out"), *more),
    ]


def test_frames_and_events_become_a_data_set(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(recorded)) == 0
    dataset = open_split(recorded / "out", "test")
    assert dataset.frames == [f"events_{i:05d}" for i in range(FRAMES)]
    with np.load(recorded / "events.npz") as archive:
        source = Events(*(archive[name] for name in "xytp"))
    for i, frame in enumerate(dataset.frames):
        sample = dataset.read_inputs(frame)
        start = FIRST_US + i * PERIOD_US
        chosen = source.select((source.t >= start) & (source.t < start + EXPOSURE_US))
        assert sample.events is not None and (sample.blurry == 50 * i).all()
        for name in "xytp":
            np.testing.assert_array_equal(getattr(sample.events, name), getattr(chosen, name))
    printed = capsys.readouterr().out
    assert "4 frames, events_00000 to events_00003, exposure 15.000 ms" in printed
    assert f"predict --data {recorded / 'out'} --split test --baseline edi" in printed


def test_on_disk_it_is_highrev(recorded: Path) -> None:
    main(arguments(recorded))
    names = sorted(path.name for path in (recorded / "out/test/event").iterdir())
    assert names[:11] == [f"events_00000_{k:02d}.npz" for k in range(11)] and len(names) == 44
    with np.load(recorded / "out/test/event/events_00001_03.npz") as archive:
        assert {key: (archive[key].ndim, archive[key].dtype) for key in archive} == {
            "x": (2, "u2"),
            "y": (2, "u2"),
            "timestamp": (2, "i8"),
            "polarity": (2, "i1"),
        }
        assert archive["x"].max() < HEIGHT <= archive["y"].max()  # swapped on disk
        step = FIRST_US + PERIOD_US + EXPOSURE_US * 3 // 10
        assert step <= archive["timestamp"].min() <= archive["timestamp"].max() < step + 1500
    with np.load(recorded / "out/test/event/events_00001_10.npz") as archive:  # after the exposure
        assert archive["timestamp"].min() >= FIRST_US + PERIOD_US + EXPOSURE_US


def test_split_name_every_and_limit(recorded: Path) -> None:
    more = ("--split", "val", "--sequence", "old town!", "--every", "2", "--limit", "1")
    assert main(arguments(recorded, *more)) == 0
    assert open_split(recorded / "out", "val").frames == ["old_town_00000"]
    noted = json.loads((recorded / "out/val/recording.json").read_text())
    assert noted["exposures_us"] == {"old_town_00000": [FIRST_US, FIRST_US + EXPOSURE_US]}


@pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
def test_pictures_of_other_kinds(recorded: Path, suffix: str) -> None:
    colours = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    colours[..., 0] = 250  # BGR: blue
    for path in (recorded / "images").iterdir():
        cv2.imwrite(str(path.with_suffix(suffix)), colours)
        path.unlink()
    assert main(arguments(recorded)) == 0
    image = read_png(recorded / "out/test/blur/events_00000.png")
    assert image[..., 2].min() > 240 and image[..., 0].max() < 10


def test_a_rate_instead_of_a_table(recorded: Path) -> None:
    given = [str(recorded / "events.npz"), "--frames", str(recorded / "images"), "--fps", "25"]
    assert main([*given, "--exposure-ms", "15", "--out", str(recorded / "out")]) == 0
    noted = json.loads((recorded / "out/test/recording.json").read_text())["exposures_us"]
    assert {end - start for start, end in noted.values()} == {15_000}


def test_events_out_of_order_are_sorted_and_it_is_said(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(arguments(recorded))
    expected = open_split(recorded / "out", "test").read_inputs("events_00002").events
    with np.load(recorded / "events.npz") as archive:
        arrays = {key: archive[key] for key in archive}
    order = np.argsort(arrays["t"] + np.random.default_rng(1).integers(0, 9000, len(arrays["t"])))
    np.savez(recorded / "events.npz", **{key: values[order] for key, values in arrays.items()})
    assert main(arguments(recorded, "--force")) == 0
    assert "not in order of time (up to 8" in capsys.readouterr().out
    found = open_split(recorded / "out", "test").read_inputs("events_00002").events
    assert found is not None and expected is not None
    np.testing.assert_array_equal(found.t, expected.t)
    assert int(found.x.sum()) == int(expected.x.sum())


def change(path: Path, **arrays: np.ndarray) -> None:
    with np.load(path) as archive:
        old = {key: archive[key] for key in archive}
    np.savez(path, **{**old, **arrays})


def arrays_of(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as archive:
        return {key: archive[key] for key in archive}


@pytest.mark.parametrize(
    "damage, words",
    [
        (lambda d, e: {"x": e["y"], "y": e["x"]}, "swapped: --swap-xy"),
        (lambda d, e: {"x": e["x"] * 9}, "not of one sensor"),
        (lambda d, e: {"t": e["t"] - FIRST_US}, "no exposure overlaps its events; exposures run"),
        (lambda d, e: {"t": e["t"] // 1000}, "no exposure overlaps its events"),
        (lambda d, e: {"p": e["p"] * 0}, "all 4000 events say that it became darker"),
        (lambda d, e: {key: e[key][:0] for key in e}, "holds no event"),
        (
            lambda d, e: {"t": e["t"] // 100_000 * 100_000 + 39_000},
            "none of its 4000 events lies in",
        ),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_nothing(
    recorded: Path, damage: object, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recorded / "events.npz"
    change(path, **damage(recorded, arrays_of(path)))  # type: ignore[operator]
    assert main(arguments(recorded)) == 1
    printed = capsys.readouterr().err
    assert words in printed and "events.npz" in printed
    assert [*(recorded / "out").rglob("*")] == []


def test_a_few_damaged_words_are_left_out_and_it_is_said(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Up to one event in a thousand may lie off the sensor."""
    events = arrays_of(recorded / "events.npz")
    first = np.flatnonzero(events["t"] >= FIRST_US + PERIOD_US)[:5]
    for damaged, code in ((first[:4], 0), (first, 1)):
        x = events["x"].copy()
        x[damaged] = WIDTH + 7
        change(recorded / "events.npz", x=x)
        assert main(arguments(recorded, "--force")) == code
    printed = capsys.readouterr()
    assert "4 of 4000 events lie off the sensor" in printed.out
    assert "5 of its 4000 events lie off its frames of 64x40, x up to 71" in printed.err
    inside = open_split(recorded / "out", "test").read_inputs("events_00001").events
    start = FIRST_US + PERIOD_US
    chosen = (events["t"] >= start) & (events["t"] < start + EXPOSURE_US)
    assert inside is not None and len(inside) == chosen.sum() - 4


def test_swapped_coordinates_are_mended_by_the_option(recorded: Path) -> None:
    events = arrays_of(recorded / "events.npz")
    change(recorded / "events.npz", x=events["y"], y=events["x"])
    assert main(arguments(recorded, "--swap-xy")) == 0
    inside = open_split(recorded / "out", "test").read_inputs("events_00000").events
    assert inside is not None and inside.x.max() >= HEIGHT


def test_frames_of_several_sizes_are_refused(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, words in ((3, "several sizes"), (1, "like the frames before it")):
        path = recorded / "images" / f"frame_{number}.png"
        whole = path.read_bytes()
        cv2.imwrite(str(path), np.zeros((HEIGHT, WIDTH + 2), np.uint8))
        assert main(arguments(recorded)) == 1
        assert words in capsys.readouterr().err
        path.write_bytes(whole)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], "holds events, but no frames; give the folder of the pictures with --frames"),
        (["--frames", "images"], "nothing says when its 4 pictures were taken"),
        (["--frames", "nowhere"], "no such folder"),
        (["--split", "tset"], "--split tset: expected one of train, val, test"),
        (["--time-unit", "h"], "--time-unit h: expected one of s, ms, us, ns"),
        (["--fps", "0"], "--fps 0: expected more than 0"),
    ],
)
def test_what_is_missing_is_asked_for(
    recorded: Path,
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(recorded)
    assert main(["events.npz", "--out", "out", *arguments]) == 1
    assert words in capsys.readouterr().err


def test_nothing_of_others_is_replaced_and_nothing_of_ours_without_a_word(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = recorded / "out" / "test" / "blur" / "mine.png"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"precious")
    assert main(arguments(recorded, "--force")) == 1
    assert "it is left as it is" in capsys.readouterr().err and mine.read_bytes() == b"precious"
    assert main(arguments(recorded, "--split", "val")) == 0
    assert main(arguments(recorded, "--split", "val")) == 1
    assert "--force replaces it" in capsys.readouterr().err
    assert main(arguments(recorded, "--split", "val", "--limit", "1", "--force")) == 0
    assert len(open_split(recorded / "out", "val").frames) == 1
    assert {path.name for path in (recorded / "out").iterdir()} == {"test", "val"}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_is_full_or_read_only_leaves_nothing(
    recorded: Path, number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        assert main(arguments(recorded)) == 1
    printed = capsys.readouterr().err
    assert f"{recorded / 'out' / 'test'}" in printed and FIXES[number] in printed
    assert [*(recorded / "out").rglob("*")] == []
    assert main(arguments(recorded)) == 0


def test_a_killed_import_leaves_nothing_that_looks_whole(recorded: Path) -> None:
    """Killed while it writes the last picture; the next one clears away what is left."""
    code = (
        "import os, signal, sys; from challenge.importers import convert; "
        "from challenge.commands.import_recording import main; "
        "convert.write_json = lambda *_: os.kill(os.getpid(), signal.SIGKILL); main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", code, *arguments(recorded)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True)
    assert done.returncode == -signal.SIGKILL
    left = [path.name for path in (recorded / "out").iterdir()]
    assert left and all(name.startswith(".") for name in left)
    with pytest.raises(DataError):
        open_split(recorded / "out", "test")
    remove_leftovers_once.cache_clear()
    assert main(arguments(recorded)) == 0
    assert [path.name for path in (recorded / "out").iterdir()] == ["test"]
    assert len(open_split(recorded / "out", "test").frames) == FRAMES


def test_without_the_library_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "aedat", None)
    (tmp_path / "a.aedat4").write_bytes(b"#!AER-DAT4.0\r\n")
    assert main([str(tmp_path / "a.aedat4")]) == 1
    printed = capsys.readouterr().err
    assert "-m pip install aedat" in printed and "bash run.sh setup" in printed


@pytest.mark.parametrize("mirrored", [False, True])
def test_events_of_a_davis_explain_the_change_of_its_frames(
    recordings: Path, tmp_path: Path, mirrored: bool
) -> None:
    """Between two sharp frames a pixel's sum of events goes with the change of its log light."""
    pytest.importorskip("aedat")
    source = recordings / "davis346_street" / "street.aedat4"
    taken = (
        "--exposure-ms",
        "40",
        "--stamp",
        "start",
        "--limit",
        "40",
        "--out",
        str(tmp_path / "s"),
    )
    assert main([str(source), *taken]) == 0
    dataset = open_split(tmp_path / "s", "test")
    samples = [dataset.read_inputs(frame) for frame in dataset.frames]
    sums, changes = [], []
    for now, then in zip(samples, samples[1:], strict=False):
        events = now.events
        assert events is not None
        total = np.zeros(now.blurry.shape[:2])
        x = total.shape[1] - 1 - events.x if mirrored else events.x
        np.add.at(total, (events.y, x), events.sign)
        change = np.log(then.blurry[..., 0] + 10.0) - np.log(now.blurry[..., 0] + 10.0)
        sums.append(total[total != 0])
        changes.append(change[total != 0])
    found = np.corrcoef(np.concatenate(sums), np.concatenate(changes))[0, 1]
    assert found < 0.1 if mirrored else found > 0.5
