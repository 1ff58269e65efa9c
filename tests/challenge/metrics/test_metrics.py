"""Each metric against independent references, closed forms and the published programs."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import correlate1d
from skimage.metrics import structural_similarity

from challenge.errors import DataError
from challenge.metrics.images import luma
from challenge.metrics.psnr import psnr, psnr_luma
from challenge.metrics.ssim import ssim_3d, ssim_gaussian, ssim_luma

ALL = [
    psnr,
    ssim_3d,
    ssim_gaussian,
    psnr_luma,
    ssim_luma,
]
SSIMS = [ssim_3d, ssim_gaussian, ssim_luma]
SIZES = [(16, 16), (17, 130), (61, 98), (48, 192), (49, 193)]  # around the tiles of 24 x 96


def flat(level: int, height: int = 24, width: int = 20) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def textured(height: int, width: int) -> np.ndarray:
    y, x, channel = np.mgrid[:height, :width, :3]
    return ((x * 7 + y * 13 + channel * 29 + x * y // 5 * 11) % 256).astype(np.uint8)


def ramps(height: int, width: int) -> np.ndarray:
    y, x, channel = np.mgrid[:height, :width, :3]
    return ((x * 4 + y * 2 + channel * 40) % 256).astype(np.uint8)


def disturbed(image: np.ndarray) -> np.ndarray:
    y, x, channel = np.mgrid[: image.shape[0], : image.shape[1], :3]
    offset = (x * 3 + y * 5 + channel * 7) % 23 - 11
    return np.clip(image.astype(int) + offset, 0, 255).astype(np.uint8)


def noisy_pair(height: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    sharp = ramps(height, width)
    prediction = np.clip(sharp + rng.normal(0, 12, sharp.shape).round(), 0, 255)
    return prediction.astype(np.uint8), sharp


def psnr_by_definition(prediction: np.ndarray, sharp: np.ndarray) -> float:
    error = ((prediction.astype(int) - sharp.astype(int)) ** 2).mean()
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


@pytest.mark.parametrize("offset, decibels", [(1, 48.1308), (5, 34.1514), (255, 0.0)])
def test_psnr_of_a_constant_offset(offset, decibels):  # 20 log10(255 / offset)
    assert psnr(flat(offset), flat(0)) == pytest.approx(decibels, abs=1e-4)
    assert psnr(flat(0), flat(offset)) == pytest.approx(decibels, abs=1e-4)  # no wrap


def test_psnr_of_one_wrong_value():
    prediction = flat(100, 10, 10)
    prediction[3, 4, 1] = 110  # MSE = 100 / 300
    expected = 10 * math.log10(255**2 * 3)
    assert psnr(prediction, flat(100, 10, 10)) == pytest.approx(expected, abs=1e-12)


def test_psnr_of_equal_images_is_infinite():
    assert psnr(flat(7), flat(7)) == math.inf
    assert psnr_luma(flat(7), flat(7)) == math.inf


@pytest.mark.parametrize("height, width", [(1, 1), (1, 7), (37, 43), (148, 149), (200, 333)])
def test_psnr_is_exact_at_every_size(height, width):
    rng = np.random.default_rng(3)
    first, second = rng.integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    expected = psnr_by_definition(first, second)
    assert psnr(first, second) == pytest.approx(expected, abs=1e-12)


def test_psnr_does_not_overflow_where_every_square_is_the_largest():
    assert psnr(flat(255, 300, 300), flat(0, 300, 300)) == 0.0


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_psnr_by_definition_on_any_pair(height, width, seed):
    first, second = np.random.default_rng(seed).integers(0, 256, (2, height, width, 3), np.uint8)
    assert psnr(first, second) == pytest.approx(psnr_by_definition(first, second))
    assert psnr(first, second) == psnr(second, first)


@pytest.mark.parametrize("height, width", [(1, 1), (7, 3), (148, 149), (400, 333)])
def test_psnr_adds_up_exactly(height, width):
    black, white = flat(0, height, width), flat(255, height, width)
    random = np.random.default_rng(3).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    pairs = [(black, white), tuple(random), (random[0, ::-1, :, ::-1], random[1, :, ::-1])]
    for first, second in pairs:
        total = int(((first.astype(int) - second.astype(int)) ** 2).sum())
        assert psnr(first, second) == 10 * math.log10(255**2 / (total / first.size))


@pytest.mark.parametrize("shift", [1, 2, 5])
def test_a_shifted_ramp_is_a_constant_offset(shift):
    ramp = np.repeat(np.arange(40, 240, 2, dtype=np.uint8)[None, :, None], 3, axis=2)
    ramp = np.repeat(ramp, 50, axis=0)  # 2 levels a column: a shift by s is an offset of 2 s
    sharp, prediction = ramp[:, :-shift], ramp[:, shift:]
    offset = 2 * shift
    decibels = 20 * math.log10(255 / offset)
    assert psnr(prediction, sharp) == pytest.approx(decibels, abs=1e-9)
    luma_decibels = decibels + 20 * math.log10(255 / 219)  # luma has 219 / 255 of the range
    assert psnr_luma(prediction, sharp) == pytest.approx(luma_decibels, abs=1e-9)
    # equal variances and covariance: what is left is the comparison of the means
    means = sharp[0, 5:-5, 0].astype(float)
    c1 = (0.01 * 255) ** 2
    ssim = (2 * means * (means + offset) + c1) / (means**2 + (means + offset) ** 2 + c1)
    assert ssim_gaussian(prediction, sharp) == pytest.approx(ssim.mean(), abs=1e-9)


@pytest.mark.parametrize("amplitude", [1, 4, 20])
def test_noise_of_known_strength(amplitude):
    sharp = flat(128, 63, 75)  # luma: 60 - 8 by 72 - 8, so 46 x 58 windows of 7 x 7
    y, x = np.mgrid[:63, :75]
    sign = np.where((x + y) % 2, 1, -1)[:, :, None]
    prediction = (sharp + amplitude * sign).astype(np.uint8)  # every value is off by as much
    decibels = 20 * math.log10(255 / amplitude)
    assert psnr(prediction, sharp) == pytest.approx(decibels, abs=1e-9)
    # of 49 values 25 have the sign of the middle: the mean is off by a / 49, the sharp one is flat
    a, level = amplitude * 219 / 255, 16 + 128 * 219 / 255
    c1, c2 = (0.01 * 2 * a) ** 2, (0.03 * 2 * a) ** 2  # the prediction's range is 2 a
    variance = 49 / 48 * (a**2 - (a / 49) ** 2)
    ssim = [
        (2 * mean * level + c1) / (mean**2 + level**2 + c1) * c2 / (variance + c2)
        for mean in (level - a / 49, level + a / 49)
    ]
    assert ssim_luma(prediction, sharp) == pytest.approx(np.mean(ssim), abs=1e-9)


@pytest.mark.parametrize("sigma", [2, 5, 12])
def test_gaussian_noise_costs_what_its_variance_says(sigma):
    noise = np.random.default_rng(0).normal(0, sigma, (500, 600, 3)).round()
    prediction = (128 + noise).astype(np.uint8)
    variance = sigma**2 + 1 / 12  # rounding adds a twelfth
    expected = 10 * math.log10(255**2 / variance)
    assert psnr(prediction, flat(128, 500, 600)) == pytest.approx(expected, abs=0.03)


def test_a_black_prediction_is_measured_against_255():
    sharp = textured(40, 52)
    ours = psnr(np.zeros_like(sharp), sharp)
    assert ours == pytest.approx(psnr_by_definition(np.zeros_like(sharp), sharp))
    published = -43.3427051384903  # of `calculate_psnr` on this pair: it takes 1 for the peak
    assert ours - published == pytest.approx(20 * math.log10(255), abs=1e-9)


@pytest.mark.parametrize("height, width", SIZES)
def test_gaussian_ssim_equals_scikit_image(height, width):
    prediction, sharp = noisy_pair(height, width)
    expected = structural_similarity(
        sharp,
        prediction,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
        channel_axis=2,
    )
    assert ssim_gaussian(prediction, sharp) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("height, width", SIZES)
def test_luma_ssim_equals_scikit_image(height, width):
    prediction, sharp = (
        (image[: height - height % 4, : width - width % 4] @ np.array([65.481, 128.553, 24.966]))[
            4:-4, 4:-4
        ]
        / 255
        + 16
        for image in noisy_pair(height, width)
    )
    expected = structural_similarity(
        sharp, prediction, win_size=7, data_range=prediction.max() - prediction.min()
    )
    assert ssim_luma(*noisy_pair(height, width)) == pytest.approx(expected, abs=1e-10)
    decibels = 10 * math.log10(255**2 / ((prediction - sharp) ** 2).mean())
    assert psnr_luma(*noisy_pair(height, width)) == pytest.approx(decibels, abs=1e-9)


def ssim_3d_by_definition(prediction: np.ndarray, sharp: np.ndarray) -> float:
    offset = np.arange(-5, 6)
    window = np.exp(-(offset**2) / (2 * 1.5**2))
    window /= window.sum()

    def mean(image: np.ndarray) -> np.ndarray:
        for axis in range(3):
            image = correlate1d(image, window, axis, mode="nearest")
        return image

    a, b = prediction.astype(float), sharp.astype(float)
    variance_a, variance_b = mean(a * a) - mean(a) ** 2, mean(b * b) - mean(b) ** 2
    covariance = mean(a * b) - mean(a) * mean(b)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    top = (2 * mean(a) * mean(b) + c1) * (2 * covariance + c2)
    return (top / ((mean(a) ** 2 + mean(b) ** 2 + c1) * (variance_a + variance_b + c2))).mean()


@pytest.mark.parametrize("height, width", [(1, 1), (3, 5), *SIZES])
def test_3d_ssim_equals_a_filter_along_each_axis(height, width):
    prediction, sharp = noisy_pair(height, width)
    expected = ssim_3d_by_definition(prediction, sharp)
    assert ssim_3d(prediction, sharp) == pytest.approx(expected, abs=1e-10)


# The published code (AHupuJR/EFNet 7cf6737, basicsr/metrics/psnr_ssim.py) run on these very images
# with torch 2.13 on a CPU; its SSIM is computed in float32.
@pytest.mark.parametrize(
    "make, height, width, decibels, ssim",
    [
        (textured, 40, 52, 31.80600356488149, 0.9957001805305481),
        (ramps, 40, 52, 31.798774317881144, 0.9859743714332581),
        (textured, 37, 43, 31.810808041639426, 0.9956194758415222),
        (ramps, 37, 43, 31.763506627878915, 0.98357093334198),
    ],
)
def test_the_published_figures(make, height, width, decibels, ssim):
    sharp = make(height, width)
    assert psnr(disturbed(sharp), sharp) == pytest.approx(decibels, abs=1e-9)
    assert ssim_3d(disturbed(sharp), sharp) == pytest.approx(ssim, abs=1e-5)


# A public NTIRE scoring program with SCALE = 4 (luma in float32, scikit-image 0.26) on them;
# its last logarithm in float64, as under the servers' NumPy 1.
@pytest.mark.parametrize(
    "make, height, width, decibels, ssim",
    [
        (textured, 40, 52, 38.57586631520188, 0.9981915209336802),
        (ramps, 40, 52, 38.55000307691883, 0.9442143067415909),
        (textured, 37, 43, 38.56316493602718, 0.9982181755187628),
        (ramps, 37, 43, 38.45690930952699, 0.9345193118690611),
    ],
)
def test_the_ntire_figures(make, height, width, decibels, ssim):
    sharp = make(height, width)
    assert psnr_luma(disturbed(sharp), sharp) == pytest.approx(decibels, abs=2e-6)
    assert ssim_luma(disturbed(sharp), sharp) == pytest.approx(ssim, abs=1e-6)


@pytest.mark.parametrize(
    "colour, expected",
    [
        ((0, 0, 0), 16.0),
        ((255, 255, 255), 235.0),
        ((255, 0, 0), 81.481),
        ((0, 255, 0), 144.553),
        ((0, 0, 255), 40.966),
    ],
)
def test_luma_is_studio_swing(colour, expected):
    image = np.broadcast_to(np.array(colour, np.uint8), (2, 3, 3))
    assert luma(image) == pytest.approx(np.full((2, 3), expected), abs=1e-12)


@pytest.mark.parametrize("metric", [ssim_3d, ssim_gaussian])
def test_ssim_of_two_flat_images_compares_their_means_only(metric):
    c1 = (0.01 * 255) ** 2
    expected = (2 * 100 * 140 + c1) / (100**2 + 140**2 + c1)
    assert metric(flat(100), flat(140)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("metric", SSIMS)
def test_ssim_of_equal_images_is_exactly_one(metric):
    assert metric(textured(33, 41), textured(33, 41)) == 1.0


@pytest.mark.parametrize("metric", SSIMS)
def test_ssim_falls_as_noise_grows(metric):
    sharp = ramps(60, 70)
    noise = np.random.default_rng(0).normal(size=sharp.shape)
    values = [
        metric(np.clip(sharp + sigma * noise, 0, 255).round().astype(np.uint8), sharp)
        for sigma in (2, 8, 32)
    ]
    assert 1 > values[0] > values[1] > values[2] > -1


@pytest.mark.parametrize("metric", ALL)
def test_a_shift_by_one_pixel_costs(metric):
    sharp = textured(40, 52)
    best = metric(sharp, sharp)
    assert metric(np.roll(sharp, 1, axis=1), sharp) < min(best, 40.0)


def test_swapping_the_images_matters_to_the_luma_ssim_alone():
    sharp = ramps(40, 44)
    prediction = disturbed(sharp) // 4 + 100  # a narrower range
    for metric in (psnr, ssim_3d, ssim_gaussian, psnr_luma):
        assert metric(prediction, sharp) == pytest.approx(metric(sharp, prediction), abs=1e-12)
    forth, back = ssim_luma(prediction, sharp), ssim_luma(sharp, prediction)
    assert abs(forth - back) > 1e-4


def test_a_prediction_of_one_colour_has_no_range_and_scores_zero():
    assert ssim_luma(flat(0), textured(24, 20)) == 0.0
    assert ssim_luma(flat(9), flat(9)) == 1.0


@pytest.mark.parametrize("metric", [psnr_luma, ssim_luma])
def test_luma_metrics_do_not_see_the_border(metric):
    sharp = textured(43, 46)  # cut to 40 x 44, then 4 off each side
    prediction = disturbed(sharp)
    marred = prediction.copy()
    marred[:4], marred[36:], marred[:, :4], marred[:, 40:] = 0, 0, 0, 0
    assert metric(marred, sharp) == metric(prediction, sharp)
    marred[35, 39] ^= 128  # the last pixel inside
    assert metric(marred, sharp) != metric(prediction, sharp)


@pytest.mark.parametrize("metric", ALL)
def test_views_score_as_copies_and_stay_as_they_are(metric):
    first, second = noisy_pair(70, 60)
    first, second = first[::-2, 5:, ::-1], second[::-2, 5:, ::-1]
    copies = first.copy(), second.copy()
    first.flags.writeable = second.flags.writeable = False
    assert metric(first, second) == metric(*copies)
    assert np.array_equal(first, copies[0]) and np.array_equal(second, copies[1])


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize(
    "prediction",
    [
        flat(0).astype(np.float32),
        flat(0).astype(np.int16),
        flat(0)[..., 0],
        flat(0)[..., :1],
        np.zeros((24, 20, 4), np.uint8),
        flat(0)[None],
        flat(0, 20, 24),
        flat(0, 1, 1),
        flat(0)[:0],
        [[0]],
    ],
    ids=str,
)
def test_other_shapes_and_dtypes_are_refused_not_broadcast(metric, prediction):
    for pair in ((prediction, flat(0)), (flat(0), prediction)):
        with pytest.raises(DataError, match="cannot be compared"):
            metric(*pair)


@pytest.mark.parametrize(
    "metric, smallest",
    [(ssim_gaussian, 11), (psnr_luma, 12), (ssim_luma, 16)],
)
def test_the_smallest_image_is_accepted_and_a_smaller_one_named(metric, smallest):
    metric(flat(1, smallest, smallest), flat(3, smallest, smallest))
    message = f"at least {smallest}x{smallest} pixels, found {smallest - 1}x{smallest + 9}"
    small = flat(1, smallest + 9, smallest - 1)
    with pytest.raises(DataError, match=message):
        metric(small, small)
