"""From an address to a folder that can be used: fetch, compare, unpack, remember."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from tqdm import tqdm

from challenge.download.part import forget, part_of
from challenge.download.places import Place
from challenge.download.record import Record, compare, record_path, save
from challenge.download.transfer import Patience, fetch
from challenge.download.unpack import is_whole_zip, looks_like_zip, unpack
from challenge.environment.locks import locked
from challenge.environment.space import need_space, readable
from challenge.errors import DataError
from challenge.files import sha256, write_whole
from challenge.zips import UNREADABLE

LOCK_WAIT_S = 1.0
PICKLE = b"\x80"
"""How a .pth of an old torch begins; one of a newer torch is a zip."""


@dataclass(frozen=True)
class Wish:
    """How to get a file, where that is not the usual way.

    Attributes:
        url: another address.
        file: a file fetched by hand instead.
        keep_archive: whether the zip stays.
        patience: with servers.
    """

    url: str | None = None
    file: Path | None = None
    keep_archive: bool = False
    patience: Patience = field(default_factory=Patience)


def get(place: Place, out: Path, wish: Wish) -> Path:
    """Get one file: unpack a data set into its ROOT below `out`, or put weights into `out`.

    Returns:
        ROOT, or the file of weights.

    Raises:
        DataError: it cannot be had, or is not what it should be; says what to do by hand.
        DiskError: there is no room for it.
        ChallengeError: another process is at it.
    """
    goal = out / (place.folder or place.file)
    if _is_there(place, goal):
        print(f"{goal}: already there, left alone")
        return goal
    with locked(out / place.file, LOCK_WAIT_S):
        if place.folder:
            _get_data(place, goal, out / place.file, wish)
        else:
            _get_weights(place, goal, wish)
    return goal


def _is_there(place: Place, goal: Path) -> bool:
    if not place.folder:
        return goal.is_file()
    return all((goal / split).is_dir() for split in place.splits)


def _get_data(place: Place, goal: Path, kept: Path, wish: Wish) -> None:
    with _archive(place, kept, wish) as archive:
        found = _remembered(place, archive, kept, wish)
        done = unpack(archive, goal, place.splits)
        save(kept, found)
    for folder in done.there:
        print(f"{goal / folder}: already there, left alone")
    for folder, count in done.files.items():
        print(f"wrote {goal / folder}: {count} files")
    print(f"the archive's SHA-256 is kept in {record_path(kept)}")
    if done.left_out:
        print(f"note: {done.left_out} files of the archive are no part of the data, and left out")
    for split in place.splits:
        if not (goal / split).is_dir():
            print(f"warning: {goal / split}: expected, but the archive does not hold it")


@contextlib.contextmanager
def _archive(place: Place, kept: Path, wish: Wish) -> Iterator[Path]:
    """Give the archive, fetched if need be; in the end it goes, if it is ours and not to stay."""
    if wish.file is not None:
        yield _given(wish.file)
        return
    if kept.is_file():
        print(f"{kept}: fetched before, to be unpacked")
    else:
        os.replace(_fetch(place, kept, wish), kept)
    forget(part_of(kept))
    try:
        yield kept
    except DataError as error:
        fix = f"remove {kept} to fetch it anew, or unpack it by hand"
        raise DataError(error.summary, (*error.problems, fix)) from error
    if not wish.keep_archive:
        kept.unlink()


def _get_weights(place: Place, goal: Path, wish: Wish) -> None:
    source = _given(wish.file) if wish.file else _fetch(place, goal, wish)
    if wish.file is not None:
        with open(source, "rb") as file:
            first = file.read(4)
        if not (looks_like_weights(first) and is_whole_weights(source)):
            raise DataError(f"{source}: expected a .pth that torch wrote, found another file")
    found = _remembered(place, source, goal, wish)
    if wish.file is not None:
        with write_whole(goal) as temporary:
            shutil.copyfile(source, temporary)
    else:
        os.replace(source, goal)
    forget(part_of(goal))
    save(goal, found)
    print(f"wrote {goal} ({readable(found.size)}, SHA-256 {found.sha256})")


def _fetch(place: Place, file: Path, wish: Wish) -> Path:
    """Fetch a file to FILE.part, which stays there if it is cut; return that."""
    part, is_zip = part_of(file), bool(place.folder)
    file.parent.mkdir(parents=True, exist_ok=True)

    def need(total: int, have: int) -> None:
        print(f"{file}: {readable(total)}" + (f", {readable(have)} are here" if have else ""))
        also = f" ({readable(total)}) and what is in it" if is_zip else ""  # as much again, or more
        need_space(file, total - have + total * is_zip, f"{file.name}{also}")

    try:
        fetch(
            wish.url or place.url,
            part,
            looks_right=looks_like_zip if is_zip else looks_like_weights,
            is_whole=is_whole_zip if is_zip else is_whole_weights,
            need=need,
            patience=wish.patience,
        )
    except KeyboardInterrupt:
        print(f"what came is kept in {part}: the same command goes on from there")
        raise
    except DataError as error:
        again = [f"the same command goes on with {part}"] if part.is_file() else []
        raise DataError(error.summary, (*again, *by_hand(place, file.parent))) from error
    return part


def by_hand(place: Place, out: Path) -> list[str]:
    """Say how a file can be had without us: where it is, and what to do with it then."""
    places, file = " or ".join((*place.pages, place.url)), out / place.file
    command = f"bash run.sh download {place.name} --out {shlex.quote(str(out))}"
    lines = [
        f"by hand: open {places} in a browser, on any machine; put what you get at {file} and give "
        f"the same command again, or {command} --from FILE"
    ]
    if place.folder:
        splits = " and ".join(str(out / place.folder / each) for each in place.splits)
        lines.append(f"or unpack it yourself, so that there is {splits}")
    return lines


def _given(path: Path) -> Path:
    if path.is_dir():
        raise DataError(f"{path}: a folder; what is unpacked already can be used where it is")
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    return path


def _remembered(place: Place, file: Path, kept: Path, wish: Wish) -> Record:
    """Describe a file, and compare it with what was fetched before for the same place."""
    size = file.stat().st_size
    with tqdm(total=size, desc="checksum", unit="B", unit_scale=True, disable=None) as bar:
        digest = sha256(file, bar.update)
    source = str(wish.file.name) if wish.file else wish.url or place.url
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    found = Record(source, size, digest, now)
    compare(kept, found)
    return found


def looks_like_weights(first: bytes) -> bool:
    """Say whether a file that begins so can be a .pth."""
    return looks_like_zip(first) or first.startswith(PICKLE)


def is_whole_weights(path: Path) -> bool:
    """Say whether a .pth is whole: a zip tells by its checksums; a pickle does not tell."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return archive.testzip() is None
        with open(path, "rb") as file:
            return file.read(1) == PICKLE
    except UNREADABLE:
        return False
