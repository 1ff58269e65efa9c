"""What the network sees: a sample's events as a grid, images and grid as tensors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from challenge.errors import DataError
from challenge.events import crop
from challenge.representations import event_mask, normalise_nonzero, voxel_grid
from challenge.sample import Sample


class Batch(NamedTuple):
    """What the network sees, and what it should say."""

    blurry: Tensor  # (N, 3, H, W) float32 RGB, 0 to 1
    voxel: Tensor  # (N, bins, H, W) float32, non-zero cells normalised
    mask: Tensor | None  # (N, 1, H, W) float32, 0 or 1; None where it is not used
    sharp: Tensor | None  # (N, 3, H, W) float32 RGB, 0 to 1; None where it is withheld


class Window(NamedTuple):
    """A part of a frame, in pixels."""

    top: int
    left: int
    height: int
    width: int


def grid_of(sample: Sample, bins: int, window: Window | None = None) -> np.ndarray:
    """Make the voxel grid of a frame, or of a window of it: the same cells, bit for bit.

    A window costs its own events only. What a data set has stored is taken as it is.

    Args:
        sample: with events on the sensor and in order of time, as data sets give them, or with a
            stored grid. Not modified.
        bins: time bins of a grid that is made; a stored one keeps its own.
        window: inside the frame; None for all of it.

    Returns:
        (bins, H, W) float32 signed events, not normalised; a view of a stored grid.

    Raises:
        DataError: neither events nor a stored grid.
    """
    whole = Window(0, 0, *sample.blurry.shape[:2])
    top, left, height, width = window or whole
    if sample.stored_grid is not None:
        return sample.stored_grid[:, top : top + height, left : left + width]
    events = sample.events
    if events is None:
        raise DataError(f"{sample.frame}: expected events or a stored grid, found neither")
    if window in (None, whole) or not len(events):
        return voxel_grid(events, bins, height, width)
    inside = crop(events, top, left, height, width)
    return voxel_grid(inside, bins, height, width, span=(events.t[0], events.t[-1]))


def inputs_of(
    blurry: np.ndarray, grid: np.ndarray, sharp: np.ndarray | None, with_mask: bool
) -> Batch:
    """Make a batch of one.

    Args:
        blurry: (H, W, 3) uint8 RGB.
        grid: (bins, H, W) signed events, not normalised.
        sharp: (H, W, 3) uint8 RGB, or None.
        with_mask: whether to mark the pixels that saw events.
    """
    return Batch(
        blurry=_image_tensor(blurry)[None],
        voxel=torch.from_numpy(normalise_nonzero(grid))[None],
        mask=torch.from_numpy(event_mask(grid))[None] if with_mask else None,
        sharp=None if sharp is None else _image_tensor(sharp)[None],
    )


def _image_tensor(image: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float().div_(255.0)


def to_device(batch: Batch, device: torch.device) -> Batch:
    """Move every tensor of a batch to a device."""
    return Batch(
        blurry=batch.blurry.to(device, non_blocking=True),
        voxel=batch.voxel.to(device, non_blocking=True),
        mask=None if batch.mask is None else batch.mask.to(device, non_blocking=True),
        sharp=None if batch.sharp is None else batch.sharp.to(device, non_blocking=True),
    )
