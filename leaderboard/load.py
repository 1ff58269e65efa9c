"""Read scored runs from `submissions/<challenge>/<split>/<run>/`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from challenge.errors import SubmissionError
from challenge.runs import RunRecord, check_record, run_folders
from challenge.scoring.results import Scores, load_scores


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

    A file that is broken becomes a warning that names it: with a broken `run.json` a run is left
    out, with a broken `scores.json` it counts as not scored. Hidden folders are left out.
    """
    runs: list[Run] = []
    warnings: list[str] = []
    for folder in run_folders(submissions):
        split = folder.parent
        try:
            record, findings = check_record(folder)
        except SubmissionError as error:
            warnings.append(f"{error}; this run is left out")
            continue
        warnings += [f"{folder}/{finding}; shown as unknown" for finding in findings]
        try:
            scores = load_scores(folder)
        except SubmissionError as error:
            warnings.append(str(error))
            scores = None
        runs.append(Run(folder.name, split.parent.name, split.name, record, scores))
    return Loaded(runs, warnings)
