"""The event mask: which pixels saw events."""

from __future__ import annotations

import cv2
import numpy as np


def event_mask(voxel: np.ndarray) -> np.ndarray:
    """Mark the pixels that saw events: any non-zero bin, closed with a 3x3 square.

    Args:
        voxel: (bins, H, W), any number type, not normalised. Not modified.

    Returns:
        (1, H, W) float32, 0 or 1.

    Source: the event mask of REBlur (Sun et al., Event-Based Fusion for Motion Deblurring with
    Cross-modal Attention, ECCV 2022).

    >>> event_mask(np.array([[[1.0, 0.0, -1.0, 0.0, 0.0]]])).tolist()
    [[[1.0, 1.0, 1.0, 0.0, 0.0]]]
    """
    seen = (voxel != 0).any(axis=0).astype(np.uint8)
    closed = cv2.morphologyEx(seen, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    return closed[None].astype(np.float32)
