"""What is scored, and against what: a folder of predictions, or a zip of them."""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from challenge.datasets import provide_frames
from challenge.datasets.layout import blurry_folder, inputs_sha256, sharp_folder
from challenge.errors import ConfigError, DataError
from challenge.files import list_pngs
from challenge.metrics.profiles import Profile, find_profile
from challenge.runs import (
    RUN_FILE,
    RunRecord,
    complete,
    explain_place,
    found_instead,
    load_record,
)
from challenge.scoring.extra import Extra
from challenge.scoring.results import Scores
from challenge.scoring.score import current_scores, score_folder
from challenge.submission.candidate import rules_of
from challenge.submission.origin import find_root, looks_like

CACHES = ".cache"
"""Folder in `submissions` with the values of each pair that was scored."""
WITHHELD = (
    "the sharp images of a test split are withheld: upload the zip "
    "(python challenge/make_submission.py)"
)
Predict = Callable[[str, RunRecord, Path], None]
"""Predict a baseline over the data of a record into a folder, as a reference row."""


@dataclass(frozen=True)
class Choice:
    """What the command line says about every folder; None: as the run's record says."""

    submissions: Path
    sharp: Path | None = None
    data: Path | None = None
    split: str | None = None
    profile: str | None = None
    workers: int | None = None
    extras: Sequence[Extra] = ()
    no_lpips: str = ""  # why LPIPS is not among them
    references: bool | None = None  # make reference rows; None: where that is cheap
    predict: Predict | None = None  # makes one; None: nobody here can
    inputs: Callable[[Path, str], str | None] = dataclasses.field(
        default_factory=lambda: functools.cache(inputs_sha256)
    )


@dataclass(frozen=True)
class Target:
    """One run to be scored, and against what.

    Attributes:
        folder: where its results are written, beside its PNGs.
        images: the PNGs that are scored, where they lie elsewhere; None: those of `folder`.
        limits: what its figures cannot say; "" where nobody said.
        record: of the run; `data_root` and `inputs_sha256` are those it is compared with.
    """

    folder: Path
    record: RunRecord
    sharp: Path
    profile: str
    profiles: Mapping[str, Profile]
    extras: Sequence[Extra] = ()
    images: Path | None = None
    limits: str = ""

    def current(self) -> Scores | None:
        """Return the kept scores, if they are of the images that lie there now, and hold every
        figure.
        """
        kept = current_scores(self.folder, self.sharp, self.profiles, self.images)
        wanted = {extra.column for extra in self.extras}
        return kept if kept is not None and wanted <= kept.extra.keys() else None

    def score(self, choice: Choice) -> Scores:
        """Score it, and write the results."""
        return score_folder(
            self.folder,
            self.sharp,
            self.record,
            self.profile,
            choice.workers,
            profiles=self.profiles,
            caches=choice.submissions / CACHES,
            extras=self.extras,
            images=self.images,
        )


def find_target(folder: Path, choice: Choice) -> Target:
    """Find everything about one folder that is known before its images are read.

    Raises:
        ConfigError: nothing says what it was made from.
        DataError: no such folder, no sharp images, or predictions of another split or of other
            frames than those that they would be compared with.
    """
    if not folder.is_dir():
        found = found_instead(folder, choice.submissions)
        raise DataError(f"{folder}: expected a folder of predictions or a zip, found {found}")
    if (folder / RUN_FILE).exists() or list_pngs(folder):
        record = load_record(folder)
    else:  # what is missing there is said when its PNGs are looked for
        record = complete(RunRecord(folder.resolve().name), folder)
    if note := explain_place(folder, record):
        print(f"note: {folder}: {note}", file=sys.stderr)
    root = data_root(record, choice)
    split = choice.split or record.split
    sharp = sharp_of(record, choice)
    if sharp is None:
        missing = "the data" if split else "the data or the split"
        raise ConfigError(
            f"{folder}: nothing says {missing} it was made from; "
            f"give --sharp DIR, or --data ROOT --split {split or 'val'}"
        )
    if root:
        provide_frames(root, split)
    images = images_of(folder, record, root, split)
    if root and split and choice.sharp is None:
        _refuse_other_split(folder, images, root, split)
    need_sharp(sharp, split, choice)
    if root and split:
        record = _with_data(folder, record, root, split, choice)
    return make_target(folder, dataclasses.replace(record, split=split), sharp, choice, images)


def make_target(
    folder: Path, record: RunRecord, sharp: Path, choice: Choice, images: Path | None
) -> Target:
    """Put a target together; the profile is that of the command line, else of the rules.

    Raises:
        ConfigError: no such profile.
    """
    rules = rules_of(None, record)
    profile = choice.profile or rules.profile
    find_profile(profile, rules.all_profiles)
    known = rules.all_profiles
    return Target(folder, record, sharp, profile, known, choice.extras, images, rules.limits)


def sharp_of(record: RunRecord, choice: Choice) -> Path | None:
    """Say where the sharp images of a run should be; None if nothing says so."""
    if choice.sharp is not None:
        return choice.sharp
    root, split = data_root(record, choice), choice.split or record.split
    return sharp_folder(root, split) if root and split else None


def data_root(record: RunRecord, choice: Choice) -> Path | None:
    """Say which data a run belongs to; None if nothing says so."""
    return find_root(choice.data, record, record.challenge)[0]


def images_of(folder: Path, record: RunRecord, root: Path | None, split: str | None) -> Path | None:
    """Say where the PNGs of a run lie, if not in its folder: those of the reference row `blurry`
    are the input frames themselves.
    """
    itself = record.reference and record.baseline == "blurry" and not list_pngs(folder)
    return blurry_folder(root, split) if itself and root and split else None


def need_sharp(sharp: Path, split: str | None, choice: Choice) -> None:
    """Refuse sharp images that are not there.

    Raises:
        DataError: no such folder.
    """
    if not sharp.is_dir():
        fix = "give the right --sharp DIR, or --data ROOT --split SPLIT"
        if split in ("test", "addition") and choice.sharp is None:
            fix = f"{WITHHELD}, or give --sharp DIR"
        raise DataError(f"{sharp}: no such folder; {fix}")


def _refuse_other_split(folder: Path, images: Path | None, root: Path, split: str) -> None:
    names = frozenset(path.name for path in list_pngs(images or folder))
    if other := looks_like(names, root, split):
        raise DataError(
            f"{folder}: expected predictions of {split}, found names of {other}: this looks like "
            f"{other}; give --split {other}"
        )


def _with_data(
    folder: Path, record: RunRecord, root: Path, split: str, choice: Choice
) -> RunRecord:
    """Return the record with the data that it is compared with in the place of its own.

    Raises:
        DataError: the run was made from other frames than lie there now, and nobody said that they
            are meant.
    """
    inputs = choice.inputs(root, split)
    if record.inputs_sha256 not in (None, inputs or record.inputs_sha256):
        place = blurry_folder(root, split)
        what = f"{folder}: was made from other frames than those that lie in {place}"
        if choice.data is None and choice.sharp is None:
            raise DataError(f"{what}; predict again, or name their data: --data ROOT")
        print(f"warning: {what}: its score may mean nothing", file=sys.stderr)
    if choice.data is not None:
        record = dataclasses.replace(record, data_format=None, voxel_root=None)
    return dataclasses.replace(record, data_root=str(root.resolve()), inputs_sha256=inputs)
