"""EFNet as a baseline: a checkpoint of ours, or of the published code."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from baselines.efnet.device import choose_device, device_name, lay_out
from baselines.efnet.device_inputs import inputs_on
from baselines.efnet.engines import (
    Forward,
    choose_engine,
    has_own_engine,
    open_exported,
    torch_forward,
)
from baselines.efnet.exporting import load_described, onnx_of
from baselines.efnet.inference import Inference
from baselines.efnet.inputs import Batch, Reading, arrays_of, inputs_of, to_device
from baselines.efnet.local import attend_locally
from baselines.efnet.memory import (
    largest_tile,
    memory_in_words,
    out_of_memory_is,
    require_memory,
)
from baselines.efnet.metadata import Metadata
from baselines.efnet.model import EFNet
from baselines.efnet.tiles import composed
from challenge.datasets import Dataset
from challenge.errors import ConfigError, DataError
from challenge.images import to_uint8
from challenge.sample import Sample


class EfnetRestorer:
    """Restores whole frames with a trained network, which also says how many time bins it takes."""

    def __init__(
        self,
        network: EFNet,
        device: torch.device,
        precision: str,
        reading: Reading,
        settings: Inference | None = None,
        forward: Forward | None = None,
        made_for: tuple[int, int] | None = None,
    ) -> None:
        """Prepare to restore.

        Args:
            network: is put on the device; with `settings.local` it is changed. With a `forward` it
                is what that computes, and may be without content, on the device "meta".
            precision: the network's, unless the settings name one.
            reading: how the network reads a sample.
            settings: tiles left to memory are chosen by `fit`, at the latest for the first frame,
                and again for a larger one.
            forward: computes the network by another engine; None: torch does.
            made_for: (H, W) in pixels that `forward` takes alone; None: it takes any.
        """
        settings = settings or Inference()
        self.wf = network.conv_01.out_channels
        self.parameters = sum(parameter.numel() for parameter in network.parameters())
        if settings.local:
            attend_locally(network, settings.local)
        self.network = network.eval() if forward else network.to(device).eval()
        self.torch_device, self.reading, self.made_for = device, reading, made_for
        self.settings = replace(settings, precision=settings.precision or precision)
        self.asked, self.fitted = settings.tiles, 0  # pixels of the largest frame that fits
        self.device, self.bins = device_name(device), reading.representation.bins
        words = f"; {settings.in_words()}" if settings.in_words() else ""
        self.description = f"EFNet (ECCV 2022), {self.parameters / 1e6:.2f} M parameters{words}"
        self.forward = forward or torch_forward(self.network, device, self.precision)

    @property
    def precision(self) -> str:
        """ "auto", "float32" or "bfloat16"."""
        assert self.settings.precision is not None
        return self.settings.precision

    def __call__(self, sample: Sample) -> np.ndarray:
        return to_uint8(self.estimate(sample))

    def estimate(self, sample: Sample) -> np.ndarray:
        """Restore one frame: (H, W, 3) float32 RGB, about 0 to 1, neither clipped nor rounded."""
        size, dtype = sample.blurry.shape, sample.blurry.dtype
        if len(size) != 3 or size[2] != 3 or dtype != np.uint8:
            raise DataError(f"{sample.frame}: expected (H, W, 3) uint8 RGB, found {size} {dtype}")
        height, width = size[:2]
        if not self.asked and height * width > self.fitted:
            self.fit((height, width), sample.frame)
        full = (
            f"{sample.frame}: {self.device} has too little memory for a frame of {width}x{height} "
            "(width x height) restored so; use smaller tiles (--tile 256), another --device, a "
            "network of smaller width, or --baseline edi"
        )
        forward = composed(self.forward, self.settings)
        with out_of_memory_is(full), torch.inference_mode():
            batch = self.batch_of(sample)
            restored = forward(batch.blurry, batch.voxel, batch.mask)
        image: np.ndarray = restored[0].permute(1, 2, 0).cpu().numpy()
        return image[:, :, ::-1] if self.reading.channel_order == "bgr" else image

    def batch_of(self, sample: Sample) -> Batch:
        """Make what the network sees; of a whole frame's events on the GPU, if there is one."""
        reading, device = self.reading, self.torch_device
        if device.type == "cuda" and sample.events is not None and sample.span is None:
            return inputs_on(device, sample, sample.events, reading)
        return to_device(inputs_of(arrays_of(sample, reading), reading), device)

    def fit(self, size: tuple[int, int], what: str) -> str:
        """Choose tiles that memory holds, unless the settings name some; keep them in `settings`.

        Args:
            size: (height, width) of the largest frame, in pixels.
            what: would restore it, for the message.

        Returns:
            What was chosen, and why, in a sentence; "" where frames are whole.

        Raises:
            ChallengeError: memory cannot hold the tiles asked for, or not even the smallest.
        """
        (height, width), asked = size, self.asked or self._made_for(size)
        said, engine = self.settings.memory, self.settings.engine or "torch"
        place = (self.wf, height, width, self.torch_device, self.precision)
        sides = asked or (largest_tile(*place, said, engine),)
        for side in sides:
            part = (min(side, height), min(side, width)) if side else size
            require_memory(self.wf, *part, *place[3:], what, said, engine)
        self.settings, self.fitted = replace(self.settings, tiles=sides), height * width
        if not any(side and side < max(size) for side in sides):
            return ""
        tiles = " and ".join(str(side) if side else "the whole frame" for side in sides)
        overlaps = " and ".join(str(self.settings.overlap_of(side)) for side in sides if side)
        why = "as asked" if asked else memory_in_words(*place, said, engine)
        return f"{what}: in tiles of {tiles} pixels that overlap by {overlaps}, {why}"

    def _made_for(self, size: tuple[int, int]) -> tuple[int, ...]:
        """Choose the tiles that the engine was made for; () where it takes any."""
        if self.made_for is None:
            return ()
        return (0,) if self.made_for == size else (max(self.made_for),)

    def meta_call(self, height: int, width: int) -> Callable[[], object]:
        """Make a call of the network for a whole frame on tensors without content, to be counted.

        Args:
            height, width: of the frame, in pixels.
        """
        network = copy.deepcopy(self.network).to("meta")
        channels = [3, network.ev_chn, *[1] * self.reading.event_mask]
        inputs = [torch.empty(1, each, height, width, device="meta") for each in channels]
        return lambda: network(*inputs)


def load(
    dataset: Dataset, checkpoint: Path | None, device: str, settings: Inference | None = None
) -> EfnetRestorer:
    """Load a checkpoint, or a file that was exported from one.

    Ours run as they were trained. Published ones run in float32, and as the trainings did that they
    seem to come from; a warning says so (see `published_reading`). A sentence says so where frames
    are restored in tiles.

    Args:
        dataset: whose frames will be restored.
        checkpoint: of ours, published, or an exported file.
        device: "auto", "cpu", "cuda" or "cuda:1".
        settings: of restoring.

    Raises:
        ConfigError: no checkpoint given, no such device or engine, or not for these settings.
        DataError: the checkpoint cannot be used.
        ChallengeError: memory cannot hold what is to be restored at once.
    """
    if checkpoint is None:
        raise ConfigError(
            "efnet needs a checkpoint: --checkpoint FILE, or `bash run.sh train` first"
        )
    restorer = load_file(checkpoint, device, settings, dataset.stored_kind)
    if told := restorer.fit(largest_frame(dataset), "predict"):
        print(told)
    return restorer


def load_file(
    checkpoint: Path, device: str, settings: Inference | None, stored_kind: str | None = None
) -> EfnetRestorer:
    """Load a checkpoint, or a file that was exported from one, for frames of any size.

    Arguments and errors as of `load`.

    Args:
        stored_kind: of the grids that the data have stored; None where they have raw events.
    """
    settings = settings or Inference()
    engine = choose_engine(settings.engine, checkpoint)
    settings = replace(settings, engine=engine)
    if engine != "torch":
        return _by_engine(engine, checkpoint, stored_kind, device, settings)
    network, metadata, _ = load_described(checkpoint, stored_kind)
    target = choose_device(device)
    lay_out(network, target)
    return EfnetRestorer(network, target, metadata.precision, metadata.reading, settings)


def _by_engine(
    engine: str, checkpoint: Path, stored_kind: str | None, device: str, settings: Inference
) -> EfnetRestorer:
    """Load an exported file, or a checkpoint that is exported now, in memory: that takes a second,
    and nothing is left that could be out of date.
    """
    if settings.local:
        raise ConfigError(f"--engine {engine}: has no --local; leave out one of them")
    if device not in ("auto", "cpu"):
        raise ConfigError(f"--engine {engine}: runs on the processor; leave out --device {device}")
    if engine == "onnxruntime" and settings.precision == "bfloat16":
        raise ConfigError("--engine onnxruntime: computes in float32; leave out --precision")
    model: Path | bytes = checkpoint
    if not has_own_engine(checkpoint):
        model = onnx_of(*load_described(checkpoint, stored_kind)[:2])
    forward, metadata = open_exported(engine, model, settings.precision, checkpoint)
    structure, cpu = network_on_meta(metadata), torch.device("cpu")
    precision = metadata.precision if engine == "openvino" else "float32"
    return EfnetRestorer(
        structure, cpu, precision, metadata.reading, settings, forward, metadata.size
    )


def network_on_meta(metadata: Metadata) -> EFNet:
    """Make the network that a file was exported from, without content: its structure alone."""
    with torch.device("meta"):
        return EFNet(ev_chn=metadata.channels, **metadata.config["network"])


def largest_frame(dataset: Dataset) -> tuple[int, int]:
    """Find the (height, width) in pixels of the frame with the most of them."""
    sizes = (dataset.frame_size(frame) for frame in dataset.frames)
    return max(sizes, key=lambda size: size[0] * size[1])
