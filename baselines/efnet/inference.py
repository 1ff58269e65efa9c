"""How whole frames are restored: what `predict` can be told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Inference:
    """Settings of restoring; by default the machine decides."""

    engine: str = "torch"
    precision: str | None = None  # None: as trained
