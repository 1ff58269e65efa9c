"""The table of `benchmarks/recipes.py`: means, and differences paired by seed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

COLUMNS = {"val": "embedded val", "street": "real, with truth", "cups": "real, Tenengrad"}
WORDS = {2: "two", 3: "three", 4: "four", 5: "five"}


@dataclass(frozen=True)
class Cells:
    """The scores of one recipe, a reference row or a network."""

    name: str
    what: str
    iterations: int | None  # None: not trained, or not known
    scores: Mapping[int, Mapping[str, float]]  # by seed, then by data set; seed 0: of a reference


class Paired(NamedTuple):
    """A mean difference, and its interval of 95 %."""

    mean: float
    low: float
    high: float

    @property
    def decides(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0


def paired(differences: Sequence[float]) -> Paired:
    """Average differences and give their interval by Student's t.

    Args:
        differences: one for each seed, two or more.
    """
    from scipy.stats import t

    count, mean = len(differences), statistics.fmean(differences)
    reach = float(t.ppf(0.975, count - 1)) * statistics.stdev(differences) / math.sqrt(count)
    return Paired(mean, mean - reach, mean + reach)


def markdown(rows: Sequence[Cells], seeds: int) -> str:
    """Write the table; the first row that has seeds is what the others are compared with."""
    first = next((row for row in rows if 0 not in row.scores), None)
    keys = [
        key for key in COLUMNS if any(key in each for row in rows for each in row.scores.values())
    ]
    heads = ["recipe", "what", "iterations"]
    for key in keys:
        heads += [COLUMNS[key], "against the first (95 %)"]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for row in rows:
        cells = [row.name, row.what, "" if row.iterations is None else str(row.iterations)]
        for key in keys:
            cells += [mean_of(row, key), against(row, first, key, seeds)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def mean_of(row: Cells, key: str) -> str:
    """Average a score over the seeds there are."""
    found = [each[key] for each in row.scores.values() if key in each]
    return f"{statistics.fmean(found):.2f}" if found else ""


def against(row: Cells, first: Cells | None, key: str, seeds: int) -> str:
    """Compare a recipe with the first, seed by seed."""
    if first is None or row.name == first.name or 0 in row.scores:
        return ""
    both = [
        seed
        for seed in row.scores
        if seed in first.scores and key in row.scores[seed] and key in first.scores[seed]
    ]
    if len(both) < 2:
        return f"{len(both)} of {seeds} seeds so far"
    found = paired([row.scores[seed][key] - first.scores[seed][key] for seed in both])
    text = f"{found.mean:+.2f} ({found.low:+.2f} to {found.high:+.2f})"
    word = WORDS.get(len(both), str(len(both)))
    return text if found.decides else f"{text}, {word} seeds cannot decide"
