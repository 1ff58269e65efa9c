"""Fetch data sets and weights from where their authors keep them: `bash run.sh download`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from challenge import REPOSITORY, cli
from challenge.download.get import Wish, get
from challenge.download.places import PLACES, Place, find_places
from challenge.errors import ChallengeError, ConfigError, DataError
from challenge.metrics.weights import FOLDER_VARIABLE

DATA = REPOSITORY / "data"
LPIPS = "the networks that LPIPS needs come by another verb: bash run.sh weights"


def main(argv: Sequence[str] | None = None, places: Sequence[Place] = PLACES) -> int:
    """Fetch what is asked for, say where it went; return the exit code."""
    return cli.run(download, argv, "bash run.sh download", places=places)


def download(
    what: Annotated[
        str | None,
        typer.Argument(
            help="highrev, gopro, reblur or weights, or one of the files that the command without "
            "arguments lists",
        ),
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="raw events (of highrev the usual choice)")
    ] = False,
    voxel: Annotated[bool, typer.Option("--voxel", help="of highrev: stored voxel grids")] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="folder that the data set's folder is to be in; of weights, the folder itself. "
            "[default: data, weights]",
        ),
    ] = None,
    keep_archive: Annotated[
        bool, typer.Option("--keep-archive", help="keep the zip when it is unpacked")
    ] = False,
    url: Annotated[
        str | None, typer.Option(help="another address of the same file, such as a mirror")
    ] = None,
    from_: Annotated[
        Path | None,
        typer.Option("--from", help="a file fetched by hand, to be checked and unpacked like ours"),
    ] = None,
    *,
    places: Sequence[Place],
) -> None:
    """Fetch a data set or the authors' weights, and unpack it.

    What was cut goes on where it stopped when the same command is given again. What is there
    already is left alone. A file's SHA-256 is kept, and compared when it is fetched again.

    Example: bash run.sh download highrev --out /data
    """
    if what is None:
        print(listing(places))
        return
    if raw and voxel:
        raise ConfigError("--raw and --voxel: give one of them, then the other")
    chosen = find_places(what, "raw" if raw else "voxel" if voxel else None, places)
    if url is not None and not url.startswith(("http://", "https://")):
        raise ConfigError(f"--url {url}: expected http:// or https://; a file is given by --from")
    if from_ is not None and url is not None:
        raise ConfigError("--from and --url: give one of them")
    if url is not None and len(chosen) > 1:
        raise ConfigError(f"--url {url}: of which file? {_names(chosen)}")
    if from_ is not None:
        chosen = [of_file(from_, chosen)]
    failed = fetch_all(chosen, Wish(url, from_, keep_archive), out)
    if what == "weights":
        print(LPIPS)
    if failed:
        problems = [str(each) for each in failed]
        raise DataError(f"{len(failed)} of {len(chosen)} could not be fetched", problems)


def fetch_all(chosen: Sequence[Place], wish: Wish, out: Path | None) -> list[ChallengeError]:
    """Fetch files one after the other, and say what can be done with each; return what failed."""
    failed: list[ChallengeError] = []
    for place in chosen:
        folder = out or default_folder(place)
        print(f"{place.name}: {place.what}", flush=True)
        try:
            root = get(place, folder, wish)
        except ChallengeError as error:
            if len(chosen) == 1:
                raise
            failed.append(error)
            continue
        usual = {"data": DATA, "weights": weights_folder()}
        for line in place.next:
            print(f"next: {line.format(root=root, out=folder, **usual)}")
    return failed


def default_folder(place: Place) -> Path:
    """Name the folder that a file goes to if none is asked for."""
    return DATA if place.folder else weights_folder()


def weights_folder() -> Path:
    """Name the folder of weights: the kit's, or KIT_WEIGHTS."""
    return Path(os.environ.get(FOLDER_VARIABLE) or REPOSITORY / "weights").expanduser()


def of_file(path: Path, chosen: Sequence[Place]) -> Place:
    """Say which of several files one fetched by hand is, by its name.

    Raises:
        ConfigError: its name says nothing.
    """
    named = [each for each in chosen if path.name.lower() == each.file.lower()]
    if len(chosen) > 1 and not named:
        names = _names(chosen)
        raise ConfigError(f"--from {path}: which is it? Say it instead of the data set: {names}")
    return (named or list(chosen))[0]


def listing(places: Sequence[Place]) -> str:
    """List all that can be fetched: what to type, what it is, where it is."""
    lines = ["what can be fetched: a data set (highrev, gopro, reblur), weights, or one of:"]
    for place in places:
        lines += [f"  {place.name:<19} {place.what}", f"  {'':<19} {place.url}"]
    return "\n".join([*lines, "example: bash run.sh download highrev --out /data", LPIPS])


def _names(places: Sequence[Place]) -> str:
    return " or ".join(f"bash run.sh download {each.name}" for each in places)


if __name__ == "__main__":
    sys.exit(main())
