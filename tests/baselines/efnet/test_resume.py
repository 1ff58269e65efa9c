"""Trainings that are killed, stopped or out of luck, and resumed: nothing tells them from one that
was left alone.
"""

from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import killing
import pytest
import torch

from baselines.efnet import report, train, training
from baselines.efnet.checkpoint import Checkpoint, load_checkpoint, load_last, save_checkpoint
from baselines.efnet.crops import frames_of, training_batches, worker_context
from baselines.efnet.score_tables import LOSSES
from baselines.efnet.training import Training, is_sound
from baselines.efnet.training_log import read_log
from baselines.stopping import SIGNALS, Stop, Stopped, deaf_children
from challenge.errors import DataError

pytestmark = pytest.mark.usefixtures("one_thread")

EMA = "train.ema=0.9"


@pytest.fixture
def arguments(untouched_highrev: Path) -> list[str]:
    return [*killing.SETTINGS, f"data.root={untouched_highrev}", "data.workers=0", EMA]


@pytest.fixture(scope="module")
def whole(
    one_thread: None, untouched_highrev: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of a training that was left alone; only to be read."""
    runs = tmp_path_factory.mktemp("whole")
    settings = [*killing.SETTINGS, f"data.root={untouched_highrev}", "data.workers=0", EMA]
    assert train.main(settings, runs) == 0
    return runs / "t"


@pytest.fixture
def half(whole: Path, arguments: list[str], tmp_path: Path, monkeypatch: Any) -> Path:
    """The same one, stopped in its tenth step: two rows ahead of `previous.pth`."""
    with monkeypatch.context() as patch:
        at_step(patch, 10, lambda loss: signal.raise_signal(signal.SIGTERM))
        assert train.main(arguments, tmp_path) == 128 + signal.SIGTERM
    assert load_checkpoint(tmp_path / "t" / "last.pth")["iteration"] == 10
    return tmp_path / "t"


def at_step(
    patch: pytest.MonkeyPatch, number: int, do: Callable[[torch.Tensor], torch.Tensor | None]
) -> None:
    """Do something in the middle of a step, counted from 1, or put something else for its loss."""
    count = [0]

    def loss_of(*arguments: Any) -> torch.Tensor:
        count[0] += 1
        loss = true_loss(*arguments)
        other = do(loss) if count[0] == number else None
        return loss if other is None else other

    true_loss = training.psnr_losses
    patch.setattr(training, "psnr_losses", loss_of)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    text = capsys.readouterr()
    assert "Traceback" not in text.err
    return text.out + text.err


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_kills_leave_no_trace(
    whole: Path, arguments: list[str], tmp_path: Path, workers: int
) -> None:
    """Before there is a folder (0: the first flush), between the first checkpoint and its name,
    between rows, in a validation, and around saves.
    """
    instants = (3, 25) if workers else (0, 1, 3, 13, 33)
    kills = [killing.Kill(change=at) for at in instants]
    trainings, given = killing.Trainings(), [*arguments, f"data.workers={workers}"]
    assert killing.kill_and_resume(trainings, given, tmp_path, kills) == len(kills)
    found = killing.differences(whole, tmp_path / "t")
    if workers:  # stands in the configuration
        found = [name for name in found if name not in ("config.yml", *CHECKPOINTS)]
        held = (load_checkpoint(place / "last.pth") for place in (whole, tmp_path / "t"))
        assert killing.equal(*({**each, "config": None} for each in held))
    assert found == []


CHECKPOINTS = ("best.pth", "last.pth", "previous.pth")


def test_a_difference_would_be_found(whole: Path, tmp_path: Path) -> None:
    other = shutil.copytree(whole, tmp_path / "t")
    assert killing.differences(whole, other) == []
    log, last = other / "log.jsonl", other / "last.pth"
    log.write_text(log.read_text().replace("loss", "lost", 1))
    checkpoint = load_checkpoint(last)
    next(iter(checkpoint["params"].values())).view(-1)[0] += 1e-7
    save_checkpoint(last, checkpoint)
    (other / ".x.tmp").touch()
    expected = ["log.jsonl", "last.pth", str(other / ".x.tmp")]
    assert killing.differences(whole, other) == expected


def test_a_step_under_way_is_finished_and_saved_before_stopping(
    whole: Path, half: Path, arguments: list[str]
) -> None:
    assert [row["iteration"] for row in read_log(half / "log.jsonl")] == [3, 5, 6, 9]
    assert len(load_checkpoint(half / "last.pth")["steps"]) == 1  # the tenth
    assert train.main([*arguments, "--resume"], half.parent) == 0
    assert killing.differences(whole, half) == []


def test_a_validation_is_broken_off_and_done_again(
    whole: Path,
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    saves: list[int] = []

    def asked_to_stop(*_: Any) -> None:
        signal.raise_signal(signal.SIGUSR1)
        raise AssertionError("went on")

    def asked_again(path: Path, checkpoint: Checkpoint) -> None:
        signal.raise_signal(signal.SIGTERM)
        saves.append(checkpoint["iteration"])
        save(path, checkpoint)

    save = report.save_keeping_one
    with monkeypatch.context() as patch:
        patch.setattr(train, "validate", asked_to_stop)
        patch.setattr(report, "save_keeping_one", asked_again)
        assert train.main(arguments, tmp_path) == 128 + signal.SIGTERM  # of the save at 4
        assert train.main([*arguments, "--resume"], tmp_path) == 128 + signal.SIGUSR1
    assert saves == [4, 4, 5]
    assert "stopped by SIGUSR1; go on with: bash run.sh train data.rules=own" in said(capsys)
    assert [row["iteration"] for row in read_log(tmp_path / "t" / "log.jsonl")] == [3]
    assert train.main([*arguments, "--resume"], tmp_path) == 0
    assert killing.differences(whole, tmp_path / "t") == []


@pytest.mark.parametrize("kind", SIGNALS)
def test_when_a_signal_is_heard(kind: int) -> None:
    handler = signal.getsignal(kind)
    with Stop().listening() as stop:
        done = []
        with pytest.raises(Stopped) as caught, stop.later():
            signal.raise_signal(kind)
            signal.raise_signal(kind)
            done.append("work")
            with stop.at_once():
                done.append("never")
        assert caught.value.exit_code == 128 + kind and done == ["work"]
    with Stop().listening() as stop, pytest.raises(Stopped):
        signal.raise_signal(kind)
    with Stop().listening() as stop, stop.later():
        assert list(stop.between([1, 2])) == [1, 2]
    assert signal.getsignal(kind) is handler


def test_workers_hear_nothing_and_are_not_forked_from_a_process_with_threads() -> None:
    assert worker_context().get_start_method() != "fork"
    with Stop().listening() as stop, deaf_children():
        assert set(SIGNALS) <= signal.pthread_sigmask(signal.SIG_BLOCK, [])
    assert not set(SIGNALS) & signal.pthread_sigmask(signal.SIG_BLOCK, [])
    assert stop.number is None


UNREADABLE: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "zeros": lambda content: bytes(len(content)),
    "turned bits": lambda content: content[:9000] + bytes([content[9000] ^ 255]) + content[9001:],
    "another pickle": lambda content: pickle.dumps({"params": print}, protocol=2),
    "weights only": lambda content: b"best.pth",
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_an_unreadable_checkpoint_falls_back_to_the_one_before(
    half: Path, whole: Path, arguments: list[str], kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    last = half / "last.pth"
    content = UNREADABLE[kind](last.read_bytes())
    last.write_bytes((half / "best.pth").read_bytes() if content == b"best.pth" else content)
    broken = last.read_bytes()
    if kind != "cut off":
        assert load_last(half)[0]["iteration"] == 8
    else:  # they are alike from here on: one goes on to the end
        assert train.main([*arguments, "--resume"], half.parent) == 0
        assert killing.differences(whole, half) == []
    text = said(capsys)
    assert f"warning: {last}: " in text and "going on from previous.pth, iteration 8" in text
    assert (half / "last.pth.unreadable").read_bytes() == broken


def test_with_no_readable_checkpoint_nothing_is_changed(
    half: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("last.pth", "previous.pth"):
        (half / name).write_bytes(b"")
    before = {path: path.read_bytes() for path in half.rglob("*") if path.is_file()}
    assert train.main([*arguments, "--resume"], half.parent) == 1
    text = said(capsys)
    assert "nothing to go on from" in text and "previous.pth: not a readable" in text
    assert {path: path.read_bytes() for path in half.rglob("*") if path.is_file()} == before


def test_what_lies_beside_an_unreadable_checkpoint_is_named(half: Path) -> None:
    (half / "best.pth").write_bytes(b"")
    with pytest.raises(DataError, match=r"copy it again, or take last.pth or previous.pth beside"):
        load_checkpoint(half / "best.pth")


def test_a_full_disk_leaves_what_can_be_resumed(
    whole: Path,
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for flushes in (0, 5, 12, 16):
        left = [flushes]

        def full(descriptor: int, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            assert train.main([*arguments, "--resume"], tmp_path) == 1
        text = said(capsys)
        assert "no space left on device; free some space" in text and ".tmp" not in text
        assert not list(tmp_path.rglob(".*.tmp*"))
    assert train.main([*arguments, "--resume"], tmp_path) == 0
    assert killing.differences(whole, tmp_path / "t") == []


NONSENSE: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "NaN": lambda loss: loss * float("nan"),
    "infinite, its gradient 0": lambda loss: loss.detach() + float("inf") + 0.0 * loss,
    "its gradient alone": lambda loss: loss + (0.0 * (loss - loss.detach())).sqrt(),
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_a_step_that_is_no_number_changes_nothing(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    config = train.read_config(train.DEFAULT_CONFIG, arguments)
    here = Training(config, tmp_path)
    frames = train.open_data(config, "train")
    batches = training_batches(frames, config.data, config.train, 0, False)
    at_step(monkeypatch, 2, NONSENSE[kind])
    assert is_sound(here.step(next(batches)))
    kept = ("params", "trained", "optimiser", "averaged")
    before = pickle.loads(pickle.dumps({key: here.checkpoint()[key] for key in kept}))
    before["optimiser"]["param_groups"][0]["lr"] = None
    assert not is_sound(here.step(next(batches)))
    after = {key: here.checkpoint()[key] for key in kept}
    after["optimiser"]["param_groups"][0]["lr"] = None
    assert killing.equal(before, after)
    assert (here.iteration, len(here.skipped)) == (2, 1)
    assert is_sound(here.step(next(batches))) and here.skipped == []
    assert not killing.equal(before["params"], here.checkpoint()["params"])
    batches.close()


def test_skipped_steps_are_counted_and_left_out_of_the_mean(
    whole: Path, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_step(monkeypatch, 2, NONSENSE["NaN"])
    assert train.main([*arguments, "train.log_every=1"], tmp_path / "each") == 0
    monkeypatch.undo()
    at_step(monkeypatch, 2, NONSENSE["NaN"])
    assert train.main(arguments, tmp_path / "three") == 0
    each = read_log(tmp_path / "each" / "t" / "log.jsonl")
    rows = read_log(tmp_path / "three" / "t" / "log.jsonl")
    assert each[1].keys() == {"iteration", "learning_rate", "skipped"}
    for name in LOSSES:
        assert rows[0][name] == (each[0][name] + each[2][name]) / 2
    assert rows[0]["skipped"] == 1
    assert "skipped" not in rows[1]


def test_many_in_a_row_stop_the_training_and_name_the_frames(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    true_loss = training.psnr_losses
    monkeypatch.setattr(training, "psnr_losses", lambda *a: true_loss(*a) * float("nan"))
    config = train.read_config(train.DEFAULT_CONFIG, arguments)
    frames = train.open_data(config, "train")
    given = [*arguments, "train.stop_after_nan=2"]
    assert train.main(given, tmp_path) == 1
    text = said(capsys)
    assert "iteration 2: the loss is nan" in text and "the 2 last steps were all skipped" in text
    seen = [*frames_of(frames, config.train, 1, 1), *frames_of(frames, config.train, 0, 1)]
    assert sorted(seen) == sorted(frames.frames)  # an epoch is two batches here
    assert text.strip().splitlines()[-4:] == [f"  - {name}" for name in seen]
    assert load_checkpoint(tmp_path / "t" / "last.pth")["iteration"] == 0


def test_the_frames_named_are_those_that_are_read(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = train.read_config(train.DEFAULT_CONFIG, [*arguments, "data.keep_in_memory=false"])
    frames = train.open_data(config, "train")
    read: list[str] = []
    true_read = frames.read_part
    monkeypatch.setattr(
        frames, "read_part", lambda frame, window: read.append(frame) or true_read(frame, window)
    )
    list(training_batches(frames, config.data, config.train, 0, False))
    named = [frame for number in range(14) for frame in frames_of(frames, config.train, number, 1)]
    assert read == named


def test_settings_that_change_on_the_way_are_told_and_hold(
    half: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    changed = ["train.weight_decay=0.5", "train.batch=1", "--resume"]
    assert train.main([*arguments, *changed], half.parent) == 0
    told = "note: goes on with other settings: train.batch=1 (was 2), train.weight_decay=0.5 (was "
    assert told in said(capsys)
    groups = load_checkpoint(half / "last.pth")["optimiser"]["param_groups"]
    assert groups[0]["weight_decay"] == 0.5
    assert train.main([*arguments, "network.relu_slope=0.1", "--resume"], half.parent) == 1
    text = said(capsys)
    assert "of another network" in text and "network.relu_slope=0.1 (was 0.2)" in text


@pytest.mark.parametrize("key", ["channels_last", "fused"])
def test_what_is_a_matter_of_the_machine_may_change_on_the_way(
    arguments: list[str], tmp_path: Path, key: str
) -> None:
    """The same steps, whatever the order in memory, and whether AdamW is fused."""
    ways = [
        train.read_config(train.DEFAULT_CONFIG, [*arguments, f"train.{key}={word}"])
        for word in ("true", "false")
    ]
    one, other = (Training(config, tmp_path) for config in ways)
    frames = train.open_data(ways[0], "train")
    batches = training_batches(frames, ways[0].data, ways[0].train, 0, False)
    one.step(next(batches))
    other.resume(pickle.loads(pickle.dumps(one.checkpoint())), tmp_path)
    for _ in range(2):
        batch = next(batches)
        assert one.step(batch)[:2] == pytest.approx(other.step(batch)[:2], rel=1e-5)
    for a, b in zip(one.network.parameters(), other.network.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)
    batches.close()


def test_steps_of_an_older_kit_have_no_stages(
    half: Path, arguments: list[str], whole: Path
) -> None:
    """A row with some of them has their loss alone; the next row has all."""
    checkpoint = load_checkpoint(half / "last.pth")
    checkpoint["steps"] = [step[:2] for step in checkpoint["steps"]]
    save_checkpoint(half / "last.pth", checkpoint)
    assert train.main([*arguments, "--resume"], half.parent) == 0
    expected = read_log(whole / "log.jsonl")
    mixed = next(row for row in expected if row["iteration"] > 10 and "loss" in row)
    for name in LOSSES[1:]:
        del mixed[name]
    assert read_log(half / "log.jsonl") == expected


def test_rows_of_a_log_are_numbers_of_json(whole: Path) -> None:
    rows = [json.loads(line) for line in (whole / "log.jsonl").read_text().splitlines()]
    keys = [tuple(row) for row in rows]
    assert keys.count(("iteration", *LOSSES, "learning_rate", "gradient_norm")) == 5
    assert keys.count(("iteration", "val_psnr", "val_ssim", "learning_rate")) == 3
