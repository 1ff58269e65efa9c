"""EFNet: a blurry image and the events of its exposure in, two estimates of the sharp image out.

Stage 1 is a U-Net over the image whose encoder takes in, level by level, the features of an event
branch (cross-modal attention over channels). Stage 2 is a second U-Net that refines stage 1's
result; an event mask, where there is one, decides which features of stage 1 it takes over.

    event ──conv_ev1──▶ down_path_ev ────┐ fused at each level
    image ──conv_01───▶ down_path_1 ◀────┘ ──▶ up_path_1 ──▶ sam12 ──▶ stage 1
    image ──conv_02───▶ cat12 (+ sam12) ──▶ down_path_2 (+ mask) ──▶ up_path_2 ──▶ last ──▶ stage 2

Source: Sun et al., Event-Based Fusion for Motion Deblurring with Cross-modal Attention, ECCV 2022.
Structure, names and numbers are those of the authors' code (AHupuJR/EFNet, commit 7cf6737), so its
checkpoints load strictly. Beyond it: any height and width, and fusion after halving works.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.efnet.blocks import (
    ConvBlock,
    Decoder,
    EventEncoder,
    GatedEncoder,
    ImageEncoder,
    SupervisedAttention,
    conv1x1,
    conv3x3,
)
from challenge.errors import ConfigError, DataError


class EFNet(nn.Module):
    """The published two-stage network; 8.47 million parameters with the values given here.

    Args:
        in_chn: channels of the image.
        ev_chn: channels (time bins) of the event grid.
        wf: channels of the first level; level i has wf * 2**i.
        depth: levels, at least 1; each but the last halves height and width.
        fuse_before_downsample: fuse image and events before each halving (the paper), or after it.
        relu_slope: slope of the leaky ReLUs below zero, at least 0.
        num_heads: attention heads of each level; entries beyond depth are ignored.

    Raises:
        ConfigError: these values do not make a network.
    """

    def __init__(
        self,
        in_chn: int = 3,
        ev_chn: int = 6,
        wf: int = 64,
        depth: int = 3,
        fuse_before_downsample: bool = True,
        relu_slope: float = 0.2,
        num_heads: Sequence[int] = (1, 2, 4),
    ) -> None:
        super().__init__()
        _check_structure(in_chn, ev_chn, wf, depth, relu_slope, num_heads)
        self.in_chn, self.ev_chn, self.depth = in_chn, ev_chn, depth
        self.multiple = 2 ** (depth - 1)  # of which height and width inside are multiples
        fuse_first, slope = fuse_before_downsample, relu_slope

        self.down_path_1 = nn.ModuleList()
        self.down_path_2 = nn.ModuleList()
        self.conv_01 = conv3x3(in_chn, wf)
        self.conv_02 = conv3x3(in_chn, wf)
        self.down_path_ev = nn.ModuleList()
        self.conv_ev1 = conv3x3(ev_chn, wf)
        width = wf
        for level in range(depth):
            last = level == depth - 1
            sizes = (width, wf * 2**level, slope)
            self.down_path_1.append(ImageEncoder(*sizes, num_heads[level], not last, fuse_first))
            self.down_path_2.append(ConvBlock(*sizes) if last else GatedEncoder(*sizes))
            self.down_path_ev.append(EventEncoder(*sizes, not last, fuse_first))
            width = wf * 2**level

        self.up_path_1 = nn.ModuleList()
        self.up_path_2 = nn.ModuleList()
        self.skip_conv_1 = nn.ModuleList()
        self.skip_conv_2 = nn.ModuleList()
        for level in reversed(range(depth - 1)):
            skip = wf * 2**level
            self.up_path_1.append(Decoder(width, skip, slope))
            self.up_path_2.append(Decoder(width, skip, slope))
            self.skip_conv_1.append(conv3x3(skip, skip))
            self.skip_conv_2.append(conv3x3(skip, skip))
            width = skip
        self.sam12 = SupervisedAttention(width, in_chn)
        self.cat12 = conv1x1(2 * width, width)
        self.last = conv3x3(width, in_chn)

    def forward(self, x: Tensor, event: Tensor, mask: Tensor | None = None) -> list[Tensor]:
        """Deblur.

        Inputs whose height or width is no multiple of 2**(depth - 1) are extended at the bottom and
        right by repeating the last row and column; the results are cut back.

        Args:
            x: (N, in_chn, H, W) blurry images, floating point, about 0 to 1. Not modified.
            event: (N, ev_chn, H, W) event grids, floating point. Not modified.
            mask: (N, 1, H, W), 1 where events fired, 0 elsewhere, any dtype; or None. Not modified.

        Returns:
            [stage 1, stage 2], each (N, in_chn, H, W), not clipped; stage 2 is the result.

        Raises:
            DataError: shapes or dtypes are not these; all that is wrong is listed.
        """
        self._check_inputs(x, event, mask)
        height, width = x.shape[-2:]
        blurry = _prepare(x, self.multiple)
        dtype = self.conv_01.weight.dtype  # less than the image has, if the network was converted
        image = blurry.to(dtype)
        event_features = self.conv_ev1(_prepare(event.to(dtype), self.multiple))  # (N, wf, H, W)
        if mask is not None:
            mask = _prepare(mask.to(dtype), self.multiple)

        # Stage 1: levels are numbered from the full size (0) to the smallest. Features are let go
        # of as soon as nothing reads them: of whole frames each takes much memory.
        features = self.conv_01(image)  # (N, wf, H, W)
        skips: list[Tensor] = []
        for encode, encode_event in zip(self.down_path_1, self.down_path_ev, strict=True):
            event_features, to_fuse = encode_event(event_features)
            features, skip = encode(features, to_fuse)
            skips.append(skip)
        skips.pop()  # the smallest level's are the features themselves
        del event_features, to_fuse, skip
        encoded = [] if mask is None else skips.copy()  # stage 2 reads them where there is a mask
        decoded = _decode(features, skips, self.up_path_1, self.skip_conv_1)
        to_stage_2, stage_1 = self.sam12(decoded[0], blurry)  # (N, wf, H, W), (N, in_chn, H, W)
        if mask is None:
            decoded = []

        # Stage 2
        features = self.cat12(torch.cat([self.conv_02(image), to_stage_2], dim=1))  # (N, wf, H, W)
        del to_stage_2
        for level, encode in enumerate(self.down_path_2[:-1]):
            gate: tuple[Tensor | None, ...] = (None, None, None)
            if mask is not None:
                step = 2**level
                gate = (encoded[level], decoded[level], mask[:, :, ::step, ::step])
            features, skip = encode(features, *gate)
            skips.append(skip)
            del skip, gate
        del encoded, decoded
        features = self.down_path_2[self.depth - 1](features)  # (N, wf * 2**(depth - 1), ...)
        refined = _decode(features, skips, self.up_path_2, self.skip_conv_2)
        stage_2 = blurry + self.last(refined[0])  # (N, in_chn, H, W)

        return [stage[..., :height, :width] for stage in (stage_1, stage_2)]

    def _check_inputs(self, x: Tensor, event: Tensor, mask: Tensor | None) -> None:
        """Raise DataError with everything that is wrong with the inputs of forward."""
        problems = _shape_problems("x", x, ("N", self.in_chn, "H", "W"))
        frame = ("N", "H", "W") if x.dim() != 4 else (x.shape[0], x.shape[2], x.shape[3])
        samples, height, width = frame
        problems += _shape_problems("event", event, (samples, self.ev_chn, height, width))
        if event.dim() == 4 and event.shape[1] != self.ev_chn:
            problems.append(_channel_advice(event.shape[1], self.ev_chn))
        if mask is not None:
            problems += _shape_problems("mask", mask, (samples, 1, height, width))
        for name, tensor in (("x", x), ("event", event)):
            if not tensor.is_floating_point():
                problems.append(f"{name}: expected a floating-point tensor, found {tensor.dtype}")
        if problems:
            raise DataError("EFNet cannot take these inputs", problems)


def _decode(
    features: Tensor, skips: list[Tensor], ups: nn.ModuleList, skip_convs: nn.ModuleList
) -> list[Tensor]:
    """Climb from the smallest level back to full size; the features of level i are entry i.

    Takes all of `skips` (level i is entry i) out of the list, so that each may be forgotten.
    """
    decoded = [features]
    for up, skip_conv in zip(ups, skip_convs, strict=True):
        assert isinstance(up, Decoder)
        joined = up.join(decoded[0], skip_conv(skips.pop()))
        decoded.insert(0, up.conv_block(joined))
    return decoded


def _prepare(x: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column of (N, C, H, W) up to multiples, in channels-last order."""
    height, width = x.shape[-2:]
    below, right = -height % multiple, -width % multiple
    if below or right:
        x = F.pad(x, (0, right, 0, below), mode="replicate")
    # The fusion reads a pixel's channels together; in this memory order it needs no copies.
    return x.contiguous(memory_format=torch.channels_last)


def _shape_problems(name: str, tensor: Tensor, expected: Sequence[int | str]) -> list[str]:
    """Say in a sentence if a shape is not the expected one; a letter stands for any size."""
    fits = tensor.dim() == len(expected) and all(
        found == want if isinstance(want, int) else found > 0
        for found, want in zip(tensor.shape, expected, strict=True)
    )
    if fits:
        return []
    shape = ", ".join(str(size) for size in expected)
    return [f"{name}: expected shape ({shape}), found {tuple(tensor.shape)}"]


def _channel_advice(found: int, expected: int) -> str:
    """Say what to do about an event grid with the wrong number of channels."""
    advice = f"event: the network takes {expected} channels, the grid has {found}; "
    if found == 7 and expected == 6:
        return advice + (
            "grids of 7 come from the published GoPro converter, which inserts an empty channel in "
            "the middle: leave out channel 3 (counted from 0)"
        )
    return advice + f"make the grid with {expected} bins, or the network with ev_chn={found}"


def _check_structure(
    in_chn: int, ev_chn: int, wf: int, depth: int, relu_slope: float, num_heads: Sequence[int]
) -> None:
    """Raise ConfigError with everything that is wrong with the network's own settings."""
    counts = {"in_chn": in_chn, "ev_chn": ev_chn, "wf": wf, "depth": depth}
    problems = [f"{k}: expected at least 1, found {v}" for k, v in counts.items() if v < 1]
    if relu_slope < 0:
        problems.append(f"relu_slope: expected at least 0, found {relu_slope}")
    if len(num_heads) < depth:
        problems.append(f"num_heads: expected one per level ({depth}), found {len(num_heads)}")
    for level, heads in enumerate(num_heads[:depth]):
        if heads < 1 or (wf * 2**level) % heads:
            problems.append(f"num_heads[{level}]: {heads} does not divide {wf * 2**level} channels")
    if problems:
        raise ConfigError("EFNet cannot be built with these settings", problems)
