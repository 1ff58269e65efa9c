"""`bash run.sh export`: a trained network as a file that other engines run, or that is shared."""

from __future__ import annotations

if __name__ == "__main__":
    from challenge.environment import bootstrap

    bootstrap.ensure_packages()

import dataclasses
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from baselines import BEST, RUNS
from baselines.efnet.exporting import (
    load_described,
    write_onnx,
    write_openvino,
    write_safetensors,
)
from baselines.efnet.inputs import Batch, arrays_of, inputs_of
from baselines.efnet.metadata import Metadata
from baselines.efnet.shipped import WEIGHTS, find_shipped, shipped_weights
from baselines.plan import find_weights
from challenge import SPLITS, cli
from challenge.datasets import DataSource
from challenge.errors import ChallengeError, ConfigError
from challenge.sample import Window
from challenge.simulation import embedded

SOURCE = "[RUN|CHECKPOINT|NAME]"
SOURCE_HELP = "a training, a file or shipped weights; default: the newest training"
SUFFIXES = {"onnx": ".onnx", "openvino": ".xml", "safetensors": ".safetensors"}
DYNAMIC = "dynamic"
LOOKED_AT = (128, 160)
"""(H, W) of the part of a real frame that is compared on."""


def command(
    source: Annotated[str | None, typer.Argument(metavar=SOURCE, help=SOURCE_HELP)] = None,
    format: Annotated[str, typer.Option(help=", ".join(SUFFIXES))] = "onnx",
    size: Annotated[
        str, typer.Option(help="WIDTHxHEIGHT of what it will restore, or dynamic: any")
    ] = DYNAMIC,
    out: Annotated[
        Path | None,
        typer.Option(help="file to write; default: beside the checkpoint; of shipped ones, here"),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="data set whose first frame it is compared on; default: the training's"),
    ] = None,
    *,
    runs: Path,
    shipped: Path,
) -> None:
    """Export a network, and compare it with torch before the file is kept.

    `predict --checkpoint FILE` runs what was exported: nothing else is needed.

    Example: bash run.sh export efnet_mini --format openvino
    """
    if format not in SUFFIXES:
        raise ConfigError(f"--format {format}: expected {' or '.join(SUFFIXES)}")
    height_width = parse_size(size)
    checkpoint = find_checkpoint(source, runs, shipped)
    ours = checkpoint.resolve().parent == shipped.resolve()  # the kit's folder stays as it is
    name = default_name(checkpoint, format, height_width)
    target = out or (Path(name) if ours else checkpoint.with_name(name))
    if target.suffix.lower() != SUFFIXES[format]:
        raise ConfigError(f"--out {target}: expected a name that ends in {SUFFIXES[format]}")
    if target.resolve() == checkpoint.resolve():
        raise ConfigError(f"--out {target}: is the checkpoint itself; choose another name")
    network, metadata, loaded = load_described(checkpoint)
    metadata = dataclasses.replace(metadata, size=height_width)
    if format == "safetensors":
        if height_width:
            raise ConfigError(f"--size {size}: weights in safetensors fit any size; leave it out")
        write_safetensors(target, metadata, loaded)
    else:
        root = loaded.get("config", {}).get("data", {}) or None
        real = real_inputs(metadata, data, root)
        write = write_onnx if format == "onnx" else write_openvino
        for parity in write(target, network, metadata, real):
            print(parity)
    print(f"wrote {target} ({target.stat().st_size / 2**20:.1f} MiB)")


def parse_size(text: str) -> tuple[int, int] | None:
    """Read "WIDTHxHEIGHT" into (height, width); "dynamic" is None.

    >>> parse_size("1632x1224")
    (1224, 1632)

    Raises:
        ConfigError: it is something else.
    """
    if text == DYNAMIC:
        return None
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if not match:
        raise ConfigError(f"--size {text}: expected WIDTHxHEIGHT, such as 1632x1224, or {DYNAMIC}")
    return int(match[2]), int(match[1])


def find_checkpoint(source: str | None, runs: Path, shipped: Path = WEIGHTS) -> Path:
    """Find the checkpoint that is meant: a file, the best of a training, or shipped weights.

    Args:
        source: a path, or a name, of which a training's comes first; None: the newest training,
            where there is none the default of the shipped weights.
        runs: where trainings are.
        shipped: where weights are that come with the kit.

    Raises:
        ConfigError: there is none.
        DataError: shipped weights are damaged.
    """
    if source is not None and (Path(source).is_file() or Path(source).suffix):
        return Path(source)
    trained = source is not None and any((each / source / BEST).exists() for each in (Path(), runs))
    if source is not None and not trained and source in shipped_weights(shipped):
        return find_shipped(source, shipped).path
    _, (checkpoint,) = find_weights(source, None, (), runs, shipped=shipped)
    return checkpoint


def default_name(checkpoint: Path, format: str, size: tuple[int, int] | None) -> str:
    """Name an exported file after its checkpoint, and the size it is made for."""
    sized = "" if size is None else f"_{size[1]}x{size[0]}"
    return f"{checkpoint.stem}{sized}{SUFFIXES[format]}"


def real_inputs(
    metadata: Metadata, data: Path | None, trained_on: dict[str, object] | None
) -> list[Batch]:
    """Take a part of a real frame: of `data`, else of the training's data, else of the embedded.

    Where there is no such frame, a sentence says so, and there is none.

    Raises:
        ChallengeError: `data` was asked for and cannot be read.
    """
    if data is not None:
        source = DataSource.of_folder(data, metadata.reading.representation.bins)
    else:
        source = DataSource(embedded.DEFAULT_ROOT)
        if trained_on and trained_on.get("root") and DataSource.of_config(trained_on).root.is_dir():
            source = DataSource.of_config(trained_on)
    try:
        return [_part_of_first_frame(metadata, source)]
    except ChallengeError as error:
        if data is not None:
            raise
        said = str(error).splitlines()[0]
        print(f"note: compared on noise alone ({said}); --data FOLDER names real frames")
        return []


def _part_of_first_frame(metadata: Metadata, source: DataSource) -> Batch:
    splits = [each for each in (*SPLITS[1:], SPLITS[0]) if (source.root / each).is_dir()]
    if not splits:
        raise ConfigError(f"{source.root}: no data set there")
    dataset = source.of_split(splits[0]).open(splits[0])
    sample = dataset.read_inputs(dataset.frames[0])
    height, width = sample.blurry.shape[:2]
    rows, columns = min(height, LOOKED_AT[0]), min(width, LOOKED_AT[1])
    top, left = (height - rows) // 2, (width - columns) // 2
    reading = metadata.reading
    return inputs_of(arrays_of(sample, reading, Window(top, left, rows, columns)), reading)


def main(argv: Sequence[str] | None = None, runs: Path = RUNS, shipped: Path = WEIGHTS) -> int:
    """Run the command line; return the exit code."""
    return cli.run(command, argv, "bash run.sh export", runs=runs, shipped=shipped)


if __name__ == "__main__":
    sys.exit(main())
