"""The loops of `spread` and `normalise`, compiled by numba: same sums in the same order.

Imported where numba is installed only, by `speed.compiled`. Each event touches two cells far apart
in a grid larger than any cache. So events are sorted into bands of rows first, as records of 8
bytes, and a band is worked off once it has enough of them: its cells then stay in the cache, and in
each the events keep their order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from challenge.events import Events, elapsed
from challenge.representations.speed import LANES, NORMALISED_ROWS

TOGETHER = 1024
"""Events whose cells are computed before any is moved: plain arithmetic in the widest registers."""

AHEAD = 16
"""Records between asking memory for a cell and adding to it."""

BAND_PIXELS = 1 << 17
MOST_RECORDS = 1 << 21
RECORDS_PER_CELL = 0.15
"""So records take at most 0.3 times the memory of the grid."""


def compile_for(*signatures: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile when imported, or read what an earlier process left on disk."""

    def decorate(function: Callable[..., Any]) -> Any:
        how = {"error_model": "numpy"}  # IEEE 754 division, as NumPy's, instead of exceptions
        try:
            return numba.njit(list(signatures) or None, cache=True, **how)(function)
        except RuntimeError:  # numba found no folder to write to: a read-only home, say
            return numba.njit(list(signatures) or None, **how)(function)

    return decorate


def readable(kind: Any) -> Any:
    """Describe a contiguous array that is not written to: read-only ones are taken as well."""
    return types.Array(kind, 1, "C", readonly=True)


def prefetch(typing: Any, array: Any, index: Any) -> Any:
    """Ask for the memory of array[index], to be written to (the instruction, for `intrinsic`)."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        pointer, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, word, word, word])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        data = context.make_array(array)(context, builder, values[0]).data
        address = builder.bitcast(builder.gep(data, [values[1]]), pointer)
        builder.call(function, [address, word(1), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


ask_for = intrinsic(prefetch)


@compile_for()
def place(
    x: Any, y: Any, t: Any, bright: Any, scale: Any, top: Any, cells: Any, split: Any, width: Any,
    first: Any, start: Any, span: Any, codes: Any, shares: Any,
) -> None:  # fmt: skip
    """Write, for each event, its left cell times two, plus one where it became brighter; and the
    share of the right cell.
    """
    for i in range(len(x)):
        position = scale * (np.float64(t[i] - first) - start) / span
        left = min(np.int64(position), top)
        shares[i] = np.float32(position - left) if split else np.float32(0)
        codes[i] = (left * cells + y[i] * width + x[i]) * 2 + bright[i]


@compile_for()
def drain(flat: Any, right_by: Any, records: Any) -> None:
    """Add records (the code in the upper half, the share in the lower one) to the grid."""
    shares = records.view(np.float32)
    for i in range(len(records)):
        if i + AHEAD < len(records):
            soon = np.int64(records[i + AHEAD] >> np.uint64(33))
            ask_for(flat, soon)
            ask_for(flat, soon + right_by)
        cell = np.int64(records[i] >> np.uint64(33))
        share = shares[2 * i]
        rest = np.float32(1) - share
        if not (records[i] >> np.uint64(32)) & np.uint64(1):
            share, rest = -share, -rest
        flat[cell] += rest
        flat[cell + right_by] += share


GRID, BANDS, FILLED = types.float32[::1], types.uint64[:, ::1], types.uint64[::1]


@compile_for(
    *(
        types.void(
            GRID, types.float64, types.int64, types.int64, types.bool_, types.int64,
            readable(types.int32), readable(types.int32), readable(clock), readable(types.bool_),
            clock, types.float64, types.float64, types.int64, BANDS, FILLED,
        ) for clock in (types.uint64, types.float64)
    )
)  # fmt: skip
def sort_and_drain(
    flat: Any, scale: Any, top: Any, cells: Any, split: Any, width: Any,
    x: Any, y: Any, t: Any, bright: Any, first: Any, start: Any, span: Any,
    shift: Any, bands: Any, filled: Any,
) -> None:  # fmt: skip
    """Sort events into the bands of their rows, and drain each band that is full."""
    codes, shares = np.empty(TOGETHER, np.uint32), np.empty(TOGETHER, np.float32)
    bits, full = shares.view(np.uint32), np.uint64(bands.shape[1])
    right_by = cells if split else 0
    for begin in range(0, len(x), TOGETHER):
        part = slice(begin, min(begin + TOGETHER, len(x)))
        rows = y[part]
        place(
            x[part], rows, t[part], bright[part], scale, top, cells, split, width,
            first, start, span, codes, shares,
        )  # fmt: skip
        for i in range(len(rows)):
            band = np.uint32(rows[i]) >> np.uint32(shift)
            count = filled[band]
            bands[band, count] = (np.uint64(codes[i]) << np.uint64(32)) | np.uint64(bits[i])
            count += np.uint64(1)
            if count == full:
                drain(flat, right_by, bands[band])
                count = np.uint64(0)
            filled[band] = count


@compile_for(types.void(GRID, types.int64, BANDS, FILLED))
def drain_all(flat: Any, right_by: Any, bands: Any, filled: Any) -> None:
    for band in range(len(filled)):
        drain(flat, right_by, bands[band, : filled[band]])


def stamps_of(t: np.ndarray, first: Any) -> tuple[np.ndarray, Any]:
    """Return (N,) stamps and the first of them as `sort_and_drain` takes them: differences modulo
    2**64 of 64-bit integers, which are not copied, or the time since the first.
    """
    if t.dtype.kind in "iu" and t.itemsize == 8:
        native = np.ascontiguousarray(t, t.dtype.newbyteorder("="))
        return native.view(np.uint64), np.asarray(first).astype(np.uint64)[()]
    return elapsed(t, first), 0.0


def add_up(
    grid: np.ndarray,
    blocks: Iterable[Events],
    first: Any,
    start_us: float,
    span_us: float,
    scale: int,
    split: bool,
) -> None:
    """Do what `challenge.representations.spread` does, of a grid below MOST_CELLS."""
    bins, height, width = grid.shape
    shift = max(0, math.ceil(math.log2(BAND_PIXELS / width)))
    count = ((height - 1) >> shift) + 1
    most = max(1, int(min(MOST_RECORDS, RECORDS_PER_CELL * grid.size)) // count)
    bands, filled = np.empty((count, most), np.uint64), np.zeros(count, np.uint64)
    flat, cells, top = grid.reshape(-1), height * width, bins - 1 - split
    for block in blocks:
        x, y = (np.ascontiguousarray(each, np.int32) for each in (block.x, block.y))
        t, zero = stamps_of(block.t, first)
        sort_and_drain(
            flat, float(scale), top, cells, split, width, x, y, t, block.p > 0,
            zero, start_us, span_us, shift, bands, filled,
        )  # fmt: skip
    drain_all(flat, cells if split else 0, bands, filled)


@compile_for(types.void(readable(types.float32), types.float64[::1]))
def sum_up(flat: Any, sums: Any) -> None:
    """Add how many cells are not zero, their sum, and that of their squares."""
    count, totals, squares = 0, np.zeros(LANES), np.zeros(LANES)
    for begin in range(0, len(flat), LANES * NORMALISED_ROWS):
        of_block, squares_of_block = np.zeros(LANES), np.zeros(LANES)
        for row in range(begin, min(begin + LANES * NORMALISED_ROWS, len(flat)), LANES):
            cells = flat[row : min(row + LANES, len(flat))]
            for lane in range(len(cells)):
                value = np.float64(cells[lane])
                count += cells[lane] != 0
                of_block[lane] += value
                squares_of_block[lane] += value * value
        totals += of_block
        squares += squares_of_block
    sums[0] += count
    for lane in range(LANES):
        sums[1] += totals[lane]
        sums[2] += squares[lane]


def moments(flat: np.ndarray) -> tuple[float, float, float]:
    """Return how many cells are not zero, their sum, and that of their squares."""
    sums = np.zeros(3)
    sum_up(flat, sums)
    count, total, squares = sums.tolist()
    return count, total, squares


@compile_for(types.void(readable(types.float32), types.float64, types.float64, GRID))
def standardise(flat: Any, mean: Any, scale: Any, result: Any) -> None:
    """Write (cell - mean) * scale of the cells that are not zero; zeros stay zero."""
    for i in range(len(flat)):
        value = np.float32((np.float64(flat[i]) - mean) * scale)
        result[i] = value if flat[i] != 0 else np.float32(0)
