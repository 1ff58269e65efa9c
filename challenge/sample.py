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
    events: Events | None  # those of the exposure; None where only a grid is on disk
    stored_grid: np.ndarray | None = None  # (bins, H, W) float32, as the data set hands it out
    stored_mask: np.ndarray | None = None  # (1, H, W) uint8, 1 where the data set says events were
    sharp: np.ndarray | None = None  # (H, W, 3) uint8 RGB; None where it is withheld


def sequence_of(frame: str) -> str:
    """Name the sequence of a frame: all but the last `_` group, which is the frame number.

    >>> sequence_of("old_town_00012")
    'old_town'
    """
    return frame.rpartition("_")[0] or frame
