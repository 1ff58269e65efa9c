"""Several processes at one piece of work, as torchrun starts them: who does what, how they end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import changed_trainings
import processes
import pytest
import torch
from processes import children_of, wait_for

from baselines.distributed import World
from baselines.efnet import train
from baselines.efnet.checkpoint import load_checkpoint
from baselines.efnet.crops import frames_of
from baselines.efnet.training_log import read_log
from baselines.efnet.validation import blurry_scores
from baselines.launch import Launch, require_room
from baselines.meeting import meet
from challenge import REPOSITORY
from challenge.datasets import open_split
from challenge.environment.memory import GIB
from challenge.errors import ConfigError
from challenge.metrics.profiles import PROFILES

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
    assert world.first(lambda: 3) == 3 and world.highest(7) == 7
    assert world.gather([0.5, 2]) == [[0.5, 2]]
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


def farthest(one: Path, other: Path) -> float:
    """Find the largest difference of two checkpoints' weights."""
    pair = [load_checkpoint(path) for path in (one, other)]
    return max(
        float((pair[1][kind][key] - value).abs().max())
        for kind in ("params", "trained")
        for key, value in pair[0][kind].items()
    )


def test_two_processes_learn_what_one_learns_with_twice_the_batch(
    highrev: Path, tmp_path: Path
) -> None:
    """Also with a running mean; and each frame is validated once, by one of them."""
    runs = tmp_path / "runs"
    two = begin(runs, ["--nproc", "2", *arguments(highrev, "two", 1)])
    one = begin(runs, arguments(highrev, "one", 2))
    told = two.communicate(timeout=200)[0]
    assert two.returncode == 0, told
    assert one.wait(timeout=200) == 0
    assert told.count("training frames") == 1 and "in each of 2 processes" in told
    assert "Warning" not in told  # such as of gradients that lie unlike their buckets
    # float32 rounds sums in another order, AdamW divides by next to nothing: 1.1e-6 measured, one
    # process with another number of threads is as far away; the proof is in float64, below
    assert farthest(runs / "one" / "last.pth", runs / "two" / "last.pth") < 2e-6
    assert "module." not in "".join(load_checkpoint(runs / "two" / "last.pth")["trained"])
    rows, others = (read_log(runs / name / "log.jsonl") for name in ("one", "two"))
    assert [row.keys() for row in rows] == [row.keys() for row in others]
    for row, other in zip(rows, others, strict=True):
        assert other == pytest.approx(row, rel=1e-4)
    tables = [(runs / name / "validation_frames.csv").read_text() for name in ("one", "two")]
    lines = [[line.split(",")[:2] for line in table.splitlines()] for table in tables]
    assert lines[0] == lines[1] and len(lines[0]) == 1 + 2 * 2


def begin_changed(runs: Path, change: str, words: Sequence[str]) -> subprocess.Popen[str]:
    here = {"PYTHONPATH": str(Path(changed_trainings.__file__).parent), "KIT_TEST_CHANGE": change}
    return processes.begin("changed_trainings", [runs], words, **here)


@pytest.mark.slow
def test_in_float64_two_processes_learn_the_same_as_one_with_twice_the_batch(
    highrev: Path, tmp_path: Path
) -> None:
    shutil.rmtree(highrev / "val")
    runs = tmp_path / "runs"
    two = begin_changed(runs, "double", ["--nproc", "2", *arguments(highrev, "two", 1)])
    one = begin_changed(runs, "double", arguments(highrev, "one", 2))
    assert two.wait(timeout=200) == 0 and one.wait(timeout=200) == 0
    last = load_checkpoint(runs / "two" / "last.pth")
    assert {value.dtype for value in last["trained"].values()} == {torch.float64}
    assert farthest(runs / "one" / "last.pth", runs / "two" / "last.pth") < 1e-13


@pytest.mark.slow
def test_a_loss_that_is_no_number_in_one_process_is_skipped_in_all(
    highrev: Path, tmp_path: Path
) -> None:
    """The second step is skipped, the third is not; the fourth and fifth in a row end it."""
    shutil.rmtree(highrev / "val")
    runs = tmp_path / "runs"
    settings = {"iterations": 9, "log_every": 1, "save_every": 1, "stop_after_nan": 2, "ema": 0.0}
    words = arguments(highrev, "t", 1, **settings)
    process = begin_changed(runs, "nan 1 1 3 4", ["--nproc", "2", *words])
    told = process.communicate(timeout=200)[0]
    assert process.returncode == 1 and "Traceback" not in told, told
    rows = read_log(runs / "t" / "log.jsonl")
    assert [row.get("skipped", 0) for row in rows] == [0, 1, 0, 1]
    weights = [torch.load(runs / f"weights_{rank}.pth", weights_only=True) for rank in (0, 1)]
    assert all(torch.equal(value, weights[1][key]) for key, value in weights[0].items())
    assert "iteration 5: the loss is nan" in told and told.count("error: ") == 1
    config = train.read_config(train.DEFAULT_CONFIG, words)
    frames = train.open_data(config, "train")
    seen = [frames_of(frames, config.train, step, 2)[1] for step in (4, 3)]
    named = [line[4:] for line in told.splitlines() if line.startswith("  - ")]
    assert named == [*dict.fromkeys(seen)]


@pytest.mark.slow
def test_processes_that_memory_does_not_hold_are_refused_before_anything_is_made(
    highrev: Path, tmp_path: Path
) -> None:
    words = ["--nproc", "2", *arguments(highrev, "t", 600, crop=32)]
    process = processes.begin("baselines.efnet.train", [tmp_path / "runs"], words, KIT_MEMORY="2")
    told = process.communicate(timeout=200)[0]
    assert process.returncode == 1 and told.count("error: ") == 1, told
    assert "cpu has 1.0 GiB free for each of 2 processes" in told
    assert "  - --nproc 1: so many processes fit on this machine" in told
    assert not (tmp_path / "runs" / "t").exists()


def test_three_processes_validate_each_image_once(untouched_highrev: Path, tmp_path: Path) -> None:
    """Four images, which three do not divide, and two: one process gets none."""
    here = [str(Path(changed_trainings.__file__).parent), str(REPOSITORY)]
    words = [str(untouched_highrev), "train", "val"]
    plan = "from baselines.launch import Launch, launch; import sys; from pathlib import Path; "
    plan += "sys.exit(launch(Launch(3), 'sharing', sys.argv[2:], [Path(sys.argv[1])], ''))"
    variables = {"PYTHONPATH": os.pathsep.join(here), "OMP_NUM_THREADS": "1"}
    code = [sys.executable, "-c", plan, str(tmp_path), *words]
    done = subprocess.run(code, env=os.environ | variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    profile = PROFILES["published_kit"]
    for split, shares in (("train", (2, 1, 1)), ("val", (1, 1, 0))):
        frames = open_split(untouched_highrev, split).frames
        notes = [tmp_path / f"{split}_{rank}" for rank in range(3)]
        seen = [note.read_text().split() if note.exists() else [] for note in notes]
        assert tuple(map(len, seen)) == shares
        assert sorted(frame for part in seen for frame in part) == sorted(frames)
        alone = blurry_scores(open_split(untouched_highrev, split), profile)
        for rank in range(3):
            told = json.loads((tmp_path / f"{split}_{rank}.json").read_text())
            assert told == {"psnr": alone.psnr, "ssim": alone.ssim, "frames": dict(alone.frames)}


def test_an_error_of_one_process_ends_all_with_one_sentence(highrev: Path, tmp_path: Path) -> None:
    damaged = highrev / "train" / "sharp" / "harbour_00012.png"
    damaged.write_bytes(damaged.read_bytes()[:-40])
    process = begin(tmp_path / "runs", ["--nproc", "2", *arguments(highrev, "two", 1)])
    told = process.communicate(timeout=200)[0]
    assert process.returncode == 1, told
    assert told.count("error: ") == 1 and f"{damaged}: the PNG is cut off" in told
    assert "Traceback" not in told and "ChildFailedError" not in told


def test_more_processes_than_memory_holds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("baselines.launch.free_memory", lambda: 3 * GIB)
    require_room(4)
    with pytest.raises(ConfigError, match="--nproc 1000: .* has 3.0 GiB free: at most 10;"):
        require_room(1000)


def test_a_node_that_is_the_meeting_point_hosts_it_and_others_tell_how_they_are_reached() -> None:
    for point in ("localhost:29500", "127.0.0.1:29500"):
        meeting = meet(point)
        assert (meeting.endpoint, meeting.hosted) == ("localhost:29500", True)
        assert meeting.address == point.split(":")[0]


@pytest.mark.parametrize("point", ["first", "first:", ":29500", "first:http", "127.0.0.1:70000"])
def test_a_meeting_point_that_is_none_is_refused(point: str) -> None:
    with pytest.raises(ConfigError, match="expected HOST:PORT"):
        meet(point)


def test_a_meeting_point_that_is_not_reached_is_refused() -> None:
    with pytest.raises(ConfigError, match="no.such.host.invalid is not reached from here"):
        meet("no.such.host.invalid:29500")


@pytest.mark.slow
def test_after_a_kill_of_one_process_all_start_again_and_end_where_they_would_have(
    highrev: Path, tmp_path: Path
) -> None:
    shutil.rmtree(highrev / "val")
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
