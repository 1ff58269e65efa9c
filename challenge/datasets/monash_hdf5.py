"""Raw events in HDF5, in the layout of Monash University: what SCER files are made from.

ROOT/{train,test,…}/SEQUENCE.h5

    events/{xs,ys}     (N,) whole numbers, pixels     images/image%09d         see `hdf5_frames`
    events/ts          (N,) float, seconds            sharp_images/image%09d   may be absent
    events/ps          (N,) 0 or 1

Each image has the attribute timestamp, in seconds. REBlur's have exposure_start and exposure_end as
well: the events of a frame are those in between, and its two last rows of 262 are left out. Without
them, as in GoPro, they are those from the middle between a frame and the one before to the middle
between it and the one after, so the first and the last frame are left out. An event at the very
end belongs to what comes after.

The attribute event_idx is not needed: the time stamps say what it would. Frames are counted without
those left out, so that they are called as in the SCER files made of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from challenge.datasets.hdf5 import Hdf5
from challenge.datasets.hdf5_frames import (
    BLURRY,
    Hdf5Frames,
    Place,
    image_numbers,
    image_size,
)
from challenge.errors import DataError
from challenge.events import Events, check_on_sensor
from challenge.sample import Sample

COLUMNS = ("xs", "ys", "ts", "ps")
REBLUR_SENSOR, REBLUR_ROWS = (262, 320), 260
"""(H, W) as REBlur's raw files have it, and the rows that its SCER files keep."""


class MonashHdf5(Hdf5Frames):
    """One split of raw events in HDF5: a sequence of Sample."""

    def __init__(self, root: Path, split: str) -> None:
        self.windows: dict[Place, tuple[float, float]] = {}
        super().__init__(root, split)

    def positions(self, file: Hdf5) -> Iterator[tuple[int, int]]:
        """Find each frame's window, and count the frames that have one."""
        missing = [name for name in COLUMNS if name not in file.names("events")]
        numbers = image_numbers(file)
        if missing or not numbers:
            wanted = ", ".join(f"events/{name}" for name in missing) or f"{BLURRY}/image%09d"
            raise DataError(
                f"{file.path}: expected {wanted}, found none; SCER grids in HDF5 are "
                "data.format=scer_hdf5"
            )
        windows = find_windows(file, numbers)
        self.windows |= {Place(file, number): window for number, window in windows.items()}
        return enumerate(windows)

    def read_inputs(self, frame: str) -> Sample:
        """Read the blurry image and the events of its window.

        Raises:
            DataError: a damaged file, or events that fit no sensor of that size.
        """
        place = self.places[frame]
        height, width = image_size(place.file, place.image)
        events = self.read_events(frame)
        try:
            check_on_sensor(events, height, width)
        except DataError as error:
            raise DataError(f"{place.file.path}: events of {place.image}: {error}") from error
        span = (events.t[0], events.t[-1]) if len(events) else None
        kept, _ = self.frame_size(frame)
        if kept < height:  # the rows that are left out have events, too, and count for the span
            events = events.select(np.flatnonzero(events.y < kept))
        return Sample(frame=frame, blurry=self.read_blurry(frame), events=events, span=span)

    def read_events(self, frame: str) -> Events:
        """Read the events of a frame's window, those of all rows; microseconds since it began.

        Seconds since 1970 leave a float64 no digit to spare: the beginning is subtracted first,
        which loses none, and the difference multiplied and rounded to 10^-6 microseconds, finer
        than any clock, so that whole ones come back whole.
        """
        file, (start_s, end_s) = self.places[frame].file, self.windows[self.places[frame]]
        lengths = {name: file.shape(f"events/{name}") for name in COLUMNS}
        if len(set(lengths.values())) != 1 or len(lengths["ts"]) != 1:
            raise DataError(
                f"{file.path}: events: expected four (N,) arrays of one length, found {lengths}"
            )
        part = slice(file.index_of("events/ts", start_s), file.index_of("events/ts", end_s))
        xs, ys, ts, ps = (file.read(f"events/{name}", (part,)) for name in COLUMNS)
        if ts.dtype.kind != "f":
            raise DataError(
                f"{file.path}: events/ts: expected seconds as floating point, found {ts.dtype}"
            )
        if len(ts) and not (ts.min() >= start_s and ts.max() < end_s):  # sought in order of time
            raise DataError(
                f"{file.path}: events/ts: time runs backwards: sought from {start_s} to {end_s} s, "
                f"found {ts.min()} to {ts.max()}; sort the events by ts"
            )
        return Events(
            x=whole(file, "events/xs", xs),
            y=whole(file, "events/ys", ys),
            t=np.round((ts.astype(np.float64) - start_s) * 1e6, 6),
            p=ps.astype(np.int8) if ps.dtype.kind == "b" else ps,
        )

    def frame_size(self, frame: str) -> tuple[int, int]:
        """Tell the (height, width) of a frame, without the rows that are left out.

        Raises:
            DataError: a damaged file.
        """
        height, width = super().frame_size(frame)
        return (REBLUR_ROWS if (height, width) == REBLUR_SENSOR else height), width

    def read_blurry(self, frame: str) -> np.ndarray:
        """Read the blurry image alone: (H, W, 3) uint8 RGB.

        Raises:
            DataError: a damaged file.
        """
        return super().read_blurry(frame)[: self.frame_size(frame)[0]]

    def read_sharp(self, frame: str) -> np.ndarray:
        """Read the sharp image: (H, W, 3) uint8 RGB.

        Raises:
            DataError: it is withheld, damaged, or not of the blurry frame's size.
        """
        return super().read_sharp(frame)[: self.frame_size(frame)[0]]


def find_windows(file: Hdf5, numbers: list[int]) -> dict[int, tuple[float, float]]:
    """Say from when to when the events of each image count, in seconds; see the module's docstring.

    Raises:
        DataError: an image without a time stamp, stamps that do not ascend, or too few of them.
    """
    attributes = [file.attributes(f"{BLURRY}/image{number:09d}") for number in numbers]
    exposed = ["exposure_start" in each and "exposure_end" in each for each in attributes]
    if all(exposed):
        windows = [(_seconds(each, "exposure_start"), _seconds(each, "exposure_end"))
                   for each in attributes]  # fmt: skip
    elif any(exposed):
        first = numbers[exposed.index(False)]
        raise DataError(f"{file.path}: image{first:09d}: expected exposure_start and exposure_end")
    else:
        times = np.array([_seconds(each, "timestamp") for each in attributes])
        middles = ((times[1:] + times[:-1]) / 2).tolist()
        if len(middles) < 2:
            raise DataError(
                f"{file.path}: expected at least 3 images, found {len(numbers)}: a frame's events "
                "lie between the middles to its neighbours, unless its exposure is given"
            )
        windows, numbers = list(zip(middles[:-1], middles[1:], strict=True)), numbers[1:-1]
    wrong = [
        f"image{number:09d}: from {start} to {end}"
        for number, (start, end) in zip(numbers, windows, strict=True)
        if not start < end < np.inf
    ]
    if wrong:
        raise DataError(f"{file.path}: expected times in seconds, ascending", wrong[:5])
    return dict(zip(numbers, windows, strict=True))


def whole(file: Hdf5, name: str, values: np.ndarray) -> np.ndarray:
    """Return pixels in 32 bits.

    Raises:
        DataError: not whole numbers that fit.
    """
    with np.errstate(invalid="ignore"):  # NaN is found out below
        kept = values.astype(np.int32)
    if values.dtype.kind not in "iuf" or not np.array_equal(kept, values):
        raise DataError(
            f"{file.path}: {name}: expected pixels, whole numbers, found {values.dtype}"
        )
    return kept


def _seconds(attributes: dict[str, object], key: str) -> float:
    """Read a time from the attributes of an image; NaN, which is in no window, without one."""
    value = np.ravel(np.asarray(attributes.get(key, np.nan)))
    return float(value[0]) if len(value) == 1 and value.dtype.kind in "iuf" else float("nan")
