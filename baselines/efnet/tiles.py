"""Ways to restore a frame by several calls of the network: tiles, flips, averages.

Each takes a `Forward` and gives one, and knows nothing of what computes it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from baselines.efnet.engines import Forward
from baselines.efnet.inference import Inference

MULTIPLE = 4
"""Tiles begin at multiples of it: a network that halves twice sees the same pixels together."""
RAMP = 0.5
"""Share of an overlap over which one tile hands over to the next. The rest, on either side, keeps
what a tile's own edge has spoilt out of the result.
"""


def composed(forward: Forward, settings: Inference) -> Forward:
    """Restore as the settings say, by a function that restores all it is given at once."""
    if settings.flips:
        forward = flipped(forward)
    sides = settings.tiles or (0,)
    ways = [tiled(forward, side, settings.overlap_of(side)) if side else forward for side in sides]
    return ways[0] if len(ways) == 1 else averaged(ways)


def tiled(forward: Forward, side: int, overlap: int) -> Forward:
    """Restore a frame tile by tile; where tiles overlap they hand over smoothly.

    All tiles of a frame have one size: `side`, or less along an axis where the frame is smaller.
    They are cut from the network's inputs as made for the whole frame: a grid is normalised once.
    A network that sees no farther than (1 - RAMP) / 2 of the overlap (and halves at most log2 of
    MULTIPLE times) gives what it gives of the whole frame, but for rounding. A frame that fits
    into one tile is restored at once.

    Args:
        forward: restores a tile.
        side: of the tiles, in pixels; rounded up to a MULTIPLE.
        overlap: of neighbours, in pixels, at least; less than `side`.
    """
    side = -(-side // MULTIPLE) * MULTIPLE

    def restore(blurry: Tensor, voxel: Tensor, mask: Tensor | None) -> Tensor:
        height, width = blurry.shape[-2:]
        if max(height, width) <= side:
            return forward(blurry, voxel, mask)
        blurry, voxel = _extended(blurry), _extended(voxel)
        mask = None if mask is None else _extended(mask)
        total = torch.zeros_like(blurry, dtype=torch.float32)
        rows_now, columns_now = blurry.shape[-2:]
        for rows, columns, weights in windows(rows_now, columns_now, side, overlap):
            seen = None if mask is None else mask[..., rows, columns]
            restored = forward(blurry[..., rows, columns], voxel[..., rows, columns], seen)
            total[..., rows, columns] += restored * weights.to(restored.device)
        return total[..., :height, :width]

    return restore


def windows(
    height: int, width: int, side: int, overlap: int, multiple: int = MULTIPLE
) -> Iterator[tuple[slice, slice, Tensor]]:
    """Cover an image with windows of one size.

    Args:
        height, width: of the image, multiples of `multiple`.
        side: of the windows, a multiple; along an axis that is shorter they are as long as it.
        overlap: of neighbours, at least.
        multiple: where windows may begin.

    Yields:
        Rows, columns, and (rows, columns) float32 weights, which sum to 1 at each pixel.
    """
    down = list(places(height, side, overlap, multiple))
    across = list(places(width, side, overlap, multiple))
    for (rows, vertical), (columns, horizontal) in itertools.product(down, across):
        yield rows, columns, vertical[:, None] * horizontal


def places(
    length: int, side: int, overlap: int, multiple: int = MULTIPLE
) -> Iterator[tuple[slice, Tensor]]:
    """Cover an axis with as few pieces of one size as will do, spread evenly.

    Yields:
        A piece, and its (side,) float32 weights, which sum to 1 at each place: raised cosines.
    """
    side = min(side, length)
    number = -(-(length - overlap) // (side - overlap)) if side < length else 1
    steps, gaps = (length - side) // multiple, max(number - 1, 1)
    begins = [multiple * (steps * index // gaps) for index in range(number)]
    shares = torch.zeros(number, length, dtype=torch.float64)
    for index, begin in enumerate(begins):
        share = torch.ones(length, dtype=torch.float64)
        if index:
            share *= _rise(length, begin, begins[index - 1] + side)
        if index + 1 < number:
            share *= 1 - _rise(length, begins[index + 1], begin + side)
        shares[index] = share
    shares /= shares.sum(dim=0)  # 1 already, but where three pieces meet
    for index, begin in enumerate(begins):
        yield slice(begin, begin + side), shares[index, begin : begin + side].float()


def _rise(length: int, begin: int, end: int) -> Tensor:
    """Rise from 0 to 1 in the middle of an overlap, from `begin` to `end`, as a raised cosine."""
    margin = (end - begin) * (1 - RAMP) / 2
    place = torch.arange(length, dtype=torch.float64) + 0.5
    done = ((place - begin - margin) / max(end - begin - 2 * margin, 1e-9)).clamp(0, 1)
    return (1 - torch.cos(torch.pi * done)) / 2


def _extended(x: Tensor) -> Tensor:
    """Repeat the last row and column up to a MULTIPLE, as the network does."""
    below, right = -x.shape[-2] % MULTIPLE, -x.shape[-1] % MULTIPLE
    return F.pad(x, (0, right, 0, below), mode="replicate") if below or right else x


def flipped(forward: Forward) -> Forward:
    """Average over the eight ways to mirror and turn a frame.

    A grid of events holds, at each pixel, what happened there: turning it is turning the events,
    whose times and signs stay as they are.
    """
    quarters = (0, 2, 1, 3)  # those of one size after each other: an engine compiles for each
    ways = [(mirror, turns) for turns in quarters for mirror in (0, 1)]
    return averaged([partial(_turned, forward, *way) for way in ways])


def _turned(
    forward: Forward, mirror: int, quarters: int, blurry: Tensor, voxel: Tensor, mask: Tensor | None
) -> Tensor:
    """Mirror left for right, turn by quarters, restore, and undo both."""

    def turn(x: Tensor) -> Tensor:
        return torch.rot90(x.flip(-1) if mirror else x, quarters, (-2, -1))

    restored = forward(turn(blurry), turn(voxel), None if mask is None else turn(mask))
    back = torch.rot90(restored, -quarters, (-2, -1))
    return back.flip(-1) if mirror else back


def averaged(ways: Sequence[Forward]) -> Forward:
    """Average what several ways of restoring give, in float32."""

    def restore(blurry: Tensor, voxel: Tensor, mask: Tensor | None) -> Tensor:
        total = ways[0](blurry, voxel, mask).clone()
        for way in ways[1:]:
            total += way(blurry, voxel, mask)
        return total / len(ways)

    return restore
