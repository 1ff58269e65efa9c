"""Trainings in stages, and with a rate that warms up: what they see; kills leave no trace."""

from __future__ import annotations

from pathlib import Path

import killing
import pytest

from baselines.distributed import World
from baselines.efnet import train
from baselines.efnet.budget import require_training_memory
from baselines.efnet.config import (
    AugmentConfig,
    Config,
    DataConfig,
    StageConfig,
    TrainConfig,
    read_config,
)
from baselines.efnet.crops import Crops, frame_at, frames_of, training_batches
from baselines.efnet.device import choose_device
from baselines.efnet.stages import Stage, crops_before, laid_out, stage_at, stages_of
from baselines.efnet.training_log import read_log
from baselines.efnet.trainings.facts import images_left
from challenge import REPOSITORY
from challenge.datasets import open_split
from challenge.errors import ChallengeError, ConfigError

MINI = REPOSITORY / "configs" / "efnet_mini.yml"
STAGES = "train.stages=[{share: 1, crop: 16, batch: 2}, {share: 1, crop: 24, batch: 1}]"
pytestmark = pytest.mark.usefixtures("one_thread")


def in_stages(iterations: int = 8, **settings: object) -> TrainConfig:
    stages = [StageConfig(3, 16, 4), StageConfig(1, 32, 1)]
    return TrainConfig(iterations=iterations, stages=stages, **settings)  # type: ignore[arg-type]


def test_shares_of_the_iterations_and_what_came_before() -> None:
    assert stages_of(in_stages()) == [Stage(0, 6, 16, 4, 0), Stage(6, 8, 32, 1, 24)]
    thirds = laid_out(10, [(0.1, 16, 1)] * 3)
    assert [(each.begin, each.end) for each in thirds] == [(0, 3), (3, 7), (7, 10)]
    assert stages_of(TrainConfig(iterations=9, crop=48, batch=2)) == [Stage(0, 9, 48, 2, 0)]
    stages = stages_of(in_stages())
    assert [stage_at(stages, k).crop for k in (0, 5, 6, 7, 8)] == [16, 16, 32, 32, 32]
    assert [crops_before(stages, k) for k in (0, 1, 6, 7, 8)] == [0, 4, 24, 25, 26]


def test_batches_have_the_size_of_their_stage_and_no_crop_comes_twice(highrev: Path) -> None:
    frames, settings = open_split(highrev, "train"), in_stages(flip=False, transpose=False)
    data = DataConfig(workers=0)
    batches = list(training_batches(frames, data, settings, 0, False))
    assert [tuple(each.blurry.shape) for each in batches] == [(4, 3, 16, 16)] * 6 + [
        (1, 3, 32, 32)
    ] * 2
    crops = Crops(frames, data, settings)
    last = crops.of_stage(stages_of(settings)[1])
    assert batches[6].blurry.equal(last[24].blurry) and batches[7].blurry.equal(last[25].blurry)
    for start in (5, 6, 7):  # on either side of the border
        rest = list(training_batches(frames, data, settings, start, False))
        assert len(rest) == 8 - start
        for one, other in zip(rest, batches[start:], strict=True):
            assert one.voxel.equal(other.voxel) and one.blurry.equal(other.blurry)
    assert frames_of(frames, settings, 6, 1) == [frame_at(frames, settings.seed, 24)]


@pytest.mark.slow
def test_workers_of_every_stage_change_nothing(highrev: Path) -> None:
    augment = AugmentConfig(resize=[0.7, 1.3], noise=0.2, drop=0.3, reverse=0.5)
    frames, settings = open_split(highrev, "train"), in_stages(augment=augment)
    alone, two = (
        list(training_batches(frames, DataConfig(workers=workers), settings, 4, False))
        for workers in (0, 2)
    )
    assert len(alone) == len(two) == 4
    for one, other in zip(alone, two, strict=True):
        assert one.voxel.equal(other.voxel) and one.blurry.equal(other.blurry)


def test_two_processes_see_what_one_does_with_twice_the_batch(highrev: Path) -> None:
    frames, settings = open_split(highrev, "train"), in_stages()
    double = TrainConfig(iterations=8, stages=[StageConfig(3, 16, 8), StageConfig(1, 32, 2)])
    data = DataConfig(workers=0)
    alone = training_batches(frames, data, double, 4, False)
    both = [training_batches(frames, data, settings, 4, False, World(rank, 2)) for rank in (0, 1)]
    for whole, one, other in zip(alone, *both, strict=True):
        half = len(one.blurry)
        assert whole.blurry[:half].equal(one.blurry) and whole.blurry[half:].equal(other.blurry)


def test_frames_in_memory_are_read_once_for_all_stages(highrev: Path) -> None:
    frames, settings = open_split(highrev, "train"), in_stages()
    crops = Crops(frames, DataConfig(keep_in_memory=True), settings)
    first, second = map(crops.of_stage, stages_of(settings))
    first[0]
    (kept,) = crops.kept.values()
    second[0]
    assert list(crops.kept.values()) == [kept] and second[0].blurry.shape[-1] == 32


@pytest.mark.parametrize("changes", [(), pytest.param((9, 1, 24), marks=pytest.mark.slow)])
def test_kills_across_a_border_and_in_warm_up_leave_no_trace(
    untouched_highrev: Path, tmp_path: Path, changes: tuple[int, ...]
) -> None:
    """Seven iterations of each stage; the rate rises for five, then falls along half a cosine."""
    given = [*killing.SETTINGS, f"data.root={untouched_highrev}", "data.workers=0", STAGES]
    given += ["train.warmup=5", "train.ema=0.9", "train.loss=charbonnier"]
    assert train.main(given, tmp_path / "whole") == 0
    kills = [killing.Kill(call=(2, 5))] * 2  # resumed from 4, across the border, and from 8
    kills += [killing.Kill(change=at) for at in changes]
    trainings = killing.Trainings()
    assert killing.kill_and_resume(trainings, given, tmp_path / "killed", kills) == len(kills)
    whole, killed = tmp_path / "whole" / "t", tmp_path / "killed" / "t"
    assert killing.differences(whole, killed) == []
    rates = [row["learning_rate"] for row in read_log(whole / "log.jsonl") if "loss" in row]
    assert rates[0] < rates[1] > rates[-1]


def test_memory_is_asked_for_the_stage_that_needs_most(monkeypatch: pytest.MonkeyPatch) -> None:
    data, cpu = DataConfig(root="", workers=0), choose_device("cpu")
    stages = [StageConfig(1, 256, 4), StageConfig(1, 1024, 2), StageConfig(1, 480, 1)]
    config = Config("t", data, train=TrainConfig(stages=stages))
    monkeypatch.setenv("KIT_MEMORY", "8")
    with pytest.raises(ChallengeError, match="a step of 2 x 1024x1024") as caught:
        require_training_memory(config, cpu, 6, (1224, 1632), 12)
    told = " ".join(caught.value.problems)
    assert "in stage 2 of train.stages crop=" in told and "fits with batch=2" in told
    config.train.stages = [stages[0], stages[2]]
    require_training_memory(config, cpu, 6, (1224, 1632), 12)


def test_a_stage_too_large_for_the_frames_is_refused_before_there_is_a_folder(
    highrev: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [*killing.SETTINGS, f"data.root={highrev}", "data.workers=0"]
    given.append("train.stages=[{share: 1, crop: 16, batch: 2}, {share: 1, crop: 48, batch: 1}]")
    assert train.main(given, tmp_path / "runs") == 1
    said = capsys.readouterr().err
    assert "train.stages: crop=48 does not fit a frame of 56x40 (width x height)" in said
    assert not (tmp_path / "runs" / "t").exists()


def test_what_is_left_is_counted_over_the_stages() -> None:
    config = {
        "train.batch": 9,
        "train.stages": [{"share": 3, "batch": 4}, {"share": 1, "batch": 1}],
    }
    assert images_left(config, 5, 8) == 4 + 2
    assert images_left({"train.batch": 2}, 5, 8) == 6  # written before there were stages
    for odd in ({}, {"train.stages": [{"share": 0, "batch": 1}]}, {"train.stages": [1]}):
        assert images_left(odd, 5, 8) is None


@pytest.mark.parametrize(
    "override, sentence",
    [
        ("train.stages=[{share:1,crop:64,batch:1}]", "share:1: Key .* Did you mean: 'share'"),
        ("train.stages=[{share: 1, crop: 64}]", "missing mandatory value: batch"),
        (
            "train.stages=[{share: 0, crop: 64, batch: 1}]",
            "stage 1 is .*: expected a share above 0",
        ),
        ("train.stages=[{share: .nan, crop: 64, batch: 1}]", "stage 1 is .*: expected a share"),
        ("train.stages=[{share: 1, crop: 64, batch: 0}]", "a batch of 1 or more"),
        ("train.stages=[{share: 1, corp: 64, batch: 1}]", "corp"),
        (
            "train.stages=[{share: 1, crop: 64, batch: 1}, {share: 0.00001, crop: 96, batch: 1}]",
            "one of them would get none of train.iterations=3500",
        ),
    ],
)
def test_stages_that_cannot_be(override: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        read_config(MINI, [override])


def test_whole_frames_in_a_stage_are_not_resized() -> None:
    whole = "train.stages=[{share: 1, crop: 64, batch: 2}, {share: 1, crop: 0, batch: 1}]"
    assert read_config(MINI, [whole]).train.stages[1].crop == 0
    with pytest.raises(ConfigError, match=r"whole frames \(train.crop=0\) keep their size"):
        read_config(MINI, [whole, "train.augment.resize=[0.5,1.5]"])
    assert AugmentConfig().resize == [1.0, 1.0]
