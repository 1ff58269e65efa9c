"""What a baseline is: a folder whose `restorer.py` has `load(...)`, found by its import path."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Protocol

import numpy as np

from challenge.datasets import Dataset
from challenge.errors import ConfigError
from challenge.sample import Sample


class Restorer(Protocol):
    """Turns one blurry frame and its events into a sharp image.

    One that makes voxel grids of raw events may say of how many time bins: `bins: int`.
    """

    parameters: int  # learnt ones
    device: str  # "cpu", or the GPU's name
    description: str  # one line for the readme of a submission

    def __call__(self, sample: Sample) -> np.ndarray:
        """Restore one frame: (H, W, 3) uint8 RGB, rounded, of the blurry frame's size."""
        ...


def load_restorer(
    baseline: str, dataset: Dataset, checkpoint: Path | None, device: str
) -> Restorer:
    """Call `load(dataset, checkpoint, device)` of a baseline.

    Args:
        baseline: a folder of `baselines/`, such as "edi", or the import path of a module of your
            own that has such a function, such as "my_method.restorer".
        dataset: what will be restored; a baseline without weights may learn its constants from it.
        checkpoint: weights, where the baseline has any.
        device: "auto", "cpu", "cuda" or "cuda:1".

    Raises:
        ConfigError: no such baseline.
    """
    path = baseline if "." in baseline else f"baselines.{baseline}.restorer"
    try:
        found = importlib.util.find_spec(path)
    except ModuleNotFoundError:
        found = None
    if found is None:
        own = sorted(p.parent.name for p in Path(__file__).parent.glob("*/restorer.py"))
        raise ConfigError(
            f"baseline {baseline!r}: no module {path}; expected one of {', '.join(own)} "
            "or the import path of a module of yours"
        )
    restorer: Restorer = importlib.import_module(path).load(dataset, checkpoint, device)
    return restorer
