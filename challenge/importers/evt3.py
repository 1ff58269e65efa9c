"""EVT 3.0 of Prophesee: words of 16 bits, the type in the highest 4, most of them a state.

TIME_HIGH, TIME_LOW: 12 bits of the time each; ADDR_Y: the row. These hold for what follows. ADDR_X:
one event at x. VECT_BASE_X: x and polarity of the vectors that follow; VECT_12, VECT_8: a bit for
each of the next 12 or 8 pixels, from the lowest on, after which the base has moved by as many.

Source: https://docs.prophesee.ai/stable/data/encoding_formats/evt3.html
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from challenge.events import Events
from challenge.importers.recording import as_events
from challenge.importers.words import Rounds, latest

ADDR_Y, ADDR_X, VECT_BASE_X, VECT_12, VECT_8, TIME_LOW, TIME_HIGH = 0, 2, 3, 4, 5, 6, 8
HALF = 1 << 11


def decode_evt3(words: Iterator[np.ndarray]) -> Iterator[Events]:
    """Decode blocks of u2. Triggers and all other types are passed over.

    A new TIME_HIGH sets the low bits to 0 until the next TIME_LOW, as in the vendor's decoder. A
    TIME_LOW that falls by half its range without a new TIME_HIGH counts as one: expelliarmus
    writes its files so.
    """
    rounds = Rounds(12)
    held = np.zeros(0, np.uint16)
    for block in words:
        stream = np.concatenate([held, block.astype(np.uint16, copy=False)])
        kind, value = stream >> 12, (stream & 0xFFF).astype(np.int64)
        step = 12 * (kind == VECT_12) + 8 * (kind == VECT_8)
        moved = np.cumsum(step) - step  # of all vectors before a word
        base = latest(kind == VECT_BASE_X)
        row = latest(kind == ADDR_Y)
        time = _times(kind, value, rounds)
        chosen = np.flatnonzero((kind == ADDR_X) | (step > 0))
        vector = step[chosen] > 0
        usable = (row[chosen] >= 0) & (time[chosen] >= 0) & (~vector | (base[chosen] >= 0))
        yield _events(chosen[usable], kind, value, moved, base, row, time)
        held = _hold(kind, value, base, moved + step, time)
        if len(time) and time[-1] >= 0:
            rounds.go_on(int(time[-1]) >> 12)


def _times(kind: np.ndarray, value: np.ndarray, rounds: Rounds) -> np.ndarray:
    """Work out the time at each word in microseconds; -1 before the first TIME_HIGH."""
    is_high, is_low = kind == TIME_HIGH, kind == TIME_LOW
    highs = rounds.unroll(value[is_high])
    if not len(highs):
        return np.full(len(kind), -1)
    at = np.cumsum(is_high) - 1  # the newest TIME_HIGH, -1 before the first
    is_new = np.diff(highs, prepend=-1) != 0
    changed = np.maximum.accumulate(np.where(is_new, np.flatnonzero(is_high), -1))
    since = changed[np.maximum(at, 0)]  # the word with which this value of the high bits began
    low = latest(is_low)
    lows = np.flatnonzero(is_low)
    over = np.zeros(len(kind), np.int64)
    falls = np.diff(value[lows]) <= -HALF
    over[lows[1:]] = falls & (since[lows[1:]] == since[lows[:-1]]) & (lows[:-1] > since[lows[1:]])
    over = np.cumsum(over)
    low_bits = np.where(low > since, value[np.maximum(low, 0)], 0)
    high_bits = highs[np.maximum(at, 0)] + over - over[since]
    return np.where(at >= 0, (high_bits << 12) + low_bits, -1)


def _events(
    chosen: np.ndarray,
    kind: np.ndarray,
    value: np.ndarray,
    moved: np.ndarray,
    base: np.ndarray,
    row: np.ndarray,
    time: np.ndarray,
) -> Events:
    """Make the events of the chosen words; a single one is a vector of one bit."""
    single = kind[chosen] == ADDR_X
    source = np.where(single, chosen, base[chosen])  # the word with x and the polarity
    offset = np.where(single, 0, moved[chosen] - moved[source])
    mask = np.where(single, 1, value[chosen])
    mask[kind[chosen] == VECT_8] &= 0xFF
    bits = (mask.astype(np.uint16)[:, None] >> np.arange(12, dtype=np.uint16)) & 1
    which, bit = np.nonzero(bits)
    word = chosen[which]
    return as_events(
        x=(value[source[which]] & 0x7FF) + offset[which] + bit,
        y=value[row[word]] & 0x7FF,
        t=time[word],
        p=value[source[which]] >> 11,
    )


def _hold(
    kind: np.ndarray, value: np.ndarray, base: np.ndarray, moved: np.ndarray, time: np.ndarray
) -> np.ndarray:
    """Write the state after a block as words, to stand in front of the next one."""
    words = []
    if len(rows := value[kind == ADDR_Y]):
        words.append(ADDR_Y << 12 | int(rows[-1]))
    if len(kind) and time[-1] >= 0:
        words += [
            TIME_HIGH << 12 | int(time[-1]) >> 12 & 0xFFF,
            TIME_LOW << 12 | int(time[-1]) & 0xFFF,
        ]
    if len(kind) and base[-1] >= 0:
        first = int(value[base[-1]])
        x = min((first & 0x7FF) + int(moved[-1] - moved[base[-1]]), 0x7FF)
        words.append(VECT_BASE_X << 12 | first & 0x800 | x)
    return np.array(words, np.uint16)
