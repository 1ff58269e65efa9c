"""The metrics in words for participants: how a figure comes about, and what to expect of it.

Numbers come from the metrics' own constants; what only programmers need stays in their docstrings.
"""

from __future__ import annotations

from collections.abc import Mapping

from challenge.metrics.images import LUMA_OFFSET, LUMA_WEIGHTS, NTIRE_SCALE, PEAK
from challenge.metrics.lpips import column
from challenge.metrics.ssim import GAUSSIAN, K1, K2, UNIFORM_7

_RED, _GREEN, _BLUE = LUMA_WEIGHTS
_LUMA = (
    f"The luma is Y = {LUMA_OFFSET:g} + ({_RED} R + {_GREEN} G + {_BLUE} B) / {PEAK:g} "
    "(ITU-R BT.601), not rounded. Height and width are cut down to multiples of "
    f"{NTIRE_SCALE}, then {NTIRE_SCALE} pixels are left out on each side."
)
_PSNR = (
    f"<p><i>PSNR = 10 log<sub>10</sub>({PEAK:g}<sup>2</sup> / MSE)</i>, MSE being the mean squared "
    "difference between your image and the sharp one over all {values}. The peak is "
    f"{PEAK:g}, whatever the images hold.</p>"
)
_SSIM = (
    "<p><i>SSIM = (2 &mu;<sub>x</sub>&mu;<sub>y</sub> + C<sub>1</sub>)(2 &sigma;<sub>xy</sub> + "
    "C<sub>2</sub>) / ((&mu;<sub>x</sub><sup>2</sup> + &mu;<sub>y</sub><sup>2</sup> + "
    "C<sub>1</sub>)(&sigma;<sub>x</sub><sup>2</sup> + &sigma;<sub>y</sub><sup>2</sup> + "
    "C<sub>2</sub>))</i> in a window around each place, then the mean over all places; "
    f"C<sub>1</sub> = ({K1} L)<sup>2</sup>, C<sub>2</sub> = ({K2} L)<sup>2</sup>.</p>"
)
_LPIPS = (
    "<p>Both images go through a {net} network trained on photographs; at five depths their "
    "features are scaled to unit length and compared, weighted as people judged. 0 for equal "
    "images, lower is better (Zhang et al., CVPR 2018, weights 0.1).</p>"
)
_REACH = f"{len(GAUSSIAN)} x {len(GAUSSIAN)}"

DEFINITIONS: Mapping[str, tuple[str, str]] = {
    "psnr": ("PSNR", _PSNR.format(values="pixels and the three colours")),
    "psnr_luma": (
        "PSNR of the luma",
        _PSNR.format(values="pixels of the luma")
        + f"<p>{_LUMA} It reads 1.3 to 4.8 dB more than PSNR over the colours; an error in colour "
        "alone does not show.</p>",
    ),
    "ssim_3d": (
        "SSIM, 3-D",
        _SSIM + f"<p>L = {PEAK:g}. The window is a Gaussian of {_REACH} x {len(GAUSSIAN)} (sigma "
        "1.5) over rows, columns <b>and the three colours</b>; at the borders the image is "
        "continued by its edge. So the figures differ from those of the usual SSIM: compare them "
        "with others on this leaderboard only.</p>",
    ),
    "ssim_gaussian": (
        "SSIM",
        _SSIM + f"<p>L = {PEAK:g}. The window is a Gaussian of {_REACH} pixels (sigma 1.5), each "
        "colour by itself; only windows inside the image count. scikit-image gives the same with "
        "<code>structural_similarity(sharp, yours, gaussian_weights=True, sigma=1.5, "
        f"use_sample_covariance=False, data_range={PEAK:g}, channel_axis=2)</code>.</p>",
    ),
    "ssim_luma": (
        "SSIM of the luma",
        _SSIM + f"<p>{_LUMA} The window is {len(UNIFORM_7)} x {len(UNIFORM_7)}, all pixels alike; "
        "L is the range of <b>your</b> image's luma. scikit-image gives the same with "
        "<code>structural_similarity(sharp_y, yours_y, data_range=yours_y.max() - "
        "yours_y.min())</code>.</p>",
    ),
    column("alex"): ("LPIPS (AlexNet)", _LPIPS.format(net="AlexNet")),
    column("vgg"): ("LPIPS (VGG)", _LPIPS.format(net="VGG16")),
}
"""Name of a metric -> its title, and HTML."""
