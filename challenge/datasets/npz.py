"""The one reader of npz files: nothing in them is run, and no header is believed."""

from __future__ import annotations

import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from challenge.environment.memory import free_memory
from challenge.errors import DataError

BLOCK = 1 << 18
READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


@dataclass(frozen=True)
class Member:
    """An array in a zip, as its header describes it; the stream stands where its elements begin."""

    stream: IO[bytes]
    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype

    @property
    def size(self) -> int:
        """Bytes of its elements."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_npz(path: Path, *keys: str, most: int | None = None) -> dict[str, np.ndarray]:
    """Read arrays from an npz; nothing in it is ever run.

    Before anything is allocated, the headers of all the arrays are compared with the sizes of what
    the zip holds, and their sum with what may be read.

    Args:
        path: the file.
        keys: names of the arrays to read; others are not looked at.
        most: bytes that the arrays may take together; None: what memory there is.

    Raises:
        DataError: not an npz, cut off, damaged, a key is missing, an array of Python objects, or
            more than may be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {key: _describe(archive, key) for key in keys}
            limit = most if most is not None else free_memory()
            total = sum(member.size for member in members.values())
            if limit is not None and total > limit:
                raise ValueError(
                    f"its arrays would take {total / 1e6:,.3f} MB, at most {limit / 1e6:,.3f} MB "
                    "may be read"
                )
            return {key: _read(member) for key, member in members.items()}
    except KeyError as error:
        expected = f"the key{'s' * (len(keys) > 1)} {', '.join(keys)}"
        raise DataError(f"{path}: expected {expected}; {error.args[0]}") from error
    except Exception as error:  # zipfile, zlib and numpy raise almost anything on odd bytes
        raise _unreadable(path, error) from error


def npz_keys(path: Path) -> list[str]:
    """List the names of what an npz holds; nothing of it is read.

    Raises:
        DataError: not an npz.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except Exception as error:  # as above
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataError:
    reason = str(error) or type(error).__name__
    return DataError(f"{path}: not a readable npz ({reason}); copy or unpack it again")


def _describe(archive: zipfile.ZipFile, key: str) -> Member:
    """Read an array's header, and refuse one that does not describe what follows it."""
    try:
        info = archive.getinfo(f"{key}.npy")
    except KeyError:
        names = sorted({name.removesuffix(".npy") for name in archive.namelist()})[:8]
        raise KeyError(f"{key} is not there, found {', '.join(names) or 'nothing'}") from None
    stream = archive.open(info)
    version = np.lib.format.read_magic(stream)
    if version not in READERS:
        raise ValueError(f"{key}: version {version} of the npy format, for named fields")
    member = Member(stream, *READERS[version](stream))
    if member.dtype.hasobject:
        raise ValueError(f"{key} holds Python objects, which are never read")
    found = info.file_size - stream.tell()
    if min(member.shape, default=0) < 0 or member.size != found:
        raise ValueError(f"{key}: its header describes {member.size} bytes, found {found}")
    return member


def _read(member: Member) -> np.ndarray:
    """Read an array block by block; the zip's checksum is compared at its end."""
    content = np.empty(member.size, np.uint8)
    place = 0
    with member.stream as stream:
        while place < member.size:
            block = stream.read(min(BLOCK, member.size - place))
            if not block:
                raise EOFError("it is cut off")
            content[place : place + len(block)] = np.frombuffer(block, np.uint8)
            place += len(block)
        if stream.read(1):  # compares the checksum where there are no elements, too
            raise ValueError("it holds more than its header says")
    flat = content.view(member.dtype) if member.size else np.empty(0, member.dtype)
    if member.fortran_order:
        return flat.reshape(member.shape[::-1]).transpose()
    return flat.reshape(member.shape)
