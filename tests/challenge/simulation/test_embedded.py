"""The embedded data set: its layout on disk, its pictures, its bytes; what is never overwritten."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from challenge.commands.data import main
from challenge.errors import DataError, DiskError
from challenge.images import read_png
from challenge.light import linear_to_srgb, luminance, srgb_to_linear
from challenge.simulation import embedded
from challenge.simulation.camera import Sensor, watching
from challenge.simulation.embedded import DEFAULT_ROOT, MANIFEST, ensure, make
from challenge.simulation.photographs import GREY, LICENCES, beyond_white, load_photograph
from challenge.simulation.scenes import (
    EXPOSURE_US,
    SPEEDS,
    Look,
    Scene,
    SmoothPath,
    draw_look,
    draw_path,
    draw_scene,
    picture_to_world,
    render,
)
from challenge.simulation.sequences import (
    PERIOD_US,
    SLICE_US,
    SPLITS,
    Frame,
    Request,
    file_names,
    plan,
    simulate_frame,
    simulate_sequence,
)
from challenge.simulation.textures import TEXTURES

WIDTH, HEIGHT = 64, 48
SMALL = Request(seed=3, width=WIDTH, height=HEIGHT, frames=2, sequences=2)
KNOWN = (  # of SMALL: a frame, the events of its slices, the mean level of its blurry picture
    ("astronaut_pan_00012", [590, 656, 647, 622, 632, 623, 607, 560, 509, 522, 499], 83.668),
    ("camera_pan_00000", [149, 149, 156, 162, 153, 165, 171, 163, 132, 138, 148], 77.32),
    ("rocket_shake_00012", [151, 133, 104, 87, 86, 58, 41, 61, 59, 69, 64], 67.024),
)
TINY = ["--width", "32", "--height", "32", "--frames", "1", "--sequences", "1", "--train-only"]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "small"
    assert make(root, SMALL, workers=1)
    return root


@pytest.fixture
def tiny(tmp_path: Path) -> Callable[..., int]:
    """The command line, for one frame of 32x32 in tmp_path / "mini"."""
    return lambda *extra: main(["--out", str(tmp_path / "mini"), *TINY, *extra])


def manifest_of(root: Path) -> dict:
    return json.loads((root / MANIFEST).read_text(encoding="utf-8"))


def bytes_of(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(20 * np.log10(255 / np.sqrt(np.mean((a.astype(float) - b) ** 2))))


# The layout


def test_the_files_are_highrevs(small: Path) -> None:
    names = set(bytes_of(small)) - {MANIFEST}
    for split, folders in {
        "train": {"blur", "sharp", "event"},
        "val": {"blur", "sharp", "event"},
        "test": {"blur", "event"},
    }.items():
        assert {path.name for path in (small / split).iterdir()} == folders
        sequences = [s.name for s in plan(SMALL) if s.split == split]
        stems = sorted(f"{name}_{number:05d}" for name in sequences for number in (0, 12))
        assert len(stems) == 4 and all(name.count("_") >= 1 for name in sequences)
        for folder in folders - {"event"}:
            assert sorted(path.stem for path in (small / split / folder).iterdir()) == stems
        slices = sorted(f"{stem}_{k:02d}" for stem in stems for k in range(11))
        assert sorted(path.stem for path in (small / split / "event").iterdir()) == slices
    assert names == {name for sequence in plan(SMALL) for name in file_names(sequence)}
    for name in names:
        if name.endswith(".png"):
            assert read_png(small / name).shape == (HEIGHT, WIDTH, 3)


def test_event_files_have_the_quirks(small: Path) -> None:
    """(N, 1) arrays, the row as `x`, the column as `y`, ten slices in the exposure, one after."""
    clocks, polarities = set(), set()
    for sequence in plan(SMALL):
        rows, columns = [0], [0]
        for i in range(2):
            stem = small / sequence.split / "event" / f"{sequence.name}_{i * 12:05d}"
            start_us = sequence.clock_us + i * 12 * 1500
            for k in range(11):
                with np.load(f"{stem}_{k:02d}.npz") as file:
                    assert sorted(file) == ["polarity", "timestamp", "x", "y"]
                    one = dict(file)
                assert {array.shape for array in one.values()} == {(len(one["x"]), 1)}
                t = one["timestamp"][:, 0]
                assert t.dtype == np.int64 and np.all(np.diff(t) >= 0)
                assert np.all((t >= start_us + k * 1500) & (t <= start_us + (k + 1) * 1500))
                rows.append(int(one["x"].max(initial=0)))
                columns.append(int(one["y"].max(initial=0)))
                polarities |= {(sequence.name, int(p)) for p in np.unique(one["polarity"])}
        assert max(rows) < HEIGHT <= max(columns) < WIDTH
        clocks.add(sequence.clock_us)
    assert 0 in clocks and max(clocks) > 2**50
    assert {p for _, p in polarities} == {-1, 0, 1}
    for sequence in plan(SMALL):
        assert {p for name, p in polarities if name == sequence.name} == {1, sequence.off}


def test_the_default_plan_is_varied_and_no_photograph_is_in_two_splits() -> None:
    sequences = plan(Request())
    assert len({s.name for s in sequences}) == len(sequences) >= 6
    assert all("_" in s.name for s in sequences)
    frames = {split: sum(s.frames for s in sequences if s.split == split) for split in SPLITS}
    assert frames == {"train": 66, "val": 28, "test": 9}
    used = [{*split.textures, *(name for name, _ in split.scenes)} for split in SPLITS.values()]
    assert sum(map(len, used)) == len(set.union(*used))
    assert set.union(*used) <= {*LICENCES, *TEXTURES}
    assert len(used[1]) >= 3 and {name for name, _ in SPLITS["val"].scenes} == used[1]
    assert not used[1] & set(TEXTURES)  # judged by photographs
    assert {licence for licence in LICENCES.values()} == {"CC0", "public domain"}


def test_a_photograph_that_is_not_installed_is_an_error() -> None:
    with pytest.raises(DataError, match="expected the photograph eagle"):
        load_photograph("eagle")  # skimage.data would fetch it from the network


# The bytes


def test_same_seed_same_bytes_with_any_number_of_workers(small: Path, tmp_path: Path) -> None:
    make(tmp_path / "again", SMALL, workers=2)
    assert bytes_of(tmp_path / "again") == bytes_of(small)


def test_other_seed_other_bytes(small: Path, tmp_path: Path) -> None:
    request = Request(seed=4, width=WIDTH, height=HEIGHT, frames=1, sequences=1)
    make(tmp_path / "other", request, workers=1)
    other, first = bytes_of(tmp_path / "other"), bytes_of(small)
    same = [name for name in other if other[name] == first[name]]
    assert len(other) > 30 and same == []


def test_the_embedded_set_is_what_it_was(small: Path) -> None:
    """Counted when GENERATOR became 2: a draw more or fewer, or another order, changes them all.

    Not the hash itself: the last bit of a logarithm is the processor's.
    """
    for stem, events, blurry in KNOWN:
        split = next(path.parents[1] for path in small.glob(f"*/blur/{stem}.png"))
        counts = [len(np.load(path)["x"]) for path in sorted(split.glob(f"event/{stem}_*.npz"))]
        assert counts == pytest.approx(events, abs=3)
        assert read_png(split / "blur" / f"{stem}.png").mean() == pytest.approx(blurry, abs=0.01)


def test_npz_files_carry_no_time_of_writing(small: Path) -> None:
    with zipfile.ZipFile(next(small.glob("val/event/*.npz"))) as file:
        assert {entry.date_time for entry in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_sequence_does_not_depend_on_which_others_are_made(small: Path, tmp_path: Path) -> None:
    request = Request(seed=3, width=WIDTH, height=HEIGHT, frames=2, sequences=1, train_only=True)
    make(tmp_path / "part", request, workers=1)
    part, whole = bytes_of(tmp_path / "part"), bytes_of(small)
    assert {name: whole[name] for name in part if name != MANIFEST} == {
        name: part[name] for name in part if name != MANIFEST
    }


# The pictures


def test_srgb_and_back_is_exact_and_the_middle_is_where_it_should_be() -> None:
    levels = np.arange(256, dtype=np.uint8)
    assert np.array_equal(linear_to_srgb(srgb_to_linear(levels)), levels)
    assert srgb_to_linear(np.uint8([188])).item() == pytest.approx(0.5029, abs=1e-4)
    assert luminance(np.ones((1, 3), np.float32)).item() == pytest.approx(1.0)


def test_blurry_is_the_mean_of_linear_light_and_sharp_the_middle_of_the_exposure() -> None:
    rng = np.random.default_rng(0)
    times_us = np.arange(0, PERIOD_US + 1, SLICE_US)
    scene = draw_scene("coffee", ("astronaut",), "pan", 1.0, 48, 64, times_us, rng, Look(gain=0.3))
    sensor = Sensor(np.full((48, 64), 0.3), np.full((48, 64), 0.3))
    frame, _ = simulate_frame(scene, sensor, watching(sensor, rng), 0, rng)
    pictures = [render(scene, t) for t in (np.arange(400) + 0.5) * EXPOSURE_US / 400]
    mean = linear_to_srgb(np.mean(pictures, axis=0))
    noise = frame.blurry - mean.astype(np.float32)
    assert 38 < psnr(frame.blurry, mean) < 44
    assert abs(noise.mean()) < 0.1  # 9216 levels with a noise of about 2
    assert np.abs(cv2.blur(noise, (9, 9))).max() < 3
    assert np.array_equal(frame.sharp, linear_to_srgb(render(scene, 7500.0)))
    curved = np.mean([linear_to_srgb(p) for p in pictures], axis=0)  # the mean of sRGB is not it
    assert abs((frame.blurry - curved).mean()) > 3 * abs(noise.mean())


@pytest.mark.parametrize("motion", list(SPEEDS))
def test_the_picture_never_leaves_the_photograph(motion: str) -> None:
    rng = np.random.default_rng(1)
    end_us = 4 * PERIOD_US
    coarse, fine = np.arange(0, end_us + 1, SLICE_US), np.arange(0, end_us + 1, 100)
    scene = draw_scene("chelsea", ("grass",), motion, 2.2, 240, 320, coarse, rng, Look())
    corners = np.array([[0, 0, 1], [319, 0, 1], [0, 239, 1], [319, 239, 1]])
    for t in fine:
        matrix = picture_to_world(scene.path, scene.home, scene.finer, 240, 320, t)
        seen = corners @ matrix.T
        assert seen.min() >= 0
        assert np.all(seen.max(axis=0) <= np.array(scene.world.shape[1::-1]) - 1)
    assert scene.world.shape[0] <= 3 * 300 + 1  # never enlarged beyond the photograph


def test_a_path_has_the_asked_speed() -> None:
    """RMS over random paths: 10 pixels per exposure, 2 degrees, 3 percent."""
    rng = np.random.default_rng(2)
    paths = [draw_path((10.0, 2.0, 3.0), 1.0, 1.0, rng) for _ in range(200)]
    times_us = rng.uniform(0, 1e6, 200)
    dt = 1.0

    def speed(path: SmoothPath, t: float) -> np.ndarray:
        return (path.at(t + dt) - path.at(t)) / dt * EXPOSURE_US

    speeds = np.array([speed(path, t) for path, t in zip(paths, times_us, strict=True)])
    x, y, angle, zoom = (speeds**2).mean(axis=0)
    assert np.sqrt(x + y) == pytest.approx(10, rel=0.2)
    assert np.rad2deg(np.sqrt(angle)) == pytest.approx(2, rel=0.2)
    assert np.sqrt(zoom) == pytest.approx(0.03, rel=0.2)


def test_blur_and_density_of_the_default_set_are_realistic() -> None:
    sequence = next(s for s in plan(Request(frames=1)) if s.name == "chelsea_zoom")
    (frame,) = simulate_sequence(sequence, Request(frames=1))
    assert frame.blurry.shape == (240, 320, 3)
    assert 24 < psnr(frame.blurry, frame.sharp) < 34
    assert 0.5 < sum(map(len, frame.events[:10])) / (320 * 240) < 10


def scene_of(background: str, motion: str, look: Look, seed: int = 5) -> Scene:
    times_us = np.arange(0, PERIOD_US + 1, SLICE_US)
    rng = np.random.default_rng(seed)
    return draw_scene(background, ("coffee",), motion, 1.0, 48, 64, times_us, rng, look)


def test_recolouring_changes_the_scene() -> None:
    plain, varied = (
        render(scene_of("coffee", "pan", Look(recolour=recolour)), 0.0)
        for recolour in (False, True)
    )
    assert not np.array_equal(plain, varied)


def test_light_goes_beyond_what_the_sensor_holds() -> None:
    """Twice the light is twice the light, on a lamp too; the picture ends at white."""
    once, twice = (render(scene_of("coffee", "pan", Look(gain)), 0.0) for gain in (1.0, 2.0))
    assert np.allclose(twice, 2 * once)
    assert once.max() > 1.5 and linear_to_srgb(twice).max() == 255
    assert beyond_white(np.array([0.0, 0.5, 1.0])) == pytest.approx([0.0, 0.53125, 2.0])
    gains = [draw_look(False, False, np.random.default_rng(seed)).gain for seed in range(100)]
    assert 2**-0.7 <= min(gains) < 0.7 and 1.25 < max(gains) <= 2**0.4


@pytest.mark.parametrize("motion, moves, object_moves", [
    ("still", False, False), ("tripod", False, True), ("pan", True, True),
])  # fmt: skip
def test_what_stands(motion: str, moves: bool, object_moves: bool) -> None:
    scene = scene_of("coffee", motion, Look())
    assert bool(scene.path.amplitude.any()) == moves
    assert all(bool(thing.path.amplitude.any()) == object_moves for thing in scene.objects)
    first, later = render(scene, 0.0), render(scene, 9000.0)
    assert np.array_equal(first, later) == (motion == "still")


def frame_of(name: str) -> Frame:
    request = Request(width=WIDTH, height=HEIGHT, frames=1)
    sequence = next(sequence for sequence in plan(request) if sequence.name == name)
    return next(simulate_sequence(sequence, request))


def test_a_standing_scene_is_its_own_restoration_but_for_the_noise() -> None:
    still, moving = (frame_of(f"chelsea_{motion}") for motion in ("still", "pan"))
    difference = still.blurry - still.sharp.astype(float)
    assert abs(difference.mean()) < 0.1 and 1 < difference.std() < 3
    assert psnr(moving.blurry, moving.sharp) < psnr(still.blurry, still.sharp) - 3


@pytest.mark.parametrize("name, grey", [
    ("camera_pan", True), ("brick_spin", True), ("chelsea_pan", False),
])  # fmt: skip
def test_a_photograph_without_colours_stays_grey_and_no_other(name: str, grey: bool) -> None:
    frame = frame_of(name)
    for picture in (frame.blurry, frame.sharp):
        assert np.array_equal(picture, picture[:, :, [1, 2, 0]]) == grey


def test_the_grey_photographs_are_known() -> None:
    for name in LICENCES:
        photograph = load_photograph(name)
        assert np.allclose(photograph, photograph[:, :, [1, 2, 0]], atol=1e-5) == (name in GREY)


# The folder


def test_made_once_then_left_alone(
    tiny: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tiny() == 0
    assert "next: bash run.sh train data.root=" in capsys.readouterr().out
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "mini").rglob("*")}
    assert tiny() == 0
    assert "nothing to do" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "mini").rglob("*")} == before
    assert [path.name for path in tmp_path.iterdir()] == ["mini"]  # no temporary folder is left


def test_the_manifest_says_what_was_made(small: Path) -> None:
    manifest = manifest_of(small)
    assert manifest["request"]["seed"] == 3
    assert manifest["photographs"]["chelsea"] == "CC0"
    names = sorted(set(bytes_of(small)) - {MANIFEST})
    assert manifest["sha256"] == embedded.digest(small, names)


def test_another_request_needs_force(
    tiny: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny()
    assert tiny("--seed", "5") == 1
    message = capsys.readouterr().err
    assert "--force" in message and "seed: 0 there, 5 asked for" in message
    assert manifest_of(tmp_path / "mini")["request"]["seed"] == 0
    assert tiny("--seed", "5", "--force") == 0
    assert manifest_of(tmp_path / "mini")["request"]["seed"] == 5
    assert [path.name for path in tmp_path.iterdir()] == ["mini"]


def test_a_file_of_the_users_is_never_deleted(
    tiny: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny()
    mine = tmp_path / "mini" / "train" / "notes.txt"
    mine.write_text("mine", encoding="utf-8")
    assert tiny("--seed", "5", "--force") == 1
    assert "train/notes.txt" in capsys.readouterr().err
    assert mine.read_text(encoding="utf-8") == "mine"
    assert manifest_of(tmp_path / "mini")["request"]["seed"] == 0


@pytest.mark.parametrize("manifest", [None, "{}", "not json", '{"made_by": "somebody"}', "[1]"])
def test_a_folder_made_by_others_is_refused_even_with_force(
    tiny: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    manifest: str | None,
) -> None:
    mine = tmp_path / "mini" / "train" / "blur" / "real_00012.png"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"real")
    if manifest is not None:
        (tmp_path / "mini" / MANIFEST).write_text(manifest, encoding="utf-8")
    before = bytes_of(tmp_path)
    assert tiny("--force") == 1
    assert "not made by `bash run.sh data`" in capsys.readouterr().err
    assert bytes_of(tmp_path) == before


def test_what_is_cut_off_leaves_nothing_and_keeps_what_was_there(
    tiny: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(folder: Path, *_: object, **__: object) -> None:
        (folder / "train").mkdir()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(embedded, "write_sequence", broken)
        assert tiny() == 130
        assert list(tmp_path.iterdir()) == []
    tiny()
    before = bytes_of(tmp_path)
    monkeypatch.setattr(embedded, "write_sequence", broken)
    assert tiny("--seed", "5", "--force") == 130
    assert bytes_of(tmp_path) == before


def test_whoever_asks_for_the_same_at_the_same_time_finds_it(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process puts a data set in place while ours is being made."""
    root = tmp_path / "mini"

    def slow(folder: Path, *_: object) -> None:
        folder.mkdir()
        shutil.copytree(small, root)

    monkeypatch.setattr(embedded, "write_all", slow)
    assert make(root, SMALL)
    assert bytes_of(root) == bytes_of(small)
    shutil.rmtree(root)
    with pytest.raises(DataError, match="cannot be written"):
        make(root, Request(seed=9))  # the other's is another one
    assert bytes_of(root) == bytes_of(small)
    assert [path.name for path in tmp_path.iterdir()] == ["mini"]


def test_a_place_that_cannot_be_written_to_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DiskError, match="file: file exists; move what is in the way"):
        make(tmp_path / "file" / "mini", SMALL)


def test_ensure_makes_the_default_set_only_where_nothing_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[Path, Request]] = []
    monkeypatch.setattr(embedded, "make", lambda root, request: made.append((root, request)))
    (tmp_path / "users").mkdir()
    (tmp_path / "users" / "x").touch()
    (tmp_path / "empty").mkdir()
    for name in ("users", "empty", "absent"):
        ensure(tmp_path / name)
    assert made == [(tmp_path / "empty", Request()), (tmp_path / "absent", Request())]
    assert DEFAULT_ROOT.parts[-2:] == ("data", "mini")


def test_every_bad_setting_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = ["--width", "8", "--height", "9999", "--frames", "0", "--seed", "-1", "--workers", "0"]
    assert main(["--out", str(tmp_path / "mini"), *bad]) == 1
    message = capsys.readouterr().err
    for part in ("--width 8", "--height 9999", "--frames 0", "--seed -1", "--workers 0"):
        assert part in message
    assert list(tmp_path.iterdir()) == []
