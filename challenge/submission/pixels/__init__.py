"""Warnings from the pixels: mistakes that every server accepts, and that cost the score.

Needs numpy and OpenCV. Each frame is held against its own blurry input, and against all others'.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from challenge.errors import DataError
from challenge.findings import Finding
from challenge.images import read_png
from challenge.submission.entries import Entry
from challenge.submission.expected import Expected
from challenge.submission.layout import base_name
from challenge.submission.pixels.compare import SOFT
from challenge.submission.pixels.judge import judge
from challenge.submission.pixels.look import Look, look_at

__all__ = ["Look", "PixelCheck", "judge", "look_at"]

STANDING = 0.5  # levels; inputs that differ by less on average may have one restoration


class PixelCheck:
    """Looks at a submission's PNGs one by one; `findings` then tells what they have in common.

    The bytes of each are compared with the others', its pixels with the blurry input in
    `expected.inputs`. Some 60 kB are kept of a frame.
    """

    def __init__(self, images: Sequence[Entry], expected: Expected) -> None:
        """Get ready to look at `images`."""
        self._expected = expected
        self._twins: dict[bytes, list[str]] = defaultdict(list)
        self._sizes = Counter(entry.size for entry in images)
        self._looks: dict[str, Look] = {}

    def look(self, entry: Entry, content: bytes, pixels: np.ndarray) -> None:
        """Take note of one PNG in which the other checks found no fault."""
        if self._sizes[entry.size] > 1:
            self._twins[hashlib.sha256(content).digest()].append(entry.name)
        blurry = _input(entry, self._expected)
        fits = blurry is not None and blurry.shape == pixels.shape
        self._looks[entry.name] = look_at(pixels, blurry if fits else None)

    def findings(self) -> list[Finding]:
        """Warn about all that was looked at."""
        return [*_same_bytes(self._twins, self._looks), *judge(self._looks)]


def _alike(targets: Sequence[np.ndarray | None]) -> bool:
    """Say whether small copies of inputs show one scene that stands still: but for noise, equal."""
    known = [target for target in targets if target is not None]
    return len(known) == len(targets) and all(
        float(np.abs(cv2.GaussianBlur(target - known[0], (0, 0), SOFT)).mean()) < STANDING
        for target in known
    )


def _input(entry: Entry, expected: Expected) -> np.ndarray | None:
    path = expected.inputs / base_name(entry.name) if expected.inputs else Path(".")
    try:
        return read_png(path) if path.is_file() else None
    except DataError:
        return None  # the data's own fault, which other commands report


def _same_bytes(groups: Mapping[bytes, Sequence[str]], looks: Mapping[str, Look]) -> list[Finding]:
    """Warn once if PNGs of different names have the same content, and their inputs have not."""
    twins = [
        names
        for names in groups.values()
        if len(names) > 1 and not _alike([looks[name].target for name in names])
    ]
    if not twins:
        return []
    first = f"{twins[0][0]} and {twins[0][1]}"
    found = f"{sum(map(len, twins))} PNGs that equal another one"
    fix = "each frame needs a restoration of its own: look at the loop that saves them"
    return [Finding("twins", first, "different pictures", found, fix, "warning")]
