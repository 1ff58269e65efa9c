"""Mistakes that are known: what each makes of a picture, so that it can be tried on the input.

Where a prediction is nearer to the spoiled input than to the input itself, that mistake was made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

Spoil = Callable[[np.ndarray], np.ndarray]
"""(N, H, W, 3) float32 levels, H = W, to the same: not clipped, not rounded, the input kept."""


@dataclass(frozen=True)
class Known:
    """A mistake: the kind of its warning, what is found, how to mend it, what it does."""

    kind: str
    found: str
    fix: str
    spoil: Spoil


def _curve(change: Spoil) -> Spoil:
    """Put values of 0 … 1 through a curve, and clip."""
    return lambda small: np.clip(255 * change(small / 255), 0, 255)


def _order(*channels: int) -> Spoil:
    return lambda small: small[..., list(channels)]


def _converted(code: int) -> Spoil:
    def spoil(small: np.ndarray) -> np.ndarray:
        tall = np.rint(small.reshape(-1, small.shape[2], 3)).astype(np.uint8)
        return np.asarray(cv2.cvtColor(tall, code).reshape(small.shape).astype(np.float32))

    return spoil


def _without(channel: int) -> Spoil:
    return lambda small: small * (np.arange(3) != channel)


def _normalised(small: np.ndarray) -> np.ndarray:
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    return np.asarray((small - mean) / deviation)


def _middle(share: float) -> Spoil:
    """Enlarge the middle of each picture to the whole."""

    def spoil(small: np.ndarray) -> np.ndarray:
        side = small.shape[1]
        first = (1 - share) * (side - 1) / 2
        scale = np.array([[share, 0, first], [0, share, first]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.stack([cv2.warpAffine(each, scale, (side, side), flags=flags) for each in small])

    return spoil


TURN = "undo the flips and turns of augmentation, or of reading, before saving"
WHOLE = "restore the whole frame: do not resize a crop to its size"
BGR = "OpenCV's imwrite takes BGR: reverse the channels before it (challenge.images.write_png)"
ORDER = "look at the order of the channels where frames are read and saved"
SPACE = "convert back to RGB before saving"
RANGE = "look at how values are scaled before they are saved: [0, 1] times 255, clipped, rounded"
CURVE = "the frames hold sRGB levels: apply no gamma, or undo the one that you applied"
LIMITED = "the frames are full range RGB, 0 to 255: let no video step convert them"

KNOWN = (
    Known("turned", "flipped left to right", TURN, lambda s: s[:, :, ::-1]),
    Known("turned", "flipped upside down", TURN, lambda s: s[:, ::-1]),
    Known("turned", "turned by 180 degrees", TURN, lambda s: s[:, ::-1, ::-1]),
    Known("turned", "turned by 90 degrees to the left", TURN, lambda s: np.rot90(s, 1, (1, 2))),
    Known("turned", "turned by 90 degrees to the right", TURN, lambda s: np.rot90(s, 3, (1, 2))),
    Known("turned", "its rows and columns exchanged", TURN, lambda s: s.swapaxes(1, 2)),
    Known(
        "turned",
        "its rows and columns exchanged, and turned by 180 degrees",
        TURN,
        lambda s: np.rot90(s, 2, (1, 2)).swapaxes(1, 2),
    ),
    *(
        Known("zoom", f"the middle {share:.0%} of it, enlarged", WHOLE, _middle(share))
        for share in (0.9, 0.8, 0.7, 0.5)
    ),
    Known("channels", "R and B exchanged", BGR, _order(2, 1, 0)),
    Known("channels", "R and G exchanged", ORDER, _order(1, 0, 2)),
    Known("channels", "G and B exchanged", ORDER, _order(0, 2, 1)),
    Known("channels", "its channels in the order G, B, R", ORDER, _order(1, 2, 0)),
    Known("channels", "its channels in the order B, R, G", ORDER, _order(2, 0, 1)),
    *(
        Known("channels", f"{name} empty", "save all three channels", _without(channel))
        for channel, name in enumerate("RGB")
    ),
    *(
        Known("channels", f"{name} alone, three times", "save all three channels", _order(*[i] * 3))
        for i, name in enumerate("RGB")
    ),
    Known(
        "channels",
        "grey instead of coloured",
        "restore the three channels, not their mean",
        lambda s: np.repeat(s.mean(axis=3, keepdims=True), 3, axis=3),
    ),
    *(
        Known("channels", f"left as {name}", SPACE, _converted(code))
        for name, code in (
            ("YCrCb", cv2.COLOR_RGB2YCrCb),
            ("YCrCb, R and B exchanged", cv2.COLOR_BGR2YCrCb),
            ("HSV", cv2.COLOR_RGB2HSV),
            ("HSV, R and B exchanged", cv2.COLOR_BGR2HSV),
            ("Lab", cv2.COLOR_RGB2Lab),
            ("Lab, R and B exchanged", cv2.COLOR_BGR2Lab),
        )
    ),
    Known(
        "channels",
        "left as YCbCr",
        SPACE,
        lambda s: _converted(cv2.COLOR_RGB2YCrCb)(s)[..., [0, 2, 1]],
    ),
    Known(
        "levels", "inverted", "255 minus the value: undo it before saving", _curve(lambda v: 1 - v)
    ),
    Known("levels", "darkened by a gamma of 2.2", CURVE, _curve(lambda v: v**2.2)),
    Known("levels", "brightened by a gamma of 1/2.2", CURVE, _curve(lambda v: v ** (1 / 2.2))),
    Known("levels", "at half its brightness", RANGE, _curve(lambda v: v / 2)),
    Known("levels", "at twice its brightness", RANGE, _curve(lambda v: 2 * v)),
    Known(
        "levels",
        "scaled to [-1, 1], the negative half clipped",
        "add 1 and halve before saving, if the network gives [-1, 1]",
        _curve(lambda v: 2 * v - 1),
    ),
    Known(
        "levels",
        "between 128 and 255, as [0, 1] taken for [-1, 1]",
        "do not add 1 and halve, if the network gives [0, 1]",
        _curve(lambda v: (v + 1) / 2),
    ),
    Known(
        "levels",
        "expanded as if it were limited range (16 to 235)",
        LIMITED,
        _curve(lambda v: (255 * v - 16) / 219),
    ),
    Known(
        "levels",
        "squeezed into limited range (16 to 235)",
        LIMITED,
        _curve(lambda v: (16 + 219 * v) / 255),
    ),
    Known(
        "levels",
        "normalised by mean and deviation",
        "multiply by the deviation and add the mean before saving",
        _curve(_normalised),
    ),
    Known(
        "wrapped",
        "moved by 128 levels, as signed bytes are",
        "save unsigned bytes (challenge.images.to_uint8)",
        lambda s: (s + 128) % 256,
    ),
)
