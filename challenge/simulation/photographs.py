"""Photographs that anyone may use, taken from the installed scikit-image, as linear light.

They end at white, where their cameras were full; `beyond_white` gives bright places light back.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import skimage.data

from challenge.errors import DataError
from challenge.light import luminance, srgb_to_linear

PUBLIC_DOMAIN = "public domain"
CC0 = "CC0"
LICENCES = {  # as the documentation of each function of skimage.data states it
    "astronaut": PUBLIC_DOMAIN,  # NASA
    "brick": CC0,
    "camera": CC0,
    "chelsea": CC0,
    "coffee": CC0,
    "grass": CC0,
    "gravel": CC0,
    "hubble_deep_field": PUBLIC_DOMAIN,  # NASA
    "retina": CC0,
    "rocket": PUBLIC_DOMAIN,  # SpaceX
}
RESIZED = {"brick": 1.3, "grass": 2.0, "gravel": 2.5, "retina": 0.5}
"""What the sides of photographs with very fine detail, or little of it, are multiplied by."""

GREY = ("brick", "camera", "grass", "gravel")
"""Photographs without colours."""

HIGHLIGHTS = 1.0
"""White gets this much light on top of its own: lamps and the sky are brighter than paper."""


def load_photograph(name: str) -> np.ndarray:
    """Read a photograph that lies inside the installed scikit-image: no network is touched.

    Returns:
        (H, W, 3) float32 linear light in [0, 1]; a grey photograph has three equal channels.

    Raises:
        DataError: this installation does not carry it.
    """
    folder = Path(skimage.data.__file__).parent
    if name not in LICENCES or not list(folder.glob(f"{name}.*")):
        raise DataError(f"{folder}: expected the photograph {name}; install scikit-image again")
    pixels = getattr(skimage.data, name)()
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    return resize(srgb_to_linear(pixels), RESIZED.get(name, 1.0))


def beyond_white(light: np.ndarray, highlights: float = HIGHLIGHTS) -> np.ndarray:
    """Compute light * (1 + highlights * light^4): by 1, white becomes 2, half of it 0.53, dark
    places stay.

    Args:
        light: in [0, 1], any shape. Not modified.
        highlights: what white gets on top of its own.
    """
    return light * (1 + highlights * light**4)


def to_grey(light: np.ndarray) -> np.ndarray:
    """Compute what a camera without colours sees: (H, W, 3), each channel the luminance."""
    return np.repeat(luminance(light)[:, :, None], 3, axis=2)


def resize(light: np.ndarray, factor: float) -> np.ndarray:
    """Enlarge (cubic) or shrink (area mean) (H, W, 3) light, clipped to [0, 1]."""
    if factor == 1:
        return light
    size = (round(light.shape[1] * factor), round(light.shape[0] * factor))
    how = cv2.INTER_CUBIC if factor > 1 else cv2.INTER_AREA
    return np.clip(cv2.resize(light, size, interpolation=how), 0.0, 1.0)


def mirror(photograph: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mirror left and right, or not."""
    return photograph[:, ::-1] if rng.random() < 0.5 else photograph


def vary(photograph: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mirror, turn by 180 degrees, exchange colours, each with even odds; tint by up to 40 %."""
    photograph = mirror(photograph, rng)
    if rng.random() < 0.5:
        photograph = photograph[::-1, ::-1]
    if rng.random() < 0.5:
        photograph = photograph[:, :, rng.permutation(3)]
    return photograph * rng.uniform(0.6, 1.0, 3).astype(np.float32)
