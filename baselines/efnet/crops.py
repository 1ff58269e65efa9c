"""Training crops: what is cut from which frame, turned how, and in which order."""

from __future__ import annotations

import copy
import dataclasses
import multiprocessing
from collections.abc import Generator, Iterator, Sequence
from multiprocessing.context import BaseContext
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from baselines.distributed import World
from baselines.efnet.augment import (
    augmented,
    changes_events,
    require_events,
    resizes,
    source_size,
)
from baselines.efnet.config import DataConfig, TrainConfig
from baselines.efnet.inputs import Batch, Reading, arrays_of, grid_of, inputs_of
from baselines.efnet.stages import Stage, stage_at, stages_of
from baselines.stopping import deaf_children
from challenge.datasets import Dataset
from challenge.environment.processes import follow_parent
from challenge.errors import DataError
from challenge.representations import largest_magnitude
from challenge.sample import Sample, Window, part_of


class Cut(NamedTuple):
    """What is cut from a frame, and how it is turned."""

    window: Window
    row_step: int  # -1: upside down
    column_step: int  # -1: left for right
    exchange: bool  # rows for columns, after that

    @classmethod
    def draw(
        cls,
        frame: str,
        size: tuple[int, int],
        train: TrainConfig,
        rng: np.random.Generator,
        source: tuple[int, int] | None = None,
    ) -> Cut:
        """Draw a random square, flipped and transposed at random.

        Args:
            frame: its name, for the message.
            size: (height, width) of the frame in pixels.
            train: `crop` is the side in pixels, 0 keeps the whole frame; `flip` mirrors left-right
                and upside down, `transpose` exchanges rows and columns, each with probability 1/2.
            rng: decides.
            source: (height, width) to be cut; None for the crop's own.

        Raises:
            DataError: the frame is smaller than the crop.
        """
        height, width = size
        if train.crop > min(height, width):
            name = "train.stages: crop" if train.stages else "train.crop"
            raise DataError(
                f"{frame}: {name}={train.crop} does not fit a frame of {width}x{height} "
                "(width x height)"
            )
        window = Window.whole(height, width)
        if train.crop:
            rows, columns = source or (train.crop, train.crop)
            top = int(rng.integers(height - rows + 1))
            left = int(rng.integers(width - columns + 1))
            window = Window(top, left, rows, columns)
        mirror, upside_down, exchange = rng.integers(2, size=3).astype(bool)
        return cls(
            window,
            row_step=-1 if train.flip and upside_down else 1,
            column_step=-1 if train.flip and mirror else 1,
            exchange=bool(train.transpose and exchange),
        )


class Crops(torch.utils.data.Dataset[Batch]):
    """Training crops by position: position k is crop k of an endless stream.

    Epoch e visits every frame once in an order drawn from (seed, e); what is cut, and how it is
    augmented, is drawn from (seed, k). So neither the number of workers nor a pause changes what
    the network sees.
    """

    def __init__(self, dataset: Dataset, data: DataConfig, train: TrainConfig) -> None:
        self.dataset, self.data, self.train = dataset, data, train
        self.reading = Reading.of_config(dataclasses.asdict(data))
        require_events(train.augment, dataset.stored_kind)
        self.augments = changes_events(train.augment) or resizes(train.augment)
        self.kept: dict[str, Sample] = {}
        self.magnitudes: dict[str, float] = {}

    def of_stage(self, stage: Stage) -> Crops:
        """Return the crops of a stage, of the same frames: those kept in memory stay so."""
        other = copy.copy(self)
        other.train = dataclasses.replace(self.train, crop=stage.crop, batch=stage.batch)
        return other

    def __getitem__(self, position: int) -> Batch:
        """Make one crop.

        Raises:
            DataError: a damaged file, a frame smaller than the crop, or one without a sharp image.
        """
        frame = frame_at(self.dataset, self.train.seed, position)
        rng = np.random.default_rng((self.train.seed, 1, position))
        if not self.dataset.has_sharp:
            raise DataError(f"{frame}: training needs a sharp image for every frame")
        size, crop = self.dataset.frame_size(frame), self.train.crop
        source, more = None, np.random.default_rng((self.train.seed, 2, position))
        if resizes(self.train.augment) and crop <= min(size):
            source = source_size(self.train.augment, size, crop, more)
        cut = Cut.draw(frame, size, self.train, rng, source)
        part = self._part(frame, cut.window)
        if self.augments:
            part = augmented(part, self.train.augment, crop, more)
        arrays = arrays_of(part, self.reading)
        return inputs_of(arrays.turned(*cut[1:]), self.reading)

    def _part(self, frame: str, window: Window) -> Sample:
        if self.data.keep_in_memory:
            return part_of(self._keep(frame), window)
        part = self.dataset.read_part(frame, window)
        if self.reading.normalise == "magnitude" and part.magnitude is None:
            part = dataclasses.replace(part, magnitude=self._magnitude(frame))
        return part

    def _keep(self, frame: str) -> Sample:
        """Read a frame once: one that is cut again and again is quicker with its grid, made once,
        than with its events, which need not be kept then, unless they are augmented.
        """
        if frame not in self.kept:
            whole = Window.whole(*self.dataset.frame_size(frame))
            sample = self.dataset.read_part(frame, whole)
            grid = grid_of(sample, self.reading.representation)
            sample = dataclasses.replace(sample, magnitude=largest_magnitude(grid))
            if not self.augments:
                kind = self.reading.representation.kind
                sample = dataclasses.replace(
                    sample, events=None, stored_grid=grid, stored_kind=kind
                )
            self.kept[frame] = sample
        return self.kept[frame]

    def _magnitude(self, frame: str) -> float:
        """Find the largest magnitude of a whole frame's grid, once."""
        if frame not in self.magnitudes:
            grid = grid_of(self.dataset.read_inputs(frame), self.reading.representation)
            self.magnitudes[frame] = largest_magnitude(grid)
        return self.magnitudes[frame]


class Positions(torch.utils.data.Sampler[list[int]]):
    """List the positions of each batch of a stage, from iteration `start` on.

    Batch k of rank r of n is number k * n + r: n processes see what one sees with batches n times
    as large.
    """

    def __init__(self, stage: Stage, start: int, world: World) -> None:
        self.stage, self.start, self.world = stage, start, world

    def __len__(self) -> int:
        return self.stage.end - self.start

    def __iter__(self) -> Iterator[list[int]]:
        return map(self.at, range(self.start, self.stage.end))

    def at(self, iteration: int) -> list[int]:
        """List the positions of the batch of an iteration."""
        stage, world = self.stage, self.world
        steps = (iteration - stage.begin) * world.size + world.rank
        first = stage.before * world.size + steps * stage.batch
        return list(range(first, first + stage.batch))


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
    dataset: Dataset,
    data: DataConfig,
    train: TrainConfig,
    start: int,
    pin: bool,
    world: World | None = None,
) -> Generator[Batch, None, None]:
    """Yield the batches of iterations `start` to the last one, this process's part of them.

    Each stage has workers of its own: fresh processes, since a forked copy of one with threads,
    such as torch's, can hang. Where the system can, they are forked from a bare one that has
    imported what they need, else each imports it for itself. They leave Ctrl-C and schedulers to
    this process, and end with it.
    """
    crops = Crops(dataset, data, train)
    for stage in stages_of(train):
        if start < stage.end:
            positions = Positions(stage, max(start, stage.begin), world or World())
            yield from _loaded(crops.of_stage(stage), positions, data.workers, pin)


def _loaded(
    crops: Crops, positions: Positions, workers: int, pin: bool
) -> Generator[Batch, None, None]:
    loader = DataLoader(
        crops,
        batch_sampler=positions,
        collate_fn=collate,
        num_workers=workers,
        pin_memory=pin,
        multiprocessing_context=worker_context() if workers else None,
        worker_init_fn=attend,
    )
    with deaf_children():
        batches = iter(loader)
    try:
        yield from batches
    finally:
        if workers:  # now, and not when nothing refers to them any more
            batches._shutdown_workers()  # type: ignore[attr-defined]


def attend(worker: int) -> None:
    """Let a worker end with the training process, also when that one is killed."""
    follow_parent()


def worker_context() -> BaseContext:
    """Choose how workers are started."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["baselines.efnet.preloaded"])
    return context


def frames_of(
    dataset: Dataset,
    train: TrainConfig,
    iteration: int,
    processes: int,
    ranks: Sequence[int] = (),
) -> list[str]:
    """Name the frames that the batches of an iteration are cut from.

    Args:
        dataset: that is trained on.
        train: settings of the training.
        iteration: counted from 0.
        processes: how many train.
        ranks: those of them that are meant; (): all.
    """
    stage = stage_at(stages_of(train), iteration)
    worlds = [World(rank, processes) for rank in ranks or range(processes)]
    batches = [Positions(stage, iteration, world).at(iteration) for world in worlds]
    return [frame_at(dataset, train.seed, position) for batch in batches for position in batch]


def frame_at(dataset: Dataset, seed: int, position: int) -> str:
    """Name the frame of one crop: each epoch visits every one, in an order drawn from (seed, e)."""
    epoch, place = divmod(position, len(dataset))
    order = np.random.default_rng((seed, 0, epoch)).permutation(len(dataset))
    return dataset.frames[int(order[place])]
