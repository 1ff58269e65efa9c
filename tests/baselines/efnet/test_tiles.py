"""Tiles, flips, averages and local attention: what they must equal, and how little they need."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from baselines.efnet.blocks import Fusion
from baselines.efnet.inference import Inference, parse_sides
from baselines.efnet.inputs import Reading, arrays_of, inputs_of
from baselines.efnet.local import LocalFusion, attend_locally
from baselines.efnet.model import EFNet
from baselines.efnet.tiles import averaged, composed, flipped, places, tiled, windows
from challenge.errors import ConfigError
from challenge.events import Events
from challenge.representations import Representation
from challenge.sample import Sample

Forward = Callable[[Tensor, Tensor, Tensor | None], Tensor]


def inputs(height: int, width: int, mask: bool = True) -> tuple[Tensor, Tensor, Tensor | None]:
    rng = torch.Generator().manual_seed(height * 1000 + width)
    blurry = torch.rand(1, 3, height, width, generator=rng)
    voxel = torch.randn(1, 6, height, width, generator=rng)
    return blurry, voxel, (voxel[:, :1] > 0).float() if mask else None


@pytest.mark.parametrize("length, side, overlap", [
    (64, 32, 8), (100, 32, 8), (1632, 512, 128), (1224, 256, 64), (36, 32, 16), (32, 32, 8),
    (20, 32, 8), (1224, 256, 0),
])  # fmt: skip
def test_pieces_cover_an_axis_with_weights_that_sum_to_one(
    length: int, side: int, overlap: int
) -> None:
    total, before = torch.zeros(length), None
    for piece, weights in places(length, side, overlap):
        assert piece.stop - piece.start == min(side, length) == len(weights)
        assert piece.start % 4 == 0 and piece.start >= 0 and piece.stop <= length
        assert before is None or before - piece.start >= overlap - 3
        assert weights.min() >= 0
        total[piece] += weights
        before = piece.stop
    assert before == length
    assert torch.allclose(total, torch.ones(length), atol=1e-6)


@pytest.mark.parametrize("number, length", [(4, 1632), (3, 1224)])
def test_a_full_frame_takes_as_few_tiles_as_will_do(number: int, length: int) -> None:
    assert len(list(places(length, 512, 128))) == number  # 4 * 512 - 3 * 128 = 1664 >= 1632


def test_a_constant_has_no_seam() -> None:
    out = tiled(lambda blurry, voxel, mask: torch.full_like(blurry, 0.3), 32, 8)(*inputs(70, 90))
    assert out.shape == (1, 3, 70, 90) and float((out - 0.3).abs().max()) < 1e-6


def test_tiles_that_differ_hand_over_smoothly() -> None:
    levels = iter(range(100))
    out = tiled(lambda blurry, *_: torch.full_like(blurry, float(next(levels))), 64, 32)(
        *inputs(64, 96)
    )
    steps = out[0, 0, 0].diff()
    assert out[0, 0, 0, 0] == 0 and out[0, 0, 0, -1] == 1
    assert float(steps.min()) >= 0 and float(steps.max()) < 0.11  # pi / 2 / (32 / 2): raised cosine
    assert torch.all(out == out[:, :, :1])  # nothing hands over along the other axis


class Convolutions(nn.Module):
    """Sees as far as 5 pixels, in a grid that is halved once: no attention."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.down = nn.Conv2d(10, 8, 4, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(8, 3, 2, stride=2)
        self.last = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, blurry: Tensor, voxel: Tensor, mask: Tensor | None) -> Tensor:
        assert mask is not None
        with torch.inference_mode():
            out: Tensor = self.last(self.up(self.down(torch.cat([blurry, voxel, mask], dim=1))))
        return out


@pytest.mark.parametrize("height, width", [(96, 128), (100, 60), (40, 132)])
def test_what_sees_less_far_than_the_overlap_is_the_same_in_tiles(height: int, width: int) -> None:
    network = Convolutions()
    whole = network(*inputs(height, width))
    for overlap in (24, 30):
        out = tiled(network, 48, overlap)(*inputs(height, width))
        assert torch.allclose(out, whole, atol=1e-6)


def test_what_sees_farther_than_the_overlap_is_not() -> None:
    network, given = Convolutions(), inputs(92, 48)
    assert not torch.allclose(tiled(network, 48, 4)(*given), network(*given), atol=1e-3)


def test_a_frame_that_is_no_multiple_is_extended_as_the_network_does_it() -> None:
    torch.manual_seed(0)
    network = EFNet(wf=4)
    seen = []

    def forward(blurry: Tensor, voxel: Tensor, mask: Tensor | None) -> Tensor:
        seen.append(blurry.shape[-2:])
        with torch.inference_mode():
            return network(blurry, voxel, mask)[-1]  # type: ignore[no-any-return]

    given = inputs(61, 90)
    out = tiled(forward, 64, 16)(*given)
    assert out.shape == (1, 3, 61, 90) and set(seen) == {(64, 64)}
    assert torch.allclose(tiled(forward, 92, 16)(*given), forward(*given))  # in one tile: the same


def test_tiles_and_flips_change_no_input() -> None:
    given = inputs(70, 90)
    before = [None if each is None else each.clone() for each in given]
    composed(Convolutions(), Inference(tiles=(32, 48), flips=True))(*given)
    assert all(
        a is b is None or torch.equal(a, b)  # type: ignore[arg-type]
        for a, b in zip(given, before, strict=True)
    )


def test_flips_are_all_eight_and_undone() -> None:
    seen = set()

    def mark(blurry: Tensor, voxel: Tensor, mask: Tensor | None) -> Tensor:
        assert mask is not None and torch.equal(mask, (voxel[:, :1] > 0).float())
        seen.add(blurry.numpy().tobytes())
        return blurry.clone()

    given = inputs(32, 48)
    assert torch.allclose(flipped(mark)(*given), given[0], atol=1e-6)
    assert len(seen) == 8
    # what is not symmetric comes out symmetric: the mean over the group
    ramp = flipped(lambda blurry, *_: torch.arange(32.0).expand(1, 3, 32, 32).clone())(
        *inputs(32, 32)
    )
    assert torch.allclose(ramp, torch.full_like(ramp, 15.5))


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("reading", [
    Reading(), Reading(Representation("scer"), "magnitude", True),
])  # fmt: skip
def test_turning_a_grid_is_turning_its_events(
    reading: Reading, quarters: int, mirror: bool
) -> None:
    rng = np.random.default_rng(3)
    height, width, number = 12, 20, 3000
    x, y = rng.integers(width, size=number), rng.integers(height, size=number)
    t, p = np.sort(rng.integers(10_000, size=number)), rng.integers(2, size=number)
    image = rng.integers(256, size=(height, width, 3)).astype(np.uint8)
    given = inputs_of(arrays_of(Sample("a_0", image, Events(x, y, t, p)), reading), reading)

    def turn(grid: Tensor) -> Tensor:
        return torch.rot90(grid.flip(-1) if mirror else grid, quarters, (-2, -1))

    if mirror:
        x, image = width - 1 - x, image[:, ::-1]
    for _ in range(quarters):  # counter-clockwise: the last column becomes the first row
        x, y, image = y, image.shape[1] - 1 - x, np.rot90(image)
    turned = inputs_of(arrays_of(Sample("a_0", image, Events(x, y, t, p)), reading), reading)
    assert torch.equal(turned.blurry, turn(given.blurry))
    assert torch.allclose(turned.voxel, turn(given.voxel), atol=1e-6)
    assert given.mask is None or torch.equal(turned.mask, turn(given.mask))  # type: ignore[arg-type]


def test_averages_are_of_floats() -> None:
    ways = [lambda b, v, m, level=level: torch.full_like(b, level) for level in (0.1, 0.2, 0.6)]
    assert torch.allclose(averaged(ways)(*inputs(8, 8)), torch.full((1, 3, 8, 8), 0.3))


def test_local_attention_is_the_fusion_where_the_frame_is_no_larger() -> None:
    torch.manual_seed(0)
    fusion = Fusion(8, 2)
    image, event = torch.randn(2, 8, 16, 20), torch.randn(2, 8, 16, 20)
    with torch.inference_mode():
        assert torch.equal(LocalFusion(fusion, 20)(image, event), fusion(image, event))
        near = LocalFusion(fusion, 12)(image, event)
        assert near.shape == image.shape and not torch.allclose(near, fusion(image, event))
        # a corner is in one window alone: it is what the fusion makes of that window
        corner = fusion(image[..., :12, :12], event[..., :12, :12])[..., :8, :8]
        rows = [rows for rows, _, _ in windows(16, 20, 12, 3, multiple=1)]
        assert rows[0] == slice(0, 12)
        assert torch.allclose(near[..., :3, :3], corner[..., :3, :3], atol=1e-5)


def test_local_attention_has_the_window_of_each_level() -> None:
    for first in (True, False):
        network = EFNet(wf=4, fuse_before_downsample=first)
        attend_locally(network, 64)
        sides = [level.image_event_transformer.side for level in network.down_path_1]
        assert sides == ([64, 32, 16] if first else [32, 16, 16])
    blurry, voxel, _ = inputs(96, 80)
    with torch.inference_mode():
        assert network(blurry, voxel)[-1].shape == blurry.shape


@pytest.mark.parametrize("given, sides", [(None, ()), ("256", (256,)), ("256, 512", (256, 512))])
def test_sides_are_read(given: str | None, sides: tuple[int, ...]) -> None:
    assert parse_sides(given) == sides


@pytest.mark.parametrize("settings, message", [
    ({"tiles": (16,)}, "--tile 16: expected at least 32"),
    ({"tiles": (256,), "overlap": 200}, "--overlap 200: expected 0 to 128"),
    ({"overlap": -1}, "--overlap -1: expected 0"),
    ({"local": 7}, "--local 7"),
    ({"precision": "half"}, "--precision half: expected auto or float32 or bfloat16"),
    ({"memory": 0.0}, "--memory 0: expected GiB"),
])  # fmt: skip
def test_settings_that_cannot_work_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Inference(**settings)  # type: ignore[arg-type]


def test_text_that_is_no_side_is_refused() -> None:
    for text in ("a", "256,", "-5", "1.5"):
        with pytest.raises(ConfigError, match="--tile"):
            parse_sides(text)
