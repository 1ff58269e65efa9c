"""Profiles: names, caps, and that their files need NumPy alone."""

import dataclasses
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from challenge import REPOSITORY
from challenge.errors import ConfigError, DataError
from challenge.metrics import profiles, windows
from challenge.metrics.profiles import (
    PROFILES,
    Profile,
    compute,
    find_profile,
    profile_problems,
    profiles_sha256,
    score_pair,
)
from challenge.metrics.psnr import psnr, psnr_luma
from challenge.metrics.ssim import ssim_3d, ssim_gaussian, ssim_luma

BLACK = np.zeros((20, 24, 3), np.uint8)
GREY = np.full((20, 24, 3), 128, np.uint8)


def test_the_names_that_scripts_rely_on():
    assert list(PROFILES) == ["published_kit", "ntire_y", "standard"]
    assert all(profile.name == name for name, profile in PROFILES.items())


def test_each_profile_reports_its_own_metrics():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 256, (2, 30, 34, 3), dtype=np.uint8)
    assert score_pair("published_kit", first, second) == {
        "psnr": psnr(first, second),
        "ssim": ssim_3d(first, second),
    }
    assert score_pair("ntire_y", first, second) == {
        "psnr": psnr_luma(first, second),
        "ssim": ssim_luma(first, second),
    }
    assert score_pair("standard", first, second) == {
        "psnr": psnr(first, second),
        "ssim": ssim_gaussian(first, second),
    }


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("prediction, sharp", [(BLACK, GREY), (GREY, BLACK), (BLACK, BLACK)])
def test_figures_are_finite_python_floats(name, prediction, sharp):
    scores = score_pair(name, prediction, sharp)
    assert list(scores) == ["psnr", "ssim"]
    assert all(type(value) is float and math.isfinite(value) for value in scores.values())


@pytest.mark.parametrize("name", PROFILES)
def test_equal_images_score_the_cap(name):
    assert score_pair(name, GREY, GREY) == {"psnr": 100.0, "ssim": 1.0}


def test_the_cap_also_holds_for_nearly_equal_images():
    sharp = np.full((300, 300, 3), 128, np.uint8)
    prediction = sharp.copy()
    prediction[150, 150, 0] += 1  # 20 log10(255) + 10 log10(270000) = 102.4 dB
    assert psnr(prediction, sharp) == pytest.approx(102.445, abs=1e-3)
    assert score_pair("standard", prediction, sharp)["psnr"] == 100.0


def test_a_profile_of_ones_own():
    own = Profile("psnr", "ssim_luma", psnr_cap=60.0)
    assert score_pair(own, GREY, GREY) == {"psnr": 60.0, "ssim": 1.0}
    assert Profile(**json.loads(json.dumps(dataclasses.asdict(own)))) == own  # plain data
    with pytest.raises(dataclasses.FrozenInstanceError):
        own.psnr = "other"  # type: ignore[misc]


def test_the_kits_profiles_pass_the_check_that_ones_own_must_pass():
    for profile in PROFILES.values():
        assert profile_problems(dataclasses.replace(profile, name="other")) == []
    assert "stays as it is" in profile_problems(PROFILES["standard"])[0]


@pytest.mark.parametrize(
    "profile, problem",
    [
        (Profile("psnr_lum", "ssim_3d"), "psnr: no metric called 'psnr_lum'; did you mean psnr_l"),
        (Profile("ssim_3d", "ssim_3d"), "psnr: no metric called 'ssim_3d'; known: psnr, psnr_luma"),
        (Profile("psnr", "psnr"), "ssim: no metric called 'psnr'; known: ssim_3d, ssim_gau"),
        (Profile("psnr", "ssim_3d", -1.0), "psnr_cap: expected decibels above 0, found -1.0"),
        (Profile("psnr", "ssim_3d", math.inf), "psnr_cap: expected decibels above 0, found inf"),
        (Profile("psnr", "ssim_3d", name="My Profile"), "expected a name of small letters"),
    ],
)
def test_a_profile_that_cannot_be_used_says_why(profile, problem):
    (found,) = profile_problems(dataclasses.replace(profile, name=profile.name or "mine"))
    assert problem in found


def test_a_metric_that_two_profiles_share_is_computed_once(monkeypatch):
    calls = []
    counted = {"psnr": lambda *pair: calls.append(pair) or 30.0}
    monkeypatch.setitem(profiles.METRICS, "psnr", counted)
    assert compute(["psnr", "psnr"], GREY, BLACK) == {"psnr": 30.0} and len(calls) == 1


def test_the_hashes_follow_the_code_and_the_definitions(monkeypatch, tmp_path):
    before = profiles_sha256(PROFILES)
    assert profiles_sha256(dict(PROFILES)) == before
    capped = dataclasses.replace(PROFILES["standard"], psnr_cap=99.0)
    assert profiles_sha256({**PROFILES, "standard": capped}) != before
    changed = tmp_path / "windows.py"
    changed.write_bytes(Path(windows.__file__).read_bytes() + b"\n")
    monkeypatch.setattr(windows, "__file__", str(changed))
    assert profiles_sha256(PROFILES) != before


@pytest.mark.parametrize(
    "name, near",
    [("ntire", "ntire_y"), ("Standard", "standard"), ("published-kit", "published_kit")],
)
def test_an_unknown_name_brings_the_nearest(name, near):
    with pytest.raises(ConfigError, match=f"did you mean {near}"):
        find_profile(name)
    with pytest.raises(ConfigError, match="known: published_kit, ntire_y, standard"):
        score_pair("lpips-vgg", GREY, GREY)


def test_a_tiny_image_is_one_clear_error():
    with pytest.raises(DataError, match="expected at least 12x12 pixels, found 8x8"):
        score_pair("ntire_y", GREY[:8, :8], GREY[:8, :8])


def loaded_by(module: str) -> set[str]:
    """Top-level packages of the environment that importing `module` loads."""
    code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    output = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    return set(output.stdout.split())


def test_profiles_and_metrics_load_numpy_alone():
    heavy = {"cv2", "scipy", "skimage", "pandas", "torch", "PIL", "omegaconf", "tqdm", "rich"}
    loaded = loaded_by("challenge.metrics.profiles")
    assert "numpy" in loaded and not loaded & heavy
    assert loaded_by("challenge.scoring.score") & heavy  # control: the check can fail
