"""Boards as text: for a terminal of 80 columns or more, and as Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from leaderboard.table import SEQUENCE_PREFIX, Board

RUNS_BESIDE_EACH_OTHER = 5
"""The table per sequence shows so many runs, the best ones; the others are in the CSV."""
NEVER_FOLDED = ("PSNR [dB]", "SSIM", "gain [dB]", "s/image", "params")
UNKNOWN = "-"


def print_board(board: Board, console: Console) -> None:
    """Print one board: the table, the table per sequence, warnings, notes. `*` marks the best."""
    console.print(Text(_title(board), style="bold"))
    console.print(_rich(main_columns(board).drop(columns="device")))  # 80 columns are few
    if board.sequences:
        shown = min(len(board.table), RUNS_BESIDE_EACH_OTHER)
        runs = "all runs" if shown == len(board.table) else f"the best {shown} runs, all in the CSV"
        console.print(Text(f"PSNR [dB] per sequence ({runs})"))
        console.print(_rich(sequence_columns(board, shown)))
    for warning in board.warnings:
        console.print(Text(f"warning: {warning}", style="bold yellow"))
    for note in board.notes:
        console.print(Text(note))
    console.print()


def markdown(boards: Sequence[Board]) -> str:
    """Write all boards as one Markdown document."""
    parts = ["# Leaderboard"]
    for board in boards:
        parts.append(f"## {_title(board)}")
        parts.append(_markdown_table(main_columns(board)))
        if board.sequences:
            parts.append("PSNR [dB] per sequence:")
            parts.append(_markdown_table(sequence_columns(board, len(board.table))))
        parts += [f"**Warning:** {warning}" for warning in board.warnings]
        parts += board.notes
    return "\n\n".join(parts) + "\n"


def main_columns(board: Board) -> pd.DataFrame:
    """Return the essential columns as text, units in the headers, `*` at the best psnr, ssim and
    lpips.
    """
    table = board.table
    name = table["run"].where(~table["reference"].astype(bool), table["run"] + " (ref)")
    return pd.DataFrame(
        {
            "run": name,
            "PSNR [dB]": _numbers(table["psnr"], "{:.2f}", best=True),
            "SSIM": _numbers(table["ssim"], "{:.4f}", best=True),
            **{name: _numbers(table[name], "{:.4f}", True, lowest=True) for name in board.extras},
            "gain [dB]": _numbers(table["gain_db"], "{:+.2f}"),
            "s/image": _numbers(table["runtime_per_image_s"], "{:.3g}"),
            "params": table["parameters"].map(_count),
            "device": table["device"].map(lambda device: device or UNKNOWN),
        }
    )


def sequence_columns(board: Board, runs: int) -> pd.DataFrame:
    """Put a sequence in each row, one of the best `runs` in each column, `*` at each row's best."""
    columns = [SEQUENCE_PREFIX + sequence for sequence in board.sequences]
    values = board.table[["run", *columns]].head(runs).set_index("run")
    marked = {
        name[len(SEQUENCE_PREFIX) :]: _numbers(values[name], "{:.2f}", True) for name in columns
    }
    return pd.DataFrame(marked).T.rename_axis("sequence").reset_index()


def _title(board: Board) -> str:
    counts = " or ".join(str(count) for count in sorted(set(board.table["frames"])))
    of_data = f" (data {board.data})" if board.data else ""
    place = f"{board.challenge} / {board.split}{of_data}"
    return f"{place}: {counts} frames, profile {board.profile}"


def _numbers(column: pd.Series, style: str, best: bool = False, lowest: bool = False) -> pd.Series:
    """Write numbers as text; with `best` the largest (or `lowest`) gets a `*`, equal ones too."""
    top = None
    if best and column.notna().sum() > 1:
        top = column.min() if lowest else column.max()

    def text(value: float) -> str:
        number = UNKNOWN if math.isnan(value) else style.format(value)
        return number + ("*" if value == top else " " * best)

    return column.map(text)


def _count(parameters: object) -> str:
    """Shorten a number: 8470000 becomes 8.47 M."""
    if not isinstance(parameters, int):
        return UNKNOWN
    for size, unit in ((1_000_000, " M"), (1_000, " k")):
        if parameters >= size:
            return f"{parameters / size:.2f}{unit}"
    return str(parameters)


def _rich(columns: pd.DataFrame) -> Table:
    """Build a rich table: text to the left, folded where too long; numbers to the right, whole."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for position, header in enumerate(columns.columns):
        is_text = position == 0 or header == "device"
        justify: Literal["left", "right"] = "left" if is_text else "right"
        whole = header in NEVER_FOLDED or str(header).startswith("lpips_")
        table.add_column(Text(str(header)), justify=justify, overflow="fold", no_wrap=whole)
    for row in columns.itertuples(index=False):
        table.add_row(*(_marked(str(cell)) for cell in row))
    return table


def _marked(cell: str) -> Text:
    return Text(cell, style="bold" if cell.endswith("*") else "")


def _markdown_table(columns: pd.DataFrame) -> str:
    """Write a GitHub table; `|` in a name would end its cell."""
    safe = columns.map(lambda cell: str(cell).strip().replace("|", "\\|"))
    safe.columns = [str(name).replace("|", "\\|") for name in columns.columns]
    numeric = ["left", *["right"] * (len(safe.columns) - 1)]
    return safe.to_markdown(index=False, disable_numparse=True, colalign=numeric)
