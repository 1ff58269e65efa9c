"""Folders of small PNGs to score."""

from pathlib import Path

import numpy as np
import pytest

from challenge.images import write_png

FRAMES = ("night_run_00000", "night_run_00012", "night_run_00024", "zigzag_00000")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """(predictions, sharp): four frames of two sequences, each with noise of its own strength."""
    rng = np.random.default_rng(0)
    predictions, sharp = tmp_path / "my_method", tmp_path / "data" / "val" / "sharp"
    for index, frame in enumerate(FRAMES):
        image = rng.integers(40, 216, (20, 24, 3), dtype=np.uint8)
        noise = rng.integers(-4 * (index + 1), 4 * (index + 1) + 1, image.shape)
        write_png(sharp / f"{frame}.png", image)
        write_png(predictions / f"{frame}.png", (image + noise).astype(np.uint8))
    return predictions, sharp
