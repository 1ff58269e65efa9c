"""The state of one training: network, optimiser, and how a step changes them."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from baselines.efnet.checkpoint import Checkpoint, load_checkpoint, load_weights, new_network
from baselines.efnet.config import Config
from baselines.efnet.device import autocast, choose_device
from baselines.efnet.inference import Inference
from baselines.efnet.inputs import Batch, Reading, to_device
from baselines.efnet.losses import psnr_loss
from baselines.efnet.model import EFNet
from baselines.efnet.restorer import EfnetRestorer
from baselines.efnet.validation import Scores
from challenge.errors import DataError


def learning_rate(iteration: int, config: Config) -> float:
    """Follow half a cosine from `learning_rate` to `final_learning_rate` over all iterations."""
    first, last = config.train.learning_rate, config.train.final_learning_rate
    share = iteration / config.train.iterations
    return last + (first - last) * (1.0 + math.cos(math.pi * share)) / 2.0


class Training:
    """The state of one training: network, optimiser, iteration, best score; with `train.ema` also
    the running mean of the weights, M = ema * M + (1 - ema) * W after each iteration, from the
    first weights on.
    """

    def __init__(self, config: Config, folder: Path) -> None:
        self.config, self.folder = config, folder
        self.device = choose_device(config.train.device)
        torch.manual_seed(config.train.seed)
        self.network = new_network(config).to(self.device)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(),
            lr=config.train.learning_rate,
            weight_decay=config.train.weight_decay,
            betas=(config.train.betas[0], config.train.betas[1]),
        )
        self.average: AveragedModel | None = None
        if config.train.ema:
            mean = get_ema_multi_avg_fn(config.train.ema)  # type: ignore[no-untyped-call]
            self.average = AveragedModel(self.network, multi_avg_fn=mean)
        self.iteration = 0
        self.best_psnr: float | None = None

    @property
    def judged(self) -> EFNet:
        """The network that validates and predicts: the mean of the weights where there is one."""
        network = self.average.module if self.average else self.network
        assert isinstance(network, EFNet)
        return network

    def restorer(self) -> EfnetRestorer:
        """Wrap the network as it is now."""
        reading = Reading.of_config(dataclasses.asdict(self.config.data))
        tile, precision = self.config.train.tile, self.config.train.precision
        settings = Inference(tiles=() if tile is None else (tile,))
        return EfnetRestorer(self.judged, self.device, precision, reading, settings)

    def step(self, batch: Batch) -> torch.Tensor:
        """Run one iteration; return the loss, a scalar that is still on the device."""
        blurry, voxel, mask, sharp = to_device(batch, self.device)
        assert sharp is not None
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.iteration, self.config)
        self.network.train()
        with autocast(self.device, self.config.train.precision):
            stages = self.network(blurry, voxel, mask)
        loss = psnr_loss(stages, sharp, self.config.train.loss_weight)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.train.clip_norm)
        self.optimiser.step()
        if self.average:
            self.average.update_parameters(self.network)
        self.iteration += 1
        return loss.detach()

    def is_due(self, every: int) -> bool:
        """Say whether something done `every` so many iterations, and at the end, is due now."""
        return self.iteration % every == 0 or self.iteration == self.config.train.iterations

    def is_best(self, scores: Scores) -> bool:
        """Say whether these are the best scores so far; keep them if they are.

        Single weights of a short training differ by a decibel from one validation to the next, and
        the best of them is a lucky draw; their running mean changes slowly, and so does its score.
        """
        better = self.best_psnr is None or scores.psnr > self.best_psnr
        if better:
            self.best_psnr = scores.psnr
        return better

    def checkpoint(self) -> Checkpoint:
        """Collect what `last.pth` holds."""
        trained = {"trained": self.network.state_dict()} if self.average else {}
        return self.weights() | trained | {"optimiser": self.optimiser.state_dict()}

    def weights(self) -> Checkpoint:
        """Collect what `best.pth` holds: enough to predict."""
        return {
            "params": self.judged.state_dict(),
            "config": dataclasses.asdict(self.config),
            "iteration": self.iteration,
            "best_psnr": self.best_psnr,
        }

    def resume(self, path: Path) -> None:
        """Go on from a `last.pth`."""
        checkpoint = load_checkpoint(path)
        load_weights(self.judged, checkpoint["params"], path)
        load_weights(self.network, checkpoint.get("trained") or checkpoint["params"], path)
        if "optimiser" not in checkpoint:
            raise DataError(
                f"{path}: holds weights only; start from them with train.weights={path}"
            )
        self.optimiser.load_state_dict(checkpoint["optimiser"])
        self.iteration, self.best_psnr = checkpoint["iteration"], checkpoint["best_psnr"]
        if self.average:
            self.average.n_averaged.fill_(self.iteration)
