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


def conv1x1(inputs: int, outputs: int, bias: bool = True) -> nn.Conv2d:
    """Return a linear map of the channels at each pixel."""
    return nn.Conv2d(inputs, outputs, kernel_size=1, bias=bias)


def conv3x3(inputs: int, outputs: int) -> nn.Conv2d:
    """Return a 3 x 3 convolution that keeps height and width."""
    return nn.Conv2d(inputs, outputs, kernel_size=3, padding=1)


def halving(channels: int) -> nn.Conv2d:
    """Return a 4 x 4 convolution with stride 2: height and width are halved, rounded down."""
    return nn.Conv2d(channels, channels, kernel_size=4, stride=2, padding=1, bias=False)


def channel_norm(channels: int) -> nn.Sequential:
    """Layer norm over the last axis; `body` is its name in published checkpoints."""
    return nn.Sequential(OrderedDict(body=nn.LayerNorm(channels)))


class CrossModalAttention(nn.Module):
    """Each image channel asks all event channels: an attention over channels, not over pixels.

    Per head of c = C / heads channels, with the rows of q and k scaled to length 1 over all pixels,

        A = softmax(temperature * q k^T),  out = A v,  q from the image, k and v from the events.

    Cost and memory grow linearly with the number of pixels; A is only (c, c).
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.q = conv1x1(channels, channels, bias=False)
        self.k = conv1x1(channels, channels, bias=False)
        self.v = conv1x1(channels, channels, bias=False)
        self.project_out = conv1x1(channels, channels, bias=False)

    def forward(self, image: Tensor, event: Tensor) -> Tensor:
        """Map (N, HW, C) image and event tokens -> (N, HW, C)."""
        samples, pixels, channels = image.shape
        per_head = (samples, pixels, self.heads, channels // self.heads)
        q = F.linear(image, self.q.weight.flatten(1))  # (N, HW, C)
        k = F.linear(event, self.k.weight.flatten(1))  # (N, HW, C)
        v = F.linear(event, self.v.weight.flatten(1))  # (N, HW, C)

        q = F.normalize(q, dim=1).reshape(per_head).permute(0, 2, 3, 1)  # (N, heads, c, HW)
        k = F.normalize(k, dim=1).reshape(per_head).permute(0, 2, 1, 3)  # (N, heads, HW, c)
        attention = ((q @ k) * self.temperature).softmax(dim=-1)  # (N, heads, c, c)

        # Both A and the projection are linear in v. Multiplying these two small matrices first
        # leaves a single product that touches every pixel.
        project = self.project_out.weight.reshape(channels, self.heads, -1)  # (C, heads, c)
        mix = project.transpose(0, 1) @ attention  # (N, heads, C, c)
        mix = mix.transpose(1, 2).flatten(2)  # (N, C, C)
        out: Tensor = v @ mix.transpose(1, 2)  # (N, HW, C)
        return out


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
    """Image features plus what the events add to them: attention, then an MLP, both residual."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.norm1_image = channel_norm(channels)
        self.norm1_event = channel_norm(channels)
        self.attn = CrossModalAttention(channels, heads)
        self.norm2 = nn.LayerNorm(channels)
        self.ffn = Mlp(channels)

    def forward(self, image: Tensor, event: Tensor) -> Tensor:
        """Map (N, C, H, W) image and event features -> (N, C, H, W)."""
        tokens = image.flatten(2).transpose(1, 2)  # (N, HW, C)
        event_tokens = event.flatten(2).transpose(1, 2)  # (N, HW, C)
        tokens = tokens + self.attn(self.norm1_image(tokens), self.norm1_event(event_tokens))
        tokens = tokens + self.ffn(self.norm2(tokens))
        out: Tensor = tokens.transpose(1, 2).reshape(image.shape)  # (N, C, H, W)
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
        # In place: a convolution's backward pass does not read its own output.
        out = F.leaky_relu(self.conv_1(x), self.relu_slope, inplace=True)
        out = F.leaky_relu(self.conv_2(out), self.relu_slope, inplace=True)
        total: Tensor = out + self.identity(x)
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
        self, x: Tensor, enc: Tensor, dec: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Map (N, inputs, H, W); enc, dec (N, outputs, H, W); mask (N, 1, H, W) -> next input,
        skip.
        """
        out = self.features(x)  # (N, outputs, H, W)
        if mask is not None:
            mask = mask.to(enc.dtype)
            from_enc = self.emgc_enc(enc) + self.emgc_enc_mask((1 - mask) * enc)
            from_dec = self.emgc_dec(dec) + self.emgc_dec_mask(mask * dec)
            out = out + from_enc + from_dec
        return self.downsample(out), out


class Decoder(nn.Module):
    """Double height and width, join the skip connection, convolve."""

    def __init__(self, inputs: int, outputs: int, relu_slope: float) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(inputs, outputs, kernel_size=2, stride=2)
        self.conv_block = ConvBlock(inputs, outputs, relu_slope)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Map (N, inputs, H/2, W/2) and (N, inputs - outputs, H, W) -> (N, outputs, H, W)."""
        out: Tensor = self.conv_block(torch.cat([self.up(x), skip], dim=1))
        return out


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
        gate = torch.sigmoid(self.conv3(image))  # (N, C, H, W)
        return x + self.conv1(x) * gate, image
