"""Named sets of metrics: whoever says "PSNR" says which one."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from challenge.errors import ConfigError
from challenge.scoring import metrics

Metric = Callable[[np.ndarray, np.ndarray], float]


@dataclass(frozen=True)
class Profile:
    """What one scorer reports.

    Attributes:
        name: as in configurations and score files.
        metrics: key -> function of (prediction, sharp), both (H, W, 3) uint8 RGB.
        description: one line for people.
        caps: key -> the largest value that is reported. PSNR is infinite for equal images; the
            published code and the NTIRE scorer pass that on, so one such image spoils their mean.
            100 dB is beyond any restoration (one value in 5000 off by 1 reads 85 dB) and stays in
            a file.
    """

    name: str
    metrics: Mapping[str, Metric]
    description: str
    caps: Mapping[str, float]


PSNR_CAP = 100.0  # dB

PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(
            "published_kit",
            {"psnr": metrics.psnr, "ssim": metrics.ssim_3d},
            "RGB PSNR and 3-D SSIM, as the published baseline reports them",
            {"psnr": PSNR_CAP},
        ),
        Profile(
            "ntire_y",
            {"psnr": metrics.psnr_luma, "ssim": metrics.ssim_luma},
            "luma PSNR and 7x7 SSIM without a border of 4, as the NTIRE scoring program",
            {"psnr": PSNR_CAP},
        ),
        Profile(
            "standard",
            {"psnr": metrics.psnr, "ssim": metrics.ssim_gaussian},
            "RGB PSNR and Gaussian 11x11 SSIM of each channel, as scikit-image",
            {"psnr": PSNR_CAP},
        ),
    )
}


def find_profile(name: str) -> Profile:
    """The profile of that name.

    Raises:
        ConfigError: there is none; says the nearest.
    """
    if name in PROFILES:
        return PROFILES[name]
    near = difflib.get_close_matches(name, PROFILES, 1, 0.4)
    hint = f"did you mean {near[0]}? " if near else ""
    raise ConfigError(f"no metric profile called {name!r}; {hint}known: {', '.join(PROFILES)}")


def score_pair(
    profile: str | Profile, prediction: np.ndarray, sharp: np.ndarray
) -> dict[str, float]:
    """Score one image.

    Args:
        profile: a Profile, or the name of one.
        prediction, sharp: (H, W, 3) uint8 RGB of one size. Not modified.

    Returns:
        {"psnr": decibels, "ssim": at most 1}, finite.

    Raises:
        ConfigError: no profile of that name.
        DataError: another shape or dtype, or an image smaller than the metric's window.
    """
    chosen = find_profile(profile) if isinstance(profile, str) else profile
    return {
        key: min(metric(prediction, sharp), chosen.caps.get(key, float("inf")))
        for key, metric in chosen.metrics.items()
    }
