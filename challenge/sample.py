"""The one carrier between data sets and restorers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from challenge.events import Events


@dataclass(frozen=True)
class Sample:
    """One blurry frame and all that is known about it. Plain numpy: any framework can read it."""

    frame: str  # "SEQNAME_00012", the PNG's stem on disk and on the server
    blurry: np.ndarray  # (H, W, 3) uint8 RGB
    voxel: np.ndarray  # (bins, H, W) float32 signed events, not normalised
    sharp: np.ndarray | None = None  # (H, W, 3) uint8 RGB; None where it is withheld
    events: Events | None = None  # those of the exposure; None where only voxels are on disk


def sequence_of(frame: str) -> str:
    """The sequence a frame belongs to: its name without the last `_` group, the frame number."""
    return frame.rpartition("_")[0] or frame
