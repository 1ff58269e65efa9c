"""Predictions that are interrupted, and those that restore in ways that were asked for."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from baselines import predict, provenance
from baselines.efnet import train
from baselines.efnet.inference import Inference
from baselines.efnet.memory import Need
from baselines.efnet.restorer import load
from baselines.mean import load_mean
from baselines.restoring import ahead
from baselines.unfinished import Unfinished
from challenge import REPOSITORY
from challenge.datasets import open_split
from challenge.environment.locks import locked
from challenge.errors import DataError
from challenge.images import read_png, to_uint8
from challenge.runs import find_runs, load_record

Main = Callable[..., int]
NEGATIVE = """
import os, signal
from pathlib import Path
class Negative:
    parameters, device, description = 0, 'cpu', 'x'
    def __call__(self, sample):
        log = Path(os.environ['KIT_TEST_LOG'])
        log.write_text((log.read_text() if log.exists() else '') + sample.frame + ' ')
        if sample.frame == os.environ.get('KIT_TEST_STOP'):
            if os.environ['KIT_TEST_HOW'] == 'kill':
                os.kill(os.getpid(), signal.SIGKILL)
            kinds = {'ctrl-c': KeyboardInterrupt, 'disk': OSError}
            raise kinds[os.environ['KIT_TEST_HOW']](28, 'x')
        return 255 - sample.blurry
def load(dataset, checkpoint, device):
    return Negative()
"""
FIRST, SECOND = "park_00000", "park_00012"


@pytest.fixture()
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "stoppable").mkdir()
    (tmp_path / "stoppable" / "restorer.py").write_text(NEGATIVE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("KIT_TEST_LOG", str(tmp_path / "log"))
    return tmp_path / "log"


@pytest.fixture()
def main(log: Path, highrev: Path, tmp_path: Path) -> Main:
    """Predict val, whose frames are FIRST and SECOND, with a baseline that can be stopped."""
    given = ["--baseline", "stoppable.restorer", "--data", str(highrev), "--split", "val"]

    def run(*more: str) -> int:
        return predict.main([*given, "--name", "n", *more], tmp_path / "sub", tmp_path / "runs")

    return run


def stop(monkeypatch: pytest.MonkeyPatch, frame: str, how: str = "ctrl-c") -> None:
    monkeypatch.setenv("KIT_TEST_STOP", frame)
    monkeypatch.setenv("KIT_TEST_HOW", how)


@pytest.mark.parametrize("how, code", [("ctrl-c", 130), ("disk", 1)])
def test_what_was_interrupted_goes_on(
    how: str,
    code: int,
    main: Main,
    log: Path,
    highrev: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stop(monkeypatch, SECOND, how)
    assert main() == code
    assert "1 of 2 frames are kept; the same command goes on" in capsys.readouterr().err
    assert find_runs(tmp_path / "sub") == []  # nobody takes it for a run
    folder = tmp_path / "sub" / "HighREV" / "val" / "n"
    assert [path.name for path in folder.parent.iterdir()] == [".n.unfinished"]
    monkeypatch.delenv("KIT_TEST_STOP")
    assert main() == 0
    assert "n val: goes on after 1 of 2 frames" in capsys.readouterr().out
    assert log.read_text().split() == [FIRST, SECOND, SECOND]
    assert [path.name for path in folder.parent.iterdir()] == ["n"]
    assert sorted(path.name for path in folder.iterdir()) == [
        f"{FIRST}.png", f"{SECOND}.png", "run.json",
    ]  # fmt: skip
    for frame in (FIRST, SECOND):
        expected = 255 - read_png(highrev / "val" / "blur" / f"{frame}.png")
        assert np.array_equal(read_png(folder / f"{frame}.png"), expected)
    assert load_record(folder).frames == 2


def test_a_process_that_was_killed_goes_on_too(
    main: Main, log: Path, highrev: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop(monkeypatch, SECOND, "kill")
    program = (
        "import sys; from pathlib import Path; from baselines import predict\n"
        "predict.main(sys.argv[2:], Path(sys.argv[1]), Path(sys.argv[1]))"
    )
    paths = os.pathsep.join([str(REPOSITORY), str(tmp_path)])
    options = ["--baseline", "stoppable.restorer", "--data", str(highrev), "--split", "val"]
    killed = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "sub"), *options, "--name", "n"],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL
    assert find_runs(tmp_path / "sub") == []
    monkeypatch.delenv("KIT_TEST_STOP")
    before = log.read_text().split()
    assert main() == 0
    # what was being written when the process died may be missing, never half there
    assert log.read_text().split() in ([*before, SECOND], [*before, FIRST, SECOND])
    assert len(list((tmp_path / "sub" / "HighREV" / "val" / "n").glob("*.png"))) == 2


@pytest.mark.parametrize("change", ["frame", "events", "device", "afresh", "code"])
def test_anything_else_starts_afresh(
    change: str,
    main: Main,
    log: Path,
    highrev: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stop(monkeypatch, SECOND)
    assert main() == 130
    monkeypatch.delenv("KIT_TEST_STOP")
    if change == "frame":
        (highrev / "val" / "blur" / f"{FIRST}.png").write_bytes(
            (highrev / "val" / "blur" / f"{SECOND}.png").read_bytes()
        )
    elif change == "events":
        os.utime(next((highrev / "val" / "event").glob(f"{FIRST}*")), (1, 1))
    elif change == "code":
        monkeypatch.setattr(provenance, "commit", lambda with_changes=False: "another")
    capsys.readouterr()
    more = {"device": ["--device", "cpu"], "afresh": ["--afresh"]}.get(change, [])
    assert main(*more) == 0
    output = capsys.readouterr().out
    assert log.read_text().split() == [FIRST, SECOND, FIRST, SECOND]
    assert ("starts afresh" in output) == (change != "afresh") and "goes on" not in output


def test_two_at_once_are_one_and_an_error(
    main: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "sub" / "HighREV" / "val" / "n"
    with locked(folder):
        assert main() == 1
    assert re.search(r"another process \(.*\) is changing it", capsys.readouterr().err)
    assert main() == 0


def test_of_no_frame_nothing_is_kept(
    main: Main, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop(monkeypatch, FIRST)
    assert main() == 130
    assert list((tmp_path / "sub" / "HighREV" / "val").iterdir()) == []


def test_times_leave_out_the_first_frame_of_each_process(tmp_path: Path) -> None:
    work = Unfinished(tmp_path / "n", {"frames": ["a", "b", "c"]})
    work.begin({})
    image = np.zeros((2, 2, 3), np.uint8)
    work.write("a", image, 9.0, warm=False)
    assert work.seconds_per_image() == 9.0  # there is no other
    work.write("b", image, 2.0, warm=True)
    with open(work.rows, "a") as file:
        file.write('{"frame": "c", "sec')  # cut off
    again = Unfinished(tmp_path / "n", {"frames": ["a", "b", "c"]})
    again.begin({})
    assert again.done() == {"a", "b"}
    again.write("c", image, 4.0, warm=True)
    assert again.seconds_per_image() == 3.0
    assert [json.loads(row)["frame"] for row in again.rows.read_text().splitlines()] == [*"abc"]


def test_another_device_starts_afresh_and_the_chosen_tiles_stay(tmp_path: Path) -> None:
    work = Unfinished(tmp_path / "n", {"frames": ["a"]})
    work.begin({"device": "cpu", "inference": Inference(tiles=(64,)).record()})
    work.write("a", np.zeros((2, 2, 3), np.uint8), 1.0, True)
    again = Unfinished(tmp_path / "n", {"frames": ["a"]})
    assert again.settings(Inference()) == Inference(tiles=(64,))
    again.begin({"device": "cpu", "inference": Inference(tiles=(64,)).record()})
    assert again.done() == {"a"}
    again = Unfinished(tmp_path / "n", {"frames": ["a"]})
    again.begin({"device": "a GPU", "inference": Inference(tiles=(64,)).record()})
    assert again.done() == set()


def test_a_record_that_cannot_be_read_starts_afresh(tmp_path: Path) -> None:
    work = Unfinished(tmp_path / "n", {"frames": ["a"]})
    work.begin({})
    work.write("a", np.zeros((2, 2, 3), np.uint8), 1.0, True)
    for text in ("", "[]", "{"):
        (work.folder / "making.json").write_text(text)
        again = Unfinished(tmp_path / "n", {"frames": ["a"]})
        assert again.done() == set()
        again.begin({})


def test_frames_are_read_ahead_in_order_and_errors_reach_the_caller() -> None:
    seen: list[str] = []

    def read(frame: str) -> str:
        seen.append(frame)
        if frame == "c":
            raise DataError("c: damaged")
        return frame.upper()

    frames = ahead(read, [*"abcd"])
    assert next(frames) == "A" and next(frames) == "B"
    with pytest.raises(DataError, match="c: damaged"):
        next(frames)
    assert seen == [*"abc"]
    assert list(ahead(str.upper, [])) == []


SETTINGS = [
    "data.rules=own", "network.wf=4", "train.crop=16", "train.batch=1", "train.iterations=1",
    "data.workers=0", "train.precision=float32",
]  # fmt: skip


@pytest.fixture()
def trained(highrev: Path, tmp_path: Path) -> list[Path]:
    for name in ("a", "b"):
        seed = f"train.seed={ord(name)}"
        train.main([f"data.root={highrev}", f"name={name}", seed, *SETTINGS], tmp_path / "runs")
    return [tmp_path / "runs" / name / "best.pth" for name in ("a", "b")]


def test_several_checkpoints_are_averaged_before_they_are_rounded(
    trained: list[Path], highrev: Path, tmp_path: Path
) -> None:
    data = open_split(highrev, "val")
    sample = data[0]
    members = [load(data, path, "cpu") for path in trained]
    expected = to_uint8((members[0].estimate(sample) + members[1].estimate(sample)) / 2)
    assert np.array_equal(load_mean("efnet", data, trained, "cpu")(sample), expected)
    rounded = (members[0](sample).astype(float) + members[1](sample)) / 2
    assert not np.array_equal(np.floor(rounded + 0.5), expected)
    options = [f"--checkpoint={path}" for path in trained]
    arguments = [*options, "--data", str(highrev), "--split", "val", "--name", "m"]
    assert predict.main(arguments, tmp_path / "sub", tmp_path / "runs") == 0
    folder = tmp_path / "sub" / "HighREV" / "val" / "m"
    assert np.array_equal(read_png(folder / f"{sample.frame}.png"), expected)
    record = load_record(folder)
    assert list(record.parts) == [str(path) for path in trained] and record.checkpoint is None
    assert record.parameters == 2 * members[0].parameters
    assert record.description.startswith("mean of 2 networks: EFNet")


def test_a_baseline_without_settings_or_estimates_says_so(
    main: Main, trained: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main("--tile", "64") == 1
    assert "takes no settings of restoring" in capsys.readouterr().err
    assert main(f"--checkpoint={trained[0]}", f"--checkpoint={trained[1]}") == 1
    assert "takes one --checkpoint" in capsys.readouterr().err
    assert main(f"--checkpoint={trained[0]}") == 0


def test_tiles_are_chosen_to_fit_and_said_and_kept(
    trained: list[Path],
    highrev: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["a", "--split", "val", "--name", "t"]
    folder = tmp_path / "sub" / "HighREV" / "val" / "t"
    for options, tiles, words in (
        (
            ["--tile", "32", "--overlap", "8"],
            [32],
            "tiles of 32 pixels that overlap by 8, as",
        ),
        (["--tile", "32,0", "--flips"], [32, 0], "tiles of 32 and the whole frame"),
        ([], [0], ""),
    ):
        capsys.readouterr()
        assert predict.main([*arguments, *options], tmp_path / "sub", tmp_path / "runs") == 0
        output = capsys.readouterr().out
        assert words in output and ("predict: in tiles" in output) == bool(words)
        record = load_record(folder)
        assert record.inference["tiles"] == tiles and "memory" not in record.inference
        assert ("mean of 8 flips" in record.description) == ("--flips" in options)
    monkeypatch.setattr("baselines.efnet.memory.SIDES", (32,))  # frames are 56x40 here
    needs = {("torch", precision): Need(0, 0, 10**6, 0) for precision in ("float32", "bfloat16")}
    monkeypatch.setattr("baselines.efnet.memory.NEEDS", needs)
    memory = 4 * 32 * 40 * 1e6 / 2**30 + 0.7
    capsys.readouterr()
    options = ["--memory", f"{memory:.2f}"]
    assert predict.main([*arguments, *options], tmp_path / "sub", tmp_path / "runs") == 0
    output = capsys.readouterr().out
    assert "in tiles of 32 pixels that overlap by 8, since whole frames of 56x40 take" in output
    assert load_record(folder).inference["tiles"] == [32]
    validated = [f"data.root={highrev}", "name=v", *SETTINGS]
    monkeypatch.setenv("KIT_MEMORY", f"{memory:.2f}")
    assert train.main(validated, tmp_path / "runs") == 0
    assert "validation: in tiles of 32 pixels" in capsys.readouterr().out
    assert "tile: 32" in (tmp_path / "runs" / "v" / "config.yml").read_text()
    monkeypatch.delenv("KIT_MEMORY")  # with all the memory there is: resumed, it stays as it was
    assert train.main([*validated, "train.iterations=2", "--resume"], tmp_path / "runs") == 0
    assert "tile: 32" in (tmp_path / "runs" / "v" / "config.yml").read_text()
    monkeypatch.setenv("KIT_MEMORY", "1")
    assert train.main(validated, tmp_path / "runs") == 1
    assert "error: validation: EFNet of network.wf=4 needs" in capsys.readouterr().err
