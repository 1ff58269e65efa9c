"""What `benchmarks/recipes.py` scores, and where it keeps it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from baselines.efnet.inference import Inference
from baselines.mean import load_mean
from baselines.restorer import Restorer
from challenge.datasets import Dataset, open_split
from challenge.errors import ChallengeError, ConfigError
from challenge.files import write_json
from challenge.importers import street
from challenge.metrics.psnr import psnr

REFERENCES = ("blurry", "edi")


def open_sets(val: Dataset, samples: Path) -> dict[str, Dataset]:
    """Open what is scored beside the embedded validation set; what is not there is skipped with a
    reason.

    Args:
        val: the embedded validation set.
        samples: folder of the real recordings.
    """
    sets = {"val": val}
    recording = samples / street.NAME / "street.aedat4"
    try:
        if not street.ROOT.is_dir() and recording.is_file():
            street.make(recording, street.ROOT)
        sets["street"] = open_split(street.ROOT, "val")
    except ChallengeError as error:
        print(f"skipped, the real frames with truth: {error.summary}; bash run.sh data --real")
    try:
        sets["cups"] = open_split(samples / "davis346_cups", "test")
    except ChallengeError as error:
        print(f"skipped, the real frames without truth: {error.summary}")
    return sets


def references(folder: Path, sets: Mapping[str, Dataset]) -> None:
    """Score what needs no training, into a folder."""
    for name in REFERENCES:
        kept(folder / f"{name}.json", {"baseline": name}, sets, name, ())


def kept(
    path: Path,
    asked: dict[str, Any],
    sets: Mapping[str, Dataset],
    baseline: str,
    checkpoints: Sequence[Path],
    settings: Inference | None = None,
) -> None:
    """Score a baseline on each set and keep it at `path`, unless that is done.

    Args:
        path: of the scores.
        asked: the recipe, kept beside them.
        sets: by their keys in the table.
        baseline, checkpoints, settings: as of `load_mean`.

    Raises:
        ConfigError: what is there was made by another recipe of this name.
    """
    values: dict[str, Any] = {"asked": asked}
    if path.exists():
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["asked"] != asked:
            raise other_recipe(path, path.stem)
    for key, frames in sets.items():
        if key in values:
            continue
        print(f"{path.stem}: scoring {key}", flush=True)
        restorer = load_mean(baseline, frames, checkpoints, "cpu", settings)
        values[key] = scores_of(frames, restorer)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, values)


def other_recipe(path: Path, name: str) -> ConfigError:
    """Say that what is kept at `path` was made by another recipe of this name."""
    return ConfigError(
        f"{path}: was made by another recipe of this name; remove scores/{name}.json and "
        f"runs/{name} there, or name it otherwise"
    )


def means(path: Path) -> dict[str, float] | None:
    """Average kept scores over the frames of each set; None where there are none."""
    if not path.exists():
        return None
    values = json.loads(path.read_text(encoding="utf-8"))
    return {key: float(np.mean([*each.values()])) for key, each in values.items() if key != "asked"}


def scores_of(frames: Dataset, restorer: Restorer) -> dict[str, float]:
    """Restore every frame: PSNR where the sharp image is known, else Tenengrad beside the input."""
    scores = {}
    for number, frame in enumerate(frames.frames):
        sample = frames[number]
        image = restorer(dataclasses.replace(sample, sharp=None))
        if sample.sharp is None:
            scores[frame] = tenengrad(image) / tenengrad(sample.blurry)
        else:
            scores[frame] = psnr(image, sample.sharp)
    return scores


def tenengrad(image: np.ndarray) -> float:
    """Return the mean squared gradient (Sobel) of the grey (H, W, 3) uint8 image."""
    grey = image.astype(np.float64).mean(axis=2)
    rows, columns = cv2.Sobel(grey, cv2.CV_64F, 0, 1), cv2.Sobel(grey, cv2.CV_64F, 1, 0)
    return float(np.mean(rows**2 + columns**2))
