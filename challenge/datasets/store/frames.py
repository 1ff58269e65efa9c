"""A split read from its training store, and whether the store is that of the files as they are."""

from __future__ import annotations

import contextlib
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from challenge.datasets.source import Dataset, DataSource
from challenge.datasets.store.frame_file import MAKE_AGAIN, VERSION, FrameFile, Sources
from challenge.errors import DataError
from challenge.files import write_json
from challenge.findings import shorten
from challenge.sample import Sample, Window

INDEX = "index.json"
"""Written when every frame of a split is there: {"version", "check", "frames": {frame: entry}}."""
Entry = dict[str, Any]
"""{"size": [height, width], "bytes": of the frame's file, "sources": see `Sources`}"""


def store_folder(source: DataSource, split: str, store: Path | None = None) -> Path:
    """Name the folder where the store of a split is, or would be.

    Args:
        source: the data.
        split: "train" or "val".
        store: the folder with all splits; by default `ROOT_store` beside the data's root.
    """
    root = source.root.absolute()
    return (store or root.with_name(f"{root.name}_store")) / source.format / split


def sources_of(data: Dataset, frame: str) -> Sources:
    """Look at the files that a frame is read from: their names, sizes and times."""
    found = {}
    for path in data.source_files(frame):
        status = path.stat()
        found[f"{path.parent.name}/{path.name}"] = [status.st_size, status.st_mtime_ns]
    return found


def frame_path(folder: Path, frame: str) -> Path:
    """Name the file of a frame."""
    return folder / f"{frame}.npz"


class StoredFrames:
    """One split, read from its store: a sequence of Sample, in the order of the frames' names.

    Holds names and sizes only: each reading opens the frame's file and closes it again, so that any
    number of worker processes can share it.
    """

    def __init__(self, data: Dataset, folder: Path, entries: dict[str, Entry]) -> None:
        self.frames, self.has_sharp, self.folder = data.frames, data.has_sharp, folder
        self.plain, self.stored_kind = data, data.stored_kind
        self.sizes: dict[str, tuple[int, int]] = {}
        for frame in data.frames:
            height, width = entries[frame]["size"]
            self.sizes[frame] = height, width

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Sample:
        """Read everything there is of a frame."""
        with self._open(self.frames[index]) as file:
            return file.read()

    def read_inputs(self, frame: str) -> Sample:
        """Read what a restorer may see of a frame: everything but the sharp image."""
        with self._open(frame) as file:
            return file.read(sharp=False)

    def read_part(self, frame: str, window: Window) -> Sample:
        """Read a part of everything there is of a frame: it costs what it contains."""
        with self._open(frame) as file:
            return file.read(window)

    def frame_size(self, frame: str) -> tuple[int, int]:
        """Tell the (height, width) of a frame in pixels; its pixels are not read."""
        return self.sizes[frame]

    def source_files(self, frame: str) -> list[Path]:
        """List the files that the frame was made from."""
        return self.plain.source_files(frame)

    def read_blurry(self, frame: str) -> np.ndarray:
        """Read the blurry image alone: (H, W, 3) uint8 RGB."""
        with self._open(frame) as file:
            return file.read_image("blurry")

    def read_sharp(self, frame: str) -> np.ndarray:
        """Read the sharp image: (H, W, 3) uint8 RGB; DataError where it is withheld."""
        if not self.has_sharp:
            return self.plain.read_sharp(frame)
        with self._open(frame) as file:
            return file.read_image("sharp")

    @contextlib.contextmanager
    def _open(self, frame: str) -> Iterator[FrameFile]:
        path = frame_path(self.folder, frame)
        with FrameFile(path) as file:
            if file.frame != frame:
                raise DataError(f"{path}: holds {file.frame}; {MAKE_AGAIN}")
            yield file


def open_store(data: Dataset, folder: Path) -> StoredFrames | None:
    """Open the store of a split; None where there is none.

    Args:
        data: the split, as it is on disk.
        folder: of its store.

    Raises:
        DataError: the store is not complete, or not that of the files as they are now; the first
            frames are named.
    """
    if not folder.is_dir():
        return None
    entries = read_index(folder)
    if entries is None:
        raise DataError(
            f"{folder}: the training store is not complete; bash run.sh prepare goes on with it"
        )
    problems = []
    for frame in data.frames:
        if frame not in entries:
            problems.append(f"{frame}: not in the store")
        elif entries[frame]["sources"] != sources_of(data, frame):
            problems.append(f"{frame}: its files have changed since")
        elif not has_size(frame_path(folder, frame), entries[frame]["bytes"]):
            problems.append(f"{frame}: {frame_path(folder, frame)} is missing or cut off")
    if problems:
        raise DataError(
            f"{folder}: the training store is not that of the data ({len(problems)} of "
            f"{len(data.frames)} frames); bash run.sh prepare makes those anew",
            shorten(problems, 3),
        )
    return StoredFrames(data, folder, entries)


def read_index(folder: Path) -> dict[str, Entry] | None:
    """Read the entries of a complete store; None where it is not, or its index is damaged."""
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        entries: dict[str, Entry] = index["frames"]
        sound = index["version"] == VERSION and index["check"] == check_of(entries)
        return entries if sound else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def write_index(folder: Path, entries: dict[str, Entry]) -> None:
    """Write the index: from then on the store is one."""
    write_json(folder / INDEX, {"version": VERSION, "check": check_of(entries), "frames": entries})


def check_of(entries: dict[str, Entry]) -> int:
    """Compute a checksum of the entries."""
    return zlib.crc32(json.dumps(entries, sort_keys=True).encode())


def has_size(path: Path, size: int) -> bool:
    """Say whether a file is there, and of this size."""
    try:
        return path.stat().st_size == size
    except OSError:
        return False
