"""Compare predictions with the sharp images: the server's figures at home.

python challenge/score_predictions.py           the latest run, and the references beside it
python challenge/score_predictions.py FOLDER    one folder of PNGs, whatever made them
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from challenge import cli
from challenge.commands.options import Data, Split
from challenge.datasets.layout import sharp_folder
from challenge.errors import ChallengeError, ConfigError, DataError, SubmissionError
from challenge.files import kit_path
from challenge.metrics.profiles import PROFILES, Profile, find_profile
from challenge.runs import RUN_FILE, SUBMISSIONS, RunRecord, find_runs, load_record
from challenge.scoring.extra import Extra, LpipsChoice, lpips_extras, why_empty
from challenge.scoring.results import SCORES_FILE, NotKept, Scores, usable_scores
from challenge.scoring.score import (
    TABLE_FILE,
    current_scores,
    score_folder,
)
from challenge.scoring.score_table import print_scores
from challenge.submission.candidate import rules_of

CACHES = ".cache"
"""Folder in `submissions` with the values of each pair that was scored."""
WITHHELD = (
    "the sharp images of a test split are withheld: upload the zip "
    "(python challenge/make_submission.py)"
)


@dataclass(frozen=True)
class Target:
    """One folder to be scored, and against what."""

    folder: Path
    record: RunRecord
    sharp: Path
    profile: str
    profiles: Mapping[str, Profile]
    extras: Sequence[Extra] = ()

    def current(self) -> Scores | None:
        """Return the kept scores, if they are of the images that lie there now, and hold every
        figure.
        """
        kept = current_scores(self.folder, self.sharp, self.profiles)
        wanted = {extra.column for extra in self.extras}
        return kept if kept is not None and wanted <= kept.extra.keys() else None


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


def main(argv: Sequence[str] | None = None, submissions: Path = SUBMISSIONS) -> int:
    """Score, print, write; return the exit code."""
    return cli.run(score, argv, "bash run.sh score", submissions=submissions)


def score(
    folder: Annotated[
        Path | None, typer.Argument(help="PNGs named as the frames. [default: the latest run]")
    ] = None,
    sharp: Annotated[
        Path | None, typer.Option(help="The sharp images. [default: those of ROOT and SPLIT]")
    ] = None,
    data: Data = None,
    split: Split = None,
    profile: Annotated[
        str | None,
        typer.Option(help=f"Whose figures rank: {', '.join(PROFILES)}. [default: the rules']"),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every run that has sharp images and no current scores.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes. [default: one per core]")
    ] = None,
    lpips: Annotated[
        LpipsChoice,
        typer.Option(help="auto: alex, where `bash run.sh weights` has been called. vgg is slow."),
    ] = LpipsChoice.auto,
    *,
    submissions: Path = SUBMISSIONS,
) -> None:
    """Score predictions against the sharp images, under every metric profile.

    Where the figures cannot be kept (a disk that is full or read-only), they are printed, and the
    exit code is 1.

    Example: bash run.sh score submissions/highrev/val/efnet_highrev_raw --profile ntire_y
    """
    if sharp is not None and data is not None:
        raise ConfigError("--sharp names the sharp images, --data where to look for them: give one")
    if every and folder is not None:
        raise ConfigError(f"--all scores every run: leave {folder} or --all out")
    extras = lpips_extras(lpips)
    choice = Choice(submissions, sharp, data, split, profile, workers, extras, why_empty(lpips))
    console = Console(highlight=False)
    if every:
        _score_all(choice, console)
        return
    target = _target(folder, choice) if folder else _latest(choice)
    scores, not_kept = _figures(target, choice)
    reference = _score_references(target, choice)
    print_scores(scores, reference, console, target.profiles, choice.no_lpips)
    if not_kept:
        raise not_kept
    print(f"wrote {target.folder / SCORES_FILE}")
    print(f"wrote {target.folder / TABLE_FILE}")
    if target.record.reference:
        print("next: bash run.sh leaderboard")
    else:
        named = f" {folder}" if folder else ""
        print(f"next: python challenge/make_submission.py{named}, bash run.sh leaderboard")


def _score(target: Target, choice: Choice) -> Scores:
    return score_folder(
        target.folder,
        target.sharp,
        target.record,
        target.profile,
        choice.workers,
        profiles=target.profiles,
        caches=choice.submissions / CACHES,
        extras=target.extras,
    )


def _figures(target: Target, choice: Choice) -> tuple[Scores, NotKept | None]:
    """Score; figures that cannot be written down are still worth showing."""
    try:
        return _score(target, choice), None
    except NotKept as error:
        return error.scores, error


def _score_references(target: Target, choice: Choice) -> Scores | None:
    """Score the reference rows beside a run where they are out of date; return those of `blurry`.

    A reference that cannot be scored is a warning: the run itself is scored already.
    """
    for path in sorted(target.folder.resolve().parent.glob(f"*/{RUN_FILE}")):
        folder = path.parent
        if folder.name.startswith(".") or folder == target.folder.resolve():
            continue
        try:
            record = load_record(folder)
            beside = dataclasses.replace(target, folder=folder, record=record)
            if record.reference and beside.current() is None:
                _score(beside, choice)
        except ChallengeError as error:
            print(f"warning: reference {folder.name} not scored: {error}", file=sys.stderr)
    blurry = target.folder.resolve().parent / "blurry"
    return None if blurry == target.folder.resolve() else usable_scores(blurry)


def _score_all(choice: Choice, console: Console) -> None:
    """Score every run that has sharp images and no current scores; report failures at the end."""
    runs = [run for run in find_runs(choice.submissions) if _wanted(run, choice)]
    if not runs:
        raise _nothing_to_score(choice)
    problems, current = [], 0
    for folder in runs:
        try:
            target = _target(folder, choice)
            if target.current():
                current += 1
                continue
            scores, not_kept = _figures(target, choice)
        except ChallengeError as error:
            problems.append(str(error).replace("\n", "\n  "))
            continue
        blurry = usable_scores(folder.parent / "blurry")
        print_scores(scores, blurry, console, target.profiles, choice.no_lpips)
        if not_kept:
            problems.append(str(not_kept))
        else:
            print(f"wrote {folder / SCORES_FILE}, {folder / TABLE_FILE}")
    if current:
        print(f"{current} of {len(runs)} runs had current scores already")
    if problems:
        raise SubmissionError(f"{len(problems)} of {len(runs)} runs not scored or kept", problems)
    print("next: bash run.sh leaderboard")


def _latest(choice: Choice) -> Target:
    """Return the newest run, references aside, whose sharp images are on disk."""
    runs = [run for run in find_runs(choice.submissions, references=False) if _wanted(run, choice)]
    if not runs:
        raise _nothing_to_score(choice)
    return _target(runs[-1], choice)


def _wanted(folder: Path, choice: Choice) -> bool:
    """Say whether a run belongs to the split asked for, and its sharp images are there."""
    record = load_record(folder)
    if choice.split is not None and record.split != choice.split:
        return False
    sharp = _sharp(record, choice)
    return sharp is not None and sharp.is_dir()


def _nothing_to_score(choice: Choice) -> ChallengeError:
    runs = find_runs(choice.submissions, references=False)
    if not runs:
        return SubmissionError(
            f"{choice.submissions}: nothing predicted yet; run bash run.sh predict"
        )
    asked = f" of the split {choice.split}" if choice.split else ""
    looked = [
        _sharp(load_record(run), choice) or "nowhere: run.json has no data root" for run in runs
    ]
    return DataError(
        f"{choice.submissions}: no run{asked} has sharp images on disk; {WITHHELD}, "
        "or give --sharp DIR",
        [f"{run}: looked for {where}" for run, where in zip(runs, looked, strict=True)][-5:],
    )


def _target(folder: Path, choice: Choice) -> Target:
    """Return everything about one folder that is known before its images are read."""
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        hint = "; a zip is scored by its folder" if folder.suffix == ".zip" else ""
        raise DataError(f"{folder}: expected a folder of predictions, found {found}{hint}")
    has_record = (folder / RUN_FILE).exists()
    record = load_record(folder) if has_record else RunRecord(folder.resolve().name)
    record = dataclasses.replace(record, split=choice.split or record.split)
    sharp = _sharp(record, choice)
    if sharp is None:
        raise ConfigError(
            f"{folder}: no {RUN_FILE} says what it was made from; "
            "give --sharp DIR, or --data ROOT --split val"
        )
    if not sharp.is_dir():
        fix = "give the right --sharp DIR, or --data ROOT --split SPLIT"
        if record.split == "test" and choice.sharp is None:
            fix = f"{WITHHELD}, or give --sharp DIR"
        raise DataError(f"{sharp}: no such folder; {fix}")
    rules = rules_of(None, record, folder)
    profile = choice.profile or rules.profile
    find_profile(profile, rules.all_profiles)
    return Target(folder, record, sharp, profile, rules.all_profiles, choice.extras)


def _sharp(record: RunRecord, choice: Choice) -> Path | None:
    """Say where the sharp images should be; None if nothing says so."""
    if choice.sharp is not None:
        return choice.sharp
    root = choice.data or (kit_path(record.data_root) if record.data_root else None)
    split = choice.split or record.split
    return sharp_folder(root, split) if root and split else None


if __name__ == "__main__":
    sys.exit(main())
