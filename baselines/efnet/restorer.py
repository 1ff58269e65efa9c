"""EFNet as a baseline: a checkpoint of ours, or of the published code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from baselines.efnet.checkpoint import load_checkpoint, network_of
from baselines.efnet.device import autocast, choose_device, device_name
from baselines.efnet.inputs import grid_of, inputs_of, to_device
from baselines.efnet.model import EFNet
from challenge.datasets import Dataset
from challenge.errors import ChallengeError, ConfigError
from challenge.images import to_uint8
from challenge.sample import Sample


class EfnetRestorer:
    """Restores whole frames with a trained network, which also says how many time bins it takes."""

    def __init__(
        self, network: EFNet, device: torch.device, precision: str, with_mask: bool
    ) -> None:
        self.network = network.to(device).eval()
        self.torch_device, self.precision, self.with_mask = device, precision, with_mask
        self.device = device_name(device)
        self.parameters = sum(parameter.numel() for parameter in network.parameters())
        self.description = f"EFNet (ECCV 2022), {self.parameters / 1e6:.2f} M parameters"

    def __call__(self, sample: Sample) -> np.ndarray:
        grid = grid_of(sample, self.network.ev_chn)
        batch = to_device(inputs_of(sample.blurry, grid, None, self.with_mask), self.torch_device)
        try:
            with torch.inference_mode(), autocast(self.torch_device, self.precision):
                restored = self.network(batch.blurry, batch.voxel, batch.mask)[-1]
        except torch.OutOfMemoryError as error:
            height, width = sample.blurry.shape[:2]
            raise ChallengeError(
                f"{sample.frame}: {self.device} has too little memory for a whole frame of "
                f"{width}x{height}; use --device cpu or a network of smaller width"
            ) from error
        return to_uint8(restored[0].float().permute(1, 2, 0).cpu().numpy())


def load(dataset: Dataset, checkpoint: Path | None, device: str) -> EfnetRestorer:
    """Load a checkpoint.

    Published ones run in float32 without an event mask, ours as they were trained.

    Raises:
        ConfigError: no checkpoint given, or no such device.
        DataError: the checkpoint cannot be used.
    """
    if checkpoint is None:
        raise ConfigError(
            "efnet needs a checkpoint: --checkpoint FILE, or `bash run.sh train` first"
        )
    loaded = load_checkpoint(checkpoint)
    config = loaded.get("config", {})
    return EfnetRestorer(
        network_of(loaded, checkpoint),
        choose_device(device),
        precision=config.get("train", {}).get("precision", "float32"),
        with_mask=config.get("data", {}).get("event_mask", False),
    )
