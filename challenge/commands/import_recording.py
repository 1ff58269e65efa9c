"""Turn a recording of your own into a data set: `bash run.sh import RECORDING`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from challenge import REPOSITORY, SPLITS, cli
from challenge.errors import ConfigError
from challenge.importers import open_recording
from challenge.importers.columns import Layout
from challenge.importers.convert import (
    MADE_BY,
    MANIFEST,
    Imported,
    Wish,
    name_of,
    plan_import,
    write_import,
)
from challenge.importers.exposures import Timing
from challenge.importers.place import new_folder, refuse_taken

DATA = REPOSITORY / "data"


Stamp = Annotated[
    str | None,
    typer.Option(
        help="What a frame's time marks of its exposure: start, middle or end. "
        "[default: middle; with --fps start]"
    ),
]
Unit = Annotated[
    str | None,
    typer.Option(
        help="Of npz, csv, HDF5 and the table: s, ms, us, ns. [default: told by the numbers]"
    ),
]
Columns = Annotated[
    str | None,
    typer.Option(
        help="Order of four columns without names: txyp or xytp. [default: told by the numbers]"
    ),
]


def main(argv: Sequence[str] | None = None) -> int:
    """Import it, say what came of it; return the exit code."""
    return cli.run(command, argv, "bash run.sh import")


def command(
    recording: Annotated[
        Path, typer.Argument(help=".aedat4, .raw, .dat, .bag, .h5, .npz, .npy, .csv or .txt")
    ],
    frames: Annotated[
        Path | None, typer.Option(help="Folder of PNGs or JPEGs, where the file holds no frames.")
    ] = None,
    exposures: Annotated[
        Path | None,
        typer.Option(help="Table: `NAME START END`, `INDEX START END` or `STAMP NAME`."),
    ] = None,
    fps: Annotated[float | None, typer.Option(help="Frames per second, without a table.")] = None,
    exposure_ms: Annotated[
        float | None, typer.Option(help="Exposure of every frame. [default: the file's]")
    ] = None,
    start_ms: Annotated[
        float | None, typer.Option(help="First frame of --fps, after the first event. [default: 0]")
    ] = None,
    stamp: Stamp = None,
    time_unit: Unit = None,
    columns: Columns = None,
    swap_xy: Annotated[bool, typer.Option("--swap-xy", help="x and y are swapped.")] = False,
    split: Annotated[str, typer.Option(help="train, val or test.")] = "test",
    sequence: Annotated[
        str | None, typer.Option(help="Name of the frames. [default: the file's]")
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Take each so manyth frame.")] = 1,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many frames.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="ROOT to make. [default: data/ and the file's name]")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace what was imported there before.")
    ] = False,
) -> None:
    """Turn a recording into ROOT/SPLIT/{blur,event}, ready for predict, from AEDAT4, Prophesee RAW
    (EVT 2, EVT 3) and DAT, ROS 1 bags, HDF5, npz, csv.

    A DAVIS346's AEDAT4 needs no further argument: its frames say when they were exposed.

    Example: bash run.sh import events.txt --frames images --exposures images.txt --exposure-ms 10
    """
    if split not in SPLITS:
        raise ConfigError(f"--split {split}: expected one of {', '.join(SPLITS)}")
    timing = Timing(exposure_ms, stamp, fps, start_ms, exposures)
    timing.check()
    wish = Wish(frames, timing, Layout(time_unit, columns, swap_xy), sequence, every, limit)
    opened = open_recording(recording, wish.layout)
    root = out or DATA / name_of(recording.stem)
    refuse_taken(root / split, MANIFEST, MADE_BY, force)
    plan = plan_import(opened, wish)
    with new_folder(root / split, MANIFEST, MADE_BY, force) as folder:
        made = write_import(plan, folder)
    report(root, split, made)


def report(root: Path, split: str, made: Imported) -> None:
    """Say what was written, what had to be decided, and what comes next."""
    plan = made.plan
    for note in plan.notes:
        print(f"note: {note}")
    lengths = np.array([each.end_us - each.start_us for each in plan.windows]) / 1000
    some = f"{np.median(lengths):.3f} ms" + (
        "" if np.ptp(lengths) < 1e-9 else f" ({lengths.min():.3f} to {lengths.max():.3f})"
    )
    names = [*plan.frames.values()]
    print(f"{len(names)} frames, {names[0]} to {names[-1]}, exposure {some}")
    outside = made.events - made.inside
    print(
        f"{made.inside} of {made.events} events lie in an exposure; {outside} lie outside of all: "
        "dropped, but for up to a tenth of an exposure after each"
    )
    if made.without:
        print(f"warning: {made.without} of the frames have no event", file=sys.stderr)
    print(f"wrote {root / split}")
    print(
        f"next: bash run.sh doctor {root}, bash run.sh show {root}, "
        f"bash run.sh predict --data {root} --split {split} --baseline edi"
    )


if __name__ == "__main__":
    sys.exit(main())
