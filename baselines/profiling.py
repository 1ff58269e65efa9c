"""`bash run.sh profile`: the figures that challenge reports ask for, of any baseline."""

from __future__ import annotations

if __name__ == "__main__":
    from challenge.environment import bootstrap

    bootstrap.ensure_packages()

import datetime
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from baselines import RUNS
from baselines.efnet.export import SOURCE, SOURCE_HELP, find_checkpoint, parse_size
from baselines.efnet.inference import Inference, parse_sides
from baselines.efnet.shipped import WEIGHTS
from baselines.measuring import Job, Profile, measure
from baselines.options import Engine, Precision, Tile
from baselines.plan import splits_of
from baselines.provenance import commit
from challenge import cli
from challenge.datasets import DataSource
from challenge.environment.cores import cores
from challenge.environment.memory import GIB
from challenge.errors import ConfigError
from challenge.files import write_json
from challenge.simulation import embedded

NOTES = {
    "macs": "multiply-accumulates of convolutions, matrix products and attention; 1 MAC = 2 FLOPs; "
    "work on single elements is not counted",
    "activations": "elements of all outputs of convolutions, transposed ones included; those of "
    "matrix products, such as EFNet's attention has, are not among them",
    "seconds": "restoring one frame, its events included, without reading and writing files; the "
    "median of the repeats, the fastest and the slowest",
    "peak_memory": "bytes; on the CPU what the process took at most beyond itself idle with the "
    "weights loaded, on a GPU all that torch allocated",
}


def command(
    source: Annotated[str | None, typer.Argument(metavar=SOURCE, help=SOURCE_HELP)] = None,
    baseline: Annotated[
        str, typer.Option(help="efnet, edi, blurry, or a module of yours")
    ] = "efnet",
    size: Annotated[
        list[str] | None, typer.Option(help="WIDTHxHEIGHT, again for more; default: the frames'")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="whose first frame is restored, repeated or cut to the size; default: "
            "the embedded data set"
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1")] = "auto",
    engine: Engine = None,
    precision: Precision = None,
    tile: Tile = None,
    warmup: Annotated[int, typer.Option(help="runs that are not timed", min=1)] = 1,
    repeats: Annotated[int, typer.Option(help="timed runs", min=1)] = 5,
    count: Annotated[
        bool, typer.Option("--count", help="count alone: nothing is restored, nothing is timed")
    ] = False,
    json: Annotated[Path | None, typer.Option(help="file to write all of it to")] = None,
    *,
    runs: Path,
    shipped: Path,
) -> None:
    """Count MACs, FLOPs, parameters and activations; time the restoring; measure its memory.

    Example: bash run.sh profile efnet_mini --size 256x256 --size 1632x1224 --json profile.json
    """
    sizes = [parse_size(each) for each in size or []]
    if None in sizes:
        raise ConfigError("--size dynamic: expected WIDTHxHEIGHT, such as 1632x1224")
    checkpoint = None
    if source is not None or baseline == "efnet":
        checkpoint = find_checkpoint(source, runs, shipped)
    frames = DataSource(embedded.DEFAULT_ROOT) if data is None else DataSource.of_folder(data)
    if data is None:
        embedded.ensure(embedded.DEFAULT_ROOT)
    settings = Inference(engine, precision, parse_sides(tile))
    plan = (baseline, checkpoint, device, frames, splits_of(frames)[0])
    jobs = [Job(*plan, each, warmup, repeats, count, settings) for each in sizes or [None]]
    profiles = [measure(job) for job in jobs]
    show(profiles)
    if json is not None:
        write_json(json, record(profiles, checkpoint))
        print(f"wrote {json}")


def show(profiles: Sequence[Profile]) -> None:
    """Print a table: a column for each size, a row for each figure; and what they mean."""
    table = Table()
    table.add_column("width x height")
    for each in profiles:
        table.add_column(f"{each.size[1]}x{each.size[0]}", justify="right")
    columns = [figures_of(each) for each in profiles]
    for row in zip(*(column.items() for column in columns), strict=True):
        table.add_row(*(Text(word) for word in (row[0][0], *(value for _, value in row))))
    print(profiles[0].description)
    Console().print(table)
    for key, meaning in NOTES.items():
        print(f"{key.replace('_', ' ')}: {meaning}")


def figures_of(profile: Profile) -> dict[str, str]:
    """Write the figures of one size as a report has them; "-" for what is not known."""

    def scaled(value: float | None, unit: float, digits: int = 2) -> str:
        return "-" if value is None else f"{value / unit:,.{digits}f}"

    seconds = profile.seconds
    spread = f"{min(seconds):.3f} to {max(seconds):.3f}" if seconds else "-"
    return {
        "parameters [M]": scaled(profile.parameters, 1e6, 3),
        "MACs [G]": scaled(profile.macs, 1e9),
        "FLOPs [G]": scaled(profile.flops, 1e9),
        "activations [M]": scaled(profile.activations, 1e6),
        "runtime [s], median": scaled(profile.median_s, 1, 3),
        f"  of {len(seconds)} repeats" if seconds else "  spread": spread,
        "peak memory [GiB]": scaled(profile.peak_memory, GIB),
        "device": profile.device,
        "events": f"{profile.events:,}",
    }


def record(profiles: Sequence[Profile], checkpoint: Path | None) -> dict[str, Any]:
    """Write all figures, their definitions and the machine as JSON's values."""
    return {
        "checkpoint": None if checkpoint is None else str(checkpoint),
        "commit": commit(),
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "cores": cores(),
        "system": platform.platform(),
        "definitions": NOTES,
        "profiles": [
            asdict(each) | {"flops": each.flops, "median_s": each.median_s} for each in profiles
        ],
    }


def main(argv: Sequence[str] | None = None, runs: Path = RUNS, shipped: Path = WEIGHTS) -> int:
    """Run the command line; return the exit code."""
    return cli.run(command, argv, "bash run.sh profile", runs=runs, shipped=shipped)


if __name__ == "__main__":
    sys.exit(main())
