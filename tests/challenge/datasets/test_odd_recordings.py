"""Every odd file of a recording is read as what it says, or refused with its name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import odd_recordings
import pytest

from challenge.datasets import open_split
from challenge.errors import DataError
from challenge.images import read_png
from challenge.representations import voxel_grid
from challenge.sample import Sample

BINS = 6


def grid_of(sample: Sample) -> np.ndarray:
    assert sample.events is not None
    return voxel_grid(sample.events, BINS, *sample.blurry.shape[:2])


def sample_of(root: Path) -> Sample:
    return open_split(root, "val").read_inputs("park_00000")


def test_odd_files_of_events(highrev: Path) -> None:
    """All types, wrong values, damaged and foreign files, in the middle of a frame."""
    path = highrev / "val" / "event" / "park_00000_04.npz"
    with np.load(path) as archive:
        arrays = {key: archive[key] for key in archive}
    arrays["polarity"][:2] = [[0], [1]]
    path.write_bytes(odd_recordings.as_npz(arrays))
    expected, read, refused = grid_of(sample_of(highrev)), 0, 0
    for name, content, right in odd_recordings.odd_slices(arrays):
        path.write_bytes(content)
        try:
            grid = grid_of(sample_of(highrev))
        except DataError as error:
            assert not right and "park_00000" in str(error), (name, error)
            refused += 1
            continue
        assert right, f"{name}: read, though it is wrong"
        np.testing.assert_array_equal(grid, expected, name)
        read += 1
    assert read > 35 and refused > 80, (read, refused)


def test_odd_blurry_frames(highrev: Path) -> None:
    path = highrev / "val" / "blur" / "park_00000.png"
    pixels = read_png(path)
    for name, content, right in odd_recordings.odd_images(pixels):
        path.write_bytes(content)
        try:
            blurry = sample_of(highrev).blurry
        except DataError as error:
            assert not right and path.name in str(error), (name, error)
            continue
        assert right, f"{name}: read, though it is wrong"
        np.testing.assert_array_equal(blurry, pixels, name)


@pytest.mark.parametrize(
    "stray", ["._park_00000_04.npz", ".DS_Store", "__MACOSX/park_00000_99.npz"]
)
def test_what_archives_of_a_mac_leave_behind_is_passed_over(highrev: Path, stray: str) -> None:
    expected = grid_of(sample_of(highrev))
    path = highrev / "val" / "event" / stray
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")
    np.testing.assert_array_equal(grid_of(sample_of(highrev)), expected)
