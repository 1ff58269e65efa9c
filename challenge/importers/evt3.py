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
from challenge.importers.words import latest

ADDR_Y, ADDR_X, VECT_BASE_X, VECT_12, VECT_8, TIME_LOW, TIME_HIGH = 0, 2, 3, 4, 5, 6, 8
RANGE, HALF = 1 << 12, 1 << 11
LAST_X = 0x7FF
"""No sensor goes further: vectors that do are damaged."""


def decode_evt3(words: Iterator[np.ndarray]) -> Iterator[Events]:
    """Decode blocks of u2. Triggers and all other types are passed over."""
    clock = Clock()
    held = np.zeros(0, np.uint16)
    for block in words:
        stream = np.concatenate([held, block.astype(np.uint16, copy=False)])
        kind, value = stream >> 12, (stream & 0xFFF).astype(np.int64)
        step = 12 * (kind == VECT_12) + 8 * (kind == VECT_8)
        moved = np.cumsum(step) - step  # of all vectors before a word
        base = latest(kind == VECT_BASE_X)
        row = latest(kind == ADDR_Y)
        time = clock.times(kind, value)
        chosen = np.flatnonzero((kind == ADDR_X) | (step > 0))
        vector = step[chosen] > 0
        usable = (row[chosen] >= 0) & (time[chosen] >= 0) & (~vector | (base[chosen] >= 0))
        yield _events(chosen[usable], kind, value, moved, base, row, time)
        held = np.array(
            [*_place(kind, value, base, moved + step), *clock.words(kind, time)], np.uint16
        )


class Clock:
    """The time at each word, block after block.

    The high bits start again after 2**12, as the vendor's decoder has it: a fall by half of that or
    more is the next round. A TIME_HIGH that says something new sets the low bits to 0 until the
    next TIME_LOW. A TIME_LOW that falls by half its range with no TIME_HIGH since the one before it
    counts as the next TIME_HIGH: expelliarmus writes its files so.
    """

    def __init__(self) -> None:
        self.high: int | None = None  # in units of 4096 microseconds, rounds included

    def times(self, kind: np.ndarray, value: np.ndarray) -> np.ndarray:
        """Work out the time at each word: (N,) int64 microseconds, -1 before the first TIME_HIGH.

        Args:
            kind, value: (N,) of the words; `words` of the block before come first.
        """
        highs, lows = np.flatnonzero(kind == TIME_HIGH), np.flatnonzero(kind == TIME_LOW)
        if not len(highs):
            return np.full(len(kind), -1)
        at = np.cumsum(kind == TIME_HIGH) - 1  # the newest TIME_HIGH, -1 before the first
        falls = (np.diff(value[lows]) <= -HALF) & (np.diff(at[lows]) == 0)
        over = np.zeros(len(kind), np.int64)
        over[lows[1:]] = falls
        over = np.cumsum(over)
        more = over[np.append(highs[1:] - 1, len(kind) - 1)] - over[highs]  # until the next one

        said = value[highs]
        start = int(said[0]) if self.high is None else self.high
        before = np.append(start % RANGE, (said + more)[:-1])
        rounds = np.cumsum(before // RANGE + (said - before % RANGE <= -HALF))
        high = said + RANGE * (start // RANGE + rounds)
        is_new = high != np.append(-1 if self.high is None else start, (high + more)[:-1])
        self.high = int(high[-1] + more[-1])

        now = np.maximum(at, 0)
        since = np.maximum.accumulate(np.where(is_new, highs, -1))[now]
        low = latest(kind == TIME_LOW)
        low_bits = np.where(low > since, value[np.maximum(low, 0)], 0)
        return np.where(at >= 0, (high[now] + over - over[highs[now]] << 12) + low_bits, -1)

    def words(self, kind: np.ndarray, time: np.ndarray) -> list[int]:
        """Write the time after a block as words, to stand in front of the next one."""
        if self.high is None:
            return []
        high = TIME_HIGH << 12 | self.high % RANGE
        low = TIME_LOW << 12 | int(time[-1]) % RANGE
        is_time = np.flatnonzero((kind == TIME_HIGH) | (kind == TIME_LOW))
        return [high, low] if kind[is_time[-1]] == TIME_LOW else [low, high]


def _place(kind: np.ndarray, value: np.ndarray, base: np.ndarray, moved: np.ndarray) -> list[int]:
    """Write row and base after a block as words, to stand in front of the next one."""
    words = [ADDR_Y << 12 | int(row) for row in value[kind == ADDR_Y][-1:]]
    if len(base) and base[-1] >= 0:
        first = int(value[base[-1]])
        x = (first & 0x7FF) + int(moved[-1] - moved[base[-1]])
        words += [VECT_BASE_X << 12 | first & 0x800 | x] * (x <= LAST_X)
    return words


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
    x = (value[source[which]] & 0x7FF) + offset[which] + bit
    real = x <= LAST_X
    word, x, which = chosen[which[real]], x[real], which[real]
    return as_events(x, value[row[word]] & 0x7FF, time[word], value[source[which]] >> 11)
