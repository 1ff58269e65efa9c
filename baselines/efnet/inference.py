"""How whole frames are restored: what `predict` can be told."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from challenge.errors import ConfigError

OVERLAP = 0.25
"""Share of a tile's side by which tiles overlap, where nothing else is asked for."""
SMALLEST = 32
"""Pixels; of a smaller tile the network would see next to nothing."""
PRECISIONS = ("auto", "float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Inference:
    """Settings of restoring; by default the machine decides."""

    engine: str | None = None  # None: torch, or for an exported file the fastest that is installed
    precision: str | None = None  # None: as trained
    tiles: tuple[int, ...] = ()  # sides in pixels, results averaged; 0: whole; (): memory decides
    overlap: int | None = None  # of tiles, in pixels; None: a quarter of the side
    flips: bool = False  # average over the eight ways to mirror and turn a frame
    local: int = 0  # side in pixels of the windows that attention is over; 0: all that is seen
    memory: float | None = field(default=None, compare=False)  # GiB there are; None: ask the system

    def __post_init__(self) -> None:
        problems = [
            f"--tile {side}: expected at least {SMALLEST} pixels, or 0 for whole frames"
            for side in self.tiles
            if side != 0 and side < SMALLEST
        ]
        least = min((side for side in self.tiles if side), default=None)
        if self.overlap is not None and not 0 <= self.overlap <= (least or self.overlap) // 2:
            half = f" to {least // 2}, half of the smallest tile" if least else " pixels or more"
            problems.append(f"--overlap {self.overlap}: expected 0{half}")
        if self.local != 0 and self.local < SMALLEST:
            problems.append(f"--local {self.local}: expected at least {SMALLEST} pixels, or 0")
        if self.precision not in (None, *PRECISIONS):
            problems.append(f"--precision {self.precision}: expected {' or '.join(PRECISIONS)}")
        if self.memory is not None and not 0 < self.memory < float("inf"):
            problems.append(f"--memory {self.memory:g}: expected GiB, such as --memory 3")
        if problems:
            raise ConfigError("settings of restoring that cannot work", problems)

    def record(self) -> dict[str, Any]:
        """List what decides about the result, for `run.json`; memory only chose the tiles."""
        values = dataclasses.asdict(self)
        return {key: value for key, value in values.items() if key != "memory"}

    def overlap_of(self, side: int) -> int:
        """By how many pixels tiles of a side overlap."""
        return int(side * OVERLAP) if self.overlap is None else self.overlap

    def in_words(self) -> str:
        """Say what is out of the ordinary, for the readme of a submission; "" if nothing is."""
        sides = " and ".join(str(side) if side else "the whole frame" for side in self.tiles)
        told = [f"tiles of {sides}"] if any(self.tiles) else []
        told = [f"by {self.engine}", *told] if self.engine not in (None, "torch") else told
        told += [f"attention over windows of {self.local}"] if self.local else []
        return ", ".join([*told, *["mean of 8 flips and rotations"] * self.flips])


def parse_sides(text: str | None) -> tuple[int, ...]:
    """Read the sides of tiles, "256,512"; None is none.

    Raises:
        ConfigError: something else.

    >>> parse_sides("256,512"), parse_sides(None)
    ((256, 512), ())
    """
    words: Sequence[str] = text.split(",") if text is not None else ()
    if not all(word.strip().isdecimal() for word in words):
        raise ConfigError(f"--tile {text}: expected pixels, such as 512, 256,512 or 0 (whole)")
    return tuple(int(word) for word in words)
