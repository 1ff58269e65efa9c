"""One frame of a training store: a zip of plain arrays, nothing compressed but single tiles.

    FRAME.npz
        about.json   version, frame, height, width; planes: [name, type, channels]; clock and times:
                     their types; kind, magnitude, outer: of the sample its stored_kind, the
                     largest of its grid, its span where it has one; sources: see `Sources`
        span         (2,) the first and the last stamp, on the clock's own type; (0,) without events
        index        (tiles + 1, 2 + planes) int64: for tile k, in row k, where its events begin and
                     their CRC-32, and where its bytes in each plane begin; the last row: the ends
        pixel, time  (N,) see `challenge.datasets.store.events`
        blurry, sharp, grid, mask    (bytes,) uint8: the tiles of each plane, packed one by one

`numpy.load` opens it. A window is read by its byte ranges, not by memory maps: a file that is cut
off or cannot be reached gives an error then, where a map would end the process.
"""

from __future__ import annotations

import io
import json
import math
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from challenge.datasets.store.events import Piece, checksum, events_of
from challenge.datasets.store.tiles import Run, Tiles, add_rows_up, unpack
from challenge.errors import DataError
from challenge.events import Events
from challenge.sample import Sample, Window

VERSION = 1
Sources = dict[str, list[int]]
"""Name of each file that a frame is made from -> its size in bytes, and when it changed, in ns."""
IMAGES = ("blurry", "sharp")
MOST_ABOUT = 1 << 24
"""Bytes that what describes a frame may take."""
MOST_HEAD = 512
"""Bytes that come before the numbers of an array."""
DAMAGED = (
    *(ValueError, LookupError, TypeError, AttributeError, OverflowError, RuntimeError, EOFError),
    *(struct.error, zlib.error, zipfile.BadZipFile),
)
"""What reading a damaged zip, JSON or array raises."""
PREPARE = "bash run.sh prepare makes it again"
MAKE_AGAIN = f"remove it, and {PREPARE}"


@dataclass(frozen=True)
class Plane:
    """Pixels that are stored tile by tile: an image's (H, W, 3), or others' (channels, H, W)."""

    name: str
    dtype: np.dtype
    channels: int

    def shape(self, height: int, width: int) -> tuple[int, int, int]:
        """Give the shape of a part of so many pixels."""
        if self.name in IMAGES:
            return height, width, self.channels
        return self.channels, height, width

    def cut(self, pixels: np.ndarray, window: Window) -> np.ndarray:
        """Take a window of some pixels: a view."""
        rows, columns = window.rows, window.columns
        return pixels[rows, columns] if self.name in IMAGES else pixels[:, rows, columns]


def _paste(
    plane: Plane, source: np.ndarray, there: Window, target: np.ndarray, here: Window
) -> None:
    """Copy what two windows of a plane share from the pixels of one to those of the other."""
    both = there.overlap(here)
    plane.cut(target, both.seen_from(here))[...] = plane.cut(source, both.seen_from(there))


class FrameFile:
    """A frame that is open for reading; every error names the file and says what to do.

    Raises:
        DataError: it is missing, cut off, damaged, or no frame of a store.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.file = open(path, "rb", buffering=0)  # noqa: SIM115
        except OSError as error:
            fix = f"; {PREPARE}" if isinstance(error, FileNotFoundError) else ""
            raise DataError(f"{path}: cannot be read: {error.strerror}{fix}") from error
        try:
            self.size = self.file.seek(0, io.SEEK_END)
            self._open()
        except (*DAMAGED, OSError) as error:
            self.file.close()
            raise self._damaged(error) from error

    def _open(self) -> None:
        self.archive = zipfile.ZipFile(self.file)
        self.starts: dict[str, int] = {}
        about = json.loads(self._member("about.json"))
        if about["version"] != VERSION:
            raise ValueError(f"version {about['version']}, expected {VERSION}")
        self.frame: str = about["frame"]
        self.tiles = Tiles(int(about["height"]), int(about["width"]))
        self.planes = [Plane(name, np.dtype(kind), int(n)) for name, kind, n in about["planes"]]
        self.clock = np.dtype(about["clock"]) if about["clock"] else None
        self.times = np.dtype(about["times"]) if about["times"] else None
        self.kind, self.outer = str(about["kind"]), about["outer"]
        self.magnitude: float | None = about["magnitude"]
        self.sources: Sources = about["sources"]
        shape = (len(self.tiles) + 1, 2 + len(self.planes))
        self.index = self._small("index", np.dtype(np.int64), shape)
        ends = np.delete(self.index, 1, axis=1)
        if ends[0].any() or np.any(ends[1:] < ends[:-1]):
            raise ValueError("an index out of order")

    def __enter__(self) -> FrameFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.file.close()

    def read(self, window: Window | None = None, sharp: bool = True) -> Sample:
        """Read a part of the frame; None for all of it.

        Args:
            window: inside the frame.
            sharp: whether the sharp image is wanted, if there is one.
        """
        whole = Window.whole(self.tiles.height, self.tiles.width)
        window = window or whole
        try:
            if window.overlap(whole) != window:
                raise ValueError(f"{window} is not inside {whole}")
            pixels = {
                plane.name: self._plane(plane, window)
                for plane in self.planes
                if sharp or plane.name != "sharp"
            }
            events, span = self._events(window) if self.times is not None else (None, None)
            if self.outer is not None:  # of more events than the frame has pixels for
                first, last = np.asarray(self.outer, self.clock)
                span = (first, last)
        except (*DAMAGED, OSError) as error:
            raise self._damaged(error) from error
        return Sample(
            frame=self.frame,
            blurry=pixels["blurry"],
            events=events,
            stored_grid=pixels.get("grid"),
            stored_kind=self.kind,
            stored_mask=pixels.get("mask"),
            sharp=pixels.get("sharp"),
            span=span,
            magnitude=self.magnitude,
        )

    def read_image(self, name: str) -> np.ndarray:
        """Read "blurry" or "sharp" alone: (H, W, 3) uint8 RGB."""
        whole = Window.whole(self.tiles.height, self.tiles.width)
        try:
            return self._plane(next(each for each in self.planes if each.name == name), whole)
        except (*DAMAGED, OSError, StopIteration) as error:
            raise self._damaged(error) from error

    def is_sound(self) -> bool:
        """Read all of it, and say whether every checksum is right."""
        try:
            return self.archive.testzip() is None
        except (*DAMAGED, OSError):
            return False

    def _plane(self, plane: Plane, window: Window) -> np.ndarray:
        """Read a window of a plane."""
        begins = self.index[:, 2 + self.planes.index(plane)]
        start = self._start(plane.name, int(begins[-1]))
        result = np.empty(plane.shape(window.height, window.width), plane.dtype)
        for run in self.tiles.runs(window):
            first = run.row * self.tiles.shape[1] + run.column
            ends = begins[first : first + run.number + 1].tolist()
            content = self._bytes(start + ends[0], ends[-1] - ends[0])
            boxes = [self.tiles.box(first + k) for k in range(run.number)]
            band = boxes[0]._replace(left=window.left, width=window.width)
            pixels = np.empty(plane.shape(band.height, band.width), plane.dtype)
            for k, box in enumerate(boxes):
                packed = content[ends[k] - ends[0] : ends[k + 1] - ends[0]]
                tile = unpack(packed, plane.shape(box.height, box.width), plane.dtype)
                _paste(plane, tile, box, pixels, band)
            add_rows_up(pixels)
            _paste(plane, pixels, band, result, window)
        return result

    def _events(self, window: Window) -> tuple[Events, tuple[Any, Any] | None]:
        """Read the events of a window, and the span of the frame's."""
        assert self.times is not None and self.clock is not None
        number = int(self.index[-1, 0])
        span = self._small("span", self.clock, (2 if number else 0,))
        if not number:
            none = np.zeros(0, np.int32)
            return Events(x=none, y=none, t=span, p=none.astype(np.int8)), None
        pieces = [self._piece(run) for run in self.tiles.runs(window)]
        return events_of(pieces, window, span[0]), (span[0], span[1])

    def _piece(self, run: Run) -> Piece:
        """Read the events of a run of tiles; their checksums are looked at."""
        assert self.times is not None
        first = run.row * self.tiles.shape[1] + run.column
        ends = self.index[first : first + run.number + 1, 0]
        pixel = self._slice("pixel", np.dtype(np.uint16), ends)
        time = self._slice("time", self.times, ends)
        for k, check in enumerate(self.index[first : first + run.number, 1]):
            tile = slice(ends[k] - ends[0], ends[k + 1] - ends[0])
            if checksum(pixel[tile], time[tile]) != check:
                raise ValueError("events of a tile are damaged")
        return Piece(run, np.diff(ends), pixel, time)

    def _slice(self, name: str, dtype: np.dtype, ends: np.ndarray) -> np.ndarray:
        start = self._start(name, int(self.index[-1, 0]) * dtype.itemsize)
        start, size = start + int(ends[0]) * dtype.itemsize, int(ends[-1] - ends[0])
        return np.frombuffer(self._bytes(start, size * dtype.itemsize), dtype)

    def _start(self, name: str, size: int) -> int:
        """Find where the last `size` bytes of a member, its numbers, begin in the file."""
        if name not in self.starts:
            info = self.archive.getinfo(f"{name}.npy")
            head = self._bytes(info.header_offset, 30)  # of a zip's entry; a name and extras follow
            named = int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
            self.starts[name] = info.header_offset + 30 + named + info.file_size - size
        return self.starts[name]

    def _small(self, name: str, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
        """Read all numbers of a member."""
        content = self._member(f"{name}.npy")
        size = math.prod(shape) * dtype.itemsize
        if dtype.kind not in "iuf" or not 0 < len(content) - size <= MOST_HEAD:
            raise ValueError(f"{name} of {len(content)} bytes, expected {shape} {dtype}")
        return np.frombuffer(content, dtype, offset=len(content) - size).reshape(shape)

    def _member(self, name: str) -> bytes:
        """Read a small member; its checksum is looked at."""
        info = self.archive.getinfo(name)
        if info.compress_type != zipfile.ZIP_STORED or info.file_size > min(MOST_ABOUT, self.size):
            raise ValueError(f"{name} of {info.file_size} bytes")
        return self.archive.read(info)

    def _bytes(self, offset: int, size: int) -> bytes:
        if not 0 <= offset <= offset + size <= self.size:
            raise ValueError("cut off")
        self.file.seek(offset)
        content = self.file.read(size)
        if len(content) != size:
            raise ValueError("cut off")
        return content

    def _damaged(self, error: BaseException) -> DataError:
        return DataError(f"{self.path}: damaged ({error}); {MAKE_AGAIN}")
