"""Attention over windows of a frame, as large as the crops of the training.

EFNet's attention compares channels over all pixels it is given: of a whole frame it sees other
statistics than of the crops it was trained on. Averaging it over overlapping windows of the crop's
size, at each level, gives each pixel the surroundings it was trained with.

Source: Chu et al., Improving Image Restoration by Revisiting Global Information Aggregation,
ECCV 2022 (test-time local converter).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.efnet.blocks import Fusion
from baselines.efnet.model import EFNet
from baselines.efnet.tiles import windows

OVERLAP = 0.25
"""Share of a window's side by which windows overlap."""


class LocalFusion(nn.Module):
    """A fusion that is applied to overlapping windows, which hand over smoothly."""

    def __init__(self, fusion: Fusion, side: int) -> None:
        super().__init__()
        self.fusion, self.side = fusion, side

    def forward(self, image: Tensor, event: Tensor) -> Tensor:
        """Map (N, C, H, W) image and event features -> (N, C, H, W)."""
        height, width = image.shape[-2:]
        if max(height, width) <= self.side:
            fused: Tensor = self.fusion(image, event)
            return fused
        total = torch.zeros_like(image)
        parts = windows(height, width, self.side, int(self.side * OVERLAP), multiple=1)
        for rows, columns, weights in parts:
            part = self.fusion(image[..., rows, columns], event[..., rows, columns])
            total[..., rows, columns] += part * weights.to(part.device, part.dtype)
        return total


def attend_locally(network: EFNet, side: int) -> None:
    """Let a network's attention see windows of `side` pixels of the frame. Changes the network.

    Args:
        network: to restore with; its weights have other names afterwards.
        side: in pixels of the frame.
    """
    for level, encoder in enumerate(network.down_path_1):
        halved = level if encoder.fuse_first else level + 1
        fusion = encoder.image_event_transformer
        assert isinstance(fusion, Fusion)
        encoder.image_event_transformer = LocalFusion(fusion, max(side >> halved, 1))
