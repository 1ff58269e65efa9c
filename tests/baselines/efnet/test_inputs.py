"""A sample's events as a grid, whole or cut, and what the network gets of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from baselines.efnet.inputs import Arrays, Reading, grid_of, inputs_of
from challenge.datasets import open_split
from challenge.errors import DataError
from challenge.events import Events
from challenge.representations import Representation, voxel_grid
from challenge.sample import Sample, Window

HEIGHT, WIDTH = 30, 40
WHOLE = Window(0, 0, HEIGHT, WIDTH)


def windows(rng: np.random.Generator, height: int, width: int, number: int) -> list[Window]:
    """Random parts of a frame; the first are the whole, a corner pixel, a row and a column."""
    drawn = [Window(0, 0, height, width), Window(height - 1, width - 1, 1, 1)]
    drawn += [Window(height // 2, 0, 1, width), Window(0, width // 3, height, 1)]
    while len(drawn) < number:
        top, left = int(rng.integers(height)), int(rng.integers(width))
        rows, columns = rng.integers(1, height - top + 1), rng.integers(1, width - left + 1)
        drawn.append(Window(top, left, int(rows), int(columns)))
    return drawn


def cells(grid: np.ndarray, window: Window) -> np.ndarray:
    top, left, height, width = window
    return grid[:, top : top + height, left : left + width]


def sample_of(events: Events, height: int = HEIGHT, width: int = WIDTH) -> Sample:
    return Sample("a_00000", np.zeros((height, width, 3), np.uint8), events)


@pytest.mark.parametrize("count", [0, 1, 2, 30, 5000])
@pytest.mark.parametrize("clock", ["uint64", "int64", "float64", "int32"])
def test_the_grid_of_a_window_is_the_window_of_the_grid_bit_for_bit(count: int, clock: str) -> None:
    rng = np.random.default_rng(count)
    start = 0 if clock == "int32" else 1_700_000_000_000_000
    time = start + np.sort(rng.integers(0, 15_000, count))
    events = Events(
        x=rng.integers(0, WIDTH, count).astype(np.uint16),
        y=rng.integers(0, HEIGHT, count).astype(np.int32),
        t=time.astype(clock),
        p=rng.integers(0, 2, count).astype(np.int8),
    )
    sample = sample_of(events)
    for bins in (2, 6):
        whole = voxel_grid(events, bins, HEIGHT, WIDTH)
        assert np.array_equal(grid_of(sample, Representation(bins=bins)), whole)
        for window in windows(rng, HEIGHT, WIDTH, 20):
            grid = grid_of(sample, Representation(bins=bins), window)
            assert grid.dtype == np.float32 and np.array_equal(grid, cells(whole, window)), window


def test_the_same_on_a_real_recording(recordings: Path) -> None:
    rng = np.random.default_rng(0)
    cups = open_split(recordings / "davis346_cups", "test")
    for index in (0, 15, 29):
        sample = cups[index]
        whole = grid_of(sample, Representation(bins=6))
        for window in windows(rng, *sample.blurry.shape[:2], number=10):
            grid = grid_of(sample, Representation(bins=6), window)
            assert np.array_equal(grid, cells(whole, window)), window


def test_a_window_without_events_is_empty_and_one_event_is_found() -> None:
    events = Events(x=[3, 3, 9], y=[4, 4, 9], t=[0, 10, 20], p=[1, 1, 0])  # type: ignore[arg-type]
    sample = sample_of(events)
    assert not grid_of(sample, Representation(bins=3), Window(20, 20, 5, 5)).any()
    # the last event of the frame, in the last bin
    one = grid_of(sample, Representation(bins=3), Window(9, 8, 1, 2))
    assert one.tolist() == [[[0, 0]], [[0, 0]], [[0, -1]]]


def test_a_stored_grid_is_taken_as_it_is() -> None:
    stored = np.arange(2 * HEIGHT * WIDTH, dtype=np.float32).reshape(2, HEIGHT, WIDTH)
    sample = Sample("a_00000", np.zeros((HEIGHT, WIDTH, 3), np.uint8), None, stored)
    window = Window(3, 5, 7, 11)
    assert np.array_equal(grid_of(sample, Representation(bins=6)), stored)
    assert np.array_equal(grid_of(sample, Representation(bins=6), window), cells(stored, window))
    with pytest.raises(DataError, match="a_00000: expected events or a stored grid"):
        grid_of(Sample("a_00000", sample.blurry, None), Representation(bins=6))


def test_tensors_are_normalised_rgb() -> None:
    rows, columns = np.mgrid[:4, :6]
    image = np.stack([rows, columns, rows * 0], axis=2).astype(np.uint8)
    grid = np.stack([rows, columns]).astype(np.float32)
    batch = inputs_of(Arrays(image, grid, image), Reading(event_mask=True))
    assert batch.blurry.shape == (1, 3, 4, 6) and batch.blurry[0, 1, 0, 5] == pytest.approx(5 / 255)
    assert batch.voxel[batch.voxel != 0].mean() == pytest.approx(0, abs=1e-6)
    assert batch.mask is not None and batch.mask.shape == (1, 1, 4, 6)
    assert inputs_of(Arrays(image, grid, None), Reading())[2:] == (None, None)
