"""Where a submission comes from: its record, its rules, its split, its input frames.

Reads YAML rules, and so needs more than Python's own library: the server's checks do without it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from challenge import REPOSITORY
from challenge.errors import ConfigError, SubmissionError
from challenge.files import kit_path
from challenge.findings import Finding
from challenge.rules import RULES_FOLDER, Rules, load_rules
from challenge.runs import RUN_FILE, RunRecord, check_record
from challenge.submission.readme import Readme

SPLITS = ("train", "val", "test")
ENOUGH = 0.5  # of the names must be those of a split for it to be the one that is meant


@dataclass(frozen=True)
class Origin:
    """What a submission is to be compared with; None where nothing says so."""

    rules: Rules
    data_root: Path | None
    split: str | None
    notes: tuple[str, ...] = ()  # what was guessed, for people


def find_origin(
    path: Path,
    record: RunRecord,
    names: Iterable[str],
    data: Path | None = None,
    split: str | None = None,
    rules: Path | None = None,
) -> Origin:
    """Put together what is known of a folder or zip: options first, then the record, then guesses.

    Args:
        path: the folder or zip; `submissions/<challenge>/<split>/<run>` tells something too.
        record: of the run; an empty one if there is none.
        names: file names of the PNGs, from which the split is guessed.
        data, split, rules: what the command line says.

    Raises:
        ConfigError: `data` is no folder, it has no such split, or the rules cannot be read.
    """
    notes: list[str] = []
    chosen = rules_of(rules, record, path)
    root = data or (kit_path(record.data_root) if record.data_root else None)
    if data and not data.is_dir():
        raise ConfigError(f"--data {data}: no such folder")
    own = REPOSITORY / "data" / (chosen.name or "-")
    if (root is None or not root.is_dir()) and own.is_dir():
        root = own
        notes.append(f"no data folder was named: compared with {own}")
    known = split or record.split or split_in_path(path)
    if known is None:
        known = guess_split(frozenset(names), root, chosen)
        notes += [f"no split was named: by names or count it is {known}"] * (known is not None)
    if data and split and not (data / split / "blur").is_dir():
        raise ConfigError(f"--split {split}: {data / split / 'blur'} is no folder")
    return Origin(chosen, root, known, tuple(notes))


def guess_split(names: frozenset[str], root: Path | None, rules: Rules) -> str | None:
    """The split whose input frames are called so; else the one that has as many frames."""
    best, share = None, 0.0
    for split in SPLITS:
        blur = root / split / "blur" if root else None
        if blur and blur.is_dir():
            inputs = {path.name for path in blur.glob("*.png")}
            if len(inputs & names) / max(len(names), 1) > share:
                best, share = split, len(inputs & names) / len(names)
    if share >= ENOUGH:
        return best
    counts = [split for split, frames in rules.frames.items() if frames == len(names)]
    return counts[0] if len(counts) == 1 else None


def record_of(path: Path) -> tuple[RunRecord, list[Finding]]:
    """The record of a folder, or of the folder that lies beside a zip under the same name.

    Without a readable one an empty record, and for a folder a finding.
    """
    folder = path if path.is_dir() else path.with_suffix("")
    if not path.is_dir() and not (folder / RUN_FILE).is_file():
        return RunRecord(folder.name), []
    try:
        return check_record(folder)
    except SubmissionError as error:
        example = '{"name": "my_method", "runtime_per_image_s": 0.31, "device": "cpu"}'
        fix = f"write one such as {example}"
        expected = "the run's record"
        finding = Finding("record", RUN_FILE, expected, f"{error}", fix)
        return RunRecord(folder.name), [finding]


def rules_of(path: Path | None, record: RunRecord, submission: Path) -> Rules:
    """The rules of the command line, else of the record, else those called like its challenge."""
    if path:
        return load_rules(path)
    if record.rules:
        return load_rules(record.rules)
    parents = submission.resolve().parents
    in_path = parents[1].name if len(parents) > 1 and split_in_path(submission) else "own"
    own = RULES_FOLDER / f"{record.challenge or in_path}.yml"
    return load_rules(own if own.is_file() else RULES_FOLDER / "own.yml")


def split_in_path(folder: Path) -> str | None:
    """The split, from `submissions/<challenge>/<split>/<run>`."""
    name = folder.resolve().parent.name
    return name if name in SPLITS else None


def readme_of(record: RunRecord) -> tuple[Readme, list[Finding]]:
    """What readme.txt says; values that the record lacks are findings."""
    findings = []
    runtime = record.runtime_per_image_s
    seconds = math.nan if runtime is None else float(runtime)
    if not seconds >= 0:
        found = "none" if runtime is None else repr(runtime)
        fix = "measure it and give make_submission --runtime SECONDS"
        expected = "a runtime per image in seconds"
        findings.append(Finding("record", RUN_FILE, expected, found, fix))
    if not record.device:
        fix = "give make_submission --device cpu, or --device with the GPU's name"
        expected = "the device that the runtime was measured on"
        findings.append(Finding("record", RUN_FILE, expected, "none", fix))
    cpu = int((record.device or "").lower().startswith("cpu"))
    return Readme(seconds, cpu, int(record.extra_data), record.description), findings
