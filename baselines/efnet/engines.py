"""What computes the network: torch, or a file that was exported from it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from baselines.efnet.device import autocast
from baselines.efnet.model import EFNet

Forward = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""(N, 3, H, W) blurry, (N, channels, H, W) voxel, (N, 1, H, W) mask or None -> (N, 3, H, W) float32
restored, not clipped, on the device of the inputs. Inputs are not modified.
"""


def torch_forward(network: EFNet, device: torch.device, precision: str) -> Forward:
    """Make the function that restores with the network itself.

    Args:
        network: in evaluation mode, on `device`.
        device: where the inputs are, too.
        precision: "auto", "float32" or "bfloat16".
    """

    def forward(blurry: Tensor, voxel: Tensor, mask: Tensor | None) -> Tensor:
        with torch.inference_mode(), autocast(device, precision):
            restored: Tensor = network(blurry, voxel, mask)[-1]
        return restored.float()

    return forward
