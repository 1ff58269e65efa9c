"""How fast events become a voxel grid: ours, and the published function beside it.

python benchmarks/events.py [--published DIR] [--events 4000000 --width 1632 --height 1224]

`--published` is a checkout of AHupuJR/EFNet; its `event_util.py` is run as it is. Both take turns;
times are medians.
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
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from challenge import cli
from challenge.errors import ConfigError
from challenge.events import Events
from challenge.representations import voxel_grid

BINS = 6


def published_module(checkout: Path) -> Any:
    """Load `basicsr/data/event_util.py` of a checkout.

    Raises:
        ConfigError: no such file.
    """
    path = checkout / "basicsr" / "data" / "event_util.py"
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; --published takes a checkout")
    spec = importlib.util.spec_from_file_location("event_util", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def seconds_of(call: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    """Time a call; return its duration in seconds and its result."""
    began = time.perf_counter()
    result = call()
    return time.perf_counter() - began, result


def command(
    published: Annotated[Path | None, typer.Option(help="checkout of the published code")] = None,
    events: Annotated[int, typer.Option(help="number of events", min=2)] = 4_000_000,
    width: Annotated[int, typer.Option(help="pixels")] = 1632,
    height: Annotated[int, typer.Option(help="pixels")] = 1224,
    turns: Annotated[int, typer.Option(help="timed calls", min=1)] = 5,
) -> None:
    """Time the voxel grid.

    Example: python benchmarks/events.py --published ../EFNet
    """
    rng = np.random.default_rng(0)
    given = Events(
        x=rng.integers(0, width, events),
        y=rng.integers(0, height, events),
        t=np.sort(rng.integers(0, 15_000, events)),
        p=rng.integers(0, 2, events),
    )
    rows = np.stack([given.t, given.x, given.y, given.p], axis=1).astype(np.float32)
    module = published_module(published) if published else None
    ours, theirs, difference = [], [], 0.0
    for _ in range(turns + 1):
        seconds, grid = seconds_of(lambda: voxel_grid(given, BINS, height, width))
        ours.append(seconds)
        if module:
            copied = rows.copy()  # the published function writes to its input
            seconds, other = seconds_of(
                lambda copied=copied: module.events_to_voxel_grid(copied, BINS, width, height)
            )
            theirs.append(seconds)
            difference = float(np.abs(grid - other).max())
    print(f"{events} events, {width}x{height} (width x height), {BINS} bins")
    print(f"ours       {statistics.median(ours[1:]) * 1e3:8.1f} ms")
    if module:
        print(f"published  {statistics.median(theirs[1:]) * 1e3:8.1f} ms")
        pairs = zip(theirs[1:], ours[1:], strict=True)
        print(f"ours is {statistics.median(a / b for a, b in pairs):.1f} times as fast")
        print(f"largest difference {difference:.1e}")


def main() -> int:
    """Run the command line; return the exit code."""
    return cli.run(command, None, "python benchmarks/events.py")


if __name__ == "__main__":
    sys.exit(main())
