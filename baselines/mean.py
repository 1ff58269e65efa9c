"""Several checkpoints as one restorer: their results are averaged, then rounded once."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from baselines.efnet.inference import Inference
from baselines.restorer import Restorer, load_restorer
from challenge.datasets import Dataset
from challenge.errors import ConfigError
from challenge.images import to_uint8
from challenge.sample import Sample


@runtime_checkable
class Estimator(Restorer, Protocol):
    """A restorer that can say more than 256 levels."""

    settings: Inference

    def estimate(self, sample: Sample) -> np.ndarray:
        """Restore one frame: (H, W, 3) float32 RGB, about 0 to 1, neither clipped nor rounded."""
        ...


class Mean:
    """Averages what several restorers estimate, in float32, and rounds once."""

    def __init__(self, members: Sequence[Estimator]) -> None:
        self.members = members
        first = members[0]
        self.parameters = sum(member.parameters for member in members)
        self.device, self.settings = first.device, first.settings
        self.description = f"mean of {len(members)} networks: {first.description}"
        if bins := getattr(first, "bins", None):
            self.bins: int = bins

    def __call__(self, sample: Sample) -> np.ndarray:
        total = np.array(self.members[0].estimate(sample), np.float32)
        for member in self.members[1:]:
            total += member.estimate(sample)
        return to_uint8(total / np.float32(len(self.members)))


def load_mean(
    baseline: str,
    dataset: Dataset,
    checkpoints: Sequence[Path],
    device: str,
    settings: Inference | None = None,
) -> Restorer:
    """Load a baseline with its checkpoint, or the mean of it with several.

    Arguments as of `load_restorer`. All members restore alike: in the tiles that the first chose.

    Raises:
        ConfigError: one of several restorers gives rounded images alone.
    """
    settings = settings or Inference()
    one = checkpoints[0] if checkpoints else None
    first = load_restorer(baseline, dataset, one, device, settings)
    if len(checkpoints) < 2:
        return first
    chosen = getattr(first, "settings", settings).tiles
    settings = dataclasses.replace(settings, tiles=chosen)
    others = [load_restorer(baseline, dataset, path, device, settings) for path in checkpoints[1:]]
    members = [member for member in (first, *others) if isinstance(member, Estimator)]
    if len(members) < len(checkpoints):
        raise ConfigError(
            f"baseline {baseline}: takes one --checkpoint: without `estimate` (see "
            "baselines/restorer.py) its images are rounded; `bash run.sh fuse` averages runs"
        )
    return Mean(members)
