"""Training crops: what is cut from which frame, turned how, and in which order."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from baselines.efnet.config import DataConfig, TrainConfig
from baselines.efnet.inputs import Arrays, Batch, Reading, Window, arrays_of, grid_of, inputs_of
from challenge.datasets import Dataset
from challenge.errors import DataError
from challenge.sample import Sample


def cut(sample: Sample, reading: Reading, train: TrainConfig, rng: np.random.Generator) -> Arrays:
    """Cut a random square, flipped and transposed at random, all arrays alike.

    Args:
        sample: with a sharp image. Not modified.
        reading: how the network reads it.
        train: `crop` is the side in pixels, 0 keeps the whole frame; `flip` mirrors left-right and
            upside down, `transpose` exchanges rows and columns, each with probability 1/2.
        rng: decides.

    Raises:
        DataError: the frame is smaller than the crop, or has no sharp image.
    """
    height, width = sample.blurry.shape[:2]
    if sample.sharp is None:
        raise DataError(f"{sample.frame}: training needs a sharp image for every frame")
    if train.crop > min(height, width):
        raise DataError(
            f"{sample.frame}: train.crop={train.crop} does not fit a frame of {width}x{height} "
            "(width x height)"
        )
    window = Window(0, 0, height, width)
    if train.crop:
        top = int(rng.integers(height - train.crop + 1))
        left = int(rng.integers(width - train.crop + 1))
        window = Window(top, left, train.crop, train.crop)
    mirror, upside_down, exchange = rng.integers(2, size=3).astype(bool)
    row_step = -1 if train.flip and upside_down else 1
    column_step = -1 if train.flip and mirror else 1
    arrays = arrays_of(sample, reading, window)
    return arrays.turned(row_step, column_step, bool(train.transpose and exchange))


class Crops(torch.utils.data.Dataset[Batch]):
    """Training crops by position: position k is crop k of an endless stream.

    Epoch e visits every frame once in an order drawn from (seed, e); what is cut is drawn from
    (seed, k). So neither the number of workers nor a pause changes what the network sees.
    """

    def __init__(self, dataset: Dataset, data: DataConfig, train: TrainConfig) -> None:
        self.dataset, self.data, self.train = dataset, data, train
        self.reading = Reading.of_config(dataclasses.asdict(data))
        self.kept: dict[int, Sample] = {}

    def __getitem__(self, position: int) -> Batch:
        epoch, place = divmod(position, len(self.dataset))
        order = np.random.default_rng((self.train.seed, 0, epoch)).permutation(len(self.dataset))
        rng = np.random.default_rng((self.train.seed, 1, position))
        arrays = cut(self._sample(int(order[place])), self.reading, self.train, rng)
        return inputs_of(arrays, self.reading)

    def _sample(self, index: int) -> Sample:
        if index in self.kept:
            return self.kept[index]
        sample = self.dataset[index]
        if self.data.keep_in_memory:
            # a frame that is cut again and again is quicker with its grid, made once, than with
            # the events, which need not be kept then
            grid = grid_of(sample, self.reading.representation)
            sample = dataclasses.replace(sample, events=None, stored_grid=grid)
            self.kept[index] = sample
        return sample


class Positions(torch.utils.data.Sampler[list[int]]):
    """List the positions of each batch from `start` (an iteration) to `end`."""

    def __init__(self, start: int, end: int, batch: int) -> None:
        self.start, self.end, self.batch = start, end, batch

    def __len__(self) -> int:
        return self.end - self.start

    def __iter__(self) -> Iterator[list[int]]:
        for iteration in range(self.start, self.end):
            first = iteration * self.batch
            yield list(range(first, first + self.batch))


def collate(items: list[Batch]) -> Batch:
    """Join several batches into one; what one of them lacks, all lack."""

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
    """Make the batches of iterations `start` to the last one."""
    return DataLoader(
        Crops(dataset, data, train),
        batch_sampler=Positions(start, train.iterations, train.batch),
        collate_fn=collate,
        num_workers=data.workers,
        pin_memory=pin,
        persistent_workers=data.workers > 0,
    )
