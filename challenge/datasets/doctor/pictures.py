"""What is wrong with one image of a frame."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from challenge.errors import DataError
from challenge.findings import Finding
from challenge.images import PNG_SIGNATURE, read_png

COLOURS = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGB with alpha"}
OTHERS = {b"\xff\xd8": "a JPEG", b"BM": "a BMP", b"II": "a TIFF", b"MM": "a TIFF", b"GI": "a GIF"}


@dataclass(frozen=True)
class Picture:
    """One image as it was found; pixels (H, W, 3) uint8 RGB, or None where it cannot be read."""

    findings: tuple[Finding, ...]
    pixels: np.ndarray | None = None
    digest: str = ""  # of the pixels, whatever the compression

    @property
    def size(self) -> tuple[int, int] | None:
        """(width, height) in pixels."""
        return None if self.pixels is None else (self.pixels.shape[1], self.pixels.shape[0])


def look_at_picture(path: Path, name: str) -> Picture:
    """Read a PNG, and find all that is wrong with it: damage, another mode, one colour alone."""
    depth, colour = _header(path)
    try:
        pixels = read_png(path)
    except DataError as error:
        return Picture((_unreadable(path, name, depth, colour, error),))
    width = b"%d" % pixels.shape[1]
    digest = hashlib.blake2b(pixels.data, digest_size=16, person=width).hexdigest()
    return Picture(tuple(_odd(name, pixels, depth, colour)), pixels, digest)


def _header(path: Path) -> tuple[int, str]:
    """Read (bits per channel, colour) from a PNG's header; zero bits where there is none."""
    try:
        with open(path, "rb") as file:
            start = file.read(26)
    except OSError:
        return 0, ""
    if len(start) < 26 or not start.startswith(PNG_SIGNATURE):
        return 0, next((name for bytes_, name in OTHERS.items() if start.startswith(bytes_)), "")
    return start[24], COLOURS.get(start[25], f"colour type {start[25]}")


def _unreadable(path: Path, name: str, depth: int, colour: str, error: DataError) -> Finding:
    expected = "an 8-bit RGB PNG"
    if depth == 16 or "channels, found" in str(error):
        found = f"{depth}-bit {colour}" + " with transparency" * (colour == "palette")
        return Finding("mode", name, expected, found, "save it as 8-bit RGB without alpha")
    found = str(error).removeprefix(f"{path}: ").partition(";")[0].rpartition("found ")[2]
    if not depth and colour:
        found = colour
    found = found.replace("the PNG is", "one that is")
    return Finding("damaged", name, expected, found, "copy or unpack it again")


def _odd(name: str, pixels: np.ndarray, depth: int, colour: str) -> Iterator[Finding]:
    """Find what can be read, but is hardly meant."""
    if (depth, colour) != (8, "RGB"):
        found = f"{depth}-bit {colour}"
        fix = "it is read as 8-bit RGB here; save it so for others"
        yield Finding("mode", name, "8-bit RGB", found, fix, "warning")
    few = pixels[::61, ::61]
    if (few == pixels[0, 0]).all() and (pixels == pixels[0, 0]).all():
        found = f"all pixels {tuple(map(int, pixels[0, 0]))}"
        yield Finding("blank", name, "a picture", found, "see how it was made", "warning")
