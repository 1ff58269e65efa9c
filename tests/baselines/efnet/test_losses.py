from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from baselines.efnet.config import LOSSES
from baselines.efnet.losses import FUNCTIONS, psnr_loss, stage_losses
from challenge.metrics.images import cut_border
from challenge.metrics.psnr import psnr_luma


@pytest.mark.parametrize("offset, decibels", [(0.1, 20.0), (0.01, 40.0), (1.0, 0.0)])
def test_is_half_of_minus_the_psnr_for_each_stage(offset: float, decibels: float) -> None:
    sharp = torch.zeros(2, 3, 4, 5)
    loss = psnr_loss([sharp + offset, sharp + offset], sharp)
    assert float(loss) == pytest.approx(-decibels, abs=1e-3)


def test_the_stages_are_told_apart() -> None:
    """Half of minus 20 dB, and half of minus 40."""
    sharp = torch.zeros(2, 3, 4, 5)
    losses = stage_losses([sharp + 0.1, sharp + 0.01], sharp)
    assert losses.tolist() == pytest.approx([-10.0, -20.0], abs=1e-3)
    assert psnr_loss([sharp + 0.1, sharp + 0.01], sharp) == losses[0] + losses[1]


def test_averages_decibels_not_errors() -> None:
    sharp = torch.zeros(2, 3, 4, 5)
    prediction = sharp.clone()
    prediction[0], prediction[1] = 0.1, 0.01
    assert float(psnr_loss([prediction], sharp, weight=1.0)) == pytest.approx(-30.0, abs=1e-3)


def test_a_perfect_image_has_a_finite_loss_and_gradient() -> None:
    prediction = torch.zeros(1, 3, 4, 5, requires_grad=True)
    loss = psnr_loss([prediction], torch.zeros(1, 3, 4, 5), weight=1.0)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(-80.0) and torch.isfinite(prediction.grad).all()


def test_bfloat16_predictions_are_judged_in_float32() -> None:
    sharp = torch.full((1, 3, 4, 5), 0.5)
    assert psnr_loss([sharp.bfloat16() + 0.25], sharp).dtype == torch.float32


def images(seed: int = 0, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    first, second = (torch.rand(2, 3, 5, 4, generator=rng, dtype=dtype) for _ in range(2))
    return first, second


def test_every_loss_has_its_name_in_the_configuration() -> None:
    assert tuple(FUNCTIONS) == LOSSES


@pytest.mark.parametrize("kind", LOSSES)
def test_gradients_are_those_of_the_formula(kind: str) -> None:
    """In float64, by central differences; both stages, one image in BGR."""
    prediction, sharp = images(dtype=torch.float64)
    prediction.requires_grad_()

    def loss(prediction: torch.Tensor) -> torch.Tensor:
        stages = [prediction, prediction * 0.5]
        return stage_losses(stages, sharp, 0.7, kind, bgr=True)

    assert torch.autograd.gradcheck(loss, (prediction,))


@pytest.mark.parametrize("kind", LOSSES)
def test_nothing_depends_on_the_precision_of_the_network(kind: str) -> None:
    prediction, sharp = images()
    half = prediction.bfloat16()
    found = stage_losses([half], sharp, 1.0, kind)
    assert found.dtype == torch.float32
    assert torch.equal(found, stage_losses([half.float()], sharp, 1.0, kind))
    perfect = sharp.clone().requires_grad_()
    stage_losses([perfect], sharp, 1.0, kind).sum().backward()
    assert perfect.grad is not None and bool(perfect.grad.isfinite().all())


def test_charbonnier_by_hand() -> None:
    """Errors 0, 0.001 and 0.5 on three of four pixels, and 0.5 downwards on the fourth."""
    sharp = torch.full((1, 3, 2, 2), 0.5)
    error = torch.tensor([[0.0, 0.001], [0.5, -0.5]])
    expected = (0.001 + 0.001 * math.sqrt(2) + 2 * math.sqrt(0.25 + 1e-6)) / 4
    found = stage_losses([sharp + error], sharp, 1.0, "charbonnier")
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_l1_and_gradient_by_hand() -> None:
    """Errors 0, 2, 5, and below 1, 1, 1: neighbours in rows differ by 2, 3, 0, 0, in columns by 1,
    -1, -4.
    """
    sharp = torch.zeros(1, 3, 2, 3)
    error = torch.tensor([[0.0, 2, 5], [1, 1, 1]])
    expected = 10 / 6 + 5 / 4 + 6 / 3
    found = stage_losses([sharp + error], sharp, 1.0, "l1_gradient")
    assert float(found) == pytest.approx(expected)
    shifted = stage_losses([sharp + 0.25], sharp, 1.0, "l1_gradient")  # no gradient at all
    assert float(shifted) == pytest.approx(0.25)


@pytest.mark.parametrize("bgr", [False, True])
def test_psnr_of_y_is_the_metric(bgr: bool) -> None:
    rng = np.random.default_rng(0)
    prediction, sharp = (rng.integers(0, 256, (20, 24, 3)).astype(np.uint8) for _ in range(2))
    tensors = []
    for image in (prediction, sharp):
        ordered = cut_border(image)[:, :, ::-1] if bgr else cut_border(image)
        tensors.append(torch.from_numpy(ordered.copy()).permute(2, 0, 1)[None].double() / 255)
    found = stage_losses(tensors[:1], tensors[1], 1.0, "psnr_y", bgr)
    assert -float(found) == pytest.approx(psnr_luma(prediction, sharp), abs=1e-4)
