"""Networks as files that other engines run, each compared with torch before it is kept."""

from __future__ import annotations

import contextlib
import io
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from baselines.efnet.checkpoint import (
    Checkpoint,
    load_checkpoint,
    network_of,
    published_reading,
    structure_of,
)
from baselines.efnet.engines import (
    INPUTS,
    OUTPUT,
    Forward,
    engine_library,
    open_exported,
    openvino_core,
    torch_forward,
)
from baselines.efnet.inputs import Batch
from baselines.efnet.metadata import KEY, PATHS, Metadata
from baselines.efnet.model import EFNet
from challenge import cli
from challenge.errors import ChallengeError
from challenge.files import sha256, write_whole

CPU = torch.device("cpu")
OPSET = 18  # layer norms as one operator are of 17, padding of chosen axes of 18
TOLERANCE = 1e-4
"""Largest difference from torch, relative to the largest value where that is above 1."""
TRACED_AT = (45, 57)
"""(H, W) of the example that a file for any size is traced with: both odd, so
that the padding is part of the file."""
OTHER_SIZES = ((1, 64, 80), (2, 37, 75))
"""(N, H, W) that such a file is compared at, besides."""
MOST_COMPARED = 512 * 512
"""Pixels; torch restores so many in a second or two, and a whole frame of HighREV in a minute."""


@dataclass(frozen=True)
class Parity:
    """How far an engine's result is from torch's in float32."""

    what: str
    largest: float  # difference
    decibels: float  # PSNR against torch's result, with a peak of 1
    allowed: float | None  # largest difference; None: told only

    @property
    def passes(self) -> bool:
        return self.allowed is None or self.largest <= self.allowed

    def __str__(self) -> str:
        return f"{self.what}: largest difference {self.largest:.1e}, {self.decibels:.1f} dB"


class Restoring(nn.Module):
    """The network as exported files have it: stage 2 alone, a mask only if it reads one."""

    def __init__(self, network: EFNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, blurry: Tensor, voxel: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map what a Forward takes -> (N, 3, H, W)."""
        restored: Tensor = self.network(blurry, voxel, mask)[-1]
        return restored


def load_described(
    path: Path, stored_kind: str | None = None
) -> tuple[EFNet, Metadata, Checkpoint]:
    """Load a checkpoint, its network in evaluation mode, and what a file made from it says.

    Weights without a configuration, as the published ones are, read a sample as `published_reading`
    finds; a warning says so.

    Args:
        path: of the checkpoint.
        stored_kind: of the grids that the data have stored; None where they have raw events.

    Raises:
        DataError: the checkpoint cannot be used.
    """
    checkpoint = load_checkpoint(path)
    network = network_of(checkpoint, path).eval()
    stored = checkpoint.get("config", {})
    config = {name: dict(stored.get(name, {})) for name in ("data", "network", "train")}
    config["network"] = structure_of(checkpoint)
    config["data"].setdefault("bins", network.ev_chn)
    if not stored:
        reading, why = published_reading(checkpoint["params"], network.ev_chn, path, stored_kind)
        config["data"] = reading.to_config()
        cli.warn_once(why)
    for section, keys in PATHS.items():
        for key in keys:
            config[section].pop(key, None)
    metadata = Metadata(
        config=config,
        channels=network.ev_chn,
        wf=network.conv_01.out_channels,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        checkpoint=path.name,
        checkpoint_sha256=sha256(path),
        iteration=checkpoint.get("iteration"),
        best_psnr=checkpoint.get("best_psnr"),
    )
    return network, metadata, checkpoint


def random_inputs(metadata: Metadata, samples: int, height: int, width: int) -> Batch:
    """Make inputs of noise, the same ones each time."""
    rng = torch.Generator().manual_seed(0)
    blurry = torch.rand(samples, 3, height, width, generator=rng)
    voxel = torch.randn(samples, metadata.channels, height, width, generator=rng)
    mask = None
    if metadata.reading.event_mask:
        mask = (torch.rand(samples, 1, height, width, generator=rng) < 0.5).float()
    return Batch(blurry, voxel, mask, None)


def onnx_of(network: EFNet, metadata: Metadata) -> bytes:
    """Make the ONNX file of a network, for `metadata.size` or for any, with its metadata.

    Traced on a small example whatever the size, which then is written over the sizes of the inputs:
    that takes no memory for whole frames, and leaves out how torch cuts large ones into parts.
    Traced by TorchScript's exporter: with torch 2.13 the one over `torch.export` made no file for
    any size of this network (it fixes N), took six times as long and needs onnxscript besides.

    Raises:
        ConfigError: the package onnx is not installed.
    """
    onnx = engine_library("onnx")
    inputs = [tensor for tensor in random_inputs(metadata, 1, *TRACED_AT)[:3] if tensor is not None]
    names = list(INPUTS[: len(inputs)])
    content = io.BytesIO()
    with warnings.catch_warnings(), torch.enable_grad():  # without, pixels are taken in parts
        warnings.simplefilter("ignore")  # of tracing: that checks of shapes are not in the file
        torch.onnx.export(
            Restoring(network).eval(),
            tuple(inputs),
            content,  # type: ignore[arg-type]  # named for paths only, made for buffers too
            input_names=names,
            output_names=[OUTPUT],
            dynamic_axes={name: {0: "N", 2: "H", 3: "W"} for name in [*names, OUTPUT]},
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load_from_string(content.getvalue())
    if metadata.size is not None:
        for value in (*model.graph.input, *model.graph.output):
            for axis, size in zip(value.type.tensor_type.shape.dim[2:], metadata.size, strict=True):
                axis.dim_value = size
    onnx.helper.set_model_props(model, {KEY: metadata.to_text()})
    written: bytes = model.SerializeToString()
    return written


def compare(network: EFNet, forward: Forward, batch: Batch, what: str, strict: bool) -> Parity:
    """Compare an engine with torch in float32 on some inputs.

    Args:
        strict: whether TOLERANCE is what is allowed; else any difference.
    """
    expected = torch_forward(network, CPU, "float32")(*batch[:3])
    found = forward(*batch[:3])
    if found.shape != expected.shape:
        return Parity(f"{what}, of another shape", math.inf, -math.inf, TOLERANCE)
    difference = (found - expected).double()
    error = float(difference.square().mean())
    decibels = -10 * math.log10(error) if error else math.inf
    largest = float(difference.abs().max())
    largest = math.inf if math.isnan(largest) else largest
    allowed = TOLERANCE * max(1.0, float(expected.abs().max())) if strict else None
    return Parity(what, largest, decibels, allowed)


def check_parity(
    network: EFNet, forward: Forward, metadata: Metadata, real: Sequence[Batch] = ()
) -> list[Parity]:
    """Compare an engine in float32 with torch, on noise and, if it takes any size, on real inputs.

    Of a file for one size, larger than torch should have to restore for this, nothing is compared:
    that its network is the right one is known from the same file for any size.

    Raises:
        ChallengeError: they differ by more than TOLERANCE; says where.
    """
    size = metadata.size
    if size and size[0] * size[1] > MOST_COMPARED:
        return []
    noise = [(1, *size)] if size else [(1, *TRACED_AT), *OTHER_SIZES]
    batches = [
        (f"noise {w}x{h}, {n} at once", random_inputs(metadata, n, h, w)) for n, h, w in noise
    ]
    for batch in real if size is None else ():
        height, width = batch.blurry.shape[2:]
        batches.append((f"a real frame, {width}x{height}", batch))
    found = [compare(network, forward, batch, what, strict=True) for what, batch in batches]
    if wrong := [str(each) for each in found if not each.passes]:
        raise ChallengeError(
            f"the exported network is not equal to torch's (expected {TOLERANCE:g} of difference "
            "at most); nothing was written",
            wrong,
        )
    return found


def write_onnx(
    path: Path, network: EFNet, metadata: Metadata, real: Sequence[Batch] = ()
) -> list[Parity]:
    """Export to ONNX, compare by onnxruntime, and write the file whole or not at all."""
    engine_library("onnxruntime")
    found = []
    for each in _any_size_first(metadata):
        model = onnx_of(network, each)
        forward, _ = open_exported("onnxruntime", model, "float32", path)
        found += check_parity(network, forward, each, real)
    with write_whole(path) as temporary:
        temporary.write_bytes(model)
    return found


def write_openvino(
    path: Path, network: EFNet, metadata: Metadata, real: Sequence[Batch] = ()
) -> list[Parity]:
    """Export to OpenVINO's .xml and the .bin beside it, compare, and write both or none.

    The .xml tells the hash of its .bin: whoever is killed between the two, or copies one of them
    alone, is told so and restores nothing with wrong weights.

    Returns:
        What was compared in float32, and on the same inputs in bfloat16.
    """
    openvino = engine_library("openvino")
    found = []
    with _pair(path) as (temporary_xml, temporary_bin):
        for each in _any_size_first(metadata):
            model = openvino_core().read_model(onnx_of(network, each))
            for _ in range(2):  # the second time with the hash of the first .bin, which stays
                model.set_rt_info(each.to_text(), [KEY])
                openvino.save_model(model, temporary_xml, compress_to_fp16=False)
                each = replace(each, weights_sha256=sha256(temporary_bin))
            forward, _ = open_exported("openvino", temporary_xml, "float32", path)
            found += check_parity(network, forward, each, real)
        half, _ = open_exported("openvino", temporary_xml, "bfloat16", path)
        if metadata.size is None:
            batches = real or [random_inputs(metadata, 1, *TRACED_AT)]
            told = "in bfloat16, " + ("a real frame" if real else "noise")
            found += [compare(network, half, batch, told, strict=False) for batch in batches]
        with write_whole(path.with_suffix(".bin")) as written:
            temporary_bin.rename(written)
    return found


def _any_size_first(metadata: Metadata) -> list[Metadata]:
    """Say what is exported to be compared: a file for any size, then that for the size wished."""
    any_size = replace(metadata, size=None)
    return [any_size] if metadata.size is None else [any_size, metadata]


@contextlib.contextmanager
def _pair(path: Path) -> Iterator[tuple[Path, Path]]:
    """Give temporary paths of an .xml and its .bin; only the .xml is put in its place."""
    with write_whole(path) as temporary:
        beside = temporary.with_suffix(".bin")
        try:
            yield temporary, beside
        finally:
            with contextlib.suppress(OSError):
                beside.unlink()


def write_safetensors(path: Path, metadata: Metadata, checkpoint: Checkpoint) -> None:
    """Write the weights that predict, and the metadata, as a safetensors file."""
    from safetensors.torch import save

    params = {key: value.contiguous() for key, value in checkpoint["params"].items()}
    content = save(params, {KEY: metadata.to_text(), "format": "pt"})
    with write_whole(path) as temporary:
        temporary.write_bytes(content)
