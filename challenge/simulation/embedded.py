"""Make the embedded data set: `bash run.sh data`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from collections.abc import Sequence as Several
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import cv2
from tqdm import tqdm

from challenge import REPOSITORY
from challenge.environment.cores import cores
from challenge.environment.leftovers import remove_leftovers_once
from challenge.environment.processes import map_in_processes
from challenge.errors import ConfigError, DataError, disk_errors
from challenge.files import replace_folder, scratch_folder, write_json
from challenge.simulation.photographs import LICENCES
from challenge.simulation.sequences import (
    GENERATOR,
    SPLITS,
    Request,
    Sequence,
    file_names,
    plan,
    write_sequence,
)

MANIFEST = "dataset.json"
MADE_BY = "challenge.prepare_data"
COMMAND = "bash run.sh data"
DEFAULT_ROOT = REPOSITORY / "data" / "mini"
SMALLEST_SIDE, LARGEST_SIDE = 32, 4096


def ensure(root: Path) -> None:
    """Make the embedded data set with its default settings if there is nothing at `root`.

    A folder that is already there, whoever made it, is left alone: reading it tells what is wrong
    with it.
    """
    if is_absent(root):
        print(f"{root}: not there yet; making the embedded data set (once, under a minute)")
        make(root, Request())


def make(root: Path, request: Request, force: bool = False, workers: int | None = None) -> bool:
    """Make a data set at `root`, whole or not at all.

    Sequences are simulated side by side; the number of workers changes no byte. The files go to a
    temporary folder beside `root`, which is renamed at the end.

    Args:
        root: the folder to make.
        request: all that decides the bytes.
        force: replace a data set made here before.
        workers: processes; None means one per core.

    Returns:
        False if this very data set was there already, and nothing was done.

    Raises:
        DataError: `root` holds something that was not made here, or, without `force`, another
            request's data set.
        DiskError: the disk is full, read-only or the like.
    """
    root = root.absolute()
    remove_leftovers_once(root.parent)
    replaces = not is_absent(root)
    if replaces:
        manifest = read_manifest(root)
        if not force and is_same(manifest, request):
            return False
        if not force:
            raise DataError(
                f"{root}: holds another data set than the one asked for; "
                "add --force to replace it, or name another folder with --out",
                differences(manifest, request),
            )
        refuse_strangers(root, files_of(manifest).__contains__)
    try:
        with disk_errors():
            if replaces:
                with replace_folder(root) as new:
                    write_all(new, request, workers)
            else:
                make_first(root, request, workers)
    except OSError as error:
        raise DataError(f"{root}: cannot be written: {error.strerror or error}") from error
    return True


def make_first(root: Path, request: Request, workers: int | None) -> None:
    """Make a data set where none is; what another process puts there meanwhile is never replaced.

    Raises:
        OSError: something else has come to be at `root` than what was asked for.
    """
    with scratch_folder(root.parent, root.name) as folder:
        new = folder / root.name  # inside, since the workspace is for its owner alone
        write_all(new, request, workers)
        put_in_place(new, root, request)


def put_in_place(new: Path, root: Path, request: Request) -> None:
    """Rename a finished data set to where nothing is, or what another process made meanwhile.

    Raises:
        OSError: something else has come to be at `root` than what was asked for.
    """
    try:
        new.rename(root)
    except OSError:
        if is_absent(root) or not is_same(read_manifest(root), request):
            raise
        # another process was asked for the same at the same time, and was first


def is_absent(root: Path) -> bool:
    """Say whether nothing is at `root`, or an empty folder."""
    return not root.exists() or (root.is_dir() and not any(root.iterdir()))


def read_manifest(root: Path, made_by: str = MADE_BY, command: str = COMMAND) -> dict[str, Any]:
    """Read what was noted about a data set by who made it; `command` names them in messages.

    Raises:
        DataError: `root` was made by nobody or somebody else.
    """
    try:
        manifest = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
        if manifest["made_by"] == made_by:
            return dict(manifest)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise DataError(
        f"{root}: not empty, and not made by `{command}` (no {MANIFEST} of its own); "
        "it is left as it is, name another folder with --out"
    )


def is_same(manifest: dict[str, Any], request: Request) -> bool:
    """Say whether the data set of this manifest is what the request would give."""
    return not differences(manifest, request)


def differences(manifest: dict[str, Any], request: Request) -> list[str]:
    """Say in which settings the data set of this manifest differs from a request."""
    asked = {"generator": GENERATOR, **asdict(request)}
    there = {"generator": manifest.get("generator"), **manifest.get("request", {})}
    return [
        f"{name}: {there.get(name)} there, {asked.get(name)} asked for"
        for name in sorted(asked.keys() | there.keys())
        if there.get(name) != asked.get(name)
    ]


def files_of(manifest: dict[str, Any]) -> set[str]:
    """List what `make` wrote, as far as the manifest tells."""
    try:
        sequences = [Sequence(**entry) for entry in manifest["sequences"]]
    except (KeyError, TypeError):
        sequences = []
    return {MANIFEST, *(name for sequence in sequences for name in file_names(sequence))}


def refuse_strangers(root: Path, is_ours: Callable[[str], bool], command: str = COMMAND) -> None:
    """Make sure that deleting `root` deletes nothing but what `command` wrote.

    Raises:
        DataError: there are other files; the first few are named.
    """
    found = (path.relative_to(root).as_posix() for path in root.rglob("*") if not path.is_dir())
    if strangers := sorted(name for name in found if not is_ours(name)):
        raise DataError(
            f"{root}: not replaced, since {len(strangers)} of its files were not written by "
            f"`{command}`; move them away or name another folder with --out",
            strangers[:5],
        )


def write_all(folder: Path, request: Request, workers: int | None) -> None:
    """Simulate every sequence of a request into `folder`, and write its manifest."""
    folder.mkdir(exist_ok=True)
    simulate(folder, plan(request), request, workers)
    write_manifest(folder, request)


def simulate(
    folder: Path, sequences: Several[Sequence], request: Request, workers: int | None
) -> None:
    """Simulate some sequences of a request into `folder`."""
    if not sequences:
        return
    one = partial(write_sequence, folder, request=request)
    number = min(workers or cores(), len(sequences))
    written = map_in_processes(one, sequences, number, keep_to_one_core)
    for _ in tqdm(written, total=len(sequences), desc="simulating", unit="sequence"):
        pass


def write_manifest(folder: Path, request: Request) -> None:
    """Note what was made in `folder`, which holds every file of a request: it is complete then."""
    sequences = plan(request)
    names = sorted(name for sequence in sequences for name in file_names(sequence))
    shown = {name for s in {s.split for s in sequences} for name in SPLITS[s].textures}
    manifest = {
        "made_by": MADE_BY,
        "generator": GENERATOR,
        "request": asdict(request),
        "photographs": {name: LICENCES[name] for name in sorted(shown) if name in LICENCES},
        "source_of_photographs": "the installed scikit-image package (skimage.data)",
        "sha256": digest(folder, names),
        "sequences": [asdict(sequence) for sequence in sequences],
    }
    write_json(folder / MANIFEST, manifest)


def keep_to_one_core() -> None:
    """Leave the other cores to the other processes."""
    cv2.setNumThreads(1)


def digest(folder: Path, names: Several[str]) -> str:
    """Compute one SHA-256 over the names and bytes of the files, in the given order."""
    total = hashlib.sha256()
    for name in names:
        content = (folder / name).read_bytes()
        total.update(f"{name}\0{len(content)}\0".encode() + content)
    return total.hexdigest()


def check(request: Request, workers: int | None) -> None:
    """Refuse what cannot be made.

    Raises:
        ConfigError: every setting that is out of range.
    """
    problems = [
        f"--{name} {value}: expected {SMALLEST_SIDE} to {LARGEST_SIDE} pixels"
        for name, value in (("width", request.width), ("height", request.height))
        if not SMALLEST_SIDE <= value <= LARGEST_SIDE
    ]
    counts = {"frames": request.frames, "sequences": request.sequences, "workers": workers}
    problems += [
        f"--{name} {value}: expected 1 or more"
        for name, value in counts.items()
        if value is not None and value < 1
    ]
    if request.seed < 0:
        problems.append(f"--seed {request.seed}: expected 0 or more")
    if problems:
        raise ConfigError("the data set cannot be made", problems)
