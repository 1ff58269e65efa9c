"""A zip of predictions, to be scored: checked as it would be before it is sent, then unpacked."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from challenge.datasets.layout import sharp_folder
from challenge.errors import ConfigError, SubmissionError
from challenge.files import scratch_folder
from challenge.findings import listing
from challenge.scoring.target import Choice, Target, make_target, need_sharp
from challenge.submission import Entry
from challenge.submission.candidate import Candidate, Options, check_candidate, open_candidate
from challenge.submission.layout import base_name
from challenge.zips import UNREADABLE

WITHOUT_THE_SCORE = ("readme", "limit")
"""Kinds of findings that keep a zip from being taken, but say nothing of its images."""


@contextlib.contextmanager
def open_target(path: Path, choice: Choice) -> Iterator[Target]:
    """Check a zip, and unpack its PNGs into a folder that goes when the block ends.

    Nothing is unpacked from a zip that holds anything but sound PNGs of the right names and sizes.

    Raises:
        SubmissionError: it is no such zip; what `check` finds is listed.
        ConfigError, DataError: nothing to score it against.
    """
    with (
        open_candidate(path, Options(choice.data, choice.split)) as candidate,
        scratch_folder(Path(tempfile.gettempdir()), "score") as scratch,
    ):
        for note in candidate.notes:
            print(f"note: {path}: {note}", file=sys.stderr)
        sharp = _sharp(candidate, choice)
        _refuse(candidate)
        folder = scratch / path.stem
        _unpack(candidate, folder)
        root = str(candidate.data_root.resolve()) if candidate.data_root else None
        record = dataclasses.replace(candidate.record, split=candidate.split, data_root=root)
        if candidate.data_root and candidate.split:
            inputs = choice.inputs(candidate.data_root, candidate.split)
            record = dataclasses.replace(record, inputs_sha256=inputs)
        yield make_target(folder, record, sharp, choice, None)


def _sharp(candidate: Candidate, choice: Choice) -> Path:
    root, split = candidate.data_root, candidate.split
    sharp = choice.sharp or (sharp_folder(root, split) if root and split else None)
    if sharp is None:
        raise ConfigError(
            f"{candidate.path}: nothing says what it was made from; "
            "give --sharp DIR, or --data ROOT --split val"
        )
    need_sharp(sharp, split, choice)
    return sharp


def _refuse(candidate: Candidate) -> None:
    """Refuse a zip with errors; what does not touch its images, and warnings, are printed."""
    findings = [each for each in candidate.findings if each.kind not in ("names", "record")]
    findings += check_candidate(candidate, _progress)
    harmless = [f for f in findings if f.level == "warning" or f.kind in WITHOUT_THE_SCORE]
    for line in listing(harmless):
        print(f"warning: {candidate.path}: {line}", file=sys.stderr)
    if faults := [finding for finding in findings if finding not in harmless]:
        raise SubmissionError(
            f"{candidate.path}: cannot be scored, and the server would not either; "
            f"bash run.sh check {candidate.path} says all",
            listing(faults),
        )


def _unpack(candidate: Candidate, folder: Path) -> None:
    folder.mkdir()
    for entry in candidate.images:
        try:
            with entry.open() as source, open(folder / base_name(entry.name), "xb") as target:
                shutil.copyfileobj(source, target)
        except UNREADABLE as error:
            raise SubmissionError(f"{candidate.path}: {entry.name}: {error}") from error


def _progress(images: Sequence[Entry]) -> Iterable[Entry]:
    return tqdm(images, desc="checking", unit="PNG", leave=False, disable=None)
