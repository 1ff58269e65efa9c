"""Read scored runs from `submissions/<challenge>/<split>/<run>/`."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from challenge.errors import SubmissionError
from challenge.runs import FILE_NAME, RunRecord, load_record

SCORES_FILE = "scores.json"
NUMBERS = ("runtime_per_image_s", "parameters")
TEXTS = ("baseline", "device", "commit", "created")

Metrics = dict[str, dict[str, float]]
"""Metric profile -> {"psnr": decibels, "ssim": at most 1}."""


@dataclass(frozen=True)
class Scores:
    """What `scores.json` says: means over the frames, and means over each sequence's frames."""

    profile: str  # the configured one, which decides the ranking
    frames: int
    means: Metrics
    sequences: dict[str, Metrics]
    sharp_sha256: str | None  # of the sharp images' names and bytes
    extra: dict[str, float] = field(default_factory=dict)  # means beside the profiles: lpips_alex


@dataclass(frozen=True)
class Run:
    """One folder of predictions; `scores` is None where it has not been scored."""

    name: str
    challenge: str
    split: str
    record: RunRecord
    scores: Scores | None


@dataclass(frozen=True)
class Loaded:
    """All runs of a submissions folder, sorted by their path; and what could not be read."""

    runs: list[Run]
    warnings: list[str]


def load_runs(submissions: Path) -> Loaded:
    """Read every run.

    A file that is broken becomes a warning that names it: without its `run.json` a run is left out,
    with a broken `scores.json` it counts as not scored. Hidden folders are left out.
    """
    runs: list[Run] = []
    warnings: list[str] = []
    for path in sorted(submissions.glob(f"*/*/*/{FILE_NAME}")):
        folder = path.parent
        split = folder.parent
        if folder.name.startswith("."):
            continue
        try:
            record = load_record(folder)
        except SubmissionError as error:
            warnings.append(f"{error}; this run is left out")
            continue
        record, problems = _checked(record)
        warnings += [f"{path}: {problem}" for problem in problems]
        try:
            scores = load_scores(folder)
        except SubmissionError as error:
            warnings.append(str(error))
            scores = None
        runs.append(Run(folder.name, split.parent.name, split.name, record, scores))
    return Loaded(runs, warnings)


def load_scores(folder: Path) -> Scores | None:
    """Read `scores.json` beside the predictions; None if there is none.

    Raises:
        SubmissionError: it is not JSON, lacks a key, or holds a number that is not finite.
    """
    path = folder / SCORES_FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return _scores(values)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"no key {error}" if isinstance(error, KeyError) else str(error)
        raise SubmissionError(
            f"{path}: cannot be used: {what}; make it again: bash run.sh score {folder}"
        ) from error


def _scores(values: Any) -> Scores:
    profile, frames, sharp = values["profile"], values["frames"], values.get("sharp_sha256")
    means = _metrics(values["means"])
    if not isinstance(profile, str) or profile not in means:
        raise ValueError(f"no means under its own profile {profile!r}")
    if not isinstance(frames, int) or isinstance(frames, bool) or frames < 1:
        raise ValueError(f"frames is {frames!r}, not a count")
    if sharp is not None and not isinstance(sharp, str):
        raise ValueError(f"sharp_sha256 is {sharp!r}, not text")
    sequences = {name: _metrics(each) for name, each in values["sequences"].items()}
    return Scores(profile, frames, means, sequences, sharp, _extra(values.get("extra")))


def _metrics(values: Any) -> Metrics:
    """Profile -> metric -> number; a metric that was not computed (null) is left out."""
    metrics: Metrics = {}
    for profile, figures in values.items():
        known = {name: number for name, number in figures.items() if number is not None}
        for name, number in known.items():
            if not _is_number(number):
                raise ValueError(f"{profile} {name} is {number!r}, not a finite number")
        if not {"psnr", "ssim"} <= known.keys():
            raise ValueError(f"{profile} lacks psnr or ssim")
        metrics[profile] = {name: float(number) for name, number in known.items()}
    return metrics


def _extra(values: Any) -> dict[str, float]:
    """Column -> mean; a scorer that knows of none writes none."""
    figures = dict(values or {})
    for name, number in figures.items():
        if not _is_number(number):
            raise ValueError(f"extra {name} is {number!r}, not a finite number")
    return {name: float(number) for name, number in figures.items()}


def _checked(record: RunRecord) -> tuple[RunRecord, list[str]]:
    """The record with what has the wrong type set to None, and a sentence on each such value."""
    values = dict(vars(record))
    problems = []
    for key in (*NUMBERS, *TEXTS):
        value = values[key]
        good, kind = _is_number(value), "a finite number"
        if key == "parameters":
            good, kind = good and isinstance(value, int), "a whole number"
        elif key in TEXTS:
            good, kind = isinstance(value, str), "text"
        if value is not None and not good:
            problems.append(f"{key}: expected {kind}, found {value!r}; shown as unknown")
            values[key] = None
    if not isinstance(values["reference"], bool):
        problems.append(f"reference: expected true or false, found {values['reference']!r}")
        values["reference"] = False
    return RunRecord(**values), problems


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
