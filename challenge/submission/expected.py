"""What a submission must hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Expected:
    """What is asked of a submission; None where it is not known.

    Attributes:
        readme: template of `readme.txt` (see `challenge.rules.Rules`).
        names: file names of the PNGs, "zigzag_00012.png".
        frames: number of PNGs.
        size: (width, height) in pixels of every PNG.
        sizes: file name -> (width, height), where `size` is None.
        source: where the names come from, for messages.
        zip_limit_mb: largest zip in 10^6 bytes.
        inputs: folder of the blurry frames, where they are on disk.
    """

    readme: str
    names: frozenset[str] | None = None
    frames: int | None = None
    size: tuple[int, int] | None = None
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    source: str = "the rules"
    zip_limit_mb: float | None = None
    inputs: Path | None = None

    def size_of(self, name: str) -> tuple[int, int] | None:
        """Return (width, height) in pixels that the PNG of this name must have."""
        return self.size or self.sizes.get(name)
