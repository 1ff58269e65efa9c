"""Twenty steps of our trainer against those of the published one.

Weights and crops are made by formula (`tests/generators/formulas.py`); `golden_training.json` says
how its numbers were made.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from formulas import fill_by_formula, training_batch

from baselines.efnet.config import read_config
from baselines.efnet.inputs import Batch
from baselines.efnet.training import Training
from challenge import REPOSITORY

GOLDEN = json.loads((Path(__file__).parent / "golden_training.json").read_text())
pytestmark = pytest.mark.usefixtures("one_thread")

CONFIGS = {"highrev": "efnet_highrev_raw", "gopro": "efnet_gopro"}
SMALL = (
    "network.wf=8", "train.iterations=20", "train.crop=32", "train.batch=2", "train.device=cpu",
    "train.precision=float32",
)  # fmt: skip


def train(recipe: str, folder: Path, dtype: torch.dtype, *changes: str) -> dict:
    """Run the twenty steps; return what `golden_training.json` has of them."""
    path = REPOSITORY / "configs" / f"{CONFIGS[recipe]}.yml"
    training = Training(read_config(path, [*SMALL, *changes]), folder)
    fill_by_formula(training.network).to(dtype)
    losses, rates = [], []
    for iteration in range(20):
        batch = training_batch(iteration, 32, 2, masked=recipe == "gopro")
        tensors = (None if tensor is None else tensor.to(dtype) for tensor in batch)
        losses.append(training.step(Batch(*tensors)).loss)
        rates.append(training.optimiser.param_groups[0]["lr"])
    weights = torch.cat([weight.detach().flatten() for weight in training.network.parameters()])
    return {"losses": losses, "learning_rates": rates, "weights": weights[::499].tolist()}


def weight_errors(found: dict, golden: dict) -> torch.Tensor:
    wanted = torch.tensor(golden["weights"], dtype=torch.float64)
    return (torch.tensor(found["weights"], dtype=torch.float64) - wanted).abs()


@pytest.mark.parametrize("recipe", CONFIGS)
def test_twenty_steps_equal_the_published_ones(recipe: str, tmp_path: Path) -> None:
    golden = GOLDEN[recipe]
    assert golden["losses"][-1] < golden["losses"][0] - 5  # decibels: it learned something
    found = train(recipe, tmp_path, torch.float32)
    assert found["learning_rates"] == pytest.approx(golden["learning_rates"], rel=1e-9)
    assert found["losses"] == pytest.approx(golden["losses"], rel=1e-4)
    assert float(weight_errors(found, golden).square().mean().sqrt()) <= 1e-5


@pytest.mark.parametrize("recipe", CONFIGS)
def test_in_float64_every_weight_equals_the_published_one(recipe: str, tmp_path: Path) -> None:
    found = train(recipe, tmp_path, torch.float64)
    assert found["losses"] == pytest.approx(GOLDEN[recipe]["losses"], rel=1e-7)
    assert float(weight_errors(found, GOLDEN[recipe]).max()) <= 1e-6


@pytest.mark.parametrize(
    "change",
    [
        "train.betas=[0.9,0.999]",
        "train.weight_decay=0.01",
        "train.final_learning_rate=1.0e-5",
        "train.clip_norm=1000.0",
        "train.loss_weight=1.0",
        "train.iterations=21",
    ],
)
def test_the_comparison_notices_another_recipe(change: str, tmp_path: Path) -> None:
    found = train("gopro", tmp_path, torch.float64, change)
    golden = GOLDEN["gopro"]
    noticed = found["losses"] != pytest.approx(golden["losses"], rel=1e-7)
    assert noticed or float(weight_errors(found, golden).max()) > 1e-6
