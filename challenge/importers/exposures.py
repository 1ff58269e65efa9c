"""When each frame was exposed: as its file says, as a table says, or by rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from types import MappingProxyType

import numpy as np

from challenge.errors import ConfigError, DataError
from challenge.importers.columns import Layout, choose_unit, to_us
from challenge.importers.text import numbers_in

MARKS = MappingProxyType({"start": 0.0, "middle": 0.5, "end": 1.0})
"""What a frame's stamp marks of its exposure, as a share of it."""


@dataclass(frozen=True)
class Taken:
    """What is known of when a frame was taken, in microseconds on the clock of the events.

    number: its place among the frames, from 0.
    """

    number: int
    stamp_us: int
    start_us: int | None = None
    end_us: int | None = None


@dataclass(frozen=True)
class Exposure:
    """The exposure of one frame: start_us <= t < end_us."""

    number: int
    start_us: int
    end_us: int


@dataclass(frozen=True)
class Timing:
    """What the user says about exposures; None: not said.

    mark: what a stamp marks, one of `MARKS`. fps: frames in a second, the first of which begins
    `start_ms` after the first event.
    """

    exposure_ms: float | None = None
    mark: str | None = None
    fps: float | None = None
    start_ms: float | None = None
    table: Path | None = None

    def check(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            ConfigError: all of it.
        """
        problems = [
            f"--{name} {value:g}: expected more than 0"
            for name, value in (("exposure-ms", self.exposure_ms), ("fps", self.fps))
            if value is not None and not value > 0
        ]
        if self.mark is not None and self.mark not in MARKS:
            problems.append(f"--stamp {self.mark}: expected one of {', '.join(MARKS)}")
        if self.table is not None and self.fps is not None:
            problems.append("--exposures and --fps both say when frames were taken: give one")
        if self.start_ms is not None and self.fps is None:
            problems.append("--start-ms says when the first frame of --fps begins: give that too")
        if problems:
            raise ConfigError("the exposures cannot be told", problems)


def by_rate(count: int, first_us: int, timing: Timing) -> list[Taken]:
    """Take frames at equal distances, from the first event on."""
    assert timing.fps is not None
    begin = first_us + 1000 * (timing.start_ms or 0)
    return [Taken(i, round(begin + i * 1e6 / timing.fps)) for i in range(count)]


def by_table(path: Path, names: Sequence[str], layout: Layout) -> tuple[list[Taken], str]:
    """Read a table: `NAME START END`, `INDEX START END`, `START END`, or `STAMP NAME` and `NAME
    STAMP`; with or without names on top. Frames that it does not name have no time.

    Args:
        path: the table.
        names: of the frames, in their order.
        layout: the unit of time, if it was said.

    Returns:
        The frames in their order, and how the unit of time was decided.

    Raises:
        DataError: another table, or a name that no frame has.
    """
    rows = numbers_in(path)
    if len(rows) > 1 and not any(_is_number(cell) for cell in rows[0]):
        rows = rows[1:]
    text = [i for i in range(rows.shape[1]) if not all(map(_is_number, rows[:, i]))]
    numeric = [i for i in range(rows.shape[1]) if i not in text]
    if len(text) > 1 or not 1 <= len(numeric) <= 3 - len(text) or rows.shape[1] < 2:
        raise DataError(
            f"{path}: expected rows such as `NAME START END`, `INDEX START END`, `START END` or "
            f"`STAMP NAME`, found {' '.join(rows[0])}"
        )
    values = rows[:, numeric].astype(np.float64)
    if len(numeric) == 3:
        places, values = [int(i) for i in values[:, 0]], values[:, 1:]
    elif text:
        places = _places(path, rows[:, text[0]], names)
    else:
        places = list(range(len(rows)))
    unit, note = choose_unit(values, layout)
    times = to_us(values, unit)
    if outside := [place for place in places if not 0 <= place < len(names)]:
        raise DataError(f"{path}: names frame {outside[0]}, there are {len(names)}, from 0 on")
    backwards = times[:, -1] < times[:, 0]
    if np.any(backwards):
        raise DataError(f"{path}: an exposure ends before it begins: {rows[backwards][0]}")
    taken = [
        Taken(place, int(row.mean()), int(row[0]), int(row[1]))
        if len(row) == 2
        else Taken(place, int(row[0]))
        for place, row in zip(places, times, strict=True)
    ]
    return sorted(taken, key=lambda each: each.number), f"{path.name}: {note}"


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def _places(path: Path, given: np.ndarray, names: Sequence[str]) -> list[int]:
    """Find the frames that a table names, with or without folder and suffix."""
    known = {PurePath(name).stem: place for place, name in enumerate(names)}
    stems = [PurePath(name).stem for name in given]
    if strange := [name for name, stem in zip(given, stems, strict=True) if stem not in known]:
        some = ", ".join(list(names)[:3]) or "none"
        raise DataError(
            f"{path}: names {len(strange)} frames that are not there, first {strange[0]}; "
            f"there are {some}, …"
        )
    return [known[stem] for stem in stems]


def windows_of(taken: Sequence[Taken], timing: Timing) -> tuple[list[Exposure], list[str]]:
    """Decide the exposures: those that are known; else by --exposure-ms, else the whole interval
    from frame to frame.

    Returns:
        The windows in the order of the frames, and what had to be decided, for people.

    Raises:
        DataError: nothing tells.
    """
    known = [
        Exposure(each.number, each.start_us, each.end_us)
        for each in taken
        if each.start_us is not None and each.end_us is not None and each.end_us > each.start_us
    ]
    if known and timing.exposure_ms is None:
        without = len(taken) - len(known)
        return known, [f"{without} frames without exposure are left out"] if without else []
    mark = timing.mark or ("start" if timing.fps else "middle")
    if timing.exposure_ms is not None:
        length_us = 1000 * timing.exposure_ms
        note = "as --exposure-ms says" + (", not as the file does" if known else "")
    else:
        stamps = np.array([each.stamp_us for each in taken])
        steps = np.diff(stamps)
        if not len(steps) or np.median(steps) <= 0:
            raise DataError(
                "nothing says how long the frames were exposed: the file does not, and there is no "
                "interval between their stamps to go by (is it the unit of time, --time-unit?); "
                "give --exposure-ms, or --exposures TABLE"
            )
        length_us = float(np.median(steps))
        note = (
            "no exposure is known: the whole interval from frame to frame is taken for it "
            "(--exposure-ms says otherwise)"
        )
    begin = -MARKS[mark] * length_us
    windows = [
        Exposure(
            each.number, round(each.stamp_us + begin), round(each.stamp_us + begin + length_us)
        )
        for each in taken
    ]
    return windows, [f"exposures: {note}; a frame's time is the {mark} of it (--stamp)"]
