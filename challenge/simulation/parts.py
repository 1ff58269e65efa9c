"""The embedded data set made by several machines: `bash run.sh data --part I/N`.

    ROOT.parts/I-of-N/{train,val,test}/…    the sequences of part I
                      part.json             what was asked for

Whoever finds all N parts there puts them together at ROOT: the very bytes that one machine makes.
Machines without a common disk make one part each, somebody copies the folders into one ROOT.parts,
and makes any part again, which only puts them together then.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from pathlib import Path

from challenge.environment.locks import locked
from challenge.errors import DataError, disk_errors
from challenge.files import replace_folder, scratch_folder, write_json
from challenge.parts import Part
from challenge.simulation.embedded import (
    is_absent,
    is_same,
    put_in_place,
    read_manifest,
    simulate,
    write_manifest,
)
from challenge.simulation.sequences import GENERATOR, Request, plan

NOTE = "part.json"
JOIN_S = 600.0
"""So long one waits for another that puts the parts together."""


def make_part(root: Path, request: Request, part: Part, workers: int | None = None) -> list[str]:
    """Make a part of a data set, unless it is there; put all parts together if none is missing.

    Args:
        root: where the whole data set is to be.
        request: all that decides its bytes.
        part: which one to make.
        workers: processes; None means one per core.

    Returns:
        The parts, as "I/N", that are still missing; none if the data set is complete.

    Raises:
        DataError: at `root` is something else.
        DiskError: the disk is full, read-only or the like.
    """
    root = root.absolute()
    if _is_complete(root, request):
        return []
    folder = root.with_name(f"{root.name}.parts")
    with disk_errors():
        mine = folder / _name(part.number, part.total)
        if not _is_made(mine, request):
            with replace_folder(mine) as new:
                simulate(new, part.of(plan(request)), request, workers)
                write_json(new / NOTE, _note(request))
        return _put_together(root, folder, request, part.total)


def _put_together(root: Path, folder: Path, request: Request, total: int) -> list[str]:
    """Make the data set of its parts, or list those that are missing."""
    with locked(root, JOIN_S):
        if _is_complete(root, request):  # another one was first
            return []
        parts = {f"{number}/{total}": folder / _name(number, total) for number in _numbers(total)}
        missing = [name for name, place in parts.items() if not _is_made(place, request)]
        if missing:
            return missing
        with scratch_folder(root.parent, root.name) as scratch:
            new = scratch / root.name
            for place in parts.values():
                shutil.copytree(
                    place,
                    new,
                    dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns(NOTE),
                    copy_function=_link,
                )
            write_manifest(new, request)
            put_in_place(new, root, request)
        shutil.rmtree(folder, ignore_errors=True)
    return []


def _link(source: str, target: str) -> None:
    """Give a file a second name: a kill before the end loses nothing; copy it where that fails."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _is_complete(root: Path, request: Request) -> bool:
    """Say whether this very data set is there.

    Raises:
        DataError: something else is.
    """
    if is_absent(root):
        return False
    if is_same(read_manifest(root), request):
        return True
    raise DataError(
        f"{root}: holds another data set than the one asked for; name another folder with --out, "
        "or move it away"
    )


def _is_made(folder: Path, request: Request) -> bool:
    try:
        note = json.loads((folder / NOTE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(note == _note(request))


def _note(request: Request) -> dict[str, object]:
    return {"generator": GENERATOR, "request": dataclasses.asdict(request)}


def _name(number: int, total: int) -> str:
    return f"{number}-of-{total}"


def _numbers(total: int) -> range:
    return range(1, total + 1)
