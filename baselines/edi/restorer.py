"""EDI as a baseline: no weights; the contrast threshold is found from the data to be restored."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from baselines.edi.edi import (
    best_threshold,
    deblur,
    stairs_of,
    threshold_curve,
    threshold_doubt,
)
from challenge import cli
from challenge.datasets import Dataset
from challenge.findings import shorten
from challenge.sample import Sample, sequence_of

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
    """Find the contrast threshold from frames spread evenly over the data set.

    Warns where no threshold explains the blur: a sign that the events are not those of the frames.
    """
    places = np.unique(np.linspace(0, len(dataset) - 1, FRAMES_LOOKED_AT).round().astype(int))
    chosen = [dataset.frames[place] for place in places]
    curve = threshold_curve(dataset.read_inputs(frame) for frame in chosen)
    if doubt := threshold_doubt(curve):
        sequences = ", ".join(shorten(sorted({sequence_of(frame) for frame in chosen}), 4))
        cli.warn_once(f"EDI on {sequences} ({len(chosen)} frames looked at): {doubt}")
    return Edi(best_threshold(curve))
