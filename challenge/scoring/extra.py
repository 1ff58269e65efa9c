"""Figures beside the profiles: a column of their own, computed image by image, never ranked by."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
from tqdm import tqdm

from challenge.errors import DataError
from challenge.files import sha256
from challenge.findings import shorten
from challenge.images import read_png
from challenge.metrics.lpips import column, score_lpips
from challenge.metrics.weights import BACKBONES, has_weights, weights_path
from challenge.scoring.cache import ScoreCache, pair_key
from challenge.scoring.pairs import Pair


@dataclass(frozen=True)
class Extra:
    """One such figure.

    Attributes:
        column: its name in `per_image.csv` and `scores.json`.
        version: what its values depend on besides the images; with another one, all is computed
            again.
        score: (prediction, sharp), both (H, W, 3) uint8 RGB -> a finite number.
    """

    column: str
    version: str
    score: Callable[[np.ndarray, np.ndarray], float]

    @property
    def key(self) -> str:
        """What its values are kept by."""
        return f"{self.column}@{self.version}"


class LpipsChoice(str, Enum):
    """Which LPIPS to score; auto: alex where its weights are on disk."""

    auto = "auto"
    alex = "alex"
    vgg = "vgg"
    all = "all"
    none = "none"


def lpips_extras(choice: LpipsChoice) -> list[Extra]:
    """Choose the LPIPS figures to score. Loads no network yet: that waits for the first image.

    Raises:
        DataError: the weights of a network asked for by name are not on disk.
    """
    if choice is LpipsChoice.auto:
        nets = ["alex"] if has_weights("alex") else []
    else:
        nets = {"none": [], "all": list(BACKBONES)}.get(choice.value, [choice.value])
    if missing := [net for net in nets if not has_weights(net)]:
        problems = [f"{weights_path(net)}: no such file" for net in missing]
        raise DataError("LPIPS needs weights; `bash run.sh weights` gets them", problems)
    return [
        Extra(column(net), sha256(weights_path(net))[:16], functools.partial(score_lpips, net=net))
        for net in nets
    ]


def why_empty(choice: LpipsChoice) -> str:
    """Why the column of LPIPS is empty, and what to do; "" where nobody asked for LPIPS."""
    if choice is LpipsChoice.none:
        return ""
    return f"LPIPS is empty: no {weights_path('alex')}; `bash run.sh weights` gets it."


def compute_extras(
    folder: Path,
    pairs: Sequence[Pair],
    keys: Sequence[str],
    extras: Sequence[Extra],
    cache: ScoreCache,
    progress: bool,
) -> None:
    """Put what the cache lacks into it, pair by pair.

    In this process: a network uses all cores, or the GPU, by itself.

    Args:
        folder: of the predictions, for messages.
        keys: what the cache knows each pair by.

    Raises:
        DataError: images that cannot be scored; all of them are listed.
    """
    for extra in extras:
        left = [
            (pair, key)
            for pair, key in zip(pairs, keys, strict=True)
            if extra.key not in cache.find(key)
        ]
        title, quiet = f"{extra.column} {folder.name}", None if progress else True
        problems = []
        for pair, key in tqdm(left, title, unit=" images", leave=False, disable=quiet):
            prediction, sharp = read_png(pair.prediction), read_png(pair.sharp)
            if pair_key(sha256(pair.prediction), sha256(pair.sharp)) != key:
                problems.append(f"{pair.prediction}: changed while it was scored; score again")
                continue
            try:
                cache.add(key, {extra.key: extra.score(prediction, sharp)})
            except DataError as error:
                if not error.problems:  # not of this image
                    raise
                problems.append(f"{pair.prediction}: {'; '.join(error.problems)}")
        if problems:
            raise DataError(
                f"{folder}: no {extra.column}; --lpips none leaves it out", shorten(problems)
            )
