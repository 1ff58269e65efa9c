"""Sort a stream of events into exposures, and write each as HighREV has it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from challenge.events import Events
from challenge.importers.exposures import Exposure

SLICES = 10
"""Equal parts of an exposure; one more as long follows it, or a shorter one where the next
exposure begins earlier.
"""


@dataclass
class Slicer:
    """Takes blocks of events in the order of the file, hands out each exposure once it is whole.

    Only the events of exposures that are not over yet are kept in memory.

    Attributes:
        windows: by start_us; they may overlap.
        late_us: so much later than its turn an event may come (0: sorted by time).
        write: called once for each window with its `SLICES` + 1 slices, each sorted by time.
    """

    windows: Sequence[Exposure]
    late_us: int
    write: Callable[[Exposure, list[Events]], None]
    total: int = 0
    inside: int = 0
    without: int = 0  # exposures without any event
    _open: dict[int, list[Events]] = field(default_factory=dict)
    _next: int = 0
    _newest: int | None = None

    def __post_init__(self) -> None:
        edges = np.array([(each.start_us, each.end_us) for each in self.windows], np.int64)
        self._starts = np.sort(edges[:, 0])
        self._ends = np.sort(edges[:, 1])
        tenth = -(-(edges[:, 1] - edges[:, 0]) // SLICES)
        following = np.append(self._starts, np.iinfo(np.int64).max)
        following = following[np.searchsorted(self._starts, edges[:, 1])]
        self._last = np.minimum(edges[:, 1] + tenth, following)

    def add(self, events: Events) -> None:
        """Take the next block."""
        if not len(events):
            return
        if np.any(events.t[1:] < events.t[:-1]):
            events = events.select(np.argsort(events.t, kind="stable"))
        t = events.t
        begun = np.searchsorted(self._starts, t, "right")
        ended = np.searchsorted(self._ends, t, "right")
        self.total += len(t)
        self.inside += int(np.count_nonzero(begun > ended))
        newest = int(t[-1])
        while self._next < len(self.windows) and self.windows[self._next].start_us <= newest:
            self._open[self._next] = []
            self._next += 1
        for place, kept in self._open.items():
            window = self.windows[place]
            low, high = np.searchsorted(t, (window.start_us, self._last[place]))
            if high > low:
                kept.append(events.select(np.arange(low, high)))
        self._newest = max(newest, self._newest or newest)
        self._close(self._newest - self.late_us)

    def finish(self) -> None:
        """Hand out all that is left."""
        for place in range(self._next, len(self.windows)):
            self._open[place] = []
        self._next = len(self.windows)
        self._close(None)

    def _close(self, before_us: int | None) -> None:
        """Hand out the exposures into which no later event can fall; None: all."""
        for place in list(self._open):
            window = self.windows[place]
            if before_us is None or self._last[place] <= before_us:
                slices = cut(Events.concatenate(self._open.pop(place)), window)
                self.without += not any(len(each) for each in slices[:SLICES])
                self.write(window, slices)


def cut(events: Events, window: Exposure) -> list[Events]:
    """Cut the events of an exposure, in any order, into its slices and the one after it.

    Slice k holds k <= SLICES * (t - start) / (end - start) < k + 1, in order of time.
    """
    events = events.select(np.argsort(events.t, kind="stable"))
    length = window.end_us - window.start_us
    number = (events.t - window.start_us) * SLICES // length
    edges = np.searchsorted(number, np.arange(SLICES + 2))
    return [events.select(np.arange(*edge)) for edge in zip(edges, edges[1:], strict=False)]
