"""EFNet against numbers made by the published code, and what ours adds to it.

Weights and inputs are integer hashes of a name and an index, the same on every machine, so no file
of weights is needed. `golden_efnet.json` says how its numbers were made.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from formulas import fill_by_formula, hashed
from torch import Tensor, nn

from baselines.efnet import blocks
from baselines.efnet.model import EFNet
from challenge.errors import ConfigError, DataError

GOLDEN = json.loads((Path(__file__).parent / "golden_efnet.json").read_text())
SHAPES = json.loads((Path(__file__).parent / "golden_state_dict.json").read_text())
GATES = ("emgc_enc.", "emgc_dec.", "emgc_enc_mask.", "emgc_dec_mask.")
TOLERANCE = 1e-5
CASES = [(fuse, masked) for fuse in (True, False) for masked in (False, True)]


def inputs(height: int = 16, width: int = 20) -> tuple[Tensor, Tensor, Tensor]:
    """Image (2, 3, H, W) in [0, 1), events (2, 6, H, W) in [-2, 2), mask (2, 1, H, W) of 0, 1."""
    image = 0.5 + 0.5 * hashed("image", (2, 3, height, width))
    event = 2.0 * hashed("event", (2, 6, height, width))
    mask = hashed("mask", (2, 1, height, width)) > 0
    return tuple(torch.from_numpy(a.astype(np.float32)) for a in (image, event, mask))


def small_net(fuse: bool = True) -> EFNet:
    return fill_by_formula(EFNet(wf=16, fuse_before_downsample=fuse))


def sampled(stage: Tensor) -> np.ndarray:
    """Every 11th value of a stage; 11 divides no size of it: all rows and channels take part."""
    return stage.detach().double().flatten()[::11].numpy()


def distance_to_published(net: nn.Module, fuse: bool, masked: bool) -> float:
    """Largest difference over both stages from what the published code computed."""
    parameter = next(net.parameters())
    image, event, mask = (tensor.to(parameter.dtype) for tensor in inputs())
    stages = net(image, event, mask if masked else None)
    golden = GOLDEN["outputs"][case_name(fuse, masked)]
    assert all(stage.shape == image.shape for stage in stages) and len(stages) == 2
    differences = [
        np.abs(sampled(stage) - golden[name]).max()
        for name, stage in zip(("stage_1", "stage_2"), stages, strict=True)
    ]
    return float(max(differences))


def case_name(fuse: bool, masked: bool) -> str:
    return f"fuse_{'before' if fuse else 'after'}_{'masked' if masked else 'unmasked'}"


def backward(net: nn.Module, masked: bool) -> dict[str, Tensor | None]:
    """Gradients of the sum over both stages of mean(stage ** 2)."""
    parameter = next(net.parameters())
    image, event, mask = (tensor.to(parameter.dtype) for tensor in inputs())
    stages = net(image, event, mask if masked else None)
    sum((stage**2).mean() for stage in stages).backward()
    return {name: p.grad for name, p in net.named_parameters()}


@pytest.mark.parametrize("fuse, masked", CASES)
def test_equals_the_published_network(fuse: bool, masked: bool) -> None:
    assert distance_to_published(small_net(fuse), fuse, masked) <= TOLERANCE
    assert distance_to_published(small_net(fuse).double(), fuse, masked) <= 1e-8


@pytest.mark.parametrize("fuse, masked", CASES)
def test_without_gradients_pixels_taken_in_parts_equal_the_published_network(
    monkeypatch: pytest.MonkeyPatch, fuse: bool, masked: bool
) -> None:
    # one pixel of level 0 (16 channels, 4 bytes) has 256 bytes in the hidden layer: parts of 7
    monkeypatch.setattr(blocks, "PART_BYTES", 7 * 256)
    with torch.inference_mode():
        assert distance_to_published(small_net(fuse), fuse, masked) <= TOLERANCE
        assert distance_to_published(small_net(fuse).double(), fuse, masked) <= 1e-8


@pytest.mark.parametrize("fuse", [True, False])
def test_gradients_equal_the_published_ones(fuse: bool) -> None:
    # float64: in float32 a leaky ReLU's input next to zero may fall on its other side.
    golden = GOLDEN["gradient_norms"][case_name(fuse, True)]
    gradients = backward(small_net(fuse).double(), masked=True)
    assert list(gradients) == list(golden)
    norms = {name: float(gradient.norm()) for name, gradient in gradients.items()}
    assert norms == pytest.approx(golden, rel=1e-6)


@pytest.mark.parametrize(
    "name",
    [
        "conv_ev1.weight",
        "down_path_ev.2.conv_before_merge.weight",
        "down_path_1.1.image_event_transformer.attn.q.weight",
        "down_path_1.2.image_event_transformer.attn.temperature",
        "down_path_1.0.image_event_transformer.norm1_event.body.bias",
        "down_path_2.1.emgc_enc_mask.weight",
        "skip_conv_2.0.bias",
        "sam12.conv3.weight",
        "last.bias",
    ],
)
def test_the_comparison_notices_one_changed_weight(name: str) -> None:
    net = small_net()
    assert distance_to_published(net, True, True) <= TOLERANCE
    with torch.no_grad():
        net.get_parameter(name).view(-1)[0] += 0.1
    assert distance_to_published(net, True, True) > TOLERANCE


@pytest.mark.parametrize("fuse", [True, False])
def test_state_dict_is_that_of_the_published_network(fuse: bool) -> None:
    with torch.device("meta"):  # shapes without memory
        state = EFNet(fuse_before_downsample=fuse).state_dict()
    shapes = [[name, list(tensor.shape)] for name, tensor in state.items()]
    assert shapes == SHAPES["wf64"]  # order too
    assert sum(tensor.numel() for tensor in state.values()) == 8_466_445


@pytest.mark.parametrize("height, width", [(45, 37), (44, 37), (3, 5), (1, 1)])
def test_any_size_is_extended_by_its_last_row_and_column_and_cut_back(
    height: int, width: int
) -> None:
    net = small_net()
    image, event, mask = inputs(height, width)
    below, right = math.ceil(height / 4) * 4 - height, math.ceil(width / 4) * 4 - width
    extended = [
        F.pad(tensor, (0, right, 0, below), mode="replicate") for tensor in (image, event, mask)
    ]
    for stage, whole in zip(net(image, event, mask), net(*extended), strict=True):
        assert stage.shape == image.shape
        assert torch.isfinite(stage).all()
        assert torch.equal(stage, whole[..., :height, :width])


@pytest.mark.parametrize("fuse", [True, False])
def test_with_a_mask_the_loss_reaches_every_parameter(fuse: bool) -> None:
    gradients = backward(small_net(fuse), masked=True)
    assert [n for n, g in gradients.items() if g is None or not g.abs().max() > 0] == []


@pytest.mark.parametrize("fuse", [True, False])
def test_without_a_mask_only_the_mask_gates_are_unused(fuse: bool) -> None:
    gradients = backward(small_net(fuse), masked=False)
    unused = [n for n, g in gradients.items() if g is None or not g.abs().max() > 0]
    assert len(unused) == 16  # weight and bias of 4 convolutions at 2 levels
    assert all(any(gate in name for gate in GATES) for name in unused)


@pytest.mark.parametrize("fuse", [True, False])
def test_a_few_steps_of_training_halve_the_loss(fuse: bool) -> None:
    torch.manual_seed(1)
    net = EFNet(wf=8, fuse_before_downsample=fuse)
    image, event, mask = inputs()
    sharp = 1 - image
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    losses: list[float] = []
    for _ in range(25):
        optimizer.zero_grad()
        loss = sum(((stage - sharp) ** 2).mean() for stage in net(image, event, mask))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_samples_of_a_batch_do_not_meet_and_inputs_are_left_alone() -> None:
    net, (image, event, mask) = small_net(), inputs(13, 11)
    before = [tensor.clone() for tensor in (image, event, mask)]
    both = net(image, event, mask)
    second = net(image[1:], event[1:], mask[1:])
    assert all(torch.allclose(a[1:], b, atol=TOLERANCE) for a, b in zip(both, second, strict=True))
    assert all(torch.equal(a, b) for a, b in zip((image, event, mask), before, strict=True))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bool, torch.float64])
def test_a_mask_may_have_any_dtype(dtype: torch.dtype) -> None:
    net, (image, event, mask) = small_net(), inputs()
    for a, b in zip(net(image, event, mask), net(image, event, mask.to(dtype)), strict=True):
        assert torch.equal(a, b)


def test_runs_repeat_to_the_bit_and_memory_order_does_not_matter() -> None:
    net, (image, event, mask) = small_net(), inputs()
    torch.use_deterministic_algorithms(True)
    try:
        first, again = net(image, event, mask), net(image, event, mask)
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    order = torch.channels_last
    net = net.to(memory_format=order)
    turned = net(image.to(memory_format=order), event.to(memory_format=order), mask)
    for a, b in zip(first, turned, strict=True):
        assert (a - b).abs().max().item() <= TOLERANCE


@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize("learns", [True, False])
def test_every_layer_writes_the_order_that_the_next_reads_fastest(
    fuse: bool, samples: int, learns: bool
) -> None:
    """A pixel's channels side by side, by strides that torch takes for it also of one sample."""
    network = EFNet(wf=4, fuse_before_downsample=fuse)
    others: list[str] = []

    def look(name: str, result: Tensor) -> None:
        if result.stride() != torch.empty(result.shape).to(memory_format=order).stride():
            others.append(name)

    order = torch.channels_last
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | blocks.Fusion):
            layer.register_forward_hook(lambda _layer, _inputs, out, name=name: look(name, out))
    with torch.set_grad_enabled(learns):
        network(torch.rand(samples, 3, 24, 20), torch.rand(samples, 6, 24, 20))
    assert others == []


@pytest.mark.parametrize(
    "device",
    [
        "cpu",
        pytest.param(
            "cuda",
            marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
        ),
    ],
)
@pytest.mark.parametrize("half, most", [(torch.bfloat16, 0.03), (torch.float16, 0.004)])
def test_autocast_stays_near_float32(device: str, half: torch.dtype, most: float) -> None:
    net, tensors = small_net(), inputs(45, 37)
    exact = net(*tensors)
    net = net.to(device)
    with torch.autocast(device, dtype=half):
        rough = net(*(tensor.to(device) for tensor in tensors))
    sum(stage.mean() for stage in rough).backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters())
    for a, b in zip(exact, rough, strict=True):
        assert b.dtype == torch.float32
        spread = float(a.detach().std())
        difference = (a - b.cpu()).detach()
        assert 0 < float(difference.square().mean().sqrt()) < most * spread  # 0: not autocast


def test_float16_holds_the_sums_over_a_whole_frame() -> None:
    # q k^T summed over 2 million pixels of norm 8 is far beyond 65504, the largest float16
    attention = blocks.CrossModalAttention(8, heads=1).requires_grad_(False)
    rng = torch.Generator().manual_seed(0)
    image, event = (8 * F.normalize(torch.randn(1, 2**18, 8, generator=rng), dim=2) for _ in "ab")
    event = event + image
    exact = attention.matrix(*attention.sums(image, event, 2**18))
    half = attention.half()
    rough = half.matrix(*half.sums(image.half(), event.half(), 2**18))
    assert (rough.float() - exact).abs().max() < 0.01 * exact.abs().max()


@pytest.mark.parametrize(
    "image, event, mask, sentences",
    [
        ((3, 8, 8), (1, 6, 8, 8), None, ["x: expected shape (N, 3, H, W), found (3, 8, 8)"]),
        (
            (2, 1, 8, 8),
            (2, 6, 8, 12),
            None,
            [
                "x: expected shape (N, 3, H, W), found (2, 1, 8, 8)",
                "event: expected shape (2, 6, 8, 8), found (2, 6, 8, 12)",
            ],
        ),
        (
            (2, 3, 8, 8),
            (2, 6, 8, 8),
            (2, 8, 8),
            ["mask: expected shape (2, 1, 8, 8), found (2, 8, 8)"],
        ),
        (
            (2, 3, 8, 8),
            (1, 6, 8, 8),
            (2, 1, 4, 4),
            [
                "event: expected shape (2, 6, 8, 8), found (1, 6, 8, 8)",
                "mask: expected shape (2, 1, 8, 8), found (2, 1, 4, 4)",
            ],
        ),
        ((0, 3, 8, 8), (0, 6, 8, 8), None, ["x: expected shape (N, 3, H, W), found (0, 3, 8, 8)"]),
    ],
)
def test_wrong_shapes_are_all_named(
    image: tuple[int, ...],
    event: tuple[int, ...],
    mask: tuple[int, ...] | None,
    sentences: list[str],
) -> None:
    with pytest.raises(DataError) as error:
        EFNet(wf=8)(
            torch.zeros(image), torch.zeros(event), None if mask is None else torch.zeros(mask)
        )
    assert list(error.value.problems) == sentences


@pytest.mark.parametrize("channels, advice", [(7, "leave out channel 3"), (5, "with ev_chn=5")])
def test_a_grid_of_other_channels_is_told_what_to_do(channels: int, advice: str) -> None:
    with pytest.raises(DataError) as error:
        EFNet(wf=8)(torch.zeros(1, 3, 8, 8), torch.zeros(1, channels, 8, 8))
    assert f"the network takes 6 channels, the grid has {channels}" in str(error.value)
    assert advice in str(error.value)


def test_whole_numbers_are_not_an_image() -> None:
    with pytest.raises(DataError, match=r"x: expected a floating-point tensor, found torch\.uint8"):
        EFNet(wf=8)(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), torch.zeros(1, 6, 8, 8))


@pytest.mark.parametrize(
    "settings, sentence",
    [
        ({"num_heads": (1, 2)}, "num_heads: expected one per level (3), found 2"),
        ({"wf": 8, "num_heads": (1, 3, 4)}, "num_heads[1]: 3 does not divide 16 channels"),
        ({"depth": 0}, "depth: expected at least 1, found 0"),
        ({"relu_slope": -0.2}, "relu_slope: expected at least 0, found -0.2"),
    ],
)
def test_settings_that_make_no_network(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError) as error:
        EFNet(**settings)
    assert list(error.value.problems) == [sentence]
