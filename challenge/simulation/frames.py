"""The frame of a simulated camera: what its pixels collect, with their noise, as 8-bit levels."""

from __future__ import annotations

import numpy as np

from challenge.light import linear_to_srgb

FULL_WELL = 5_000.0
"""Electrons of a pixel in light 1.0; it holds no more. The noise is then 1.6 to 2.1 of 255 levels;
standing parts of a DAVIS346 recording show 1.4 to 1.8.
"""

READ_NOISE = 5.0
"""Electrons, standard deviation."""


def develop(light: np.ndarray, grey: bool, rng: np.random.Generator) -> np.ndarray:
    """Count the photons of an exposure, and store the count on the sRGB curve.

    electrons = N(mean 5,000 * light, variance 5,000 * light + 5^2): photons arrive at random
    (Poisson, nearly normal at these numbers), and reading them adds noise. Then the pixel is full.

    Args:
        light: (H, W, 3) linear light, 0 or more; 1 fills a pixel. Not modified.
        grey: one pixel is behind all three channels, which are equal.
        rng: draws the noise.

    Returns:
        (H, W, 3) uint8 sRGB.
    """
    shape = (*light.shape[:2], 1 if grey else 3)
    variance = light / FULL_WELL + (READ_NOISE / FULL_WELL) ** 2
    return linear_to_srgb(light + np.sqrt(variance) * rng.standard_normal(shape, np.float32))
