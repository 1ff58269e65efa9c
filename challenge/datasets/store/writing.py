"""Writing one frame of a training store; what it looks like stands in `frame_file`."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np

from challenge.datasets.store.events import checksum, pixels_of, tile_order, times_of
from challenge.datasets.store.frame_file import IMAGES, VERSION, Plane, Sources
from challenge.datasets.store.tiles import Tiles, pack
from challenge.events import Events
from challenge.files import add_to_zip, write_whole
from challenge.representations import largest_magnitude
from challenge.sample import Sample


def write_frame(path: Path, sample: Sample, sources: Sources) -> None:
    """Write a frame, whole or not at all.

    Args:
        path: of the file.
        sample: a whole frame, with events on the sensor and in order of time.
        sources: what it was read from.
    """
    height, width = sample.blurry.shape[:2]
    tiles = Tiles(height, width)
    arrays = {"blurry": sample.blurry, "sharp": sample.sharp}
    arrays |= {"grid": sample.stored_grid, "mask": sample.stored_mask}
    there = {name: pixels for name, pixels in arrays.items() if pixels is not None}
    planes = [
        Plane(name, pixels.dtype, pixels.shape[2 if name in IMAGES else 0])
        for name, pixels in there.items()
    ]
    members: dict[str, np.ndarray] = {}
    columns = [np.zeros(len(tiles) + 1, np.int64)] * 2
    if sample.events is not None:
        members, columns = _event_members(sample.events, tiles)
    for plane in planes:
        packed = [pack(plane.cut(there[plane.name], tiles.box(k))) for k in range(len(tiles))]
        members[plane.name] = np.frombuffer(b"".join(packed), np.uint8)
        columns.append(np.cumsum([0, *map(len, packed)]))
    grid = sample.stored_grid
    about = {
        "version": VERSION,
        "frame": sample.frame,
        "height": height,
        "width": width,
        "planes": [[plane.name, plane.dtype.str, plane.channels] for plane in planes],
        "clock": sample.events.t.dtype.str if sample.events is not None else None,
        "times": members["time"].dtype.str if sample.events is not None else None,
        "kind": sample.stored_kind,
        "magnitude": None if grid is None else largest_magnitude(grid),
        "outer": None if sample.span is None else np.asarray(sample.span).tolist(),
        "sources": sources,
    }
    with write_whole(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        add_to_zip(archive, "about.json", json.dumps(about).encode())
        for name, array in {"index": np.stack(columns, axis=1), **members}.items():
            stream = io.BytesIO()
            np.lib.format.write_array(stream, np.ascontiguousarray(array), allow_pickle=False)
            add_to_zip(archive, f"{name}.npy", stream.getvalue())


def _event_members(events: Events, tiles: Tiles) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
    """Make the arrays of the events, and their two columns of the index."""
    order, ends = tile_order(events, tiles)
    pixel, time = pixels_of(events)[order], times_of(events.t)[order]
    checks = [checksum(pixel[a:b], time[a:b]) for a, b in zip(ends[:-1], ends[1:], strict=True)]
    members = {"span": events.t[[0, -1]] if len(events) else events.t, "pixel": pixel, "time": time}
    return members, [ends, np.array([*checks, 0], np.int64)]
