"""Score a folder of predictions against a folder of sharp images, all profiles at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from challenge.environment.cores import cores
from challenge.errors import ConfigError, DataError, DiskError, disk_errors
from challenge.files import folder_sha256, hash_files, images_sha256, write_whole
from challenge.findings import shorten
from challenge.metrics.profiles import (
    PROFILES,
    Profile,
    find_profile,
    profiles_sha256,
    refuse_small,
    report,
)
from challenge.runs import RunRecord
from challenge.sample import sequence_of
from challenge.scoring.cache import ScoreCache, Values, cache_file, pair_key
from challenge.scoring.extra import Extra, compute_extras
from challenge.scoring.pairs import Job, Pair, compute_pairs, find_pairs
from challenge.scoring.results import Means, NotKept, Scores, save_scores, usable_scores

TABLE_FILE = "per_image.csv"
SERIAL_PIXELS = 16_000_000
"""Up to so many pixels in all, starting other processes costs more than it gains."""


def score_folder(
    folder: Path,
    sharp: Path,
    record: RunRecord,
    profile: str,
    workers: int | None = None,
    progress: bool = True,
    profiles: Mapping[str, Profile] = PROFILES,
    caches: Path | None = None,
    extras: Sequence[Extra] = (),
    images: Path | None = None,
) -> Scores:
    """Score every image under every profile; write `scores.json` and `per_image.csv` into `folder`.

    Images are matched by name, never by order. Nothing is written into `folder` unless every image
    could be scored.

    Args:
        folder, sharp: FRAME.png files, 8-bit RGB, of the same names and sizes.
        record, profile: what the run is called, where it belongs; whose figures rank.
        workers: processes; None: one per core, or none at all where there is little to do.
        profiles: name -> profile; scored are all that take images so small.
        caches: folder that keeps the values of each pair, by its contents, as they come.
        extras: figures to compute beside those of the profiles, LPIPS for one.
        images: where the PNGs lie, if not in `folder`.

    Raises:
        ConfigError: no such profile, or fewer than one worker.
        DataError: a missing folder; missing, extra, misnamed or damaged PNGs, or such of another
            size than the sharp image: all of them are listed.
        NotKept: the disk is full, read-only or the like; it carries the scores.
    """
    ranks, every = find_profile(profile, profiles), profiles_sha256(profiles)
    if workers is not None and workers < 1:
        raise ConfigError(f"workers: expected at least 1, found {workers}")
    pairs = find_pairs(images or folder, sharp)
    refuse_small(ranks, {pair.prediction.name: pair.size for pair in pairs})
    profiles = fitting(profiles, pairs)
    predictions = hash_files(pair.prediction for pair in pairs)
    targets = hash_files(pair.sharp for pair in pairs)
    keys = [pair_key(predictions[pair.prediction], targets[pair.sharp]) for pair in pairs]
    cache = ScoreCache(cache_file(caches, folder) if caches is not None else None)
    jobs = _unknown(pairs, keys, _metric_names(profiles), cache)
    _compute_unknown(folder, jobs, len(pairs), cache, workers, progress)
    compute_extras(folder, pairs, keys, extras, cache, progress)
    cache.keep_only(keys)
    table = image_table(pairs, [cache.find(key) for key in keys], profiles, extras)
    scores = Scores(
        run=record.name,
        challenge=record.challenge,
        split=record.split,
        profile=profile,
        frames=len(pairs),
        predictions_sha256=folder_sha256(predictions),
        sharp_sha256=folder_sha256(targets),
        profiles_sha256=every,
        **_all_means(table, profiles, extras),
    )
    _keep(folder, scores, table)
    return scores


def fitting(profiles: Mapping[str, Profile], pairs: Sequence[Pair]) -> dict[str, Profile]:
    """Return the profiles whose metrics take images as small as these."""
    side = min(min(pair.size) for pair in pairs)
    return {name: profile for name, profile in profiles.items() if profile.smallest <= side}


def _keep(folder: Path, scores: Scores, table: pd.DataFrame) -> None:
    try:
        with disk_errors():
            with write_whole(folder / TABLE_FILE) as temporary:
                table.to_csv(temporary, index=False, float_format="%.6f", lineterminator="\n")
            save_scores(folder, scores)
    except DiskError as error:
        raise NotKept(str(error), scores) from error


def image_table(
    pairs: Sequence[Pair],
    values: Sequence[Values],
    profiles: Mapping[str, Profile],
    extras: Sequence[Extra] = (),
) -> pd.DataFrame:
    """Put the values of each pair into a row: frame, sequence, PROFILE_METRIC, extra columns."""
    table = pd.DataFrame(
        [_row(pair, each, profiles) for pair, each in zip(pairs, values, strict=True)]
    )
    for extra in extras:
        table[extra.column] = [each[extra.key] for each in values]
    return table


def current_scores(
    folder: Path,
    sharp: Path,
    profiles: Mapping[str, Profile] = PROFILES,
    images: Path | None = None,
) -> Scores | None:
    """Return the kept scores if the same images, scored now by these profiles, would give them.

    Args:
        folder, sharp, profiles, images: as of `score_folder`.
    """
    scores = usable_scores(folder)
    if scores is None or not (folder / TABLE_FILE).is_file():
        return None
    if scores.profiles_sha256 != profiles_sha256(profiles):
        return None
    kept = scores.predictions_sha256, scores.sharp_sha256
    return scores if kept == (images_sha256(images or folder), images_sha256(sharp)) else None


def _metric_names(profiles: Mapping[str, Profile]) -> tuple[str, ...]:
    """Return all that the profiles need, each once."""
    names = [name for profile in profiles.values() for name in profile.metrics.values()]
    return tuple(dict.fromkeys(names))


def _unknown(
    pairs: Sequence[Pair], keys: Sequence[str], names: Sequence[str], cache: ScoreCache
) -> list[Job]:
    """Say what the cache does not hold."""
    missing = (tuple(name for name in names if name not in cache.find(key)) for key in keys)
    jobs = (Job(pair, key, left) for pair, key, left in zip(pairs, keys, missing, strict=True))
    return [job for job in jobs if job.metrics]


def _compute_unknown(
    folder: Path,
    jobs: Sequence[Job],
    pairs: int,
    cache: ScoreCache,
    workers: int | None,
    progress: bool,
) -> None:
    """Do the jobs; put each result into the cache as it comes. The bar counts all `pairs`."""
    if workers is None:
        serial = sum(job.pair.pixels for job in jobs) <= SERIAL_PIXELS
        workers = 1 if serial else cores()
    results = zip(jobs, compute_pairs(jobs, max(1, min(workers, len(jobs)))), strict=True)
    bar = tqdm(
        results,
        f"scoring {folder.name}",
        pairs,
        initial=pairs - len(jobs),
        unit=" images",
        leave=False,
        disable=None if progress else True,
    )
    problems = []
    for job, result in bar:
        if isinstance(result, DataError):
            problems.append(str(result))
        else:
            cache.add(job.key, result)
    if problems:
        raise DataError(f"{folder}: cannot be scored", shorten(problems))


def _row(pair: Pair, values: Values, profiles: Mapping[str, Profile]) -> dict[str, Any]:
    row: dict[str, Any] = {"frame": pair.frame, "sequence": sequence_of(pair.frame)}
    for name, profile in profiles.items():
        for metric, value in report(profile, values).items():
            row[f"{name}_{metric}"] = value
    return row


def _all_means(
    table: pd.DataFrame, profiles: Mapping[str, Profile], extras: Sequence[Extra]
) -> dict[str, Any]:
    """Return the means over all frames, and over those of each sequence."""
    groups = {str(name): group for name, group in table.groupby("sequence")}
    return {
        "means": _means(table, profiles),
        "sequences": {name: _means(group, profiles) for name, group in groups.items()},
        "extra": _extra_means(table, extras),
        "extra_sequences": {name: _extra_means(group, extras) for name, group in groups.items()},
    }


def _extra_means(table: pd.DataFrame, extras: Sequence[Extra]) -> dict[str, float]:
    return {extra.column: float(table[extra.column].mean()) for extra in extras}


def _means(table: pd.DataFrame, profiles: Mapping[str, Profile]) -> Means:
    return {
        name: {metric: float(table[f"{name}_{metric}"].mean()) for metric in profile.metrics}
        for name, profile in profiles.items()
    }
