"""Gross mistakes are found and named rightly; honest restorations of difficult inputs are not."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import cv2
import numpy as np
import pixel_mistakes as mistakes
import pytest
import skimage.data

from challenge.findings import Finding
from challenge.submission.pixels import judge, look_at

Image = np.ndarray
HEIGHT, WIDTH, SEQUENCE = 192, 256, 4


@cache
def sequence(photograph: str) -> tuple[list[Image], list[Image]]:
    """(sharp, blurry): a camera that pans over a photograph, some 16 pixels while it exposes."""
    picture = getattr(skimage.data, photograph)()
    sharp, blurry = [], []
    for number in range(SEQUENCE):
        moments = []
        for step in range(-8, 9):
            y, x = 20 + 10 * number + step // 4, 30 + 24 * number + step
            moments.append(picture[y : y + HEIGHT, x : x + WIDTH])
        sharp.append(moments[8].copy())
        blurry.append(np.mean(moments, axis=0).round().astype(np.uint8))
    return sharp, blurry


def scenes() -> tuple[list[Image], list[Image]]:
    first, second = sequence("astronaut"), sequence("coffee")
    return [*first[0], *second[0]], [*first[1], *second[1]]


def restored(sharp: Image, rng: np.random.Generator) -> Image:
    return np.asarray(mistakes.levels(sharp + rng.normal(0, 2, sharp.shape)))


def judged(predictions: list[Image], inputs: list[Image]) -> list[Finding]:
    pairs = zip(predictions, inputs, strict=True)
    return judge({f"f_{i:05d}.png": look_at(*pair) for i, pair in enumerate(pairs)})


@pytest.mark.parametrize("mistake", mistakes.MISTAKES, ids=lambda mistake: mistake.name)
def test_a_gross_mistake_is_found(mistake: object) -> None:
    rng = np.random.default_rng(0)
    sharp, blurry = scenes()
    strangers = [*sequence("chelsea")[0], *sequence("chelsea")[0]]
    if mistake.asks == "square":  # type: ignore[attr-defined]
        sharp, blurry = ([image[:, :HEIGHT] for image in images] for images in (sharp, blurry))
    honest = mistakes.Honest([restored(each, rng) for each in sharp], SEQUENCE, strangers, rng)
    findings = judged(mistake.spoil(honest), blurry)  # type: ignore[attr-defined]
    kinds = {finding.kind for finding in findings}
    if "twins" in mistake.kinds and not kinds:  # type: ignore[attr-defined]
        pytest.fail("found by its bytes alone")
    assert kinds & set(mistake.kinds), findings  # type: ignore[attr-defined]
    assert all(finding.level == "warning" for finding in findings)


def test_there_are_enough_kinds_of_mistakes() -> None:
    names = [mistake.name for mistake in mistakes.MISTAKES]
    assert len(set(names)) == len(names) >= 51


@pytest.mark.parametrize(
    ("rows", "columns", "words"),
    [(6, 0, "+6 rows and +0 columns"), (8, -8, "+8 rows and -8"), (0, 16, "+0 rows and +16")],
)
def test_a_shift_is_told_as_it_is(rows: int, columns: int, words: str) -> None:
    sharp, blurry = scenes()
    moved = [mistakes.shifted(each, rows, columns) for each in sharp]
    (finding,) = [each for each in judged(moved, blurry) if each.kind == "shift"]
    assert words in finding.found


@pytest.mark.parametrize("swapped", [[1], [0, 2, 4, 6]])
def test_exchanged_channels_are_counted_frame_by_frame(swapped: list[int]) -> None:
    sharp, blurry = scenes()
    for index in swapped:
        sharp[index] = sharp[index][:, :, ::-1].copy()
    (finding,) = judged(sharp, blurry)
    assert (finding.kind, finding.file.split()[0]) == ("channels", f"f_{swapped[0]:05d}.png")
    assert "R and B exchanged" in finding.found
    assert len(swapped) == 1 or f"{len(swapped) - 1} more of 8" in finding.file


def sharpened(image: Image) -> Image:
    wide = image.astype(np.float64)
    return np.asarray(mistakes.levels(wide + 1.5 * (wide - cv2.GaussianBlur(wide, (0, 0), 2))))


def heavy_handed(image: Image) -> Image:
    """Sharpened, more contrast, a cast, eight tiles with seams."""
    wide = sharpened(image).astype(np.float64)
    wide = ((wide - wide.mean()) * 1.08 + wide.mean()) * (1.03, 1, 0.97) + (2, 0, -2)
    for number, place in enumerate(mistakes.tiles(image, 2, 4)):
        wide[place] += number % 3 * 3 - 3
    return np.asarray(mistakes.levels(wide))


@pytest.mark.parametrize(
    "method",
    [
        lambda image: image,
        sharpened,
        lambda image: cv2.bilateralFilter(cv2.medianBlur(image, 3), 5, 30, 3),
        heavy_handed,
    ],
    ids=["perfect", "sharpened", "denoised", "heavy-handed"],
)
@pytest.mark.parametrize("photographs", [("astronaut", "coffee"), ("chelsea", "rocket")])
def test_an_honest_restoration_is_not_blamed(
    method: Callable[[Image], Image], photographs: tuple[str, str]
) -> None:
    first, second = map(sequence, photographs)
    assert judged([method(each) for each in [*first[0], *second[0]]], [*first[1], *second[1]]) == []


def standing(sharp: list[Image], blurry: list[Image]) -> tuple[list[Image], list[Image]]:
    """Nearly nothing moves: the same picture again, with another noise."""
    rng = np.random.default_rng(1)
    return [restored(sharp[0], rng) for _ in sharp], [restored(sharp[0], rng) for _ in sharp]


def fading(sharp: list[Image], blurry: list[Image]) -> tuple[list[Image], list[Image]]:
    """A standing scene grows darker; restored, each is as bright as the one before it."""
    light = np.linspace(1, 0.6, len(sharp) + 1)
    inputs = [mistakes.levels(blurry[0] * share) for share in light[1:]]
    return [mistakes.levels(sharp[0] * share) for share in light[:-1]], inputs


def dark(sharp: list[Image], blurry: list[Image]) -> tuple[list[Image], list[Image]]:
    rng = np.random.default_rng(1)
    return (
        [mistakes.levels(each * 0.06 + rng.normal(0, 1, each.shape)) for each in sharp],
        [mistakes.levels(each * 0.06 + rng.normal(0, 2, each.shape)) for each in blurry],
    )


def much_blurred(sharp: list[Image], blurry: list[Image]) -> tuple[list[Image], list[Image]]:
    return sharp, [cv2.blur(each, (31, 1)) for each in blurry]


def repeated(sharp: list[Image], blurry: list[Image]) -> tuple[list[Image], list[Image]]:
    return [sharp[0], sharp[0], *sharp[2:]], [blurry[0], blurry[0], *blurry[2:]]


def without_texture(sharp: list[Image], blurry: list[Image]) -> tuple[list[Image], list[Image]]:
    rng = np.random.default_rng(1)
    grey = np.full_like(sharp[0], 120)
    return [restored(grey, rng) for _ in sharp], [restored(grey, rng) for _ in sharp]


def symmetric(sharp: list[Image], blurry: list[Image]) -> tuple[list[Image], list[Image]]:
    def mirror(image: Image) -> Image:
        half = image[: HEIGHT // 2, : WIDTH // 2]
        upper = np.concatenate([half, half[:, ::-1]], axis=1)
        return np.concatenate([upper, upper[::-1]])

    return [mirror(each) for each in sharp], [cv2.blur(mirror(each), (9, 1)) for each in sharp]


def grey(sharp: list[Image], blurry: list[Image]) -> tuple[list[Image], list[Image]]:
    return [mistakes.grey(each) for each in sharp], [mistakes.grey(each) for each in blurry]


def noisy_input(sharp: list[Image], blurry: list[Image]) -> tuple[list[Image], list[Image]]:
    rng = np.random.default_rng(1)
    return sharp, [mistakes.levels(each + rng.normal(0, 15, each.shape)) for each in blurry]


@pytest.mark.parametrize(
    "scene",
    [
        *(standing, fading, dark, much_blurred, repeated, without_texture, symmetric, grey),
        noisy_input,
    ],
)
def test_difficult_inputs_are_no_mistakes(
    scene: Callable[[list[Image], list[Image]], tuple[list[Image], list[Image]]],
) -> None:
    assert judged(*scene(*scenes())) == []
