"""Files are written whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from challenge import REPOSITORY
from challenge.environment.cores import cores
from challenge.environment.leftovers import REPLACED, remove_leftovers_once, temporary_path
from challenge.errors import DataError

BLOCK = 1 << 20
"""Bytes read at a time."""
EARLIEST_DATE = (1980, 1, 1, 0, 0, 0)
"""That a zip can hold: with it for every entry, the same inputs give the same bytes."""


@contextlib.contextmanager
def write_whole(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success flush it to disk and rename it to `path`.

    If the block raises (or the process dies) `path` is untouched; on an exception the temporary
    file is removed, and what a killed process left behind is removed by the next one. The temporary
    name keeps the suffix, since writers choose their format by it.

    Raises:
        OSError: of the system, with the name of `path`.
    """
    temporary = temporary_path(path, suffix=path.suffix)
    with _named(temporary, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers_once(path.parent)
        try:
            yield temporary
            with open(temporary, "rb") as written:
                os.fsync(written.fileno())
            os.replace(temporary, path)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink()


@contextlib.contextmanager
def _named(temporary: Path, path: Path) -> Iterator[None]:
    """Let an OSError name `path` where it names no file, or one in `temporary`: those go away."""
    try:
        yield
    except OSError as error:
        named = str(error.filename or temporary)
        if error.errno is not None and named.startswith(str(temporary)):
            error.filename = str(path) + named.removeprefix(str(temporary))
        raise


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 with Unix line ends, whole or not at all."""
    with write_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, whole or not at all. NaN and infinity raise ValueError."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def sha256(path: Path, tell: Callable[[int], object] | None = None) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal.

    Args:
        tell: is told how many bytes were read, block by block.
    """
    with open(path, "rb") as file:
        digest = hashlib.sha256()
        while block := file.read(BLOCK):
            digest.update(block)
            if tell:
                tell(len(block))
    return digest.hexdigest()


def hash_files(paths: Iterable[Path]) -> dict[Path, str]:
    """Hash files on all cores: path -> SHA-256.

    Raises:
        DataError: a file cannot be read.
    """
    paths = list(paths)
    try:
        with ThreadPoolExecutor(cores()) as pool:
            return dict(zip(paths, pool.map(sha256, paths), strict=True))
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read: {error.strerror}") from error


def folder_sha256(hashes: Mapping[Path, str]) -> str:
    """Return one hash over the names and contents of a folder's PNGs, given those of the files."""
    digest = hashlib.sha256()
    for path, content in sorted(hashes.items(), key=lambda item: item[0].name):
        digest.update(f"{content} {path.name}\n".encode())
    return digest.hexdigest()


def images_sha256(folder: Path) -> str:
    """Return one hash over the names and contents of a folder's PNGs.

    Raises:
        DataError: a file cannot be read.
    """
    return folder_sha256(hash_files(list_pngs(folder)))


def add_to_zip(archive: zipfile.ZipFile, name: str, content: bytes | Path) -> None:
    """Store bytes or a file in a zip; the same content gives the same bytes, whoever writes them.

    Stored, not compressed: PNGs are compressed already, and what compresses differs by machine. A
    file passes through memory block by block.
    """
    info = zipfile.ZipInfo(name, EARLIEST_DATE)
    info.external_attr = 0o100644 << 16
    info.create_system = 3  # Unix, whatever wrote it
    info.file_size = len(content) if isinstance(content, bytes) else content.stat().st_size
    with archive.open(info, "w") as target:
        if isinstance(content, bytes):
            target.write(content)
            return
        with open(content, "rb") as source:
            while block := source.read(BLOCK):
                target.write(block)


def list_pngs(folder: Path) -> list[Path]:
    """List the PNGs of a folder by name; hidden files, such as macOS's `._x.png`, do not count.

    A folder that is not there holds none.
    """
    if not folder.is_dir():
        return []
    files = (path for path in folder.iterdir() if not path.name.startswith("."))
    return sorted(path for path in files if path.suffix.lower() == ".png" and path.is_file())


@contextlib.contextmanager
def replace_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder beside `folder`; on success rename it to `folder`, else remove it.

    What was at `folder` is deleted only when the new one is in its place; if that fails, it is put
    back. What a killed process left behind is removed, or put back, by the next one.

    Raises:
        OSError: of the system, with the name of what was to be in `folder`.
    """
    new = temporary_path(folder)
    with _named(new, folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers_once(folder.parent)
        new.mkdir()
        try:
            yield new
            put_in_place(new, folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)


def put_in_place(new: Path, folder: Path) -> None:
    """Rename the folder `new` to `folder`; what was there is deleted then.

    If that fails it is put back; a killed process leaves that to the next one.
    """
    old = temporary_path(folder, REPLACED)
    if folder.exists():
        folder.rename(old)
    try:
        new.rename(folder)
    except OSError:
        if old.exists():
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def scratch_folder(place: Path, name: str) -> Iterator[Path]:
    """Give an empty folder in `place`, for this user alone, and remove it in the end.

    What a killed process left behind there is removed by the next one.

    Raises:
        OSError: of the system, as if the files were in `place`.
    """
    place.mkdir(parents=True, exist_ok=True)
    remove_leftovers_once(place)
    folder = temporary_path(place / name)
    with _named(folder, place):
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def kit_path(path: str | Path) -> Path:
    """Resolve a path from a configuration: a relative one that is not there seen from the working
    directory means the kit's own folder; `~` is the user's.
    """
    given = Path(path).expanduser()
    return given if given.is_absolute() or given.exists() else REPOSITORY / given


def is_folder_name(name: str) -> bool:
    """Say whether a folder can be called so where results land: no path, and not hidden."""
    return bool(name) and not name.startswith(".") and not set(name) & {"/", "\\", "\0"}
