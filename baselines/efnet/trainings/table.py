"""Trainings as one table: for a terminal of 80 columns or more, and as CSV."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from baselines.efnet.config import Config
from baselines.efnet.trainings.facts import Facts
from challenge.config import differing, flatten
from challenge.findings import printable

UNKNOWN = "-"
OWN_KEYS = ("name",)
"""Differ from training to training, and say nothing."""
WHOLE = ("iterations", "age_s", "left_s", "best_iteration")
"""Columns of whole numbers, some unknown."""
LOOK = {"running": "bold green", "failed": "bold red", "broken": "bold red"}
SPANS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def default_values() -> dict[str, Any]:
    """Return the values that hold where a configuration says nothing, flat."""
    return flatten(dataclasses.asdict(Config()))


def differing_keys(trainings: Sequence[Facts]) -> list[str]:
    """List the keys in which configurations differ; broken trainings have none."""
    configs = [each.config for each in trainings if each.config]
    return [key for key in differing(configs, default_values()) if key not in OWN_KEYS]


def frame(trainings: Sequence[Facts]) -> pd.DataFrame:
    """Make the table of numbers: one row per training, a column for each key that differs."""
    keys, default = differing_keys(trainings), default_values()
    rows = []
    for each in trainings:
        row: dict[str, Any] = {
            "training": each.name,
            "state": each.state,
            "why": each.why,
            "iteration": each.iteration,
            "iterations": each.iterations,
            "age_s": None if each.silent_s == float("inf") else round(each.silent_s),
            "left_s": None if each.left_s is None else round(each.left_s),
            "best_psnr": each.best_psnr,
            "best_iteration": each.best_iteration,
            "images_per_s": each.images_per_s,
        }
        config = default | dict(each.config) if each.config else {}
        rows.append(row | {key: written(config[key]) if key in config else None for key in keys})
    whole = {name: "Int64" for name in WHOLE}
    return pd.DataFrame(rows).astype(whole)


def print_trainings(trainings: Sequence[Facts], console: Console) -> None:
    """Print the table, then where the configurations differ, then what is wrong."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("training", overflow="fold")
    table.add_column("state", no_wrap=True)
    for header in ("iteration", "left", "age", "best PSNR [dB]", "images/s"):
        table.add_column(header, justify="right", no_wrap=header != "best PSNR [dB]")
    for each in trainings:
        table.add_row(*row_of(each))
    console.print(table)
    keys, default = differing_keys(trainings), default_values()
    if keys:
        console.print(Text("where the configurations differ", style="bold"))
        beside = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
        beside.add_column(overflow="fold", max_width=24)
        beside.add_column(overflow="fold")
        for each in trainings:
            if each.config:
                config = default | dict(each.config)
                words = [f"{key}={written(config[key])}" for key in keys if key in config]
                beside.add_row(Text(printable(each.name)), Text(printable(" ".join(words))))
        console.print(beside)
    for each in trainings:
        if each.why and each.state != "running":
            console.print(Text(printable(f"{each.name} {each.state}: {each.why}"), style="yellow"))


def row_of(each: Facts) -> list[Text]:
    """Write one training's row of the terminal."""
    done = UNKNOWN if each.iterations is None else f"{each.iteration}/{each.iterations}"
    best = UNKNOWN
    if each.best_psnr is not None:
        best = f"{each.best_psnr:.2f} @{each.best_iteration}"
    cells = [
        done,
        UNKNOWN if each.left_s is None else span(each.left_s),
        UNKNOWN if each.silent_s == float("inf") else span(each.silent_s),
        best,
        UNKNOWN if each.images_per_s is None else f"{each.images_per_s:.3g}",
    ]
    state = Text(each.state, style=LOOK.get(each.state, ""))
    return [Text(printable(each.name)), state, *(Text(cell) for cell in cells)]


def span(seconds: float) -> str:
    """Write a span of time in its largest unit that it fills, one digit below ten.

    90 s are 1.5 min, 7200 s are 2.0 h, 864000 s are 10 d.
    """
    for size, unit in SPANS:
        if seconds >= size:
            count = seconds / size
            return f"{count:.1f} {unit}" if count < 9.95 and unit != "s" else f"{count:.0f} {unit}"
    return "0 s"


def written(value: Any) -> str:
    """Write a value as it would stand behind KEY= on the command line."""
    if isinstance(value, list):
        return "[" + ",".join(written(each) for each in value) + "]"
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
