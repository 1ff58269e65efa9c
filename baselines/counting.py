"""How much a network computes: multiply-accumulates and activations, whatever the network.

What torch dispatches is counted, not what modules say: products of matrices and attention are
among it. With tensors of the device "meta", which have no content, counting takes no memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

CONVOLUTIONS = (torch.ops.aten.convolution.default, torch.ops.aten._convolution.default)


@dataclass(frozen=True)
class Work:
    """What one call computes.

    macs: multiply-accumulates of convolutions, products of matrices and attention; biases,
    norms, activation functions and other work on single elements are not counted, as in challenge
    reports. A MAC is one multiplication and one addition: 2 FLOPs.
    activations: elements of all outputs of convolutions, transposed ones included (the convention
    of the NTIRE challenges on efficient super-resolution).
    """

    macs: int
    activations: int

    @property
    def flops(self) -> int:
        """Floating-point operations: two a MAC."""
        return 2 * self.macs


class _Activations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the elements that convolutions put out."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.activations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func in CONVOLUTIONS:
            self.activations += math.prod(out.shape)
        return out


def count(call: Callable[[], object]) -> Work:
    """Count what a call computes with torch, on whatever device its tensors are.

    >>> image, kernel = (torch.empty(size, device="meta") for size in ((1, 3, 8, 8), (4, 3, 3, 3)))
    >>> count(lambda: torch.conv2d(image, kernel, padding=1))  # 8 * 8 * 4 * 3 * 3 * 3 MACs
    Work(macs=6912, activations=256)
    """
    flops, outputs = FlopCounterMode(display=False), _Activations()
    with outputs, flops:
        call()
    return Work(flops.get_total_flops() // 2, outputs.activations)
