"""PSNR in the variants that challenges use: pure functions of two 8-bit images.

NumPy alone, so that a competition server runs this very file. The prediction comes first, then the
sharp image, both (H, W, 3) uint8 RGB.
"""

from __future__ import annotations

import math

import numpy as np

from challenge.metrics.images import NTIRE_SCALE, PEAK, check_pair, cut_border, luma

ROWS = 64
"""So many rows are compared at a time: their differences stay in the cache."""


def psnr(prediction: np.ndarray, sharp: np.ndarray) -> float:
    """Compute PSNR over all pixels and channels, in dB; infinite for equal images.

    10 log10(255^2 / MSE), MSE the mean of (prediction - sharp)^2 over H * W * 3 values. The sum is
    of integers and exact: every machine gets the same.

    Traps: differences of uint8 wrap around; the peak is 255 whatever the pixels; the mean over
    images is of decibels, not of MSE.

    Raises:
        DataError: not two (H, W, 3) uint8 images of one size.

    >>> image = np.full((16, 16, 3), 100, np.uint8)
    >>> round(psnr(image + 5, image), 4)  # 20 log10(255 / 5)
    34.1514

    Source: `calculate_psnr` of the published kit (AHupuJR/EFNet, crop_border 0), but for its peak.
    """
    check_pair(prediction, sharp)
    return _decibels(_squared_error(prediction, sharp) / prediction.size)


def psnr_luma(prediction: np.ndarray, sharp: np.ndarray) -> float:
    """Compute PSNR of the luma (see `luma`), without the border, in dB; infinite for equal luma.

    Height and width are cut down to multiples of 4, then 4 pixels off each side. The peak is 255,
    though luma only spans 16 to 235.

    Traps: it reads 1.3 to 4.8 dB more than RGB PSNR; errors in colour alone do not show.

    Raises:
        DataError: not two (H, W, 3) uint8 images of one size, at least 12 x 12.

    >>> image = np.full((16, 16, 3), 100, np.uint8)
    >>> round(psnr_luma(image + 5, image), 4)  # luma differs by 5 * 219 / 255
    35.4733

    Source: the NTIRE scoring program with SCALE = 4, which computes it in float32.
    """
    check_pair(prediction, sharp, smallest=3 * NTIRE_SCALE)
    difference = luma(cut_border(prediction))
    difference -= luma(cut_border(sharp))
    return _decibels(float(np.square(difference, out=difference).mean()))


def _squared_error(first: np.ndarray, second: np.ndarray) -> int:
    """Sum (first - second)^2 exactly, in integers."""
    total = 0
    for top in range(0, len(first), ROWS):
        rows = slice(top, top + ROWS)
        difference = np.subtract(first[rows], second[rows], dtype=np.int32).ravel()
        total += int(np.square(difference).sum(dtype=np.int64))
    return total


def _decibels(mean_squared_error: float) -> float:
    if mean_squared_error == 0:
        return math.inf
    return 10.0 * math.log10(PEAK**2 / mean_squared_error)
