"""Images of one size laid out under their titles, with a map of their errors below each."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from challenge.errors import ConfigError

LINE = 20
"""Pixels of a line of text."""
GAP = 6
NARROWEST, WIDEST = 240, 400
"""Pixels of a panel: labels fit on the narrowest, six of the widest on a screen."""
FONT, FONT_SCALE, SMALLEST_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.5, 0.4
CROP = re.compile(r"(\d+),(\d+)(?:,(\d+)x(\d+))?")
LEAST_FULL = 16
"""Grey levels: errors this small are never drawn as the strongest."""


@dataclass(frozen=True)
class Panel:
    """One image of a sheet.

    Attributes:
        title, figures: the two lines above it.
        image: (H, W, 3) uint8 RGB.
        below: drawn under it, of the same size; None: left white.
    """

    title: str
    image: np.ndarray
    figures: str = ""
    below: np.ndarray | None = None


@dataclass(frozen=True)
class Crop:
    """A rectangle of a frame, in pixels."""

    left: int
    top: int
    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.left},{self.top},{self.width}x{self.height}"

    def of(self, image: np.ndarray) -> np.ndarray:
        """Cut it out of an (H, W, …) image; a view."""
        return image[self.top : self.top + self.height, self.left : self.left + self.width]


def draw_sheet(panels: Sequence[Panel], columns: int) -> np.ndarray:
    """Lay out panels, `columns` to a row, each under its lines.

    Returns:
        (H', W', 3) uint8 RGB on white.
    """
    height, width = panels[0].image.shape[:2]
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    lines = LINE * (2 if any(panel.figures for panel in panels) else 1)
    maps = any(panel.below is not None for panel in panels)
    cell = (lines + (height + GAP) * (1 + maps) + GAP, width + GAP)
    sheet = np.full((rows * cell[0] + GAP, columns * cell[1] + GAP, 3), 255, np.uint8)
    for index, panel in enumerate(panels):
        top, left = GAP + index // columns * cell[0], GAP + index % columns * cell[1]
        for number, text in enumerate((panel.title, panel.figures)):
            write_text(sheet, text, left, top + LINE * number + 14, width)
        top += lines
        sheet[top : top + height, left : left + width] = panel.image
        if panel.below is not None:
            top += height + GAP
            sheet[top : top + height, left : left + width] = panel.below
    return sheet


def write_text(sheet: np.ndarray, text: str, left: int, baseline: int, width: int) -> None:
    """Write one line of text, in place; smaller, then cut, until it is no wider than `width`."""
    text = text.encode("ascii", "replace").decode()  # all that OpenCV's letters have
    scale = FONT_SCALE
    while cv2.getTextSize(text, FONT, scale, 1)[0][0] > width:
        if scale > SMALLEST_SCALE:
            scale -= 0.02
        else:
            text = text.removesuffix("..")[:-1] + ".."
    cv2.putText(sheet, text, (left, baseline), FONT, scale, (0, 0, 0), 1, cv2.LINE_AA)


def fit(image: np.ndarray) -> np.ndarray:
    """Bring an (H, W, 3) image to the width of a panel: means of pixels where it is wider, whole
    pixels repeated where it is narrower.
    """
    width = image.shape[1]
    return narrow(image, WIDEST if width > WIDEST else width * math.ceil(NARROWEST / width))


def difference(image: np.ndarray, sharp: np.ndarray) -> np.ndarray:
    """Return the largest difference of the three channels, (H, W) uint8, in grey levels."""
    largest: np.ndarray = cv2.absdiff(image, sharp).max(axis=2)
    return largest


def full_scale(differences: Sequence[np.ndarray]) -> int:
    """Choose the grey levels to draw as the strongest: a hundredth of the errors are above."""
    return max(LEAST_FULL, *(math.ceil(float(np.percentile(each, 99))) for each in differences))


def error_map(differences: np.ndarray, full: int) -> np.ndarray:
    """Draw errors: black where there are none, through red to pale yellow at `full` and above.

    Args:
        differences: (H, W) uint8, in grey levels.
        full: at least 1.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    strength = np.clip(differences.astype(np.float32) * (255.0 / full), 0, 255).astype(np.uint8)
    drawn: np.ndarray = cv2.applyColorMap(strength, cv2.COLORMAP_INFERNO)[:, :, ::-1]
    return np.ascontiguousarray(drawn)


def error_key(height: int, width: int, full: int) -> np.ndarray:
    """Draw what the colours of an error map stand for: (height, width, 3) uint8 RGB."""
    key = np.full((height, width, 3), 255, np.uint8)
    bar = np.linspace(0, full, width).round().astype(np.uint8)[None].repeat(LINE, axis=0)
    key[: min(LINE, height)] = error_map(bar, full)[:height]
    write_text(key, f"error: 0 to {full} grey levels", 0, 2 * LINE - 4, width)
    write_text(key, "and more, of 255", 0, 3 * LINE - 4, width)
    return key


def most_disputed(
    images: Sequence[np.ndarray], sharp: np.ndarray | None, width: int, height: int
) -> Crop:
    """Find the rectangle where images differ the most: in their squared errors, or, where the sharp
    image is not known, in their values.

    Args:
        images: at least one, (H, W, 3) uint8 RGB. Not modified.
        width, height: of the rectangle, no larger than an image.

    Returns:
        The rectangle; the middle, where they do not differ.
    """
    against = images[0] if sharp is None else sharp
    errors = [(cv2.absdiff(image, against).astype(np.float32) ** 2).sum(axis=2) for image in images]
    spread = np.max(errors, axis=0) - np.min(errors, axis=0)
    return busiest(spread, width, height)


def busiest(weight: np.ndarray, width: int, height: int) -> Crop:
    """Find the rectangle with the largest sum; the middle, where there is nothing.

    Args:
        weight: (H, W), not negative. Not modified.
        width, height: of the rectangle, no larger than `weight`.
    """
    total = cv2.integral(weight, sdepth=cv2.CV_64F)
    sums = total[height:, width:] - total[:-height, width:]
    sums -= total[height:, :-width] - total[:-height, :-width]
    if sums.max() <= 0:
        return Crop((weight.shape[1] - width) // 2, (weight.shape[0] - height) // 2, width, height)
    top, left = np.unravel_index(int(sums.argmax()), sums.shape)
    return Crop(int(left), int(top), width, height)


def named_crop(asked: str, frame: tuple[int, int], size: tuple[int, int]) -> Crop | None:
    """Read a rectangle that somebody typed; None for "auto".

    Args:
        asked: "auto", "X,Y" or "X,Y,WIDTHxHEIGHT".
        frame: (width, height) that it must lie in.
        size: (width, height) where none is given.

    Raises:
        ConfigError: something else, or a rectangle that is not inside the frame.
    """
    if asked == "auto":
        return None
    match = CROP.fullmatch(asked)
    if match is None:
        raise ConfigError(f"--crop {asked}: expected auto, none, X,Y or X,Y,WIDTHxHEIGHT")
    left, top, *given = (int(each) for each in match.groups() if each)
    crop = Crop(left, top, *(given or size))
    inside = left + crop.width <= frame[0] and top + crop.height <= frame[1]
    if not inside or crop.width < 1 or crop.height < 1:
        raise ConfigError(f"--crop {crop}: expected a part of the frame, {frame[0]}x{frame[1]}")
    return crop


def stack(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Lay (H, W, 3) drawings one under the other, from the left, on white."""
    width = max(part.shape[1] for part in parts)
    sheet = np.full((sum(part.shape[0] for part in parts), width, 3), 255, np.uint8)
    top = 0
    for part in parts:
        left = GAP if part.shape[1] == width - 2 * GAP else 0
        sheet[top : top + part.shape[0], left : left + part.shape[1]] = part
        top += part.shape[0]
    return sheet


def headed(text: str, sheet: np.ndarray) -> np.ndarray:
    """Put a line of text over an (H, W, 3) drawing."""
    line = np.full((LINE, sheet.shape[1], 3), 255, np.uint8)
    write_text(line, text, GAP, 16, sheet.shape[1] - 2 * GAP)
    return stack([line, sheet])


def narrow(image: np.ndarray, width: int) -> np.ndarray:
    """Bring an (H, W, …) image to at most a width: means of pixels where it is wider, as many whole
    pixels repeated as fit where it is narrower.
    """
    height, found = image.shape[:2]
    if found > width:
        size = width, max(1, round(height * width / found))
        smaller: np.ndarray = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        return smaller
    times = width // found
    return np.repeat(np.repeat(image, times, axis=0), times, axis=1)


def frame_around(image: np.ndarray, crop: Crop) -> np.ndarray:
    """Return a copy of a whole frame, scaled to the size of the crop's panel, with the crop marked.

    The frame keeps its proportions, on white.
    """
    height, width = fit(crop.of(image)).shape[:2]
    scale = min(width / image.shape[1], height / image.shape[0])
    size = max(1, int(image.shape[1] * scale)), max(1, int(image.shape[0] * scale))
    panel = np.full((height, width, 3), 255, np.uint8)
    panel[: size[1], : size[0]] = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    first = round(crop.left * scale), round(crop.top * scale)
    last = round((crop.left + crop.width) * scale), round((crop.top + crop.height) * scale)
    cv2.rectangle(panel, first, last, (255, 60, 0), 2)
    return panel
