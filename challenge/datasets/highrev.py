"""HighREV with raw events, as the challenge hands it out.

    HighREV/{train,val,test}/blur/SEQ_%05d.png         (H, W) 8-bit RGB
                             sharp/SEQ_%05d.png        the same names; absent in test
                             event/SEQ_%05d_%02d.npz   keys x, y, timestamp, polarity, each (N, 1)
                             or (N,)

Quirks, all handled here: x and y are swapped on disk (column = `y`, row = `x`); the last slice of a
frame lies outside the exposure and is dropped; polarity "off" is 0 or -1; macOS archives leave
`._*` files behind.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from challenge.datasets.frames import PngFrames, list_npzs, read_npz, refuse
from challenge.datasets.layout import event_folder
from challenge.errors import DataError
from challenge.events import Events, check_on_sensor, polarity_problems
from challenge.sample import Sample, Window

Columns = dict[str, np.ndarray]
"""The four arrays of a slice as they are on disk, each (N,): x, y, timestamp, polarity."""
MOST_BYTES = 1 << 30
"""Of one slice: 80 million events as they are usually stored. The fastest sensors report some
3 million in the 1.5 ms of a slice, and as many as this in a slice of 30 ms.
"""
FARTHEST = np.iinfo(np.int32)
"""Coordinates are kept in 32 bits."""


class HighRevRaw(PngFrames):
    """One split of HighREV with raw events: a sequence of Sample."""

    def __init__(self, root: Path, split: str) -> None:
        super().__init__(root, split)
        self.event_folder = event_folder(root, split)
        self.slices: dict[str, list[Path]] = {frame: [] for frame in self.frames}
        for path in list_npzs(self.event_folder):
            frame, _, number = path.stem.rpartition("_")
            if number.isdigit() and frame in self.slices:
                self.slices[frame].append(path)
        without = [
            f"{frame}: found {len(paths)} of {frame}_00.npz, _01.npz, …, expected at least 2"
            for frame, paths in self.slices.items()
            if len(paths) < 2
        ]
        refuse(without, f"{self.event_folder}: frames without event slices")

    def read_inputs(self, frame: str) -> Sample:
        """Read the blurry image and the events of its exposure.

        Raises:
            DataError: a damaged file, or an event off the sensor.
        """
        blurry, events = self.read_blurry(frame), self.read_events(frame)
        try:
            check_on_sensor(events, *blurry.shape[:2])
        except DataError as error:
            raise DataError(f"{self.event_folder / frame}_*.npz: {error}") from error
        return Sample(frame=frame, blurry=blurry, events=events)

    def read_part(self, frame: str, window: Window) -> Sample:
        """Read a part of a frame: its events are cut out of each slice before they are joined.

        Raises:
            DataError: a damaged file, or an event off the sensor, in the part or not.
        """
        blurry = self.read_blurry(frame)
        height, width = blurry.shape[:2]
        parts, ends = [], []
        for path in self._exposure(frame):
            columns = read_columns(path)
            if not _on_sensor(columns, height, width):
                self.read_inputs(frame)  # names all that is wrong
            if len(t := columns["timestamp"]):
                ends += [t.min(), t.max()]
            parts.append(_inside(columns, window))
        events = in_order(Events.concatenate(parts))
        span = (min(ends), max(ends)) if ends else None
        sharp = self.read_sharp(frame)[window.rows, window.columns] if self.has_sharp else None
        part = blurry[window.rows, window.columns]
        return Sample(frame=frame, blurry=part, events=events, sharp=sharp, span=span)

    def read_events(self, frame: str) -> Events:
        """Read the events of a frame's exposure, in order of time: every slice but the last.

        Raises:
            DataError: a damaged file.
        """
        return in_order(Events.concatenate([read_slice(path) for path in self._exposure(frame)]))

    def source_files(self, frame: str) -> list[Path]:
        """List the files that a frame is read from."""
        return [*super().source_files(frame), *self._exposure(frame)]

    def _exposure(self, frame: str) -> list[Path]:
        """List the slices of a frame's exposure by number."""
        return sorted(self.slices[frame], key=lambda path: int(path.stem.rpartition("_")[2]))[:-1]


def in_order(events: Events) -> Events:
    """Sort by time what is not sorted; events of equal time keep their order."""
    if np.any(events.t[1:] < events.t[:-1]):
        return events.select(np.argsort(events.t, kind="stable"))
    return events


def read_slice(path: Path) -> Events:
    """Read one npz of events, mending what the format gets wrong (see the module's docstring).

    Raises:
        DataError: not an npz, cut off, a key is missing, lengths differ, a value is not a finite
            number, or a polarity is none.
    """
    return _events_of(read_columns(path))


def read_columns(path: Path) -> Columns:
    """Read the four arrays of one npz, and refuse what cannot be events.

    Raises:
        DataError: as `read_slice` does.
    """
    arrays = read_npz(path, "x", "y", "timestamp", "polarity", most=MOST_BYTES)
    columns = {key: values.reshape(-1) for key, values in arrays.items()}
    lengths = {key: len(values) for key, values in columns.items()}
    if len(set(lengths.values())) != 1:
        raise DataError(f"{path}: expected arrays of one length, found {lengths}")
    for key, values in columns.items():
        if values.dtype.kind not in "iufb" or not np.isfinite(values).all():
            raise DataError(f"{path}: {key}: expected finite numbers, found {values.dtype}")
    for key in ("x", "y"):
        values = columns[key]
        low, high = values.min(initial=0).item(), values.max(initial=0).item()
        if low < FARTHEST.min or high > FARTHEST.max:  # else it comes round to the sensor
            raise DataError(f"{path}: {key}: expected pixels, found {low} to {high}")
        if values.dtype.kind == "f" and np.any(between := values != np.trunc(values)):
            found = values[between][0]
            raise DataError(f"{path}: {key}: expected pixels, whole numbers, found {found}")
    for problem in polarity_problems(columns["polarity"]):
        raise DataError(f"{path}: {problem}; write it as one of these")
    return columns


def _events_of(columns: Columns) -> Events:
    return Events(
        x=columns["y"].astype(np.int32),
        y=columns["x"].astype(np.int32),
        t=columns["timestamp"],
        p=(columns["polarity"] > 0).astype(np.int8),
    )


def _on_sensor(columns: Columns, height: int, width: int) -> bool:
    return all(
        bool(values.min(initial=0) >= 0 and values.max(initial=0) < size)
        for values, size in ((columns["x"], height), (columns["y"], width))
    )


def _inside(columns: Columns, window: Window) -> Events:
    """Take the events inside a window, counted from its corner."""
    row, column = columns["x"], columns["y"]
    inside = (row >= window.top) & (row < window.top + window.height)
    inside &= (column >= window.left) & (column < window.left + window.width)
    chosen = np.flatnonzero(inside)
    events = _events_of({key: values[chosen] for key, values in columns.items()})
    return Events(events.x - window.left, events.y - window.top, events.t, events.p)


def write_slice(path: Path, events: Events, off: int = 0) -> None:
    """Write one npz of events as HighREV has it: (N, 1) arrays, the column as `y`, the row as `x`.

    Args:
        path: FRAME_%02d.npz.
        events: t in microseconds, on any clock.
        off: what stands for "darker": 0 or -1.
    """
    np.savez_compressed(
        path,
        x=events.y.astype(np.uint16)[:, None],
        y=events.x.astype(np.uint16)[:, None],
        timestamp=events.t[:, None],
        polarity=np.where(events.p > 0, 1, off).astype(np.int8)[:, None],
    )
