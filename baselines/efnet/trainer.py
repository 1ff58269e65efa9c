"""The training loop: step, log, save, validate."""

from __future__ import annotations

import dataclasses
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from baselines.efnet.checkpoint import (
    Checkpoint,
    load_checkpoint,
    load_weights,
    new_network,
    save_checkpoint,
)
from baselines.efnet.config import Config
from baselines.efnet.crops import training_batches
from baselines.efnet.device import autocast, choose_device
from baselines.efnet.inputs import Batch, to_device
from baselines.efnet.losses import psnr_loss
from baselines.efnet.restorer import EfnetRestorer
from baselines.efnet.training_log import TrainingLog
from baselines.restorer import Restorer
from challenge.datasets import Dataset
from challenge.errors import ChallengeError, DataError
from challenge.images import read_png, write_png
from challenge.metrics.profiles import Profile, score_pair


@dataclasses.dataclass(frozen=True)
class Scores:
    """Means over the validation frames."""

    psnr: float  # dB
    ssim: float


def learning_rate(iteration: int, config: Config) -> float:
    """Half a cosine from `learning_rate` to `final_learning_rate` over all iterations."""
    first, last = config.train.learning_rate, config.train.final_learning_rate
    share = iteration / config.train.iterations
    return last + (first - last) * (1.0 + math.cos(math.pi * share)) / 2.0


def validate(restorer: Restorer, dataset: Dataset, profile: Profile, folder: Path) -> Scores:
    """Restore every frame, write it as PNG to `folder`, and score what was written.

    Args:
        restorer: what is judged.
        dataset: with sharp images.
        profile: the metric profile, as the challenge's rules name it.
        folder: where the PNGs go.
    """
    rows = []
    for index in range(len(dataset)):
        sample = dataset[index]
        assert sample.sharp is not None
        path = folder / f"{sample.frame}.png"
        write_png(path, restorer(sample))
        rows.append(score_pair(profile, read_png(path), sample.sharp))
    return mean_scores(rows)


def blurry_scores(dataset: Dataset, profile: Profile) -> Scores:
    """The scores of the input itself; events are not read."""
    rows = [
        score_pair(profile, dataset.read_blurry(frame), dataset.read_sharp(frame))
        for frame in dataset.frames
    ]
    return mean_scores(rows)


def mean_scores(rows: list[dict[str, float]]) -> Scores:
    """The mean over images."""
    psnr, ssim = (float(np.mean([row[key] for row in rows])) for key in ("psnr", "ssim"))
    return Scores(psnr, ssim)


class Training:
    """The state of one training: network, optimiser, iteration, best score."""

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
        self.iteration = 0
        self.best_psnr: float | None = None

    def restorer(self) -> EfnetRestorer:
        """The network as it is now."""
        data, precision = self.config.data, self.config.train.precision
        return EfnetRestorer(self.network, self.device, precision, data.event_mask)

    def step(self, batch: Batch) -> torch.Tensor:
        """One iteration; returns the loss, still on the device."""
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
        self.iteration += 1
        return loss.detach()

    def checkpoint(self) -> Checkpoint:
        """What `last.pth` holds."""
        return self.weights() | {"optimiser": self.optimiser.state_dict()}

    def weights(self) -> Checkpoint:
        """What `best.pth` holds: enough to predict."""
        return {
            "params": self.network.state_dict(),
            "config": dataclasses.asdict(self.config),
            "iteration": self.iteration,
            "best_psnr": self.best_psnr,
        }

    def resume(self, path: Path) -> None:
        """Go on from a `last.pth`."""
        checkpoint = load_checkpoint(path)
        load_weights(self.network, checkpoint["params"], path)
        if "optimiser" not in checkpoint:
            raise DataError(
                f"{path}: holds weights only; start from them with train.weights={path}"
            )
        self.optimiser.load_state_dict(checkpoint["optimiser"])
        self.iteration, self.best_psnr = checkpoint["iteration"], checkpoint["best_psnr"]


def train(training: Training, frames: Dataset, judge: Callable[[], Scores] | None) -> None:
    """Run the iterations that are left: step, log, save, validate.

    `last.pth` is also written when the loop is left by Ctrl-C or by an error in the data.
    """
    settings, folder = training.config.train, training.folder
    log = TrainingLog(folder, training.iteration)
    batches = training_batches(
        frames, training.config.data, settings, training.iteration, training.device.type == "cuda"
    )
    bar = tqdm(
        total=settings.iterations * settings.batch,
        initial=training.iteration * settings.batch,
        desc=folder.name,
        unit=" images",
        mininterval=0.5 if sys.stderr.isatty() else 20.0,
        smoothing=0.05,
        dynamic_ncols=True,
    )
    losses: list[torch.Tensor] = []
    shown: dict[str, str] = {}
    since = time.perf_counter()
    try:
        with bar:
            for batch in batches:
                losses.append(training.step(batch))
                bar.update(settings.batch)
                iteration = training.iteration
                last = iteration == settings.iterations
                if iteration % settings.log_every == 0 or last:
                    loss = float(torch.stack(losses).mean())
                    refuse_nonsense(loss, iteration)
                    now = time.perf_counter()
                    speed = len(losses) * settings.batch / (now - since)
                    rate = training.optimiser.param_groups[0]["lr"]
                    log.write(iteration, loss=loss, learning_rate=rate, images_per_s=speed)
                    shown["loss"] = f"{loss:.2f}"
                    bar.set_postfix(shown)
                    losses, since = [], now
                if judge and (iteration % settings.validate_every == 0 or last):
                    scores = judge()
                    log.write(iteration, val_psnr=scores.psnr, val_ssim=scores.ssim)
                    shown["val PSNR"] = f"{scores.psnr:.2f} dB"
                    bar.set_postfix(shown)
                    if training.best_psnr is None or scores.psnr > training.best_psnr:
                        training.best_psnr = scores.psnr
                        save_checkpoint(folder / "best.pth", training.weights())
                    since = time.perf_counter()
                if iteration % settings.save_every == 0 or last:
                    save_checkpoint(folder / "last.pth", training.checkpoint())
    except KeyboardInterrupt:
        save_checkpoint(folder / "last.pth", training.checkpoint())
        raise
    except DataError as error:
        save_checkpoint(folder / "last.pth", training.checkpoint())
        # a worker process adds its traceback; what it says last is the error itself
        raise DataError(str(error).strip().rpartition("DataError: ")[2]) from error
    finally:
        log.close()


def refuse_nonsense(loss: float, iteration: int) -> None:
    """Raise ChallengeError if the loss is no number: the checkpoints on disk are from before."""
    if not math.isfinite(loss):
        raise ChallengeError(
            f"the loss is {loss} at iteration {iteration}; try a lower train.learning_rate, "
            "or train.precision=float32; the checkpoints on disk are from before"
        )
