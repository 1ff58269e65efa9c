"""Simulated and real events side by side, in a table.

    python benchmarks/world.py [NAME=]ROOT[:SPLIT] … [--frames 40] [--csv FILE]

Of each data set frames spread over the split are measured (`challenge/simulation/likeness.py`); a
cell is the median of the frames, and where 90 % of them lie. The last column says whether the
medians of all that come after the first are in that span of the first, the simulated one:

    python benchmarks/world.py wide=data/wide:train cups=../shared/samples/davis346_cups:test
"""

from __future__ import annotations

if __name__ == "__main__":
    import pathlib
    import sys

    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])
    from challenge.environment import bootstrap

    bootstrap.ensure_packages()

import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from challenge import cli
from challenge.datasets import open_split
from challenge.sample import sequence_of
from challenge.simulation.from_photographs import TABLE
from challenge.simulation.likeness import WORDS, likeness

LOW, HIGH = 0.05, 0.95


def measured(place: str, frames: int) -> pd.DataFrame:
    """Measure frames of [NAME=]ROOT[:SPLIT]: a row for each."""
    name, _, path = place.rpartition("=")
    root, colon, split = path.rpartition(":")
    folder, split = (Path(root), split) if colon else (Path(split), "train")
    data = open_split(folder, split)
    chosen = np.unique(np.linspace(0, len(data) - 1, min(frames, len(data))).round().astype(int))
    known = {}
    if (folder / TABLE).is_file():
        known = pd.read_csv(folder / TABLE, index_col="name")["exposure_us"].to_dict()
    rows = []
    for place_in in chosen:
        sample = data.read_inputs(data.frames[place_in])
        exposure_us = known.get(sequence_of(sample.frame))
        rows.append(likeness(sample, exposure_us))
    return pd.DataFrame(rows).assign(data=name or folder.name)


def table(frames: pd.DataFrame) -> pd.DataFrame:
    """Put data sets side by side: a row for each figure."""
    names = list(dict.fromkeys(frames["data"]))
    figures = frames.set_index("data").groupby(level=0, sort=False)
    low, middle, high = (figures.quantile(q)[[*WORDS]].T for q in (LOW, 0.5, HIGH))
    cells = {
        name: [
            f"{middle[name][key]:.3g} ({low[name][key]:.3g} to {high[name][key]:.3g})"
            for key in WORDS
        ]
        for name in names
    }
    first, others = names[0], names[1:]
    inside = [
        ", ".join(
            name if low[first][key] <= middle[name][key] <= high[first][key] else f"NOT {name}"
            for name in others
        )
        for key in WORDS
    ]
    return pd.DataFrame({**cells, f"inside {first}": inside}, index=[*WORDS.values()])


def command(
    places: Annotated[list[str], typer.Argument(metavar="[NAME=]ROOT[:SPLIT] …")],
    frames: Annotated[int, typer.Option(help="of each, at most", min=1)] = 40,
    csv: Annotated[Path | None, typer.Option(help="a row for each frame")] = None,
) -> None:
    """Print the table."""
    found = pd.concat([measured(place, frames) for place in places], ignore_index=True)
    if csv is not None:
        found.to_csv(csv, index=False)
    print(table(found).to_markdown())


def main(argv: list[str] | None = None) -> int:
    """Run; return the exit code."""
    return cli.run(command, argv, "python benchmarks/world.py")


if __name__ == "__main__":
    sys.exit(main())
