"""A data set's archive, unpacked: nothing lands outside of its folder, and nothing half made."""

from __future__ import annotations

import contextlib
import os
import re
import struct
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from challenge.datasets.packed import find_root
from challenge.environment.space import need_space
from challenge.errors import FIXES, DataError
from challenge.files import BLOCK, replace_folder
from challenge.findings import printable, shorten
from challenge.zips import UNREADABLE, foreign_method, open_zip, special_kind

MOST_FILES = 1_000_000
LARGEST_LIST = 256 << 20
"""Bytes of a zip's list of names."""
LARGEST_RATIO = 100
"""Unpacked to packed, of the whole: images and npz reach 1, sparse HDF5 grids perhaps 20."""
REFUSED = re.compile(r"^/|^[A-Za-z]:|\0|(^|/)\.\.(/|$)")
"""Names that lead out of a folder, here or on another system; with `/` between their parts."""
BY_HAND = "unpack it by another program, such as 7z"
LAST_RECORD = struct.Struct("<4s4H2LH")
"""A zip's last bytes but for its comment: the fourth number of 16 bits counts the files."""
MANY = 0xFFFF
"""Stands there for more than fit."""
ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")


@dataclass(frozen=True)
class Member:
    """One file: in the archive, and where it goes below ROOT, with `/`."""

    info: zipfile.ZipInfo
    target: str


@dataclass(frozen=True)
class Unpacked:
    """What was done: files of each folder of ROOT, folders that were there already, what was left
    out of the archive.
    """

    files: dict[str, int] = field(default_factory=dict)
    there: tuple[str, ...] = ()
    left_out: int = 0


def looks_like_zip(first: bytes) -> bool:
    """Say whether a file that begins so can be a zip."""
    return first.startswith(ZIP_STARTS)


def is_whole_zip(path: Path) -> bool:
    """Say whether a zip has its end: the list of names, which is written last."""
    try:
        with open_zip(path, LARGEST_LIST):
            return True
    except UNREADABLE:
        return False


def unpack(path: Path, root: Path, splits: Sequence[str]) -> Unpacked:
    """Unpack the folders of a data set into ROOT, each whole or not at all.

    Folders that ROOT has already are left alone. What macOS adds is left out, and so is what lies
    outside of the data set's folder.

    Args:
        splits: that the archive should hold.

    Raises:
        DataError: no zip, a damaged one, one that holds no data set, or names or sizes that an
            honest archive does not have; every problem is listed. Nothing is left behind.
        OSError: of the system.
    """
    try:
        with open_zip(path, LARGEST_LIST) as archive:
            _check_count(path, archive)
            members = read_members(path, archive, splits)
            folders = list(dict.fromkeys(each.target.partition("/")[0] for each in members))
            there = [each for each in folders if (root / each).exists()]
            new = [each for each in members if each.target.partition("/")[0] not in there]
            size = sum(each.info.file_size for each in new)
            need_space(root, size, f"{path.name} unpacked")
            left_out = _left_out(archive, members)
            with contextlib.ExitStack() as stack:
                made = {
                    each: stack.enter_context(replace_folder(root / each))
                    for each in folders
                    if each not in there
                }
                _write(archive, new, made, size)
    except UNREADABLE as error:
        if isinstance(error, OSError) and error.errno in FIXES:
            raise  # of the disk: not the archive's fault
        raise DataError(
            f"{path}: cannot be unpacked: {error}; it is damaged, or was not fetched whole"
        ) from error
    counted = Counter(each.target.partition("/")[0] for each in new)
    return Unpacked(dict(counted), tuple(there), left_out)


def read_members(path: Path, archive: zipfile.ZipFile, splits: Sequence[str]) -> list[Member]:
    """Choose the files of an archive that make up the data set, and where each goes.

    Raises:
        DataError: see `unpack`.
    """
    infos = [info for info in archive.infolist() if not _is_folder(info) and not _of_macos(info)]
    if len(infos) > MOST_FILES:
        raise DataError(f"{path}: expected at most {MOST_FILES} files, found {len(infos)}")
    problems = list(_problems(path, infos))
    if problems:
        raise DataError(f"{path}: not unpacked ({len(problems)})", shorten(problems))
    try:
        alone = splits[0] if len(splits) == 1 else None
        prefix, target = find_root(map(_plain_name, infos), alone)
    except DataError as error:
        raise DataError(
            f"{path}: {error.summary}; unpack it by hand, so that there is a folder with "
            f"{' and '.join(f'{each}/' for each in splits)}"
        ) from error
    members = [
        Member(info, target + name.removeprefix(prefix))
        for info in infos
        if (name := _plain_name(info)).startswith(prefix)
    ]
    return [each for each in members if "/" in each.target]  # files beside the splits are no data


def _written(info: zipfile.ZipInfo) -> str:
    """Return an entry's name with `/`, where some Windows tools write `\\`."""
    return info.filename.replace("\\", "/")


def _is_folder(info: zipfile.ZipInfo) -> bool:
    return _written(info).endswith("/")


def _plain_name(info: zipfile.ZipInfo) -> str:
    """Return an entry's name without `.` and empty parts."""
    return "/".join(PurePosixPath(_written(info)).parts)


def _check_count(path: Path, archive: zipfile.ZipFile) -> None:
    """See that the list of names holds as many as the archive's last record says.

    Raises:
        BadZipFile: a damaged length in the list has swallowed some.
    """
    with open(path, "rb") as file:
        file.seek(-LAST_RECORD.size - len(archive.comment), os.SEEK_END)
        *_, told, _size, _start, _comment = LAST_RECORD.unpack(file.read(LAST_RECORD.size))
    found = len(archive.infolist())
    if told != MANY and told != found % (MANY + 1):  # Apple's go round to 0
        raise zipfile.BadZipFile(f"its list names {found} of {told} files")


def _left_out(archive: zipfile.ZipFile, members: Sequence[Member]) -> int:
    """Count the files that are not unpacked; each is opened: a damaged name is none to leave out.

    Raises:
        One of UNREADABLE: the archive's list and the entry itself disagree.
    """
    taken = {id(member.info) for member in members}
    others = [each for each in archive.infolist() if id(each) not in taken]
    for info in others:
        archive.open(info).close()
    return sum(not _is_folder(info) for info in others)


def _of_macos(info: zipfile.ZipInfo) -> bool:
    *folders, name = _written(info).split("/")
    return "__MACOSX" in folders or name.startswith("._") or name == ".DS_Store"


def _problems(path: Path, infos: Sequence[zipfile.ZipInfo]) -> Iterator[str]:
    """Say what an honest archive of data does not have."""
    for info in infos:
        name = printable(info.filename)
        if REFUSED.search(_written(info)) or not info.filename.strip("/. "):
            yield f"{name}: a name that leads out of the folder"
        elif kind := special_kind(info):
            yield f"{name}: {kind}"
        elif info.flag_bits & 1:
            yield f"{name}: encrypted; {BY_HAND}"
        elif method := foreign_method(info):
            yield f"{name}: compressed by {method}, which Python does not unpack; {BY_HAND}"
    for filename, times in Counter(map(_plain_name, infos)).items():
        if times > 1:
            yield f"{printable(filename)}: {times} files of that name"
    size, packed = sum(info.file_size for info in infos), max(1, path.stat().st_size)
    if size > LARGEST_RATIO * packed:
        yield f"{size} bytes in {packed}: no data set is compressed {size // packed} times"


def _write(
    archive: zipfile.ZipFile, members: Sequence[Member], made: dict[str, Path], size: int
) -> None:
    with tqdm(total=size, desc="unpacking", unit="B", unit_scale=True, disable=None) as bar:
        for member in members:
            folder, _, name = member.target.partition("/")
            target = made[folder] / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member.info) as source, open(target, "xb") as file:
                while block := source.read(BLOCK):
                    file.write(block)
                    bar.update(len(block))
