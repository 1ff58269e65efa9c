"""EDI as a baseline: no weights; the contrast threshold is found from the data to be restored."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from baselines.edi.edi import deblur, find_threshold, stairs_of
from challenge.datasets import Dataset
from challenge.sample import Sample

FRAMES_LOOKED_AT = 8


class Edi:
    """The event double integral with one contrast threshold for a whole data set."""

    parameters = 0
    device = "cpu"

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self.description = f"event double integral, contrast threshold {threshold:.2f}, no learning"

    def __call__(self, sample: Sample) -> np.ndarray:
        return deblur(sample.blurry, stairs_of(sample), self.threshold)


def load(dataset: Dataset, checkpoint: Path | None, device: str) -> Edi:
    """Find the contrast threshold from frames spread evenly over the data set."""
    chosen = np.unique(np.linspace(0, len(dataset) - 1, FRAMES_LOOKED_AT).round().astype(int))
    return Edi(find_threshold(dataset.read_inputs(dataset.frames[index]) for index in chosen))
