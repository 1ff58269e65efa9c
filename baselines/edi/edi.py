"""The event double integral (EDI): what blur does to a pixel, computed from its events.

A pixel's intensity follows its events: L(t) = L(f) * exp(c * E(t)), where E(t) is the sum of the
signs between the moment f and t, and c the contrast threshold of the sensor. The blurry image is
the mean of L over the exposure, hence

    B = L(f) * mean_t exp(c * E(t))         and so         L(f) = B / mean_t exp(c * E(t)).

Source: Pan et al., Bringing a Blurry Frame Alive at High Frame-Rate with an Event Camera, CVPR
2019.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from challenge.errors import DataError
from challenge.events import check_on_sensor, elapsed
from challenge.light import linear_to_srgb, luminance, srgb_to_linear
from challenge.representations import events_per_bin
from challenge.sample import Sample

THRESHOLDS = tuple(np.round(np.arange(0.04, 0.81, 0.02), 2))
"""Contrast thresholds tried; real sensors lie between 0.1 and 0.5 in log intensity."""

NEAR_MIDDLE = 0.11
"""What counts as near the middle, as a fraction of the exposure."""

SMOOTHING = 2.0
"""Pixels; at this width the threshold found on a DAVIS346 recording and on simulated events is
steadiest.
"""

BLACK = 0.02
"""Added to linear intensity in [0, 1], since the logarithm of a black pixel has no meaning."""


LEAST_GAIN = 0.01
"""By how much the best threshold must do better than the ends of the range, as a fraction. Measured
over the lower end: 0.08 and 0.38 in 8 frames of the embedded val and test, 0.23 in 4 of a DAVIS346
recording; 0 to 0.001 with polarity flipped or random, x and y swapped or mirrored, or time
reversed.
"""


@dataclass(frozen=True)
class Stairs:
    """E(t) of every pixel over the exposure: a stair, one entry per tread.

    pixel: (M,) row * W + column. start, share: (M,) where the tread begins and how long it is, as
    fractions of the exposure. jump: (M,) the change of E at its start, 0 for the tread before a
    pixel's first event. level: (M,) E on the tread, 0 at the middle of the exposure. Pixels that
    are not named stay at level 0 throughout.
    """

    pixel: np.ndarray
    start: np.ndarray
    share: np.ndarray
    jump: np.ndarray
    level: np.ndarray
    height: int
    width: int


def stairs_of(sample: Sample) -> Stairs:
    """Build the stairs of a sample, from its raw events where it has them, else from its grid.

    The exposure runs from the first event to the last. A grid is coarser: all that a bin holds
    happens at its centre, which for a single bin is the middle of the exposure. Of a SCER grid the
    bins are taken apart first.

    Raises:
        DataError: an event lies off the sensor, time runs backwards, or there is neither an event
            list nor a stored grid.
    """
    height, width = sample.blurry.shape[:2]
    events, grid = sample.events, sample.stored_grid
    if events is None:
        if grid is None:
            raise DataError(f"{sample.frame}: expected events or a stored grid, found neither")
        bins = len(grid)
        centres = np.arange(bins) / (bins - 1) if bins > 1 else np.array([0.5])
        if sample.stored_kind == "scer":
            grid, centres = events_per_bin(grid), (np.arange(bins) + 0.5) / bins
        cells = grid.reshape(bins, -1)
        place, pixel = np.nonzero(cells)
        jump = cells[place, pixel].astype(np.float64)
        return _stairs(pixel, centres[place], jump, height, width)
    check_on_sensor(events, height, width)
    since = elapsed(events.t, events.t[0]) if len(events) else np.zeros(0)
    moments: np.ndarray = since / (since[-1:].max(initial=0.0) or 1.0)
    pixel = events.y.astype(np.int64) * width + events.x.astype(np.int64)
    return _stairs(pixel, moments, events.sign, height, width)


def _stairs(
    pixel: np.ndarray, time: np.ndarray, jump: np.ndarray, height: int, width: int
) -> Stairs:
    order = np.argsort(pixel, kind="stable")
    pixel, time, jump = pixel[order], time[order], jump[order]
    first = np.flatnonzero(np.diff(pixel, prepend=-1))
    count = np.diff(first, append=len(pixel))
    group = np.repeat(np.arange(len(first)), count)
    total = np.cumsum(jump)
    level = total - (total[first] - jump[first])[group]  # 0 at the exposure's start
    until = np.append(time[1:], 1.0)[: len(time)]
    until[first + count - 1] = 1.0
    middle = np.bincount(group, jump * (time <= 0.5), len(first))
    return Stairs(
        pixel=np.concatenate([pixel[first], pixel]),
        start=np.concatenate([np.zeros(len(first)), time]),
        share=np.concatenate([time[first], until - time]),
        jump=np.concatenate([np.zeros(len(first)), jump]),
        level=np.concatenate([-middle, level - middle[group]]),
        height=height,
        width=width,
    )


def blur_factor(stairs: Stairs, threshold: float) -> np.ndarray:
    """Compute how much brighter the mean over the exposure is than its middle.

    That is mean_t exp(c * E(t)).

    Args:
        stairs: E(t) of every pixel.
        threshold: contrast threshold c in log intensity.

    Returns:
        (H, W) float64, 1 where there are no events.
    """
    size = stairs.height * stairs.width
    excess = np.bincount(stairs.pixel, stairs.share * np.expm1(threshold * stairs.level), size)
    return (1.0 + excess).reshape(stairs.height, stairs.width)


def deblur(blurry: np.ndarray, stairs: Stairs, threshold: float) -> np.ndarray:
    """Restore the middle of the exposure.

    Args:
        blurry: (H, W, 3) uint8 sRGB.
        stairs: the stairs of its events.
        threshold: contrast threshold c in log intensity.

    Returns:
        (H, W, 3) uint8 sRGB.
    """
    factor = blur_factor(stairs, threshold)[:, :, None]
    return linear_to_srgb((srgb_to_linear(blurry) + BLACK) / factor - BLACK)


def threshold_curve(samples: Iterable[Sample]) -> np.ndarray:
    """Measure for each of `THRESHOLDS` how much of the blur it leaves unexplained.

    It is sought where no edge stands at the middle of the exposure.

    A pixel that an edge crossed early or late, but not near the middle, lies on an edge's trail,
    and the sharp image is flat there. So log B - log mean_t exp(c * E(t)) has small gradients on
    the trails when c is right; too small a c leaves the trail in it, too large a c writes a
    negative one. The sensor has one threshold: the curves of all samples are summed.

    Returns:
        (len(THRESHOLDS),) float64; all equal where no event tells anything of the threshold.
    """
    curves = np.zeros(len(THRESHOLDS))
    for sample in samples:
        curves += trail_gradients(sample)
    return curves


def best_threshold(curve: np.ndarray) -> float:
    """Take the contrast threshold that explains the blur best: one of `THRESHOLDS`."""
    return float(THRESHOLDS[int(np.argmin(curve))])


def threshold_doubt(curve: np.ndarray) -> str | None:
    """Say in a clause why the best threshold of a curve is none to be trusted; None if it is.

    Events that belong to the blur leave less of it unexplained at their threshold than at either
    end of the range; events that do not (flipped, turned, of another frame) add what was not there,
    the more the higher the threshold.
    """
    lowest, first, last = curve.min(), curve[0], curve[-1]
    if np.ptp(curve) <= 1e-9 * curve.max():
        return (
            "the events do not tell the contrast threshold: there are none, or their grids have "
            "too few bins; frames are left nearly as they are"
        )
    found = f"contrast threshold {best_threshold(curve):.2f} of {THRESHOLDS[0]} to {THRESHOLDS[-1]}"
    if lowest > (1.0 - LEAST_GAIN) * first:
        return (
            f"{found}: the events do not explain the blur; is their polarity flipped, are x and y "
            "swapped or mirrored, does time run backwards, or do they belong to other frames?"
        )
    if lowest > (1.0 - LEAST_GAIN) * last:
        return f"{found}: more blur than the events explain; are some of them missing?"
    return None


def trail_gradients(sample: Sample) -> np.ndarray:
    """Sum the gradient magnitudes of the restored log image on the trails.

    Everything is smoothed by a Gaussian of `SMOOTHING` pixels first: single events are too coarse.

    Returns:
        (len(THRESHOLDS),) float64, one sum for each of them.
    """
    stairs = stairs_of(sample)
    shape, size = (stairs.height, stairs.width), stairs.height * stairs.width
    weight = np.abs(stairs.jump)
    near = weight * (np.abs(stairs.start - 0.5) < NEAR_MIDDLE)
    activity = _smooth(np.bincount(stairs.pixel, weight, size).reshape(shape))
    activity_near = _smooth(np.bincount(stairs.pixel, near, size).reshape(shape))
    trail = (activity > 0.5) & (activity_near < 0.3 * (2 * NEAR_MIDDLE) * activity)
    log_blurry = np.log(luminance(srgb_to_linear(sample.blurry)) + BLACK)
    sums = []
    for threshold in THRESHOLDS:
        rows, columns = np.gradient(_smooth(log_blurry - np.log(blur_factor(stairs, threshold))))
        sums.append(float(np.hypot(rows, columns)[trail].sum()))
    return np.array(sums)


def _smooth(image: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(image.astype(np.float64), (0, 0), SMOOTHING)
