"""Restore every frame of a split, whatever the baseline."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from baselines.restorer import Restorer
from challenge.datasets import Dataset
from challenge.errors import ChallengeError
from challenge.images import write_png


def restore_all(restorer: Restorer, dataset: Dataset, folder: Path, title: str) -> float:
    """Restore every frame and write it to `folder`.

    Returns:
        Mean seconds per image of the restoring alone, after one frame that is not counted.
    """
    restorer(dataset.read_inputs(dataset.frames[0]))
    seconds = []
    for frame in tqdm(dataset.frames, desc=title, unit=" images", dynamic_ncols=True):
        sample = dataset.read_inputs(frame)
        began = time.perf_counter()
        image = restorer(sample)
        seconds.append(time.perf_counter() - began)
        if image.shape != sample.blurry.shape or image.dtype != np.uint8:
            raise ChallengeError(
                f"{title}: the restorer returned {image.shape} {image.dtype} for {frame}, "
                f"expected {sample.blurry.shape} uint8"
            )
        write_png(folder / f"{frame}.png", image)
    return float(np.mean(seconds))
