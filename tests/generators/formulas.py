"""Weights and inputs of networks by formula: the same on every machine, so no file is needed."""

from __future__ import annotations

import math
import zlib

import numpy as np
import torch
from torch import Tensor, nn

from baselines.efnet.inputs import Batch


def hashed(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """float64 in [-1, 1) that looks random: an exact hash of a name and each element's index."""
    index = np.arange(math.prod(shape), dtype=np.uint64)
    bits = (index + np.uint64(zlib.crc32(name.encode()))) * np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    bits ^= bits >> np.uint64(32)
    return ((bits >> np.uint64(11)) / 2.0**52 - 1.0).reshape(shape)


def weight_of(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """float32 weights: activations stay near 1, attention is neither flat nor on one channel."""
    values = hashed(name, shape)
    if name.endswith("temperature"):
        values = 6.0 + 2.0 * values
    elif len(shape) > 1:  # variance 0.75 / (inputs of one output)
        values = values * math.sqrt(2.25 / math.prod(shape[1:]))
    elif "norm" in name and name.endswith("weight"):
        values = 1.0 + 0.25 * values
    else:
        values = 0.1 * values
    return values.astype(np.float32)


def fill_by_formula(net: nn.Module) -> nn.Module:
    """Give every parameter its value by name."""
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            parameter.copy_(torch.from_numpy(weight_of(name, tuple(parameter.shape))))
    return net


def training_batch(iteration: int, size: int, crops: int, masked: bool) -> Batch:
    """Make the crops of one iteration: sharp stripes, blurry ones, events that have to do with it.

    Args:
        iteration: they differ from one to the next.
        size: height and width in pixels.
        crops: how many.
        masked: grids in [-1, 1] with the mask of their cells, as of GoPro; else mean 0, spread 1.
    """
    rows, columns = np.mgrid[:size, :size]
    slopes = 0.4 * hashed(f"slopes {iteration}", (crops, 3, 2, 1, 1))
    phases = np.pi * hashed(f"phases {iteration}", (crops, 3, 1, 1))

    def stripes(shift: float) -> np.ndarray:
        waves = np.sin(slopes[:, :, 0] * rows + slopes[:, :, 1] * (columns + shift) + phases)
        return np.round(127.5 + 100.0 * waves) / 255.0

    sharp, blurry = stripes(0.0), (stripes(-3.0) + stripes(0.0) + stripes(3.0)) / 3.0
    seen = hashed(f"seen {iteration}", (crops, 6, size, size)) > 0.5
    change = (stripes(1.0) - stripes(-1.0)).mean(axis=1, keepdims=True)
    voxel = seen * (4.0 * change + 0.1 * hashed(f"voxel {iteration}", seen.shape))
    mask = seen.any(axis=1, keepdims=True)
    voxel = voxel / np.abs(voxel).max() if masked else voxel / voxel[seen].std()

    def tensor(array: np.ndarray) -> Tensor:
        return torch.from_numpy(array.astype(np.float32))

    return Batch(tensor(blurry), tensor(voxel), tensor(mask) if masked else None, tensor(sharp))
