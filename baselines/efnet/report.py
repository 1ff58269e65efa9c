"""What a training writes and shows while it runs."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable, Iterator, Sequence

import torch
from omegaconf import OmegaConf
from tqdm import tqdm

from baselines import BEST, LAST
from baselines.efnet.checkpoint import save_checkpoint, save_keeping_one
from baselines.efnet.inputs import Batch
from baselines.efnet.sample_pictures import TITLE, SamplePictures
from baselines.efnet.stages import crops_before, stages_of
from baselines.efnet.training import Step, Training, is_sound
from baselines.efnet.training_log import TrainingLog
from baselines.efnet.validation import Scores
from challenge.datasets import Dataset
from challenge.environment.memory import peak_memory

MIB = 2**20


class Report:
    """What a training writes and shows: log, progress, pictures, checkpoints.

    Nothing else of the loop writes; of several processes, the first alone has one (see `Silence`).

    Args:
        training: where it stands.
        judged: what is validated on; some of its frames are shown. None: nothing is.
    """

    def __init__(self, training: Training, judged: Dataset | None = None) -> None:
        settings = training.config.train
        self.training, self.stages = training, stages_of(settings)
        self.log = TrainingLog(training.folder, training.iteration)
        self.log.describe("configuration", OmegaConf.to_yaml(OmegaConf.structured(training.config)))
        self.pictures = SamplePictures(judged) if judged is not None else None
        self.bar = tqdm(
            total=self.images_before(settings.iterations),
            initial=self.images_before(training.iteration),
            desc=training.folder.name,
            unit=" images",
            mininterval=0.5 if sys.stderr.isatty() else 20.0,
            smoothing=0.05,
            dynamic_ncols=True,
        )
        self.counted = 0  # images since the last measurement
        self.since = self.stepped = time.perf_counter()
        self.waited = self.waited_in_all = self.trained_in_all = 0.0  # seconds
        self.shown: dict[str, str] = {}

    def images_before(self, iteration: int) -> int:
        """Count the crops of all processes before an iteration."""
        return crops_before(self.stages, iteration) * self.training.world.size

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

    def count(self) -> None:
        """Take note of one step."""
        done = self.training.iteration
        images = self.images_before(done) - self.images_before(done - 1)
        self.counted += images
        self.bar.update(images)
        self.stepped = time.perf_counter()

    def log_losses(self) -> None:
        """Write means over the steps since the last row, without those that were skipped, how many
        these are, and the learning rate; the speed, what share of the time went by waiting for
        data, and the most memory so far. The losses of the stages are what they add to the loss.
        """
        training = self.training
        taken = [step for step in training.steps if is_sound(step)]
        found = {"learning_rate": training.rate}
        if taken:
            losses = {"loss": mean([step.loss for step in taken])}
            for number, of_stage in enumerate(by_stage(taken), 1):
                losses[f"loss_stage_{number}"] = mean(of_stage)
            found = losses | found | {"gradient_norm": mean([step.gradient_norm for step in taken])}
            self._show("loss", f"{found['loss']:.2f}")
        if skipped := len(training.steps) - len(taken):
            found["skipped"] = skipped
        self.log.write(training.iteration, **found)
        training.steps = []
        self._measure()

    def _measure(self) -> None:
        now = time.perf_counter()
        speed = self.counted / (now - self.since)
        waited = self.waited / (now - self.since)
        memory = memory_mib(self.training.device)
        iteration = self.training.iteration
        self.log.measure(iteration, images_per_s=speed, waited_for_data=waited, **memory)
        self._show("waited for data", f"{waited:.0%}")
        if memory:
            self._show("memory", f"{list(memory.values())[-1] / 1024:.1f} GiB")
        self.waited_in_all += self.waited
        self.trained_in_all += now - self.since
        self.counted, self.since, self.waited = 0, now, 0.0

    def log_scores(self, scores: Scores) -> None:
        """Write what a validation found, and draw some of its frames; the time since the last step
        does not count as training.
        """
        iteration = self.training.iteration
        took = time.perf_counter() - self.stepped
        self.log.validated(iteration, self.training.rate, scores)
        self.log.measure(iteration, validation_s=took)
        if self.pictures:
            for frame, picture in self.pictures.draw(self.training.folder / "val"):
                self.log.picture(iteration, f"{TITLE}/{frame}", picture)
        self._show("val PSNR", f"{scores.psnr:.2f} dB")
        self.since += time.perf_counter() - self.stepped

    def save_best(self) -> None:
        """Write `best.pth`: enough to predict."""
        save_checkpoint(self.training.folder / BEST, self.training.weights())

    def save_last(self) -> None:
        """Write `last.pth`: enough to go on; the one before it stays beside it."""
        self.log.flush()
        save_keeping_one(self.training.folder / LAST, self.training.checkpoint())

    def close(self) -> None:
        """End the progress bar, flush the log, and say how long training waited for data."""
        self.bar.close()
        self.log.close()
        if self.trained_in_all:
            share = self.waited_in_all / self.trained_in_all
            print(f"{share:.1%} of the training's time went by waiting for data")

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


class Silence(Report):
    """What the other ones of several processes report: nothing."""

    def __init__(self, training: Training) -> None:
        self.training = training

    def waiting(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Pass on batches."""
        return iter(batches)

    def count(self) -> None: ...

    def log_losses(self) -> None:
        """Begin a row anew, as the process does that writes it."""
        self.training.steps = []

    def log_scores(self, scores: Scores) -> None: ...

    def save_best(self) -> None: ...

    def save_last(self) -> None: ...

    def close(self) -> None: ...


def report_of(training: Training, judged: Dataset | None) -> Report:
    """Make the report of a training; of several processes, the first alone writes and shows."""
    return Report(training, judged) if training.world.is_first else Silence(training)


def by_stage(steps: Sequence[Step]) -> Iterator[tuple[float, ...]]:
    """Sort the losses of steps by stage; nothing where one step, of an older kit, has none."""
    if all(step.stages for step in steps):
        yield from zip(*(step.stages for step in steps), strict=True)


def mean(values: Sequence[float]) -> float:
    """Average, rounded once: whether a value was kept in a checkpoint meanwhile changes nothing."""
    return math.fsum(values) / len(values)
