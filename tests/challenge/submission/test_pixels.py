"""Every warning from the pixels: seen where it should be, and silent where it should not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from challenge.images import write_png
from challenge.submission import Expected, Finding, open_entries
from challenge.submission.pixels import PixelCheck
from challenge.submission.png import decode_png

FRAMES = 6
HEIGHT, WIDTH = 96, 128
Image = np.ndarray


def scene(number: int) -> Image:
    """A colourful picture with texture, and a flat sky over its upper half."""
    rng = np.random.default_rng(number)
    coarse = rng.integers(20, 235, (HEIGHT // 8, WIDTH // 8, 3)).astype(np.uint8)
    image = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    image[: HEIGHT // 2] = (90, 140, 200)
    return image


def blurred(sharp: Image) -> Image:
    return cv2.blur(sharp, (9, 1))


def noisy(sharp: Image) -> np.ndarray:
    """A restoration before rounding: what is expected, and an error of its own."""
    rng = np.random.default_rng(int(sharp.sum()) % 1000)
    return np.clip(sharp + rng.normal(0.0, 2.0, sharp.shape), 0, 255)


def rounded(sharp: Image) -> Image:
    return np.floor(noisy(sharp) + 0.5).astype(np.uint8)


def warnings(folder: Path, expected: Expected) -> list[Finding]:
    with open_entries(folder) as entries:
        images = [entry for entry in entries if entry.name.endswith(".png")]
        pixels = PixelCheck(images, expected)
        for entry in images:
            with entry.open() as stream:
                content = stream.read()
            pixels.look(entry, content, decode_png(content))
        return pixels.findings()


@pytest.fixture
def judge(tmp_path: Path) -> Callable[..., list[Finding]]:
    """Save what a method makes of each sharp scene, and give the warnings about it."""

    def run(method: Callable[[Image], Image], inputs: bool = True) -> list[Finding]:
        for number in range(FRAMES):
            sharp = scene(number)
            write_png(tmp_path / "blur" / f"a_{number:05d}.png", blurred(sharp))
            write_png(tmp_path / "mine" / f"a_{number:05d}.png", method(sharp))
        folder = tmp_path / "blur" if inputs else None
        return warnings(tmp_path / "mine", Expected("", size=(WIDTH, HEIGHT), inputs=folder))

    return run


@pytest.mark.parametrize(
    "method",
    [
        rounded,
        lambda sharp: sharp,
        lambda sharp: cv2.addWeighted(blurred(sharp), 1.5, cv2.blur(sharp, (9, 9)), -0.5, 0),
    ],
    ids=["restored", "perfect", "sharpened"],
)
def test_an_honest_restoration_has_no_warning(
    judge: Callable[..., list[Finding]], method: Callable[[Image], Image]
) -> None:
    assert judge(method) == []


@pytest.mark.parametrize(
    ("method", "kind", "words"),
    [
        (lambda sharp: rounded(sharp)[:, :, ::-1].copy(), "channels", "times nearer"),
        (lambda sharp: (rounded(sharp) / 255.0 + 0.5).astype(np.uint8), "range", "above 1"),
        (blurred, "input", "pixel for pixel"),
        (lambda sharp: cv2.GaussianBlur(sharp, (0, 0), 4.0), "coarse", "no fine detail"),
        (lambda sharp: noisy(sharp).astype(np.uint8), "rounding", "darker by 0."),
        (lambda sharp: np.roll(rounded(sharp), 1, axis=1), "shift", "+0 rows and +1 columns"),
        (lambda sharp: np.roll(rounded(sharp), -1, axis=0), "shift", "-1 rows and +0 columns"),
        (lambda sharp: np.roll(rounded(sharp), (1, 1), (0, 1)), "shift", "+1 rows and +1 columns"),
    ],
)
def test_a_mistake_has_its_warning_and_no_other(
    judge: Callable[..., list[Finding]], method: Callable[[Image], Image], kind: str, words: str
) -> None:
    (finding,) = judge(method)
    assert (finding.kind, finding.level) == (kind, "warning")
    assert words in finding.found
    assert f"{FRAMES - 1} more" in finding.file


@pytest.mark.parametrize("value", [0, 1, 128, 255])
def test_a_single_colour_is_no_picture(judge: Callable[..., list[Finding]], value: int) -> None:
    kinds = {finding.kind for finding in judge(lambda sharp: np.full_like(sharp, value))}
    assert kinds == {"constant", "twins"}


def test_a_black_frame_of_a_black_input_is_right(tmp_path: Path) -> None:
    for folder in ("blur", "mine"):
        write_png(tmp_path / folder / "a.png", np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    expected = Expected("", size=(WIDTH, HEIGHT), inputs=tmp_path / "blur")
    assert warnings(tmp_path / "mine", expected) == []


def test_without_inputs_only_what_needs_none_is_seen(judge: Callable[..., list[Finding]]) -> None:
    assert judge(lambda sharp: rounded(sharp)[:, :, ::-1].copy(), inputs=False) == []
    (finding,) = judge(lambda sharp: (rounded(sharp) > 127).astype(np.uint8), inputs=False)
    assert finding.kind == "range"


def test_frames_with_the_same_bytes_are_named(judge: Callable[..., list[Finding]]) -> None:
    first = rounded(scene(0))
    (finding,) = [each for each in judge(lambda sharp: first) if each.kind == "twins"]
    assert finding.file == "a_00000.png and a_00001.png"
    assert finding.found.startswith(f"{FRAMES} PNGs")


def test_frames_of_a_standing_scene_may_be_equal(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sharp = scene(0)
    for number in range(4):
        noise = rng.normal(0, 1, sharp.shape)
        grainy = np.clip(blurred(sharp) + noise, 0, 255).astype(np.uint8)
        write_png(tmp_path / "blur" / f"a_{number:05d}.png", grainy)
        write_png(tmp_path / "mine" / f"a_{number:05d}.png", sharp)
    expected = Expected("", size=(WIDTH, HEIGHT), inputs=tmp_path / "blur")
    assert "twins" not in [each.kind for each in warnings(tmp_path / "mine", expected)]
    write_png(tmp_path / "blur" / "a_00002.png", blurred(scene(1)))
    assert "twins" in [each.kind for each in warnings(tmp_path / "mine", expected)]


def test_one_black_frame_among_many_is_found(tmp_path: Path) -> None:
    """It is not in the sample, but so small that it is looked at."""
    rng = np.random.default_rng(0)
    for number in range(60):
        picture = rng.integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)
        write_png(tmp_path / f"a_{number:05d}.png", picture * (number != 31))
    (finding,) = warnings(tmp_path, Expected("", size=(WIDTH, HEIGHT)))
    assert (finding.kind, finding.file) == ("constant", "a_00031.png")


def test_an_input_of_another_size_is_left_aside(tmp_path: Path) -> None:
    write_png(tmp_path / "blur" / "a.png", scene(0)[:-8])
    write_png(tmp_path / "mine" / "a.png", scene(0))
    assert warnings(tmp_path / "mine", Expected("", inputs=tmp_path / "blur")) == []
