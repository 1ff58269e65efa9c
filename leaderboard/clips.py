"""The frames of a sequence as they are shown in a video: of runs, or of data alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from tqdm import tqdm

from challenge.datasets.source import Dataset
from challenge.sample import sequence_of
from leaderboard.picture import Shelf, panels_of, read_shown
from leaderboard.sample_picture import top_panels
from leaderboard.sheet import Crop, Panel, draw_sheet, headed


def frames_beside(dataset: Dataset, frame: str) -> list[str]:
    """List the frames of the same sequence, in their order."""
    return [each for each in dataset.frames if sequence_of(each) == sequence_of(frame)]


def of_runs(
    shelf: Shelf, frames: Sequence[str], names: Sequence[str], crop: Crop | None, columns: int
) -> Iterator[np.ndarray]:
    """Draw blurry | events | every run | sharp of one frame after the other, with dB.

    Yields:
        (H', W', 3) uint8 RGB, all of one size.
    """
    for frame in _progress(frames):
        panels = panels_of(read_shown(shelf, frame, names), crop, maps=False)
        yield _page(frame, panels, columns)


def of_data(
    dataset: Dataset, frames: Sequence[str], crop: Crop | None, columns: int
) -> Iterator[np.ndarray]:
    """Draw blurry | events | sharp (where it is known) of one frame after the other.

    Yields:
        (H', W', 3) uint8 RGB, all of one size.
    """
    for frame in _progress(frames):
        sample = dataset[dataset.frames.index(frame)]
        yield _page(frame, top_panels(sample, crop), columns)


def _page(frame: str, panels: Sequence[Panel], columns: int) -> np.ndarray:
    return headed(frame, draw_sheet(panels, columns))


def _progress(frames: Sequence[str]) -> Iterator[str]:
    return iter(tqdm(frames, desc="drawing", unit="frame", leave=False, disable=None))
