"""The loops of `spread` and `normalise`, compiled by numba: same sums in the same order.

Imported where numba is installed only, by `speed.compiled`. Each event touches two cells far apart,
in a grid larger than any cache. So their memory is asked for long before, and into the second
cache, which bears more requests at once than the first: asking for the first takes twice the time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from challenge.events import Events, elapsed
from challenge.representations.speed import LANES, NORMALISED_ROWS

TOGETHER = 2048
"""Events whose cells are computed before any is added: plain arithmetic in the widest registers."""

AHEAD = 96
"""Events between asking memory for a cell and adding to it."""


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
    """Ask for the memory of array[index], into the second cache (an instruction; `intrinsic`)."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        pointer, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, word, word, word])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        data = context.make_array(array)(context, builder, values[0]).data
        address = builder.bitcast(builder.gep(data, [values[1]]), pointer)
        builder.call(function, [address, word(0), word(2), word(1)])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


ask_for = intrinsic(prefetch)


@compile_for()
def place(
    x: Any, y: Any, t: Any, p: Any, width: Any, height: Any, lowest: Any,
    first: Any, start: Any, span: Any, scale: Any, top: Any, split: Any, cells: Any, shares: Any,
) -> bool:  # fmt: skip
    """Write the left cell of each event and the share of the right one, negative if it became
    darker. Return whether all fit the sensor, and time ascends: in vain otherwise.
    """
    wrong: Any = False
    for i in range(len(x)):
        wrong |= np.uint32(x[i]) >= np.uint32(width)
        wrong |= np.uint32(y[i]) >= np.uint32(height)
        wrong |= np.uint8(p[i] - lowest) > np.uint8(1 - lowest)
        position = scale * (np.float64(t[i] - first) - start) / span
        left = max(min(np.int32(position), np.int32(top)), np.int32(0))
        share = np.float32(position - left) if split else np.float32(0)
        shares[i] = share if p[i] == 1 else -share
        row = np.uint32(left) * np.uint32(height) + np.uint32(y[i])
        cells[i] = row * np.uint32(width) + np.uint32(x[i])
    for i in range(1, len(x)):
        wrong |= t[i] - first < t[i - 1] - first
    return not wrong


@compile_for()
def add(flat: Any, cells: Any, shares: Any, right_by: Any, split: Any) -> None:
    """Add the share of the right cell, and what it leaves of the sign to the left one."""
    last = len(cells) - 1
    for i in range(-AHEAD, len(cells)):
        soon = np.int64(cells[min(i + AHEAD, last)])
        ask_for(flat, soon)
        if split:
            ask_for(flat, soon + right_by)
        if i >= 0:
            cell = np.int64(cells[i])
            flat[cell] += np.copysign(np.float32(1), shares[i]) - shares[i]
            if split:
                flat[cell + right_by] += shares[i]


GRID = types.float32[::1]


@compile_for(
    *(
        types.bool_(
            GRID, types.int64, types.int64, readable(types.int32), readable(types.int32),
            readable(clock), readable(types.uint8), types.uint8,
            clock, types.float64, types.float64, types.float64, types.int64, types.bool_,
        ) for clock in (types.uint64, types.float64)
    )
)  # fmt: skip
def check_and_add(
    flat: Any, width: Any, height: Any, x: Any, y: Any, t: Any, p: Any, lowest: Any,
    first: Any, start: Any, span: Any, scale: Any, top: Any, split: Any,
) -> bool:  # fmt: skip
    """Add events up to the first that does not fit; return whether there is none."""
    cells, shares = np.empty(TOGETHER, np.uint32), np.empty(TOGETHER, np.float32)
    for begin in range(0, len(x), TOGETHER):
        part = slice(begin, min(begin + TOGETHER, len(x)))
        ours = slice(0, part.stop - begin)
        before = max(begin - 1, 0)
        if t[begin] - first < t[before] - first or not place(
            x[part], y[part], t[part], p[part], width, height, lowest,
            first, start, span, scale, top, split, cells, shares,
        ):  # fmt: skip
            return False
        add(flat, cells[ours], shares[ours], width * height, split)
    return True


def takes(events: Events) -> bool:
    """Whether `add_up` reads the events as they lie in memory."""
    x, y, t, p = events.x, events.y, events.t, events.p
    kinds = x.dtype == y.dtype == np.int32 and t.dtype in (np.int64, np.uint64)
    plain = all(each.flags.c_contiguous and each.flags.aligned for each in (x, y, t, p))
    return plain and kinds and p.dtype in (np.int8, np.uint8, np.bool_)


def taken(block: Events, first: Any) -> Events:
    """Copy events that fit their sensor into types that `add_up` takes; t is the time since
    `first`.
    """
    x, y = (np.require(each, np.int32, ("C", "A")) for each in (block.x, block.y))
    return Events(x=x, y=y, t=elapsed(block.t, first), p=block.p > 0)


def add_up(
    grid: np.ndarray,
    events: Events,
    first: Any,
    start_us: float,
    span_us: float,
    scale: int,
    split: bool,
) -> bool:
    """Add signs as `challenge.representations.spread` does, to a grid below MOST_CELLS.

    Args:
        events: of types that `takes` names, from `first` on; or `taken`, with `first` 0.0.

    Returns:
        Whether each lies on the grid and has a polarity, and time ascends. If not, the grid is
        worth nothing.
    """
    bins, height, width = grid.shape
    t = events.t
    if t.dtype != np.float64:  # differences of integers are exact modulo 2**64
        t, first = t.view(np.uint64), np.asarray(first).astype(np.uint64)[()]
    lowest = np.uint8(255 if events.p.dtype == np.int8 else 0)  # 255 is -1
    return bool(
        check_and_add(
            grid.reshape(-1), width, height, events.x, events.y, t, events.p.view(np.uint8), lowest,
            first, start_us, span_us, float(scale), bins - 1 - split, split,
        )
    )  # fmt: skip


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
