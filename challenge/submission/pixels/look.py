"""What one prediction looks like beside its blurry input, in numbers: small enough to keep all."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

SIDE = 48  # cells; of a small copy, in which blur hardly counts, whatever the frame's shape
SMALLEST = 32  # pixels; in less, nothing can be told for certain
CROP = 560  # pixels; the middle of a frame, in which details are looked at
FURTHEST = 24  # pixels; shifts are looked for so far
APART_GAIN = 2.0  # so many times smaller must the squared error of a channel get
SHIFT_SIGMA = 3.0  # pixels; the input is blurred anyway
PERIODS = {2: 0.3, 3: 0.3, 4: 0.3, 8: 1.8}
"""In pixels, of an enlargement or of blocks, and how strong the beat of it may be, in logarithms.
Every 8: what a camera saved as JPEG has the traces of it, sharp frames more than blurry ones.
"""
FEWEST_PERIODS = 8  # from fewer, no pattern is told
CELL = 4  # pixels; a cell of equal pixels holds no picture
BLANK = 40.0  # levels; so far from its input a blank cell is a fault
CLIPPED = 0.05  # of the rest may be darker (brighter) than what was clipped
MENDED = 0.45  # of the squared error may be left when wrapping is undone
WRAPPED = 180  # levels; no restoration goes so far where its input is flat
FLAT_WINDOW, FLAT_RANGE, FLAT_VARIANCE = 9, 24, 1.0  # pixels; levels; levels squared


@dataclass(frozen=True)
class Look:
    """What one prediction looks like, beside its blurry input where that is known.

    Attributes:
        constant, top: whether all pixels are equal; the largest value.
        same: equal to the input, pixel for pixel.
        small, target: (SIDE, SIDE, 3) float32, prediction and input averaged over cells; None
            without an input, or in a tiny frame, and `detail` too.
        detail: what is measured pixel by pixel.
    """

    constant: bool
    top: int
    same: bool = False
    small: np.ndarray | None = None
    target: np.ndarray | None = None
    detail: Detail | None = None


@dataclass(frozen=True)
class Detail:
    """Numbers about single pixels.

    Attributes:
        shifts: (2 r + 1, 2 r + 1) mean squared difference from the input, the prediction read
            (dy, dx) further on, -r to r, where the centre is no shift; r is `FURTHEST` or less.
        apart: by how many pixels a channel is displaced, where another one is in its place.
        error: mean squared difference from the input.
        white: how little neighbours share of that difference: 1 for white noise, 0 for shapes.
        rough, rough_input: mean squared difference between neighbours.
        comb, comb_input: the same, rows or columns, over that of the next but one.
        beat: how it varies with the place within a period of a few pixels, in logarithms: one
            after the other for rows, columns and `PERIODS`; the input's own is taken away, and
            where that is the stronger one nothing is left.
        used, used_input: share of the levels between the 2nd and the 98th percentile in use.
        blank: share of cells of one colour, far from the input.
        wrapped: share of samples at the other end of the scale where the input is flat.
        flat, bias: share of samples where the input does not change at all; mean of prediction
            minus input there.
    """

    shifts: np.ndarray
    apart: float
    error: float
    white: float
    rough: float
    rough_input: float
    comb: float
    comb_input: float
    beat: np.ndarray
    used: float
    used_input: float
    blank: float
    wrapped: float
    flat: float
    bias: float


def look_at(prediction: np.ndarray, blurry: np.ndarray | None) -> Look:
    """Measure one prediction, (H, W, 3) uint8 RGB, against its input of the same shape."""
    constant = bool((prediction == prediction[0, 0]).all())
    top = int(prediction.max())
    if blurry is None or bool((blurry == blurry[0, 0]).all()):
        return Look(constant and blurry is None, top if blurry is None else 255)
    same = bool(np.array_equal(prediction, blurry))
    if min(blurry.shape[:2]) < SMALLEST:
        return Look(constant, top, same)
    detail = _detail(prediction, blurry)
    return Look(constant, top, same, small_copy(prediction), small_copy(blurry), detail)


def small_copy(image: np.ndarray) -> np.ndarray:
    """Average (H, W, 3) over SIDE by SIDE cells: float32."""
    cells: np.ndarray = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return cells.astype(np.float32)


def _detail(prediction: np.ndarray, blurry: np.ndarray) -> Detail:
    height, width = blurry.shape[:2]
    top, left = max(height - CROP, 0) // 2, max(width - CROP, 0) // 2
    inner = slice(top, top + CROP), slice(left, left + CROP)
    ours, theirs = prediction[inner], blurry[inner]
    green, target = (image[:, :, 1].astype(np.float32) for image in (ours, theirs))
    error, white = _whiteness(green - target)
    flat = _flat(theirs)
    bias = float(ours[flat].mean() - theirs[flat].mean()) if flat.any() else 0.0
    return Detail(
        shifts=_shift_errors(_grey(ours), _grey(theirs), FURTHEST),
        apart=_apart(ours, theirs),
        error=error,
        white=white,
        rough=_roughness(green),
        rough_input=_roughness(target),
        comb=_comb(green),
        comb_input=_comb(target),
        beat=_beat_beyond(_beat(green), _beat(target)),
        used=_used_levels(ours),
        used_input=_used_levels(theirs),
        blank=_blank_share(prediction, blurry),
        wrapped=_wrapped_share(prediction, blurry),
        flat=float(flat.mean()),
        bias=bias,
    )


def _grey(image: np.ndarray) -> np.ndarray:
    return np.asarray(image.mean(axis=2, dtype=np.float32))


def _shift_errors(ours: np.ndarray, theirs: np.ndarray, furthest: int) -> np.ndarray:
    furthest = min(furthest, min(ours.shape) // 4)
    ours, theirs = (cv2.GaussianBlur(image, (0, 0), SHIFT_SIGMA) for image in (ours, theirs))
    height, width = theirs.shape
    middle = theirs[furthest : height - furthest, furthest : width - furthest]
    errors = cv2.matchTemplate(ours, middle, cv2.TM_SQDIFF)
    return np.asarray(np.maximum(errors, 0) / middle.size)


def _apart(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Find how far the channel that is displaced most is from its place, if another is in it."""
    half = theirs.shape[1] // 2, theirs.shape[0] // 2
    small = [cv2.resize(image, half, interpolation=cv2.INTER_AREA) for image in (ours, theirs)]
    distances = []
    for channel in range(3):
        mine, other = (image[:, :, channel].astype(np.float32) for image in small)
        errors = _shift_errors(mine, other, FURTHEST // 2)
        (dy, dx), gain = best_shift(errors)
        distances.append(2 * float(np.hypot(dy, dx)) if gain > APART_GAIN else 0.0)
    return max(distances) if min(distances) == 0 else 0.0


def best_shift(errors: np.ndarray) -> tuple[tuple[int, int], float]:
    """Find the shift (dy, dx) of the smallest error, and by which factor it is smaller.

    None, (0, 0) and 1, where the error still falls at the furthest shifts: that is no match.
    """
    furthest = errors.shape[0] // 2
    row, column = divmod(int(errors.argmin()), errors.shape[1])
    if not (0 < row < 2 * furthest and 0 < column < 2 * furthest):
        return (0, 0), 1.0
    gain = (float(errors[furthest, furthest]) + 0.1) / (float(errors[row, column]) + 0.1)
    return (row - furthest, column - furthest), gain


def _neighbours(plane: np.ndarray, step: int = 1) -> tuple[float, float]:
    """Mean squared differences of rows, and of columns, `step` apart."""
    rows, columns = plane[step:] - plane[:-step], plane[:, step:] - plane[:, :-step]
    return float(np.square(rows).mean()), float(np.square(columns).mean())


def _whiteness(difference: np.ndarray) -> tuple[float, float]:
    error = float(np.square(difference).mean())
    rest = float(difference.var())
    return error, sum(_neighbours(difference)) / 4 / rest if rest else 0.0


def _roughness(plane: np.ndarray) -> float:
    return sum(_neighbours(plane)) / 2


def _comb(plane: np.ndarray) -> float:
    near, far = _neighbours(plane), _neighbours(plane, 2)
    return max((a + 0.1) / (b + 0.1) for a, b in zip(near, far, strict=True))


def _beat(plane: np.ndarray) -> np.ndarray:
    phases = []
    for turned in (plane, plane.T):
        energy = np.square(np.diff(turned, axis=1)).mean(axis=0) + 0.01
        around = np.convolve(energy, np.ones(8) / 8, "same")
        relative = np.log(energy / around)[8:-8]
        for period in PERIODS:
            whole = relative[: len(relative) // period * period].reshape(-1, period)
            few = len(whole) < FEWEST_PERIODS
            middle = np.zeros(period) if few else np.median(whole, axis=0)
            phases.append(middle - middle.mean())
    return np.concatenate(phases)


def _beat_parts(beat: np.ndarray) -> list[np.ndarray]:
    """Part a beat: one of `PERIODS` after the other, of rows, then of columns."""
    return np.split(beat, np.cumsum([*PERIODS] * 2)[:-1])


def _beat_beyond(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    pairs = zip(_beat_parts(ours), _beat_parts(theirs), strict=True)
    return np.concatenate([(a - b) * (np.ptp(a) > np.ptp(b)) for a, b in pairs])


def strongest_beat(beat: np.ndarray) -> float:
    """Give the strongest beat of `Detail.beat`, over what its period allows."""
    limits = [*PERIODS.values()] * 2
    pairs = zip(_beat_parts(beat), limits, strict=True)
    return max(float(np.ptp(part)) / most for part, most in pairs)


def _used_levels(image: np.ndarray) -> float:
    shares = []
    for channel in range(3):
        counts = cv2.calcHist([image], [channel], None, [256], [0, 256]).ravel()
        below = counts.cumsum() / counts.sum()
        low, high = np.searchsorted(below, (0.02, 0.98))
        shares.append(float((counts[low : high + 1] > 0).mean()))
    return max(shares)


def _blank_share(prediction: np.ndarray, blurry: np.ndarray) -> float:
    """Share of CELL by CELL blocks of one and the same colour that are far from their input.

    Nothing, where the input is darkest or brightest there: values that were clipped make no hole.
    """
    grey, target = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (prediction, blurry))
    block = np.ones((CELL, CELL), np.uint8)
    inner = slice(CELL // 2, None, CELL), slice(CELL // 2, None, CELL)
    even = cv2.dilate(grey, block)[inner] == cv2.erode(grey, block)[inner]
    difference, target = cv2.absdiff(grey, target)[inner], target[inner]
    blank = even & (difference > min(BLANK, target.mean() / 2))
    if not blank.any():
        return 0.0
    blank &= grey[inner] == np.bincount(grey[inner][blank]).argmax()
    if not blank.all():
        low, high = np.percentile(target[blank], (10, 90))
        between = min((target[~blank] < high).mean(), (target[~blank] > low).mean())
        return float(blank.mean()) if between > CLIPPED else 0.0
    return float(blank.mean())


def _wrapped_share(prediction: np.ndarray, blurry: np.ndarray) -> float:
    """Share of samples that are far off where the input is flat, if 256 more or less mends them."""
    difference = cv2.absdiff(prediction, blurry)
    far = difference > WRAPPED
    if not far.any():
        return 0.0
    error, unwrapped = (
        np.square(each, dtype=np.float32).mean()
        for each in (difference, np.minimum(difference, -difference))  # bytes wrap themselves
    )
    at_an_end = (prediction[far] % 255 == 0).mean()  # as clipped values are, and NaN
    if unwrapped > MENDED * error or at_an_end > 0.5:
        return 0.0
    window = np.ones((FLAT_WINDOW, FLAT_WINDOW), np.uint8)
    flat = cv2.subtract(cv2.dilate(blurry, window), cv2.erode(blurry, window)) < FLAT_RANGE
    return float((far & flat).mean())


def _flat(image: np.ndarray) -> np.ndarray:
    """Return (H, W) bool: where no channel changes within a window."""
    levels = image.astype(np.float32)
    mean = cv2.blur(levels, (FLAT_WINDOW, FLAT_WINDOW))
    variance = cv2.blur(levels * levels, (FLAT_WINDOW, FLAT_WINDOW)) - mean * mean
    return np.asarray((variance < FLAT_VARIANCE).all(axis=2))
