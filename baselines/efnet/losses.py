"""Losses: the one EFNet was published with, and those of the teams that won with it.

Each is computed for every stage, in the precision of the sharp images, whatever that of the
network, and multiplied by `train.loss_weight`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from challenge.metrics.images import LUMA_WEIGHTS, PEAK

DECIBELS = 10.0 / math.log(10.0)
CHARBONNIER_EPS = 1e-3
"""Levels from 0 to 1: errors above are counted as they are, those below by their square."""
LossOfStage = Callable[[Tensor, Tensor], Tensor]
"""Of a prediction and the sharp images, (N, 3, H, W) each: a scalar."""


def psnr(prediction: Tensor, sharp: Tensor) -> Tensor:
    """Compute minus the PSNR of each image, mean over the batch: 10 log10(MSE + 1e-8).

    Source: Chen et al., HINet, CVPRW 2021 (`PSNRLoss`), as used by EFNet.
    """
    error = (prediction.to(sharp.dtype) - sharp).square().mean(dim=(1, 2, 3))
    return DECIBELS * torch.log(error + 1e-8).mean()


def psnr_y(prediction: Tensor, sharp: Tensor, bgr: bool = False) -> Tensor:
    """Compute the same of Y of YCbCr (BT.601, 16 to 235), on which NTIRE's servers score.

    Source: HINet's `PSNRLoss` with `toY`, whose images were RGB.
    """
    weights = LUMA_WEIGHTS[::-1] if bgr else LUMA_WEIGHTS
    shares = sharp.new_tensor(weights).view(1, 3, 1, 1) / PEAK
    error = ((prediction.to(sharp.dtype) - sharp) * shares).sum(dim=1).square().mean(dim=(1, 2))
    return DECIBELS * torch.log(error + 1e-8).mean()


def charbonnier(prediction: Tensor, sharp: Tensor) -> Tensor:
    """Compute the mean of sqrt(error^2 + eps^2), an L1 that is smooth at 0.

    Source: Lai et al., LapSRN, CVPR 2017; eps = 1e-3 there and in Zamir et al., MPRNet, CVPR 2021.
    """
    error = prediction.to(sharp.dtype) - sharp
    return (error.square() + CHARBONNIER_EPS**2).sqrt().mean()


def l1_gradient(prediction: Tensor, sharp: Tensor) -> Tensor:
    """Compute the mean of |error|, and of that of its gradient: the differences between neighbours
    in a row, and in a column.

    Source: the gradient term of Mathieu et al., Beyond Mean Square Error, ICLR 2016, here of signed
    differences; L1 and a gradient term were in the loss of the NTIRE 2025 team at 40.20 dB.
    """
    error = prediction.to(sharp.dtype) - sharp
    return error.abs().mean() + sum(error.diff(dim=axis).abs().mean() for axis in (2, 3))


FUNCTIONS: dict[str, LossOfStage] = {
    "psnr": psnr,
    "psnr_y": psnr_y,
    "charbonnier": charbonnier,
    "l1_gradient": l1_gradient,
}
"""By their names in `train.loss`, which `baselines.efnet.config.LOSSES` lists."""


def stage_losses(
    predictions: Sequence[Tensor],
    sharp: Tensor,
    weight: float = 0.5,
    kind: str = "psnr",
    bgr: bool = False,
) -> Tensor:
    """Compute the loss of each stage; training minimises their sum.

    Args:
        predictions: one (N, 3, H, W) tensor per stage.
        sharp: (N, 3, H, W), 0 to 1.
        weight: the factor in front; 0.5 as published.
        kind: one of FUNCTIONS.
        bgr: the order of the channels, which matters to Y alone.

    Returns:
        (stages,); of decibels negative when the images are good.
    """
    loss = functools.partial(psnr_y, bgr=bgr) if kind == "psnr_y" else FUNCTIONS[kind]
    return weight * torch.stack([loss(prediction, sharp) for prediction in predictions])


def psnr_loss(predictions: Sequence[Tensor], sharp: Tensor, weight: float = 0.5) -> Tensor:
    """Sum the PSNR loss over the stages: what EFNet was trained with, a scalar."""
    return stage_losses(predictions, sharp, weight).sum()
