"""Compare predictions with the sharp images: the server's figures at home.

bash run.sh score           the latest run, and the references beside it
bash run.sh score FOLDER    one folder of PNGs, whatever made them
bash run.sh score ZIP       what was packed, or came from somebody else
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from challenge import cli
from challenge.commands.options import Data, Split
from challenge.errors import ChallengeError, ConfigError, DataError, SubmissionError
from challenge.metrics.profiles import PROFILES
from challenge.runs import SUBMISSIONS, find_runs, load_record
from challenge.scoring.extra import LpipsChoice, lpips_extras, why_empty
from challenge.scoring.references import score_references
from challenge.scoring.results import SCORES_FILE, NotKept, Scores
from challenge.scoring.score import TABLE_FILE
from challenge.scoring.score_table import print_scores
from challenge.scoring.target import WITHHELD, Choice, Predict, Target, find_target, sharp_of
from challenge.scoring.zipped import open_target


def main(
    argv: Sequence[str] | None = None,
    submissions: Path = SUBMISSIONS,
    predict: Predict | None = None,
) -> int:
    """Score, print, write; return the exit code. `predict` makes reference rows."""
    return cli.run(score, argv, "bash run.sh score", submissions=submissions, predict=predict)


def score(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="FOLDER_OR_ZIP", help="PNGs named as the frames. [default: the latest run]"
        ),
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
    references: Annotated[
        bool | None,
        typer.Option(help="Make the rows `blurry` and `edi`. [default: where that is cheap]"),
    ] = None,
    *,
    submissions: Path = SUBMISSIONS,
    predict: Predict | None = None,
) -> None:
    """Score predictions against the sharp images, under every metric profile.

    Of a zip the figures are printed, and nothing is kept. Where they cannot be kept (a disk that is
    full or read-only), they are printed, and the exit code is 1.

    Example: bash run.sh score submissions/highrev/val/efnet_highrev_raw --profile ntire_y
    """
    if sharp is not None and data is not None:
        raise ConfigError("--sharp names the sharp images, --data where to look for them: give one")
    if every and folder is not None:
        raise ConfigError(f"--all scores every run: leave {folder} or --all out")
    extras, no_lpips = lpips_extras(lpips), why_empty(lpips)
    choice = Choice(
        submissions, sharp, data, split, profile, workers, extras, no_lpips, references, predict
    )
    console = Console(highlight=False)
    if every:
        _score_all(choice, console)
    elif folder and folder.is_file():
        _score_zip(folder, choice, console)
    else:
        _score_run(folder, choice, console)


def _score_run(folder: Path | None, choice: Choice, console: Console) -> None:
    target = find_target(folder, choice) if folder else _latest(choice)
    scores, not_kept = _figures(target, choice)
    reference = score_references(target, choice)
    _print(scores, reference, target, choice, console)
    if not_kept:
        raise not_kept
    _say_written(target)
    named = f" {folder}" if folder else ""
    send = "" if target.record.reference else f"python challenge/make_submission.py{named}, "
    print(f"next: {send}bash run.sh leaderboard")


def _print(
    scores: Scores, blurry: Scores | None, target: Target, choice: Choice, console: Console
) -> None:
    print_scores(scores, blurry, console, target.profiles, choice.no_lpips, target.limits)


def _figures(target: Target, choice: Choice) -> tuple[Scores, NotKept | None]:
    """Score; figures that cannot be written down are still worth showing."""
    try:
        return target.score(choice), None
    except NotKept as error:
        return error.scores, error


def _say_written(target: Target) -> None:
    print(f"wrote {target.folder / SCORES_FILE}")
    print(f"wrote {target.folder / TABLE_FILE}")


def _score_zip(path: Path, choice: Choice, console: Console) -> None:
    """Score what a zip holds; its figures are printed, and kept nowhere."""
    with open_target(path, choice) as target:
        scores = target.score(choice)
        reference = score_references(dataclasses.replace(target, folder=path), choice)
        _print(scores, reference, target, choice, console)
    print(f"of a zip nothing is kept; next: bash run.sh rehearse {path}")


def _score_all(choice: Choice, console: Console) -> None:
    """Score every run that has sharp images and no current scores, and the references beside them;
    report failures at the end.
    """
    runs = _wanted_runs(choice)
    if not runs:
        raise _nothing_to_score(choice)
    references: dict[tuple[Path, str | None], Scores | None] = {}
    problems, current = [], 0
    for folder in runs:
        try:
            target = find_target(folder, choice)
            kept = target.current()
            scores, not_kept = (kept, None) if kept else _figures(target, choice)
        except ChallengeError as error:
            problems.append(str(error).replace("\n", "\n  "))
            continue
        beside = folder.parent, target.record.inputs_sha256
        if beside not in references:
            references[beside] = score_references(target, choice)
        current += kept is not None
        if kept is None:
            blurry = references[beside]
            _print(scores, blurry, target, choice, console)
        if not_kept:
            problems.append(str(not_kept))
        elif kept is None:
            _say_written(target)
    if current:
        print(f"{current} of {len(runs)} runs had current scores already")
    if problems:
        raise SubmissionError(f"{len(problems)} of {len(runs)} runs not scored or kept", problems)
    print("next: bash run.sh leaderboard")


def _latest(choice: Choice) -> Target:
    """Return the newest run, references aside, whose sharp images are on disk."""
    runs = _wanted_runs(choice)
    if not runs:
        raise _nothing_to_score(choice)
    return find_target(runs[-1], choice)


def _wanted_runs(choice: Choice) -> list[Path]:
    """Find the runs, references aside, of the split asked for that have sharp images on disk."""
    runs = find_runs(choice.submissions, references=False)
    return [run for run in runs if _wanted(run, choice)]


def _wanted(folder: Path, choice: Choice) -> bool:
    """Say whether a run belongs to the split asked for, and its sharp images are there."""
    record = load_record(folder)
    if choice.split is not None and record.split != choice.split:
        return False
    sharp = sharp_of(record, choice)
    return sharp is not None and sharp.is_dir()


def _nothing_to_score(choice: Choice) -> ChallengeError:
    runs = find_runs(choice.submissions, references=False)
    if not runs:
        return SubmissionError(
            f"{choice.submissions}: nothing predicted yet; run bash run.sh predict"
        )
    asked = f" of the split {choice.split}" if choice.split else ""
    looked = [
        sharp_of(load_record(run), choice) or "nowhere: nothing names its data" for run in runs
    ]
    return DataError(
        f"{choice.submissions}: no run{asked} has sharp images on disk; {WITHHELD}, "
        "or give --sharp DIR",
        [f"{run}: looked for {where}" for run, where in zip(runs, looked, strict=True)][-5:],
    )


if __name__ == "__main__":
    sys.exit(main())
