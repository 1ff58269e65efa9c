"""What a training writes and shows while it runs."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable, Iterator

import torch
from tqdm import tqdm

from baselines.efnet.checkpoint import save_checkpoint
from baselines.efnet.inputs import Batch
from baselines.efnet.training import Training
from baselines.efnet.training_log import TrainingLog
from baselines.efnet.validation import Scores
from challenge.errors import ChallengeError


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
        self.log.write(iteration, loss=loss, learning_rate=rate)
        self.log.measure(iteration, images_per_s=speed, waited_for_data=waited)
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
