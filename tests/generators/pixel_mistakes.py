"""Gross mistakes, as people make them: each a named function on a set of honest predictions.

`MISTAKES` lists them with the kinds of warning that name them rightly. The tests want each to be
found; `benchmarks/pixels.py` measures how often.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

Image = np.ndarray  # (H, W, 3) uint8 RGB


@dataclass(frozen=True)
class Honest:
    """Predictions in the order of their names, at least two sequences, all of one size.

    Attributes:
        frames: the predictions.
        first: how many of them are the first sequence.
        strangers: as many pictures of another split, of the same size.
        rng: where a mistake draws from.
    """

    frames: list[Image]
    first: int
    strangers: list[Image]
    rng: np.random.Generator


Spoil = Callable[[Honest], list[Image]]


@dataclass(frozen=True)
class Mistake:
    """A gross mistake.

    Attributes:
        name: what was done.
        kinds: warnings, any of which names it rightly.
        spoil: makes the spoiled predictions.
        asks: what the honest predictions must have for it to be one: "colour", "square".
    """

    name: str
    kinds: tuple[str, ...]
    spoil: Spoil
    asks: str = ""


def each(change: Callable[[Image], np.ndarray]) -> Spoil:
    """Make the same mistake in every frame."""
    return lambda honest: [np.ascontiguousarray(change(frame)) for frame in honest.frames]


def some(change: Callable[[Image], np.ndarray], chosen: slice) -> Spoil:
    """Make it in some of the frames only."""

    def spoil(honest: Honest) -> list[Image]:
        frames = list(honest.frames)
        for index in range(len(frames))[chosen]:
            frames[index] = np.ascontiguousarray(change(frames[index]))
        return frames

    return spoil


def levels(image: np.ndarray) -> Image:
    """Clip to 0 … 255 and round."""
    return np.floor(np.clip(image, 0, 255) + 0.5).astype(np.uint8)


def tone(curve: Callable[[np.ndarray], np.ndarray]) -> Spoil:
    """Put every value, as a number of 0 … 1, through a curve."""
    return each(lambda frame: levels(255 * curve(frame / 255.0)))


def resized(frame: Image, height: int, width: int, how: int = cv2.INTER_LINEAR) -> Image:
    return np.asarray(cv2.resize(frame, (width, height), interpolation=how))


# --- place


def turned_and_squeezed(frame: Image) -> Image:
    """A quarter turn, brought back into the frame's size."""
    return resized(np.rot90(frame).copy(), *frame.shape[:2])


def shifted(frame: Image, rows: int, columns: int) -> Image:
    """Move down and right; the edges are repeated, as by a padding."""
    height, width = frame.shape[:2]
    y = np.clip(np.arange(height) - rows, 0, height - 1)
    x = np.clip(np.arange(width) - columns, 0, width - 1)
    return np.asarray(frame[y][:, x])


def rolled(frame: Image, rows: int, columns: int) -> Image:
    return np.asarray(np.roll(frame, (rows, columns), (0, 1)))


def sheared(frame: Image) -> Image:
    """A row of the wrong length: the memory is read with one column more."""
    height, width = frame.shape[:2]
    padded = np.concatenate([frame, frame[:, -1:]], axis=1)
    return np.asarray(padded.reshape(-1, 3)[: height * width].reshape(height, width, 3))


def reshaped(frame: Image) -> Image:
    """(W, H, 3) taken for (H, W, 3) without a transposition."""
    return np.asarray(frame.transpose(1, 0, 2).reshape(frame.shape))


def planes_as_pixels(frame: Image) -> Image:
    """(3, H, W) taken for (H, W, 3) without a transposition."""
    return np.asarray(frame.transpose(2, 0, 1).reshape(frame.shape))


def zoomed(frame: Image) -> Image:
    """The middle 80 % alone, enlarged: a crop that was resized."""
    height, width = frame.shape[:2]
    inner = frame[height // 10 : -(height // 10), width // 10 : -(width // 10)]
    return resized(inner, height, width, cv2.INTER_CUBIC)


# --- tiles and fields


def tiles(frame: Image, rows: int, columns: int) -> list[tuple[slice, slice]]:
    height, width = frame.shape[0] // rows, frame.shape[1] // columns
    return [
        (slice(i * height, (i + 1) * height), slice(j * width, (j + 1) * width))
        for i in range(rows)
        for j in range(columns)
    ]


def tiles_rotated_by_one(frame: Image) -> Image:
    """4 by 4 tiles, each in its neighbour's place."""
    result, places = frame.copy(), tiles(frame, 4, 4)
    for place, source in zip(places, [*places[1:], places[0]], strict=True):
        result[place] = frame[source]
    return result


def two_tiles_exchanged(frame: Image) -> Image:
    result, places = frame.copy(), tiles(frame, 4, 4)
    result[places[5]], result[places[15]] = frame[places[15]], frame[places[5]]
    return result


def tiles_transposed(frame: Image, side: int = 64) -> Image:
    result = frame.copy()
    for top in range(0, frame.shape[0] - side + 1, side):
        for left in range(0, frame.shape[1] - side + 1, side):
            place = slice(top, top + side), slice(left, left + side)
            result[place] = frame[place].transpose(1, 0, 2)
    return result


def a_tile_missing(frame: Image) -> Image:
    result = frame.copy()
    result[tiles(frame, 4, 4)[6]] = 0
    return result


def fields_of_rows(frame: Image, by: int = 4) -> Image:
    """Every second row is displaced, as of an interlaced picture."""
    result = frame.copy()
    result[1::2] = np.roll(frame[1::2], by, axis=1)
    return result


def fields_of_columns(frame: Image, by: int = 4) -> Image:
    result = frame.copy()
    result[:, 1::2] = np.roll(frame[:, 1::2], by, axis=0)
    return result


def pixels_shuffled(frame: Image) -> Image:
    """Depth to space in the wrong order: rows and columns within blocks of 2x2 exchanged."""
    result = frame.copy()
    height, width = frame.shape[0] // 2 * 2, frame.shape[1] // 2 * 2
    result[0:height:2, 1:width:2] = frame[1:height:2, 0:width:2]
    result[1:height:2, 0:width:2] = frame[0:height:2, 1:width:2]
    return result


# --- values


def bordered(frame: Image, side: int = 8) -> Image:
    result = np.zeros_like(frame)
    inner = slice(side, -side), slice(side, -side)
    result[inner] = frame[inner]
    return result


def half_black(frame: Image, axis: int = 0) -> Image:
    result = frame.copy()
    half = frame.shape[axis] // 2
    result[(slice(None),) * axis + (slice(half, None),)] = 0
    return result


def noisy(decibels: float) -> Spoil:
    """White noise that leaves so many dB."""

    def spoil(honest: Honest) -> list[Image]:
        sigma = 255 / 10 ** (decibels / 20)
        return [levels(frame + honest.rng.normal(0, sigma, frame.shape)) for frame in honest.frames]

    return spoil


def salted(honest: Honest) -> list[Image]:
    """One pixel in ten is black, as NaN becomes."""
    return [
        frame * (honest.rng.random(frame.shape[:2]) > 0.1)[:, :, None] for frame in honest.frames
    ]


def overflowing(frame: Image) -> Image:
    """A strong sharpening whose values over 255 and under 0 wrap instead of being clipped."""
    wide = frame.astype(np.float64)
    sharper = wide + 1.5 * (wide - cv2.GaussianBlur(wide, (0, 0), 3)) + 12
    return np.asarray(np.rint(sharper).astype(np.int64).astype(np.uint8))


def normalised(frame: Image) -> Image:
    """Mean and deviation of ImageNet, never undone."""
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    return levels(255 * (frame / 255.0 - mean) / deviation)


def stretched(frame: Image) -> Image:
    """Each frame from its own smallest to its own largest value, here its middle 90 %."""
    low, high = np.percentile(frame, (5, 95))
    return levels((frame - low) / max(high - low, 1.0) * 255)


def few_levels(frame: Image, number: int) -> Image:
    step = 256 // number
    return np.asarray(frame // step * step + step // 2).astype(np.uint8)


def low_bits(frame: Image) -> Image:
    """The lower byte of 16 bits: value times 257, shifted by five bits too few."""
    return np.asarray(((frame.astype(np.uint16) * 257) >> 5).astype(np.uint8))


# --- channels


def without(channel: int) -> Callable[[Image], Image]:
    return lambda frame: frame * (np.arange(3) != channel).astype(np.uint8)


def ordered(*order: int) -> Callable[[Image], Image]:
    return lambda frame: frame[:, :, list(order)]


def converted(code: int) -> Callable[[Image], Image]:
    return lambda frame: np.asarray(cv2.cvtColor(frame, code))


def grey(frame: Image) -> Image:
    return np.repeat(frame.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)


def red_displaced(frame: Image) -> Image:
    result = frame.copy()
    result[:, :, 0] = np.roll(frame[:, :, 0], 8, axis=1)
    return result


# --- resolution


def enlarged(factor: int, how: int) -> Callable[[Image], Image]:
    """Computed at a fraction of the size, and enlarged."""

    def change(frame: Image) -> Image:
        height, width = frame.shape[:2]
        small = resized(frame, height // factor, width // factor, cv2.INTER_AREA)
        return resized(small, height, width, how)

    return change


def as_jpeg(frame: Image, quality: int = 5) -> Image:
    data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))


# --- which frame


def permuted(honest: Honest) -> list[Image]:
    """All frames in a random order."""
    return [honest.frames[i] for i in honest.rng.permutation(len(honest.frames))]


def reversed_sequence(honest: Honest) -> list[Image]:
    return [*honest.frames[: honest.first][::-1], *honest.frames[honest.first :]]


def sequences_exchanged(honest: Honest) -> list[Image]:
    """Two sequences of one length under each other's names."""
    n, frames = honest.first, honest.frames
    return [*frames[n : 2 * n], *frames[:n], *frames[2 * n :]]


def off_by_one(honest: Honest) -> list[Image]:
    """Each frame under the name of the next one."""
    return [honest.frames[-1], *honest.frames[:-1]]


def two_exchanged(honest: Honest) -> list[Image]:
    frames = list(honest.frames)
    frames[0], frames[honest.first - 1] = frames[honest.first - 1], frames[0]
    return frames


def repeated(honest: Honest) -> list[Image]:
    """A whole sequence holds its first frame, saved anew with a trace of noise."""
    again = [
        levels(honest.frames[0] + honest.rng.normal(0, 0.5, honest.frames[0].shape))
        for _ in range(honest.first)
    ]
    return [*again, *honest.frames[honest.first :]]


def every_second_repeated(honest: Honest) -> list[Image]:
    return [honest.frames[i - i % 2] for i in range(len(honest.frames))]


def of_another_split(honest: Honest) -> list[Image]:
    return list(honest.strangers)


def one_of_another_split(honest: Honest) -> list[Image]:
    return [*honest.frames[:2], honest.strangers[0], *honest.frames[3:]]


def mixed_with_the_next(honest: Honest) -> list[Image]:
    """Half of another frame shows through: a buffer that was added to, not replaced."""
    following = [*honest.frames[honest.first :], *honest.frames[: honest.first]]
    return [
        levels((frame.astype(np.float64) + other) / 2)
        for frame, other in zip(honest.frames, following, strict=True)
    ]


def residual(honest: Honest) -> list[Image]:
    """What the network adds to its input, and not the sum."""
    return [
        levels(frame.astype(np.float64) - cv2.GaussianBlur(frame, (0, 0), 4) + 8)
        for frame in honest.frames
    ]


def black(frame: Image) -> Image:
    return np.zeros_like(frame)


COLOUR, SQUARE = "colour", "square"
FRAMES = ("frames", "unlike")
MISTAKES = (
    Mistake("flipped left to right", ("turned",), each(lambda f: f[:, ::-1])),
    Mistake("flipped upside down", ("turned",), each(lambda f: f[::-1])),
    Mistake("turned by 180 degrees", ("turned",), each(lambda f: f[::-1, ::-1])),
    Mistake("turned by 90 degrees", ("turned",), each(np.rot90), SQUARE),
    Mistake("rows and columns exchanged", ("turned",), each(lambda f: f.swapaxes(0, 1)), SQUARE),
    Mistake("turned by 90 degrees and squeezed", ("turned",), each(turned_and_squeezed)),
    Mistake("one frame flipped", ("turned",), some(lambda f: f[:, ::-1], slice(3, 4))),
    Mistake("shifted by 2 columns", ("shift",), each(partial(shifted, rows=0, columns=2))),
    Mistake("shifted by 6 rows", ("shift",), each(partial(shifted, rows=6, columns=0))),
    Mistake("shifted by 8 and 8", ("shift",), each(partial(shifted, rows=8, columns=-8))),
    Mistake("shifted by 16 columns", ("shift",), each(partial(shifted, rows=0, columns=16))),
    Mistake("rolled by 12 rows", ("shift",), each(partial(rolled, rows=12, columns=0))),
    Mistake("sheared by a wrong width", FRAMES, each(sheared)),
    Mistake("reshaped instead of transposed", FRAMES, each(reshaped)),
    Mistake("planes taken for pixels", FRAMES, each(planes_as_pixels)),
    Mistake("the middle enlarged", ("zoom",), each(zoomed)),
    Mistake("tiles each in the next place", ("part", "unlike"), each(tiles_rotated_by_one)),
    Mistake("two tiles exchanged", ("part",), each(two_tiles_exchanged)),
    Mistake("tiles of 64 transposed", ("part", "unlike"), each(tiles_transposed)),
    Mistake("a tile missing", ("blank",), each(a_tile_missing)),
    Mistake("a tile missing in one frame", ("blank",), some(a_tile_missing, slice(2, 3))),
    Mistake("every second row displaced", ("fields",), each(fields_of_rows)),
    Mistake("every second column displaced", ("fields",), each(fields_of_columns)),
    Mistake("pixels shuffled in 2x2", ("fields", "coarse"), each(pixels_shuffled)),
    Mistake("lower half black", ("blank",), each(half_black)),
    Mistake("right half black", ("blank",), each(partial(half_black, axis=1))),
    Mistake("black border of 8", ("blank",), each(bordered)),
    Mistake("black border of 16", ("blank",), each(partial(bordered, side=16))),
    Mistake("one frame black", ("constant",), some(black, slice(3, 4))),
    Mistake("all frames black", ("constant",), each(black)),
    Mistake("inverted", ("levels",), each(lambda f: 255 - f)),
    Mistake("light saved without the sRGB curve", ("levels",), tone(lambda v: v**2.2)),
    Mistake("the sRGB curve applied twice", ("levels",), tone(lambda v: v ** (1 / 2.2))),
    Mistake("brightness halved", ("levels",), tone(lambda v: v / 2)),
    Mistake("brightness doubled", ("levels",), tone(lambda v: 2 * v)),
    Mistake("[-1, 1] clipped to [0, 1]", ("levels",), tone(lambda v: 2 * v - 1)),
    Mistake("[0, 1] taken for [-1, 1]", ("levels",), tone(lambda v: (v + 1) / 2)),
    Mistake("limited range expanded", ("levels",), tone(lambda v: (255 * v - 16) / 219)),
    Mistake("squeezed into limited range", ("levels",), tone(lambda v: (16 + 219 * v) / 255)),
    Mistake("each frame stretched to its own range", ("levels",), each(stretched)),
    Mistake("mean and deviation never undone", ("levels",), each(normalised)),
    Mistake("values of 0 to 1 saved", ("range", "constant"), tone(lambda v: v / 255)),
    Mistake("wrapped around by +64", ("wrapped", "levels"), each(lambda f: f + np.uint8(64))),
    Mistake("signed bytes", ("wrapped", "levels"), each(lambda f: f + np.uint8(128))),
    Mistake("overflow instead of clipping", ("wrapped",), each(overflowing)),
    Mistake("the lower byte of 16 bits", ("wrapped", "unlike", "levels"), each(low_bits)),
    Mistake("noise of 9 dB", ("noise",), noisy(9)),
    Mistake("noise of 15 dB", ("noise",), noisy(15)),
    Mistake("one pixel in ten black", ("noise",), salted),
    Mistake("4 levels only", ("steps",), each(partial(few_levels, number=4))),
    Mistake("16 levels only", ("steps",), each(partial(few_levels, number=16))),
    Mistake("R and B exchanged", ("channels",), each(ordered(2, 1, 0)), COLOUR),
    Mistake(
        "R and B exchanged, half of the frames",
        ("channels",),
        some(ordered(2, 1, 0), slice(0, None, 2)),
        COLOUR,
    ),
    Mistake(
        "R and B exchanged, one frame", ("channels",), some(ordered(2, 1, 0), slice(1, 2)), COLOUR
    ),
    Mistake("R and G exchanged", ("channels",), each(ordered(1, 0, 2)), COLOUR),
    Mistake("channels rotated", ("channels",), each(ordered(1, 2, 0)), COLOUR),
    Mistake("a channel black", ("channels",), each(without(2))),
    Mistake("red alone, three times", ("channels",), each(ordered(0, 0, 0)), COLOUR),
    Mistake("saved as grey", ("channels",), each(grey), COLOUR),
    Mistake("left as YCbCr", ("channels",), each(converted(cv2.COLOR_RGB2YCrCb))),
    Mistake("left as HSV", ("channels",), each(converted(cv2.COLOR_RGB2HSV))),
    Mistake("left as Lab", ("channels",), each(converted(cv2.COLOR_RGB2Lab))),
    Mistake("red displaced by 8 columns", ("channels",), each(red_displaced)),
    Mistake("half size, enlarged", ("coarse",), each(enlarged(2, cv2.INTER_LINEAR))),
    Mistake("half size, blocks", ("coarse",), each(enlarged(2, cv2.INTER_NEAREST))),
    Mistake("quarter size, enlarged", ("coarse",), each(enlarged(4, cv2.INTER_CUBIC))),
    Mistake("an eighth, blocks", ("coarse",), each(enlarged(8, cv2.INTER_NEAREST))),
    Mistake("through a JPEG of quality 5", ("coarse", "steps"), each(as_jpeg)),
    Mistake("frames permuted", ("frames",), permuted),
    Mistake("a sequence reversed", ("frames",), reversed_sequence),
    Mistake("sequences exchanged", ("frames",), sequences_exchanged),
    Mistake("each under the next one's name", ("frames", "twins"), off_by_one),
    Mistake("two frames exchanged", ("frames",), two_exchanged),
    Mistake("a sequence of its first frame", ("frames",), repeated),
    Mistake("every second frame repeated", ("frames", "twins"), every_second_repeated),
    Mistake("frames of another split", ("unlike", "frames"), of_another_split),
    Mistake("one frame of another split", ("unlike",), one_of_another_split),
    Mistake("another frame shows through", ("unlike", "part", "frames"), mixed_with_the_next),
    Mistake("the residual saved", ("unlike", "levels", "blank"), residual),
)
