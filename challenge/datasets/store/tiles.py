"""A frame in square tiles, row by row: what a window touches, and how a tile is packed."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from challenge.sample import Window

SIDE = 64
"""Pixels of a tile's side: a pixel and a sign take 13 bits of 16 then."""
LEVEL = 1
"""Of zlib: on pixels a higher one takes longer and saves next to nothing."""


class Run(NamedTuple):
    """Tiles side by side that a window touches: they are neighbours on disk too."""

    row: int  # of tiles
    column: int  # of the first tile
    number: int


@dataclass(frozen=True)
class Tiles:
    """The tiles of a frame of (height, width) pixels; those at the right and bottom may be smaller.

    >>> Tiles(100, 150).shape, Tiles(100, 150).box(5)
    ((2, 3), Window(top=64, left=128, height=36, width=22))
    """

    height: int
    width: int

    @property
    def shape(self) -> tuple[int, int]:
        """How many rows and columns of tiles there are."""
        return -(-self.height // SIDE), -(-self.width // SIDE)

    def __len__(self) -> int:
        rows, columns = self.shape
        return rows * columns

    def box(self, tile: int) -> Window:
        """Say which pixels a tile covers."""
        row, column = divmod(tile, self.shape[1])
        top, left = row * SIDE, column * SIDE
        return Window(top, left, min(SIDE, self.height - top), min(SIDE, self.width - left))

    def runs(self, window: Window) -> Iterator[Run]:
        """List the tiles that a window touches, one run for each row of tiles."""
        first = window.left // SIDE
        end = -(-(window.left + window.width) // SIDE)
        for row in range(window.top // SIDE, -(-(window.top + window.height) // SIDE)):
            yield Run(row, first, end - first)


def pack(tile: np.ndarray) -> bytes:
    """Pack a (channels, rows, columns) tile, or an image's (rows, columns, 3) uint8 one.

    Pixels of images as differences from those above: after that zlib makes a frame as small as its
    PNG, in half the time of a PNG for each tile. Checksums of zlib guard the content.
    """
    if tile.dtype == np.uint8:
        differences = tile.copy()
        differences[1:] -= tile[:-1]
        tile = differences
    return zlib.compress(np.ascontiguousarray(tile).tobytes(), LEVEL)


def unpack(packed: bytes, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Undo `pack` but for the differences; never in more memory than the tile takes.

    Raises:
        ValueError: the bytes are not such a tile's.
    """
    size = math.prod(shape) * dtype.itemsize
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(packed, size + 1)
    except zlib.error as error:
        raise ValueError(f"a tile is damaged: {error}") from error
    if len(content) != size or not unpacker.eof:
        raise ValueError(f"a tile of {size} bytes is damaged")
    return np.frombuffer(content, dtype).reshape(shape)


def add_rows_up(differences: np.ndarray) -> None:
    """Undo the differences of uint8 tiles side by side, in place; their first axis counts."""
    if differences.dtype == np.uint8:
        for row in range(1, len(differences)):  # quicker than accumulate, which is not vectorised
            differences[row] += differences[row - 1]
