"""The building blocks of EFNet: convolutions, cross-modal attention, mask gating, supervision.

Shapes: N samples, C channels, (H, W) rows and columns of the level at hand. Module names are those
of the published code, and so is their order: its checkpoints load strictly, and equal seeds give
equal first weights.

Source: Sun et al., Event-Based Fusion for Motion Deblurring with Cross-modal Attention, ECCV 2022;
the supervised attention module: Zamir et al., Multi-Stage Progressive Image Restoration, CVPR 2021.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MLP_EXPANSION = 4  # hidden channels of the fusion's MLP, per channel

PART_BYTES = 4 * 2**20
"""Of the MLP's hidden layer at a time, where no gradient is wanted: what caches hold."""


def conv1x1(inputs: int, outputs: int, bias: bool = True) -> nn.Conv2d:
    """Return a linear map of the channels at each pixel."""
    return nn.Conv2d(inputs, outputs, kernel_size=1, bias=bias)


def conv3x3(inputs: int, outputs: int) -> nn.Conv2d:
    """Return a 3 x 3 convolution that keeps height and width."""
    return nn.Conv2d(inputs, outputs, kernel_size=3, padding=1)


def halving(channels: int) -> nn.Conv2d:
    """Return a 4 x 4 convolution with stride 2: height and width are halved, rounded down."""
    return nn.Conv2d(channels, channels, kernel_size=4, stride=2, padding=1, bias=False)


class LayerNorm(nn.LayerNorm):
    """Layer norm over the last axis, in the precision of its input.

    Sums are float32 all the same. Autocast would write every pixel as float32, for the next layer
    to read it back as bfloat16.
    """

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (..., C) -> (..., C)."""
        device = tokens.device.type
        if not (torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)):
            return super().forward(tokens)
        with torch.autocast(device, enabled=False):
            weight, bias = self.weight.to(tokens.dtype), self.bias.to(tokens.dtype)
            return F.layer_norm(tokens, self.normalized_shape, weight, bias, self.eps)


def channel_norm(channels: int) -> nn.Sequential:
    """Layer norm over the last axis; `body` is its name in published checkpoints."""
    return nn.Sequential(OrderedDict(body=LayerNorm(channels)))


class CrossModalAttention(nn.Module):
    """Each image channel asks all event channels: an attention over channels, not over pixels.

    Per head of c = C / heads channels, with the rows of q and k scaled to length 1 over all pixels,

        A = softmax(temperature * q k^T),  out = A v,  q from the image, k and v from the events.

    A is only (c, c), and all that follows it is linear in the events: with A known, the small
    matrices of v, of A and of the projection are multiplied first, and each pixel meets one (C, C)
    matrix. So v is never computed, and q and k need not be there for all pixels at once.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.q = conv1x1(channels, channels, bias=False)
        self.k = conv1x1(channels, channels, bias=False)
        self.v = conv1x1(channels, channels, bias=False)
        self.project_out = conv1x1(channels, channels, bias=False)

    def sums(self, image: Tensor, event: Tensor, pixels: int) -> tuple[Tensor, Tensor, Tensor]:
        """Sum over some of the pixels what A is made of; the sums of all parts are to be added.

        Args:
            image, event: (N, P, C) tokens of these pixels.
            pixels: how many there are in all. q and k are divided by its root, which cancels out:
                the sums then stay in the range of float16.

        Returns:
            q k^T (N, heads, c, c), squares of q and of k (N, heads, c); float32, or float64.
        """
        per_head, scale = (*image.shape[:2], self.heads, -1), pixels**-0.5
        q = F.linear(image, self.q.weight.flatten(1) * scale).reshape(per_head)
        k = F.linear(event, self.k.weight.flatten(1) * scale).reshape(per_head)
        product = q.permute(0, 2, 3, 1) @ k.transpose(1, 2)  # (N, heads, c, c)
        wide = torch.promote_types(product.dtype, torch.float32)
        return product.to(wide), _sum_of_squares(q, wide), _sum_of_squares(k, wide)

    def matrix(self, product: Tensor, of_q: Tensor, of_k: Tensor) -> Tensor:
        """Map the sums over all pixels -> M (N, C, C): event tokens e of a pixel become M e."""
        q_scale, k_scale = (squares.clamp_min(1e-24).rsqrt() for squares in (of_q, of_k))
        cosines = product * q_scale[..., :, None] * k_scale[..., None, :]  # (N, heads, c, c)
        attention = (cosines * self.temperature).softmax(dim=-1).to(self.v.weight.dtype)
        v = self.v.weight.reshape(self.heads, -1, self.v.in_channels)  # (heads, c, C)
        out: Tensor = self.project_out.weight.flatten(1) @ (attention @ v).flatten(1, 2)
        return out


def _sum_of_squares(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Map (N, P, heads, c) -> (N, heads, c), summed over pixels."""
    if x.dtype == torch.float16:  # whose smallest numbers the squares would fall below
        x = x.float()
    return x.square().sum(dim=1, dtype=dtype)


class Mlp(nn.Module):
    """Two linear layers with a GELU between them, applied to each pixel's channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, MLP_EXPANSION * channels)
        self.fc2 = nn.Linear(MLP_EXPANSION * channels, channels)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (..., C) -> (..., C)."""
        out: Tensor = self.fc2(F.gelu(self.fc1(tokens)))
        return out


class Fusion(nn.Module):
    """Image features plus what the events add to them: attention, then an MLP, both residual.

    Where no gradient is wanted, the pixels are taken in parts, so that what is made of one, four
    times its own size in the MLP, stays in the processor's cache.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.norm1_image = channel_norm(channels)
        self.norm1_event = channel_norm(channels)
        self.attn = CrossModalAttention(channels, heads)
        self.norm2 = LayerNorm(channels)
        self.ffn = Mlp(channels)

    def forward(self, image: Tensor, event: Tensor) -> Tensor:
        """Map (N, C, H, W) image and event features -> (N, C, H, W)."""
        tokens = image.flatten(2).transpose(1, 2)  # (N, HW, C)
        event_tokens = event.flatten(2).transpose(1, 2)  # (N, HW, C)
        if torch.is_grad_enabled() or torch.compiler.is_compiling():
            fused = self._fuse(tokens, event_tokens)
        else:
            fused = torch.empty_like(tokens)
            for n in range(len(tokens)):
                self._fuse_in_parts(tokens[n : n + 1], event_tokens[n : n + 1], fused[n : n + 1])
        # Of one sample, a reshape leaves strides which torch does not take for channels-last order:
        # each later convolution would write its result in the other order. Sizes come from `shape`
        # alone, since a tracer that exports takes `len` for a constant.
        pixels = fused.reshape(image.shape[0], *image.shape[2:], -1)  # (N, H, W, C)
        return pixels.permute(0, 3, 1, 2)

    def _fuse(self, tokens: Tensor, event_tokens: Tensor) -> Tensor:
        """Map (N, HW, C) image and event tokens -> (N, HW, C)."""
        event_tokens = self.norm1_event(event_tokens)
        sums = self.attn.sums(self.norm1_image(tokens), event_tokens, tokens.shape[1])
        return self._add_events(tokens, event_tokens, self.attn.matrix(*sums))

    def _fuse_in_parts(self, tokens: Tensor, event_tokens: Tensor, out: Tensor) -> None:
        """Do the same part by part, into `out`."""
        pixels, channels = tokens.shape[1:]
        size = max(1, PART_BYTES // (MLP_EXPANSION * channels * tokens.element_size()))
        parts = [slice(first, first + size) for first in range(0, pixels, size)]
        sums_of_parts = [
            self.attn.sums(
                self.norm1_image(tokens[:, p]), self.norm1_event(event_tokens[:, p]), pixels
            )
            for p in parts
        ]
        sums = (torch.stack(same).sum(dim=0) for same in zip(*sums_of_parts, strict=True))
        matrix = self.attn.matrix(*sums)
        for p in parts:
            out[:, p] = self._add_events(tokens[:, p], self.norm1_event(event_tokens[:, p]), matrix)

    def _add_events(self, tokens: Tensor, event_tokens: Tensor, matrix: Tensor) -> Tensor:
        """Map (N, P, C) image tokens and normalised event tokens of any pixels -> (N, P, C)."""
        attended = event_tokens @ matrix.transpose(1, 2)
        attended += tokens  # in place: no backward pass reads what a product of matrices gave
        out: Tensor = self.ffn(self.norm2(attended))
        out += attended
        return out


class Convolutions(nn.Module):
    """Two 3 x 3 convolutions with leaky ReLUs beside a 1 x 1 convolution: how a level starts."""

    def __init__(self, inputs: int, outputs: int, relu_slope: float) -> None:
        super().__init__()
        self.relu_slope = relu_slope
        self.identity = conv1x1(inputs, outputs)
        self.conv_1 = conv3x3(inputs, outputs)
        self.conv_2 = conv3x3(outputs, outputs)

    def features(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) -> (N, outputs, H, W)."""
        # In place: a convolution's backward pass does not read its own result.
        out = F.leaky_relu(self.conv_1(x), self.relu_slope, inplace=True)
        out = F.leaky_relu(self.conv_2(out), self.relu_slope, inplace=True)
        total: Tensor = self.identity(x).add_(out)
        return total


class ConvBlock(Convolutions):
    """A level that does nothing more."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) -> (N, outputs, H, W)."""
        return self.features(x)


class ImageEncoder(Convolutions):
    """One level of stage 1: convolve the image features, take in the events, halve.

    The deepest level (`halves=False`) does not halve. `fuse_first` fuses before halving, at the
    level's own size, so the skip connection carries events; otherwise the fusion follows the
    halving and the skip connection carries the image alone.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        relu_slope: float,
        heads: int,
        halves: bool,
        fuse_first: bool,
    ) -> None:
        super().__init__(inputs, outputs, relu_slope)
        self.fuse_first = fuse_first or not halves
        self.downsample = halving(outputs) if halves else None
        self.image_event_transformer = Fusion(outputs, heads)

    def forward(self, x: Tensor, event: Tensor) -> tuple[Tensor, Tensor]:
        """Map (N, inputs, H, W) and event features of the size fused at -> next level's input,
        skip.
        """
        out = self.features(x)  # (N, outputs, H, W)
        if self.fuse_first:
            out = self.image_event_transformer(out, event)
        if self.downsample is None:
            return out, out
        down = self.downsample(out)  # (N, outputs, H/2, W/2)
        if not self.fuse_first:
            down = self.image_event_transformer(down, event)
        return down, out


class EventEncoder(Convolutions):
    """One level of the event branch: features for the next level, and for the image of this one."""

    def __init__(
        self, inputs: int, outputs: int, relu_slope: float, halves: bool, fuse_first: bool
    ) -> None:
        super().__init__(inputs, outputs, relu_slope)
        self.fuse_first = fuse_first or not halves
        self.conv_before_merge = conv1x1(outputs, outputs)
        self.downsample = halving(outputs) if halves else None

    def forward(self, event: Tensor) -> tuple[Tensor, Tensor]:
        """Map (N, inputs, H, W) -> next level's input, features to fuse."""
        out = self.features(event)  # (N, outputs, H, W)
        if self.downsample is None:
            out = self.conv_before_merge(out)
            return out, out
        if self.fuse_first:
            return self.downsample(out), self.conv_before_merge(out)
        down = self.conv_before_merge(self.downsample(out))  # (N, outputs, H/2, W/2)
        return down, down


class GatedEncoder(Convolutions):
    """One level of stage 2: stage 1's features join, chosen by the event mask, then halve.

    Where events fired (mask 1) stage 1's decoder is trusted more, elsewhere (mask 0) its encoder:

        out + E(enc) + E'((1 - mask) * enc) + D(dec) + D'(mask * dec)

    with 3 x 3 convolutions E, E', D, D'. Without a mask nothing of stage 1 joins here, and these
    four are not used.
    """

    def __init__(self, inputs: int, outputs: int, relu_slope: float) -> None:
        super().__init__(inputs, outputs, relu_slope)
        self.emgc_enc = conv3x3(outputs, outputs)
        self.emgc_dec = conv3x3(outputs, outputs)
        self.emgc_enc_mask = conv3x3(outputs, outputs)
        self.emgc_dec_mask = conv3x3(outputs, outputs)
        self.downsample = halving(outputs)

    def forward(
        self, x: Tensor, enc: Tensor | None, dec: Tensor | None, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Map (N, inputs, H, W); enc, dec (N, outputs, H, W), mask (N, 1, H, W), or None all three
        -> next input, skip.
        """
        out = self.features(x)  # (N, outputs, H, W)
        if mask is not None:
            assert enc is not None and dec is not None
            mask = mask.to(enc.dtype)
            out += self.emgc_enc(enc)
            out += self.emgc_enc_mask((1 - mask) * enc)
            out += self.emgc_dec(dec)
            out += self.emgc_dec_mask(mask * dec)
        return self.downsample(out), out


class Decoder(nn.Module):
    """Double height and width, join the skip connection, convolve."""

    def __init__(self, inputs: int, outputs: int, relu_slope: float) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(inputs, outputs, kernel_size=2, stride=2)
        self.conv_block = ConvBlock(inputs, outputs, relu_slope)

    def join(self, x: Tensor, skip: Tensor) -> Tensor:
        """Map (N, inputs, H/2, W/2) and (N, inputs - outputs, H, W) -> (N, inputs, H, W), what
        `conv_block` takes. Two calls, so that what was joined may be forgotten between them.
        """
        return torch.cat([self.up(x), skip], dim=1)


class SupervisedAttention(nn.Module):
    """Make stage 1's image, and let it decide which of its features stage 2 sees."""

    def __init__(self, channels: int, image_channels: int) -> None:
        super().__init__()
        self.conv1 = conv3x3(channels, channels)
        self.conv2 = conv3x3(channels, image_channels)
        self.conv3 = conv3x3(image_channels, channels)

    def forward(self, x: Tensor, blurry: Tensor) -> tuple[Tensor, Tensor]:
        """Map (N, C, H, W) features and the blurry image -> (N, C, H, W), stage 1's image."""
        image = blurry + self.conv2(x)
        gate = self.conv3(image.to(x.dtype)).sigmoid_()  # (N, C, H, W)
        return torch.addcmul(x, self.conv1(x), gate), image
