"""Events as four plain arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from challenge.errors import DataError

BLOCK = 1 << 15
"""Events that are looked at together: what is made of them in between stays in the cache."""


@dataclass(frozen=True)
class Events:
    """What an event camera saw: pixel, time and sign of each change of brightness.

    x, y: (N,) integer column and row in pixels. t: (N,) in microseconds, ascending, on any clock of
    any real type. p: (N,) 1 where it became brighter, 0 (or -1 as some files have it) where it
    became darker.

    Raises:
        DataError: the arrays differ in length or are not one-dimensional.

    >>> events = Events(x=[4, 5], y=[0, 2], t=[10, 25], p=[1, 0])
    >>> len(events), events.sign.tolist()
    (2, [1.0, -1.0])
    """

    x: np.ndarray
    y: np.ndarray
    t: np.ndarray
    p: np.ndarray

    def __post_init__(self) -> None:
        for name in "xytp":
            object.__setattr__(self, name, np.asarray(getattr(self, name)))
        shapes = {name: np.shape(getattr(self, name)) for name in "xytp"}
        if len(set(shapes.values())) != 1 or len(shapes["x"]) != 1:
            raise DataError(f"events: expected four (N,) arrays of one length, found {shapes}")

    def __len__(self) -> int:
        return len(self.t)

    @property
    def sign(self) -> np.ndarray:
        """(N,) float64: +1 where it became brighter, -1 where it became darker."""
        return np.where(np.asarray(self.p) > 0, 1.0, -1.0)

    def select(self, chosen: np.ndarray | slice) -> Events:
        """Keep the events that an index array, a boolean mask of (N,) or a slice names."""
        return Events(**{name: getattr(self, name)[chosen] for name in "xytp"})

    @classmethod
    def empty(cls) -> Events:
        """Make a recording without events."""
        none = np.zeros(0, np.int64)
        return cls(x=none, y=none, t=none, p=none)

    @classmethod
    def concatenate(cls, parts: Sequence[Events]) -> Events:
        """Join parts, one after the other."""
        if not parts:
            return cls.empty()
        return cls(
            **{name: np.concatenate([getattr(part, name) for part in parts]) for name in "xytp"}
        )


def widened(t: np.ndarray) -> np.ndarray:
    """Copy (N,) stamps of any real type into one in which differences are exact.

    Unsigned clocks hold no negative difference, signed ones none over half their span, float32 none
    of unix microseconds: so integers become uint64, in which every difference of two stamps in
    order is exact (modulo 2**64), and floats have at least 64 bits.
    """
    floats = t.dtype.kind == "f"
    return t.astype(np.promote_types(t.dtype, np.float64) if floats else np.uint64)


def elapsed(t: np.ndarray, first: Any) -> np.ndarray:
    """Count time from `first`, whatever the clock's type and however far it runs (`widened`).

    Args:
        t: (N,) of any real type, none before `first`. Not modified.
        first: on the same clock.

    Returns:
        (N,) float64, the differences, each rounded once.

    >>> elapsed(np.array([-30_000, 30_000], np.int16), np.int16(-30_000)).tolist()
    [0.0, 60000.0]
    """
    wide = widened(t)
    wide -= widened(np.asarray(first, t.dtype))
    return wide.astype(np.float64, copy=False)


def polarity_problems(p: np.ndarray) -> list[str]:
    """Say what is wrong with (N,) polarities: each has to be 1 (brighter), or 0 or -1 (darker)."""
    strange = p[(p != 0) & (p != 1) & (p != -1)]
    if not len(strange):
        return []
    more = f" and {len(strange) - 1} more" if len(strange) > 1 else ""
    return [
        f"polarity: expected 1 where it became brighter, 0 or -1 where it became darker, "
        f"found {strange[0]}{more}"
    ]


def crop(events: Events, top: int, left: int, height: int, width: int) -> Events:
    """Keep the events inside a window of the sensor, and count x and y from its corner.

    Args:
        events: of the whole sensor. Not modified.
        top, left: first row and column of the window, in pixels.
        height, width: of the window, in pixels.

    Returns:
        The events with left <= x < left + width and top <= y < top + height in their order, moved
        to 0 <= x < width and 0 <= y < height; t and p as they were.

    >>> inside = crop(Events(x=[4, 5], y=[0, 2], t=[10, 25], p=[1, 0]), 1, 3, height=2, width=4)
    >>> inside.x.tolist(), inside.y.tolist(), inside.t.tolist()
    ([2], [1], [25])
    """
    x, y = events.x, events.y
    inside_x = (x >= left) & (x < left + width)
    inside_y = (y >= top) & (y < top + height)
    inside = events.select(np.flatnonzero(inside_x & inside_y))  # quicker than by the mask
    return Events(x=inside.x - left, y=inside.y - top, t=inside.t, p=inside.p)


def check_on_sensor(events: Events, height: int, width: int) -> None:
    """Refuse what no sensor of (height, width) pixels can have seen.

    Args:
        events: x and y in pixels, t on any clock. Not modified.
        height, width: sensor size in pixels.

    Raises:
        DataError: an event lies off the sensor, time runs backwards, or a polarity is none.
    """
    for _ in checked_blocks(events, height, width):
        pass


def checked_blocks(events: Events, height: int, width: int) -> Iterator[Events]:
    """Hand out the events in blocks of BLOCK, each looked at as `check_on_sensor` does.

    Yields:
        At least one event each, in their order; views.

    Raises:
        DataError: see `check_on_sensor`; it names what is wrong anywhere in the events.
    """
    for start in range(0, len(events), BLOCK):
        block = events.select(slice(start, start + BLOCK))
        stamps = events.t[max(start - 1, 0) : start + BLOCK]  # with the last one before them
        if not _fits(block, height, width) or np.any(stamps[1:] < stamps[:-1]):
            raise DataError(
                f"events do not fit a sensor of {width}x{height} (width x height)",
                _problems(events, height, width),
            )
        yield block


def _fits(events: Events, height: int, width: int) -> bool:
    """Whether each event by itself may be one of that sensor. NaN fits nothing."""
    t, p = events.t, events.p
    return bool(
        _lies_below(events.x, width)
        and _lies_below(events.y, height)
        and (t.dtype.kind != "f" or np.isfinite(t).all())
        and (p.dtype.kind == "b" or (p.min() >= -1 and p.max() <= 1))
        and (p.dtype.kind != "f" or not polarity_problems(p))
    )


def _lies_below(values: np.ndarray, size: int) -> bool:
    """Whether all lie in 0 … size - 1."""
    if values.dtype.kind == "i":  # one pass: read as unsigned, the negative are large
        values = values.view(values.dtype.str.replace("i", "u"))
    return bool(values.max() < size) and (values.dtype.kind != "f" or bool(values.min() >= 0))


def _problems(events: Events, height: int, width: int) -> list[str]:
    """Say all that is wrong with events of that sensor."""
    problems = []
    for name, size in (("x", width), ("y", height)):
        values = getattr(events, name)
        low, high = values.min(), values.max()
        if not (low >= 0 and high < size):  # NaN is off the sensor too
            problems.append(f"{name} from {low} to {high}, expected 0 to {size - 1}")
    if problems and events.x.max() < height and events.y.max() < width:
        problems.append("x and y seem to be swapped")
    if not np.isfinite(events.t).all():
        problems.append("t: expected finite numbers, found NaN or infinity")
    if np.any(events.t[1:] < events.t[:-1]):
        problems.append("time runs backwards: sort the events by t")
    return problems + polarity_problems(events.p)
