"""Which container for a training store: size against time, the same tiles in each.

python benchmarks/containers.py ROOT [--frames 3 --crops 12]

ROOT is in HighREV's layout (see benchmarks/reading.py). Each container holds the two images, and
the events in the order of 64x64 tiles: 2 bytes for pixel and sign, 2 for the time. A crop reads two
windows of 256 pixels and the events of the tiles it touches, opening the file and closing it, as a
worker does. Seconds are those of the processor, from memory. Zarr is no dependency of the kit: it
is left out where it is not installed.
"""

from __future__ import annotations

if __name__ == "__main__":
    import pathlib
    import sys

    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])
    from challenge.environment import bootstrap

    bootstrap.ensure_packages()

import importlib.util
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from challenge import cli
from challenge.datasets import DataSource
from challenge.datasets.store.events import pixels_of, tile_order, times_of
from challenge.datasets.store.frame_file import FrameFile
from challenge.datasets.store.tiles import Tiles
from challenge.datasets.store.writing import write_frame
from challenge.sample import Sample, Window

CHUNK = 1 << 15
"""Events of a chunk, where a container has chunks."""
Read = Callable[[Window], list[np.ndarray]]
Arrays = dict[str, np.ndarray]


def arrays_of(sample: Sample) -> tuple[Arrays, Tiles, np.ndarray]:
    """Bring a frame into the order of tiles: arrays, tiles, where the events of each begin."""
    events = sample.events
    assert events is not None and sample.sharp is not None
    tiles = Tiles(*sample.blurry.shape[:2])
    order, ends = tile_order(events, tiles)
    arrays = {"blurry": sample.blurry, "sharp": sample.sharp}
    arrays |= {"pixel": pixels_of(events)[order], "time": times_of(events.t)[order]}
    return arrays, tiles, ends


def parts(arrays: Any, tiles: Tiles, ends: np.ndarray, window: Window) -> list[np.ndarray]:
    """Read a window from anything that is indexed like arrays."""
    found = [np.array(arrays[name][window.rows, window.columns]) for name in ("blurry", "sharp")]
    for run in tiles.runs(window):
        first = run.row * tiles.shape[1] + run.column
        events = slice(int(ends[first]), int(ends[first + run.number]))
        found += [np.array(arrays[name][events]) for name in ("pixel", "time")]
    return found


def maps(folder: Path, sample: Sample) -> tuple[Read, Path]:
    """Plain .npy files, mapped into memory: nothing is packed."""
    arrays, tiles, ends = arrays_of(sample)
    folder.mkdir()
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)

    def read(window: Window) -> list[np.ndarray]:
        there = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in arrays}
        return parts(there, tiles, ends, window)

    return read, folder


def hdf5(options: dict[str, Any]) -> Callable[[Path, Sample], tuple[Read, Path]]:
    """HDF5 with 64x64 chunks for images, and chunks of events."""

    def make(folder: Path, sample: Sample) -> tuple[Read, Path]:
        import h5py

        arrays, tiles, ends = arrays_of(sample)
        path = folder.with_suffix(".h5")
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                chunks = (64, 64, 3) if array.ndim == 3 else (min(CHUNK, len(array)),)
                file.create_dataset(name, data=array, chunks=chunks, **options)

        def read(window: Window) -> list[np.ndarray]:
            with h5py.File(path, "r") as file:
                return parts(file, tiles, ends, window)

        return read, path

    return make


def zarr(codec: str) -> Callable[[Path, Sample], tuple[Read, Path]]:
    """Zarr v3 with blosc; chunks as in HDF5, in shards, so that a frame is a handful of files."""

    def make(folder: Path, sample: Sample) -> tuple[Read, Path]:
        import zarr as library

        arrays, tiles, ends = arrays_of(sample)
        group = library.open_group(str(folder), mode="w")
        packer = library.codecs.BloscCodec(cname=codec, clevel=1, shuffle="bitshuffle")
        for name, array in arrays.items():
            chunks = (64, 64, 3) if array.ndim == 3 else (CHUNK,)
            whole = tuple(-(-n // c) * c for n, c in zip(array.shape, chunks, strict=True))
            made = group.create_array(
                name,
                shape=array.shape,
                dtype=array.dtype,
                chunks=chunks,
                shards=whole,
                compressors=packer,
            )
            made[...] = array

        def read(window: Window) -> list[np.ndarray]:
            return parts(library.open_group(str(folder), mode="r"), tiles, ends, window)

        return read, folder

    return make


def ours(folder: Path, sample: Sample) -> tuple[Read, Path]:
    """The store: a zip of plain arrays, tiles of images packed one by one."""
    path = folder.with_suffix(".npz")
    write_frame(path, sample, {})

    def read(window: Window) -> list[np.ndarray]:
        with FrameFile(path) as file:
            part = file.read(window)
        assert part.sharp is not None
        return [part.blurry, part.sharp]  # and its events, cut and in order of time already

    return read, path


def containers() -> dict[str, Callable[[Path, Sample], tuple[Read, Path]]]:
    """List what is compared."""
    made: dict[str, Callable[[Path, Sample], tuple[Read, Path]]] = {
        "npy, memory-mapped": maps,
        "HDF5, lzf + shuffle": hdf5({"compression": "lzf", "shuffle": True}),
        "HDF5, gzip 1 + shuffle": hdf5(
            {"compression": "gzip", "compression_opts": 1, "shuffle": True}
        ),
    }
    if importlib.util.find_spec("zarr") is not None:
        made["Zarr v3, blosc lz4"] = zarr("lz4")
        made["Zarr v3, blosc zstd 1"] = zarr("zstd")
    made["zip of arrays, zlib tiles (the store)"] = ours
    return made


def size_of(path: Path) -> int:
    """Sum up the bytes of a file, or of all in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def command(
    root: Annotated[Path, typer.Argument(help="the folder with train/")],
    frames: Annotated[int, typer.Option(min=1)] = 3,
    crops: Annotated[int, typer.Option(help="of each frame", min=1)] = 12,
) -> None:
    """Compare containers.

    Example: python benchmarks/containers.py data/large
    """
    data = DataSource(root).open("train")
    places = np.linspace(0, len(data) - 1, frames).round().astype(int)
    chosen = [data.frames[place] for place in places]
    source = sum(path.stat().st_size for frame in chosen for path in data.source_files(frame))
    print(f"{'container':40s} {'times the source':>16s} {'write, s':>9s} {'crop, ms':>9s}")
    for name, make in containers().items():
        size, writing, reading = 0, [], []
        with tempfile.TemporaryDirectory() as scratch:
            for frame in chosen:
                sample = data[data.frames.index(frame)]
                began = time.process_time()
                read, path = make(Path(scratch) / frame, sample)
                writing.append(time.process_time() - began)
                size += size_of(path)
                rng = np.random.default_rng(0)
                for _ in range(crops):
                    height, width = sample.blurry.shape[:2]
                    window = Window(
                        int(rng.integers(height - 255)), int(rng.integers(width - 255)), 256, 256
                    )
                    began = time.process_time()
                    found = read(window)
                    reading.append(time.process_time() - began)
                    assert np.array_equal(found[0], sample.blurry[window.rows, window.columns])
        print(
            f"{name:40s} {size / source:16.2f} {statistics.mean(writing):9.2f} "
            f"{1e3 * statistics.median(reading):9.2f}"
        )


def main() -> int:
    """Run the command line; return the exit code."""
    return cli.run(command, None, "python benchmarks/containers.py")


if __name__ == "__main__":
    sys.exit(main())
