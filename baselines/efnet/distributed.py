"""One training by several processes: who is who, and who does what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """The processes that train or restore together; one alone by default."""

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Say whether this is the process that writes and shows."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """Take this process's part: every item belongs to exactly one."""
        return items[self.rank :: self.size]
