from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from challenge.datasets import open_split
from challenge.datasets.highrev_voxel import HighRevVoxel
from challenge.errors import ConfigError, DataError
from challenge.representations import voxel_grid


@pytest.fixture()
def voxels(highrev: Path) -> Path:
    """Stored grids of the raw events: (H, W, bins) float32, as the organisers hand them out."""
    root = highrev.parent / "HighREV_voxel"
    for split in ("train", "val"):
        raw = open_split(highrev, split)
        (root / split / "voxel").mkdir(parents=True)
        for index, frame in enumerate(raw.frames):
            events = raw[index].events
            assert events is not None
            stored = voxel_grid(events, 6, 40, 56).transpose(1, 2, 0)
            np.savez(root / split / "voxel" / f"{frame}.npz", voxel=stored)
    return root


def test_a_stored_grid_comes_as_it_is(highrev: Path, voxels: Path) -> None:
    stored = open_split(highrev, "val", "highrev_voxel", voxel_root=voxels)
    raw = open_split(highrev, "val")
    assert stored.frames == raw.frames
    grid, events = stored[1].stored_grid, raw[1].events
    assert grid is not None and events is not None and stored[1].events is None
    assert np.array_equal(grid, voxel_grid(events, 6, 40, 56)) and grid.flags.c_contiguous
    assert np.array_equal(stored[1].sharp, raw[1].sharp)


def test_pairs_by_name_not_by_count(highrev: Path, voxels: Path) -> None:
    folder = voxels / "val" / "voxel"
    (folder / "park_00012.npz").rename(folder / "park_00013.npz")
    with pytest.raises(DataError, match="park_00012.npz is missing"):
        HighRevVoxel(highrev, voxels, "val", 6)


def test_another_number_of_bins(highrev: Path, voxels: Path) -> None:
    with pytest.raises(DataError, match=r"= \(40, 56, 9\), found \(40, 56, 6\).*set data.bins"):
        HighRevVoxel(highrev, voxels, "val", 9)[0]


@pytest.mark.parametrize("key, value", [("grid", 0.0), ("voxel", np.nan)])
def test_wrong_contents(highrev: Path, voxels: Path, key: str, value: float) -> None:
    np.savez(voxels / "val" / "voxel" / "park_00000.npz", **{key: np.full((40, 56, 6), value)})
    with pytest.raises(DataError, match="park_00000.npz: expected"):
        HighRevVoxel(highrev, voxels, "val", 6)[0]


def test_the_test_split_has_no_stored_grids(highrev: Path, voxels: Path) -> None:
    with pytest.raises(DataError, match=r"voxel.*no such folder"):
        HighRevVoxel(highrev, voxels, "test", 6)


def test_voxel_root_must_be_given(highrev: Path) -> None:
    with pytest.raises(ConfigError, match="needs data.voxel_root"):
        open_split(highrev, "val", "highrev_voxel")
