"""The trainings there are: `bash run.sh runs [NAME]`."""

from __future__ import annotations

if __name__ == "__main__":
    from challenge.environment import bootstrap

    bootstrap.ensure_packages()

import sys
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from baselines import RUNS
from baselines.efnet.trainings.facts import Facts, read_training, read_trainings
from baselines.efnet.trainings.page import print_training
from baselines.efnet.trainings.table import frame, print_trainings
from challenge import cli
from challenge.errors import ConfigError
from challenge.files import write_text

ORDERS: dict[str, Callable[[Facts], Any]] = {
    "age": lambda each: each.silent_s,
    "name": lambda each: each.name,
    "best": lambda each: (each.best_psnr is None, -(each.best_psnr or 0.0)),
    "iteration": lambda each: -each.iteration,
    "state": lambda each: each.state,
}
"""By what the table may be sorted; the newest, best and farthest come first."""


def command(
    name: Annotated[
        str | None, typer.Argument(help="one training, shown whole; or a pattern such as 'mini*'")
    ] = None,
    sort: Annotated[str, typer.Option(help=" | ".join(ORDERS))] = "age",
    csv: Annotated[Path | None, typer.Option(help="write the table to this file, too")] = None,
    *,
    runs: Path,
) -> None:
    """List the trainings in runs/: how they stand, what they reached, where they differ.

    Example: bash run.sh runs 'efnet_highrev*' --sort best --csv trainings.csv
    """
    if sort not in ORDERS:
        raise ConfigError(f"--sort {sort}: expected {', '.join(ORDERS)}")
    console = Console(highlight=False)
    if name is not None and (folder := folder_of(name, runs)) is not None and csv is None:
        print_training(read_training(folder), console)
        return
    found = read_trainings(runs)
    trainings = [each for each in found if name is None or fnmatchcase(each.name, name)]
    if not trainings:
        known = (
            ", ".join(sorted(each.name for each in found)) or "none; make one: bash run.sh train"
        )
        raise ConfigError(
            f"{runs}: no training{f' called {name}' if name else ''}; there are {known}"
        )
    trainings.sort(key=ORDERS[sort])
    print_trainings(trainings, console)
    if csv is not None:
        write_text(csv, frame(trainings).to_csv(index=False, lineterminator="\n"))
        print(f"written: {csv}")


def folder_of(name: str, runs: Path) -> Path | None:
    """Find the folder of one training by its name or its path; None for a pattern."""
    for folder in (runs / name, Path(name)):
        if folder.is_dir():
            return folder.resolve()
    return None


def main(argv: Sequence[str] | None = None, runs: Path = RUNS) -> int:
    """Run the command line; return the exit code."""
    return cli.run(command, argv, "bash run.sh runs", runs=runs)


if __name__ == "__main__":
    sys.exit(main())
