"""A second opinion on a PNG: OpenCV, with which most of the field reads, decodes it as well.

What Pillow and OpenCV do not both decode, to the same pixels, is refused before it is sent: which
of them a server uses is not for the participant to know.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from challenge.errors import DataError
from challenge.findings import Finding
from challenge.images import decode
from challenge.submission.check import judge_image
from challenge.submission.png import inspect_png

ONLY_HERE = "decoders"
"""Kind of a finding that no server of ours makes: they have one decoder."""


def read_prediction(path: Path) -> np.ndarray:
    """Decode a prediction as the servers do: (H, W, 3) uint8 RGB.

    Raises:
        DataError: `check` finds it damaged, of another mode, or an animation.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    png = inspect_png(io.BytesIO(content))
    findings = judge_image(path.name, png, None)
    if png.pixels is not None and not findings:
        findings = second_opinion(path.name, content, png.pixels)
    if findings or png.pixels is None:
        one = findings[0]
        raise DataError(f"{path}: expected {one.expected}, found {one.found}; {one.fix}")
    return png.pixels


def second_opinion(name: str, content: bytes, pixels: np.ndarray) -> list[Finding]:
    """Compare what Pillow decoded, (H, W, 3) uint8 RGB, with what OpenCV decodes."""
    other, words = decode(content)
    if other is None:
        said = next((word for word in words if "error" in word), "cannot decode it")
        found = f"one that only Pillow reads (OpenCV: {said.removeprefix('libpng error: ')})"
    elif other.shape != pixels.shape or not np.array_equal(other[:, :, ::-1], pixels):
        found = "one in which they see different pixels"
    else:
        return []
    fix = "save it again, without anything but the picture (challenge.images.write_png)"
    return [Finding(ONLY_HERE, name, "a PNG that Pillow and OpenCV read alike", found, fix)]
