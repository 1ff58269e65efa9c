"""Stand-in LPIPS weights: of the right shapes, random, in a folder of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from challenge.weights import FOLDER_VARIABLE, State, find_backbone


def random_state(net: str, seed: int = 0) -> State:
    """Weights small enough that no layer's output explodes, biases that are not zero."""
    random = np.random.default_rng(seed)
    return {
        name: (random.standard_normal(shape, np.float32) / np.sqrt(np.prod(shape[1:]) or 1)).astype(
            np.float32
        )
        for name, shape in find_backbone(net).shapes().items()
    }


@pytest.fixture
def make_state() -> Callable[..., State]:
    return random_state


@pytest.fixture
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder as the store of weights."""
    folder = tmp_path / "weights"
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    return folder
