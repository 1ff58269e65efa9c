"""What the network sees: a sample's events as a grid, images and grid as tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from challenge.errors import DataError
from challenge.representations import (
    Representation,
    event_mask,
    largest_magnitude,
    normalise_contrast,
    normalise_magnitude,
    normalise_nonzero,
)
from challenge.sample import Sample, Window, part_of


class Batch(NamedTuple):
    """What the network sees, and what it should say."""

    blurry: Tensor  # (N, 3, H, W) float32, 0 to 1, RGB or BGR as the network reads it
    voxel: Tensor  # (N, channels, H, W) float32, normalised
    mask: Tensor | None  # (N, 1, H, W) float32, 0 or 1; None where it is not used
    sharp: Tensor | None  # (N, 3, H, W) float32, like `blurry`; None where it is withheld


@dataclass(frozen=True)
class Reading:
    """How a network reads a sample: what a training was told of it in its `data` section."""

    representation: Representation = Representation()
    normalise: str = "nonzero"  # or magnitude, contrast
    event_mask: bool = False
    channel_order: str = "rgb"  # or bgr

    @classmethod
    def of_config(cls, data: Mapping[str, Any]) -> Reading:
        """Take it from a configuration's `data` section; what older ones lack is the default."""
        kind, bins = data.get("representation", "voxel"), data.get("bins", 6)
        windows = tuple(data.get("windows", Representation.windows))
        return cls(
            Representation(kind, bins, windows),
            data.get("normalise", cls.normalise),
            data.get("event_mask", cls.event_mask),
            data.get("channel_order", cls.channel_order),
        )

    def to_config(self) -> dict[str, Any]:
        """Write it as the `data` section that `of_config` takes it from."""
        return {
            "representation": self.representation.kind,
            "bins": self.representation.bins,
            "windows": list(self.representation.windows),
            "normalise": self.normalise,
            "event_mask": self.event_mask,
            "channel_order": self.channel_order,
        }


class Arrays(NamedTuple):
    """A frame, or a part of it, before it becomes tensors; all of one height and width."""

    blurry: np.ndarray  # (H, W, 3) uint8 RGB
    grid: np.ndarray  # (channels, H, W) float32 signed events, not normalised
    sharp: np.ndarray | None  # (H, W, 3) uint8 RGB
    mask: np.ndarray | None = None  # (1, H, W), a stored one; None: made from the grid
    magnitude: float | None = None  # the largest of the whole frame's grid; None: `grid`'s own

    def turned(self, row_step: int, column_step: int, exchange: bool) -> Arrays:
        """Mirror rows or columns (steps of 1 or -1), then exchange them, all arrays alike."""

        def turn(image: np.ndarray) -> np.ndarray:  # the last two axes
            mirrored = image[..., ::row_step, ::column_step]
            return mirrored.swapaxes(-1, -2) if exchange else mirrored

        def turn_image(image: np.ndarray) -> np.ndarray:
            return turn(image.transpose(2, 0, 1)).transpose(1, 2, 0)

        return self._replace(
            blurry=turn_image(self.blurry),
            grid=turn(self.grid),
            sharp=None if self.sharp is None else turn_image(self.sharp),
            mask=None if self.mask is None else turn(self.mask),
        )


def grid_of(
    sample: Sample, representation: Representation, window: Window | None = None
) -> np.ndarray:
    """Make the grid of a frame, or of a window of it: the same cells, bit for bit.

    A window costs its own events only. What a data set has stored is taken as it is.

    Args:
        sample: with events on the sensor and in order of time, as data sets give them, or with a
            stored grid. Not modified.
        representation: of a grid that is made; a stored one is what it is.
        window: inside the frame; None for all of it.

    Returns:
        (channels, H, W) float32 signed events, not normalised; a view of a stored grid.

    Raises:
        DataError: neither events nor a stored grid, or one of another kind.
    """
    if window is not None:
        sample = part_of(sample, window)
    if sample.stored_grid is not None:
        if sample.stored_kind != representation.kind:
            raise DataError(
                f"{sample.frame}: the network was trained on {representation.kind} grids, the data "
                f"set has {sample.stored_kind} grids stored; take weights that were trained on "
                "such, or data with raw events"
            )
        return sample.stored_grid
    if sample.events is None:
        raise DataError(f"{sample.frame}: expected events or a stored grid, found neither")
    height, width = sample.blurry.shape[:2]
    return representation.grid(sample.events, height, width, sample.span)


def arrays_of(sample: Sample, reading: Reading, window: Window | None = None) -> Arrays:
    """Take what a network reads of a sample, or of a window of it.

    Args:
        sample: a frame, or a part of one; where its grid is divided by the largest magnitude of the
            whole frame's, a part knows that (`Sample.magnitude`). Not modified.
        reading: how the network reads it.
        window: inside the sample; None for all of it.
    """
    magnitude = sample.magnitude
    if magnitude is None and reading.normalise == "magnitude":
        magnitude = largest_magnitude(grid_of(sample, reading.representation))
    part = sample if window is None else part_of(sample, window)
    return Arrays(
        blurry=part.blurry,
        grid=grid_of(part, reading.representation),
        sharp=part.sharp,
        mask=part.stored_mask if reading.event_mask else None,
        magnitude=magnitude,
    )


def inputs_of(arrays: Arrays, reading: Reading) -> Batch:
    """Make a batch of one."""
    grid, bgr = arrays.grid, reading.channel_order == "bgr"
    if reading.normalise == "magnitude":
        voxel = normalise_magnitude(grid, arrays.magnitude)
    elif reading.normalise == "contrast":
        voxel = normalise_contrast(grid)
    else:
        voxel = normalise_nonzero(grid)
    mask = None
    if reading.event_mask:
        seen = event_mask(grid) if arrays.mask is None else arrays.mask
        mask = torch.from_numpy(np.ascontiguousarray(seen, np.float32))[None]
    return Batch(
        blurry=image_tensor(arrays.blurry, bgr)[None],
        voxel=torch.from_numpy(np.ascontiguousarray(voxel))[None],
        mask=mask,
        sharp=None if arrays.sharp is None else image_tensor(arrays.sharp, bgr)[None],
    )


def image_tensor(image: np.ndarray, bgr: bool) -> Tensor:
    """Turn (H, W, 3) uint8 RGB into (3, H, W) float32, 0 to 1, RGB or BGR."""
    if bgr:
        image = image[:, :, ::-1]
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float().div_(255.0)


def to_device(batch: Batch, device: torch.device) -> Batch:
    """Move every tensor of a batch to a device."""
    return Batch(
        blurry=batch.blurry.to(device, non_blocking=True),
        voxel=batch.voxel.to(device, non_blocking=True),
        mask=None if batch.mask is None else batch.mask.to(device, non_blocking=True),
        sharp=None if batch.sharp is None else batch.sharp.to(device, non_blocking=True),
    )
