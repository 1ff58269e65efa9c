"""Samples that are compared, and a data set of frames larger than the tiles of a training store."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from challenge.events import Events
from challenge.images import write_png
from challenge.representations import voxel_grid
from challenge.sample import Sample

HEIGHT, WIDTH = 130, 150
"""Three rows and columns of tiles, the last of them 2 and 22 pixels."""
COUNT = 400
"""Events of a slice."""


def same(one: Sample, other: Sample) -> bool:
    """Whether two samples are equal, bit for bit; events of equal time in any order."""

    def alike(a: np.ndarray | None, b: np.ndarray | None) -> bool:
        if a is None or b is None:
            return a is b
        return a.dtype == b.dtype and np.array_equal(a, b)

    arrays = ("blurry", "sharp", "stored_grid", "stored_mask")
    return (
        one.frame == other.frame
        and (one.span, one.stored_kind) == (other.span, other.stored_kind)
        and all(alike(getattr(one, name), getattr(other, name)) for name in arrays)
        and all(alike(*pair) for pair in zip(rows(one.events), rows(other.events), strict=True))
    )


def rows(events: Events | None) -> list[np.ndarray]:
    """Columns x, y, t, p in an order that does not depend on the one they came in."""
    if events is None:
        return []
    assert not np.any(events.t[1:] < events.t[:-1])
    order = np.lexsort((events.p, events.y, events.x, events.t))
    return [getattr(events, name)[order] for name in "xytp"]


def write_tiled(root: Path, clocks: tuple[str, ...] = ("int64",)) -> Path:
    """Write train and val in HighREV's layout, one train frame for each clock and one more, three
    slices each; stored grids of 6 bins in `HighREV_voxel` beside `root`.
    """
    rng = np.random.default_rng(11)
    names = [f"quay_{12 * number:05d}" for number in range(len(clocks) + 1)]
    for split, frame, clock in (
        *(("train", name, kind) for name, kind in zip(names, (*clocks, "int64"), strict=True)),
        ("val", "pier_00000", "int64"),
    ):
        folder = root / split
        for kind in ("blur", "sharp"):
            coarse = rng.integers(0, 256, (HEIGHT // 5, WIDTH // 5, 3))
            noise = rng.integers(0, 4, (HEIGHT, WIDTH, 3))
            picture = np.kron(coarse, np.ones((5, 5, 1))) * 0.9 + noise
            write_png(folder / kind / f"{frame}.png", picture.astype(np.uint8))
        (folder / "event").mkdir(exist_ok=True)
        start = 1_700_000_000_000_000 if np.dtype(clock).itemsize == 8 else -3_000
        slices = []
        for number in range(4):
            time = np.sort(start + 1500 * number + rng.integers(0, 1500, COUNT)).astype(clock)
            row, column = rng.integers(0, HEIGHT, COUNT), rng.integers(0, WIDTH, COUNT)
            sign = rng.integers(0, 2, COUNT).astype(np.int8)
            arrays = {"x": row.astype(np.uint16), "y": column.astype(np.uint16)}
            arrays |= {"timestamp": time, "polarity": sign}
            np.savez_compressed(folder / "event" / f"{frame}_{number:02d}.npz", **arrays)
            slices.append(Events(x=column, y=row, t=time, p=sign))
        grid = voxel_grid(Events.concatenate(slices[:-1]), 6, HEIGHT, WIDTH)
        target = root.parent / "HighREV_voxel" / split / "voxel" / f"{frame}.npz"
        target.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(target, voxel=grid.transpose(1, 2, 0))
    return root
