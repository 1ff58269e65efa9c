"""Events in HDF5: `events/{xs,ys,ts,ps}` (Monash) or `events/{x,y,t,p}` (DSEC), the same at the
top, or one table of records; frames in `images/`, as Monash has them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from challenge.errors import DataError
from challenge.importers.columns import Layout, choose_unit, find_names, make_events, to_us
from challenge.importers.recording import BLOCK, Frame, Part, Recording, foreign, library, named

PLACES = ("events", "event", "CD/events", "davis/left/events", "/")
"""Where events are looked for, in this order."""
LOOKED_AT = 1 << 16
MOST_PACKED = 1000
"""Events in a byte: no compression does better, and what is declared need not be there."""
LARGEST_IMAGE = 1 << 28


def read(path: Path, layout: Layout) -> Recording:
    """Open an HDF5 file.

    Raises:
        ConfigError: h5py is not installed.
        DataError: damaged, or without events in a known layout.
    """
    h5py = library("h5py", "h5py", "HDF5")
    with foreign(path), h5py.File(path) as file:
        columns = _columns(path, file)
        total = _length(path, columns)
        unit, note = choose_unit(np.asarray(columns["t"][: min(total, LOOKED_AT)]), layout)
        size = _sensor(file)

    def parts() -> Iterator[Part]:
        return named(path, _parts(h5py, path, unit, layout.swap_xy))

    return Recording(path, "HDF5", parts, size, (note,))


def _parts(h5py: Any, path: Path, unit: str, swap_xy: bool) -> Iterator[Part]:
    with h5py.File(path) as file:
        columns = _columns(path, file)
        offset = int(np.asarray(file["t_offset"][()])) if "t_offset" in file else 0
        for start in range(0, _length(path, columns), BLOCK):
            block = {key: values[start : start + BLOCK] for key, values in columns.items()}
            events = make_events(path, block, unit, swap_xy)
            yield events if not offset else _later(events, offset)
        images = file.get("images")
        for name in sorted(images) if isinstance(images, h5py.Group) else ():
            if "timestamp" in images[name].attrs:
                yield _frame(path, images[name], unit)


def _later(events: Any, offset: int) -> Any:
    return type(events)(events.x, events.y, events.t + offset, events.p)


class _Field:
    """One field of a table of records, read by slices."""

    def __init__(self, table: Any, name: str) -> None:
        self.table, self.name = table, name

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, part: slice) -> np.ndarray:
        return np.asarray(self.table[part][self.name])


def _columns(path: Path, file: Any) -> dict[str, Any]:
    """Find the four columns: data sets or fields, to be read by slices."""
    for place in PLACES:
        if place not in file:
            continue
        found = file[place]
        if hasattr(found, "keys"):
            data = [key for key in found if hasattr(found[key], "dtype")]
            if names := find_names(data):
                return {key: found[name] for key, name in names.items()}
        elif found.dtype.names and (names := find_names(found.dtype.names)):
            return {key: _Field(found, name) for key, name in names.items()}
    raise DataError(
        f"{path}: expected events/{{xs,ys,ts,ps}} or events/{{x,y,t,p}}, "
        f"found {', '.join(sorted(file)[:8]) or 'nothing'}"
    )


def _length(path: Path, columns: dict[str, Any]) -> int:
    lengths = {key: len(values) for key, values in columns.items()}
    if len(set(lengths.values())) != 1:
        raise DataError(f"{path}: expected columns of one length, found {lengths}")
    if lengths["t"] > MOST_PACKED * path.stat().st_size:
        raise DataError(
            f"{path}: says that it holds {lengths['t']} events, in {path.stat().st_size} bytes: "
            "damaged, or never filled; copy it again"
        )
    return lengths["t"]


def _sensor(file: Any) -> tuple[int, int] | None:
    """Read (width, height) where the file says [height, width]."""
    said = np.asarray(file.attrs.get("sensor_resolution", ())).reshape(-1)
    return (int(said[1]), int(said[0])) if len(said) >= 2 else None


def _frame(path: Path, data: Any, unit: str) -> Frame:
    if data.dtype != np.uint8 or data.ndim not in (2, 3) or data.size > LARGEST_IMAGE:
        raise DataError(
            f"{path}: {data.name}: expected a uint8 image, found {data.dtype} {data.shape}"
        )
    pixels = np.asarray(data)
    if pixels.ndim == 3 and pixels.shape[0] in (1, 3) and pixels.shape[2] not in (1, 3):
        pixels = pixels.transpose(1, 2, 0)
    grey = pixels.ndim == 2 or pixels.shape[2] == 1
    if grey:
        image = np.repeat(pixels.reshape(*pixels.shape[:2], 1), 3, axis=2)
    else:
        image = pixels[..., 2::-1]  # they are stored as BGR
    times = [
        int(to_us(np.asarray([data.attrs[key]]), unit)[0]) if key in data.attrs else None
        for key in ("timestamp", "exposure_start", "exposure_end")
    ]
    assert times[0] is not None
    return Frame(np.ascontiguousarray(image), times[0], times[1], times[2])
