"""Make the embedded data set: `bash run.sh data`."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from challenge import cli
from challenge.commands.options import MachinePart
from challenge.errors import ConfigError
from challenge.findings import shorten
from challenge.parts import Part
from challenge.simulation.embedded import DEFAULT_ROOT, check, make
from challenge.simulation.parts import make_part
from challenge.simulation.sequences import SPLITS, Request, plan


def main(argv: Sequence[str] | None = None) -> int:
    """Make it, say what was made; return the exit code."""
    return cli.run(data, argv, "bash run.sh data")


def data(
    out: Annotated[Path, typer.Option(help="Folder to make.")] = DEFAULT_ROOT,
    seed: Annotated[int, typer.Option(help="Another seed gives other scenes and motions.")] = 0,
    width: Annotated[int, typer.Option(help="Picture width in pixels.")] = 320,
    height: Annotated[int, typer.Option(help="Picture height in pixels.")] = 240,
    frames: Annotated[int | None, typer.Option(help="Frames per sequence.")] = None,
    sequences: Annotated[int | None, typer.Option(help="At most so many per split.")] = None,
    train_only: Annotated[bool, typer.Option("--train-only", help="No val, no test.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace what was made before.")] = False,
    workers: Annotated[int | None, typer.Option(help="Processes; default: one per core.")] = None,
    part: MachinePart = None,
) -> None:
    """Make a small data set in HighREV's layout: photographs, motion, a simulated event camera.

    Needs no network. Full-size frames for a benchmark: bash run.sh data --out data/full --width
    1632 --height 1224 --frames 2 --sequences 2 --train-only

    Several machines: each makes one --part I/N, and the last to end puts all together.
    """
    request = Request(seed, width, height, frames, sequences, train_only)
    check(request, workers)
    started = time.perf_counter()
    if part is not None:
        if force:
            raise ConfigError("--part and --force: move away what is there, or use another --out")
        if missing := make_part(out, request, Part.parse(part), workers):
            print(f"part {part} is made; still missing: {', '.join(shorten(missing))}")
            return
    elif not make(out, request, force, workers):
        print(f"{out}: already there, made with these very settings; nothing to do")
        return
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    seconds = time.perf_counter() - started
    for split in SPLITS:
        made = [sequence for sequence in plan(request) if sequence.split == split]
        if made:
            number = sum(sequence.frames for sequence in made)
            print(f"{split}: {len(made)} sequences, {number} frames of {width}x{height}")
    print(f"{out}: {size / 1e6:.0f} MB in {seconds:.0f} s")
    print("next: bash run.sh train" + ("" if out == DEFAULT_ROOT else f" data.root={out}"))


if __name__ == "__main__":
    sys.exit(main())
