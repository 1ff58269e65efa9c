"""Textures from random numbers: their shape and range, their seed, the spectrum of noise."""

from __future__ import annotations

import numpy as np
import pytest

from challenge.simulation.textures import HEIGHT, TEXTURES, WIDTH, draw_texture, spectrum


@pytest.mark.parametrize("name", sorted(TEXTURES))
def test_a_texture_is_light_with_detail_and_its_seed_decides(name: str) -> None:
    first, again, other = (draw_texture(name, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.shape == (HEIGHT, WIDTH, 3) and first.dtype == np.float32
    assert first.min() >= 0 and first.max() <= 1
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    for texture in (first, other):
        assert 0.02 < texture.mean() < 0.8 and texture.std() > 0.02
        steps = np.abs(np.diff(texture.mean(axis=2), axis=1))
        assert (steps > 0.001).mean() > 0.2  # no flat places to speak of


@pytest.mark.parametrize("steepness", [0.5, 1.0, 1.5])
def test_the_spectrum_falls_as_asked(steepness: float) -> None:
    """Ten times the frequency: 10 ** -steepness of the amplitude."""
    noise = spectrum(steepness, np.random.default_rng(3))
    assert noise.mean() == pytest.approx(0, abs=1e-4) and noise.std() == pytest.approx(1, rel=1e-4)
    amplitude = np.abs(np.fft.rfft2(noise))
    frequency = np.hypot(np.fft.fftfreq(HEIGHT)[:, None], np.fft.rfftfreq(WIDTH)[None])
    low, high = (
        np.sqrt((amplitude[np.abs(frequency - at) < 0.1 * at] ** 2).mean()) for at in (0.03, 0.3)
    )
    assert np.log10(low / high) == pytest.approx(steepness, abs=0.1)
