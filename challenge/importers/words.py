"""What streams of words have in common: a clock that starts again, and values that hold on."""

from __future__ import annotations

import numpy as np


class Rounds:
    """A counter of a few bits, block after block, unrolled: a fall by half its range or more is the
    next round.
    """

    def __init__(self, bits: int) -> None:
        self.range = 1 << bits
        self.last: int | None = None
        self.rounds = 0

    def unroll(self, values: np.ndarray) -> np.ndarray:
        """Count on from the block before: (N,) of any integer type to (N,) int64."""
        wide = values.astype(np.int64)
        if not len(wide):
            return wide
        before = wide[0] if self.last is None else self.last
        falls = np.diff(wide, prepend=before) <= -self.range // 2
        rounds = self.rounds + np.cumsum(falls)
        self.last, self.rounds = int(wide[-1]), int(rounds[-1])
        return wide + rounds * self.range


def latest(given: np.ndarray) -> np.ndarray:
    """Find the place of the newest given value: (N,) bool to (N,) int64, -1 before the first.

    >>> latest(np.array([False, True, False, True])).tolist()
    [-1, 1, 1, 3]
    """
    return np.maximum.accumulate(np.where(given, np.arange(len(given)), -1))
