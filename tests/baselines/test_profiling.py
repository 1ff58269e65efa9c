"""What is counted, against a count by hand; what is measured, by what must be so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from baselines.counting import Work, count
from baselines.efnet.model import EFNet
from baselines.measuring import Job, measure_here, peak_memory, resized
from baselines.profiling import main
from challenge.datasets import DataSource


def by_hand(
    height: int,
    width: int,
    wf: int,
    depth: int,
    bins: int,
    heads: list[int],
    mask: bool,
    as_published: bool = False,
) -> Work:
    """Add up EFNet, fused before halving: a convolution of a k x k kernel from a to b channels has
    k^2 a b MACs for each pixel that it puts out, a product (m, n) x (n, p) has m n p.

    Its attention is computed as here, or as the published code does, which has v, the product of
    the attention and v, and its projection for each pixel; these are convolutions there.
    """
    macs = activations = 0

    def conv(kernel: int, inputs: int, outputs: int, pixels: int) -> None:
        nonlocal macs, activations
        macs += kernel**2 * inputs * outputs * pixels
        activations += outputs * pixels

    def product(rows: int, inner: int, columns: int, times: int = 1) -> None:
        nonlocal macs
        macs += times * rows * inner * columns

    def convolutions(inputs: int, outputs: int, pixels: int) -> None:
        conv(1, inputs, outputs, pixels)
        conv(3, inputs, outputs, pixels)
        conv(3, outputs, outputs, pixels)

    def fusion(c: int, heads: int, pixels: int) -> None:
        product(c // heads, pixels, c // heads, heads)  # q k^T
        if as_published:
            for _ in range(4):
                conv(1, c, c, pixels)  # q, k, v, the projection
            product(c // heads, c // heads, pixels, heads)  # the attention times v
        else:
            for _ in range(3):
                product(pixels, c, c)  # q, k, the events times the matrix:
            product(c // heads, c // heads, c, heads)  # the attention times the weights of v
            product(c, c, c)  # the projection times these
        product(pixels, c, 4 * c)  # the MLP
        product(pixels, 4 * c, c)

    pixels = height * width
    conv(3, 3, wf, pixels)  # conv_01
    conv(3, 3, wf, pixels)  # conv_02
    conv(3, bins, wf, pixels)  # conv_ev1
    before = wf
    for level in range(depth):
        c, here, last = wf * 2**level, pixels // 4**level, level == depth - 1
        for _ in range(3):  # image, events, stage 2
            convolutions(before, c, here)
            if not last:
                conv(4, c, c, here // 4)  # halving
        conv(1, c, c, here)  # conv_before_merge
        fusion(c, heads[level], here)
        if mask and not last:
            for _ in range(4):
                conv(3, c, c, here)
        before = c
    for level in reversed(range(depth - 1)):
        c, here = wf * 2**level, pixels // 4**level
        for _ in range(2):  # stages
            conv(3, c, c, here)  # skip_conv
            macs += 4 * 2 * c * c * here // 4  # up: each pixel below becomes 2 x 2
            activations += c * here
            convolutions(2 * c, c, here)
    conv(3, wf, wf, pixels)  # sam12
    conv(3, wf, 3, pixels)
    conv(3, 3, wf, pixels)
    conv(1, 2 * wf, wf, pixels)  # cat12
    conv(3, wf, 3, pixels)  # last
    return Work(macs, activations)


@pytest.mark.parametrize(
    "wf, depth, bins, heads, mask",
    [
        (64, 3, 6, [1, 2, 4], False),
        (64, 3, 6, [1, 2, 4], True),
        (8, 1, 4, [2], False),
        (16, 4, 12, [1, 2, 4, 8], True),
    ],
)
def test_efnet_is_counted_as_by_hand(
    wf: int, depth: int, bins: int, heads: list[int], mask: bool
) -> None:
    height, width = 256, 192
    with torch.device("meta"):
        network = EFNet(ev_chn=bins, wf=wf, depth=depth, num_heads=heads)
        inputs = [torch.empty(1, each, height, width) for each in (3, bins, 1)[: 2 + mask]]
    found = count(lambda: network(*inputs))
    assert found == by_hand(height, width, wf, depth, bins, heads, mask)
    assert found.flops == 2 * found.macs


def test_the_published_network_has_102_gmac_at_256() -> None:
    """102.4 GMAC, as was counted when it ran beside ours; its own counter says 110.7."""
    published = by_hand(256, 256, 64, 3, 6, [1, 2, 4], False, as_published=True)
    assert published.macs / 1e9 == pytest.approx(102.4, abs=0.05)


def test_matrix_products_and_attention_are_counted() -> None:
    with torch.device("meta"):
        tokens, weight = torch.empty(2, 10, 8), torch.empty(16, 8)
        q = torch.empty(2, 4, 10, 8)
    assert count(lambda: torch.nn.functional.linear(tokens, weight)).macs == 2 * 10 * 8 * 16
    assert count(lambda: tokens @ tokens.transpose(1, 2)).macs == 2 * 10 * 8 * 10
    attention = count(lambda: torch.nn.functional.scaled_dot_product_attention(q, q, q))
    assert attention.macs == 2 * (2 * 4 * 10 * 8 * 10)
    assert count(lambda: tokens + tokens) == Work(0, 0)


def test_on_tensors_with_content_the_count_is_the_same() -> None:
    network = EFNet(wf=4)
    found = count(lambda: network(torch.rand(1, 3, 16, 32), torch.rand(1, 6, 16, 32)))
    assert found == by_hand(16, 32, 4, 3, 6, [1, 2, 4], False)


def test_a_frame_is_repeated_with_its_events(highrev: Path) -> None:
    dataset = DataSource.of_folder(highrev).of_split("val").open("val")
    sample = dataset.read_inputs(dataset.frames[0])
    rows, columns = sample.blurry.shape[:2]
    four = resized(sample, 2 * rows, 2 * columns)
    assert four.events is not None and sample.events is not None
    assert len(four.events) == 4 * len(sample.events)
    assert (np.diff(four.events.t) >= 0).all()
    assert np.array_equal(four.blurry[rows:, columns:], sample.blurry)
    inside = (four.events.x >= columns) & (four.events.y >= rows)
    assert np.array_equal(four.events.x[inside] - columns, sample.events.x)
    less = resized(sample, 10, 20)
    assert less.events is not None and less.blurry.shape == (10, 20, 3)
    assert less.events.x.max() < 20 and less.events.y.max() < 10


def test_memory_that_was_touched_is_found() -> None:
    with peak_memory("cpu") as found:
        np.ones(50_000_000, np.uint8).sum()
    if found[0] is None:
        pytest.skip("this system does not tell a process's peak of memory")
    assert 45e6 < found[0] < 200e6


def test_a_baseline_without_a_network_has_seconds_and_no_macs(highrev: Path) -> None:
    source = DataSource.of_folder(highrev)
    job = Job("blurry", None, "cpu", source, "val", (100, 30), warmup=2, repeats=3)
    found = measure_here(job)
    assert (found.macs, found.parameters, found.size) == (None, 0, (100, 30))
    assert len(found.seconds) == 3 and min(found.seconds) >= 0


def test_the_command_writes_what_it_shows(
    tmp_path: Path, highrev: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from baselines.efnet.checkpoint import save_checkpoint

    checkpoint, out = tmp_path / "net.pth", tmp_path / "profile.json"
    save_checkpoint(checkpoint, {"params": EFNet(wf=4).state_dict()})
    arguments = [str(checkpoint), "--data", str(highrev), "--size", "64x32", "--repeats", "2"]
    assert main([*arguments, "--json", str(out), "--device", "cpu"]) == 0
    written = json.loads(out.read_text(encoding="utf-8"))
    (profile,) = written["profiles"]
    expected = by_hand(32, 64, 4, 3, 6, [1, 2, 4], False)
    assert (profile["macs"], profile["flops"]) == (expected.macs, 2 * expected.macs)
    assert profile["activations"] == expected.activations and profile["size"] == [32, 64]
    assert len(profile["seconds"]) == 2 and profile["peak_memory"] > 0
    shown = capfd.readouterr().out
    assert "64x32" in shown and f"{expected.macs / 1e9:,.2f}" in shown and "runtime [s]" in shown


@pytest.mark.parametrize("size", ["dynamic", "64", "0x8"])
def test_a_size_that_is_none(tmp_path: Path, size: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--baseline", "blurry", "--size", size], tmp_path) == 1
    assert "WIDTHxHEIGHT" in capsys.readouterr().err
