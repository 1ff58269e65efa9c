"""The frame of a simulated camera: what its pixels collect, with their noise, as 8-bit levels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from challenge.images import to_uint8
from challenge.light import linear_to_srgb, srgb_to_linear

FULL_WELL = 5_000.0
"""Electrons of a pixel in light 1.0; it holds no more. The noise is then 1.6 to 2.1 of 255 levels;
standing parts of a DAVIS346 recording show 1.4 to 1.8.
"""

READ_NOISE = 5.0
"""Electrons, standard deviation."""


GREY, COLOUR = "grey", "colour"
BAYER = {"rggb": "BG", "grbg": "GB", "gbrg": "GR", "bggr": "RG"}
"""Colours of the first two pixels of the first row, then of the second: OpenCV's name of each,
which is that of the second row's second and third pixel.
"""
CURVES = ("srgb", "gamma", "linear")
DEPTH = 65_535
"""Levels that the light of a mosaic is stored in before its colours are interpolated."""


@dataclass(frozen=True)
class FixedPattern:
    """What tells the pixels of a sensor apart, alike in all its frames.

    gain: (H, W, 1) float32, by which light is multiplied, about 1 (photo response non-uniformity).
    offset: (H, W, 1) float32, that is added to it, about 0 (dark signal non-uniformity).
    """

    gain: np.ndarray
    offset: np.ndarray

    @classmethod
    def draw(
        cls,
        size: tuple[int, int],
        prnu: float,
        dsnu: float,
        columns: float,
        rng: np.random.Generator,
    ) -> FixedPattern:
        """Draw the pixels of a sensor.

        Args:
            size: (height, width) in pixels.
            prnu, dsnu: standard deviations of gain and offset; a full pixel has 1.
            columns: share of their variance that the pixels of a column have in common.
        """

        def deviations() -> np.ndarray:
            own = rng.standard_normal((*size, 1), np.float32)
            common = rng.standard_normal((1, size[1], 1), np.float32)
            mixed = np.float32((1 - columns) ** 0.5) * own + np.float32(columns**0.5) * common
            return np.asarray(mixed)

        return cls(1 + np.float32(prnu) * deviations(), np.float32(dsnu) * deviations())

    def seen(self, light: np.ndarray) -> np.ndarray:
        """Say what the pixels make of (H, W, 3) linear light; never less than nothing."""
        return np.asarray(np.maximum(light * self.gain + self.offset, 0))


@dataclass(frozen=True)
class FrameSensor:
    """What makes a frame of light.

    electrons: of a full pixel, in light 1. read_noise: electrons, standard deviation. curve: from
    light to levels, "srgb", "gamma" (light ** (1 / gamma)) or "linear". mosaic: "grey" (one pixel
    is behind all three channels), "colour" (a pixel for each) or a key of `BAYER`. pattern: None:
    all pixels are alike.
    """

    electrons: float = FULL_WELL
    read_noise: float = READ_NOISE
    curve: str = "srgb"
    gamma: float = 2.2
    mosaic: str = COLOUR
    pattern: FixedPattern | None = None

    def levels(self, light: np.ndarray) -> np.ndarray:
        """Store linear light, clipped to [0, 1], as uint8 levels, rounded: any shape."""
        if self.curve == "srgb":
            return linear_to_srgb(light)
        power = 1 / self.gamma if self.curve == "gamma" else 1.0
        return to_uint8(np.clip(light, 0, 1) ** power)

    def light(self, levels: np.ndarray) -> np.ndarray:
        """Undo the curve: uint8 levels of any shape to float32 linear light in [0, 1]."""
        if self.curve == "srgb":
            return srgb_to_linear(levels)
        power = self.gamma if self.curve == "gamma" else 1.0
        table = (np.arange(256) / 255.0) ** power
        return np.asarray(table.astype(np.float32)[levels])

    def expose(self, light: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """Count the photons of an exposure, and store the count.

        electrons = N(mean electrons * light, variance electrons * light + read_noise^2): photons
        arrive at random (Poisson, nearly normal at these numbers), and reading them adds noise.
        Then the pixel is full.

        Args:
            light: (H, W, 3) linear light, 0 or more; 1 fills a pixel. Not modified.
            rng: draws the noise; without it there is none, but the fixed pattern.

        Returns:
            (H, W, 3) uint8 levels on the curve.
        """
        if self.pattern is not None:
            light = self.pattern.seen(light)
        seen = through_filters(light, self.mosaic) if self.mosaic in BAYER else light
        if rng is not None:
            shape = (*light.shape[:2], 1) if self.mosaic == GREY else seen.shape
            variance = seen / self.electrons + (self.read_noise / self.electrons) ** 2
            seen = seen + np.sqrt(variance) * rng.standard_normal(shape, np.float32)
        return self.levels(demosaic(seen, self.mosaic) if self.mosaic in BAYER else seen)


EMBEDDED = FrameSensor()


def develop(light: np.ndarray, grey: bool, rng: np.random.Generator) -> np.ndarray:
    """Expose a frame of the embedded data set; see `FrameSensor.expose`."""
    return (FrameSensor(mosaic=GREY) if grey else EMBEDDED).expose(light, rng)


def through_filters(light: np.ndarray, pattern: str) -> np.ndarray:
    """Take the one colour that each pixel sees behind its filter.

    Args:
        light: (..., H, W, 3). Not modified.
        pattern: a key of `BAYER`.

    Returns:
        (..., H, W).
    """
    seen = np.empty(light.shape[:-1], light.dtype)
    for i, colour in enumerate(pattern):
        row, column = divmod(i, 2)
        seen[..., row::2, column::2] = light[..., row::2, column::2, "rgb".index(colour)]
    return seen


def demosaic(seen: np.ndarray, pattern: str) -> np.ndarray:
    """Interpolate the two colours that each pixel did not see, along edges, by OpenCV.

    Args:
        seen: (H, W) float linear light, clipped to [0, 1] and rounded to 16 bits.
        pattern: a key of `BAYER`.

    Returns:
        (H, W, 3) float32.
    """
    counts = np.rint(np.clip(seen, 0, 1) * DEPTH).astype(np.uint16)
    code = getattr(cv2, f"COLOR_Bayer{BAYER[pattern]}2RGB_EA")
    return np.asarray(cv2.cvtColor(counts, code), np.float32) / DEPTH
