"""`scores.json`: the score of a folder of predictions. Its one reader and writer."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from challenge.errors import ChallengeError, SubmissionError
from challenge.files import write_json

SCORES_FILE = "scores.json"
Means = dict[str, dict[str, float]]
"""profile -> metric -> mean."""
TEXTS = ("run", "challenge", "split", "predictions_sha256", "sharp_sha256", "profiles_sha256")


@dataclass(frozen=True)
class Scores:
    """What `scores.json` holds. All numbers are finite.

    `means` are means over all frames, not over sequences. The hashes say which images were scored,
    and by which metrics: a file is out of date as soon as one of them differs.
    """

    run: str | None
    challenge: str | None
    split: str | None
    profile: str  # whose figures rank
    frames: int
    means: Means
    sequences: dict[str, Means]
    predictions_sha256: str | None = None
    sharp_sha256: str | None = None
    profiles_sha256: str | None = None
    extra: dict[str, float] = field(default_factory=dict)  # mean of each figure beside the profiles
    extra_sequences: dict[str, dict[str, float]] = field(default_factory=dict)


class NotKept(ChallengeError):
    """All was scored, but its files could not be written: `scores` has the figures."""

    def __init__(self, summary: str, scores: Scores) -> None:
        self.scores = scores
        super().__init__(f"scored, but not kept: {summary}")


def save_scores(folder: Path, scores: Scores) -> None:
    """Write `scores.json` into a folder of predictions."""
    write_json(folder / SCORES_FILE, asdict(scores))


def load_scores(folder: Path) -> Scores | None:
    """Read `scores.json` beside the predictions; None if there is none.

    Another scorer may have written it: beside `profile`, `frames`, `means` and `sequences` nothing
    is required, and keys this version does not know are left out.

    Raises:
        SubmissionError: it is not JSON, lacks a key, or holds a number that is not finite.
    """
    path = folder / SCORES_FILE
    try:
        return _scores(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"no key {error}" if isinstance(error, KeyError) else str(error)
        raise SubmissionError(
            f"{path}: cannot be used: {what}; make it again: bash run.sh score {folder}"
        ) from error


def usable_scores(folder: Path) -> Scores | None:
    """Read `scores.json`; one that cannot be used counts as none."""
    try:
        return load_scores(folder)
    except SubmissionError:
        return None


def gains(scores: Scores, other: Scores) -> Mapping[str, Mapping[str, float]] | None:
    """Compute means minus another run's; None where the two were not scored against the same
    images.

    A profile that only one of them has is left out.
    """
    if scores.sharp_sha256 != other.sharp_sha256:
        return None
    return {
        profile: {metric: value - other.means[profile][metric] for metric, value in values.items()}
        for profile, values in scores.means.items()
        if profile in other.means
    }


def _scores(values: Any) -> Scores:
    profile, frames = values["profile"], values["frames"]
    means = _means(values["means"])
    if not isinstance(profile, str) or profile not in means:
        raise ValueError(f"no means under its own profile {profile!r}")
    if not isinstance(frames, int) or isinstance(frames, bool) or frames < 1:
        raise ValueError(f"frames is {frames!r}, not a count")
    sequences = {name: _means(each) for name, each in values["sequences"].items()}
    texts = {name: values.get(name) for name in TEXTS}
    for name, text in texts.items():
        if not isinstance(text, str | None):
            raise ValueError(f"{name} is {text!r}, not text")
    extra = _figures("extra", values.get("extra") or {})
    by_sequence = dict(values.get("extra_sequences") or {})
    extras = {name: _figures(name, figures) for name, figures in by_sequence.items()}
    return Scores(
        **texts,
        profile=profile,
        frames=frames,
        means=means,
        sequences=sequences,
        extra=extra,
        extra_sequences=extras,
    )


def _means(values: Any) -> Means:
    """profile -> metric -> number; a metric that was not computed (null) is left out."""
    means: Means = {}
    for profile, figures in values.items():
        known = {name: number for name, number in figures.items() if number is not None}
        means[profile] = _figures(profile, known)
        if not {"psnr", "ssim"} <= known.keys():
            raise ValueError(f"{profile} lacks psnr or ssim")
    return means


def _figures(where: str, values: Mapping[str, Any]) -> dict[str, float]:
    """Map name -> finite number."""
    figures = dict(values)
    for name, number in figures.items():
        is_number = isinstance(number, int | float) and not isinstance(number, bool)
        if not is_number or not math.isfinite(number):
            raise ValueError(f"{where} {name} is {number!r}, not a finite number")
    return {name: float(number) for name, number in figures.items()}
