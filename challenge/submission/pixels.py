"""Warnings from the pixels: mistakes that every server accepts, and that cost the score.

Needs numpy and OpenCV. Comparisons with the blurry input look at a sample of the frames.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from challenge.errors import DataError
from challenge.findings import Finding
from challenge.images import read_png
from challenge.submission.entries import Entry
from challenge.submission.expected import Expected
from challenge.submission.layout import base_name

SAMPLE = 16  # frames, spread evenly
TINY = 50  # a PNG so many times smaller than its pixels is looked at too: it holds next to nothing
MOST_TINY = 64
SWAP_MARGIN = 2.0  # swapped, the squared error must be so many times smaller
SHIFT_MARGIN = 1.03
SHIFT_SIGMA = 3.0  # pixels; the input is blurred anyway
COARSE = 8  # pixels; over so many the blur of a frame hardly counts
FLAT_WINDOW, FLAT_VARIANCE = 9, 1.0  # pixels; levels squared: where the input does not change
FLAT_SHARE = 0.01  # so many of a frame's pixels must be flat for their mean to be looked at
NEARLY_ALL = 0.8
TRUNCATED = (-0.65, -0.35)  # levels; truncation takes away half a level on average
STEPS = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1))


@dataclass(frozen=True)
class Look:
    """What one prediction looks like, beside its blurry input where that is known.

    Attributes:
        constant, top: whether all pixels are equal; the largest value.
        same: equal to the input, pixel for pixel.
        straight, swapped: squared difference from the input over coarse cells, as it is and with R
            and B exchanged.
        shifts: (9,) squared difference from the input, with the prediction moved by `STEPS`.
        flat, bias: number of samples where the input does not change, and the sum of prediction
            minus input there.
        samples: number of samples in the picture; 0 without an input.
    """

    constant: bool
    top: int
    same: bool = False
    straight: float = 0.0
    swapped: float = 0.0
    shifts: np.ndarray | None = None
    flat: int = 0
    bias: float = 0.0
    samples: int = 0


class PixelCheck:
    """Looks at a submission's PNGs one by one; `findings` then tells what they have in common.

    The bytes of each are compared with the others'; a sample, and PNGs that are suspiciously small,
    are decoded and compared with the blurry input (in `expected.inputs`).
    """

    def __init__(self, images: Sequence[Entry], expected: Expected) -> None:
        """Choose which of `images`, all those that will be looked at, are decoded."""
        self._expected = expected
        self._chosen = _choose(images, expected)
        self._twins: dict[bytes, list[str]] = defaultdict(list)
        self._sizes = Counter(entry.size for entry in images)
        self._looks: dict[str, Look] = {}

    def look(self, entry: Entry, content: bytes, pixels: np.ndarray) -> None:
        """Take note of one PNG in which the other checks found no fault."""
        if self._sizes[entry.size] > 1:
            self._twins[hashlib.sha256(content).digest()].append(entry.name)
        if entry.name not in self._chosen:
            return
        blurry = _input(entry, self._expected)
        fits = blurry is not None and blurry.shape == pixels.shape
        self._looks[entry.name] = look_at(pixels, blurry if fits else None)

    def findings(self) -> list[Finding]:
        """Warn about all that was looked at."""
        return [*_same_bytes(self._twins), *judge(self._looks)]


def look_at(prediction: np.ndarray, blurry: np.ndarray | None) -> Look:
    """Measure one prediction, (H, W, 3) uint8 RGB, against its input of the same shape."""
    constant = bool((prediction == prediction[0, 0]).all())
    top = int(prediction.max())
    if blurry is None or bool((blurry == blurry[0, 0]).all()):
        return Look(constant and blurry is None, top if blurry is None else 255)
    coarse, target = _coarse(prediction), _coarse(blurry)
    flat = _flat(blurry)
    return Look(
        constant,
        top,
        bool(np.array_equal(prediction, blurry)),
        float(np.square(coarse - target).sum()),
        float(np.square(coarse[:, :, ::-1] - target).sum()),
        _shift_errors(prediction, blurry),
        int(flat.sum()) * 3,
        float(prediction[flat].sum(dtype=np.int64) - blurry[flat].sum(dtype=np.int64)),
        prediction.size,
    )


def judge(looks: dict[str, Look]) -> list[Finding]:
    """Warnings, from the looks of several frames (name -> look): one for each kind of mistake."""
    constant = [name for name, look in looks.items() if look.constant]
    faint = [name for name, look in looks.items() if look.top <= 1 and name not in constant]
    findings = []
    if constant:
        found = "a single colour, such as black"
        fix = "look at what was saved: NaN, a wrong range or an empty batch"
        findings.append(_warning("constant", constant, "a picture", found, fix))
    if faint:
        fix = "multiply by 255 before rounding and saving (challenge.images.to_uint8)"
        findings.append(_warning("range", faint, "values up to 255", "none above 1", fix))
    useful = {
        name: look
        for name, look in looks.items()
        if look.samples and name not in constant and name not in faint
    }
    same = [name for name, look in useful.items() if look.same]
    if same:
        fix = "right only where nothing moved: was the network's output saved?"
        found = "the blurry input, pixel for pixel"
        findings.append(_warning("input", same, "a restored image", found, fix))
    different = {name: look for name, look in useful.items() if not look.same}
    return findings + _swapped(different) + _shifted(different) + _truncated(different)


def _swapped(looks: dict[str, Look]) -> list[Finding]:
    straight = sum(look.straight for look in looks.values())
    swapped = sum(look.swapped for look in looks.values())
    if swapped * SWAP_MARGIN >= straight:
        return []
    found = f"with R and B exchanged they are {straight / max(swapped, 1e-9):.3g} times nearer"
    fix = "OpenCV's imwrite takes BGR: reverse the channels before it (challenge.images.write_png)"
    return [_warning("channels", list(looks), "the input's colours", found, fix)]


def _shifted(looks: dict[str, Look]) -> list[Finding]:
    errors = [look.shifts for look in looks.values() if look.shifts is not None]
    if not errors:
        return []
    total = np.sum(errors, axis=0)
    best = int(total.argmin())
    agree = sum(int(error.argmin()) == best for error in errors)
    if STEPS[best] == (0, 0) or total[best] * SHIFT_MARGIN >= total[STEPS.index((0, 0))]:
        return []
    if 2 * agree <= len(errors):
        return []
    dy, dx = STEPS[best]
    found = f"they fit better when read {dy:+d} rows and {dx:+d} columns further on"
    fix = "look at the padding, cropping and resizing around the network"
    return [_warning("shift", list(looks), "frames in the input's place", found, fix)]


def _truncated(looks: dict[str, Look]) -> list[Finding]:
    """Find what is half a level too dark in nearly every frame; a method's own bias would vary."""
    means = {
        name: look.bias / look.flat
        for name, look in looks.items()
        if look.flat >= FLAT_SHARE * look.samples
    }
    suspects = [name for name, mean in means.items() if TRUNCATED[0] <= mean <= TRUNCATED[1]]
    if not suspects or len(suspects) < NEARLY_ALL * len(means):
        return []
    bias = sum(means[name] for name in suspects) / len(suspects)
    found = f"darker by {-bias:.2f} levels on average"
    fix = "round, do not truncate (challenge.images.to_uint8); else it is the method's own bias"
    return [_warning("rounding", suspects, "flat areas as bright as the input's", found, fix)]


def _warning(kind: str, names: Sequence[str], expected: str, found: str, fix: str) -> Finding:
    more = f" and {len(names) - 1} more of those looked at" if len(names) > 1 else ""
    return Finding(kind, f"{names[0]}{more}", expected, found, fix, "warning")


def _choose(images: Sequence[Entry], expected: Expected) -> set[str]:
    """Choose names of a sample spread evenly over the frames, and of those that are suspiciously
    small.
    """
    step = max(len(images) / SAMPLE, 1.0)
    chosen = {images[int(i * step)].name for i in range(min(SAMPLE, len(images)))}
    tiny = 0
    for entry in images:
        width, height = expected.size_of(base_name(entry.name)) or (0, 0)
        if entry.size * TINY < width * height * 3 and tiny < MOST_TINY:
            tiny += 1
            chosen.add(entry.name)
    return chosen


def _input(entry: Entry, expected: Expected) -> np.ndarray | None:
    path = expected.inputs / base_name(entry.name) if expected.inputs else Path(".")
    try:
        return read_png(path) if path.is_file() else None
    except DataError:
        return None  # the data's own fault, which other commands report


def _coarse(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    size = (max(width // COARSE, 1), max(height // COARSE, 1))
    cells: np.ndarray = cv2.resize(image.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return cells


def _flat(image: np.ndarray) -> np.ndarray:
    """Return (H, W) bool: where no channel changes within a window."""
    levels = image.astype(np.float32)
    mean = cv2.blur(levels, (FLAT_WINDOW, FLAT_WINDOW))
    variance = cv2.blur(levels * levels, (FLAT_WINDOW, FLAT_WINDOW)) - mean * mean
    return np.asarray((variance < FLAT_VARIANCE).all(axis=2))


def _shift_errors(prediction: np.ndarray, blurry: np.ndarray) -> np.ndarray | None:
    """Return (9,) mean squared difference for each of `STEPS`, both pictures grey and blurred
    further.
    """
    margin = 2 * COARSE
    height, width = blurry.shape[:2]
    if min(height, width) < 3 * margin:
        return None
    ours, theirs = (
        cv2.GaussianBlur(image.mean(axis=2, dtype=np.float32), (0, 0), SHIFT_SIGMA)
        for image in (prediction, blurry)
    )
    target = theirs[margin:-margin, margin:-margin]
    rows, columns = height - 2 * margin, width - 2 * margin
    moved = (
        ours[margin + dy : margin + dy + rows, margin + dx : margin + dx + columns]
        for dy, dx in STEPS
    )
    return np.array([np.square(each - target).mean() for each in moved])


def _same_bytes(groups: Mapping[bytes, Sequence[str]]) -> list[Finding]:
    """Warn once if PNGs of different names have the same content."""
    twins = [names for names in groups.values() if len(names) > 1]
    if not twins:
        return []
    first = f"{twins[0][0]} and {twins[0][1]}"
    found = f"{sum(map(len, twins))} PNGs that equal another one"
    fix = "each frame needs a restoration of its own: look at the loop that saves them"
    return [Finding("twins", first, "different pictures", found, fix, "warning")]
