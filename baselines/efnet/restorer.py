"""EFNet as a baseline: a checkpoint of ours, or of the published code."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from baselines.efnet.checkpoint import load_checkpoint, network_of, published_reading
from baselines.efnet.device import choose_device, device_name
from baselines.efnet.device_inputs import inputs_on
from baselines.efnet.engines import torch_forward
from baselines.efnet.inputs import Batch, Reading, arrays_of, inputs_of, to_device
from baselines.efnet.memory import out_of_memory_is, require_memory
from baselines.efnet.model import EFNet
from challenge import cli
from challenge.datasets import Dataset
from challenge.errors import ConfigError
from challenge.images import to_uint8
from challenge.sample import Sample


class EfnetRestorer:
    """Restores whole frames with a trained network, which also says how many time bins it takes."""

    def __init__(
        self, network: EFNet, device: torch.device, precision: str, reading: Reading
    ) -> None:
        self.network = network.to(device).eval()
        self.torch_device, self.precision, self.reading = device, precision, reading
        self.forward = torch_forward(self.network, device, precision)
        self.device, self.bins = device_name(device), reading.representation.bins
        self.parameters = sum(parameter.numel() for parameter in network.parameters())
        self.description = f"EFNet (ECCV 2022), {self.parameters / 1e6:.2f} M parameters"

    def __call__(self, sample: Sample) -> np.ndarray:
        height, width = sample.blurry.shape[:2]
        full = (
            f"{sample.frame}: {self.device} has too little memory for a whole frame of "
            f"{width}x{height} (width x height); use another --device, a network of smaller width, "
            "smaller frames, or --baseline edi"
        )
        with out_of_memory_is(full), torch.inference_mode():
            batch = self.batch_of(sample)
            restored = self.forward(batch.blurry, batch.voxel, batch.mask)
        image = to_uint8(restored[0].permute(1, 2, 0).cpu().numpy())
        return image[:, :, ::-1] if self.reading.channel_order == "bgr" else image

    def batch_of(self, sample: Sample) -> Batch:
        """Make what the network sees; of a whole frame's events on the GPU, if there is one."""
        reading, device = self.reading, self.torch_device
        if device.type == "cuda" and sample.events is not None and sample.span is None:
            return inputs_on(device, sample, sample.events, reading)
        return to_device(inputs_of(arrays_of(sample, reading), reading), device)

    def meta_call(self, height: int, width: int) -> Callable[[], object]:
        """Make a call of the network for a whole frame on tensors without content, to be counted.

        Args:
            height, width: of the frame, in pixels.
        """
        network = copy.deepcopy(self.network).to("meta")
        channels = [3, network.ev_chn, *[1] * self.reading.event_mask]
        inputs = [torch.empty(1, each, height, width, device="meta") for each in channels]
        return lambda: network(*inputs)

    def require_memory(self, dataset: Dataset, what: str) -> None:
        """Refuse frames that memory cannot hold (see `baselines.efnet.memory`).

        Args:
            dataset: whose first frame stands for all.
            what: would restore them, for the message.
        """
        height, width = dataset.read_blurry(dataset.frames[0]).shape[:2]
        wf = self.network.conv_01.out_channels
        require_memory(wf, height, width, self.torch_device, self.precision, what)


def load(dataset: Dataset, checkpoint: Path | None, device: str) -> EfnetRestorer:
    """Load a checkpoint.

    Ours run as they were trained. Published ones run in float32, and as the trainings did that they
    seem to come from; a warning says so (see `published_reading`).

    Raises:
        ConfigError: no checkpoint given, or no such device.
        DataError: the checkpoint cannot be used.
        ChallengeError: memory cannot hold a whole frame.
    """
    if checkpoint is None:
        raise ConfigError(
            "efnet needs a checkpoint: --checkpoint FILE, or `bash run.sh train` first"
        )
    loaded = load_checkpoint(checkpoint)
    network = network_of(loaded, checkpoint)
    if "config" in loaded:
        reading = Reading.of_config({"bins": network.ev_chn} | loaded["config"].get("data", {}))
    else:
        reading, why = published_reading(
            loaded["params"], network.ev_chn, checkpoint, dataset.stored_kind
        )
        cli.warn_once(why)
    config = loaded.get("config", {})
    precision = config.get("train", {}).get("precision", "float32")
    restorer = EfnetRestorer(network, choose_device(device), precision, reading)
    restorer.require_memory(dataset, "predict")
    return restorer
