"""Score a folder of predictions against a folder of sharp images, all profiles at once."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from challenge.errors import ConfigError, DataError
from challenge.files import sha256, write_json, write_whole
from challenge.images import png_size, read_png
from challenge.run_record import RunRecord
from challenge.sample import sequence_of
from challenge.scoring.profiles import PROFILES, find_profile, score_pair
from challenge.submission import Expected, Finding, listing
from challenge.submission.names import check_names

SCORES_FILE, TABLE_FILE = "scores.json", "per_image.csv"
SERIAL_PIXELS = 16_000_000
"""Up to so many pixels in all, starting other processes costs more than it gains."""

Means = dict[str, dict[str, float]]
"""profile -> metric -> mean."""


@dataclass(frozen=True)
class Pair:
    """One frame: the prediction and what it should have been."""

    frame: str
    prediction: Path
    sharp: Path
    pixels: int


@dataclass(frozen=True)
class Scores:
    """What `scores.json` holds. All numbers are finite.

    `means` are means over all frames, not over sequences. The hashes say which images were scored:
    a file is out of date as soon as one of them differs.
    """

    run: str
    challenge: str | None
    split: str | None
    profile: str  # whose figures rank
    frames: int
    means: Means
    sequences: dict[str, Means]
    predictions_sha256: str
    sharp_sha256: str


def score_folder(
    folder: Path,
    sharp: Path,
    record: RunRecord,
    profile: str,
    workers: int | None = None,
    progress: bool = True,
) -> Scores:
    """Score every image under every profile; write `scores.json` and `per_image.csv` into `folder`.

    Images are matched by name, never by order. Nothing is written unless every image could be
    scored.

    Args:
        folder: FRAME.png files, 8-bit RGB.
        sharp: the sharp images, of the same names and sizes.
        record: says what the run is called and where it belongs.
        profile: name of the profile whose figures rank.
        workers: processes; None: one per core, or none at all where there is little to do.

    Raises:
        ConfigError: no such profile, or fewer than one worker.
        DataError: a missing folder; missing, extra, misnamed or damaged PNGs, or such of another
            size than the sharp image: all of them are listed.
    """
    find_profile(profile)
    pairs = find_pairs(folder, sharp)
    hashes = images_sha256(folder), images_sha256(sharp)
    table = pd.DataFrame(_score_pairs(folder, pairs, workers, progress))
    scores = Scores(
        run=record.name,
        challenge=record.challenge,
        split=record.split,
        profile=profile,
        frames=len(pairs),
        means=_means(table),
        sequences={str(name): _means(group) for name, group in table.groupby("sequence")},
        predictions_sha256=hashes[0],
        sharp_sha256=hashes[1],
    )
    with write_whole(folder / TABLE_FILE) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6f", lineterminator="\n")
    write_json(folder / SCORES_FILE, asdict(scores))
    return scores


def load_scores(folder: Path) -> Scores | None:
    """The scores kept in a folder; None if there are none, or none that this version can read."""
    try:
        values = json.loads((folder / SCORES_FILE).read_text(encoding="utf-8"))
        scores = Scores(**values)
        tables = [scores.means, *scores.sequences.values()]
        figures = [
            table[name][metric]
            for table in tables
            for name, profile in PROFILES.items()
            for metric in profile.metrics
        ]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return scores if all(isinstance(figure, float) for figure in figures) else None


def current_scores(folder: Path, sharp: Path) -> Scores | None:
    """The kept scores if they are those of the images that lie there now, else None."""
    scores = load_scores(folder)
    if scores is None or not (folder / TABLE_FILE).is_file():
        return None
    kept = scores.predictions_sha256, scores.sharp_sha256
    return scores if kept == (images_sha256(folder), images_sha256(sharp)) else None


def images_sha256(folder: Path) -> str:
    """One hash over the names and contents of a folder's PNGs."""
    digest = hashlib.sha256()
    for name, path in sorted(_pngs(folder).items()):
        digest.update(f"{sha256(path)} {name}\n".encode())
    return digest.hexdigest()


def find_pairs(folder: Path, sharp: Path) -> list[Pair]:
    """Match predictions with sharp images by name, sorted by name; looks at names and sizes only.

    Raises:
        DataError: a folder is missing or empty; names or sizes differ (all findings).
    """
    for path, what in ((folder, "predictions"), (sharp, "sharp images")):
        if not path.is_dir():
            found = "a file" if path.exists() else "nothing"
            raise DataError(f"{path}: expected a folder of {what}, found {found}")
    predictions, targets = _pngs(folder), _pngs(sharp)
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
        problems = listing(findings) + _shortened(unreadable)
        raise DataError(f"{folder}: cannot be scored against {sharp}", problems)
    return pairs


def _pngs(folder: Path) -> dict[str, Path]:
    """Name -> path of a folder's PNGs; hidden files, such as macOS's `._x.png`, do not count."""
    return {
        path.name: path
        for path in folder.iterdir()
        if path.suffix.lower() == ".png" and not path.name.startswith(".") and path.is_file()
    }


def _folder_with_pngs(folder: Path) -> Path | None:
    inside = sorted(path for path in folder.iterdir() if path.is_dir())
    return next((path for path in inside if path.name != "__MACOSX" and _pngs(path)), None)


def _pair(prediction: Path, sharp: Path, findings: list[Finding]) -> Pair:
    """A pair; sizes that differ are added to `findings`."""
    size, wanted = png_size(prediction), png_size(sharp)
    if size != wanted:
        width, height = wanted
        expected = f"{width}x{height} (width x height)"
        fix = "save the whole frame at its own size"
        found = f"{size[0]}x{size[1]}"
        findings.append(Finding("size", prediction.name, expected, found, fix))
    return Pair(prediction.stem, prediction, sharp, wanted[0] * wanted[1])


def _shortened(lines: list[str], shown: int = 10) -> list[str]:
    more = [f"… and {len(lines) - shown} more"] if len(lines) > shown else []
    return lines[:shown] + more


def _score_pairs(
    folder: Path, pairs: Sequence[Pair], workers: int | None, progress: bool
) -> list[dict[str, Any]]:
    """One row per pair, in their order."""
    if workers is None:
        serial = sum(pair.pixels for pair in pairs) <= SERIAL_PIXELS
        workers = 1 if serial else min(_cores(), len(pairs))
    if workers < 1:
        raise ConfigError(f"workers: expected at least 1, found {workers}")
    rows, problems = [], []
    results = _results(pairs, workers)
    title = f"scoring {folder.name}"
    for result in tqdm(
        results, title, len(pairs), unit=" images", leave=False, disable=None if progress else True
    ):
        if isinstance(result, DataError):
            problems.append(str(result))
        else:
            rows.append(result)
    if problems:
        raise DataError(f"{folder}: cannot be scored", _shortened(problems))
    return rows


def _results(pairs: Sequence[Pair], workers: int) -> Iterator[dict[str, Any] | DataError]:
    """`score_one` of each pair, in order.

    Processes, not threads: between NumPy's short calls threads wait for each other (measured: two
    threads gain nothing, two processes 1.9x). Fresh ones: a forked copy of a process with threads,
    such as torch's, can hang.
    """
    if workers == 1:
        yield from map(score_one, pairs)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        try:
            yield from pool.map(score_one, pairs)
        except BrokenProcessPool as error:
            fix = "is memory short? try again with --workers 1"
            raise DataError(f"a scoring process was killed; {fix}") from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def score_one(pair: Pair) -> dict[str, Any] | DataError:
    """Score one image under every profile; an error is returned, so that all of them are seen."""
    try:
        prediction, sharp = read_png(pair.prediction), read_png(pair.sharp)
        row: dict[str, Any] = {"frame": pair.frame, "sequence": sequence_of(pair.frame)}
        for profile in PROFILES.values():
            for metric, value in score_pair(profile, prediction, sharp).items():
                row[f"{profile.name}_{metric}"] = value
    except DataError as error:
        if error.problems:  # of the metrics, which do not know the file
            return DataError(f"{pair.prediction}: {'; '.join(error.problems)}")
        return error
    return row


def _means(table: pd.DataFrame) -> Means:
    return {
        name: {metric: float(table[f"{name}_{metric}"].mean()) for metric in profile.metrics}
        for name, profile in PROFILES.items()
    }


def gains(scores: Scores, other: Scores) -> Mapping[str, Mapping[str, float]] | None:
    """Means minus another run's; None where the two were not scored against the same images."""
    if scores.sharp_sha256 != other.sharp_sha256:
        return None
    return {
        profile: {metric: value - other.means[profile][metric] for metric, value in values.items()}
        for profile, values in scores.means.items()
    }


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
