"""Make the training store of a configuration's data: `bash run.sh prepare CONFIG.yml …`."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from baselines.efnet.config import read_config
from baselines.efnet.train import DEFAULT_CONFIG, NO_STORE, find_config
from challenge import cli
from challenge.commands.options import MachinePart
from challenge.datasets import DataSource
from challenge.datasets.store import prepare
from challenge.errors import ConfigError
from challenge.files import kit_path
from challenge.parts import Part
from challenge.simulation import embedded


def command(
    arguments: Annotated[
        list[str] | None, typer.Argument(help="a configuration file, then overrides: key=value")
    ] = None,
    part: MachinePart = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes; default: one per core, as far as memory allows."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the store. [default: data.store, or ROOT_store]")
    ] = None,
) -> None:
    """Make a copy of the training data from which a crop costs what it contains.

    Training uses it when it is there. What was made stays when this is stopped, and the same
    command goes on; frames whose files have changed are made anew.

    Example: bash run.sh prepare configs/efnet_highrev_raw.yml data.root=/data/HighREV
    """
    words = list(arguments or [])
    path = find_config(words.pop(0)) if words and "=" not in words[0] else DEFAULT_CONFIG
    config = read_config(path, words)
    if config.data.store == NO_STORE and not out:
        raise ConfigError(f"data.store={NO_STORE}: training uses no store then; leave it out")
    store = out or (kit_path(config.data.store) if config.data.store else None)
    began = time.perf_counter()
    source = DataSource.of_config(dataclasses.asdict(config.data))
    if source.root == embedded.DEFAULT_ROOT:
        embedded.ensure(source.root)
    if prepare(source, store, Part.parse(part), workers):
        print(f"ready in {time.perf_counter() - began:.0f} s; bash run.sh train uses it")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    return cli.run(command, argv, "bash run.sh prepare")


if __name__ == "__main__":
    sys.exit(main())
