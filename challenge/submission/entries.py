"""One view of a folder and of a zip: a list of named entries that can be opened."""

from __future__ import annotations

import contextlib
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from challenge.errors import SubmissionError

UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    NotImplementedError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
)
"""What Python raises on a damaged, encrypted or foreign entry."""


@dataclass(frozen=True)
class Entry:
    """A file in a folder or a zip.

    Attributes:
        name: path inside the folder or zip, with `/`; that of a folder ends in `/`.
        size: bytes, as the folder or the zip's directory says.
        packed: bytes it takes in the zip (`size` for a file on disk).
        encrypted: it needs a password.
        open: a fresh stream of its bytes.
    """

    name: str
    size: int
    packed: int
    encrypted: bool
    open: Callable[[], IO[bytes]]


@contextlib.contextmanager
def open_entries(path: Path) -> Iterator[list[Entry]]:
    """List a folder (with one level of sub-folders) or a zip, sorted by name.

    Raises:
        SubmissionError: `path` does not exist, or is not a readable zip.
    """
    if path.is_dir():
        yield sorted(_folder_entries(path, ""), key=_by_name)
        return
    if not path.is_file():
        raise SubmissionError(
            f"{path}: no such folder or zip; predictions come from `bash run.sh predict`"
        )
    try:
        archive = zipfile.ZipFile(path)
    except UNREADABLE as error:
        raise SubmissionError(
            f"{path}: expected a zip, found something that cannot be read as one ({error}); "
            "make it again with `python challenge/make_submission.py`"
        ) from error
    with archive:
        yield sorted((_zip_entry(archive, info) for info in archive.infolist()), key=_by_name)


def _by_name(entry: Entry) -> str:
    return entry.name


def _folder_entries(folder: Path, prefix: str) -> Iterator[Entry]:
    for path in folder.iterdir():
        name = prefix + path.name.replace("\\", "/")
        if path.is_dir():
            yield Entry(f"{name}/", 0, 0, False, _opener(path))
            if not prefix:
                yield from _folder_entries(path, f"{name}/")
        else:
            size = path.stat().st_size if path.exists() else 0
            yield Entry(name, size, size, False, _opener(path))


def _opener(path: Path) -> Callable[[], IO[bytes]]:
    return lambda: path.open("rb")


def _zip_entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Entry:
    name = info.filename.replace("\\", "/")  # some Windows tools write backslashes
    encrypted = bool(info.flag_bits & 1)
    return Entry(name, info.file_size, info.compress_size, encrypted, lambda: archive.open(info))
