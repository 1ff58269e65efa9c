"""Frames that several processes restore: each one once, whatever ends in between."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import processes
import pytest
from processes import children_of, is_alive, wait_for

from baselines import predict
from baselines.efnet import train
from challenge.environment.locks import is_locked

COUNTED = """
import os, signal, time
from pathlib import Path
log = Path(os.environ['KIT_TEST_LOG'])
class Negative:
    parameters, device, description = 0, 'cpu', 'x'
    def __call__(self, sample):
        with open(log, 'a') as file:
            file.write(f"{os.environ.get('RANK', 0)} {sample.frame}\\n")
        trap = log.with_name('kill_' + sample.frame)
        if trap.exists():
            trap.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(float(os.environ.get('KIT_TEST_SLOW', 0)))
        return 255 - sample.blurry
def load(dataset, checkpoint, device):
    return Negative()
"""
Begin = Callable[..., subprocess.Popen[str]]
FRAMES = [f"park_{12 * number:05d}" for number in range(7)]


@pytest.fixture()
def many(highrev: Path) -> Path:
    """A data set of seven frames in val."""
    for frame in FRAMES[2:]:
        for path in (highrev / "val").glob(f"*/{FRAMES[1]}*"):
            shutil.copy(path, path.with_name(path.name.replace(FRAMES[1], frame)))
    return highrev


@pytest.fixture()
def begin(many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Begin:
    """Predict val, with a baseline that notes which process restores which frame."""
    (tmp_path / "counted").mkdir()
    (tmp_path / "counted" / "restorer.py").write_text(COUNTED)
    monkeypatch.setenv("KIT_TEST_LOG", str(tmp_path / "log"))
    given = ["--baseline", "counted.restorer", "--data", str(many), "--split", "val"]

    def run(*words: str, **variables: str) -> subprocess.Popen[str]:
        folders = [tmp_path / "sub", tmp_path / "runs"]
        here = {"PYTHONPATH": str(tmp_path), **variables}
        return processes.begin("baselines.predict", folders, [*given, *words], **here)

    return run


def restored(tmp_path: Path) -> list[tuple[int, str]]:
    """List process and frame of each restoring so far."""
    log = tmp_path / "log"
    rows = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    return [(int(rank), frame) for rank, frame in rows]


def contents(folder: Path) -> dict[str, bytes | dict[str, object]]:
    """Read all files of a run; what is said of its name and of time is left out."""
    found: dict[str, bytes | dict[str, object]] = {}
    for path in folder.iterdir():
        found[path.name] = path.read_bytes()
        if path.name == "run.json":
            told = json.loads(path.read_text())
            for key in ("name", "created", "runtime_per_image_s"):
                assert told.pop(key)
            found[path.name] = told
    return found


def test_three_processes_write_what_one_writes_also_where_one_gets_no_frame(
    highrev: Path, tmp_path: Path
) -> None:
    settings = ["data.rules=own", "network.wf=4", "train.crop=16", "train.iterations=1", "name=a"]
    assert train.main([f"data.root={highrev}", *settings], tmp_path / "runs") == 0
    folders = [tmp_path / "sub", tmp_path / "runs"]
    words = ["a", "--precision", "float32"]
    process = processes.begin("baselines.predict", folders, [*words, "--name=s", "--nproc", "3"])
    assert predict.main([*words, "--name=one"], *folders) == 0
    told = process.communicate(timeout=200)[0]
    assert process.returncode == 0, told
    assert told.count("wrote ") == 2 and told.count("next: ") == 1  # val, test: two frames each
    for split in ("val", "test"):
        place = tmp_path / "sub" / "HighREV" / split
        one, shared = contents(place / "one"), contents(place / "s")
        assert one == shared and len(one) == 3
        assert sorted(path.name for path in place.iterdir()) == ["one", "s"]


def test_each_frame_is_restored_once_by_one_of_them_whatever_is_left_of_a_division(
    begin: Begin, tmp_path: Path
) -> None:
    process = begin("--name", "n", "--nproc", "2")
    told = process.communicate(timeout=200)[0]
    assert process.returncode == 0 and "wrote " in told and "(7 PNGs" in told, told
    found = restored(tmp_path)
    assert sorted(frame for _, frame in found) == FRAMES
    assert [frame for rank, frame in found if rank == 1] == FRAMES[1::2]


@pytest.mark.slow
def test_after_a_kill_of_one_process_all_start_again_and_go_on(
    begin: Begin, many: Path, tmp_path: Path
) -> None:
    """Also where frames from before were thrown away, and with a split that was done already."""
    (tmp_path / f"kill_{FRAMES[3]}").touch()
    words = ["--name", "n", "--nproc", "2", "--afresh", "--split", "test", "--split", "val"]
    process = begin(*words, KIT_TEST_SLOW="0.1")
    told = process.communicate(timeout=200)[0]
    assert process.returncode == 0, told
    assert "goes on after" in told
    place = tmp_path / "sub" / "HighREV"
    assert [path.name for path in (place / "val").iterdir()] == ["n"]
    assert {path.stem for path in (place / "val" / "n").glob("*.png")} == {*FRAMES}
    frames = [frame for _, frame in restored(tmp_path)]
    assert all(frames.count(frame) == 1 for frame in ("zig_zag_00000", "zig_zag_00012", FRAMES[0]))
    assert 7 + 2 < len(frames) <= 7 + 2 + 4  # again: what was under way, and was not written


@pytest.mark.slow
@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_what_ends_with_the_launcher_goes_on_by_the_same_command(
    begin: Begin, tmp_path: Path, number: int, code: int
) -> None:
    process = begin("--name", "n", "--nproc", "2", KIT_TEST_SLOW="0.3")
    wait_for(lambda: len(restored(tmp_path)) >= 4, process)
    folder = tmp_path / "sub" / "HighREV" / "val" / "n"
    assert is_locked(folder)  # from any other predict
    started = children_of(process)
    process.send_signal(number)
    told = process.communicate(timeout=100)[0]
    assert process.returncode == code and "Traceback" not in told, told
    end = time.monotonic() + 60
    while any(map(is_alive, started)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(map(is_alive, started)) and not is_locked(folder)
    if number == signal.SIGTERM:
        assert "of 7 frames are kept; the same command goes on" in told
    before = len(restored(tmp_path))
    assert before < 7
    again = begin("--name", "n", "--nproc", "3")
    told = again.communicate(timeout=200)[0]
    assert again.returncode == 0 and "goes on after" in told, told
    assert {path.stem for path in folder.glob("*.png")} == {*FRAMES}
    frames = [frame for _, frame in restored(tmp_path)]
    assert {*frames} == {*FRAMES} and len(frames) <= 7 + 2


@pytest.mark.slow
def test_a_damaged_frame_ends_all_with_one_sentence_and_the_others_are_kept(
    begin: Begin, many: Path, tmp_path: Path
) -> None:
    path = many / "val" / "blur" / f"{FRAMES[5]}.png"
    path.write_bytes(path.read_bytes()[:-40])
    process = begin("--name", "n", "--nproc", "2", KIT_TEST_SLOW="0.1")
    told = process.communicate(timeout=200)[0]
    assert process.returncode == 1, told
    assert told.count("error: ") == 1 and f"{path}: the PNG is cut off" in told
    assert "5 of 7 frames are kept" in told and "Traceback" not in told
    assert os.listdir(tmp_path / "sub" / "HighREV" / "val") == [".n.unfinished"]
