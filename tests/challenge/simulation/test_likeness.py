"""Figures of events that were made with known ones."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from challenge import REPOSITORY
from challenge.errors import DataError
from challenge.events import Events
from challenge.sample import Sample
from challenge.simulation.likeness import WORDS, flat_places, hot_pixels, likeness

HEIGHT, WIDTH = 40, 60


def sample_of(t: np.ndarray, pixel: np.ndarray, p: np.ndarray) -> Sample:
    order = np.argsort(t, kind="stable")
    y, x = np.divmod(pixel[order], WIDTH)
    blurry = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    blurry[:, WIDTH // 2 :] = 200  # one edge; flat elsewhere
    return Sample("a_00000", blurry, Events(x=x, y=y, t=t[order], p=p[order]))


def test_a_frame_in_which_every_pixel_fires_regularly() -> None:
    """Each pixel every 2 ms for 100 ms, three of four times ON: 500 events per pixel and second."""
    pixel = np.tile(np.arange(HEIGHT * WIDTH), 50)
    turn = np.repeat(np.arange(50), HEIGHT * WIDTH)
    t = turn * 2000 + pixel % 2000 // 10 * 10  # ten at a time have one stamp
    found = likeness(sample_of(t, pixel, (turn % 4 > 0).astype(int)), 100_000)
    assert found["rate"] == pytest.approx(500)
    assert found["on"] == pytest.approx(37 / 50)
    assert (found["interval_ms"], found["short_ms"]) == (2.0, 2.0)
    assert found["equal"] == pytest.approx(0.915, abs=0.01)
    assert (found["active"], found["hot"]) == (1.0, 0.0)
    assert found["noise"] == pytest.approx(500)
    assert found.keys() == WORDS.keys()


def test_noise_is_counted_off_the_edges_and_without_hot_pixels() -> None:
    """A thousand events on the edge, one hot pixel with 50, and 0.5 in each of the others."""
    rng = np.random.default_rng(0)
    rows = rng.integers(0, HEIGHT, 400)
    edge = rows * WIDTH + WIDTH // 2 + rng.integers(-2, 3, 400)
    noise = rng.choice(HEIGHT * WIDTH, HEIGHT * WIDTH // 2, replace=False)
    pixel = np.concatenate([edge, noise, np.full(50, 5 * WIDTH + 3)])
    sample = sample_of(rng.integers(0, 100_000, len(pixel)), pixel, pixel % 2)
    found = likeness(sample, 100_000)
    assert found["noise"] == pytest.approx(5, rel=0.15)
    assert found["rate"] > 6
    assert found["hot"] == pytest.approx(1e6 / (HEIGHT * WIDTH))
    assert not flat_places(sample.blurry)[:, WIDTH // 2 - 3 : WIDTH // 2 + 3].any()


def test_an_edge_is_not_hot() -> None:
    counts = np.zeros((20, 20), int)
    counts[:, 8:12] = 30
    counts[3, 3], counts[15, 9] = 12, 40
    assert np.argwhere(hot_pixels(counts)).tolist() == [[3, 3]]


def test_few_events_tell_only_the_rate() -> None:
    few = sample_of(np.arange(24) * 10, np.arange(24), np.ones(24, int))
    found = likeness(few, 10_000)
    assert found["rate"] == pytest.approx(1.0) and np.isnan(found["interval_ms"])
    with pytest.raises(DataError, match="found a stored grid"):
        likeness(Sample("a", few.blurry, None))


def test_real_recordings_lie_inside_the_wide_world(
    recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The measured intervals, rests and noise of a DAVIS346 are in the ranges of the YAML."""
    monkeypatch.syspath_prepend(str(REPOSITORY))
    from benchmarks.world import measured, table  # type: ignore[import-not-found]

    frames = measured(f"cups={recordings / 'davis346_cups'}:test", 4)
    assert len(frames) == 4 and frames["rate"].between(3, 15).all()
    assert frames["equal"].between(0.4, 0.7).all() and frames["noise"].between(0.3, 15).all()
    twice = pd.concat([frames.assign(data="a"), frames.assign(data="b", rate=99.0)])
    shown = table(twice)
    assert list(shown.columns) == ["a", "b", "inside a"]
    assert shown["inside a"].tolist() == ["NOT b", *["b"] * 7]
    sys.modules.pop("benchmarks.world", None)
