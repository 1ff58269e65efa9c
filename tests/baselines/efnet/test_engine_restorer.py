"""`predict` by other engines: the images that torch gives, and refusals that say what to do."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from baselines.efnet.checkpoint import save_checkpoint
from baselines.efnet.config import Config, DataConfig, NetworkConfig
from baselines.efnet.export import main as export
from baselines.efnet.inference import Inference
from baselines.efnet.model import EFNet
from baselines.efnet.restorer import load
from challenge.datasets import DataSource
from challenge.errors import ConfigError, DataError


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    for name in ("onnx", "onnxruntime", "openvino"):
        pytest.importorskip(name, reason=f"{name} is not installed; it is of the extra `export`")
    data = DataConfig(root="x", event_mask=True, channel_order="bgr")
    config = Config("x", data, NetworkConfig(wf=4))
    torch.manual_seed(5)
    path = tmp_path / "best.pth"
    weights = EFNet(wf=4).state_dict()
    save_checkpoint(path, {"params": weights, "config": dataclasses.asdict(config)})
    return path


def test_engines_restore_the_images_that_torch_does(checkpoint: Path, highrev: Path) -> None:
    assert export([str(checkpoint), "--data", str(highrev), "--size", "56x40"]) == 0
    exported = checkpoint.with_name("best_56x40.onnx")
    dataset = DataSource.of_folder(highrev).open("val")
    sample = dataset.read_inputs(dataset.frames[0])
    expected = load(dataset, checkpoint, "cpu", Inference(tiles=(0,))).estimate(sample)
    for path, engine in (
        (checkpoint, "openvino"),
        (checkpoint, "onnxruntime"),
        (exported, None),
        (exported, "onnxruntime"),
    ):
        restorer = load(dataset, path, "auto", Inference(engine=engine))
        assert np.abs(restorer.estimate(sample) - expected).max() < 1e-5
        assert (restorer.bins, restorer.device) == (6, "cpu")
        assert restorer.parameters == sum(p.numel() for p in EFNet(wf=4).parameters())
        assert f"by {engine or 'openvino'}" in restorer.description
    tiled = Inference(tiles=(32,), flips=True)
    expected = load(dataset, checkpoint, "cpu", tiled).estimate(sample)
    by_engine = load(dataset, checkpoint, "cpu", dataclasses.replace(tiled, engine="onnxruntime"))
    assert np.abs(by_engine.estimate(sample) - expected).max() < 1e-5


def test_what_an_engine_cannot_do_is_said(checkpoint: Path, highrev: Path) -> None:
    dataset = DataSource.of_folder(highrev).open("val")
    for settings, device, word in (
        (Inference(engine="openvino", local=32), "cpu", "--local"),
        (Inference(engine="openvino"), "cuda", "runs on the processor"),
        (Inference(engine="onnxruntime", precision="bfloat16"), "cpu", "computes in float32"),
    ):
        with pytest.raises(ConfigError, match=word):
            load(dataset, checkpoint, device, settings)


def test_a_file_for_another_size_says_which(checkpoint: Path, highrev: Path) -> None:
    assert export([str(checkpoint), "--data", str(highrev), "--size", "64x48"]) == 0
    dataset = DataSource.of_folder(highrev).open("val")
    restorer = load(dataset, checkpoint.with_name("best_64x48.onnx"), "cpu")
    with pytest.raises(DataError, match=r"exported for 64x48 .* found 56x40"):
        restorer(dataset.read_inputs(dataset.frames[0]))
