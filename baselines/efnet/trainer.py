"""The training loop: step, log, validate, save."""

from __future__ import annotations

import dataclasses
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
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
from baselines.efnet.inputs import Batch, Reading, to_device
from baselines.efnet.losses import psnr_loss
from baselines.efnet.model import EFNet
from baselines.efnet.restorer import EfnetRestorer
from baselines.efnet.training_log import TrainingLog
from baselines.efnet.validation import Scores
from challenge.datasets import Dataset
from challenge.errors import ChallengeError, DataError


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
        return EfnetRestorer(self.judged, self.device, self.config.train.precision, reading)

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


class Report:
    """What a training writes and shows: log, progress, checkpoints.

    Nothing else of the loop writes: of several processes, one alone can be the one that does.
    """

    def __init__(self, training: Training) -> None:
        settings = training.config.train
        self.training, self.batch = training, settings.batch
        self.log = TrainingLog(training.folder, training.iteration)
        self.bar = tqdm(
            total=settings.iterations * settings.batch,
            initial=training.iteration * settings.batch,
            desc=training.folder.name,
            unit=" images",
            mininterval=0.5 if sys.stderr.isatty() else 20.0,
            smoothing=0.05,
            dynamic_ncols=True,
        )
        self.losses: list[torch.Tensor] = []  # since the last row of the log
        self.since = time.perf_counter()
        self.waited = self.waited_in_all = self.trained_in_all = 0.0  # seconds
        self.shown: dict[str, str] = {}

    def waiting(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Pass on batches, and take note of how long the loop waits for each.

        On a GPU some of that is hidden: it may still be at work on the step before.
        """
        iterator = iter(batches)
        while True:
            began = time.perf_counter()
            batch = next(iterator, None)
            self.waited += time.perf_counter() - began
            if batch is None:
                return
            yield batch

    def count(self, loss: torch.Tensor) -> None:
        """Take note of one step."""
        self.losses.append(loss)
        self.bar.update(self.batch)

    def log_losses(self) -> None:
        """Write the mean loss since the last row, the learning rate, the speed, and what share of
        the time went by waiting for data.

        Raises:
            ChallengeError: the loss is no number.
        """
        iteration = self.training.iteration
        loss = float(torch.stack(self.losses).mean())
        refuse_nonsense(loss, iteration)
        now = time.perf_counter()
        speed = len(self.losses) * self.batch / (now - self.since)
        rate = self.training.optimiser.param_groups[0]["lr"]
        waited = self.waited / (now - self.since)
        self.log.write(
            iteration, loss=loss, learning_rate=rate, images_per_s=speed, waited_for_data=waited
        )
        self._show("loss", f"{loss:.2f}")
        self._show("waited for data", f"{waited:.0%}")
        self.waited_in_all += self.waited
        self.trained_in_all += now - self.since
        self.losses, self.since, self.waited = [], now, 0.0

    def log_scores(self, scores: Scores) -> None:
        """Write what a validation found; its time does not count as training."""
        self.log.write(self.training.iteration, val_psnr=scores.psnr, val_ssim=scores.ssim)
        self._show("val PSNR", f"{scores.psnr:.2f} dB")
        self.since = time.perf_counter()

    def save_best(self) -> None:
        """Write `best.pth`: enough to predict."""
        save_checkpoint(self.training.folder / "best.pth", self.training.weights())

    def save_last(self) -> None:
        """Write `last.pth`: enough to go on."""
        save_checkpoint(self.training.folder / "last.pth", self.training.checkpoint())

    def close(self) -> None:
        """End the progress bar, flush the log, and say how long training waited for data."""
        self.bar.close()
        self.log.close()
        if self.trained_in_all:
            share = self.waited_in_all / self.trained_in_all
            print(f"{share:.1%} of the training's time went by waiting for data")

    def _show(self, name: str, text: str) -> None:
        self.shown[name] = text
        self.bar.set_postfix(self.shown)


def train(training: Training, frames: Dataset, judge: Callable[[], Scores] | None) -> None:
    """Run the iterations that are left: step, log, validate, save.

    `last.pth` is also written when the loop is left by Ctrl-C or by an error in the data.

    Args:
        training: where it stands; goes on from there.
        frames: to train on.
        judge: validates the network as it is now; None: nothing is validated.
    """
    config, on_gpu = training.config, training.device.type == "cuda"
    settings = config.train
    batches = training_batches(frames, config.data, settings, training.iteration, on_gpu)
    report = Report(training)
    try:
        for batch in report.waiting(batches):
            report.count(training.step(batch))
            if training.is_due(settings.log_every):
                report.log_losses()
            if judge and training.is_due(settings.validate_every):
                scores = judge()
                report.log_scores(scores)
                if training.is_best(scores):
                    report.save_best()
            if training.is_due(settings.save_every):
                report.save_last()
    except KeyboardInterrupt:
        report.save_last()
        raise
    except DataError as error:
        report.save_last()
        # a worker process adds its traceback; what it says last is the error itself
        raise DataError(str(error).strip().rpartition("DataError: ")[2]) from error
    finally:
        report.close()


def refuse_nonsense(loss: float, iteration: int) -> None:
    """Stop a training whose loss is no number: the checkpoints on disk are from before.

    Raises:
        ChallengeError: it is NaN or infinite.
    """
    if not math.isfinite(loss):
        raise ChallengeError(
            f"the loss is {loss} at iteration {iteration}; try a lower train.learning_rate, "
            "or train.precision=float32; the checkpoints on disk are from before"
        )
