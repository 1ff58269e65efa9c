"""Scoring survives malformed PNGs: a finite score or one DataError, and nothing else is touched."""

from __future__ import annotations

import importlib.util
import math
import random
import resource
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from challenge.errors import DataError
from challenge.images import write_png
from challenge.runs import RunRecord
from challenge.scoring.score import score_folder

HEADROOM = 1 << 30  # bytes of address space beyond what the process has already


@pytest.fixture(scope="module")
def fuzzing() -> ModuleType:
    """The generators of malformed PNGs, in a copy for pictures that every metric takes."""
    spec = importlib.util.find_spec("fuzzing")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.WIDTH, module.HEIGHT = 24, 20
    return module


@pytest.fixture()
def limited_memory() -> Iterator[None]:
    """A picture that asks for gigabytes fails instead of taking them."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (size + HEADROOM, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def malformed(fuzzing: ModuleType, rng: random.Random) -> bytes:
    whole: bytes = fuzzing.as_png(fuzzing.good_chunks(rng))
    kind = rng.randrange(4)
    if kind == 0:
        return bytes(fuzzing.mutant_png(rng))
    if kind == 1:
        return bytes(fuzzing.flipped(whole, rng))
    if kind == 2:
        return whole[: rng.randrange(len(whole))]
    return rng.randbytes(rng.randrange(200))


def run(fuzzing: ModuleType, folder: Path, first: int, last: int) -> tuple[int, int]:
    """Score one malformed prediction after the other: (scored, refused)."""
    sharp, predictions = folder / "sharp", folder / "predictions"
    write_png(sharp / "a_00000.png", np.full((20, 24, 3), 90, np.uint8))
    predictions.mkdir()
    scored = refused = 0
    for number in range(first, last):
        (predictions / "a_00000.png").write_bytes(malformed(fuzzing, random.Random(number)))
        try:
            scores = score_folder(
                predictions, sharp, RunRecord("fuzz"), "published_kit", workers=1, progress=False
            )
        except DataError as error:
            assert "a_00000" in str(error)
            refused += 1
            continue
        figures = [value for means in scores.means.values() for value in means.values()]
        assert all(math.isfinite(value) for value in figures)
        scored += 1
    assert {path.name for path in folder.iterdir()} == {"sharp", "predictions"}
    assert {path.name for path in predictions.iterdir()} <= {
        "a_00000.png", "scores.json", "per_image.csv",
    }  # fmt: skip
    return scored, refused


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize(
    "first, last", [(0, 300), pytest.param(300, 8_000, marks=pytest.mark.slow)]
)
def test_malformed_predictions_never_crash_a_scoring(
    fuzzing: ModuleType, tmp_path: Path, limited_memory: None, first: int, last: int
) -> None:
    scored, refused = run(fuzzing, tmp_path, first, last)
    assert scored + refused == last - first
    assert refused > (last - first) // 2  # the generators do make faults
    assert scored > 0  # and some of what they make is still a picture
