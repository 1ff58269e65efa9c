"""Signed numbers as colours: blue where positive (brighter), red where negative (darker)."""

from __future__ import annotations

import numpy as np

from challenge.representations import events_per_bin
from challenge.sample import Sample

SATURATED = 6.0
"""So many events of one sign in a pixel give the full colour."""


def stored_events(sample: Sample) -> np.ndarray:
    """Take the signed events of each bin from a stored grid: (bins, H, W).

    Args:
        sample: without raw events.
    """
    assert sample.stored_grid is not None  # a data set gives one of the two
    scer = sample.stored_kind == "scer"
    return events_per_bin(sample.stored_grid) if scer else sample.stored_grid


def event_picture(grid: np.ndarray) -> np.ndarray:
    """Draw signed events: blue where it became brighter, red where darker, white where none are.

    Args:
        grid: (bins, H, W) signed events. Not modified.

    Returns:
        (H, W, 3) uint8 RGB.

    >>> event_picture(np.array([[[9.0, -9.0, 0.0]]])).tolist()
    [[[0, 70, 255], [255, 30, 0], [255, 255, 255]]]
    """
    total = grid.sum(axis=0)
    strength = np.clip(np.abs(grid).sum(axis=0) / SATURATED, 0.0, 1.0)[:, :, None]
    colour = np.where(total[:, :, None] >= 0, (0.0, 70.0, 255.0), (255.0, 30.0, 0.0))
    picture: np.ndarray = np.round(255.0 + strength * (colour - 255.0))
    return picture.astype(np.uint8)


def signed_picture(values: np.ndarray, full: float) -> np.ndarray:
    """Draw signed values in the same colours, the full ones from a magnitude of `full` on.

    Args:
        values: (H, W). Not modified.
        full: more than 0.

    Returns:
        (H, W, 3) uint8 RGB; white where a value is 0.

    >>> signed_picture(np.array([[2.0, -1.0, 0.0]]), full=1.0).tolist()
    [[[0, 70, 255], [255, 30, 0], [255, 255, 255]]]
    """
    return event_picture(values[None] * np.float32(SATURATED / full))
