"""One view of a folder and of a zip: a list of named entries that can be opened."""

from __future__ import annotations

import contextlib
import stat
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from challenge.errors import SubmissionError
from challenge.zips import UNREADABLE, foreign_method, open_zip, special_kind

LARGEST_READ = 4 << 20
"""Bytes, for some 90,000 names: only a list of names made to fill the memory is longer."""


@dataclass(frozen=True)
class Entry:
    """A file in a folder or a zip.

    Attributes:
        name: path inside the folder, or where unpacking puts it, with `/`; that of a folder ends
            in `/`.
        size: bytes, as the folder or the zip's directory says.
        packed: bytes it takes in the zip (`size` for a file on disk).
        open: a fresh stream of its bytes.
        odd: what it is instead of a file that can be unpacked; it must not be opened.
        written: its name in the zip's list; None where that is `name`.
        kind: what the zip says it is, other than a file; unpacking makes a file of it all the same.
    """

    name: str
    size: int
    packed: int
    open: Callable[[], IO[bytes]]
    odd: str | None = None
    written: str | None = None
    kind: str | None = None


@contextlib.contextmanager
def open_entries(path: Path) -> Iterator[list[Entry]]:
    """List a folder (with one level of sub-folders) or a zip, sorted by name.

    A zip is listed as Python's `ZipFile.extractall` unpacks it, which is what both platforms call
    (Codabench: compute_worker.py): entries of one name keep their order, and the last one counts.

    Raises:
        SubmissionError: `path` does not exist, or is not a readable folder or zip.
    """
    if path.is_dir():
        yield _folder_list(path)
        return
    if not path.is_file():
        raise SubmissionError(
            f"{path}: no such folder or zip; predictions come from `bash run.sh predict`"
        )
    with contextlib.ExitStack() as stack:
        try:
            archive = stack.enter_context(open_zip(path, LARGEST_READ))
        except UNREADABLE as error:
            raise SubmissionError(
                f"{path}: expected a zip, found something that cannot be read as one ({error}); "
                "make it again with `python challenge/make_submission.py`"
            ) from error
        yield sorted((_zip_entry(archive, info) for info in archive.infolist()), key=_by_name)


def _by_name(entry: Entry) -> str:
    return entry.name


def _folder_list(path: Path) -> list[Entry]:
    try:
        return sorted(_folder_entries(path, ""), key=_by_name)
    except OSError as error:
        raise SubmissionError(
            f"{path}: expected a folder to read, found {error.strerror}: {error.filename}; "
            "mend its permissions"
        ) from error


def _folder_entries(folder: Path, prefix: str) -> Iterator[Entry]:
    for path in folder.iterdir():
        name = prefix + path.name.replace("\\", "/")
        if path.is_dir():
            yield Entry(f"{name}/", 0, 0, _opener(path))
            if not prefix:
                yield from _folder_entries(path, f"{name}/")
        else:
            status = path.stat() if path.exists() else None
            size = status.st_size if status else 0
            plain = status is None or stat.S_ISREG(status.st_mode)
            odd = None if plain else "a pipe, socket or device"  # opening a pipe waits for ever
            yield Entry(name, size, size, _opener(path), odd)


def _opener(path: Path) -> Callable[[], IO[bytes]]:
    return lambda: path.open("rb")


def _zip_entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Entry:
    name = unpacked_name(info)
    written = info.filename.removeprefix("./")
    return Entry(
        name.replace("\\", "/"),  # of some Windows tools, which mean a folder
        info.file_size,
        info.compress_size,
        lambda: archive.open(info),
        _odd(info, name),
        None if written == name else written,
        special_kind(info),
    )


def unpacked_name(info: zipfile.ZipInfo) -> str:
    """Return where `ZipFile.extractall` puts an entry: empty parts, `.` and `..` are dropped."""
    parts = [part for part in info.filename.split("/") if part not in ("", ".", "..")]
    return "/".join(parts) + "/" * info.filename.endswith("/")


def _odd(info: zipfile.ZipInfo, name: str) -> str | None:
    if info.flag_bits & 1:
        return "an encrypted one"
    if method := foreign_method(info):
        return f"one compressed by {method}, which the platforms do not unpack"
    return None if name else "one without a name"
