"""The frame of a simulated camera: its noise has the variance that counting photons gives."""

from __future__ import annotations

import numpy as np
import pytest

from challenge.light import linear_to_srgb, srgb_to_linear
from challenge.simulation.frames import develop


def flat(light: float) -> np.ndarray:
    return np.full((200, 200, 3), light, np.float32)


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
