"""Data sets in HDF5 that are wrong in one way each: the frames of `broken_sets`, stored anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import broken_sets
import h5py
import numpy as np
from broken_sets import TRAIN, VAL, Fault

from challenge.images import read_png
from challenge.representations import event_mask, scer

IMAGE, GRID, MASK = (f"{name}000000001" for name in ("image", "voxel", "mask"))
FILE, OTHER = f"train/{TRAIN}.h5", f"val/{VAL}.h5"


def healthy_hdf5(root: Path, target: Path, raw: bool) -> Path:
    """Store train and val of a set of `broken_sets.healthy` as Monash's or as SCER files."""
    for split, sequence in (("train", TRAIN), ("val", VAL)):
        (target / split).mkdir(parents=True)
        with h5py.File(target / split / f"{sequence}.h5", "w") as file:
            columns: list[Any] = []
            for number, path in enumerate(sorted((root / split / "blur").glob("*.png"))):
                events = broken_sets.events_of(root, path.stem, split)
                for group, part in (("images", "blur"), ("sharp_images", "sharp")):
                    pixels = read_png(root / split / part / path.name)[:, :, ::-1]
                    _store(file, f"{group}/image{number:09d}", pixels.transpose(2, 0, 1))
                height, width = pixels.shape[:2]
                seconds = events.t.astype(np.float64) % 1e9 / 1e6
                if raw:
                    times = (seconds[0], seconds[-1] + 1e-9)
                    for group in ("images", "sharp_images"):
                        attributes = file[f"{group}/image{number:09d}"].attrs
                        attributes["timestamp"] = sum(times) / 2
                        attributes["exposure_start"], attributes["exposure_end"] = times
                    columns.append((events.x, events.y, seconds, events.p > 0))
                    continue
                grid = scer(events, 6, height, width)
                _store(file, f"voxels/voxel{number:09d}", grid)
                _store(file, f"masks/mask{number:09d}", 255 * event_mask(grid))
            names = ("xs", "ys", "ts", "ps")
            for name, values in zip(names, zip(*columns, strict=True), strict=False):
                kind = {"ts": np.float64, "ps": np.uint8}.get(name, np.int16)
                file[f"events/{name}"] = np.concatenate(values).astype(kind)
            file.attrs["sensor_resolution"] = [height, width]
    return target


def _store(file: h5py.File, name: str, array: np.ndarray) -> None:
    kind = np.float32 if name.startswith("voxels") else np.uint8
    file.create_dataset(name, data=array.astype(kind)).attrs["size"] = array.shape


def edit(change: Callable[[h5py.File], object], file: str = FILE) -> Callable[[Path], None]:
    def broken(root: Path) -> None:
        with h5py.File(root / file, "r+") as opened:
            change(opened)

    return broken


def replaced(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    """Store an array anew."""

    def broken(file: h5py.File) -> None:
        values = change(file[name][...])
        attributes = dict(file[name].attrs)
        del file[name]
        file.create_dataset(name, data=values).attrs.update(attributes | {"size": values.shape})

    return edit(broken)


def removed(name: str) -> Callable[[Path], None]:
    def broken(file: h5py.File) -> None:
        del file[name]

    return edit(broken)


def each_grid(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    """Change every grid of a file, and its mask in the same manner."""

    def broken(file: h5py.File) -> None:
        for group in ("voxels", "masks"):
            for name in file[group]:
                values = file[f"{group}/{name}"][...]
                file[f"{group}/{name}"][...] = change(values) if group == "voxels" else 255

    return edit(broken)


def with_middle(grid: np.ndarray) -> np.ndarray:
    return np.insert(grid, 3, 0.0, axis=0)


def spoil(values: np.ndarray) -> np.ndarray:
    values[0, 0, 0] = np.nan
    return values


ABOUT_BOTH = (
    Fault("no sharp image", removed(f"sharp_images/{IMAGE}"), "missing", IMAGE),
    Fault("another size", replaced(f"images/{IMAGE}", lambda a: a[:, :-4]), "size", IMAGE),
    Fault("16 bit", replaced(f"images/{IMAGE}", lambda a: a.astype(np.uint16)), "dtype", IMAGE),
    Fault("one colour", replaced(f"images/{IMAGE}", lambda a: a * 0), "blank", IMAGE, "warning"),
    Fault(
        "sharp equals blurry",
        edit(lambda f: f[f"sharp_images/{IMAGE}"].write_direct(f[f"images/{IMAGE}"][...])),
        *("equal", IMAGE),
    ),
    Fault("cut", lambda root: broken_sets.cut_file(0.5)(root / FILE), "damaged", FILE),
    Fault("empty", lambda root: broken_sets.cut_file(0)(root / FILE), "damaged", FILE),
    Fault("AppleDouble", broken_sets.add(f"train/._{TRAIN}.h5"), "litter", "._", "warning"),
    Fault("a stray file", broken_sets.add("train/list.txt"), "left over", "list", "warning"),
    Fault("a file in two splits", broken_sets.copy(FILE, f"val/{TRAIN}.h5"), "splits mixed", "val"),
)
ABOUT_SCER = (
    Fault("7 channels", replaced(f"voxels/{GRID}", with_middle), "shape", GRID),
    Fault("5 channels", replaced(f"voxels/{GRID}", lambda a: a[:4]), "shape", GRID),
    Fault("grid of another size", replaced(f"voxels/{GRID}", lambda a: a[:, 1:]), "shape", GRID),
    Fault("NaN", replaced(f"voxels/{GRID}", spoil), "values", GRID),
    Fault("no grid", removed(f"voxels/{GRID}"), "missing", IMAGE),
    Fault("zeros", replaced(f"voxels/{GRID}", lambda a: a * 0), "empty", GRID, "warning"),
    Fault("no mask", removed(f"masks/{MASK}"), "missing", IMAGE),
    Fault("no masks", removed("masks"), "missing", FILE, "warning"),
    Fault("mask of 0 and 1", replaced(f"masks/{MASK}", lambda a: a // 255), "mask", MASK),
    Fault("another mask", replaced(f"masks/{MASK}", lambda a: 255 - a), "mask", MASK),
    Fault("no images", removed("images"), "keys", FILE),
    Fault("mirrored", each_grid(lambda a: a[:, :, ::-1]), "alignment", TRAIN),
    Fault("the other sign", each_grid(lambda a: -a), "alignment", TRAIN),
)
ABOUT_MONASH = (
    Fault("no events", removed("events"), "keys", FILE),
    Fault("no ps", removed("events/ps"), "keys", FILE),
    Fault("lengths", replaced("events/xs", lambda a: a[:-900]), "shape", FILE),
    Fault("polarity 2", replaced("events/ps", lambda a: a + 1), "polarity", FILE),
    Fault("all ON", replaced("events/ps", lambda a: a * 0 + 1), "polarity", FILE),
    Fault("off the sensor", replaced("events/xs", lambda a: a + 9), "off sensor", FILE),
    Fault(
        "x and y swapped",
        edit(lambda f: f.move("events/xs", "events/z") or f.move("events/ys", "events/xs")
             or f.move("events/z", "events/ys")),
        *("off sensor", FILE),
    ),
    Fault(
        "an exposure that ends before it begins",
        edit(lambda f: f[f"images/{IMAGE}"].attrs.update(exposure_end=-1.0)),
        *("damaged", FILE),
    ),
    Fault("mirrored", replaced("events/xs", lambda a: 95 - a), "alignment", TRAIN),
)  # fmt: skip
