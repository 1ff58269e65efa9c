"""Samples to tensors: crops, flips, normalisation, batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from baselines.efnet.config import DataConfig, TrainConfig
from challenge.datasets import Dataset
from challenge.errors import DataError
from challenge.representations import event_mask, normalise_nonzero
from challenge.sample import Sample


class Batch(NamedTuple):
    """What the network sees, and what it should say."""

    blurry: Tensor  # (N, 3, H, W) float32 RGB, 0 to 1
    voxel: Tensor  # (N, bins, H, W) float32, non-zero cells normalised
    mask: Tensor | None  # (N, 1, H, W) float32, 0 or 1; None where it is not used
    sharp: Tensor | None  # (N, 3, H, W) float32 RGB, 0 to 1; None where it is withheld


def inputs_of(
    blurry: np.ndarray, voxel: np.ndarray, sharp: np.ndarray | None, with_mask: bool
) -> Batch:
    """A batch of one from (H, W, 3) uint8 images and a (bins, H, W) grid that is not normalised."""
    return Batch(
        blurry=_image_tensor(blurry)[None],
        voxel=torch.from_numpy(normalise_nonzero(voxel))[None],
        mask=torch.from_numpy(event_mask(voxel))[None] if with_mask else None,
        sharp=None if sharp is None else _image_tensor(sharp)[None],
    )


def _image_tensor(image: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float().div_(255.0)


def cut(
    sample: Sample, crop: int, flip: bool, transpose: bool, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A random square of a sample, flipped and transposed at random, all arrays alike.

    Args:
        sample: with a sharp image.
        crop: side in pixels; 0 keeps the whole frame.
        flip: mirror left-right and upside down, each with probability 1/2.
        transpose: exchange rows and columns with probability 1/2.
        random: decides.

    Returns:
        blurry (h, w, 3) uint8, voxel (bins, h, w) float32, sharp (h, w, 3) uint8: views of the
        sample's arrays.

    Raises:
        DataError: the frame is smaller than the crop, or has no sharp image.
    """
    height, width = sample.blurry.shape[:2]
    if sample.sharp is None:
        raise DataError(f"{sample.frame}: training needs a sharp image for every frame")
    if crop > min(height, width):
        raise DataError(
            f"{sample.frame}: train.crop={crop} does not fit a frame of {width}x{height} "
            "(width x height)"
        )
    top = int(random.integers(height - crop + 1)) if crop else 0
    left = int(random.integers(width - crop + 1)) if crop else 0
    rows = slice(top, top + crop) if crop else slice(None)
    columns = slice(left, left + crop) if crop else slice(None)
    mirror, upside_down, exchange = random.integers(2, size=3).astype(bool)
    row_step = -1 if flip and upside_down else 1
    column_step = -1 if flip and mirror else 1
    blurry, sharp = (
        image[rows, columns][::row_step, ::column_step] for image in (sample.blurry, sample.sharp)
    )
    voxel = sample.voxel[:, rows, columns][:, ::row_step, ::column_step]
    if transpose and exchange:
        blurry, sharp = blurry.swapaxes(0, 1), sharp.swapaxes(0, 1)
        voxel = voxel.swapaxes(1, 2)
    return blurry, voxel, sharp


class Crops(torch.utils.data.Dataset[Batch]):
    """Training crops by position: position k is crop k of an endless stream.

    Epoch e visits every frame once in an order drawn from (seed, e); what is cut is drawn from
    (seed, k). So neither the number of workers nor a pause changes what the network sees.
    """

    def __init__(self, dataset: Dataset, data: DataConfig, train: TrainConfig) -> None:
        self.dataset, self.data, self.train = dataset, data, train
        self.kept: dict[int, Sample] = {}

    def __getitem__(self, position: int) -> Batch:
        epoch, place = divmod(position, len(self.dataset))
        order = np.random.default_rng((self.train.seed, 0, epoch)).permutation(len(self.dataset))
        random = np.random.default_rng((self.train.seed, 1, position))
        sample = self._sample(int(order[place]))
        arrays = cut(sample, self.train.crop, self.train.flip, self.train.transpose, random)
        return inputs_of(*arrays, with_mask=self.data.event_mask)

    def _sample(self, index: int) -> Sample:
        if index in self.kept:
            return self.kept[index]
        sample = self.dataset[index]
        if self.data.keep_in_memory:
            self.kept[index] = sample
        return sample


class Positions(torch.utils.data.Sampler[list[int]]):
    """The positions of each batch from `start` (an iteration) to `end`."""

    def __init__(self, start: int, end: int, batch: int) -> None:
        self.start, self.end, self.batch = start, end, batch

    def __len__(self) -> int:
        return self.end - self.start

    def __iter__(self) -> Iterator[list[int]]:
        for iteration in range(self.start, self.end):
            first = iteration * self.batch
            yield list(range(first, first + self.batch))


def collate(items: list[Batch]) -> Batch:
    """Several batches into one; what one of them lacks, all lack."""

    def joined(parts: Sequence[Tensor | None]) -> Tensor | None:
        present = [part for part in parts if part is not None]
        return torch.cat(present) if len(present) == len(parts) else None

    return Batch(
        blurry=torch.cat([item.blurry for item in items]),
        voxel=torch.cat([item.voxel for item in items]),
        mask=joined([item.mask for item in items]),
        sharp=joined([item.sharp for item in items]),
    )


def training_batches(
    dataset: Dataset, data: DataConfig, train: TrainConfig, start: int, pin: bool
) -> DataLoader[Batch]:
    """The batches of iterations `start` to the last one."""
    return DataLoader(
        Crops(dataset, data, train),
        batch_sampler=Positions(start, train.iterations, train.batch),
        collate_fn=collate,
        num_workers=data.workers,
        pin_memory=pin,
        persistent_workers=data.workers > 0,
    )


def to_device(batch: Batch, device: torch.device) -> Batch:
    """Every tensor of a batch on a device."""
    return Batch(
        blurry=batch.blurry.to(device, non_blocking=True),
        voxel=batch.voxel.to(device, non_blocking=True),
        mask=None if batch.mask is None else batch.mask.to(device, non_blocking=True),
        sharp=None if batch.sharp is None else batch.sharp.to(device, non_blocking=True),
    )
