"""The loop over events, compiled by numba: imported by `spread` only, where numba is installed.

Each event touches two cells far apart in a grid larger than any cache. So events are sorted into
bands of rows first, as 8-byte records, and a band is worked off once it has enough of them: few
cells are then touched often, and in each the events keep their order.
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

BLOCK = 1024
"""Events whose places are computed at a time, in the widest registers."""

AHEAD = 16
"""Events between asking for a cell and adding to it."""

BAND_PIXELS = 1 << 17
MOST_RECORDS = 1 << 21
RECORDS_OF_GRID = 0.15
"""Records take at most this share of the grid's own memory, twice."""


def _jit(function: Callable[..., Any], signatures: Any = None) -> Any:
    """Compile, and keep it on disk where there is a place that may be written to."""
    try:
        return numba.njit(signatures, cache=True, error_model="numpy")(function)
    except RuntimeError:  # numba finds none: a read-only installation without a home
        return numba.njit(signatures, error_model="numpy")(function)


@intrinsic
def _prefetch(typing: Any, array: Any, index: Any) -> Any:
    """Ask for the cache line of array[index], to be written to."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        data = context.make_array(array)(context, builder, values[0]).data
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        call = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [byte, word, word, word]),
            "llvm.prefetch.p0",
        )  # fmt: skip
        address = builder.bitcast(builder.gep(data, [values[1]]), byte)
        builder.call(call, [address, word(1), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


@_jit
def _place(x, y, t, bright, width, first, start, span, scale, top, cells, places, shares):  # type: ignore[no-untyped-def]
    """Compute the left cell of each event, times two, plus one if it became brighter; and how much
    of it goes to the right one. Nothing but arithmetic: it is vectorised.
    """
    for i in range(len(x)):
        position = scale * (np.float64(t[i] - first) - start) / span
        left = min(np.int64(position), top)
        shares[i] = np.float32(position - left)
        places[i] = (left * cells + y[i] * width + x[i]) * 2 + bright[i]


@_jit
def _drain(flat, right_by, records):  # type: ignore[no-untyped-def]
    """Add the records of a band to the grid."""
    shares = records.view(np.float32)
    for i in range(len(records)):
        if i + AHEAD < len(records):
            soon = np.int64(records[i + AHEAD] >> np.uint64(33))
            _prefetch(flat, soon)
            _prefetch(flat, soon + right_by)
        cell = np.int64(records[i] >> np.uint64(33))
        share = shares[2 * i]
        rest = np.float32(1) - share
        if not (records[i] >> np.uint64(32)) & np.uint64(1):
            share, rest = -share, -rest
        flat[cell] += rest
        flat[cell + right_by] += share


def _add(  # type: ignore[no-untyped-def]
    flat, right_by, cells, width, x, y, t, bright, first, start, span, scale, top, shift, bands, filled
):
    """Sort events into the bands of their rows, and drain each band that is full."""
    places, shares = np.empty(BLOCK, np.uint32), np.empty(BLOCK, np.float32)
    bits = shares.view(np.uint32)
    most = np.uint64(bands.shape[1])
    for begin in range(0, len(x), BLOCK):
        part = slice(begin, min(begin + BLOCK, len(x)))
        rows = y[part]
        _place(
            x[part], rows, t[part], bright[part], width, first, start, span, scale, top, cells,
            places, shares,
        )  # fmt: skip
        for i in range(len(rows)):
            band = np.uint32(rows[i]) >> np.uint32(shift)
            count = filled[band]
            bands[band, count] = (np.uint64(places[i]) << np.uint64(32)) | np.uint64(bits[i])
            count += np.uint64(1)
            if count == most:
                _drain(flat, right_by, bands[band])
                count = np.uint64(0)
            filled[band] = count


def _drain_all(flat, right_by, bands, filled):  # type: ignore[no-untyped-def]
    for band in range(len(filled)):
        _drain(flat, right_by, bands[band, : filled[band]])


_WHOLE, _REAL, _FLAT, _BANDS = types.int64, types.float64, types.float32[::1], types.uint64[:, ::1]
_PIXELS, _BRIGHT = (types.Array(each, 1, "C", readonly=True) for each in (types.int32, types.bool_))
_CLOCKS = ((types.Array(each, 1, "C", readonly=True), each) for each in (types.uint64, types.float64))
_add = _jit(_add, [
    types.void(
        _FLAT, _WHOLE, _WHOLE, _WHOLE, _PIXELS, _PIXELS, clock, _BRIGHT, first, _REAL, _REAL, _REAL,
        _WHOLE, _WHOLE, _BANDS, types.uint64[::1],
    ) for clock, first in _CLOCKS
])
_drain_all = _jit(_drain_all, [types.void(_FLAT, _WHOLE, _BANDS, types.uint64[::1])])


def _clock(t: np.ndarray, first: Any) -> tuple[np.ndarray, Any]:
    """Return stamps and the first of them in a type that `_add` takes; integers are not copied."""
    if t.dtype.kind in "iu" and t.itemsize == 8:
        native = np.ascontiguousarray(t, t.dtype.newbyteorder("="))
        return native.view(np.uint64), np.asarray(first).astype(np.uint64)[()]
    return elapsed(t, first), 0.0


def _pixels(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, np.int32)


def spread(
    grid: np.ndarray, blocks: Iterable[Events], first: Any, start_us: float, span_us: float
) -> None:
    """Do what `challenge.representations.spread.spread` does, with the same result."""
    bins, height, width = grid.shape
    cells = height * width
    shift = max(0, math.ceil(math.log2(BAND_PIXELS / width)))
    count = ((height - 1) >> shift) + 1
    most = max(1, int(min(MOST_RECORDS, RECORDS_OF_GRID * grid.size)) // count)
    bands, filled = np.empty((count, most), np.uint64), np.zeros(count, np.uint64)
    flat, right_by = grid.reshape(-1), cells if bins > 1 else 0
    for block in blocks:
        stamps, zero = _clock(block.t, first)
        _add(
            flat, right_by, cells, width,
            _pixels(block.x), _pixels(block.y), stamps, block.p > 0, zero, start_us, span_us, float(bins - 1), max(bins - 2, 0), shift, bands, filled,
        )  # fmt: skip
    _drain_all(flat, right_by, bands, filled)
