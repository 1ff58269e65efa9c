"""Work that several machines share: part I of N."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from challenge.errors import ConfigError

T = TypeVar("T")


@dataclass(frozen=True)
class Part:
    """Part `number` of `total`, counted from 1; by default all.

    >>> Part.parse("2/3").of(["a", "b", "c", "d", "e"])
    ['b', 'e']
    """

    number: int = 1
    total: int = 1

    @classmethod
    def parse(cls, text: str | None) -> Part:
        """Read "I/N"; None is all.

        Raises:
            ConfigError: it is something else.
        """
        if text is None:
            return cls()
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            raise ConfigError(f"--part {text}: expected I/N with I from 1 to N, such as 2/8")
        return cls(int(match[1]), int(match[2]))

    def of(self, items: Sequence[T]) -> list[T]:
        """Take this part's share: every N-th, so that neighbours, which are alike, are spread."""
        return list(items[self.number - 1 :: self.total])


ALL = Part()
