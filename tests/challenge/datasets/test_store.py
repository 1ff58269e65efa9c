"""The training store: crops from it are those of the plain files, and damage is found."""

from __future__ import annotations

import os
import pickle
import resource
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from samples import HEIGHT, WIDTH, same, write_tiled

from challenge import REPOSITORY
from challenge.datasets import Dataset, DataSource
from challenge.datasets.store import StoredFrames, open_store, prepare, store_folder
from challenge.datasets.store.frame_file import FrameFile
from challenge.datasets.store.writing import write_frame
from challenge.errors import ChallengeError, DataError, DiskError
from challenge.parts import Part
from challenge.sample import Window, part_of

CLOCKS = ("uint64", "float64", "float32", "int16")
WINDOWS = (
    Window(0, 0, HEIGHT, WIDTH),
    Window(0, 0, 64, 64),
    Window(63, 63, 2, 2),
    Window(1, 127, 129, 2),
    Window(HEIGHT - 1, WIDTH - 1, 1, 1),
    Window(17, 40, 70, 70),
)


@pytest.fixture()
def root(tmp_path: Path) -> Path:
    return write_tiled(tmp_path / "HighREV")


def made(source: DataSource) -> tuple[Dataset, StoredFrames]:
    """Train as it is on disk, and from its store, which is made."""
    assert prepare(source, workers=1, say=lambda line: None)
    plain = source.open("train")
    stored = open_store(plain, store_folder(source, "train"))
    assert stored is not None
    return plain, stored


def check_equal(plain: Dataset, stored: StoredFrames) -> None:
    assert stored.frames == plain.frames and len(stored) == len(plain) and stored.has_sharp
    for index, frame in enumerate(plain.frames):
        whole = plain[index]
        assert stored.frame_size(frame) == plain.frame_size(frame) == (HEIGHT, WIDTH)
        assert np.array_equal(stored.read_blurry(frame), whole.blurry)
        assert np.array_equal(stored.read_sharp(frame), plain.read_sharp(frame))
        assert stored.read_inputs(frame).sharp is None
        for window in WINDOWS:
            assert same(stored.read_part(frame, window), part_of(whole, window)), window
        assert same(stored[index], part_of(whole, WINDOWS[0]))


def test_raw_events_on_any_clock(tmp_path: Path) -> None:
    source = DataSource(write_tiled(tmp_path / "HighREV", CLOCKS))
    plain, stored = made(source)
    check_equal(plain, stored)
    kinds = []
    for frame in plain.frames:
        with FrameFile(store_folder(source, "train") / f"{frame}.npz") as file:
            assert file.times is not None and file.clock is not None
            kinds.append((file.clock.str[1:], file.times.str[1:]))
    assert kinds == [("u8", "u2"), ("f8", "u2"), ("f4", "u2"), ("i2", "u2"), ("i8", "u2")]


def test_stored_grids(root: Path) -> None:
    source = DataSource(root, "highrev_voxel", root.parent / "HighREV_voxel")
    plain, stored = made(source)
    check_equal(plain, stored)
    grid = plain[0].stored_grid
    assert grid is not None
    assert stored.read_part(plain.frames[0], WINDOWS[2]).magnitude == np.abs(grid).max()


def test_a_real_recording(recordings: Path, tmp_path: Path) -> None:
    cups = DataSource(recordings / "davis346_cups").open("test")
    rng = np.random.default_rng(0)
    for frame in (cups.frames[0], cups.frames[17]):
        whole = cups.read_inputs(frame)
        write_frame(tmp_path / "frame.npz", whole, {})
        height, width = cups.frame_size(frame)
        for _ in range(20):
            top, left = int(rng.integers(height)), int(rng.integers(width))
            rows, columns = rng.integers(1, height - top + 1), rng.integers(1, width - left + 1)
            window = Window(top, left, int(rows), int(columns))
            with FrameFile(tmp_path / "frame.npz") as file:
                assert same(file.read(window), part_of(whole, window)), window


def test_stamps_that_no_offset_gives_back_are_kept_as_they_are(root: Path) -> None:
    path = root / "train" / "event" / "quay_00000_01.npz"
    with np.load(path) as stored_events:
        arrays = dict(stored_events)
    rng = np.random.default_rng(1)
    arrays["timestamp"] = np.sort(rng.random(len(arrays["x"]))) * 1e-3
    np.savez(path, **arrays)
    for number in (0, 2):
        none = {key: values[:0] for key, values in arrays.items()}
        np.savez(root / "train" / "event" / f"quay_00000_{number:02d}.npz", **none)
    check_equal(*made(DataSource(root)))


def test_frames_without_events(root: Path) -> None:
    for path in (root / "train" / "event").glob("quay_00000_*.npz"):
        with np.load(path) as stored_events:
            none = {key: stored_events[key][:0] for key in stored_events.files}
        np.savez(path, **none)
    check_equal(*made(DataSource(root)))


def test_anybody_can_open_it(root: Path) -> None:
    plain, stored = made(DataSource(root))
    with np.load(stored.folder / "quay_00000.npz") as arrays:
        names = {"about.json", "index", "span", "pixel", "time", "blurry", "sharp"}
        assert set(arrays.files) == names
        events = plain.read_inputs("quay_00000").events
        assert events is not None and len(arrays["pixel"]) == len(events)
        assert arrays["span"].tolist() == [events.t[0], events.t[-1]]


def test_no_file_stays_open_and_worker_processes_share_it(root: Path) -> None:
    plain, stored = made(DataSource(root))
    before = sorted(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else []
    copy = pickle.loads(pickle.dumps(stored))
    assert same(copy[0], stored[0]) and same(copy[1], part_of(plain[1], WINDOWS[0]))
    if before:
        assert sorted(os.listdir("/proc/self/fd")) == before


# --- what is stale, incomplete or damaged --------------------------------------------------------


def lines_of(source: DataSource, part: Part | None = None) -> list[str]:
    lines: list[str] = []
    prepare(source, part=part or Part(), workers=1, say=lines.append)
    return lines


def test_a_second_time_there_is_nothing_to_do(root: Path) -> None:
    source = DataSource(root)
    _, stored = made(source)
    path = stored.folder / "quay_00000.npz"
    before = path.stat().st_mtime_ns
    lines = lines_of(source)
    assert [line for line in lines if "to do" in line or "made" in line] == []
    assert path.stat().st_mtime_ns == before


def test_none_is_none(root: Path) -> None:
    source = DataSource(root)
    assert open_store(source.open("train"), store_folder(source, "train")) is None


def test_changed_added_and_removed_frames(root: Path) -> None:
    source = DataSource(root)
    _, stored = made(source)
    kept = (stored.folder / "quay_00012.npz").stat().st_mtime_ns
    touched = root / "train" / "blur" / "quay_00000.png"
    shutil.copy(root / "train" / "sharp" / "quay_00000.png", touched)  # changed
    with pytest.raises(DataError, match=r"1 of 2 frames.*\n.*quay_00000: its files have changed"):
        open_store(source.open("train"), stored.folder)
    assert any("1 of 2 frames to do" in line for line in lines_of(source))
    check_equal(*made(source))
    assert (stored.folder / "quay_00012.npz").stat().st_mtime_ns == kept
    for path in [*root.glob("train/*/quay_00012*")]:  # one added, named as another was
        shutil.copy(path, path.with_name(path.name.replace("quay_00012", "mole_00000")))
    with pytest.raises(DataError, match="mole_00000: not in the store"):
        open_store(source.open("train"), stored.folder)
    check_equal(*made(source))
    for path in [*root.glob("train/*/quay_00012*")]:  # one removed
        path.unlink()
    assert "train: removed 1 frames that are not in the data any more" in lines_of(source)
    assert sorted(path.stem for path in stored.folder.glob("*.npz")) == ["mole_00000", "quay_00000"]
    check_equal(*made(source))


def test_what_a_killed_one_left_is_kept_if_whole(root: Path) -> None:
    source = DataSource(root)
    _, stored = made(source)
    whole, cut = stored.folder / "quay_00000.npz", stored.folder / "quay_00012.npz"
    (stored.folder / "index.json").unlink()
    cut.write_bytes(cut.read_bytes()[:-3000])
    with pytest.raises(DataError, match="not complete"):
        open_store(source.open("train"), stored.folder)
    before = whole.stat().st_mtime_ns
    assert "1 made, 1 found whole and kept" in lines_of(source)
    assert whole.stat().st_mtime_ns == before
    check_equal(*made(source))


def test_a_killed_prepare_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    root = write_tiled(tmp_path / "HighREV", ("int64",) * 40)
    code = (
        "import sys; from pathlib import Path; from challenge.datasets import DataSource; "
        "from challenge.datasets.store import prepare; "
        "prepare(DataSource(Path(sys.argv[1])), workers=1)"
    )
    source = DataSource(root)
    folder = store_folder(source, "train")
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(root)],
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and len(list(folder.glob("[!.]*.npz"))) < 3:
        time.sleep(0.005)
    process.kill()
    process.wait()
    left = list(folder.glob("[!.]*.npz"))
    assert 3 <= len(left) < 41 and not (folder / "index.json").exists()
    for path in left:
        with FrameFile(path) as file:
            assert file.is_sound()
    with pytest.raises(DataError, match="not complete"):
        open_store(source.open("train"), folder)
    assert any(f"{len(left)} found whole and kept" in line for line in lines_of(source))
    assert prepare(source, tmp_path / "other", workers=1, say=lambda line: None)
    other = store_folder(source, "train", tmp_path / "other")
    names = sorted(path.name for path in other.iterdir())
    assert sorted(path.name for path in folder.iterdir()) == names  # no temporary file, no lock
    assert all((folder / name).read_bytes() == (other / name).read_bytes() for name in names)


def test_a_flipped_bit_is_found_when_it_goes_on(root: Path) -> None:
    source = DataSource(root)
    _, stored = made(source)
    path = stored.folder / "quay_00000.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    (stored.folder / "index.json").unlink()
    assert "1 made, 1 found whole and kept" in lines_of(source)
    check_equal(*made(source))


def test_a_missing_cut_or_exchanged_file_is_named(root: Path) -> None:
    source = DataSource(root)
    plain, stored = made(source)
    first, second = (stored.folder / f"quay_{number}.npz" for number in ("00000", "00012"))
    content = first.read_bytes()
    first.write_bytes(content[:-1])
    with pytest.raises(DataError, match="quay_00000.npz is missing or cut off"):
        open_store(plain, stored.folder)
    shutil.copy(second, first)
    with pytest.raises(DataError, match="quay_00000.npz: holds quay_00012"):
        stored.read_part("quay_00000", WINDOWS[1])


def test_the_parts_of_several_machines_make_the_same_bytes(root: Path, tmp_path: Path) -> None:
    source = DataSource(root)
    one, several = tmp_path / "one", tmp_path / "several"
    assert prepare(source, one, workers=1, say=lambda line: None)
    assert not prepare(source, several, Part(2, 2), 1, lambda line: None)
    plain = source.open("train")
    with pytest.raises(DataError, match="not complete"):
        open_store(plain, store_folder(source, "train", several))
    assert prepare(source, several, Part(1, 2), 1, lambda line: None)
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert files == sorted(p.relative_to(several) for p in several.rglob("*") if p.is_file())
    assert len(files) == 5
    assert all((one / path).read_bytes() == (several / path).read_bytes() for path in files)


def test_of_two_at_once_one_says_so(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = DataSource(root)
    inside, go_on = threading.Event(), threading.Event()

    def say(line: str) -> None:
        inside.set()
        go_on.wait(20)

    first = threading.Thread(target=prepare, args=(source,), kwargs={"workers": 1, "say": say})
    first.start()
    assert inside.wait(20)
    try:
        with pytest.raises(ChallengeError, match="another process"):
            prepare(source, workers=1, say=lambda line: None)
    finally:
        go_on.set()
        first.join()
    check_equal(*made(source))


def test_too_small_a_disk_is_said_before_it_starts(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = type(shutil.disk_usage(root))(10**9, 10**9 - 1000, 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    with pytest.raises(DiskError, match="the store needs about .* MB more"):
        prepare(DataSource(root), workers=1, say=lambda line: None)


def test_damaged_frames_are_all_named_and_the_others_made(root: Path) -> None:
    path = root / "train" / "event" / "quay_00000_01.npz"
    sound = path.read_bytes()
    path.write_bytes(sound[:-30])
    source = DataSource(root)
    with pytest.raises(DataError, match=r"1 frames cannot be read\n.*quay_00000_01.npz"):
        prepare(source, workers=1, say=lambda line: None)
    folder = store_folder(source, "train")
    assert [path.name for path in folder.glob("*.npz")] == ["quay_00012.npz"]
    path.write_bytes(sound)
    check_equal(*made(source))


def limited(function: Callable[[], None], room: int) -> None:
    """Call with an address space that may grow by `room` bytes."""
    if not os.path.exists("/proc/self/statm"):  # not Linux: unlimited
        return function()
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + room, hard))
    try:
        function()
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.mark.parametrize("format", ["highrev_raw", "highrev_voxel"])
def test_damage_is_named_or_does_no_harm(root: Path, format: str) -> None:
    grids = root.parent / "HighREV_voxel" if format == "highrev_voxel" else None
    source = DataSource(root, format, grids)
    _, stored = made(source)
    frame, path = "quay_00000", stored.folder / "quay_00000.npz"
    sound = path.read_bytes()
    truths = {window: stored.read_part(frame, window) for window in WINDOWS}
    rng = np.random.default_rng(5)
    with zipfile.ZipFile(path) as archive:
        heads = [info.header_offset for info in archive.infolist()]
        tail = archive.start_dir
    found = harmless = 0

    def attack() -> None:
        nonlocal found, harmless
        for number in range(700):
            content = bytearray(sound)
            place = int(rng.integers(len(sound)))
            if number % 3 == 1:  # where the structure is
                near = heads[number % len(heads)] + int(rng.integers(160))
                place = (
                    min(near, len(sound) - 1) if number % 2 else int(rng.integers(tail, len(sound)))
                )
            if number % 10 == 0:
                content = content[:place]
            elif number % 10 == 5:
                content[place : place + 4] = b"\xff\xff\xff\x7f"
            else:
                content[place] ^= 1 << int(rng.integers(8))
            path.write_bytes(content)
            window = WINDOWS[number % len(WINDOWS)]
            try:
                part = stored.read_part(frame, window)
            except DataError as error:
                assert str(path) in str(error) and "run.sh prepare" in str(error)
                found += 1
                continue
            assert same(part, truths[window]), (number, place)
            harmless += 1

    limited(attack, 300 << 20)
    assert found > 200 and harmless > 50
    path.write_bytes(sound)
    assert same(stored.read_part(frame, WINDOWS[0]), truths[WINDOWS[0]])


def test_a_damaged_index_is_an_incomplete_store(root: Path) -> None:
    source = DataSource(root)
    plain, stored = made(source)
    path = stored.folder / "index.json"
    text = path.read_text()
    assert f"{HEIGHT}" in text
    for damaged in (text[:-5], text.replace(f"{HEIGHT}", "131"), "[]", "{}", "", "[" * 100_000):
        path.write_text(damaged)
        with pytest.raises(DataError, match="bash run.sh prepare"):
            open_store(plain, stored.folder)
    check_equal(*made(source))
