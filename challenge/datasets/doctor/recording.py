"""What is wrong with the events of one frame, slice by slice and together."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from challenge.datasets.doctor.alignment import Cells, EventSums
from challenge.datasets.highrev import MOST_BYTES
from challenge.datasets.npz import read_npz
from challenge.errors import DataError
from challenge.events import elapsed, polarity_problems
from challenge.findings import Finding

KEYS = ("x", "y", "timestamp", "polarity")
SAMPLED = 2000
MANY = 200
"""Events; of so many that are right, some became brighter and some darker."""
FINEST_FLOAT32 = 1 << 24
"""Beyond this, float32 no longer tells whole numbers apart."""
COARSE = 32
"""Time stamps in an exposure: with fewer, several time bins of a grid hold the same moment."""


@dataclass(frozen=True)
class Slice:
    """One slice's arrays, flat, as they lie on disk; HighREV has the column in `y`."""

    name: str
    row: np.ndarray
    column: np.ndarray
    t: np.ndarray
    p: np.ndarray
    sound: bool = True  # nothing is wrong with the values: they can be computed with
    swapped: bool = True  # on disk

    def __len__(self) -> int:
        return len(self.t)

    @property
    def key(self) -> tuple[int, ...]:
        """Tell apart what two slices hold, by a sample of their events."""
        step = max(len(self) // SAMPLED, 1)
        sample = (np.ascontiguousarray(each[::step]) for each in (self.row, self.column, self.t))
        return (len(self), *(zlib.crc32(each.data) for each in sample))


@dataclass(frozen=True)
class Recording:
    """The events of one frame, as they were found.

    Attributes:
        number: events of the exposure.
        span: first and last stamp of the exposure; None without events.
        stamps: how many different stamps there are, and how many a cast to float32 would leave.
        keys: what each slice that is not empty holds, with its name.
        sums: for the alignment; None where something is wrong.
    """

    findings: tuple[Finding, ...]
    number: int = 0
    span: tuple[Any, Any] | None = None
    stamps: tuple[int, int] = (0, 0)
    clock: str = ""
    keys: tuple[tuple[tuple[int, ...], str], ...] = ()
    sums: EventSums | None = None

    @property
    def duration(self) -> float:
        """Of the exposure, as far as its events tell, in units of the clock."""
        if self.span is None:
            return 0.0
        return float(elapsed(np.asarray(self.span[1:]), self.span[0])[0])


def look_at_events(
    paths: Sequence[Path], names: Sequence[str], size: tuple[int, int] | None
) -> Recording:
    """Read the slices of a frame, and find all that is wrong with them.

    Args:
        paths: in the order of their numbers; the last lies outside the exposure.
        names: of each, for the findings.
        size: (width, height) of the sensor in pixels; None if the frame cannot be read.
    """
    findings: list[Finding] = []
    slices: list[Slice] = []
    for path, name in zip(paths, names, strict=True):
        read, wrong = _look_at_slice(path, name, size)
        findings += wrong
        if read is not None:
            slices.append(read)
    frame = names[0].rpartition("_")[0] + "_*.npz" if names else ""
    return judge_slices(frame, slices, size, findings, complete=len(slices) == len(paths))


def judge_slices(
    frame: str,
    slices: Sequence[Slice],
    size: tuple[int, int] | None,
    findings: list[Finding],
    complete: bool,
) -> Recording:
    """Judge the slices of a frame together, the last of which lies outside the exposure.

    Args:
        frame: what its findings are called by.
        size: (width, height) of the sensor in pixels; None if the frame cannot be read.
        findings: those about single slices.
        complete: every slice could be read.
    """
    findings = [*findings, *_order(slices)]
    inside = slices[:-1] if complete else slices
    whole = [each for each in inside if len(each)]
    number = sum(len(each) for each in whole)
    if slices and not number and not findings:
        fix = "legal where nothing moved; nothing can be learnt of the blur here"
        findings.append(Finding("empty", frame, "events", "none", fix, "warning"))
    on = sum(int(np.count_nonzero(each.p > 0)) for each in whole)
    if number >= MANY and on in (0, number):
        found = f"{'ON' if on else 'OFF'} alone in {number:,} events"
        fix = "convert the events again: was polarity cast to a type without -1, or lost?"
        findings.append(Finding("polarity", frame, "events of both signs", found, fix))
    sound = all(each.sound for each in slices) and complete and not findings
    sums = _sums(slices, size) if sound and number and size else None
    known = [each for each in whole if each.sound]
    span = (known[0].t[0], known[-1].t[-1]) if known else None
    stamps, clock = _stamps(known)
    keys = tuple((each.key, each.name) for each in slices if len(each))
    return Recording(tuple(_merged(findings)), number, span, stamps, clock, keys, sums)


def _look_at_slice(
    path: Path, name: str, size: tuple[int, int] | None
) -> tuple[Slice | None, list[Finding]]:
    try:
        arrays = read_npz(path, *KEYS, most=MOST_BYTES)
    except DataError as error:
        found = str(error).removeprefix(f"{path}: ")
        if isinstance(error.__cause__, KeyError):
            fix = "rename its arrays, or convert it again"
            return None, [
                Finding("keys", name, f"keys {', '.join(KEYS)}", found.rpartition("; ")[2], fix)
            ]
        found = found.removeprefix("not a readable npz ").rpartition("; ")[0].strip("()")
        return None, [Finding("damaged", name, "a readable npz", found, "copy or unpack it again")]
    findings = list(_shapes(name, arrays))
    flat = {key: values.reshape(-1) for key, values in arrays.items()}
    if any(finding.level == "error" for finding in findings):
        return None, findings
    read = Slice(name, flat["x"], flat["y"], flat["timestamp"], flat["polarity"])
    findings += value_problems(read, size)
    return dataclasses.replace(read, sound=not findings), findings


def _shapes(name: str, arrays: dict[str, np.ndarray]) -> Iterator[Finding]:
    """Find arrays of another type, shape or length."""
    for key, values in arrays.items():
        if values.dtype.kind not in "iufb":
            fix = "store it as integers"
            yield Finding("dtype", name, f"{key}: real numbers", str(values.dtype), fix)
        if values.ndim > 2 or values.ndim == 0 or (values.ndim == 2 and 1 not in values.shape):
            yield Finding(
                "shape", name, f"{key}: (N,) or (N, 1)", str(values.shape), "store it flat"
            )
    lengths = {key: values.size for key, values in arrays.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{key} {length}" for key, length in lengths.items())
        yield Finding("shape", name, "arrays of one length", found, "convert it again")


def value_problems(read: Slice, size: tuple[int, int] | None) -> Iterator[Finding]:
    """Find values that no sensor can have reported."""
    if not len(read):
        return
    named = {"x": read.row, "y": read.column, "timestamp": read.t, "polarity": read.p}
    floats = {key: values for key, values in named.items() if values.dtype.kind == "f"}
    strange = [key for key, values in floats.items() if not np.isfinite(values).all()]
    for key in strange:
        number = int((~np.isfinite(floats[key])).sum())
        found = f"NaN or infinity in {number} of {len(read)}"
        yield Finding("values", read.name, f"{key}: finite numbers", found, "convert it again")
    for key in ("x", "y"):
        values = named[key]
        if key in floats and key not in strange and np.any(values != np.trunc(values)):
            found = f"{values[values != np.trunc(values)][0]}"
            fix = "round while converting, or store pixels that were not rectified"
            yield Finding("values", read.name, f"{key}: whole pixels", found, fix)
    if size and not strange:
        yield from _off_sensor(read, *size)
    integers = read.p.dtype.kind in "iub"
    if not (integers and read.p.min() >= -1 and read.p.max() <= 1) and "polarity" not in strange:
        for problem in polarity_problems(read.p):
            found = problem.rpartition("found ")[2]
            expected = "polarity: 1 (brighter), 0 or -1 (darker)"
            yield Finding("polarity", read.name, expected, found, "write it as one of these")
    back = 0 if "timestamp" in strange else int(np.count_nonzero(read.t[1:] < read.t[:-1]))
    if back:
        found = f"it runs backwards {back} time{'s' * (back != 1)}"
        fix = "sort the events of the slice by timestamp (the kit does, other loaders do not)"
        yield Finding("time", read.name, "ascending time", found, fix)


def _off_sensor(read: Slice, width: int, height: int) -> Iterator[Finding]:
    """Find coordinates off the sensor, and say whether swapping x and y would mend that."""
    rows = (read.row.min().item(), read.row.max().item())
    columns = (read.column.min().item(), read.column.max().item())
    if min(rows[0], columns[0]) >= 0 and rows[1] < height and columns[1] < width:
        return
    x, y = (
        ((rows, height), (columns, width)) if read.swapped else ((columns, width), (rows, height))
    )
    said = (" (the row)", " (the column)") if read.swapped else ("", "")
    expected = f"x{said[0]} 0 to {x[1] - 1} and y{said[1]} 0 to {y[1] - 1}"
    found = f"x {x[0][0]} to {x[0][1]}, y {y[0][0]} to {y[0][1]}"
    fix = "convert it again for the frames' sensor"
    if min(rows[0], columns[0]) >= 0 and columns[1] < height and rows[1] < width:
        fix = "swapping x and y would mend it"
        if read.swapped:
            fix += ": in this format x holds the row, y the column"
    yield Finding("off sensor", read.name, expected, found, fix)


def _order(slices: Sequence[Slice]) -> Iterator[Finding]:
    """Find slices that are there twice, or that begin before the one before has ended."""
    seen: dict[tuple[int, ...], str] = {}
    before: Slice | None = None
    for each in slices:
        if not len(each):
            continue
        if (first := seen.setdefault(each.key, each.name)) != each.name:
            expected, found = "other events than in any other slice", f"those of {first}"
            yield Finding("twice", each.name, expected, found, "unpack the events again")
        elif before is not None and each.sound and before.sound and each.t[0] < before.t[-1]:
            last, begins = before.t[-1].item(), each.t[0].item()
            backwards = each.t[-1] <= before.t[0]
            found = f"it {'lies before it' if backwards else 'begins before that'} ({begins})"
            expected = f"a start after the end of {before.name.rpartition('/')[2]} ({last})"
            fix = "slices have to follow each other in time: cut the recording again"
            yield Finding("time", each.name, expected, found, fix)
        before = each


def _stamps(slices: Sequence[Slice]) -> tuple[tuple[int, int], str]:
    """Count different time stamps, and those left in float32; and name the clock's type."""
    total = [0, 0]
    for each in slices:
        total[0] += 1 + int(np.count_nonzero(each.t[1:] != each.t[:-1]))
        if abs(float(each.t[-1])) < FINEST_FLOAT32 and each.t.dtype.kind != "f":
            total[1] = total[0]
            continue
        cast = each.t.astype(np.float32)
        total[1] += 1 + int(np.count_nonzero(cast[1:] != cast[:-1]))
    return (total[0], total[1]), str(slices[0].t.dtype) if slices else ""


def _sums(slices: Sequence[Slice], size: tuple[int, int]) -> EventSums | None:
    """Add up the signs of a frame in cells; slice by slice, so that memory stays small."""
    inside = [each for each in slices[:-1] if len(each)]
    first = inside[0].t[0]
    duration = float(elapsed(inside[-1].t[-1:], first)[0])
    if duration <= 0:
        return None
    cells = Cells.of(size[1], size[0])
    row_cell, column_cell = cells.tables()
    count = cells.shape[0] * cells.shape[1]

    def places(each: Slice) -> np.ndarray:
        place = row_cell[each.row.astype(np.int32)] + column_cell[each.column.astype(np.int32)]
        return np.asarray(np.minimum(place, count, out=place))

    def add(place: np.ndarray, weight: np.ndarray) -> np.ndarray:
        return np.bincount(place, weight, count + 1)[:-1].reshape(cells.shape)

    rising, total, late, end = (np.zeros(cells.shape) for _ in range(4))
    noise = 0.0
    for each in inside:
        place, sign = places(each), np.where(each.p > 0, 1.0, -1.0)
        s = elapsed(each.t, first) / duration
        middle = int(np.searchsorted(s, 0.5))
        early_sum, late_sum = add(place[:middle], sign[:middle]), add(place[middle:], sign[middle:])
        total += early_sum + late_sum
        late += late_sum
        noise += float((np.minimum(s, 1.0 - s) ** 2).sum())
        weighted = np.multiply(s, sign, out=s)
        end_sum = add(place[middle:], weighted[middle:])
        rising += add(place[:middle], weighted[:middle]) + end_sum
        end += end_sum - late_sum / 2
    after = slices[-1]
    between = add(places(after), np.where(after.p > 0, 1.0, -1.0))
    maps = (each.astype(np.float32) for each in (rising, total, late, end, between))
    return EventSums(noise, *maps)


def _merged(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Say once what is wrong in the same manner with several slices of the frame."""
    grouped: dict[tuple[str, str, str], list[Finding]] = {}
    for each in findings:
        grouped.setdefault((each.kind, each.expected, each.fix), []).append(each)
    for (kind, expected, fix), group in grouped.items():
        first = group[0]
        others = len(group) - 1
        more = f" (and {others} more slice{'s' * (others != 1)} of the frame)" if others else ""
        yield Finding(kind, first.file + more, expected, first.found, fix, first.level)
