"""Signed numbers as colours: blue where positive (brighter), red where negative (darker)."""

from __future__ import annotations

import numpy as np

from challenge.representations import events_per_bin, voxel_grid
from challenge.sample import Sample

SATURATED = 6.0
"""So many events of one sign in a pixel give the full colour."""


def signed_events(sample: Sample, bins: int = 6) -> np.ndarray:
    """Make the (bins, H, W) float32 signed events of a frame to draw, each event in it once.

    A stored grid is taken as it is, but for SCER, whose channels hold many events more than once.
    """
    if sample.events is not None:
        return voxel_grid(sample.events, bins, *sample.blurry.shape[:2])
    grid = sample.stored_grid
    assert grid is not None  # a data set gives one of the two
    return events_per_bin(grid) if sample.stored_kind == "scer" else grid


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
