"""Look at a whole data set, in one pass over its files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from challenge.datasets.doctor.alignment import Verdict
from challenge.datasets.doctor.frame import Job, Look, look_at_frame
from challenge.datasets.doctor.hdf5 import look_at_hdf5_frame, survey_hdf5
from challenge.datasets.doctor.place import Place, locate
from challenge.datasets.doctor.stores import data_of_store, store_problems
from challenge.datasets.doctor.survey import survey
from challenge.datasets.doctor.whole import Tally
from challenge.environment.cores import cores
from challenge.environment.processes import map_in_processes
from challenge.errors import DataError
from challenge.findings import Finding

LEVELS = ("error", "warning", "note")
WORTH_PROCESSES = 50_000_000
"""Bytes to read that take longer than the start of processes does, a second or two."""
Progress = Callable[[Iterable[Look], int], Iterable[Look]]


@dataclass(frozen=True)
class Diagnosis:
    """What was found in a data set.

    Attributes:
        findings: errors first, then warnings, then notes.
        frames, events: how many of each split were looked at.
        alignment: of each (split, sequence) with events.
    """

    place: Place
    findings: tuple[Finding, ...]
    frames: dict[str, int]
    events: dict[str, int]
    alignment: dict[tuple[str, str], Verdict]

    def of_level(self, level: str) -> list[Finding]:
        """Return the findings of one level."""
        return [finding for finding in self.findings if finding.level == level]


def examine(
    path: Path,
    voxel_root: Path | None = None,
    format: str | None = None,
    workers: int | None = None,
    progress: Progress = lambda looks, total: looks,
) -> Diagnosis:
    """Find all that is wrong with a data set; the number of workers changes nothing.

    Args:
        path: its root, one split of it, a folder of a split, or the folder that it lies in.
        voxel_root: where stored grids are, if not beside it.
        format: one of `challenge.datasets.FORMATS`; None: what is there.
        workers: processes; by default one per core, for small data sets one.
        progress: wraps the looks, given their number, such as tqdm.

    Raises:
        DataError: there is no data set at `path`, or a process was killed.
    """
    if data := data_of_store(Path(os.path.abspath(path))):
        raise DataError(f"{path}: a training store; name the data set that it was made of: {data}")
    place = locate(path, voxel_root, format)
    found = survey_hdf5(place) if place.hdf5 else survey(place)
    jobs = [Job(found.place, files) for files in found.frames]
    tally = Tally(found.place)
    for look in progress(_looks(place, jobs, workers or _workers(jobs)), len(jobs)):
        found.findings += look.findings
        tally.add(look)
    found.findings += [*tally.findings(), *store_problems(place)]
    splits = found.place.splits
    return Diagnosis(
        found.place,
        tuple(sorted(found.findings, key=lambda finding: LEVELS.index(finding.level))),
        {split: len(tally.seen.of_split(split)) for split in splits},
        {split: tally.seen.events_of(split) for split in splits},
        tally.verdicts(),
    )


def _looks(place: Place, jobs: Sequence[Job], workers: int) -> Iterator[Look]:
    look_at = look_at_hdf5_frame if place.hdf5 else look_at_frame
    try:
        yield from map_in_processes(look_at, jobs, workers)
    except BrokenProcessPool as error:
        fix = "is memory short? try again with --workers 1"
        raise DataError(f"{place.root}: a process that looked at it was killed; {fix}") from error


def _workers(jobs: Sequence[Job]) -> int:
    """Choose one process, or one per core where there is much to read, by the middle frame."""
    if not jobs:
        return 1
    if jobs[0].place.hdf5:
        size = sum(path.stat().st_size for path in {job.files.blurry.parents[1] for job in jobs})
    else:
        files = jobs[len(jobs) // 2].files
        paths = [files.blurry, *files.slices, *(each for each in (files.sharp, files.grid) if each)]
        size = sum(path.stat().st_size for path in paths) * len(jobs)
    return min(cores(), len(jobs)) if size >= WORTH_PROCESSES else 1
