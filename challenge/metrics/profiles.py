"""Named sets of metrics, as data: whoever says "PSNR" says which one.

NumPy alone, so that a competition server runs this very file. A profile of one's own is a few lines
of `configs/challenge/*.yml` (see `challenge.rules`).
"""

from __future__ import annotations

import difflib
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from challenge.errors import ConfigError, DataError
from challenge.findings import shorten
from challenge.metrics import images, psnr, ssim, windows

Metric = Callable[[np.ndarray, np.ndarray], float]

METRICS: Mapping[str, Mapping[str, Metric]] = {
    "psnr": {"psnr": psnr.psnr, "psnr_luma": psnr.psnr_luma},
    "ssim": {
        "ssim_3d": ssim.ssim_3d,
        "ssim_gaussian": ssim.ssim_gaussian,
        "ssim_luma": ssim.ssim_luma,
    },
}
"""What a profile's `psnr` and `ssim` may be: name -> function of (prediction, sharp)."""
SMALLEST: Mapping[str, int] = {"psnr_luma": 12, "ssim_gaussian": 11, "ssim_luma": 16}
"""How many pixels high and wide an image must be for a metric; others take any."""


@dataclass(frozen=True)
class Profile:
    """What one scorer reports. Plain data: it goes through YAML and JSON unchanged.

    Attributes:
        psnr, ssim: names of metrics, keys of METRICS.
        psnr_cap: the largest PSNR reported, in dB. PSNR is infinite for equal images; the
            published code and the NTIRE scorer pass that on, so one such image spoils their mean.
            100 dB is beyond any restoration (one value in 5000 off by 1 reads 85 dB) and stays in
            a file.
        description: one line for people.
        name: as in configurations and score files; comes from the key there.
    """

    psnr: str
    ssim: str
    psnr_cap: float = 100.0
    description: str = ""
    name: str = ""

    @property
    def metrics(self) -> Mapping[str, str]:
        """Key in score files -> name of the metric."""
        return {"psnr": self.psnr, "ssim": self.ssim}

    @property
    def smallest(self) -> int:
        """How many pixels high and wide an image must be."""
        return max(SMALLEST.get(metric, 1) for metric in self.metrics.values())


PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(
            "psnr",
            "ssim_3d",
            description="RGB PSNR and 3-D SSIM, as the published baseline reports them",
            name="published_kit",
        ),
        Profile(
            "psnr_luma",
            "ssim_luma",
            description="luma PSNR and 7x7 SSIM without a border of 4, as the NTIRE scorers",
            name="ntire_y",
        ),
        Profile(
            "psnr",
            "ssim_gaussian",
            description="RGB PSNR and Gaussian 11x11 SSIM of each channel, as scikit-image",
            name="standard",
        ),
    )
}


def find_profile(name: str, profiles: Mapping[str, Profile] = PROFILES) -> Profile:
    """Find the profile of that name.

    Raises:
        ConfigError: there is none; says the nearest.
    """
    if name in profiles:
        return profiles[name]
    raise ConfigError(f"no metric profile called {name!r}; {_nearest(name, profiles)}")


def profile_problems(profile: Profile) -> list[str]:
    """Say what is wrong with a profile from a configuration: one line each, or nothing."""
    name, problems = profile.name, []
    if name in PROFILES:
        problems.append("the kit's own profile of that name stays as it is; choose another name")
    if not name.isidentifier() or not name.islower():
        problems.append("expected a name of small letters, digits and _, such as my_profile")
    for key, metric in profile.metrics.items():
        if metric not in METRICS[key]:
            problems.append(f"{key}: no metric called {metric!r}; {_nearest(metric, METRICS[key])}")
    if not (math.isfinite(profile.psnr_cap) and profile.psnr_cap > 0):
        problems.append(f"psnr_cap: expected decibels above 0, found {profile.psnr_cap}")
    return problems


def refuse_small(profile: Profile, sizes: Mapping[str, tuple[int, int]]) -> None:
    """See that images are large enough for a profile: the server and `score` ask here alike.

    Args:
        sizes: name -> (width, height) in pixels.

    Raises:
        DataError: some are not.
    """
    least = profile.smallest
    problems = [
        f"{name}: expected at least {least}x{least} pixels, found {width}x{height} (width x height)"
        for name, (width, height) in sizes.items()
        if min(width, height) < least
    ]
    if problems:
        summary = f"images too small to be scored under {profile.name or 'this profile'}"
        raise DataError(summary, shorten(problems))


def compute(names: Iterable[str], prediction: np.ndarray, sharp: np.ndarray) -> dict[str, float]:
    """Compute metrics: name -> value; PSNR is infinite for equal images.

    Raises:
        DataError: another shape or dtype, or an image smaller than the metric's window.
    """
    known = {name: metric for kind in METRICS.values() for name, metric in kind.items()}
    return {name: known[name](prediction, sharp) for name in dict.fromkeys(names)}


def report(profile: Profile, values: Mapping[str, float]) -> dict[str, float]:
    """Report computed metrics under a profile: {"psnr": decibels, "ssim": at most 1}, finite."""
    return {
        "psnr": min(values[profile.psnr], profile.psnr_cap),
        "ssim": values[profile.ssim],
    }


def score_pair(
    profile: str | Profile, prediction: np.ndarray, sharp: np.ndarray
) -> dict[str, float]:
    """Score one image.

    Args:
        profile: a Profile, or the name of one of the kit's.
        prediction, sharp: (H, W, 3) uint8 RGB of one size. Not modified.

    Returns:
        {"psnr": decibels, "ssim": at most 1}, finite.

    Raises:
        ConfigError: no profile of that name.
        DataError: another shape or dtype, or an image smaller than the metric's window.

    >>> image = np.full((16, 16, 3), 100, np.uint8)
    >>> score_pair("standard", image, image)
    {'psnr': 100.0, 'ssim': 1.0}
    """
    chosen = find_profile(profile) if isinstance(profile, str) else profile
    return report(chosen, compute(chosen.metrics.values(), prediction, sharp))


def metrics_sha256() -> str:
    """Return a hash of the metrics' source: values computed by other code are out of date."""
    digest = hashlib.sha256()
    for module in (images, psnr, ssim, windows):
        assert module.__file__ is not None
        digest.update(Path(module.__file__).read_bytes())
    return digest.hexdigest()


def profiles_sha256(profiles: Mapping[str, Profile]) -> str:
    """Hash the metrics' source and the profiles' definitions: what scores depend on."""
    definitions = {name: asdict(profile) for name, profile in profiles.items()}
    text = metrics_sha256() + json.dumps(definitions, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), 1, 0.4)
    return (f"did you mean {near[0]}? " if near else "") + f"known: {', '.join(known)}"
