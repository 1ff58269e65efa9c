"""One view of a folder and of a zip: a list of named entries that can be opened."""

from __future__ import annotations

import contextlib
import io
import stat
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
LARGEST_READ = 4 << 20
"""Bytes, for some 90,000 names: only a list of names made to fill the memory is longer."""
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""The two that every unpacker knows."""
OTHER_METHODS = {9: "deflate64", zipfile.ZIP_BZIP2: "bzip2", zipfile.ZIP_LZMA: "LZMA", 93: "zstd"}


@dataclass(frozen=True)
class Entry:
    """A file in a folder or a zip.

    Attributes:
        name: path inside the folder or zip, with `/`; that of a folder ends in `/`.
        size: bytes, as the folder or the zip's directory says.
        packed: bytes it takes in the zip (`size` for a file on disk).
        encrypted: it needs a password.
        open: a fresh stream of its bytes.
        odd: what it is instead of a plain file that every unpacker takes; it must not be opened.
    """

    name: str
    size: int
    packed: int
    encrypted: bool
    open: Callable[[], IO[bytes]]
    odd: str | None = None


class _Bounded(io.BufferedReader):
    """A file that, while `listing`, refuses to be read in huge pieces: the size of a zip's list of
    names may be invented, or meant to fill the memory.
    """

    listing = True

    def read(self, size: int | None = -1, /) -> bytes:
        if not self.listing:
            return super().read(size)
        if size is not None and size > LARGEST_READ:
            raise zipfile.BadZipFile(f"its list of names claims {size} bytes")
        return super().read(LARGEST_READ if size is None or size < 0 else size)


@contextlib.contextmanager
def open_entries(path: Path) -> Iterator[list[Entry]]:
    """List a folder (with one level of sub-folders) or a zip, sorted by name.

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
            stream = stack.enter_context(_Bounded(io.FileIO(path)))
            archive = stack.enter_context(zipfile.ZipFile(stream))
            stream.listing = False
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
            yield Entry(f"{name}/", 0, 0, False, _opener(path))
            if not prefix:
                yield from _folder_entries(path, f"{name}/")
        else:
            status = path.stat() if path.exists() else None
            size = status.st_size if status else 0
            plain = status is None or stat.S_ISREG(status.st_mode)
            odd = None if plain else "a pipe, socket or device"  # opening a pipe waits for ever
            yield Entry(name, size, size, False, _opener(path), odd)


def _opener(path: Path) -> Callable[[], IO[bytes]]:
    return lambda: path.open("rb")


def _zip_entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Entry:
    name = info.orig_filename.replace("\\", "/")  # some Windows tools write backslashes
    return Entry(
        name,
        info.file_size,
        info.compress_size,
        bool(info.flag_bits & 1),
        lambda: archive.open(info),
        _odd(info),
    )


def _odd(info: zipfile.ZipInfo) -> str | None:
    mode = info.external_attr >> 16
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "a pipe, socket or device"
    if info.compress_type not in METHODS:
        name = OTHER_METHODS.get(info.compress_type, f"method {info.compress_type}")
        return f"one compressed by {name}, which not every unpacker knows"
    return None
