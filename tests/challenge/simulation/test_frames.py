"""The frame of a simulated camera: its noise has the variance that counting photons gives."""

from __future__ import annotations

import numpy as np
import pytest

from challenge.light import linear_to_srgb, srgb_to_linear
from challenge.simulation.frames import (
    BAYER,
    FixedPattern,
    FrameSensor,
    demosaic,
    develop,
    through_filters,
)


def flat(*colour: float, height: int = 200, width: int = 200) -> np.ndarray:
    return np.broadcast_to(np.float32(colour), (height, width, 3)).copy()


@pytest.mark.parametrize("light, electrons", [(0.04, 200), (0.25, 1250), (0.64, 3200)])
def test_the_noise_is_that_of_photons_and_of_reading(light: float, electrons: int) -> None:
    seen = srgb_to_linear(develop(flat(light), False, np.random.default_rng(0))).astype(float)
    assert seen.mean() == pytest.approx(light, rel=2e-3)
    assert 5_000 * seen.std() == pytest.approx((electrons + 25) ** 0.5, rel=0.1)


def test_a_full_pixel_holds_no_more_and_shows_no_noise() -> None:
    assert np.all(develop(flat(1.2), False, np.random.default_rng(0)) == 255)


def test_grey_has_one_noise_for_all_channels_and_colour_three() -> None:
    grey, colour = (develop(flat(0.3), each, np.random.default_rng(1)) for each in (True, False))
    assert np.array_equal(grey[:, :, 0], grey[:, :, 1])
    assert np.array_equal(grey[:, :, 0], grey[:, :, 2])
    between = np.corrcoef(colour.reshape(-1, 3).T.astype(float))
    assert np.all(np.abs(between[~np.eye(3, dtype=bool)]) < 0.02)


def test_the_light_is_not_modified() -> None:
    light = flat(0.5)
    develop(light, False, np.random.default_rng(2))
    assert np.array_equal(light, flat(0.5))
    assert linear_to_srgb(light).max() == 188


# Other sensors


@pytest.mark.parametrize("curve, level", [("srgb", 137), ("gamma", 135), ("linear", 64)])
def test_a_curve_and_back(curve: str, level: int) -> None:
    """A quarter of the light: 255 * 0.25 ** (1 / 2.2) = 135.8 is 136, sRGB 137, linear 63.75."""
    sensor = FrameSensor(curve=curve, gamma=2.2)
    levels = np.arange(256, dtype=np.uint8)
    assert np.array_equal(sensor.levels(sensor.light(levels)), levels)
    assert abs(int(sensor.levels(np.float32(0.25))) - level) <= 1
    assert sensor.levels(np.float32([0.0, 1.0, 7.0])).tolist() == [0, 255, 255]


@pytest.mark.parametrize("electrons, read", [(1000.0, 10.0), (300.0, 30.0)])
def test_photon_and_read_noise_have_the_asked_strength(electrons: float, read: float) -> None:
    """Of a mean of 0.25 full wells: sqrt(0.25 * electrons + read^2) / electrons of light."""
    sensor = FrameSensor(electrons, read, "linear")
    levels = sensor.expose(flat(0.25, 0.25, 0.25), np.random.default_rng(0))
    expected = 255 * np.sqrt(0.25 * electrons + read**2) / electrons
    assert levels.std() == pytest.approx(expected, rel=0.03)
    assert levels.mean() == pytest.approx(255 * 0.25, abs=0.3)
    assert levels[:, :, 0].std() > 0 and not np.array_equal(levels[:, :, 0], levels[:, :, 1])


def test_what_is_brighter_than_full_is_white() -> None:
    levels = FrameSensor().expose(flat(2.0, 0.5, 2.0), np.random.default_rng(0))
    assert np.all(levels[:, :, [0, 2]] == 255) and levels[:, :, 1].max() < 255


@pytest.mark.parametrize("pattern", sorted(BAYER))
def test_bayer_of_one_colour_is_that_colour_and_of_grey_is_grey(pattern: str) -> None:
    sensor = FrameSensor(curve="linear", mosaic=pattern)
    for colour in ((0.2, 0.5, 0.8), (0.4, 0.4, 0.4)):
        levels = sensor.expose(flat(*colour, height=10, width=13), None)
        assert np.abs(levels - 255 * np.float32(colour)).max() <= 1
    grey = flat(0.4, 0.4, 0.4, height=10, width=13)
    assert np.ptp(sensor.expose(grey, None), axis=2).max() == 0


@pytest.mark.parametrize("pattern", sorted(BAYER))
def test_each_pixel_of_a_mosaic_sees_its_own_colour(pattern: str) -> None:
    light = np.random.default_rng(0).random((6, 8, 3)).astype(np.float32)
    seen = through_filters(light, pattern)
    for y, x in np.ndindex(6, 8):
        assert seen[y, x] == light[y, x, "rgb".index(pattern[2 * (y % 2) + x % 2])]
    # what a pixel saw itself comes out of the interpolation as it was
    colours = demosaic(seen, pattern)
    inner = [(y, x) for y in range(2, 4) for x in range(2, 6)]
    for y, x in inner:
        own = "rgb".index(pattern[2 * (y % 2) + x % 2])
        assert colours[y, x, own] == pytest.approx(light[y, x, own], abs=1e-4)


# Pixels that differ


def test_pixels_differ_as_much_as_asked_and_alike_in_every_frame() -> None:
    """At 0.25 of a full pixel a gain of 2 % is 1.28 of 255 levels, an offset of 1 % 2.55."""
    for prnu, dsnu, levels in ((0.02, 0.0, 1.28), (0.0, 0.01, 2.55)):
        pattern = FixedPattern.draw((200, 200), prnu, dsnu, 0.0, np.random.default_rng(0))
        sensor = FrameSensor(1e9, 0.0, "linear", mosaic="grey", pattern=pattern)
        first, second = (sensor.expose(flat(0.25, 0.25, 0.25), None) for _ in range(2))
        rounding = 1 / 12
        assert first.std() == pytest.approx((levels**2 + rounding) ** 0.5, rel=0.03)
        assert first.mean() == pytest.approx(255 * 0.25, abs=0.1)
        assert np.array_equal(first, second) and not np.ptp(first, axis=2).any()


@pytest.mark.parametrize("columns", [0.0, 0.5, 1.0])
def test_columns_share_so_much_of_the_pattern(columns: float) -> None:
    pattern = FixedPattern.draw((300, 400), 0.02, 0.01, columns, np.random.default_rng(1))
    for field, deviation in ((pattern.gain - 1, 0.02), (pattern.offset, 0.01)):
        assert field.dtype == np.float32 and field.shape == (300, 400, 1)
        assert field.std() == pytest.approx(deviation, rel=0.1)
        common = field.mean(axis=0).var() - (1 - columns) * deviation**2 / 300
        assert common == pytest.approx(columns * deviation**2, rel=0.25, abs=1e-7)


def test_a_dark_pixel_sees_no_less_than_nothing_and_light_stays_as_it_was() -> None:
    pattern = FixedPattern.draw((20, 30), 0.1, 0.2, 0.5, np.random.default_rng(2))
    dark = flat(0.0, 0.0, 0.0, height=20, width=30)
    sensor = FrameSensor(500.0, 2.0, pattern=pattern)
    assert pattern.seen(dark).min() == 0 and not dark.any()
    assert sensor.expose(dark, np.random.default_rng(0)).shape == (20, 30, 3)
