"""The examples in the docstrings run, and the functions users call have one."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import challenge
import leaderboard

MODULES = sorted(
    found.name
    for package in (challenge, leaderboard)
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + ".")
    if not found.name.endswith("__main__")
)
SHOWN = (
    "challenge.events.Events",
    "challenge.images.to_uint8",
    "challenge.light.luminance",
    "challenge.metrics.images.luma",
    "challenge.metrics.profiles.score_pair",
    "challenge.metrics.psnr.psnr",
    "challenge.metrics.psnr.psnr_luma",
    "challenge.metrics.ssim.ssim_3d",
    "challenge.metrics.ssim.ssim_gaussian",
    "challenge.metrics.ssim.ssim_luma",
    "challenge.representations.event_mask",
    "challenge.representations.normalise_nonzero",
    "challenge.representations.voxel_grid",
    "challenge.sample.sequence_of",
)


def failures(module: object) -> tuple[int, int]:
    """(failed, tried) of a module's examples."""
    result = doctest.testmod(module, verbose=False)  # type: ignore[arg-type]
    return result.failed, result.attempted


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str) -> None:
    if name == "challenge.representations.compiled":
        pytest.importorskip("numba")
    assert failures(importlib.import_module(name))[0] == 0


@pytest.mark.parametrize("name", SHOWN)
def test_what_a_user_calls_shows_how(name: str) -> None:
    module, _, function = name.rpartition(".")
    shown = getattr(importlib.import_module(module), function)
    assert doctest.DocTestParser().get_examples(shown.__doc__ or ""), f"{name} has no example"


def test_control_a_wrong_example_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sum_of_two.py").write_text('"""\n>>> 1 + 1\n3\n"""\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    assert failures(importlib.import_module("sum_of_two")) == (1, 1)
