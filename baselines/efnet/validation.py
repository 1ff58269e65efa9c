"""Validation: restore, write PNGs, and score what was written, as the challenge does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from baselines.restorer import Restorer
from challenge.datasets import Dataset
from challenge.images import read_png, write_png
from challenge.metrics.profiles import Profile, score_pair


@dataclass(frozen=True)
class Scores:
    """Means over the validation frames, and the frames' own."""

    psnr: float  # dB
    ssim: float
    frames: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # psnr, ssim of each


def validate(restorer: Restorer, dataset: Dataset, profile: Profile, folder: Path) -> Scores:
    """Restore every frame, write it as PNG to `folder`, and score what was written.

    Args:
        restorer: what is judged.
        dataset: with sharp images.
        profile: the metric profile, as the challenge's rules name it.
        folder: where the PNGs go.
    """
    rows = {}
    for index in range(len(dataset)):
        sample = dataset[index]
        assert sample.sharp is not None
        path = folder / f"{sample.frame}.png"
        write_png(path, restorer(sample))
        rows[sample.frame] = score_pair(profile, read_png(path), sample.sharp)
    return mean_scores(rows)


def blurry_scores(dataset: Dataset, profile: Profile) -> Scores:
    """Score the input itself; events are not read."""
    rows = {
        frame: score_pair(profile, dataset.read_blurry(frame), dataset.read_sharp(frame))
        for frame in dataset.frames
    }
    return mean_scores(rows)


def mean_scores(rows: Mapping[str, Mapping[str, float]]) -> Scores:
    """Average over images: the scores of each frame, by its name."""
    psnr, ssim = (float(np.mean([row[key] for row in rows.values()])) for key in ("psnr", "ssim"))
    return Scores(psnr, ssim, rows)
