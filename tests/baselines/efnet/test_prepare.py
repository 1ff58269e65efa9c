"""`bash run.sh prepare`, and training from what it made: the same crops, bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from samples import write_tiled

from baselines.efnet.config import Config, DataConfig, TrainConfig
from baselines.efnet.crops import Crops, training_batches
from baselines.efnet.prepare import main
from baselines.efnet.train import open_data, store_advice
from challenge.datasets.store import StoredFrames

CONFIG = "configs/efnet_highrev_raw.yml"


@pytest.fixture()
def root(tmp_path: Path) -> Path:
    return write_tiled(tmp_path / "HighREV")


def configured(root: Path, **data: object) -> Config:
    return Config(name="x", data=DataConfig(root=str(root), **data))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "reading",
    [
        {},
        {"representation": "scer", "event_mask": True, "channel_order": "bgr"},
        {"representation": "nested", "bins": 3},
        {"normalise": "magnitude", "bins": 12},
    ],
)
def test_training_sees_the_same_from_the_store(
    root: Path, reading: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([CONFIG, f"data.root={root}", "--workers", "1"]) == 0
    config = configured(root, **reading)
    stored, plain = open_data(config, "train"), open_data(configured(root, store="none"), "train")
    assert isinstance(stored, StoredFrames) and not isinstance(plain, StoredFrames)
    assert f"train: read from the training store {root}_store" in capsys.readouterr().out
    for crop in (48, 0):
        train = TrainConfig(crop=crop, transpose=crop > 0)
        one, other = Crops(plain, config.data, train), Crops(stored, config.data, train)
        for position in range(6):
            for a, b in zip(one[position], other[position], strict=True):
                assert (a is None and b is None) or torch.equal(a, b)


def test_workers_share_a_store(root: Path) -> None:
    assert main([CONFIG, f"data.root={root}", "--workers", "1"]) == 0
    train = TrainConfig(iterations=4, batch=3, crop=32)
    seen = []
    for workers in (0, 2):
        config = configured(root, workers=workers)
        batches = training_batches(open_data(config, "train"), config.data, train, 0, False)
        seen.append([batch.voxel for batch in batches])
    assert all(torch.equal(a, b) for a, b in zip(*seen, strict=True))


def test_a_stale_store_is_not_used_and_says_what_to_do(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([CONFIG, f"data.root={root}", "--workers", "1"]) == 0
    event = root / "train" / "event" / "quay_00000_00.npz"
    event.write_bytes(event.read_bytes() + b"x")
    assert not isinstance(open_data(configured(root), "train"), StoredFrames)
    error = capsys.readouterr().err
    assert "quay_00000: its files have changed" in error and "bash run.sh prepare" in error
    assert isinstance(open_data(configured(root), "val"), StoredFrames)


def test_another_place(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "fast"
    assert main([CONFIG, f"data.root={root}", "--out", str(place), "--workers", "1"]) == 0
    assert not isinstance(open_data(configured(root), "train"), StoredFrames)
    assert isinstance(open_data(configured(root, store=str(place)), "train"), StoredFrames)
    nowhere = str(tmp_path / "nowhere")
    assert not isinstance(open_data(configured(root, store=nowhere), "train"), StoredFrames)
    assert "no training store there" in capsys.readouterr().err
    assert main([CONFIG, f"data.root={root}", f"data.store={place}"]) == 0
    assert "to do" not in capsys.readouterr().out
    assert main([CONFIG, f"data.root={root}", "data.store=none"]) == 1
    assert "training uses no store then" in capsys.readouterr().err


@pytest.mark.parametrize("part", ["0/2", "3/2", "1", "1/0", "a/b", "-1/2"])
def test_a_part_that_is_none(root: Path, part: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([CONFIG, f"data.root={root}", f"--part={part}"]) == 1
    assert f"--part {part}: expected I/N" in capsys.readouterr().err


def test_data_that_are_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([CONFIG, f"data.root={tmp_path}"]) == 1
    assert f"{tmp_path}: expected train or val in it" in capsys.readouterr().err


def test_what_a_store_would_gain(root: Path) -> None:
    config = configured(root, keep_in_memory=False)
    config.train.crop = 16
    frames = open_data(config, "train")
    advice = store_advice(config, frames, 0.5)
    assert advice is not None
    assert "a crop took 500 ms" in advice and "up to 3 times less" in advice
    assert store_advice(config, frames, 0.001) is None  # quick as it is
    config.train.crop = 100  # most of the frame
    assert store_advice(config, frames, 0.5) is None
    assert main([CONFIG, f"data.root={root}", "--workers", "1"]) == 0
    config.train.crop = 16
    assert store_advice(config, open_data(config, "train"), 0.5) is None  # it is used
