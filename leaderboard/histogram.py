"""Events over time, drawn as bars: brighter ones above a line, darker ones below."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from challenge.events import Events, elapsed
from challenge.representations import Representation
from leaderboard.sheet import FONT, LINE, SMALLEST_SCALE, write_text

BRIGHTER, DARKER = (0, 70, 255), (255, 30, 0)
GREY, PALE = (120, 120, 120), (205, 205, 205)
LEFT, RIGHT = 64, 16
"""Margins, in pixels."""
BAR = 3
"""Pixels from one bar to the next; the last one stays white."""


def draw_times(events: Events, representation: Representation, width: int, plot: int) -> np.ndarray:
    """Draw how many events came when, and where the bins of a representation lie.

    Args:
        events: of an exposure, t ascending in microseconds. Not modified.
        width: of the drawing, in pixels.
        plot: height of the bars' part, in pixels.

    Returns:
        (plot + 3 lines, width, 3) uint8 RGB on white.
    """
    if not len(events):
        return _empty("no events in this exposure", width, plot)
    since = elapsed(events.t, events.t[0]) / 1000
    span_ms = float(since[-1])
    bars = max(1, (width - LEFT - RIGHT) // BAR)
    limits = (0.0, span_ms or 1.0)
    brighter = events.p > 0
    up = np.histogram(since[brighter], bars, limits)[0]
    down = np.histogram(since[~brighter], bars, limits)[0]
    each_ms = limits[1] / bars
    title = f"events over time, in bars of {_number(each_ms)} ms; {_marks_of(representation)}"
    drawing = _bars(up, down, title, width, plot)
    for label, at in _times(representation, limits[1]):
        _mark(drawing, LEFT + at / limits[1] * bars * BAR, label, plot)
    for value in _round_steps(span_ms):
        _tick(drawing, LEFT + value / limits[1] * bars * BAR, f"{_number(value)} ms", plot)
    return drawing


def draw_sums(grid: np.ndarray, width: int, plot: int) -> np.ndarray:
    """Draw how much a stored grid, whose events are not known, has in each channel.

    Args:
        grid: (channels, H, W). Not modified.
    """
    up = np.maximum(grid, 0).sum(axis=(1, 2), dtype=np.float64)
    down = -np.minimum(grid, 0).sum(axis=(1, 2), dtype=np.float64)
    if not (up.any() or down.any()):
        return _empty("nothing in the stored grid", width, plot)
    each = max(1, (width - LEFT - RIGHT) // (BAR * len(grid)))
    title = "sums of the stored grid's channels (the events and their times are not there)"
    drawing = _bars(np.repeat(up, each), np.repeat(down, each), title, width, plot)
    for number in range(len(grid)):
        middle = LEFT + (number + 0.5) * each * BAR
        _tick(drawing, middle, f"{number + 1}", plot)
    return drawing


def _empty(words: str, width: int, plot: int) -> np.ndarray:
    drawing = np.full((plot + 3 * LINE, width, 3), 255, np.uint8)
    write_text(drawing, words, 0, 14, width)
    return drawing


def _bars(up: np.ndarray, down: np.ndarray, title: str, width: int, plot: int) -> np.ndarray:
    """Draw the bars under their title, with the largest value at the side."""
    drawing = _empty(title, width, plot)
    top, half = 2 * LINE, plot // 2
    most = float(max(up.max(), down.max()))
    for side, colour, sign in ((up, BRIGHTER, -1), (down, DARKER, 1)):
        heights = np.ceil(side / most * (half - 1)).astype(int)
        for number, height in enumerate(heights):
            left = LEFT + number * BAR
            rows = sorted((top + half, top + half + sign * int(height)))
            drawing[rows[0] : rows[1], left : left + BAR - 1] = colour
    drawing[top + half, LEFT : width - RIGHT] = GREY
    for row, value in ((top, most), (top + half, 0.0), (top + 2 * half - 6, most)):
        text = _number(value)
        size = cv2.getTextSize(text, FONT, SMALLEST_SCALE, 1)[0][0]
        at = (LEFT - 8 - size, row + 5)
        cv2.putText(drawing, text, at, FONT, SMALLEST_SCALE, GREY, 1, cv2.LINE_AA)
    return drawing


def _marks_of(representation: Representation) -> str:
    """Say what the marks above the bars are."""
    if representation.kind == "nested":
        return "marks: the windows"
    return "marks: " + ("edges of the bins" if representation.kind == "scer" else "the bins")


def _times(representation: Representation, span_ms: float) -> Iterator[tuple[str, float]]:
    """Name the times, in ms, at which a representation's bins lie."""
    bins = representation.bins
    if representation.kind == "scer":
        for number in range(bins + 1):
            yield "", span_ms * number / bins
    elif representation.kind == "nested":
        for number, share in enumerate(representation.windows):
            for side in (-1, 1):
                yield f"{number + 1}", span_ms * (1 + side * share) / 2
    else:
        for number in range(bins):
            yield f"{number + 1}", span_ms * number / max(1, bins - 1)


def _mark(drawing: np.ndarray, at: float, label: str, plot: int) -> None:
    """Draw a thin line over the plot where it is white, and a label above."""
    column = min(round(at), drawing.shape[1] - RIGHT)
    part = drawing[2 * LINE : 2 * LINE + plot, column]
    part[(part == 255).all(axis=1)] = PALE
    _centred(drawing, label, column, 2 * LINE - 5)


def _tick(drawing: np.ndarray, at: float, label: str, plot: int) -> None:
    column, bottom = round(at), 2 * LINE + plot
    drawing[bottom - 4 : bottom, column] = GREY
    _centred(drawing, label, column, bottom + 14)


def _centred(drawing: np.ndarray, text: str, column: int, baseline: int) -> None:
    size = cv2.getTextSize(text, FONT, SMALLEST_SCALE, 1)[0][0]
    at = (min(column - size // 2, drawing.shape[1] - size), baseline)
    cv2.putText(drawing, text, at, FONT, SMALLEST_SCALE, GREY, 1, cv2.LINE_AA)


def _round_steps(span: float) -> Sequence[float]:
    """Choose 4 to 10 round numbers from 0 on, up to `span`."""
    if span <= 0:
        return [0.0]
    power = 10.0 ** math.floor(math.log10(span / 4))
    step = next(power * each for each in (5, 2, 1) if span / (power * each) >= 4)
    return [step * number for number in range(int(span / step * (1 + 1e-9)) + 1)]


def _number(value: float) -> str:
    """Write a number in few letters: 1500000 becomes 1.5M."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"
