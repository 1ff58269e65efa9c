"""Textures made from random numbers, as linear light: no photograph shows the same scene twice.

Leaves that cover each other with sizes of all scales, and noise of amplitude 1 / f, have the edges
and the spectrum of natural photographs (Lee, Mumford, Huang: Occlusion Models for Natural Images,
IJCV 2001); stripes, tiles and letters are what people build.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

HEIGHT, WIDTH = 512, 640
FINER = 2
"""Textures are drawn with this many pixels per pixel and then averaged: edges without steps."""

GAMMA = 2.2  # levels are drawn as an eye would spread them, and become light by this power
SHADING, GRAIN = 0.2, 0.06
LEAVES = 2500
LEAF_RADIUS = (3.0, 90.0)
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789   .,:+-=()"
LINES = 45


def draw_texture(name: str, rng: np.random.Generator) -> np.ndarray:
    """Draw one of `TEXTURES`, unevenly lit and grained, since nothing real is quite flat.

    Returns:
        (512, 640, 3) float32 linear light in [0, 1].
    """
    fine = TEXTURES[name](rng).astype(np.float32) / 255
    levels = np.asarray(cv2.resize(fine, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.float32)
    levels += SHADING * spectrum(1.5, rng)[:, :, None] * levels
    levels += GRAIN * rng.uniform() * spectrum(0.8, rng)[:, :, None]
    return np.asarray(np.clip(levels, 0.0, 1.0) ** GAMMA, np.float32)


def spectrum(steepness: float, rng: np.random.Generator) -> np.ndarray:
    """Draw noise whose amplitude falls with the frequency as f ** -steepness.

    Returns:
        (512, 640) float32, of mean 0 and standard deviation 1, without a seam at the borders.
    """
    y, x = np.fft.fftfreq(HEIGHT)[:, None], np.fft.rfftfreq(WIDTH)[None]
    frequency = np.hypot(x, y)
    frequency[0, 0] = np.inf
    waves = np.fft.rfft2(rng.normal(size=(HEIGHT, WIDTH))) * frequency**-steepness
    noise = np.fft.irfft2(waves, (HEIGHT, WIDTH))
    return np.asarray(noise / noise.std(), np.float32)


def draw_colours(number: int, rng: np.random.Generator) -> np.ndarray:
    """Draw (number, 3) float64 colours in [0, 255], all as vivid as one another."""
    grey = rng.normal(115, 60, (number, 1))
    return np.clip(grey + rng.uniform(3, 40) * rng.normal(size=(number, 3)), 0, 255)


def _canvas(colour: np.ndarray) -> np.ndarray:
    return np.tile(colour.astype(np.uint8), (HEIGHT * FINER, WIDTH * FINER, 1))


def _leaves(rng: np.random.Generator, corners: tuple[int, int]) -> np.ndarray:
    """Let polygons fall onto each other, of radius r with density r ** -3."""
    picture = _canvas(np.full(3, 128))
    low, high = (np.float64(radius) ** -2 for radius in LEAF_RADIUS)
    radii = rng.uniform(high, low, LEAVES) ** -0.5 * FINER
    centres = rng.uniform(0, 1, (LEAVES, 2)) * [WIDTH * FINER, HEIGHT * FINER]
    colours = draw_colours(LEAVES, rng)
    # the rare large ones first: they would hide too much of what fell before
    radii = np.where(np.arange(LEAVES) < LEAVES // 8, np.sort(radii)[::-1], radii)
    for radius, centre, colour in zip(radii, centres, colours, strict=True):
        number = int(rng.integers(*corners))
        turns = (np.arange(number) + rng.uniform(0, 0.8, number)) * 2 * np.pi / number
        around = np.stack([np.cos(turns), np.sin(turns)], axis=1) * radius + centre
        cv2.fillPoly(picture, [np.round(around).astype(np.int32)], colour.tolist())
    return picture


def draw_leaves(rng: np.random.Generator) -> np.ndarray:
    """Draw round leaves."""
    return _leaves(rng, (14, 24))


def draw_shards(rng: np.random.Generator) -> np.ndarray:
    """Draw splinters with straight edges."""
    return _leaves(rng, (3, 7))


def draw_clouds(rng: np.random.Generator) -> np.ndarray:
    """Draw noise of amplitude about 1 / f, in each colour partly its own."""
    steepness = float(rng.uniform(0.8, 1.3))
    shared, own = rng.uniform(0.12, 0.22), rng.uniform(0.0, 0.1)
    noise = shared * spectrum(steepness, rng)[:, :, None] + rng.uniform(0.35, 0.6, 3)
    noise = noise + own * np.stack([spectrum(steepness, rng) for _ in range(3)], axis=2)
    levels = np.clip(255 * noise, 0, 255).astype(np.uint8)
    return cv2.resize(levels, (WIDTH * FINER, HEIGHT * FINER))


def draw_stripes(rng: np.random.Generator) -> np.ndarray:
    """Draw two layers of bars of random widths and colours, one through the gaps of the other."""
    picture = _canvas(draw_colours(1, rng)[0])
    far = float(np.hypot(HEIGHT, WIDTH)) * FINER
    for _ in range(2):
        turn, at = rng.uniform(0, np.pi), -far
        along = np.array([np.cos(turn), np.sin(turn)])
        across = np.array([-along[1], along[0]])
        middle = np.array([WIDTH, HEIGHT]) * FINER / 2
        while at < far:
            width, gap = np.exp(rng.uniform(np.log(3), np.log(50), 2)) * FINER
            corners = [middle + s * far * along + d * across for s, d in _corners(at, at + width)]
            colour = draw_colours(1, rng)[0].tolist()
            cv2.fillPoly(picture, [np.round(corners).astype(np.int32)], colour)
            at += width + gap
    return picture


def _corners(low: float, high: float) -> list[tuple[int, float]]:
    return [(-1, low), (1, low), (1, high), (-1, high)]


def draw_tiles(rng: np.random.Generator) -> np.ndarray:
    """Draw a wall of tiles, of two kinds of colour, in rows that are shifted, seen at an angle."""
    picture = _canvas(draw_colours(1, rng)[0])
    height, ratio = rng.uniform(14, 40) * FINER, rng.uniform(1.0, 3.0)
    joint = rng.uniform(1.5, 4.0) * FINER
    turn = rng.uniform(0, np.pi)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    middle, far = np.array([WIDTH, HEIGHT]) * FINER / 2, np.hypot(HEIGHT, WIDTH) * FINER / 2
    kinds = draw_colours(2, rng)
    for row, top in enumerate(np.arange(-far, far, height)):
        for left in np.arange(-far + (row % 2) * height * ratio / 2, far, height * ratio):
            right, bottom = left + height * ratio - joint, top + height - joint
            corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
            colour = np.clip(kinds[rng.integers(2)] + 15 * rng.normal(size=3), 0, 255)
            around = np.round(corners @ rotation + middle).astype(np.int32)
            cv2.fillPoly(picture, [around], colour.tolist())
    return picture


def draw_letters(rng: np.random.Generator) -> np.ndarray:
    """Draw lines of random letters of several sizes and inks on a paper."""
    paper = draw_colours(1, rng)[0]
    picture = _canvas(paper)
    side = -1 if paper.mean() > 128 else 1
    inks = np.clip(paper + side * rng.uniform(40, 200, (4, 1)), 0, 255)
    for _ in range(LINES):
        words = "".join(rng.choice(list(LETTERS), 40))
        size = float(np.exp(rng.uniform(np.log(0.4), np.log(2.5)))) * FINER
        place = (rng.uniform(-0.3, 0.9, 2) * [WIDTH * FINER, HEIGHT * FINER * 1.3]).astype(int)
        face = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_COMPLEX]))
        ink, thick = inks[rng.integers(4)].tolist(), max(1, round(size * rng.uniform(0.5, 2)))
        cv2.putText(picture, words, place.tolist(), face, size, ink, thick)
    return picture


TEXTURES: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "clouds": draw_clouds,
    "leaves": draw_leaves,
    "letters": draw_letters,
    "shards": draw_shards,
    "stripes": draw_stripes,
    "tiles": draw_tiles,
}
"""Each draws (512 * FINER, 640 * FINER, 3) uint8 levels."""
