"""Whether the training store beside a data set is that of the files as they are now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from challenge.datasets.doctor.place import Place
from challenge.datasets.source import DataSource
from challenge.datasets.store import open_store, store_folder
from challenge.errors import DataError
from challenge.findings import Finding

MAKE = "training would refuse it: bash run.sh prepare makes what is missing, or take it away"


def store_problems(place: Place) -> Iterator[Finding]:
    """Find stores that are not complete, or of files that have changed since."""
    source = DataSource(place.root, place.format, place.voxel_root)
    for split in place.splits:
        folder = store_folder(source, split)
        if not folder.is_dir():
            continue
        try:
            data = source.open(split)
        except DataError:  # said by the findings about its files
            continue
        try:
            open_store(data, folder)
        except DataError as error:
            found = "; ".join((error.summary.removeprefix(f"{folder}: "), *error.problems))
            expected = "a training store of the files as they are"
            yield Finding("store", str(folder), expected, found, MAKE, "warning")


def data_of_store(path: Path) -> Path | None:
    """Name the data set that a folder is the training store of, by its name; None if it is none."""
    for folder in (path, *path.parents[:2]):
        if folder.name.endswith("_store") and any(folder.glob("*/*/index.json")):
            return folder.with_name(folder.name.removesuffix("_store"))
    return None
