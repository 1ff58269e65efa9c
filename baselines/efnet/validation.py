"""Validation: restore, write PNGs, and score what was written, as the challenge does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from baselines.restorer import Restorer
from baselines.stopping import Stop
from challenge.datasets import Dataset
from challenge.images import read_png, write_png
from challenge.metrics.profiles import Profile, score_pair


@dataclass(frozen=True)
class Scores:
    """Means over the validation frames, and the frames' own."""

    psnr: float  # dB
    ssim: float
    frames: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # psnr, ssim of each


def validate(
    restorer: Restorer, dataset: Dataset, profile: Profile, folder: Path, stop: Stop
) -> Scores:
    """Restore every frame, write it as PNG to `folder`, and score what was written; each of several
    processes its share.

    Args:
        restorer: what is judged.
        dataset: with sharp images.
        profile: the metric profile, as the challenge's rules name it.
        folder: where the PNGs go.
        stop: knows whether to stop between two frames.
    """

    def row(number: int) -> dict[str, float]:
        sample = dataset[number]
        assert sample.sharp is not None
        path = folder / f"{sample.frame}.png"
        write_png(path, restorer(sample))
        return score_pair(profile, read_png(path), sample.sharp)

    rows = stop.world.in_order(range(len(dataset)), row, stop.between)
    return mean_scores(dict(zip(dataset.frames, rows, strict=True)))


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
