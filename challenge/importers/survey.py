"""One walk through a recording: what has to be known before anything is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from tqdm import tqdm

from challenge.errors import DataError
from challenge.events import Events
from challenge.importers.exposures import Taken
from challenge.importers.recording import Frame, Part, Recording

PIXELS = 1 << 16
"""Columns and rows that 16 bits can name."""
ENOUGH = 100
"""So many events of one polarity are no chance."""


def _none() -> np.ndarray:
    return np.zeros(PIXELS, np.int64)


@dataclass
class Survey:
    """What a recording holds, without keeping any of it.

    late_us: how much earlier than one before it an event can be; 0 where they are sorted. columns,
    rows: events in each. sizes: (width, height) of the frames.
    """

    count: int = 0
    brighter: int = 0
    first_us: int = 0
    last_us: int = 0
    late_us: int = 0
    columns: np.ndarray = field(default_factory=_none)
    rows: np.ndarray = field(default_factory=_none)
    frames: list[Taken] = field(default_factory=list)
    sizes: set[tuple[int, int]] = field(default_factory=set)

    def add(self, part: Part) -> None:
        """Take the next part into account."""
        if isinstance(part, Frame):
            number = len(self.frames)
            self.frames.append(Taken(number, part.stamp_us, part.start_us, part.end_us))
            self.sizes.add(part.image.shape[1::-1])
        elif len(part):
            t = part.t
            first, last = int(t.min()), int(t.max())
            newest = np.maximum.accumulate(t)
            if self.count:
                newest = np.maximum(newest, self.last_us)
                first, last = min(first, self.first_us), max(last, self.last_us)
            self.late_us = max(self.late_us, int((newest - t).max()))
            self.first_us, self.last_us = first, last
            self.count += len(part)
            self.brighter += int(np.count_nonzero(part.p))
            for counts, values in ((self.columns, part.x), (self.rows, part.y)):
                found = np.bincount(values)
                counts[: len(found)] += found

    def outside(self, width: int, height: int) -> int:
        """Count the events that lie off a sensor; some twice, where both x and y do."""
        return int(self.columns[width:].sum() + self.rows[height:].sum())

    @property
    def last_column(self) -> int:
        """The largest x of any event."""
        return int(np.flatnonzero(self.columns)[-1])

    @property
    def last_row(self) -> int:
        """The largest y of any event."""
        return int(np.flatnonzero(self.rows)[-1])


def survey_of(recording: Recording) -> Survey:
    """Walk through a recording once.

    Raises:
        DataError: damaged, without events, or with events of one polarity alone.
    """
    survey = Survey()
    for part in progress(recording, "reading"):
        survey.add(part)
    if not survey.count:
        raise DataError(f"{recording.path}: holds no event")
    if survey.brighter in (0, survey.count) and survey.count > ENOUGH:
        one = "brighter" if survey.brighter else "darker"
        raise DataError(
            f"{recording.path}: all {survey.count} events say that it became {one}; "
            "no camera sees that: look at how the polarity was written"
        )
    return survey


def progress(recording: Recording, doing: str) -> Iterator[Part]:
    """Walk through a recording under a bar that counts its events."""
    with tqdm(desc=f"{doing} {recording.path.name}", unit=" events", unit_scale=True) as bar:
        for part in recording.parts():
            bar.update(len(part) if isinstance(part, Events) else 0)
            yield part
