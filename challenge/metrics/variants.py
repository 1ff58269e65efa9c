"""PSNR and SSIM in the variants that challenges use: pure functions of two 8-bit images.

NumPy alone, so that a competition server runs these very files. All take the prediction first, then
the sharp image, both (H, W, 3) uint8 RGB; another dtype or shape is refused, nothing is broadcast
or rescaled. The peak is the constant 255: guessed from the pixels, as the published code does it,
a black prediction scores 48 dB less than it should.
"""

from __future__ import annotations

import math
import sys

import numpy as np

from challenge.errors import DataError
from challenge.metrics.windows import gaussian_window, mean_ssim, replicated_mixing

PEAK = 255.0
K1, K2 = 0.01, 0.03
STRIP = 1 << 16
"""Values of one strip of `psnr` in NumPy: its buffers stay in the cache, its sums below 2^32."""

GAUSSIAN = gaussian_window(sigma=1.5, reach=5)
MIXING = replicated_mixing(GAUSSIAN, channels=3)
UNIFORM_7 = np.full(7, 1 / 7)
LUMA_WEIGHTS = (65.481, 128.553, 24.966)
LUMA_OFFSET = 16.0
NTIRE_SCALE = 4
"""The NTIRE scorers' SCALE: sizes are cut to a multiple of it, then as much off each side."""


def psnr(prediction: np.ndarray, sharp: np.ndarray) -> float:
    """Peak signal-to-noise ratio over all pixels and channels, in dB; infinite for equal images.

    10 log10(255^2 / MSE), MSE the mean of (prediction - sharp)^2 over H * W * 3 values. The sum is
    of integers and exact: every machine gets the same.

    Traps: differences of uint8 wrap around; the peak is 255 whatever the pixels; the mean over
    images is of decibels, not of MSE.

    Raises:
        DataError: not two (H, W, 3) uint8 images of one size.

    Source: `calculate_psnr` of the published kit (AHupuJR/EFNet, crop_border 0), but for its peak.
    """
    _check(prediction, sharp)
    return _decibels(_squared_error(prediction, sharp) / prediction.size)


def ssim_3d(prediction: np.ndarray, sharp: np.ndarray) -> float:
    """SSIM with one 11 x 11 x 11 Gaussian window (sigma 1.5) over rows, columns and channels.

    Borders, and the first and last channel, are repeated; so the map has the image's size, and
    along the three channels the window is a 3 x 3 matrix. C1 = (0.01 * 255)^2,
    C2 = (0.03 * 255)^2, population variance, mean over all H * W * 3 values.

    Traps: this is what the published kit reports as "SSIM", neither the standard one nor per
    channel. It computes in float32: its figures are off by up to 5e-5. A prediction with no value
    above 1 makes it take 1 for the peak.

    Raises:
        DataError: not two (H, W, 3) uint8 images of one size.

    Source: `calculate_ssim`, `_ssim_3d` of the published kit (AHupuJR/EFNet, crop_border 0).
    """
    _check(prediction, sharp)
    return mean_ssim(
        _planes(prediction), _planes(sharp), GAUSSIAN, _constants(PEAK), MIXING, replicate=True
    )


def ssim_gaussian(prediction: np.ndarray, sharp: np.ndarray) -> float:
    """SSIM of Wang et al.: 11 x 11 Gaussian window (sigma 1.5) in each channel, channels averaged.

    Only windows inside the image count. C1 = (0.01 * 255)^2, C2 = (0.03 * 255)^2, population
    variance. Equals scikit-image's `structural_similarity(sharp, prediction,
    gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255, channel_axis=2)`.

    Raises:
        DataError: not two (H, W, 3) uint8 images of one size, at least 11 x 11.

    Source: Wang et al., IEEE TIP 2004.
    """
    _check(prediction, sharp, smallest=len(GAUSSIAN))
    return mean_ssim(_planes(prediction), _planes(sharp), GAUSSIAN, _constants(PEAK))


def psnr_luma(prediction: np.ndarray, sharp: np.ndarray) -> float:
    """PSNR of the luma (see `luma`), without the border, in dB; infinite for equal luma.

    Height and width are cut down to multiples of 4, then 4 pixels off each side. The peak is 255,
    though luma only spans 16 to 235.

    Traps: it reads 1.3 to 4.8 dB more than RGB PSNR; errors in colour alone do not show.

    Raises:
        DataError: not two (H, W, 3) uint8 images of one size, at least 12 x 12.

    Source: the NTIRE scoring program with SCALE = 4, which computes it in float32.
    """
    _check(prediction, sharp, smallest=3 * NTIRE_SCALE)
    difference = luma(_inner(prediction))
    difference -= luma(_inner(sharp))
    return _decibels(float(np.square(difference, out=difference).mean()))


def ssim_luma(prediction: np.ndarray, sharp: np.ndarray) -> float:
    """SSIM of the luma, without the border: 7 x 7 uniform window, peak from the prediction.

    The same crop as `psnr_luma`; L = max - min of the prediction's luma, C1 = (0.01 L)^2,
    C2 = (0.03 L)^2; sample covariance (49 / 48); only windows inside count. Equals scikit-image's
    `structural_similarity(sharp_luma, prediction_luma, data_range=L)`.

    Traps: L comes from the *prediction*, so swapping the images changes the score, and a
    prediction of one luma makes it 0 / 0: the scorer writes NaN, here it is 0.0 (1.0 if the sharp
    luma is equal).

    Raises:
        DataError: not two (H, W, 3) uint8 images of one size, at least 16 x 16.

    Source: the NTIRE scoring program with SCALE = 4, which computes it in float32.
    """
    _check(prediction, sharp, smallest=4 * NTIRE_SCALE)
    first, second = luma(_inner(prediction)), luma(_inner(sharp))
    value_range = float(first.max() - first.min())
    if value_range == 0.0:
        return float(np.array_equal(first, second))
    c1, c2 = _constants(value_range)
    weights = len(UNIFORM_7) ** 2
    # dividing C2 instead of multiplying every (co)variance leaves their ratio as it is
    return mean_ssim(first[None], second[None], UNIFORM_7, (c1, c2 * (weights - 1) / weights))


def luma(image: np.ndarray) -> np.ndarray:
    """Y of YCbCr as ITU-R BT.601 defines it in studio swing: 16 to 235, not rounded.

    16 + (65.481 R + 128.553 G + 24.966 B) / 255.

    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        (H, W) float64.
    """
    levels = np.arange(256) / 255.0
    red, green, blue = (levels * weight for weight in LUMA_WEIGHTS)
    result: np.ndarray = np.take(red + LUMA_OFFSET, image[:, :, 0])
    result += np.take(green, image[:, :, 1])
    result += np.take(blue, image[:, :, 2])
    return result


def _check(prediction: np.ndarray, sharp: np.ndarray, smallest: int = 1) -> None:
    problems = []
    for name, image in (("prediction", prediction), ("sharp", sharp)):
        shape, dtype = np.shape(image), getattr(image, "dtype", type(image).__name__)
        if dtype != np.uint8 or len(shape) != 3 or shape[2] != 3:
            problems.append(f"{name}: expected (H, W, 3) uint8 RGB, found {shape} {dtype}")
        elif min(shape[:2]) < smallest:
            size = f"{shape[1]}x{shape[0]} (width x height)"
            problems.append(f"{name}: expected at least {smallest}x{smallest} pixels, found {size}")
    if not problems and prediction.shape != sharp.shape:
        problems.append(f"prediction {prediction.shape} and sharp {sharp.shape} differ in size")
    if problems:
        raise DataError("images that cannot be compared", problems)


def _squared_error(first: np.ndarray, second: np.ndarray) -> int:
    """The exact sum of (first - second)^2.

    OpenCV does it if the program has loaded it (to read PNGs, say), else NumPy: both add integers
    and give the same one, but OpenCV needs a quarter of the time.
    """
    opencv = sys.modules.get("cv2")
    if opencv is None or not hasattr(opencv, "norm"):
        return _squared_error_by_numpy(first, second)
    first, second = np.ascontiguousarray(first), np.ascontiguousarray(second)
    total: float = opencv.norm(first, second, opencv.NORM_L2SQR)
    return round(total)


def _squared_error_by_numpy(first: np.ndarray, second: np.ndarray) -> int:
    """The same in NumPy alone.

    A square has 16 bits: two of them, added up as one 32-bit number, give low + 65536 * high modulo
    2^32; the sum of the high halves then tells the low one. That is faster than any wider type.
    """
    first, second = first.reshape(-1), second.reshape(-1)
    size = min(STRIP, first.size + first.size % 2)
    difference, other = np.zeros(size, np.int16), np.zeros(size, np.int16)
    squares, pairs = difference.view(np.uint16), difference.view(np.uint32)
    total = 0
    for start in range(0, first.size, size):
        count = min(size, first.size - start)
        np.copyto(difference[:count], first[start : start + count])
        np.copyto(other[:count], second[start : start + count])
        difference[count:] = other[count:] = 0
        np.subtract(difference, other, out=difference)
        np.multiply(squares, squares, out=squares)
        both = int(np.add.reduce(pairs, dtype=np.uint32))
        np.right_shift(pairs, 16, out=pairs)
        high = int(np.add.reduce(pairs, dtype=np.uint32))
        total += high + ((both - (high << 16)) & 0xFFFFFFFF)
    return total


def _decibels(mean_squared_error: float) -> float:
    if mean_squared_error == 0:
        return math.inf
    return 10.0 * math.log10(PEAK**2 / mean_squared_error)


def _constants(value_range: float) -> tuple[float, float]:
    return (K1 * value_range) ** 2, (K2 * value_range) ** 2


def _planes(image: np.ndarray) -> np.ndarray:
    """(3, H, W), each channel in one piece."""
    return np.ascontiguousarray(image.transpose(2, 0, 1))


def _inner(image: np.ndarray) -> np.ndarray:
    """Cut to multiples of NTIRE_SCALE, then NTIRE_SCALE off each side."""
    height, width = (size - size % NTIRE_SCALE for size in image.shape[:2])
    return image[NTIRE_SCALE : height - NTIRE_SCALE, NTIRE_SCALE : width - NTIRE_SCALE]
