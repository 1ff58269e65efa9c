"""Motion that hides what a frame holds: honest restorations are not blamed, mistakes there are."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pixel_mistakes as mistakes
import pytest

from challenge.submission.pixels import judge, look_at
from challenge.submission.pixels.motion import blurred_by_motion

HEIGHT, WIDTH, FRAMES = 192, 256, 4
Image = np.ndarray
Scene = tuple[list[Image], list[Image]]


def smooth(seed: int, sigma: float, deviation: float) -> np.ndarray:
    """(HEIGHT, WIDTH, 3) grey noise."""
    noise = np.random.default_rng(seed).normal(size=(HEIGHT, WIDTH))
    noise = cv2.GaussianBlur(noise, (0, 0), sigma)
    return np.repeat((noise / noise.std() * deviation)[:, :, None], 3, axis=2)


def flying_past() -> Scene:
    """A plate, black to white from top to bottom, falls by 0.7 of its height before a wall."""
    plate = np.linspace(5, 250, 56)[:, None, None]
    sharp, blurry = [], []
    for number in range(FRAMES):
        wall = 110 + smooth(number, 10, 3) + smooth(10 + number, 1, 4)
        moments = []
        for y in range(40, 81):
            moment = wall.copy()
            moment[y : y + 56, 76:116] = plate
            moments.append(moment)
        sharp.append(mistakes.levels(moments[20]))
        blurry.append(mistakes.levels(np.mean(moments, axis=0)))
    return sharp, blurry


def repeating(length: int) -> Scene:
    """Stripes that return after 51 pixels, blurred across, in the light of a few lamps."""
    sharp, blurry = [], []
    for number in range(FRAMES):
        light = 1 + smooth(number, 30, 0.15)
        stripes = 110 + 60 * np.sign(np.sin(2 * np.pi * (np.arange(WIDTH) + 7 * number) / 51))
        frame = light * (stripes[None, :, None] + smooth(10 + number, 1, 5))
        sharp.append(mistakes.levels(frame))
        blurry.append(mistakes.levels(cv2.blur(frame, (length, 1))))
    return sharp, blurry


def kinds(predictions: list[Image], inputs: list[Image]) -> set[str]:
    pairs = zip(predictions, inputs, strict=True)
    return {each.kind for each in judge({f"{i}.png": look_at(*p) for i, p in enumerate(pairs)})}


SCENES = {
    "an object flies past": flying_past,
    "wiped out": lambda: repeating(51),
    "inverted": lambda: repeating(75),
}


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_what_motion_hides_may_be_restored(scene: Callable[[], Scene]) -> None:
    assert kinds(*scene()) == set()


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
@pytest.mark.parametrize("mistake", [mistakes.two_tiles_exchanged, mistakes.tiles_rotated_by_one])
def test_tiles_in_wrong_places_are_found_there(
    scene: Callable[[], Scene], mistake: Callable[[Image], Image]
) -> None:
    sharp, blurry = scene()
    assert kinds([mistake(each) for each in sharp], blurry) & {"part", "unlike"}


def small(seed: int = 0) -> np.ndarray:
    """(48, 48, 3) float32: stripes that return after 6 cells, and noise."""
    stripes = 128 + 50 * np.sin(2 * np.pi * np.arange(48) / 6)
    noise = cv2.GaussianBlur(np.random.default_rng(seed).normal(0, 30, (48, 48)), (0, 0), 2)
    return np.repeat((stripes + noise)[:, :, None], 3, axis=2).astype(np.float32)


@pytest.mark.parametrize("cells", [(1, 5), (1, 9), (7, 1)], ids=str)
def test_motion_along_a_line_is_recognised(cells: tuple[int, int]) -> None:
    assert blurred_by_motion(small(), cv2.blur(small(), cells[::-1]))


@pytest.mark.parametrize(
    "mistake",
    [
        lambda image: image[:, ::-1].copy(),
        lambda image: np.roll(image, 3, axis=1),
        lambda image: image + 20,
        lambda image: 0.6 * (image - 128) + 128,
        lambda image: small(1) + small(2) - small(3),
    ],
    ids=["mirrored", "shifted by half a period", "brighter", "less contrast", "another"],
)
def test_no_motion_explains_a_mistake(mistake: Callable[[np.ndarray], np.ndarray]) -> None:
    """The input moved by two cells only: its stripes are still there, where they were."""
    assert not blurred_by_motion(mistake(small()), cv2.blur(small(), (3, 1)))
