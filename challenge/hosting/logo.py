"""The competition's logo: a disc that smears to the left, and the events at its edge."""

from __future__ import annotations

import cv2
import numpy as np

SIZE = 256
SHIFTS = 48
"""Pixels the disc travels during its exposure."""


def draw_logo() -> bytes:
    """Draw a PNG of 256x256: blurred above, sharp below, with red and blue events."""
    rows, columns = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    place = np.arange(SHIFTS) - SHIFTS / 2
    discs = [_disc(rows, columns - shift) for shift in place]
    light = np.where(rows < SIZE / 2, np.mean(discs, axis=0), discs[SHIFTS // 2])
    image = np.stack([40 + 190 * light, 50 + 180 * light, 70 + 150 * light], axis=2)
    rng = np.random.default_rng(0)
    change = discs[-1] - discs[0]
    fires = rng.random((SIZE, SIZE)) < 0.25 * np.abs(change)
    lower = fires & (rows >= SIZE / 2)
    image[lower & (change > 0)] = (61, 111, 220)
    image[lower & (change < 0)] = (220, 60, 50)
    rgb = np.clip(image + 0.5, 0, 255).astype(np.uint8)
    encoded: bytes = cv2.imencode(".png", rgb[:, :, ::-1])[1].tobytes()
    return encoded


def _disc(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    distance = np.hypot(rows - SIZE / 2, columns - SIZE / 2)
    inside: np.ndarray = np.clip(SIZE * 0.3 - distance + 0.5, 0, 1)
    return inside
