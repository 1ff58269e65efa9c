from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from samples import write_tiled

from baselines.distributed import World
from baselines.efnet.config import DataConfig, TrainConfig
from baselines.efnet.crops import Crops, Cut, Positions, collate, training_batches
from baselines.efnet.inputs import Reading, arrays_of, inputs_of
from baselines.efnet.stages import Stage
from challenge.datasets import DataSource, open_split
from challenge.errors import DataError
from challenge.sample import Sample


def coordinates(height: int, width: int) -> Sample:
    """Every array says where its pixel came from."""
    rows, columns = np.mgrid[:height, :width]
    image = np.stack([rows, columns, rows * 0], axis=2).astype(np.uint8)
    grid = np.stack([rows, columns]).astype(np.float32)
    return Sample("a_00000", image, events=None, stored_grid=grid, sharp=image.copy())


def cut_by(
    sample: Sample, seed: int, crop: int, flip: bool = False, transpose: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    settings = TrainConfig(crop=crop, flip=flip, transpose=transpose)
    size = sample.blurry.shape[0], sample.blurry.shape[1]
    cut = Cut.draw(sample.frame, size, settings, np.random.default_rng(seed))
    arrays = arrays_of(sample, Reading(), cut.window).turned(*cut[1:])
    assert arrays.sharp is not None
    return arrays.blurry, arrays.grid, arrays.sharp


@pytest.mark.parametrize(
    "flip, transpose, kinds", [(False, False, 1), (True, False, 4), (True, True, 8)]
)
def test_all_arrays_are_turned_alike_and_every_turn_happens(
    flip: bool, transpose: bool, kinds: int
) -> None:
    sample = coordinates(12, 17)
    seen = set()
    for seed in range(200):
        blurry, grid, sharp = cut_by(sample, seed, 5, flip, transpose)
        assert blurry.shape == (5, 5, 3) and np.array_equal(blurry, sharp)
        assert np.array_equal(grid, blurry[:, :, :2].transpose(2, 0, 1))
        corner = blurry[0, 0, :2].astype(int)
        down = tuple(blurry[1, 0, :2].astype(int) - corner)
        right = tuple(blurry[0, 1, :2].astype(int) - corner)
        seen.add((down, right))
    assert len(seen) == kinds


def test_crops_reach_every_corner() -> None:
    sample = coordinates(6, 7)
    tops = {tuple(cut_by(sample, seed, 5)[0][0, 0, :2]) for seed in range(99)}
    assert tops == {(row, column) for row in (0, 1) for column in (0, 1, 2)}


def test_crop_0_keeps_the_frame() -> None:
    assert cut_by(coordinates(6, 7), 0, crop=0)[0].shape == (6, 7, 3)


def test_a_frame_smaller_than_the_crop_and_a_withheld_one_are_refused(highrev: Path) -> None:
    with pytest.raises(DataError, match="train.crop=8 does not fit a frame of 7x6"):
        cut_by(coordinates(6, 7), 0, crop=8)
    withheld = Crops(open_split(highrev, "test"), DataConfig(), TrainConfig(crop=16))
    with pytest.raises(DataError, match="sharp image"):
        withheld[0]


def stream(root: Path, start: int, workers: int, seed: int = 3) -> list[torch.Tensor]:
    train = TrainConfig(iterations=6, batch=3, crop=16, seed=seed)
    data = DataConfig(root=str(root), workers=workers)
    return [
        batch.blurry
        for batch in training_batches(open_split(root, "train"), data, train, start, False)
    ]


def test_neither_workers_nor_a_pause_change_what_is_seen(highrev: Path) -> None:
    whole = stream(highrev, 0, 0)
    assert len(whole) == 6 and whole[0].shape == (3, 3, 16, 16)
    for other in (stream(highrev, 0, 2), whole[:2] + stream(highrev, 2, 0)):
        assert all(torch.equal(a, b) for a, b in zip(whole, other, strict=True))
    assert not torch.equal(whole[0], stream(highrev, 0, 0, seed=4)[0])  # control


def test_every_epoch_visits_every_frame_once_and_cuts_it_anew(highrev: Path) -> None:
    frames = open_split(highrev, "train")
    crops = Crops(frames, DataConfig(), TrainConfig(crop=0, flip=False, transpose=False))
    epochs = [[crops[4 * epoch + place].blurry for place in range(4)] for epoch in range(3)]
    for epoch in epochs:
        sums = sorted(float(image.sum()) for image in epoch)
        assert sums == pytest.approx(sorted(float(image.sum()) for image in epochs[0]))
        assert len(set(sums)) == 4
    cutting = Crops(frames, DataConfig(), TrainConfig(crop=16))
    assert len({float(cutting[position].blurry.sum()) for position in range(12)}) == 12


def test_positions_and_collate() -> None:
    stage = Stage(0, 4, 16, 3, 0)
    assert list(Positions(stage, 2, World())) == [[6, 7, 8], [9, 10, 11]]
    first, second = (list(Positions(stage, 2, World(rank, 2))) for rank in (0, 1))
    alone = list(Positions(Stage(0, 4, 16, 6, 0), 2, World()))
    assert [one + two for one, two in zip(first, second, strict=True)] == alone
    sample = coordinates(4, 6)
    one = inputs_of(arrays_of(sample, Reading()), Reading())
    both = collate([one, one])
    assert both.blurry.shape == (2, 3, 4, 6) and both.mask is None


@pytest.mark.parametrize("crop", [16, 33, 0])
def test_what_is_kept_in_memory_changes_no_bit(highrev: Path, crop: int) -> None:
    frames = open_split(highrev, "train")
    train = TrainConfig(crop=crop, transpose=crop > 0)
    read, kept = (
        Crops(frames, DataConfig(keep_in_memory=keep, event_mask=True), train)
        for keep in (False, True)
    )
    for position in range(12):
        for one, other in zip(read[position], kept[position], strict=True):
            assert one is not None and other is not None and torch.equal(one, other)
    assert not read.kept and sorted(kept.kept) == sorted(frames.frames)


@pytest.mark.parametrize("form", ["highrev_raw", "highrev_voxel"])
def test_what_workers_are_sent_comes_back_the_same(tmp_path: Path, form: str) -> None:
    """They are fresh processes: data sets are pickled. A store: `test_prepare.py`; HDF5:
    `test_scer_hdf5.py`.
    """
    source = DataSource(write_tiled(tmp_path / "HighREV"), form, tmp_path / "HighREV_voxel")
    data = DataConfig(format=form, keep_in_memory=True)
    crops = Crops(source.open("train"), data, TrainConfig(crop=16))
    sent = pickle.loads(pickle.dumps(crops))
    for one, other in zip(crops[3], sent[3], strict=True):
        assert one is other is None or torch.equal(one, other)
