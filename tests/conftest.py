"""Data that many tests share: a small set in HighREV's layout, and the real recordings where they
are.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from challenge.images import write_png

REPOSITORY = Path(__file__).resolve().parents[1]
HEIGHT, WIDTH = 40, 56
SLICES = 11


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of real event recordings, which are not ours to distribute: KIT_SAMPLES, or beside
    the kit.
    """
    folder = Path(os.environ.get("KIT_SAMPLES", REPOSITORY.parent / "shared" / "samples"))
    if not (folder / "davis346_cups").is_dir():
        pytest.skip(f"real recordings are not at {folder}; set KIT_SAMPLES to their folder")
    return folder


def smooth_image(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    coarse = rng.integers(30, 225, (height // 8 + 1, width // 8 + 1, 3))
    return np.kron(coarse, np.ones((8, 8, 1)))[:height, :width].astype(np.uint8)


def write_frame(folder: Path, frame: str, rng: np.random.Generator, with_sharp: bool) -> None:
    """One frame as HighREV has it on disk: x and y swapped, (N, 1) arrays, the last slice after the
    exposure.
    """
    sharp = smooth_image(rng, HEIGHT, WIDTH)
    blurry = ((sharp.astype(np.uint16) + np.roll(sharp, 3, axis=1)) // 2).astype(np.uint8)
    write_png(folder / "blur" / f"{frame}.png", blurry)
    if with_sharp:
        write_png(folder / "sharp" / f"{frame}.png", sharp)
    (folder / "event").mkdir(exist_ok=True)
    for number in range(SLICES):
        count = int(rng.integers(50, 90))
        column, row = rng.integers(0, WIDTH, count), rng.integers(0, HEIGHT, count)
        time = 1_700_000_000_000_000 + 1500 * number + np.sort(rng.integers(0, 1500, count))
        np.savez(
            folder / "event" / f"{frame}_{number:02d}.npz",
            x=row.astype(np.uint16)[:, None],
            y=column.astype(np.uint16)[:, None],
            timestamp=time[:, None],
            polarity=rng.integers(0, 2, count).astype(np.uint8)[:, None],
        )


def write_highrev(root: Path) -> Path:
    """train: 4 frames of two sequences, val: 2, test: 2 without sharp images; 56x40 (width x
    height).
    """
    rng = np.random.default_rng(7)
    for split, frames in (
        ("train", ("old_town_00000", "old_town_00012", "harbour_00000", "harbour_00012")),
        ("val", ("park_00000", "park_00012")),
        ("test", ("zig_zag_00000", "zig_zag_00012")),
    ):
        for frame in frames:
            write_frame(root / split, frame, rng, with_sharp=split != "test")
    return root


@pytest.fixture()
def highrev(tmp_path: Path) -> Path:
    """A fresh small HighREV, to be damaged at will."""
    return write_highrev(tmp_path / "HighREV")


@pytest.fixture(scope="session")
def untouched_highrev(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, made once: only to be read."""
    return write_highrev(tmp_path_factory.mktemp("data") / "HighREV")
