"""Data of any size from a folder of photographs: `bash run.sh data --photographs FOLDER`.

    ROOT.parts/request.json            what was asked for
               photographs.json        which photographs can be used, and why others cannot
               data/{train,val}/…      the sequences
               made/NAME.json          written last: this sequence is complete; what was drawn
    ROOT/{train,val}/…, dataset.json, sequences.csv     renamed when all are there

One sequence is in memory for each process. A killed call goes on where it was when it is given
again; several machines make a part each of one ROOT.parts, and the last one puts it in place.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from challenge import REPOSITORY
from challenge.config import changes, flatten
from challenge.datasets.layout import RULES_KEY
from challenge.environment.cores import cores
from challenge.environment.leftovers import remove_leftovers_once
from challenge.environment.locks import locked
from challenge.environment.processes import map_in_processes
from challenge.environment.space import need_space
from challenge.errors import ConfigError, DataError
from challenge.files import put_in_place, write_json, write_whole
from challenge.images import write_png
from challenge.parts import ALL, Part
from challenge.simulation.embedded import (
    MANIFEST,
    digest,
    is_absent,
    keep_to_one_core,
    read_manifest,
    refuse_strangers,
)
from challenge.simulation.gallery import Listed, Photograph, Skipped, list_files, look_at
from challenge.simulation.sequences import FRAME_STEP, write_events
from challenge.simulation.wide import GENERATOR, SPLITS, Shot, Size, film, take_of
from challenge.simulation.world import World, as_row

DEFAULT_ROOT = REPOSITORY / "data" / "wide"
MADE_BY = "bash run.sh data --photographs"
TABLE = "sequences.csv"
RULES = "own"
BATCH = 512
"""Jobs that are handed to the processes at once: their number must not fill the memory."""
SCAN_S = 3600.0
"""So long one waits for another that looks at the photographs, or puts the parts together."""
OURS = re.compile(
    rf"{re.escape(MANIFEST)}|{re.escape(TABLE)}|"
    r"(train|val)/(blur|sharp|event)/(train|val)_\d{6,}_[a-z]+_\d{5,}(_\d{2})?\.(png|npz)"
)
BYTES_PER_PIXEL = 12
"""That a frame takes on disk, about, with its events."""
Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass(frozen=True)
class WideRequest:
    """What to make: everything that decides the bytes, but for the photographs.

    frames: of each sequence. sequences: of both splits; None: one for each photograph.
    """

    size: Size
    sequences: int | None
    world: World


@dataclass(frozen=True)
class Inventory:
    """What was found in a folder of photographs."""

    photographs: tuple[Photograph, ...]
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True)
class Outcome:
    """What a call came to.

    missing: sequences that other parts have to make. made: sequences that this call made.
    """

    inventory: Inventory
    shots: tuple[Shot, ...]
    made: int
    missing: int


def make(
    root: Path,
    folder: Path,
    request: WideRequest,
    force: bool = False,
    workers: int | None = None,
    part: Part = ALL,
) -> Outcome | None:
    """Make a data set at `root` from the photographs in `folder`, or go on with it.

    Args:
        root: the folder to make.
        folder: of photographs, and folders of them. Not modified.
        request: all else that decides the bytes.
        force: replace a data set made here before, and start afresh.
        workers: processes; None means one per core.
        part: of the sequences.

    Returns:
        None if this very data set was there already.

    Raises:
        ConfigError: no photographs.
        DataError: `root` holds something that was not made here, or, without `force`, another data
            set, or the beginning of one is there; a photograph changed meanwhile.
        ChallengeError: another process is at it.
        OSError: of the system.
    """
    root = root.absolute()
    listed = list_files(folder)
    note = note_of(request, listed)
    remove_leftovers_once(root.parent)
    if not is_absent(root) and is_there(root, note, force):
        shutil.rmtree(work_of(root), ignore_errors=True)  # of a call that was killed at its end
        return None
    work = work_of(root)
    with locked(root, SCAN_S):
        begin(work, note, force)
        inventory = take_stock(work, folder, listed, workers)
    shots = plan(inventory.photographs, request)
    with locked(work / f"part-{part.number}-of-{part.total}", 1.0):
        todo = [shot for shot in part.of(shots) if not marker(work, shot, request).exists()]
        size = request.size
        pixels = len(todo) * size.frames * size.width * size.height
        need_space(root, BYTES_PER_PIXEL * pixels, "the data set")
        one = partial(make_shot, work, folder, request)
        for _ in tqdm(
            in_batches(one, todo, workers), total=len(todo), desc="simulating", unit="sequence"
        ):
            pass
    with locked(root, SCAN_S):
        missing = sum(not marker(work, shot, request).exists() for shot in shots)
        if not missing and work.is_dir():  # else another one was first
            write_tables(work, note, inventory, shots, request)
            put_in_place(work / "data", root)
            shutil.rmtree(work, ignore_errors=True)
    return Outcome(inventory, tuple(shots), len(todo), missing if work.is_dir() else 0)


def work_of(root: Path) -> Path:
    """Name the folder in which a data set comes to be."""
    return root.with_name(f"{root.name}.parts")


def note_of(request: WideRequest, listed: Sequence[Listed]) -> dict[str, Any]:
    """Write down what is asked for, in plain types."""
    names = hashlib.sha256(repr([(each.name, each.bytes) for each in listed]).encode())
    return {
        "generator": GENERATOR,
        **asdict(request.size),
        "sequences": request.sequences,
        "world": asdict(request.world),
        "files": names.hexdigest(),
    }


def is_there(root: Path, note: dict[str, Any], force: bool) -> bool:
    """Say whether the data set asked for is at `root`.

    Raises:
        DataError: another one is, and may not be replaced.
    """
    manifest = read_manifest(root, MADE_BY, MADE_BY)
    if force:
        refuse_strangers(root, lambda name: OURS.fullmatch(name) is not None, MADE_BY)
        return False
    refuse_another(
        root, manifest.get("request") or {}, note, "holds another data set than the one asked for"
    )
    return True


def refuse_another(place: Path, there: dict[str, Any], note: dict[str, Any], what: str) -> None:
    """Refuse what was made, or begun, with other settings.

    Raises:
        DataError: says which.
    """
    if there == note:
        return
    before = flatten(there)
    differing = {**changes(there, note), **changes(note, there)}
    problems = [
        "the photographs: others are in the folder, or their sizes changed"
        if name == "files"
        else f"{name}: {before.get(name)} there, {flatten(note).get(name)} asked for"
        for name in sorted(differing)
    ]
    raise DataError(
        f"{place}: {what}; add --force to replace it, or name another folder with --out", problems
    )


def begin(work: Path, note: dict[str, Any], force: bool) -> None:
    """Make the folder to work in, or see that what lies there is the beginning of this data set.

    Raises:
        DataError: it is that of another one.
    """
    request = work / "request.json"
    if force and request.exists():
        shutil.rmtree(work)
    if work.exists() and any(not path.name.startswith(".") for path in work.iterdir()):
        try:
            there = json.loads(request.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(
                f"{work}: not the beginning of a data set; move it away, or name another --out"
            ) from error
        refuse_another(work, there, note, "holds the beginning of another data set")
        return
    work.mkdir(parents=True, exist_ok=True)
    write_json(request, note)


def take_stock(
    work: Path, folder: Path, listed: Sequence[Listed], workers: int | None
) -> Inventory:
    """Look at every photograph once; what was found is kept for the next call.

    Raises:
        ConfigError: none can be used.
    """
    path = work / "photographs.json"
    if path.exists():
        kept = json.loads(path.read_text(encoding="utf-8"))
        return Inventory(
            tuple(Photograph(**each) for each in kept["photographs"]),
            tuple(Skipped(**each) for each in kept["skipped"]),
        )
    looked = in_batches(partial(look_at, folder=folder), listed, workers)
    seen = [*tqdm(looked, total=len(listed), desc="looking", unit="photograph")]
    skipped = tuple(each for each in seen if isinstance(each, Skipped))
    usable = tuple(each for each in seen if isinstance(each, Photograph))
    if not usable:
        shutil.rmtree(work)
        raise ConfigError(f"{folder}: none of its photographs can be used", reasons(skipped))
    inventory = Inventory(usable, skipped)
    write_json(path, {key: [asdict(e) for e in each] for key, each in vars(inventory).items()})
    return inventory


def reasons(skipped: Sequence[Skipped], most: int = 10) -> list[str]:
    """Say of files why they cannot be used; of many, only how many more."""
    lines = [f"{each.name}: {each.reason}" for each in skipped[:most]]
    more = len(skipped) - most
    return [*lines, f"and {more} more, see {MANIFEST}"] if more > 0 else lines


def plan(photographs: Sequence[Photograph], request: WideRequest) -> list[Shot]:
    """Share photographs out to train and val, and both to sequences.

    Equal files count once. They are ordered by their hashes, whatever their names: the first are
    val, and each split takes its own in turn, again and again where there are more sequences.
    """
    unique = {each.sha256: each for each in reversed(photographs)}
    ordered = [unique[key] for key in sorted(unique)]
    share, total = request.world.val_share, request.sequences or len(ordered)
    in_val = _part(share, len(ordered))
    shots = []
    for split, chosen, number in (
        ("val", ordered[:in_val], _part(share, total) if in_val else 0),
        ("train", ordered[in_val:], total - (_part(share, total) if in_val else 0)),
    ):
        shots += [Shot(split, i, chosen[i % len(chosen)]) for i in range(number)]
    return shots


def _part(share: float, number: int) -> int:
    """Take a share of a number, at least 1 and not all, if it is one and there are two."""
    return min(max(round(share * number), 1), number - 1) if share else 0


def in_batches(
    function: Callable[[Job], Result], jobs: Sequence[Job], workers: int | None
) -> Iterator[Result]:
    """Yield `function(job)` for each job, in order, by processes that are given a few at a time."""
    rest = iter(jobs)
    while batch := list(islice(rest, BATCH)):
        number = min(workers or cores(), len(batch))
        yield from map_in_processes(function, batch, number, keep_to_one_core)


def name_of(shot: Shot, request: WideRequest) -> str:
    """Name a sequence."""
    motion = take_of(shot, request.world, request.size.seed).motion
    return f"{shot.split}_{shot.number:06d}_{motion}"


def marker(work: Path, shot: Shot, request: WideRequest) -> Path:
    """Name the file that says that a sequence is complete."""
    return work / "made" / f"{shot.split}_{shot.number:06d}.json"


def make_shot(work: Path, folder: Path, request: WideRequest, shot: Shot) -> None:
    """Simulate a sequence, and write its files; its marker last."""
    take = take_of(shot, request.world, request.size.seed)
    name, data = name_of(shot, request), work / "data"
    pixels = request.size.width * request.size.height
    written: list[str] = []
    total = 0
    for i, frame in enumerate(film(shot, take, request.size, folder)):
        stem = f"{name}_{i * FRAME_STEP:05d}"
        for kind, picture in (("blur", frame.blurry), ("sharp", frame.sharp)):
            write_png(data / shot.split / kind / f"{stem}.png", picture)
            written.append(f"{shot.split}/{kind}/{stem}.png")
        for k, part in enumerate(frame.events):
            path = data / shot.split / "event" / f"{stem}_{k:02d}.npz"
            write_events(path, part, shot.number)
            written.append(path.relative_to(data).as_posix())
            total += len(part)
    row = {"name": name, "split": shot.split, "photograph": shot.photograph.name, **as_row(take)}
    row["events_per_pixel"] = total / (pixels * request.size.frames)
    write_json(marker(work, shot, request), {"sha256": digest(data, written), "row": row})


def write_tables(
    work: Path,
    note: dict[str, Any],
    inventory: Inventory,
    shots: Sequence[Shot],
    request: WideRequest,
) -> None:
    """Write dataset.json, and what was drawn for each sequence."""
    total = hashlib.sha256()
    with (
        write_whole(work / "data" / TABLE) as path,
        open(path, "w", encoding="utf-8", newline="") as f,
    ):
        writer = None
        for shot in shots:
            made = json.loads(marker(work, shot, request).read_text(encoding="utf-8"))
            total.update(f"{made['row']['name']} {made['sha256']}\n".encode())
            if writer is None:
                writer = csv.DictWriter(f, list(made["row"]), lineterminator="\n")
                writer.writeheader()
            writer.writerow(made["row"])
    split_of = {shot.photograph.sha256: shot.split for shot in shots}
    used = [
        {**asdict(each), "split": split_of[each.sha256]}
        for each in inventory.photographs
        if each.sha256 in split_of
    ]
    manifest = {
        "made_by": MADE_BY,
        RULES_KEY: RULES,
        "request": note,
        "splits": {split: sum(shot.split == split for shot in shots) for split in SPLITS},
        "sha256": total.hexdigest(),
        "photographs": used,
        "skipped": [asdict(each) for each in inventory.skipped],
    }
    write_json(work / "data" / MANIFEST, manifest)
