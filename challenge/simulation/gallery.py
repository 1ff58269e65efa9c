"""A folder of anybody's photographs: which there are, and each as linear light when it is needed.

Nothing is copied, and none is kept in memory.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from challenge.errors import ConfigError, DataError
from challenge.images import decode
from challenge.light import from_srgb, srgb_to_linear

SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("avif", "bmp", "dib", "gif", "hdr", "jp2", "jpe", "jpeg", "jpg"),
        *("pbm", "pgm", "png", "pnm", "ppm", "tif", "tiff", "webp"),
    )
)
SMALLEST = 128
"""Pixels of the shorter side."""
FLATTEST = 2.0
"""Standard deviation in levels of 255: what has less shows nothing."""
JPEG = b"\xff\xd8\xff"
REDUCTIONS = (8, 4, 2)
WHITE = 99.5
"""Percentile that counts as white in a picture that holds light itself."""
BEHIND = 0.5
"""Level that is seen through transparent places, in [0, 1]."""


@dataclass(frozen=True)
class Listed:
    """A file that may be a photograph: its path in the folder, with "/", and its size in bytes."""

    name: str
    bytes: int


@dataclass(frozen=True)
class Photograph:
    """A photograph that can be used; height and width in pixels, as it is stored."""

    name: str
    bytes: int
    sha256: str
    height: int
    width: int


@dataclass(frozen=True)
class Skipped:
    """A file that cannot be used, and why."""

    name: str
    bytes: int
    reason: str


def list_files(folder: Path) -> list[Listed]:
    """List the files that may be photographs, in all folders below, by name; hidden ones are not.

    Raises:
        ConfigError: no such folder, or none in it.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: expected a folder of photographs, found no such folder")
    listed = sorted(_files(folder, ""), key=lambda each: each.name)
    if not listed:
        known = " ".join(sorted(SUFFIXES))
        raise ConfigError(f"{folder}: holds no photographs; expected files of {known}")
    return listed


def _files(folder: Path, before: str) -> Iterator[Listed]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _files(Path(entry.path), f"{before}{entry.name}/")
            elif Path(entry.name).suffix.lower() in SUFFIXES and entry.is_file():
                yield Listed(f"{before}{entry.name}", entry.stat().st_size)


def look_at(listed: Listed, folder: Path) -> Photograph | Skipped:
    """Read a file once, and say whether it can be used."""
    try:
        content = (folder / listed.name).read_bytes()
    except OSError as error:
        return Skipped(listed.name, listed.bytes, f"cannot be read: {error.strerror}")
    reduced = 8 if content.startswith(JPEG) else 1
    pixels, words = decode(content, reduced)
    if pixels is None or any("Premature end" in line for line in words):
        reason = "no picture that OpenCV reads, or cut off" if content else "empty"
        return Skipped(listed.name, listed.bytes, reason)
    height, width = (reduced * side for side in pixels.shape[:2])
    if min(height, width) < SMALLEST:
        reason = f"{width}x{height} pixels: expected {SMALLEST} or more of each side"
        return Skipped(listed.name, listed.bytes, reason)
    small = cv2.resize(as_light(pixels), (64, 64), interpolation=cv2.INTER_AREA)
    if 255 * float(np.sqrt(small).std()) < FLATTEST:
        return Skipped(listed.name, listed.bytes, "shows nothing: one tone all over")
    digest = hashlib.sha256(content).hexdigest()
    return Photograph(listed.name, listed.bytes, digest, height, width)


def read_light(photograph: Photograph, folder: Path, factor: float) -> np.ndarray:
    """Read a photograph, made smaller; a JPEG is decoded as small as will do.

    Args:
        photograph: as it was found.
        folder: where it is.
        factor: of the sides; 1 or more leaves it as large as it is.

    Returns:
        (H, W, 3) float32 linear light in [0, 1]; a grey one has three equal channels.

    Raises:
        DataError: the file has changed since it was found.
    """
    path = folder / photograph.name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read any more: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != photograph.sha256:
        raise DataError(f"{path}: has changed since it was looked at; start again with --force")
    reduced = 1
    if content.startswith(JPEG):
        reduced = next((each for each in REDUCTIONS if each * factor <= 1), 1)
    pixels, _ = decode(content, reduced)
    if pixels is None:
        raise DataError(f"{path}: cannot be decoded any more: out of memory?")
    size = (max(round(side * min(factor, 1)), 1) for side in (photograph.width, photograph.height))
    return _shrunk(pixels, *size)


def _shrunk(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """Average in two steps: levels to twice the size (all of it as floats would fill the memory),
    then light.
    """
    if pixels.dtype == np.uint8 and pixels.shape[0] > 2 * height and pixels.shape[1] > 2 * width:
        pixels = cv2.resize(pixels, (2 * width, 2 * height), interpolation=cv2.INTER_AREA)
    light = as_light(pixels)
    if light.shape[0] > height and light.shape[1] > width:
        light = cv2.resize(light, (width, height), interpolation=cv2.INTER_AREA)
    return light


def as_light(pixels: np.ndarray) -> np.ndarray:
    """Turn what OpenCV decodes into linear light.

    Integers of any depth are levels on the sRGB curve, floats are light, whose white is their
    percentile `WHITE` if that is more than 1. Transparent places show a grey behind.

    Args:
        pixels: (H, W) or (H, W, 1 to 4): grey, BGR, each with alpha or without. Not modified.

    Returns:
        (H, W, 3) float32 RGB in [0, 1].
    """
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    channels = pixels.shape[2]
    colours = pixels[:, :, 2::-1] if channels >= 3 else np.repeat(pixels[:, :, :1], 3, axis=2)
    if pixels.dtype.kind == "f":
        light = np.nan_to_num(colours.astype(np.float32), posinf=0.0, neginf=0.0)
        return np.asarray(np.clip(light / max(float(np.percentile(light, WHITE)), 1.0), 0.0, 1.0))
    if pixels.dtype == np.uint8 and channels in (1, 3):
        return srgb_to_linear(colours)
    levels = colours.astype(np.float32) / np.iinfo(pixels.dtype).max
    if channels in (2, 4):
        alpha = pixels[:, :, -1:].astype(np.float32) / np.iinfo(pixels.dtype).max
        levels = levels * alpha + BEHIND * (1 - alpha)
    return np.asarray(from_srgb(levels), np.float32)
