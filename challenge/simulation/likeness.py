"""What the events of a frame are like, in a few figures: to set simulated beside real ones."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import cv2
import numpy as np

from challenge.errors import DataError
from challenge.events import elapsed
from challenge.light import luminance, srgb_to_linear
from challenge.sample import Sample

FEWEST = 100
"""Events; fewer tell nothing of intervals and shares."""
SMOOTHING = 2.0
AROUND = 15
"""Pixels of a square in which a place that is flat has no edge."""
FLAT = 0.25
"""The flattest part of a frame's pixels counts as flat."""
HOT, HOT_BY = 10, 5
"""A hot pixel has at least so many events, and so many times as many as the median around it."""
WORDS: Mapping[str, str] = MappingProxyType(
    {
        "rate": "events per pixel and second",
        "on": "share of ON events",
        "interval_ms": "interval of a pixel, median, ms",
        "short_ms": "interval of a pixel, 10 %, ms",
        "equal": "share of events stamped as the one before",
        "noise": "events per pixel and second where the frame is flat",
        "active": "share of pixels with an event",
        "hot": "hot pixels in a million",
    }
)


def likeness(sample: Sample, exposure_us: float | None = None) -> dict[str, float]:
    """Measure the events of a frame: the keys of `WORDS`.

    Args:
        sample: with events, t in microseconds. Not modified.
        exposure_us: None: from the first event to the last.

    Returns:
        Figures; NaN where the events are too few to tell (`FEWEST`, no pixel that fired twice).

    Raises:
        DataError: the sample has no events of its own, but a grid.
    """
    events = sample.events
    if events is None:
        raise DataError(f"{sample.frame}: expected events, found a stored grid")
    height, width = sample.blurry.shape[:2]
    if len(events) < FEWEST:
        rate = len(events) / (height * width) / exposure_us * 1e6 if exposure_us else np.nan
        return {key: rate if key == "rate" else np.nan for key in WORDS}
    t = elapsed(events.t, events.t[0])
    seconds = (exposure_us or float(t[-1])) / 1e6
    pixel = events.y.astype(np.int64) * width + events.x
    counts = np.bincount(pixel, minlength=height * width).reshape(height, width)
    order = np.argsort(pixel, kind="stable")
    gaps = np.diff(t[order])[np.diff(pixel[order]) == 0] / 1e3
    hot = hot_pixels(counts)
    quiet = flat_places(sample.blurry) & ~hot
    return {
        "rate": len(events) / (height * width) / seconds,
        "on": float(np.mean(events.sign > 0)),
        "interval_ms": float(np.median(gaps)) if len(gaps) else np.nan,
        "short_ms": float(np.percentile(gaps, 10)) if len(gaps) else np.nan,
        "equal": float(np.mean(np.diff(t) == 0)),
        "noise": float(counts[quiet].mean() / seconds) if quiet.any() else np.nan,
        "active": float(np.mean(counts > 0)),
        "hot": 1e6 * float(hot.mean()),
    }


def hot_pixels(counts: np.ndarray) -> np.ndarray:
    """Find pixels that fire far more than those around them: (H, W) counts to (H, W) bool."""
    around = cv2.medianBlur(np.minimum(counts, 65_535).astype(np.uint16), 5)
    return np.asarray((counts >= HOT) & (counts >= HOT_BY * around.astype(np.int64)))


def flat_places(picture: np.ndarray) -> np.ndarray:
    """Find the quarter of the pixels around which a frame changes least.

    Args:
        picture: (H, W, 3) uint8 sRGB. Not modified.

    Returns:
        (H, W) bool.
    """
    level = cv2.GaussianBlur(np.sqrt(luminance(srgb_to_linear(picture))), (0, 0), SMOOTHING)
    square = np.ones((AROUND, AROUND), np.uint8)
    change = cv2.dilate(level, square) - cv2.erode(level, square)
    return np.asarray(change <= np.quantile(change, FLAT))
