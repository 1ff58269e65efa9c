"""Make the embedded data set, or one of any photographs: `bash run.sh data`."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from challenge import cli
from challenge.commands.options import MachinePart
from challenge.datasets.layout import MANIFEST
from challenge.errors import ConfigError
from challenge.findings import shorten
from challenge.importers import street, street_source
from challenge.importers.place import maker
from challenge.parts import Part
from challenge.rules import load_rules
from challenge.simulation import from_photographs
from challenge.simulation.embedded import DEFAULT_ROOT, check, make
from challenge.simulation.from_photographs import WideRequest
from challenge.simulation.parts import make_part
from challenge.simulation.sequences import SPLITS, Request, plan
from challenge.simulation.wide import Size
from challenge.simulation.world import DEFAULT, load_world

Photographs = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Of any photographs, in a wider world, data/wide."),
]
WorldName = Annotated[
    str,
    typer.Option(metavar="NAME", help="With --photographs: configs/world/NAME.yml, or a file."),
]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Of the world, such as contrast=[0.2,0.3]."),
]
Out = Annotated[
    Path | None,
    typer.Option(help="Folder to make. [default: data/mini, data/wide, data/davis346_street]"),
]
Sequences = Annotated[
    int | None,
    typer.Option(help="At most so many per split. With --photographs: so many in all."),
]


def main(argv: Sequence[str] | None = None) -> int:
    """Make it, say what was made; return the exit code."""
    return cli.run(data, argv, "bash run.sh data")


def data(
    recording: Annotated[
        Path | None,
        typer.Argument(help="With --real: its recording or archive. [default: downloaded]"),
    ] = None,
    real: Annotated[
        bool, typer.Option("--real", help="The real recording with truth, data/davis346_street.")
    ] = False,
    photographs: Photographs = None,
    world: WorldName = DEFAULT,
    changes: Changes = None,
    out: Out = None,
    seed: Annotated[int, typer.Option(help="Another seed gives other scenes and motions.")] = 0,
    width: Annotated[int, typer.Option(help="Picture width in pixels.")] = 320,
    height: Annotated[int, typer.Option(help="Picture height in pixels.")] = 240,
    frames: Annotated[int | None, typer.Option(help="Frames per sequence.")] = None,
    sequences: Sequences = None,
    train_only: Annotated[bool, typer.Option("--train-only", help="No val, no test.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace what was made before.")] = False,
    workers: Annotated[int | None, typer.Option(help="Processes; default: one per core.")] = None,
    part: MachinePart = None,
) -> None:
    """Make a small data set in HighREV's layout: photographs, motion, a simulated event camera.

    Needs no network, but for --real: 8 frames of a real camera over a street, their sharp middles
    known. Full-size frames for a benchmark: bash run.sh data --out data/full --width
    1632 --height 1224 --frames 2 --sequences 2 --train-only

    With --photographs, from all pictures in a folder and those below: cameras, light, exposures and
    motion are drawn for each sequence from the ranges in configs/world/wide.yml. The same command
    goes on after a kill. bash run.sh data --photographs ~/Pictures --sequences 5000

    Several machines: each makes one --part I/N, and the last to end puts all together.
    """
    if part is not None and force:
        raise ConfigError("--part and --force: move away what is there, or use another --out")
    request = Request(seed, width, height, frames, sequences, train_only)
    if photographs is not None:
        if real or train_only or recording is not None:
            raise ConfigError(
                "--photographs goes without --real and --train-only (but with --set val_share=0)"
            )
        check(request, workers)
        wide = WideRequest(
            Size(seed, width, height, frames or 1), sequences, load_world(world, changes or ())
        )
        place = out or from_photographs.DEFAULT_ROOT
        make_of_photographs(photographs, place, wide, force, workers, part)
        return
    if real:
        make_real(recording, out or street.ROOT, force)
        return
    if world != DEFAULT or changes:
        raise ConfigError("--world and --set go with --photographs FOLDER")
    if recording is not None:
        raise ConfigError(
            f"{recording}: a recording goes with --real; bash run.sh import takes yours"
        )
    make_embedded(out or DEFAULT_ROOT, request, force, workers, part)


def make_embedded(
    out: Path, request: Request, force: bool, workers: int | None, part: str | None
) -> None:
    """Make the embedded data set or a part of it, say what was made."""
    check(request, workers)
    started = time.perf_counter()
    if part is not None:
        if missing := make_part(out, request, Part.parse(part), workers):
            print(f"part {part} is made; still missing: {', '.join(shorten(missing))}")
            return
    elif not make(out, request, force, workers):
        print(f"{out}: already there, made with these very settings; nothing to do")
        return
    for split in SPLITS:
        made = [sequence for sequence in plan(request) if sequence.split == split]
        if made:
            number = sum(sequence.frames for sequence in made)
            tell_split(split, len(made), number, request.width, request.height)
    tell_end(out, started, out == DEFAULT_ROOT)


def tell_split(split: str, sequences: int, frames: int, width: int, height: int) -> None:
    """Say what a split holds."""
    print(f"{split}: {sequences} sequences, {frames} frames of {width}x{height}")


def tell_end(out: Path, started: float, is_default: bool) -> None:
    """Say how much it is, how long it took, and what comes next."""
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"{out}: {size / 1e6:.0f} MB in {time.perf_counter() - started:.0f} s")
    print("next: bash run.sh train" + ("" if is_default else f" data.root={out}"))


def make_of_photographs(
    folder: Path,
    out: Path,
    request: WideRequest,
    force: bool,
    workers: int | None,
    part: str | None,
) -> None:
    """Make a data set of photographs or a part of it, say what was made."""
    started = time.perf_counter()
    outcome = from_photographs.make(out, folder, request, force, workers, Part.parse(part))
    if outcome is None:
        print(f"{out}: already there, made with these very settings; nothing to do")
        return
    size, found = request.size, outcome.inventory
    for line in from_photographs.reasons(found.skipped):
        print(f"skipped {line}")
    small = sum(p.width < size.width or p.height < size.height for p in found.photographs)
    if small:
        print(
            f"{small} of {len(found.photographs)} photographs are smaller than {size.width}x"
            f"{size.height}: they are enlarged, and their sharp frames are not quite sharp"
        )
    if outcome.missing:
        print(f"{outcome.made} sequences are made; other parts have to make {outcome.missing}")
        return
    for split in SPLITS:
        if number := sum(shot.split == split for shot in outcome.shots):
            tell_split(split, number, number * size.frames, size.width, size.height)
    if not any(shot.split == "val" for shot in outcome.shots):
        print("val: none; it takes two photographs, and two sequences, of which one is for val")
    tell_end(out, started, False)


def make_real(recording: Path | None, root: Path, force: bool) -> None:
    """Make the real data set, say what was made."""
    if maker(root / MANIFEST) == street.MADE_BY and not force:
        print(f"{root}: already there; nothing to do")
        return
    with street_source.recording(recording) as path:
        names = street.make(path, root, force)
    print(f"val: {len(names)} frames of 346x260, {names[0]} to {names[-1]}, real events")
    print(f"limits: {load_rules(street.NAME).limits}")
    print(f"wrote {root}")
    print(f"next: bash run.sh predict --data {root} --baseline edi, bash run.sh score")


if __name__ == "__main__":
    sys.exit(main())
