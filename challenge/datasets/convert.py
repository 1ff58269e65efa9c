"""Recordings with raw events, converted to what others read: SCER and raw HDF5, stored voxel grids.

Files are written whole, one for each sequence (of voxel grids, one for each frame), and those that
are there are not made again: who is stopped goes on where it was.
"""

from __future__ import annotations

import dataclasses
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from challenge import SPLITS
from challenge.datasets.hdf5_writing import ScerFrame, write_monash, write_scer
from challenge.datasets.layout import grid_folder
from challenge.datasets.source import BINS, Dataset, DataSource
from challenge.environment.processes import map_in_processes
from challenge.environment.space import need_space, readable
from challenge.errors import ConfigError, DataError
from challenge.files import write_json, write_whole
from challenge.parts import Part
from challenge.representations import event_mask, scer, voxel_grid
from challenge.sample import Sample, sequence_of

TARGETS = ("scer", "voxel", "monash")
NOTE = "convert.json"
"""In the folder that is written: how it is."""
NOISE_STD, NOISE_SHARE = 1.0, 0.05
HOT_SHARE, HOT_RANGE = 2e-5, 20
EVERY_PART = Part()
ROOM = 1.3
"""How much more than one frame takes, measured, may be needed for each."""


@dataclass(frozen=True)
class Recipe:
    """What to make: everything that decides the numbers in it."""

    target: str  # one of TARGETS
    bins: int = BINS
    noise: bool = False  # of the published GoPro grids; SCER only
    seed: int = 0  # of the noise


@dataclass(frozen=True)
class Job:
    """One file to be written."""

    source: DataSource
    split: str
    frames: tuple[str, ...]
    path: Path


def convert(
    source: DataSource,
    out: Path,
    recipe: Recipe,
    splits: list[str],
    workers: int,
    part: Part = EVERY_PART,
) -> int:
    """Convert the splits of a data set, or a part of their files; return how many were written.

    Raises:
        ConfigError: a recipe that cannot be, or another one than `out` was begun with.
        DataError: no raw events, or damaged files.
        DiskError: too little room on the disk.
    """
    _refuse_recipe(recipe)
    jobs = [job for split in splits for job in plan(source, split, out, recipe.target)]
    note = dataclasses.asdict(recipe) | {"source": str(source.root.resolve())}
    if _read_note(out) not in (None, note):
        raise ConfigError(
            f"{out}: holds another conversion: {_read_note(out)}; name another folder"
        )
    left = [job for job in part.of(jobs) if not job.path.exists()]
    if left:
        _refuse_full(left, out, recipe)
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / NOTE, note)
    done = map_in_processes(partial(write, recipe=recipe), left, max(1, min(workers, len(left))))
    total = sum(len(job.frames) for job in left)
    with tqdm(total=total, desc="converting", unit=" frames", dynamic_ncols=True) as bar:
        for frames in done:
            bar.update(frames)
    return len(left)


def splits_of(source: DataSource) -> list[str]:
    """List the splits that a folder has.

    Raises:
        DataError: none.
    """
    splits = [split for split in SPLITS if (source.root / split).is_dir()]
    if not splits:
        raise DataError(f"{source.root}: expected a folder with {', '.join(SPLITS)}, found none")
    return splits


def plan(source: DataSource, split: str, out: Path, target: str) -> list[Job]:
    """List the files to be written of a split.

    Raises:
        DataError: the split cannot be opened, or has no raw events.
    """
    dataset = source.open(split)
    if dataset.stored_kind is not None:
        raise DataError(
            f"{source.root / split}: expected raw events, found stored {dataset.stored_kind} grids"
        )
    if target == "voxel":
        folder = grid_folder(out, split)
        return [Job(source, split, (frame,), folder / f"{frame}.npz") for frame in dataset.frames]
    return [
        Job(source, split, tuple(frames), out / split / f"{sequence}.h5")
        for sequence, frames in groupby(sorted(dataset.frames, key=_by_sequence), sequence_of)
    ]


def write(job: Job, recipe: Recipe) -> int:
    """Write one file; return how many frames are in it."""
    dataset = job.source.open(job.split)
    samples = (dataset[dataset.frames.index(frame)] for frame in job.frames)
    if recipe.target == "voxel":
        (sample,) = samples
        grid = voxel_of(sample, recipe.bins)
        with write_whole(job.path) as temporary:
            np.savez_compressed(temporary, voxel=grid)
    elif recipe.target == "monash":
        write_monash(job.path, samples)
    else:
        write_scer(job.path, (scer_frame(sample, recipe) for sample in samples))
    return len(job.frames)


def voxel_of(sample: Sample, bins: int) -> np.ndarray:
    """Make the voxel grid of a frame as HighREV stores it: (H, W, bins) float32, not normalised."""
    assert sample.events is not None
    grid = voxel_grid(sample.events, bins, *sample.blurry.shape[:2])
    return np.ascontiguousarray(grid.transpose(1, 2, 0))


def scer_frame(sample: Sample, recipe: Recipe) -> ScerFrame:
    """Make the grid and mask of a frame; the noise, if any, is its own, whatever is made beside."""
    assert sample.events is not None
    grid = scer(sample.events, recipe.bins, *sample.blurry.shape[:2])
    if recipe.noise:
        rng = np.random.default_rng([recipe.seed, zlib.crc32(sample.frame.encode())])
        grid = add_noise(grid, rng)
    return ScerFrame(sample, grid, event_mask(grid))


def add_noise(grid: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add what the authors of EFNet add to GoPro's simulated events.

    Normal noise of standard deviation 1 on each cell with probability 0.05; then a share of 2e-5 of
    the pixels, drawn with repetition, is hot: all their channels become one whole number from -20
    to 20.

    Args:
        grid: (channels, H, W) float32. Not modified.
        rng: decides.

    Source: AHupuJR/EFNet, scripts/data_preparation/make_voxels_esim.py.
    """
    _, height, width = grid.shape
    hit = rng.random(grid.shape, np.float32) < NOISE_SHARE
    noise = rng.standard_normal(grid.shape, np.float32) * np.float32(NOISE_STD)
    noisy = np.where(hit, grid + noise, grid)
    for _ in range(int(HOT_SHARE * height * width)):
        x, y = rng.integers(width), rng.integers(height)
        noisy[:, y, x] = rng.integers(-HOT_RANGE, HOT_RANGE + 1)
    return noisy


def _by_sequence(frame: str) -> tuple[str, str]:
    return sequence_of(frame), frame


def _refuse_recipe(recipe: Recipe) -> None:
    if recipe.noise and recipe.target != "scer":
        raise ConfigError(f"--noise is that of SCER grids: not of {recipe.target}")
    if recipe.bins < 1 or (recipe.target == "scer" and recipe.bins % 2):
        wanted = "an even number, at least 2" if recipe.target == "scer" else "at least 1"
        raise ConfigError(f"--bins {recipe.bins}: expected {wanted}")


def _read_note(out: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads((out / NOTE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _refuse_full(left: list[Job], out: Path, recipe: Recipe) -> None:
    """Measure one frame, say what all will take, and refuse what does not fit.

    Raises:
        DiskError: says how much is needed and how much is free.
    """
    job = left[len(left) // 2]
    dataset = job.source.open(job.split)
    frames = sum(len(job.frames) for job in left)
    need = ROOM * frames * _bytes_of(dataset, job.frames[len(job.frames) // 2], recipe)
    print(f"{out}: {frames} frames in {len(left)} files, about {readable(need / ROOM)}")
    need_space(out, int(need), f"{frames} frames", "name a folder on another disk")


def _bytes_of(dataset: Dataset, frame: str, recipe: Recipe) -> int:
    sample = dataset[dataset.frames.index(frame)]
    assert sample.events is not None

    def packed(array: np.ndarray) -> int:
        return len(zlib.compress(np.ascontiguousarray(array).tobytes(), 1))

    if recipe.target == "voxel":
        return packed(voxel_of(sample, recipe.bins))
    images = [image for image in (sample.blurry, sample.sharp) if image is not None]
    if recipe.target == "monash":
        return sum(map(packed, [*images, *_columns(sample)]))
    return sum(map(packed, [*images, *scer_frame(sample, recipe)[1:]]))


def _columns(sample: Sample) -> Iterator[np.ndarray]:
    assert sample.events is not None
    yield from (sample.events.x, sample.events.y, sample.events.t, sample.events.p)
