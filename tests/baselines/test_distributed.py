"""Several processes at one piece of work, as torchrun starts them: who does what, how they end."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import processes
import pytest
import torch
from processes import children_of, wait_for

from baselines.distributed import World
from baselines.efnet import train
from baselines.efnet.checkpoint import load_checkpoint
from baselines.efnet.training_log import read_log
from baselines.launch import Launch
from challenge.errors import ConfigError

SETTINGS = {"iterations": 6, "log_every": 2, "save_every": 3, "validate_every": 3, "ema": 0.9}


def arguments(root: Path, name: str, batch: int, **settings: object) -> list[str]:
    return [
        f"data.root={root}",
        "data.rules=own",
        "data.workers=0",
        f"name={name}",
        "network.wf=4",
        "train.crop=16",
        "train.precision=float32",
        f"train.batch={batch}",
        *(f"train.{key}={value}" for key, value in (SETTINGS | settings).items()),
    ]


def begin(runs: Path, words: Sequence[str]) -> subprocess.Popen[str]:
    return processes.begin("baselines.efnet.train", [runs], words)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("count", [0, 1, 5, 6, 7])
def test_every_item_belongs_to_exactly_one_process(size: int, count: int) -> None:
    items = [f"frame_{number}" for number in range(count)]
    shares = [World(rank, size).share(items) for rank in range(size)]
    assert sorted(item for share in shares for item in share) == items
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_one_process_alone_waits_for_nobody() -> None:
    world = World()
    assert world.in_order("abc", str.upper) == ["A", "B", "C"]
    assert world.first(lambda: 3) == 3 and world.mean(0.5) == 0.5 and world.highest(7) == 7
    assert [*world.in_step(range(3))] == [0, 1, 2]
    with pytest.raises(ZeroDivisionError):
        world.in_order([0], lambda number: 1 // number)


@pytest.mark.parametrize(
    "plan, problem",
    [
        (Launch(0), "--nproc 0: expected at least 1"),
        (Launch(2, 0), "--nnodes 0: expected at least 1"),
        (Launch(2, restarts=-1), "--max-restarts -1: expected at least 0"),
        (Launch(2, 2), "--nnodes 2: needs --rdzv HOST:PORT, one of the nodes"),
    ],
)
def test_processes_that_cannot_be_started_are_refused(plan: Launch, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plan.check()
    assert caught.value.problems == (problem,)
    Launch(2, 2, "first:29500").check()


def test_two_processes_learn_what_one_learns_with_twice_the_batch(
    highrev: Path, tmp_path: Path
) -> None:
    """Also with a running mean; and each frame is validated once, by one of them."""
    runs = tmp_path / "runs"
    two = begin(runs, ["--nproc", "2", *arguments(highrev, "two", 1)])
    assert train.main(arguments(highrev, "one", 2), runs) == 0
    told = two.communicate(timeout=200)[0]
    assert two.returncode == 0, told
    assert told.count("training frames") == 1 and "in each of 2 processes" in told
    whole, shared = (load_checkpoint(runs / name / "last.pth") for name in ("one", "two"))
    for weights in ("params", "trained"):
        for key, value in whole[weights].items():
            # AdamW makes more of it where a gradient is next to nothing but rounding
            off = (shared[weights][key] - value).abs()
            assert float(off.max()) < 1e-5 and float(off.square().mean().sqrt()) < 1e-6, key
    assert "module." not in "".join(shared["trained"])
    rows, others = (read_log(runs / name / "log.jsonl") for name in ("one", "two"))
    assert [row.keys() for row in rows] == [row.keys() for row in others]
    for row, other in zip(rows, others, strict=True):
        assert other == pytest.approx(row, rel=1e-4)
    tables = [(runs / name / "validation_frames.csv").read_text() for name in ("one", "two")]
    lines = [[line.split(",")[:2] for line in table.splitlines()] for table in tables]
    assert lines[0] == lines[1] and len(lines[0]) == 1 + 2 * 2


def test_an_error_of_one_process_ends_all_with_one_sentence(highrev: Path, tmp_path: Path) -> None:
    damaged = highrev / "train" / "sharp" / "harbour_00012.png"
    damaged.write_bytes(damaged.read_bytes()[:-40])
    process = begin(tmp_path / "runs", ["--nproc", "2", *arguments(highrev, "two", 1)])
    told = process.communicate(timeout=200)[0]
    assert process.returncode == 1, told
    assert told.count("error: ") == 1 and f"{damaged}: the PNG is cut off" in told
    assert "Traceback" not in told and "ChildFailedError" not in told


@pytest.mark.slow
def test_after_a_kill_of_one_process_all_start_again_and_end_where_they_would_have(
    highrev: Path, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    whole = begin(runs, ["--nproc", "2", *arguments(highrev, "whole", 1, iterations=20)])
    assert whole.wait(timeout=200) == 0
    process = begin(runs, ["--nproc", "2", *arguments(highrev, "killed", 1, iterations=20)])
    log = runs / "killed" / "log.jsonl"
    wait_for(lambda: len(read_log(log)) >= 3, process)
    os.kill(children_of(process)[-1], signal.SIGKILL)
    told = process.communicate(timeout=200)[0]
    assert process.returncode == 0, told
    assert told.count("in each of 2 processes, from iteration") == 2
    ends = [load_checkpoint(runs / name / "last.pth")["params"] for name in ("whole", "killed")]
    assert all(torch.equal(value, ends[1][key]) for key, value in ends[0].items())
    assert log.read_bytes() == (runs / "whole" / "log.jsonl").read_bytes()


@pytest.mark.slow
def test_a_signal_to_the_launcher_lets_all_save(highrev: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    process = begin(runs, ["--nproc", "2", *arguments(highrev, "stopped", 1, iterations=5000)])
    wait_for(lambda: len(read_log(runs / "stopped" / "log.jsonl")) >= 1, process)
    process.send_signal(signal.SIGTERM)
    told = process.communicate(timeout=100)[0]
    assert process.returncode == 143 and "Traceback" not in told, told
    assert "go on with the same command and --resume" in told
    last = load_checkpoint(runs / "stopped" / "last.pth")["iteration"]
    assert 2 <= last < 5000
