"""What the metrics share: two 8-bit images that fit each other, and their luma.

NumPy alone, so that a competition server runs this very file.
"""

from __future__ import annotations

import numpy as np

from challenge.errors import DataError

PEAK = 255.0
"""A constant: guessed from the pixels, as the published code does it, black scores 48 dB less."""
LUMA_WEIGHTS = (65.481, 128.553, 24.966)
LUMA_OFFSET = 16.0
NTIRE_SCALE = 4
"""The NTIRE scorers' SCALE: sizes are cut to a multiple of it, then as much off each side."""


def check_pair(prediction: np.ndarray, sharp: np.ndarray, smallest: int = 1) -> None:
    """Refuse what no metric can compare; nothing is broadcast, rescaled or converted.

    Raises:
        DataError: not two (H, W, 3) uint8 images of one size, at least `smallest` pixels high and
            wide; all problems.
    """
    problems = []
    for name, image in (("prediction", prediction), ("sharp", sharp)):
        shape, dtype = np.shape(image), getattr(image, "dtype", type(image).__name__)
        if dtype != np.uint8 or len(shape) != 3 or shape[2] != 3:
            problems.append(f"{name}: expected (H, W, 3) uint8 RGB, found {shape} {dtype}")
        elif min(shape[:2]) < smallest:
            size = f"{shape[1]}x{shape[0]} (width x height)"
            problems.append(f"{name}: expected at least {smallest}x{smallest} pixels, found {size}")
    if not problems and prediction.shape != sharp.shape:
        problems.append(f"prediction {prediction.shape} and sharp {sharp.shape} differ in size")
    if problems:
        raise DataError("images that cannot be compared", problems)


def luma(image: np.ndarray) -> np.ndarray:
    """Compute Y of YCbCr as ITU-R BT.601 defines it in studio swing: 16 to 235, not rounded.

    16 + (65.481 R + 128.553 G + 24.966 B) / 255.

    Args:
        image: (H, W, 3) uint8 RGB. Not modified.

    Returns:
        (H, W) float64.

    >>> luma(np.full((1, 1, 3), 255, np.uint8)).round(6)
    array([[235.]])
    """
    levels = np.arange(256) / 255.0
    red, green, blue = (levels * weight for weight in LUMA_WEIGHTS)
    result: np.ndarray = np.take(red + LUMA_OFFSET, image[:, :, 0])
    result += np.take(green, image[:, :, 1])
    result += np.take(blue, image[:, :, 2])
    return result


def cut_border(image: np.ndarray) -> np.ndarray:
    """Cut (H, W, 3) to multiples of NTIRE_SCALE, then NTIRE_SCALE off each side: a view."""
    height, width = (size - size % NTIRE_SCALE for size in image.shape[:2])
    return image[NTIRE_SCALE : height - NTIRE_SCALE, NTIRE_SCALE : width - NTIRE_SCALE]
