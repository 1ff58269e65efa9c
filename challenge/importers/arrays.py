"""Events in numpy's files: npz with x, y, t, p under any of their usual names, or (N, 4) arrays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from challenge.datasets.npz import npz_keys, read_npz
from challenge.errors import DataError
from challenge.importers.columns import Layout, choose_order, choose_unit, find_names, make_events
from challenge.importers.recording import BLOCK, Part, Recording, foreign

TABLES = ("events", "event", "arr_0", "data")


def read_arrays(path: Path, layout: Layout) -> Recording:
    """Open a .npz or a .npy; the arrays are read whole, as NumPy's files have to be.

    Raises:
        DataError: damaged, or none of the known layouts.
    """
    columns = _columns(path, layout)
    unit, note = choose_unit(columns["t"], layout)

    def parts() -> Iterator[Part]:
        total = max(len(values) for values in columns.values())
        if any(len(values) != total for values in columns.values()):
            make_events(path, columns, unit, layout.swap_xy)  # says so
        for start in range(0, total, BLOCK):
            block = {key: values[start : start + BLOCK] for key, values in columns.items()}
            yield make_events(path, block, unit, layout.swap_xy)

    return Recording(path, path.suffix[1:], parts, notes=(note,))


def _columns(path: Path, layout: Layout) -> dict[str, np.ndarray]:
    """Find x, y, t, p in the file."""
    if path.suffix == ".npy":
        names: dict[str, str] | None = None
        table = _load_npy(path)
    else:
        keys = npz_keys(path)
        names = find_names(keys)
        if names is not None:
            arrays = read_npz(path, *names.values())
            return {key: arrays[name].reshape(-1) for key, name in names.items()}
        tables = [key for key in keys if key.lower() in TABLES]
        if not tables:
            raise DataError(
                f"{path}: expected arrays x, y, t, p (or xs, …; timestamp; polarity), or events of "
                f"(N, 4), found {', '.join(keys) or 'nothing'}"
            )
        table = read_npz(path, tables[0])[tables[0]]
    if table.dtype.names:
        names = find_names(table.dtype.names)
        if names is None:
            raise DataError(f"{path}: expected fields x, y, t, p, found {table.dtype.names}")
        return {key: table[name].reshape(-1) for key, name in names.items()}
    if table.ndim != 2 or 4 not in table.shape:
        raise DataError(f"{path}: expected events of (N, 4), found {table.shape}")
    rows = table if table.shape[1] == 4 else table.T
    order = choose_order(path, rows, layout)
    return {key: rows[:, i] for i, key in enumerate(order)}


def _load_npy(path: Path) -> np.ndarray:
    with foreign(path):
        return np.asarray(np.load(path, mmap_mode="r"))
