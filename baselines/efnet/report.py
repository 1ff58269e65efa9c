"""What a training writes and shows while it runs."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable, Iterator

import torch
from omegaconf import OmegaConf
from tqdm import tqdm

from baselines.efnet.checkpoint import save_checkpoint
from baselines.efnet.inputs import Batch
from baselines.efnet.sample_pictures import TITLE, SamplePictures
from baselines.efnet.training import Step, Training
from baselines.efnet.training_log import TrainingLog
from baselines.efnet.validation import Scores
from challenge.datasets import Dataset
from challenge.environment.memory import peak_memory
from challenge.errors import ChallengeError

MIB = 2**20


class Report:
    """What a training writes and shows: log, progress, pictures, checkpoints.

    Nothing else of the loop writes: of several processes, one alone can be the one that does.

    Args:
        training: where it stands.
        judged: what is validated on; some of its frames are shown. None: nothing is.
    """

    def __init__(self, training: Training, judged: Dataset | None = None) -> None:
        settings = training.config.train
        self.training, self.batch = training, settings.batch
        self.log = TrainingLog(training.folder, training.iteration)
        self.log.describe("configuration", OmegaConf.to_yaml(OmegaConf.structured(training.config)))
        self.pictures = SamplePictures(judged) if judged is not None else None
        self.bar = tqdm(
            total=settings.iterations * settings.batch,
            initial=training.iteration * settings.batch,
            desc=training.folder.name,
            unit=" images",
            mininterval=0.5 if sys.stderr.isatty() else 20.0,
            smoothing=0.05,
            dynamic_ncols=True,
        )
        self.steps: list[Step] = []  # since the last row of the log
        self.since = self.counted = time.perf_counter()
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

    def count(self, step: Step) -> None:
        """Take note of one step."""
        self.steps.append(step)
        self.bar.update(self.batch)
        self.counted = time.perf_counter()

    def log_losses(self) -> None:
        """Write the mean loss and norm of the gradient since the last row, and the learning rate;
        the speed, what share of the time went by waiting for data, and the most memory so far.

        Raises:
            ChallengeError: the loss is no number.
        """
        iteration = self.training.iteration
        loss, norm = (float(torch.stack(each).mean()) for each in zip(*self.steps, strict=True))
        refuse_nonsense(loss, iteration)
        now = time.perf_counter()
        speed = len(self.steps) * self.batch / (now - self.since)
        waited = self.waited / (now - self.since)
        memory = memory_mib(self.training.device)
        rate = self._learning_rate()
        self.log.write(iteration, loss=loss, learning_rate=rate, gradient_norm=norm)
        self.log.measure(iteration, images_per_s=speed, waited_for_data=waited, **memory)
        self._show("loss", f"{loss:.2f}")
        self._show("waited for data", f"{waited:.0%}")
        if memory:
            self._show("memory", f"{list(memory.values())[-1] / 1024:.1f} GiB")
        self.waited_in_all += self.waited
        self.trained_in_all += now - self.since
        self.steps, self.since, self.waited = [], now, 0.0

    def log_scores(self, scores: Scores) -> None:
        """Write what a validation found, and draw some of its frames; the time since the last step
        does not count as training.
        """
        iteration = self.training.iteration
        took = time.perf_counter() - self.counted
        self.log.validated(iteration, self._learning_rate(), scores)
        self.log.measure(iteration, validation_s=took)
        if self.pictures:
            for frame, picture in self.pictures.draw(self.training.folder / "val"):
                self.log.picture(iteration, f"{TITLE}/{frame}", picture)
        self._show("val PSNR", f"{scores.psnr:.2f} dB")
        self.since += time.perf_counter() - self.counted

    def save_best(self) -> None:
        """Write `best.pth`: enough to predict."""
        save_checkpoint(self.training.folder / "best.pth", self.training.weights())

    def save_last(self) -> None:
        """Write `last.pth`: enough to go on."""
        self.log.flush()
        save_checkpoint(self.training.folder / "last.pth", self.training.checkpoint())

    def close(self) -> None:
        """End the progress bar, flush the log, and say how long training waited for data."""
        self.bar.close()
        self.log.close()
        if self.trained_in_all:
            share = self.waited_in_all / self.trained_in_all
            print(f"{share:.1%} of the training's time went by waiting for data")

    def _learning_rate(self) -> float:
        return float(self.training.optimiser.param_groups[0]["lr"])

    def _show(self, name: str, text: str) -> None:
        self.shown[name] = text
        self.bar.set_postfix(self.shown, refresh=False)  # with the next step


def memory_mib(device: torch.device) -> dict[str, float]:
    """Return the most memory that this process held so far, in MiB: its own, and on a GPU what
    torch took there.
    """
    memory = {}
    if peak := peak_memory():
        memory["memory_mib"] = round(peak / MIB, 1)
    if device.type == "cuda":
        memory["gpu_memory_mib"] = round(torch.cuda.max_memory_allocated(device) / MIB, 1)
    return memory


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
