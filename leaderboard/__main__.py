"""`bash run.sh leaderboard`: all scored runs side by side, on the terminal, as CSV, as Markdown."""

from __future__ import annotations

if __name__ == "__main__":
    from challenge.environment import bootstrap

    bootstrap.ensure_packages()

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from challenge import cli
from challenge.errors import SubmissionError
from challenge.files import write_text
from challenge.runs import SUBMISSIONS
from leaderboard.load import load_runs
from leaderboard.render import markdown, print_board
from leaderboard.table import build_boards, one_table


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables and write the files; return the exit code."""
    return cli.run(leaderboard, argv, "bash run.sh leaderboard")


def leaderboard(
    submissions: Annotated[
        Path, typer.Argument(metavar="SUBMISSIONS_FOLDER", help="Where the runs are.")
    ] = SUBMISSIONS,
    csv: Annotated[
        Path | None, typer.Option(help="[default: SUBMISSIONS_FOLDER/leaderboard.csv]")
    ] = None,
    markdown_file: Annotated[
        Path | None,
        typer.Option("--markdown", help="[default: SUBMISSIONS_FOLDER/leaderboard.md]"),
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="Metric profile to rank by. [default: that of the rules]")
    ] = None,
) -> None:
    """Show all scored runs side by side, one table per challenge and split.

    Example: bash run.sh leaderboard --profile ntire_y --csv results.csv
    """
    loaded = load_runs(submissions)
    for warning in loaded.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    unscored = [f"{run.challenge}/{run.split}/{run.name}" for run in loaded.runs if not run.scores]
    if len(unscored) == len(loaded.runs):
        found = [f"not scored yet: {name}" for name in unscored]
        step = "score one: bash run.sh score FOLDER" if found else "make one: bash run.sh predict"
        raise SubmissionError(f"{submissions}: no scored run; {step}", found)
    boards = build_boards(loaded.runs, profile)
    shown = {(board.challenge, board.split) for board in boards}
    console = Console(highlight=False)
    for board in boards:
        print_board(board, console)
    for run in loaded.runs:
        if (run.challenge, run.split) not in shown:
            reason = f"no scores under {profile}" if run.scores else "not scored yet"
            print(f"{reason}: {run.challenge}/{run.split}/{run.name}")
    csv_path = csv or submissions / "leaderboard.csv"
    markdown_path = markdown_file or submissions / "leaderboard.md"
    write_text(csv_path, one_table(boards).to_csv(index=False, lineterminator="\n"))
    write_text(markdown_path, markdown(boards))
    print(f"written: {csv_path}")
    print(f"written: {markdown_path}")


if __name__ == "__main__":
    sys.exit(main())
