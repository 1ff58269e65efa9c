"""What the network sees of a whole frame, made from its events on the device of the network.

So a GPU gets 17 bytes of each event instead of a grid, and nobody waits while one core adds them
up. Training crops are made in worker processes, by `baselines.efnet.inputs`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from baselines.efnet.inputs import Batch, Reading, image_tensor
from challenge.events import BLOCK, Events, check_on_sensor, elapsed
from challenge.representations import CONTRAST, LOG_RANGE, Representation
from challenge.sample import Sample

CHUNK = 64 * BLOCK
"""Events that are on the device at a time: some 200 MB with all that is computed from them."""


def inputs_on(device: torch.device, sample: Sample, events: Events, reading: Reading) -> Batch:
    """Do what `inputs_of(arrays_of(sample, reading), reading)` does, without the sharp image.

    Args:
        device: where the batch is made.
        sample: a whole frame. Not modified.
        events: the sample's.
        reading: how the network reads it.

    Raises:
        DataError: an event lies off the sensor, time runs backwards, or a polarity is none.
    """
    height, width = sample.blurry.shape[:2]
    grid = grid_on(device, events, reading.representation, height, width)
    if reading.normalise == "magnitude":
        voxel = grid / (grid.abs().max() if grid.any() else 1.0)
    elif reading.normalise == "contrast":
        voxel = (grid * CONTRAST).clamp(-LOG_RANGE, LOG_RANGE)
    else:
        voxel = _normalise_nonzero(grid)
    mask = None
    if reading.event_mask and sample.stored_mask is not None:
        mask = torch.from_numpy(sample.stored_mask).to(device).float()[None]
    elif reading.event_mask:
        seen = (grid != 0).any(dim=0, keepdim=True).float()[None]
        mask = -max_pool2d(-max_pool2d(seen, 3, 1, 1), 3, 1, 1)  # dilated, then eroded
    blurry = image_tensor(sample.blurry, reading.channel_order == "bgr").to(device)[None]
    return Batch(blurry=blurry, voxel=voxel[None], mask=mask, sharp=None)


def grid_on(
    device: torch.device, events: Events, representation: Representation, height: int, width: int
) -> Tensor:
    """Make the (channels, height, width) float32 grid of some events, see `Representation.grid`.

    Sums are float64 and rounded once: they come out alike in whatever order a device adds. Those of
    `Representation.grid` are float32.

    Raises:
        DataError: an event lies off the sensor, time runs backwards, or a polarity is none.
    """
    check_on_sensor(events, height, width)
    bins, cells = representation.bins, height * width
    grid = torch.zeros(representation.channels, cells, dtype=torch.float64, device=device)
    scer = representation.kind == "scer"
    shares = representation.windows if representation.kind == "nested" else (1.0,)
    whole_us = float(elapsed(events.t[-1:], events.t[0])[0]) if len(events) else 0.0

    def moved(array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(device)

    for begin in range(0, len(events), CHUNK):
        part = events.select(slice(begin, begin + CHUNK))
        since, sign = moved(elapsed(part.t, events.t[0])), moved(part.p > 0).double() * 2 - 1
        pixel = moved(part.y.astype(np.int32)).long() * width + moved(part.x.astype(np.int32))
        if scer:
            place = (bins * since / whole_us).long() if whole_us else torch.full_like(pixel, bins)
            grid.view(-1).index_add_(0, place.clamp(max=bins - 1) * cells + pixel, sign)
            continue
        for window, share in zip(grid.view(len(shares), bins, cells), shares, strict=True):
            low, high = whole_us * (1 - share) / 2, whole_us * (1 + share) / 2
            inside = (since >= low) & (since <= high)
            position = (bins - 1) * (since[inside] - low) / ((high - low) or 1.0)
            _share(window, pixel[inside], sign[inside], position)
    if scer:
        half = bins // 2
        grid[:half] = -grid[:half].flip(0).cumsum(0).flip(0)
        grid[half:] = grid[half:].cumsum(0)
    return grid.view(-1, height, width).float()


def _share(window: Tensor, pixel: Tensor, sign: Tensor, position: Tensor) -> None:
    """Add each sign to the two bins beside its position. window: (bins, cells)."""
    bins, cells = window.shape
    left = position.long().clamp(max=max(bins - 2, 0))
    right_share = sign * (position - left)
    window.view(-1).index_add_(0, left * cells + pixel, sign - right_share)
    if bins > 1:
        window.view(-1).index_add_(0, (left + 1) * cells + pixel, right_share)


def _normalise_nonzero(grid: Tensor) -> Tensor:
    """Do what `challenge.representations.normalise_nonzero` does."""
    nonzero = grid != 0
    cells = grid[nonzero].double()
    if not len(cells):
        return torch.zeros_like(grid)
    spread = cells.std(correction=0)
    if float(spread) <= 1e-6 * max(1.0, float(cells.abs().max())):
        return torch.zeros_like(grid)
    return torch.where(nonzero, (grid.double() - cells.mean()) / spread, 0.0).float()
