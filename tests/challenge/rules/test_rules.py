"""Rules read from YAML: metric profiles as data."""

from pathlib import Path

import numpy as np
import pytest

from challenge.errors import ConfigError
from challenge.metrics.profiles import METRICS, PROFILES, Profile, score_pair
from challenge.metrics.psnr import psnr_luma
from challenge.metrics.ssim import ssim_3d
from challenge.rules import RULES_FOLDER, load_rules


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.yml"
    path.write_text(text)
    return path


def test_a_profile_of_ones_own_is_data(tmp_path):
    text = """
profile: mine
profiles:
  mine: {psnr: psnr_luma, ssim: ssim_3d, psnr_cap: 60, description: ours}
  plain: {psnr: psnr, ssim: ssim_luma}
"""
    rules = load_rules(written(tmp_path, text))
    assert rules.profile == "mine"
    assert rules.profiles["mine"] == Profile("psnr_luma", "ssim_3d", 60.0, "ours", "mine")
    assert rules.profiles["plain"] == Profile("psnr", "ssim_luma", 100.0, "", "plain")
    assert list(rules.all_profiles) == [*PROFILES, "mine", "plain"]
    first, second = np.random.default_rng(0).integers(0, 256, (2, 20, 30, 3), dtype=np.uint8)
    assert score_pair(rules.all_profiles["mine"], first, second) == {
        "psnr": psnr_luma(first, second),
        "ssim": ssim_3d(first, second),
    }


def test_the_example_in_own_yml_works_and_names_every_metric(tmp_path):
    text = (RULES_FOLDER / "own.yml").read_text()
    (example,) = [line[1:].strip() for line in text.splitlines() if line.startswith("#   ")]
    rules = load_rules(written(tmp_path, f"{example}\nprofile: my_profile"))
    assert rules.profiles["my_profile"] == Profile("psnr_luma", "ssim_3d", name="my_profile")
    assert all(name in text for kind in METRICS.values() for name in kind)


@pytest.mark.parametrize(
    "text, message",
    [
        ("profile: standart", "mine.yml: profile: no metric profile .* did you mean standard"),
        ("profiles: {m: {psnr: psnr, ssim: ssim3d}}", "profiles.m: ssim: .*did you mean ssim_3d"),
        ("profiles: {m: {psnr: psnr, ssimm: ssim_3d}}", "profiles.m.ssimm.*Did you mean: 'ssim'"),
        ("profiles: {m: {psnr: psnr}}", "missing mandatory value: ssim"),
        ("profiles: {m: {psnr: psnr, ssim: ssim_3d, psnr_cap: high}}", "psnr_cap: .*'high'"),
        ("profiles: {standard: {psnr: psnr, ssim: ssim_3d}}", "choose another name"),
        ("profiles: {m: psnr}", "profiles.m"),
    ],
)
def test_a_profile_that_cannot_be_used_is_named(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        load_rules(written(tmp_path, text))


def test_all_problems_of_all_profiles_at_once(tmp_path):
    text = "profiles: {a: {psnr: x, ssim: y, psnr_cap: -1}, b: {psnr: psnr, ssim: z}}"
    with pytest.raises(ConfigError) as caught:
        load_rules(written(tmp_path, text))
    assert len(caught.value.problems) == 4
