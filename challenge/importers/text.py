"""Events in a text: a row for each, `t x y p` as the Event Camera Dataset has it, or named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from challenge.errors import DataError
from challenge.importers.columns import Layout, choose_order, choose_unit, find_names, make_events
from challenge.importers.recording import BLOCK, Part, Recording

LOOKED_AT = 1 << 16
"""Rows from which the order of the columns and the unit of time are told."""


def read_text(path: Path, layout: Layout) -> Recording:
    """Open a .csv or .txt: commas, semicolons, tabs or blanks; with or without names on top; lines
    that begin with # are passed over.

    Raises:
        DataError: not four columns of numbers.
    """
    options = _options(path)
    first = next(_tables(path, options, LOOKED_AT), None)
    if first is None:
        raise DataError(f"{path}: holds no row of numbers")
    if options["header"] is None:
        if first.shape[1] != 4:
            raise DataError(f"{path}: expected 4 columns, found {first.shape[1]}")
        order = choose_order(path, _numbers(path, first), layout)
        names: dict[str, Any] = {key: i for i, key in enumerate(order)}
    else:
        found = find_names(map(str, first.columns))
        if found is None:
            head = ", ".join(map(str, first.columns))
            raise DataError(f"{path}: expected columns x, y, t, p, its first line names {head}")
        names = {**found}
    unit, note = choose_unit(_numbers(path, first[names["t"]]), layout)

    def parts() -> Iterator[Part]:
        for table in _tables(path, options, BLOCK):
            columns = {key: table[name].to_numpy() for key, name in names.items()}
            yield make_events(path, columns, unit, layout.swap_xy)

    return Recording(path, "text", parts, notes=(note,))


def _options(path: Path) -> dict[str, Any]:
    """Tell by the first lines how the columns are parted, and whether names stand above them."""
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        lines = (line for line in (file.readline(1000) for _ in range(200)) if line.strip())
        first = next((line.strip() for line in lines if not line.startswith("#")), "")
    if not first or "\0" in first or "\ufffd" in first:
        raise DataError(f"{path}: expected rows of text, `t x y p`, found something else")
    separator = next((each for each in ",;\t" if each in first), r"\s+")
    numbers = all(_is_number(each) for each in first.replace(",", " ").replace(";", " ").split())
    return {"sep": separator, "header": None if numbers else 0, "encoding": "utf-8-sig"}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numbers(path: Path, table: Any) -> np.ndarray:
    """Return a table's values, which have to be numbers."""
    values = np.asarray(table.to_numpy())
    if values.dtype.kind not in "iufb":
        raise DataError(f"{path}: expected rows of numbers, found text among them")
    return values


def _tables(path: Path, options: dict[str, Any], rows: int) -> Iterator[Any]:
    import pandas as pd

    try:
        with pd.read_csv(path, comment="#", chunksize=rows, **options) as reader:
            for table in reader:
                yield table.rename(
                    columns=lambda name: name.strip() if isinstance(name, str) else name
                )
    except (ValueError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(f"{path}: not rows of numbers ({' '.join(str(error).split())})") from error


def numbers_in(path: Path) -> np.ndarray:
    """Read a small text of rows, as it stands: (rows, columns) of texts.

    Raises:
        DataError: the rows have several lengths, or there is none.
    """
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    rows = [line.replace(",", " ").replace(";", " ").split() for line in lines]
    if not rows or len({len(row) for row in rows}) != 1:
        raise DataError(f"{path}: expected rows of one length, found {len(rows)} of several")
    return np.array(rows, dtype=str)
