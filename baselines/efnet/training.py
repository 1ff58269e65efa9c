"""The state of one training: network, optimiser, and how a step changes them."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from baselines.distributed import World, losses_noticed
from baselines.efnet.checkpoint import GATE, Checkpoint, load_weights, new_network
from baselines.efnet.config import Config
from baselines.efnet.device import (
    autocast,
    choose_device,
    compiled,
    is_fused,
    lay_out,
    tuned_to_one_size,
)
from baselines.efnet.inference import Inference
from baselines.efnet.inputs import Batch, Reading, to_device
from baselines.efnet.losses import psnr_losses
from baselines.efnet.model import EFNet
from baselines.efnet.restorer import EfnetRestorer
from baselines.efnet.validation import Scores


def learning_rate(iteration: int, config: Config) -> float:
    """Follow half a cosine from `learning_rate` to `final_learning_rate` over all iterations."""
    first, last = config.train.learning_rate, config.train.final_learning_rate
    share = iteration / config.train.iterations
    return last + (first - last) * (1.0 + math.cos(math.pi * share)) / 2.0


def shared(network: EFNet, device: torch.device) -> torch.nn.Module:
    """Wrap a network so that processes average their gradients, while these are computed."""
    indices = [device.index] if device.type == "cuda" else None
    # of 1x1 weights, which lie in both orders at once
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
    return torch.nn.parallel.DistributedDataParallel(
        network, device_ids=indices, gradient_as_bucket_view=True
    )


class Step(NamedTuple):
    """What one iteration found, on the mean over all processes."""

    loss: float
    gradient_norm: float  # before it was clipped; NaN or infinite: the step was skipped
    stages: Sequence[float] = ()  # what each adds to the loss; () in older checkpoints


class Training:
    """The state of one training: network, optimiser, iteration, best score; with `train.ema` also
    the running mean of the weights, M = ema * M + (1 - ema) * W after each iteration, from the
    first weights on.

    All that decides how it goes on is in its checkpoint, the steps since the last row of the log
    among it: no row depends on where a training was stopped.
    """

    def __init__(self, config: Config, folder: Path, world: World | None = None) -> None:
        self.config, self.folder, self.world = config, folder, world or World()
        self.device = choose_device(config.train.device, self.world.local_rank)
        torch.manual_seed(config.train.seed)
        self.network = new_network(config).to(self.device)
        lay_out(self.network, self.device, config.train.channels_last)
        for name, parameter in self.network.named_parameters():
            if GATE in name:  # takes no part without a mask: processes would wait for its gradients
                parameter.requires_grad_(config.data.event_mask)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(),
            lr=config.train.learning_rate,
            weight_decay=config.train.weight_decay,
            betas=(config.train.betas[0], config.train.betas[1]),
            fused=is_fused(self.device, config.train.fused) or None,  # None: as torch would
        )
        # float16 loses small gradients: they are computed of a multiple of the loss
        self.scaler = torch.amp.GradScaler(
            self.device.type, enabled=config.train.precision == "float16"
        )
        # what steps call; state_dict, validation and checkpoints are those of `network`
        called = shared(self.network, self.device) if self.world.size > 1 else self.network
        self.called = compiled(called, self.device) if config.train.compile else called
        self.average: AveragedModel | None = None
        if config.train.ema:
            mean = get_ema_multi_avg_fn(config.train.ema)  # type: ignore[no-untyped-call]
            self.average = AveragedModel(self.network, multi_avg_fn=mean)
        self.iteration = 0
        self.validated = 0  # the iteration that was last validated
        self.best_psnr: float | None = None
        self.steps: list[Step] = []  # since the last row of the log
        # of each step in a row, up to the last one, the processes whose loss was no number
        self.skipped: list[tuple[int, ...]] = []

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

    def step(self, batch: Batch) -> Step:
        """Run one iteration.

        A step whose loss or gradient is no finite number is skipped: weights, optimiser and running
        mean stay as they are. The gradient alone tells: that of such a loss is made NaN, so that
        processes which share their gradients agree. To ask makes a GPU wait for the processor once
        a step.
        """
        blurry, voxel, mask, sharp = to_device(batch, self.device)
        assert sharp is not None
        self._set_rate(self.iteration)
        self.network.train()
        self.optimiser.zero_grad(set_to_none=True)
        with tuned_to_one_size(self.device):
            with autocast(self.device, self.config.train.precision):
                stages = self.called(blurry, voxel, mask)
            losses = psnr_losses(stages, sharp, self.config.train.loss_weight)
            loss = losses.sum()
            told = loss * torch.where(loss.isfinite(), 1.0, math.nan)
            with losses_noticed():
                self.scaler.scale(told).backward()  # type: ignore[no-untyped-call]
        self.scaler.unscale_(self.optimiser)
        norm = torch.nn.utils.clip_grad_norm_(
            self.network.parameters(), self.config.train.clip_norm
        )
        found_norm, *own = torch.stack([norm, loss.detach(), *losses.detach()]).tolist()
        found = self.world.gather(own)
        mean_loss, *of_stages = (sum(each) / len(each) for each in zip(*found, strict=True))
        step = Step(mean_loss, found_norm, tuple(of_stages))
        if is_sound(step):
            self.scaler.step(self.optimiser)
            if self.average:
                self.average.update_parameters(self.network)
        self.scaler.update()
        culprits = tuple(rank for rank, each in enumerate(found) if not math.isfinite(each[0]))
        self.skipped = [] if is_sound(step) else [*self.skipped, culprits]
        self.iteration += 1
        self.steps.append(step)
        return step

    @property
    def rate(self) -> float:
        """The learning rate of the last step."""
        return float(self.optimiser.param_groups[0]["lr"])

    def _set_rate(self, iteration: int) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(iteration, self.config)

    def is_due(self, every: int) -> bool:
        """Say whether something done `every` so many iterations, and at the end, is due now."""
        return self.iteration % every == 0 or self.iteration == self.config.train.iterations

    def owes_validation(self) -> bool:
        """Say whether this iteration is to be validated and was not: stopped in the middle of it.

        A kill never leaves it so: what is saved by itself is saved after the validation.
        """
        due = self.iteration > 0 and self.is_due(self.config.train.validate_every)
        return due and self.validated != self.iteration

    def is_best(self, scores: Scores) -> bool:
        """Take note of a validation: say whether these are the best scores so far; keep them if so.

        Single weights of a short training differ by a decibel from one validation to the next, and
        the best of them is a lucky draw; their running mean changes slowly, and so does its score.
        """
        self.validated = self.iteration
        better = self.best_psnr is None or scores.psnr > self.best_psnr
        if better:
            self.best_psnr = scores.psnr
        return better

    def checkpoint(self) -> Checkpoint:
        """Collect what `last.pth` holds."""
        trained = {"trained": self.network.state_dict()} if self.average else {}
        return (
            self.weights()
            | trained
            | {
                "optimiser": self.optimiser.state_dict(),
                "scaler": self.scaler.state_dict(),
                "validated": self.validated,
                "skipped_by": self.skipped,
                "steps": [tuple(step) for step in self.steps],
                "averaged": int(self.average.n_averaged) if self.average else 0,
            }
        )

    def weights(self) -> Checkpoint:
        """Collect what `best.pth` holds: enough to predict."""
        return {
            "params": self.judged.state_dict(),
            "config": dataclasses.asdict(self.config),
            "iteration": self.iteration,
            "best_psnr": self.best_psnr,
        }

    def resume(self, checkpoint: Checkpoint, path: Path) -> None:
        """Go on from what `last.pth` holds; settings are those of now, not those in it.

        Args:
            checkpoint: as `checkpoint` collected it; older ones lack some of it.
            path: where it was read, for messages.

        Raises:
            DataError: of another network.
        """
        load_weights(self.judged, checkpoint["params"], path)
        load_weights(self.network, checkpoint.get("trained") or checkpoint["params"], path)
        groups = self.optimiser.state_dict()["param_groups"]
        state = checkpoint["optimiser"]["state"]
        self.optimiser.load_state_dict({"state": state, "param_groups": groups})
        for parameter, moments in self.optimiser.state.items():
            for name, moment in moments.items():
                if moment.shape == parameter.shape:  # a fused step takes for granted that both are
                    moments[name] = torch.empty_like(parameter).copy_(moment)  # ordered alike
        if checkpoint.get("scaler") and self.scaler.is_enabled():
            self.scaler.load_state_dict(checkpoint["scaler"])
        self.iteration, self.best_psnr = checkpoint["iteration"], checkpoint["best_psnr"]
        self.validated = checkpoint.get("validated", self.iteration)
        self.skipped = [tuple(culprits) for culprits in checkpoint.get("skipped_by", [])]
        self.steps = [Step(*step) for step in checkpoint.get("steps", [])]
        self._set_rate(max(self.iteration - 1, 0))
        if self.average:
            self.average.n_averaged.fill_(checkpoint.get("averaged", self.iteration))


def is_sound(step: Step) -> bool:
    """Say whether a step was taken, and not skipped."""
    return math.isfinite(step.gradient_norm)
