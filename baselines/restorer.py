"""What a baseline is: a folder whose `restorer.py` has `load(...)`, found by its import path."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from pathlib import Path
from typing import Protocol

import numpy as np

from baselines.efnet.inference import Inference
from challenge.datasets import Dataset
from challenge.errors import ConfigError
from challenge.sample import Sample


class Restorer(Protocol):
    """Turns one blurry frame and its events into a sharp image.

    One that makes voxel grids of raw events may say of how many time bins: `bins: int`. One that is
    told how to restore says how it does: `settings: Inference`. One that can say more than 256
    levels has `estimate(sample) -> (H, W, 3) float32`, 0 to 1: several are averaged by that. One
    that does without events says so, and nobody is warned of theirs: `reads_events = False`.
    """

    parameters: int  # learnt ones
    device: str  # "cpu", or the GPU's name
    description: str  # one line for the readme of a submission

    def __call__(self, sample: Sample) -> np.ndarray:
        """Restore one frame: (H, W, 3) uint8 RGB, rounded, of the blurry frame's size."""
        ...


def load_restorer(
    baseline: str,
    dataset: Dataset,
    checkpoint: Path | None,
    device: str,
    settings: Inference | None = None,
) -> Restorer:
    """Call `load(dataset, checkpoint, device)` of a baseline, with `settings=` where it takes some.

    Args:
        baseline: a folder of `baselines/`, such as "edi", or the import path of a module of your
            own that has such a function, such as "my_method.restorer".
        dataset: what will be restored; a baseline without weights may learn its constants from it.
        checkpoint: weights, where the baseline has any.
        device: "auto", "cpu", "cuda" or "cuda:1".
        settings: of restoring.

    Raises:
        ConfigError: no such baseline, or one that takes no settings, and some are not the default.
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
    load = importlib.import_module(path).load
    settings = settings or Inference()
    told: dict[str, Inference] = {}
    if "settings" in inspect.signature(load).parameters:
        told = {"settings": settings}
    elif settings != Inference():
        raise ConfigError(
            f"baseline {baseline}: takes no settings of restoring; leave out --tile, --overlap, "
            f"--flips, --local, --engine, --precision, or give {path}.load a parameter `settings`"
        )
    restorer: Restorer = load(dataset, checkpoint, device, **told)
    return restorer
