"""How fast events become grids: ours, compiled and by NumPy, and others beside it.

    python benchmarks/events.py [--published DIR] [--data ROOT] [--count 1000000] [--bins 6]

`--published` is a checkout of AHupuJR/EFNet; its functions are run as they are. tonic and evlib are
run if they are importable. All take turns in one process, on one thread; times are CPU times,
medians; memory is what a process grows by beyond the result.
"""

from __future__ import annotations

if __name__ == "__main__":
    import os
    import pathlib
    import sys

    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])
    from challenge.environment import bootstrap

    bootstrap.ensure_packages()
    os.environ["OMP_NUM_THREADS"] = os.environ["POLARS_MAX_THREADS"] = "1"

import ctypes
import importlib
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import torch
import typer

from challenge import cli
from challenge.datasets import open_split
from challenge.environment.torchvision_shim import ensure_torchvision_imports
from challenge.errors import ConfigError
from challenge.events import Events
from challenge.representations import event_mask, normalise_nonzero, scer, voxel_grid
from challenge.representations.speed import compiled

Way = Callable[[], np.ndarray]
OURS = "ours"
FORKS_NOT = "evlib"
"""Its threads do not survive in a copy of the process: nothing is said of its memory."""
USERS = tuple(
    importlib.import_module(f"challenge.representations.{name}") for name in ("spread", "normalise")
)


def by_numpy(make: Way) -> Way:
    """Make the same as on a machine without numba."""

    def made() -> np.ndarray:
        for module in USERS:
            module.compiled = lambda: None
        try:
            return make()
        finally:
            for module in USERS:
                module.compiled = compiled

    return made


def published_functions(checkout: Path, file: str, *names: str) -> dict[str, Any]:
    """Take functions out of a checkout's file, without the rest of it, whose imports may be old.

    Raises:
        ConfigError: no such file.
    """
    path = checkout / file
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; --published takes a checkout of AHupuJR/EFNet")
    text = "\n" + path.read_text(encoding="utf-8")
    found: dict[str, Any] = {"np": np, "torch": torch}
    for name in names:
        body = text[text.index(f"\ndef {name}(") + 1 :]
        lines = body.splitlines()
        ends = (i for i, line in enumerate(lines) if i and line[:1] not in ("", " ", "#", ")"))
        exec("\n".join(lines[: next(ends, len(lines))]), found)
    return found


def others(
    checkout: Path | None, events: Events, bins: int, size: tuple[int, int]
) -> dict[str, Way]:
    """Other makers of the voxel grid, each fed with what it takes."""
    height, width = size
    ways: dict[str, Way] = {}
    if checkout:
        util = published_functions(checkout, "basicsr/data/event_util.py", "events_to_voxel_grid")
        rows = np.stack([events.t - events.t[0], events.x, events.y, events.p], 1).astype(
            np.float32
        )
        spare = np.empty_like(rows)

        def published() -> (
            np.ndarray
        ):  # it writes to its input; the copy costs 1 to 2 % of its time
            np.copyto(spare, rows)
            return np.asarray(util["events_to_voxel_grid"](spare, bins, width, height))

        ways["published"] = published
    with suppress(ImportError):
        from tonic.functional import to_voxel_grid_numpy

        fields = [("x", "i4"), ("y", "i4"), ("t", "i8"), ("p", "i1")]
        record = np.zeros(len(events), fields)
        for name in "xytp":
            record[name] = getattr(events, name)
        record["p"] = np.where(events.p > 0, 1, -1)
        ways["tonic"] = lambda: to_voxel_grid_numpy(record, (width, height, 2), bins)
    with suppress(ImportError):
        import polars
        from evlib import representations as evlib

        columns = {"x": events.x.astype("i2"), "y": events.y.astype("i2")}
        polarity = np.where(events.p > 0, 1, -1).astype("i1")
        frame = polars.DataFrame({"t": events.t, **columns, "polarity": polarity})
        ways["evlib"] = lambda: evlib.densify_voxel_grid(
            evlib.create_voxel_grid(frame, height, width, bins), bins, height, width
        )
    return ways


def voxel_ways(
    checkout: Path | None, events: Events, bins: int, size: tuple[int, int]
) -> dict[str, Way]:
    """All who make a voxel grid."""

    def ours() -> np.ndarray:
        return voxel_grid(events, bins, *size)

    return {OURS: ours, "NumPy": by_numpy(ours), **others(checkout, events, bins, size)}


def scer_ways(checkout: Path | None, events: Events, size: tuple[int, int]) -> dict[str, Way]:
    """All who make a SCER grid of 6 bins."""
    ways: dict[str, Way] = {OURS: lambda: scer(events, 6, *size)}
    if checkout:
        file = "scripts/data_preparation/base_dataset.py"
        names = ("binary_search_torch_tensor", "events_to_image_torch")
        make = published_functions(checkout, file, *names, "events_to_accumulate_voxel_torch")
        x, y, t = (
            torch.from_numpy(values.astype(np.float32))
            for values in (events.x, events.y, events.t - events.t[0])
        )
        p = torch.from_numpy(events.sign.astype(np.float32))
        ways["published"] = lambda: make["events_to_accumulate_voxel_torch"](
            x, y, t, p, 6, sensor_size=size, keep_middle=False
        ).numpy()
    return ways


def normalise_ways(checkout: Path | None, grid: np.ndarray) -> dict[str, Way]:
    """All who normalise a grid."""
    ways: dict[str, Way] = {OURS: lambda: normalise_nonzero(grid)}
    ways["NumPy"] = by_numpy(ways[OURS])
    if checkout:
        util = published_functions(checkout, "basicsr/data/event_util.py", "voxel_norm")
        tensor = torch.from_numpy(grid)
        ways["published"] = lambda: util["voxel_norm"](tensor).numpy()
    return ways


def mask_ways(checkout: Path | None, grid: np.ndarray) -> dict[str, Way]:
    """All who make an event mask."""
    ways: dict[str, Way] = {OURS: lambda: event_mask(grid)}
    if checkout:
        file = "scripts/data_preparation/make_voxels_real.py"
        seen = published_functions(checkout, file, "voxel2mask")["voxel2mask"]
        square = np.ones((3, 3), np.uint8)
        ways["published"] = lambda: cv2.morphologyEx(seen(grid), cv2.MORPH_CLOSE, square)
    return ways


def growth_mib(make: Way) -> float:
    """Run once in a copy of this process; return the MiB that it grows by beyond the result.

    Linux only: before, its free memory is given back and its peak forgotten.
    """

    def run(sender: Any) -> None:
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        before = status_mib("VmRSS")
        size = make().nbytes / 2**20
        sender.send(status_mib("VmHWM") - before - size)

    receiver, sender = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(target=run, args=(sender,))
    child.start()
    found = receiver.recv()
    child.join()
    return max(float(found), 0.0)


def status_mib(name: str) -> float:
    """Read a figure of this process's memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024


def measure(title: str, ways: dict[str, Way], turns: int, events: int | None) -> None:
    """Let all take turns, and print a row for each."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(turns + 1):  # the first is not counted
        for name, make in ways.items():
            began = time.process_time()
            result = make()
            times[name].append(time.process_time() - began)
            del result
    for name, make in ways.items():
        middle = statistics.median(times[name][1:])
        rate = f"{events / middle / 1e6:6.1f}" if events else "      "
        pairs = zip(times[name][1:], times[OURS][1:], strict=True)
        ratio = statistics.median(one / own for one, own in pairs)
        memory = "      " if name == FORKS_NOT else f"{growth_mib(make):6.0f}"
        print(
            f"| {title:28} | {name:9} | {middle * 1e3:8.1f} | {rate} | {ratio:5.1f} | {memory} |",
            flush=True,
        )


def command(
    published: Annotated[Path | None, typer.Option(help="checkout of the published code")] = None,
    data: Annotated[
        Path | None, typer.Option(help="take the first frame of this data set's train instead")
    ] = None,
    count: Annotated[
        list[int] | None, typer.Option(help="events, uniform; may be repeated", min=2)
    ] = None,
    bins: Annotated[list[int] | None, typer.Option(help="may be repeated", min=1)] = None,
    width: Annotated[int, typer.Option(help="pixels")] = 1632,
    height: Annotated[int, typer.Option(help="pixels")] = 1224,
    turns: Annotated[int, typer.Option(help="timed calls", min=1)] = 3,
) -> None:
    """Time voxel grid, SCER, normalising and mask.

    Example: python benchmarks/events.py --published ../EFNet
    """
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    ensure_torchvision_imports()
    print("| what | who | ms | million events/s | ours is so many times as fast | MiB beside it |")
    print("|---|---|---|---|---|---|")
    for number in [0] if data else count or [1_000_000, 4_000_000, 20_000_000]:
        if data:
            sample = open_split(data, "train")[0]
            given, size = sample.events, sample.blurry.shape[:2]
        else:
            given, size = uniform(number, height, width), (height, width)
        size_of = f"{len(given) / 1e6:.1f} M events"
        for each in bins or [6, 24]:
            ways = voxel_ways(published, given, each, size)
            measure(f"voxel, {each} bins, {size_of}", ways, turns, len(given))
        measure(f"SCER, {size_of}", scer_ways(published, given, size), turns, len(given))
        grid = voxel_grid(given, 6, *size)
        measure(f"normalise 6 bins, {size_of}", normalise_ways(published, grid), turns, None)
        measure(f"mask of 6 bins, {size_of}", mask_ways(published, grid), turns, None)


def uniform(number: int, height: int, width: int) -> Events:
    """Draw events everywhere alike: the worst that can come, as none shares memory with another."""
    rng = np.random.default_rng(0)
    return Events(
        x=rng.integers(0, width, number, np.int32),
        y=rng.integers(0, height, number, np.int32),
        t=np.sort(rng.integers(0, 15_000, number)),
        p=rng.integers(0, 2, number, np.int8),
    )


def main() -> int:
    """Run the command line; return the exit code."""
    return cli.run(command, None, "python benchmarks/events.py")


if __name__ == "__main__":
    sys.exit(main())
