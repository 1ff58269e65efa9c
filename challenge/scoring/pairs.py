"""Predictions and sharp images, matched by name; values of each pair, on all cores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from challenge.environment.processes import map_in_processes
from challenge.errors import DataError
from challenge.files import list_pngs, sha256
from challenge.findings import Finding, listing, shorten
from challenge.images import png_size, read_png
from challenge.metrics.profiles import compute
from challenge.scoring.cache import Values, pair_key
from challenge.submission import Expected
from challenge.submission.decoders import read_prediction
from challenge.submission.names import check_names


@dataclass(frozen=True)
class Pair:
    """One frame: the prediction and what it should have been."""

    frame: str
    prediction: Path
    sharp: Path
    size: tuple[int, int]  # width, height

    @property
    def pixels(self) -> int:
        """How many there are."""
        return self.size[0] * self.size[1]


@dataclass(frozen=True)
class Job:
    """A pair, the hashes of its files as `pair_key` puts them, and the metrics to compute."""

    pair: Pair
    key: str
    metrics: tuple[str, ...]


def find_pairs(folder: Path, sharp: Path) -> list[Pair]:
    """Match predictions with sharp images by name, sorted by name; looks at names and sizes only.

    Raises:
        DataError: a folder is missing or empty; names or sizes differ (all findings).
    """
    for path, what in ((folder, "predictions"), (sharp, "sharp images")):
        if not path.is_dir():
            found = "a file" if path.exists() else "nothing"
            raise DataError(f"{path}: expected a folder of {what}, found {found}")
    predictions = {path.name: path for path in list_pngs(folder)}
    targets = {path.name: path for path in list_pngs(sharp)}
    if not targets:
        raise DataError(f"{sharp}: expected the sharp images, found no PNG")
    if not predictions and (inner := _folder_with_pngs(folder)):
        raise DataError(f"{folder}: no PNG here, but in {inner}; give that folder")
    expected = Expected(readme="", names=frozenset(targets), source=str(sharp))
    findings = check_names(list(predictions), expected)
    pairs, unreadable = [], []
    for name in sorted(predictions.keys() & targets.keys()):
        try:
            pairs.append(_pair(predictions[name], targets[name], findings))
        except DataError as error:
            unreadable.append(str(error))
    if findings or unreadable:
        problems = listing(findings) + shorten(unreadable)
        raise DataError(f"{folder}: cannot be scored against {sharp}", problems)
    return pairs


def compute_pairs(jobs: Sequence[Job], workers: int) -> Iterator[Values | DataError]:
    """Yield `compute_pair` of each job, in order."""
    try:
        yield from map_in_processes(compute_pair, jobs, workers)
    except BrokenProcessPool as error:
        fix = "is memory short? try again with --workers 1"
        raise DataError(f"a scoring process was killed; {fix}") from error


def compute_pair(job: Job) -> Values | DataError:
    """Score one image by every metric; an error is returned, so that all of them are seen."""
    pair = job.pair
    try:
        values = compute(job.metrics, read_prediction(pair.prediction), read_png(pair.sharp))
        if pair_key(sha256(pair.prediction), sha256(pair.sharp)) != job.key:
            return DataError(f"{pair.prediction}: changed while it was scored; score again")
    except OSError as error:
        return DataError(f"{pair.prediction}: cannot be read: {error.strerror}")
    except DataError as error:
        if error.problems:  # of the metrics, which do not know the file
            return DataError(f"{pair.prediction}: {'; '.join(error.problems)}")
        return error
    return values


def _folder_with_pngs(folder: Path) -> Path | None:
    inside = sorted(path for path in folder.iterdir() if path.is_dir())
    return next((path for path in inside if path.name != "__MACOSX" and list_pngs(path)), None)


def _pair(prediction: Path, sharp: Path, findings: list[Finding]) -> Pair:
    """Make a pair; sizes that differ are added to `findings`."""
    size, wanted = png_size(prediction), png_size(sharp)
    if size != wanted:
        width, height = wanted
        expected = f"{width}x{height} (width x height)"
        fix = "save the whole frame at its own size"
        found = f"{size[0]}x{size[1]}"
        findings.append(Finding("size", prediction.name, expected, found, fix))
    return Pair(prediction.stem, prediction, sharp, wanted)
