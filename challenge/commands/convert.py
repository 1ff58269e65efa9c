"""Convert recordings with raw events: `bash run.sh convert scer|voxel|monash SOURCE OUT`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from challenge import cli
from challenge.datasets import BINS, DataSource
from challenge.datasets.convert import Recipe, splits_of
from challenge.datasets.convert import convert as convert_all
from challenge.environment.cores import cores
from challenge.errors import ConfigError, DataError
from challenge.parts import Part


class Target(str, Enum):
    """What is written."""

    scer = "scer"
    voxel = "voxel"
    monash = "monash"


def main(argv: Sequence[str] | None = None) -> int:
    """Convert, and say what was written; return the exit code."""
    return cli.run(convert, argv, "bash run.sh convert")


def convert(
    target: Annotated[
        Target,
        typer.Argument(
            help="scer: HDF5 with SCER grids and masks, as GoPro and REBlur have them. voxel: "
            "stored voxel grids, as HighREV_voxel has them. monash: raw events in HDF5.",
        ),
    ],
    source: Annotated[
        Path, typer.Argument(help="A folder with raw events: HighREV's layout, or HDF5.")
    ],
    out: Annotated[Path, typer.Argument(help="The folder to write.")],
    split: Annotated[
        list[str] | None, typer.Option(help="May be repeated. [default: all there are]")
    ] = None,
    bins: Annotated[int, typer.Option(help="Of the grids.")] = BINS,
    noise: Annotated[
        bool,
        typer.Option("--noise", help="scer: add the noise and hot pixels of the published GoPro."),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the noise.")] = 0,
    part: Annotated[
        str | None, typer.Option(metavar="I/N", help="Write part I of N: one for each machine.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes. [default: one per core]")
    ] = None,
) -> None:
    """Convert raw events to SCER files, to stored voxel grids or to raw HDF5.

    Stopped, the same command goes on where it was.

    Example: bash run.sh convert scer /data/GOPRO_rawevents /data/GoPro --noise --seed 1
    """
    if not source.is_dir():
        raise DataError(f"{source}: expected a folder with {{train,val,test}}/, found none")
    if out.resolve() == source.resolve():
        raise ConfigError(f"{out}: is the source; name another folder to write")
    data = DataSource.of_folder(source)
    recipe = Recipe(target.value, bins, noise, seed)
    splits = split or splits_of(data)
    written = convert_all(data, out, recipe, splits, workers or cores(), Part.parse(part))
    print(f"{out}: {written} files written" if written else f"{out}: all there; nothing to do")
    if target is Target.voxel:
        print(
            f"next: bash run.sh train configs/efnet_highrev_voxel.yml data.root={source} "
            f"data.voxel_root={out} data.bins={bins}"
        )
    elif target is Target.scer:
        print(f"next: bash run.sh train configs/efnet_gopro.yml data.root={out} data.bins={bins}")


if __name__ == "__main__":
    sys.exit(main())
