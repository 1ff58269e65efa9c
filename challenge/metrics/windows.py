"""One fast SSIM for every window: what `metrics` builds its three variants from.

NumPy alone, so that a competition server without SciPy, OpenCV or torch runs this very file.
"""

from __future__ import annotations

import numpy as np

ROWS, COLUMNS, BLOCK = 24, 96, 16
"""Size of a tile of the SSIM map: its buffers stay in the cache. COLUMNS is a multiple of BLOCK."""


def mean_ssim(
    first: np.ndarray,
    second: np.ndarray,
    window: np.ndarray,
    constants: tuple[float, float],
    mixing: np.ndarray | None = None,
    replicate: bool = False,
) -> float:
    """Average the SSIM map of two images over its pixels and channels.

    With m the weighted mean in the separable window around a pixel, v the variance, c the
    covariance: (2 m1 m2 + C1)(2 c + C2) / ((m1^2 + m2^2 + C1)(v1 + v2 + C2)).

    It is computed from the sum s and the difference d of the images, of which only four maps need
    filtering: with S = m(s)^2, D = m(d)^2, P = m(s^2) - S, Q = m(d^2) - D it equals
    (S - D + 2 C1)(P - Q + 2 C2) / ((S + D + 2 C1)(P + Q + 2 C2)). Filtering is a product with a
    banded matrix, tile by tile: BLAS does it several times faster than shifted additions.

    Args:
        first, second: (C, H, W) real, of one shape; channels apart. Not modified.
        window: (2r + 1,) weights that sum to 1, along rows and along columns alike.
        constants: (C1, C2).
        mixing: (C, C) weights: means run over the channels too. None: each channel alone.
        replicate: True repeats the border pixels, the map is (H, W); False keeps to windows that
            lie inside, the map is (H - 2r, W - 2r).

    Returns:
        The mean, in float64; exactly 1.0 for equal images.

    Source: Wang et al., Image quality assessment: from error visibility to structural similarity,
    IEEE TIP 2004.
    """
    reach = len(window) // 2
    margin = reach if replicate else 0
    height = first.shape[1] + 2 * (margin - reach)
    width = first.shape[2] + 2 * (margin - reach)
    assert height > 0 and width > 0, "the window must fit: metrics check it"
    first, second = (_pad(image, height, width, reach, margin) for image in (first, second))
    filters = _Filters(len(first), window, mixing)
    total = 0.0
    for top in range(0, height, ROWS):
        for left in range(0, width, COLUMNS):
            rows = slice(top, top + ROWS + 2 * reach)
            columns = slice(left, left + COLUMNS + 2 * reach)
            means = filters.means(first[:, rows, columns], second[:, rows, columns])
            ssim = _ssim_map(means, constants)
            total += float(ssim[:, : height - top, : width - left].sum())
    return total / float(len(first) * height * width)


def _pad(image: np.ndarray, height: int, width: int, reach: int, margin: int) -> np.ndarray:
    """Repeat the border: `margin` on all sides, and more below and right to whole tiles."""
    below = -(-height // ROWS) * ROWS + 2 * reach - margin - image.shape[1]
    right = -(-width // COLUMNS) * COLUMNS + 2 * reach - margin - image.shape[2]
    return np.pad(image, ((0, 0), (margin, below), (margin, right)), mode="edge")


class _Filters:
    """The weighted means of one tile; its buffers are made once and used for every tile."""

    def __init__(self, channels: int, window: np.ndarray, mixing: np.ndarray | None) -> None:
        around = len(window) - 1
        self.vertical = _band(ROWS, window)
        self.horizontal = np.ascontiguousarray(_band(BLOCK, window).T)
        self.mixing = mixing
        self.maps = np.empty((4, channels, ROWS + around, COLUMNS + around))
        self.half = np.empty((4, channels, ROWS, COLUMNS + around))
        self.full = np.empty((4, channels, ROWS, COLUMNS))
        self.mixed = np.empty_like(self.full)
        # the same memory, as overlapping blocks of columns: (4, C, blocks, ROWS, BLOCK [+ around])
        blocks = np.lib.stride_tricks.sliding_window_view(self.half, BLOCK + around, axis=3)
        self.half_blocks = blocks[:, :, :, ::BLOCK].swapaxes(2, 3)
        by_block = self.full.reshape(4, channels, ROWS, COLUMNS // BLOCK, BLOCK)
        self.full_blocks = by_block.swapaxes(2, 3)

    def means(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return (4, C, ROWS, COLUMNS): window means of s, d, s^2, d^2, until the next call."""
        total, difference, total_squared, difference_squared = self.maps
        np.copyto(total_squared, first)
        np.copyto(difference_squared, second)
        np.add(total_squared, difference_squared, out=total)
        np.subtract(total_squared, difference_squared, out=difference)
        np.multiply(total, total, out=total_squared)
        np.multiply(difference, difference, out=difference_squared)
        np.matmul(self.vertical, self.maps, out=self.half)
        np.matmul(self.half_blocks, self.horizontal, out=self.full_blocks)
        if self.mixing is None:
            return self.full
        flat = self.full.shape[:2] + (-1,)
        np.matmul(self.mixing, self.full.reshape(flat), out=self.mixed.reshape(flat))
        return self.mixed


def _ssim_map(means: np.ndarray, constants: tuple[float, float]) -> np.ndarray:
    """Return (C, ROWS, COLUMNS) from the means of s, d, s^2, d^2, which are overwritten."""
    s, d, p, q = means
    s *= s
    d *= d
    p -= s
    q -= d
    s += 2 * constants[0]
    p += 2 * constants[1]
    ssim: np.ndarray = s - d
    s += d
    ssim *= p - q
    p += q
    ssim /= np.multiply(s, p, out=s)
    return ssim


def _band(count: int, window: np.ndarray) -> np.ndarray:
    """Return (count, count + 2r): row i holds the window from column i on."""
    band = np.zeros((count, count + len(window) - 1))
    for row in range(count):
        band[row, row : row + len(window)] = window
    return band


def gaussian_window(sigma: float, reach: int) -> np.ndarray:
    """Return (2 reach + 1,) samples of a Gaussian, summing to 1."""
    offset = np.arange(-reach, reach + 1)
    weights: np.ndarray = np.exp(-0.5 * (offset / sigma) ** 2)
    weights /= weights.sum()
    return weights


def replicated_mixing(window: np.ndarray, channels: int) -> np.ndarray:
    """Return (channels, channels): `window` along the channel axis, its ends repeated, as one
    matrix.

    Weights that reach past the first or last channel fall to that channel.
    """
    reach = len(window) // 2
    mixing = np.zeros((channels, channels))
    for channel in range(channels):
        for index, weight in enumerate(window):
            mixing[channel, min(max(channel + index - reach, 0), channels - 1)] += weight
    return mixing
