"""Events as columns of numbers, under whatever names and in whatever unit of time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from challenge.errors import ConfigError, DataError
from challenge.events import Events, polarity_problems
from challenge.importers.recording import as_events

NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "x": ("x", "xs", "x_pos", "col"),
        "y": ("y", "ys", "y_pos", "row"),
        "t": ("t", "ts", "timestamp", "timestamps", "time", "times"),
        "p": ("p", "ps", "pol", "polarity", "polarities", "on"),
    }
)
UNITS: Mapping[str, float] = MappingProxyType({"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3})
"""Microseconds in each."""
WORDS = MappingProxyType({"s": "seconds", "ms": "milliseconds", "us": "microseconds"})
LEAST_UNIX_NS = 10**17
"""In microseconds this would be the year 5138."""
MOST_PIXELS = 1 << 16
ORDERS = ("txyp", "xytp")


@dataclass(frozen=True)
class Layout:
    """How the user says that columns are to be read; None: to be found out."""

    unit: str | None = None  # one of UNITS
    columns: str | None = None  # one of ORDERS
    swap_xy: bool = False


def find_names(names: Iterable[str]) -> dict[str, str] | None:
    """Find which of the names are x, y, t and p; None if one of the four is not there."""
    lower = {name.lower().strip(): name for name in names}
    found = {
        key: lower[known]
        for key, all_known in NAMES.items()
        for known in reversed(all_known)
        if known in lower
    }
    return found if len(found) == 4 else None


def choose_unit(t: np.ndarray, layout: Layout) -> tuple[str, str]:
    """Decide the unit of time: the one that was given; else seconds where there are fractions,
    nanoseconds where the numbers would be no date in microseconds, else microseconds.

    Returns:
        One of `UNITS`, and a sentence for people.
    """
    if layout.unit is not None:
        return layout.unit, f"time is read in {WORDS.get(layout.unit, 'nanoseconds')}, as was asked"
    finite = t[np.isfinite(t)]
    if finite.dtype.kind == "f" and np.any(finite != np.trunc(finite)):
        unit, why = "s", "the numbers have fractions"
    elif len(finite) and finite.max() >= LEAST_UNIX_NS:
        unit, why = "ns", "no date in microseconds is so large"
    else:
        unit, why = "us", "the numbers are whole"
    return unit, (
        f"time is taken for {WORDS.get(unit, 'nanoseconds')}, since {why} "
        "(--time-unit says otherwise)"
    )


def to_us(t: np.ndarray, unit: str) -> np.ndarray:
    """Convert to int64 microseconds, rounded."""
    if t.dtype.kind in "iu":
        wide = t.astype(np.int64)
        return wide // 1000 if unit == "ns" else wide * int(UNITS[unit])
    return np.asarray(np.rint(t.astype(np.float64) * UNITS[unit]).astype(np.int64))


def choose_order(path: Path, rows: np.ndarray, layout: Layout) -> str:
    """Decide what the four columns of (N, 4) numbers are: "txyp" or "xytp".

    Time never falls (or seldom), places do so all the time; polarity comes last.

    Raises:
        DataError: the numbers do not tell.
    """
    if layout.columns is not None:
        return layout.columns
    falls = [int(np.count_nonzero(np.diff(rows[:, i]) < 0)) for i in (0, 2)]
    if falls[0] != falls[1]:
        return ORDERS[int(falls[1] < falls[0])]
    raise DataError(
        f"{path}: the order of its columns cannot be told from the numbers; say it: "
        "--columns txyp, or --columns xytp"
    )


def check_layout(layout: Layout) -> None:
    """Refuse what is not known.

    Raises:
        ConfigError: another unit or order.
    """
    for option, value, known in (
        ("--time-unit", layout.unit, tuple(UNITS)),
        ("--columns", layout.columns, ORDERS),
    ):
        if value is not None and value not in known:
            raise ConfigError(f"{option} {value}: expected one of {', '.join(known)}")


def make_events(path: Path, columns: Mapping[str, np.ndarray], unit: str, swap_xy: bool) -> Events:
    """Make events of four (N,) or (N, 1) columns.

    Raises:
        DataError: other lengths, or values that are no pixels, times or polarities.
    """
    flat = {key: np.asarray(values).reshape(-1) for key, values in columns.items()}
    lengths = {key: len(values) for key, values in flat.items()}
    if len(set(lengths.values())) != 1:
        raise DataError(f"{path}: expected arrays of one length, found {lengths}")
    for key, values in flat.items():
        if values.dtype.kind not in "iufb" or not np.isfinite(values).all():
            raise DataError(f"{path}: {key}: expected finite numbers, found {values.dtype}")
    for key in ("x", "y"):
        values = flat[key]
        low, high = values.min(initial=0), values.max(initial=0)
        if low < 0 or high >= MOST_PIXELS:
            raise DataError(f"{path}: {key}: expected pixels, found {low} to {high}")
        if values.dtype.kind == "f" and np.any(between := values != np.trunc(values)):
            raise DataError(
                f"{path}: {key}: expected pixels, whole numbers, found {values[between][0]}; "
                "events that were undistorted belong back on the sensor's pixels first"
            )
    for problem in polarity_problems(flat["p"]):
        raise DataError(f"{path}: {problem}")
    x, y = (flat["y"], flat["x"]) if swap_xy else (flat["x"], flat["y"])
    return as_events(x, y, to_us(flat["t"], unit), flat["p"])
