"""SSIM in the variants that challenges use: pure functions of two 8-bit images.

NumPy alone, so that a competition server runs this very file. The prediction comes first, then the
sharp image, both (H, W, 3) uint8 RGB.
"""

from __future__ import annotations

import numpy as np

from challenge.metrics.images import NTIRE_SCALE, PEAK, check_pair, cut_border, luma
from challenge.metrics.windows import gaussian_window, mean_ssim, replicated_mixing

K1, K2 = 0.01, 0.03
GAUSSIAN = gaussian_window(sigma=1.5, reach=5)
MIXING = replicated_mixing(GAUSSIAN, channels=3)
UNIFORM_7 = np.full(7, 1 / 7)


def ssim_3d(prediction: np.ndarray, sharp: np.ndarray) -> float:
    """Compute SSIM with an 11 x 11 x 11 Gaussian window (sigma 1.5) over rows, columns, channels.

    Borders, and the first and last channel, are repeated; so the map has the image's size, and
    along the three channels the window is a 3 x 3 matrix. C1 = (0.01 * 255)^2,
    C2 = (0.03 * 255)^2, population variance, mean over all H * W * 3 values.

    Traps: this is what the published kit reports as "SSIM", neither the standard one nor per
    channel. It computes in float32: its figures are off by up to 5e-5. A prediction with no value
    above 1 makes it take 1 for the peak.

    Raises:
        DataError: not two (H, W, 3) uint8 images of one size.

    >>> ramp = np.repeat(np.arange(64, dtype=np.uint8)[:, None, None], 64, 1).repeat(3, 2)
    >>> ssim_3d(ramp, ramp), round(ssim_3d(ramp // 8 * 8, ramp), 4)
    (1.0, 0.8794)

    Source: `calculate_ssim`, `_ssim_3d` of the published kit (AHupuJR/EFNet, crop_border 0).
    """
    check_pair(prediction, sharp)
    return mean_ssim(
        _planes(prediction), _planes(sharp), GAUSSIAN, _constants(PEAK), MIXING, replicate=True
    )


def ssim_gaussian(prediction: np.ndarray, sharp: np.ndarray) -> float:
    """Compute SSIM of Wang et al.: 11 x 11 Gaussian window (sigma 1.5), mean over the channels.

    Only windows inside the image count. C1 = (0.01 * 255)^2, C2 = (0.03 * 255)^2, population
    variance. Equals scikit-image's `structural_similarity(sharp, prediction,
    gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255, channel_axis=2)`.

    Raises:
        DataError: not two (H, W, 3) uint8 images of one size, at least 11 x 11.

    >>> ramp = np.repeat(np.arange(64, dtype=np.uint8)[:, None, None], 64, 1).repeat(3, 2)
    >>> ssim_gaussian(ramp, ramp), round(ssim_gaussian(ramp // 8 * 8, ramp), 4)
    (1.0, 0.8965)

    Source: Wang et al., IEEE TIP 2004.
    """
    check_pair(prediction, sharp, smallest=len(GAUSSIAN))
    return mean_ssim(_planes(prediction), _planes(sharp), GAUSSIAN, _constants(PEAK))


def ssim_luma(prediction: np.ndarray, sharp: np.ndarray) -> float:
    """Compute SSIM of the luma, without the border: 7 x 7 uniform window, peak from the prediction.

    The same crop as `psnr_luma`; L = max - min of the prediction's luma, C1 = (0.01 L)^2,
    C2 = (0.03 L)^2; sample covariance (49 / 48); only windows inside count. Equals scikit-image's
    `structural_similarity(sharp_luma, prediction_luma, data_range=L)`.

    Traps: L comes from the *prediction*, so swapping the images changes the score, and a
    prediction of one luma makes it 0 / 0: the scorer writes NaN, here it is 0.0 (1.0 if the sharp
    luma is equal).

    Raises:
        DataError: not two (H, W, 3) uint8 images of one size, at least 16 x 16.

    >>> ramp = np.repeat(np.arange(64, dtype=np.uint8)[:, None, None], 64, 1).repeat(3, 2)
    >>> ssim_luma(ramp, ramp), round(ssim_luma(ramp // 8 * 8, ramp), 4)
    (1.0, 0.6314)

    Source: the NTIRE scoring program with SCALE = 4, which computes it in float32.
    """
    check_pair(prediction, sharp, smallest=4 * NTIRE_SCALE)
    first, second = luma(cut_border(prediction)), luma(cut_border(sharp))
    value_range = float(first.max() - first.min())
    if value_range == 0.0:
        return float(np.array_equal(first, second))
    c1, c2 = _constants(value_range)
    weights = len(UNIFORM_7) ** 2
    # dividing C2 instead of multiplying every (co)variance leaves their ratio as it is
    return mean_ssim(first[None], second[None], UNIFORM_7, (c1, c2 * (weights - 1) / weights))


def _constants(value_range: float) -> tuple[float, float]:
    return (K1 * value_range) ** 2, (K2 * value_range) ** 2


def _planes(image: np.ndarray) -> np.ndarray:
    """Return (3, H, W), each channel in one piece."""
    return np.ascontiguousarray(image.transpose(2, 0, 1))
