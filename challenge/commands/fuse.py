"""Average runs: the mean of several predictions is often better than any of them.

bash run.sh fuse RUN RUN --name NAME          runs by their names, in every split that has them all
bash run.sh fuse FOLDER FOLDER --name NAME    folders of PNGs, whatever made them
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from tqdm import tqdm

from challenge import cli
from challenge.errors import ConfigError, SubmissionError
from challenge.files import images_sha256, is_folder_name, list_pngs, replace_folder
from challenge.findings import shorten
from challenge.images import read_png, write_png
from challenge.runs import (
    SUBMISSIONS,
    RunRecord,
    find_runs,
    load_record,
    of_same_data,
    save_record,
)

FUSED = "fuse"
"""What stands in the records of such runs as their baseline."""


def main(argv: Sequence[str] | None = None, submissions: Path = SUBMISSIONS) -> int:
    """Average, say where; return the exit code."""
    return cli.run(fuse, argv, "bash run.sh fuse", submissions=submissions)


def fuse(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN RUN ...", help="Names of runs, or their folders.")
    ],
    name: Annotated[str, typer.Option(help="Of the mean.")],
    *,
    submissions: Path = SUBMISSIONS,
) -> None:
    """Write the mean of several runs as a run of its own, beside the first of them.

    PNGs are rounded already, and their mean is rounded again. Of several networks `bash run.sh
    predict --checkpoint A --checkpoint B` rounds once.

    Example: bash run.sh fuse efnet_a efnet_b --name both
    """
    if not is_folder_name(name):
        raise ConfigError(f"--name {name!r}: expected a plain folder name")
    for folders in groups(runs, submissions):
        out = folders[0].with_name(name)
        print(f"wrote {out} ({fuse_folders(folders, out)} PNGs, mean of {len(folders)} runs)")
    print("next: bash run.sh score, python challenge/make_submission.py")


def groups(runs: Sequence[str], submissions: Path) -> list[list[Path]]:
    """Find the folders to average: those given, or those of the names, split by split.

    Raises:
        ConfigError: fewer than two, or no split of one challenge has them all.
    """
    if len(set(runs)) < 2:
        raise ConfigError(f"expected two runs or more, found {', '.join(runs)}")
    if all(Path(run).is_dir() for run in runs):
        return [[Path(run) for run in runs]]
    known = find_runs(submissions)
    places = dict.fromkeys(folder.parent.parent for folder in reversed(known))  # the newest first
    for place in places:
        splits = sorted({folder.parent for folder in known if folder.parent.parent == place})
        there = [split for split in splits if all(split / run in known for run in runs)]
        if there:
            return [[split / run for run in runs] for split in there]
    names = ", ".join(shorten(sorted({folder.name for folder in known}), 8)) or "none"
    raise ConfigError(f"no split of a challenge has all of {', '.join(runs)}; runs: {names}")


def fuse_folders(folders: Sequence[Path], out: Path) -> int:
    """Average folders of PNGs into `out`, whole or not at all; return how many frames they have.

    Raises:
        SubmissionError: they are not of the same frames; all that differs is listed.
        ConfigError: `out` is one of them, or holds what `fuse` did not make.
    """
    if out.resolve() in [folder.resolve() for folder in folders]:
        raise ConfigError(f"{out}: is one of the runs to average; choose another --name")
    if out.exists() and any(out.iterdir()) and load_record(out).baseline != FUSED:
        raise ConfigError(f"{out}: was not made by fuse; choose another --name")
    records = [load_record(folder) for folder in folders]
    names = [path.name for path in list_pngs(folders[0])]
    if problems := differences(folders, records):
        raise SubmissionError("these runs cannot be averaged", problems)
    with replace_folder(out) as unfinished:
        for png in tqdm(names, desc=out.name, unit=" images", dynamic_ncols=True):
            images = [read_png(folder / png) for folder in folders]
            if len({image.shape for image in images}) > 1:
                sizes = ", ".join(f"{image.shape[1]}x{image.shape[0]}" for image in images)
                raise SubmissionError(f"{png}: the runs have it in different sizes: {sizes}")
            write_png(unfinished / png, mean(images))
        save_record(unfinished, record_of(out.name, folders, records, len(names)))
    return len(names)


def differences(folders: Sequence[Path], records: Sequence[RunRecord]) -> list[str]:
    """Say what keeps runs from being averaged."""
    first = {path.name for path in list_pngs(folders[0])}
    problems = [] if first else [f"{folders[0]}: no PNG in it"]
    for folder, record in zip(folders[1:], records[1:], strict=True):
        names = {path.name for path in list_pngs(folder)}
        if names != first:
            only = shorten(sorted(names ^ first), 3)
            problems.append(f"{folder}: other frames than {folders[0]}: {', '.join(only)}")
        elif record.split != records[0].split or not of_same_data(record, records[0]):
            problems.append(f"{folder}: made from other inputs than {folders[0]}")
    return problems


def mean(images: Sequence[np.ndarray]) -> np.ndarray:
    """Average (H, W, 3) uint8 images, rounded to the nearest level: floor(mean + 0.5).

    >>> mean([np.full((1, 1, 3), level, np.uint8) for level in (3, 4)]).tolist()
    [[[4, 4, 4]]]
    """
    total = np.stack(images).sum(axis=0, dtype=np.uint32)
    return np.asarray((2 * total + len(images)) // (2 * len(images)), np.uint8)


def record_of(
    name: str, folders: Sequence[Path], records: Sequence[RunRecord], frames: int
) -> RunRecord:
    """Write down what was averaged; times and parameters add up."""

    def added(values: Sequence[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return sum(known) if len(known) == len(values) else None

    parameters = added([record.parameters for record in records])
    devices = {record.device for record in records}
    words = "; ".join(f"{record.name}: {record.description}" for record in records)
    return dataclasses.replace(
        records[0],
        name=name,
        baseline=FUSED,
        frames=frames,
        runtime_per_image_s=added([record.runtime_per_image_s for record in records]),
        device=" and ".join(sorted(map(str, devices))) if devices != {None} else None,
        parameters=None if parameters is None else int(parameters),
        checkpoint=None,
        checkpoint_sha256=None,
        parts={str(folder.resolve()): images_sha256(folder) for folder in folders},
        inference={},
        commit=None,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        reference=False,
        extra_data=any(record.extra_data for record in records),
        llm=any(record.llm for record in records),
        description=f"mean of {len(records)} runs ({words})",
        config={},
    )


if __name__ == "__main__":
    sys.exit(main())
