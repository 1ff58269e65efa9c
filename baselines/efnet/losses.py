"""The loss EFNet was published with."""

from __future__ import annotations

import math

import torch
from torch import Tensor

DECIBELS = 10.0 / math.log(10.0)


def psnr_losses(predictions: list[Tensor], sharp: Tensor, weight: float = 0.5) -> Tensor:
    """Compute minus the PSNR of each image, mean over the batch, for each stage.

    loss = weight * mean over images of 10 log10(MSE of the image + 1e-8); negative when the images
    are good. Computed in float32 whatever the precision of the network.

    Args:
        predictions: one (N, 3, H, W) tensor per stage.
        sharp: (N, 3, H, W), 0 to 1.
        weight: the factor in front; 0.5 as published.

    Returns:
        (stages,).

    Source: Chen et al., HINet, CVPRW 2021 (`PSNRLoss`), as used by EFNet.
    """
    stages = []
    for prediction in predictions:
        error = (prediction.float() - sharp).square().mean(dim=(1, 2, 3))
        stages.append(DECIBELS * torch.log(error + 1e-8).mean())
    return weight * torch.stack(stages)


def psnr_loss(predictions: list[Tensor], sharp: Tensor, weight: float = 0.5) -> Tensor:
    """Sum `psnr_losses` over the stages: what EFNet was trained with, a scalar."""
    return psnr_losses(predictions, sharp, weight).sum()
