"""Light as a sensor adds it up: linear, and back to the sRGB curve that 8-bit images follow."""

from __future__ import annotations

import numpy as np

from challenge.images import to_uint8

LUMINANCE = (0.2126, 0.7152, 0.0722)  # of linear light with the primaries of BT.709 and sRGB


def srgb_to_linear(levels: np.ndarray) -> np.ndarray:
    """Undo the sRGB curve (IEC 61966-2-1): uint8 levels to float32 linear light in [0, 1]."""
    return np.asarray(from_srgb(np.arange(256) / 255.0).astype(np.float32)[levels])


def from_srgb(values: np.ndarray) -> np.ndarray:
    """Undo the same curve on floats in [0, 1] of any shape, which keep their type."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(light: np.ndarray) -> np.ndarray:
    """Apply the sRGB curve: linear light, clipped to [0, 1], to uint8 levels, rounded."""
    v = np.clip(light, 0.0, 1.0)
    curved = np.where(v <= 0.0031308, 12.92 * v, 1.055 * np.maximum(v, 1e-9) ** (1 / 2.4) - 0.055)
    return to_uint8(curved)


def luminance(light: np.ndarray) -> np.ndarray:
    """Weigh what an event pixel sees of linear light: 0.2126 R + 0.7152 G + 0.0722 B.

    Args:
        light: (..., 3) float32 linear RGB in [0, 1]. Not modified.

    Returns:
        (...) float32.

    >>> luminance(np.ones((2, 3, 3), np.float32)).shape
    (2, 3)
    """
    # Not a matrix product: its rounding may depend on the number of threads.
    red, green, blue = (light[..., i] * np.float32(part) for i, part in enumerate(LUMINANCE))
    return np.asarray(red + green + blue)
