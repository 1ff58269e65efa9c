from __future__ import annotations

import pytest
import torch

from baselines.efnet.losses import psnr_loss, psnr_losses


@pytest.mark.parametrize("offset, decibels", [(0.1, 20.0), (0.01, 40.0), (1.0, 0.0)])
def test_is_half_of_minus_the_psnr_for_each_stage(offset: float, decibels: float) -> None:
    sharp = torch.zeros(2, 3, 4, 5)
    loss = psnr_loss([sharp + offset, sharp + offset], sharp)
    assert float(loss) == pytest.approx(-decibels, abs=1e-3)


def test_the_stages_are_told_apart() -> None:
    """Half of minus 20 dB, and half of minus 40."""
    sharp = torch.zeros(2, 3, 4, 5)
    losses = psnr_losses([sharp + 0.1, sharp + 0.01], sharp)
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
