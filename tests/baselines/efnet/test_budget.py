"""What a training needs, and what is said before one starts that memory cannot hold."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from baselines.efnet import train
from baselines.efnet.budget import reading_need, require_training_memory
from baselines.efnet.config import Config, DataConfig, NetworkConfig, TrainConfig
from baselines.efnet.memory import (
    frame_need,
    largest_tile,
    memory_in_words,
    require_memory,
    training_need,
    whole_need,
)
from challenge import REPOSITORY
from challenge.environment.memory import GIB
from challenge.errors import ChallengeError

CPU = torch.device("cpu")
FULL = (1224, 1632)


def configured(wf: int = 64, workers: int = 0, keep: bool = False, **settings: object) -> Config:
    data = DataConfig(root="", workers=workers, keep_in_memory=keep)
    return Config("t", data, NetworkConfig(wf=wf), TrainConfig(**settings))  # type: ignore[arg-type]


def refusal(config: Config, frames: int = 12) -> ChallengeError:
    with pytest.raises(ChallengeError) as caught:
        require_training_memory(config, CPU, 6, FULL, frames)
    return caught.value


def test_need_grows_with_each_of_them_and_in_proportion_to_the_work() -> None:
    base = training_need(64, 4, 256, 256, "float32")
    assert training_need(64, 8, 256, 256, "float32") > 1.8 * base
    assert training_need(64, 4, 256, 512, "float32") == training_need(64, 8, 256, 256, "float32")
    assert training_need(64, 4, 256, 256, "bfloat16") < 0.8 * base
    assert training_need(64, 4, 256, 256, "float32", bins=30) > base
    assert training_need(64, 4, 256, 256, "float32", ema=True) >= base + 4 * 8_466_445


def test_whole_frames_are_refused_with_the_largest_crop_and_batch_that_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KIT_MEMORY", "24")
    error = refusal(configured(crop=0, batch=4, precision="float32"))
    assert "a step of 4 x 1632x1224 (width x height) with network.wf=64 in float32" in error.summary
    assert error.summary.endswith("cpu has 24.0 GiB free")
    ways = " ".join(error.problems)
    assert "train.precision=bfloat16" in ways and "fits with train.crop" not in ways
    found = re.search(r"train.crop=(\d+) is the largest that fits with train.batch=4", ways)
    assert found
    largest = int(found[1])  # it fits, and one step more does not
    require_training_memory(configured(crop=largest, batch=4), CPU, 6, FULL, 12)
    refusal(configured(crop=largest + 16, batch=4))
    more = re.search(r"KIT_MEMORY=(\d+)", ways)
    assert more
    monkeypatch.setenv("KIT_MEMORY", more[1])  # what the message says works
    require_training_memory(configured(crop=0, batch=4), CPU, 6, FULL, 12)


def test_a_smaller_batch_is_named_where_one_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIT_MEMORY", "8")
    error = refusal(configured(crop=256, batch=64))
    found = re.search(r"train.batch=(\d+) is the largest that fits with train.crop=256", str(error))
    assert found and 1 < int(found[1]) < 64
    require_training_memory(configured(crop=256, batch=int(found[1])), CPU, 6, FULL, 12)
    refusal(configured(crop=256, batch=int(found[1]) + 1))


def test_processes_on_one_machine_share_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    need = training_need(64, 4, 256, 256, "float32")
    config = configured(crop=256, batch=4, precision="float32")
    monkeypatch.setenv("KIT_MEMORY", str(2.2 * need / GIB))
    require_training_memory(config, CPU, 6, FULL, 12)
    for name, value in (("RANK", "3"), ("WORLD_SIZE", "8"), ("LOCAL_WORLD_SIZE", "4")):
        monkeypatch.setenv(name, value)
    error = refusal(config)
    assert error.summary.endswith(f"{2.2 * need / GIB / 4:.1f} GiB free for each of 4 processes")
    assert error.problems[0] == "--nproc 2: so many processes fit on this machine"
    more = re.search(r"KIT_MEMORY=(\d+)", str(error))
    assert more
    monkeypatch.setenv("KIT_MEMORY", more[1])  # what the message says works
    require_training_memory(config, CPU, 6, FULL, 12)
    monkeypatch.setenv("KIT_MEMORY", str(2.2 * need / GIB))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    require_training_memory(config, CPU, 6, FULL, 12)


def test_frames_that_are_restored_side_by_side_share_it_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = whole_need(64, *FULL, "float32")
    monkeypatch.setenv("KIT_MEMORY", str(1.1 * whole / GIB))
    place = (64, *FULL, CPU, "float32")
    assert largest_tile(*place) == 0
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "2"), ("LOCAL_WORLD_SIZE", "2")):
        monkeypatch.setenv(name, value)
    assert 0 < largest_tile(*place) < max(FULL)
    assert "GiB free for each of 2 processes" in memory_in_words(*place)
    with pytest.raises(ChallengeError, match="--nproc 1: so many processes fit"):
        require_memory(*place, "predict")


def test_frames_kept_by_each_worker_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIT_MEMORY", "64")
    frame = 1224 * 1632 * (6 + 4 * 6)
    kept, read = configured(4, 4, True), configured(4, 4)
    assert reading_need(kept, 6, *FULL, 500) - reading_need(read, 6, *FULL, 500) == 4 * 500 * frame
    error = refusal(configured(4, 4, True, crop=64), 500)
    assert "4 reading processes, each with all frames in memory about" in error.summary
    assert "data.keep_in_memory=false" in str(error) and "data.workers=2" in str(error)
    require_training_memory(configured(4, 0, True, crop=64), CPU, 6, FULL, 500)  # kept once
    require_training_memory(configured(4, 4, crop=64), CPU, 6, FULL, 500)


def test_train_says_so_before_it_makes_a_folder(
    highrev: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = [
        f"data.root={highrev}", "data.rules=own", "name=t", "network.wf=4", "train.crop=32",
        "train.batch=9999", "train.iterations=1", "data.workers=0", "train.precision=float32",
    ]  # fmt: skip
    monkeypatch.setenv("KIT_MEMORY", "1")
    assert train.main(settings, tmp_path / "runs") == 1
    said = capsys.readouterr().err
    assert "error: train: a step of 9999 x 32x32" in said and "is the largest that fits" in said
    assert not (tmp_path / "runs" / "t").exists()


MEASURE = """
import json, sys
from benchmarks.cost import Point, measure
if __name__ == "__main__":
    point = Point(**json.loads(sys.argv[1]))
    print(point.need, measure(point)[1])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads peaks from /proc")
@pytest.mark.parametrize(
    "point",
    [
        {"work": "train", "height": 128, "width": 160, "batch": 2, "wf": 8},
        {"work": "predict", "height": 480, "width": 640, "wf": 8},
    ],
)
def test_the_estimate_is_above_what_a_process_takes_and_not_far(point: dict) -> None:
    words = [sys.executable, "-c", MEASURE, json.dumps(point)]
    done = subprocess.run(
        words, capture_output=True, text=True, check=True, cwd=REPOSITORY, env=None
    )
    need, taken = map(int, done.stdout.split()[-2:])
    assert taken <= need <= 1.5 * taken + 0.1 * GIB


def test_prediction_of_a_full_frame_was_measured() -> None:
    assert frame_need(64, *FULL, "bfloat16") < 0.75 * frame_need(64, *FULL, "float32")
