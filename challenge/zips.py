"""Zips that others made: opened and read with care. Standard library only."""

from __future__ import annotations

import contextlib
import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

try:
    from lzma import LZMAError
except ImportError:  # a Python without LZMA cannot unpack it, and says so by another error

    class LZMAError(Exception):  # type: ignore[no-redef]
        """Never raised."""


UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    IndexError,  # of a name of no letters
    RuntimeError,
    NotImplementedError,
    struct.error,
    zlib.error,
    LZMAError,
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
)
"""What Python raises on a damaged, encrypted or foreign entry."""
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
"""What Python's zipfile unpacks, and so both platforms."""
OTHER_METHODS = {9: "deflate64", 93: "zstd", 95: "xz", 98: "PPMd"}


class _Bounded(io.BufferedReader):
    """A file that, while `listing`, refuses to be read in huge pieces: the size of a zip's list of
    names may be invented, or meant to fill the memory.
    """

    listing = True
    largest = 0

    def read(self, size: int | None = -1, /) -> bytes:
        if not self.listing:
            return super().read(size)
        if size is not None and size > self.largest:
            raise zipfile.BadZipFile(f"its list of names claims {size} bytes")
        return super().read(self.largest if size is None or size < 0 else size)


@contextlib.contextmanager
def open_zip(path: Path, largest_list: int) -> Iterator[zipfile.ZipFile]:
    """Open a zip to be read.

    Args:
        largest_list: bytes that its list of names may take; no more are read for it.

    Raises:
        One of UNREADABLE: it is no zip, or a damaged one.
    """
    with _Bounded(io.FileIO(path)) as stream:
        stream.largest = largest_list
        with zipfile.ZipFile(stream) as archive:
            stream.listing = False
            yield archive


def foreign_method(info: zipfile.ZipInfo) -> str | None:
    """Name the way an entry is compressed, if Python cannot unpack it."""
    if info.compress_type in METHODS:
        return None
    return OTHER_METHODS.get(info.compress_type, f"method {info.compress_type}")


def special_kind(info: zipfile.ZipInfo) -> str | None:
    """Say what a zip calls an entry, if not a file or a folder."""
    mode = info.external_attr >> 16
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    plain = stat.S_IFMT(mode) in (0, stat.S_IFREG, stat.S_IFDIR)
    return None if plain else "a pipe, socket or device"
