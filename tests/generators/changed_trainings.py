"""Train as `baselines.efnet.train` does, but for one thing: what KIT_TEST_CHANGE says.

`double`: in float64. `nan RANK STEP ...`: in one of the processes, the loss of these steps is NaN.
Each process writes its weights to `weights_<rank>.pth` beside the training, after each step.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from baselines.distributed import is_launched
from baselines.efnet import train, training
from baselines.efnet.inputs import Batch
from baselines.efnet.model import EFNet
from baselines.launch import Launch, launch

RANK = int(os.environ.get("RANK", "0"))
Loss = Callable[..., torch.Tensor]


def double(true: Callable[..., EFNet]) -> Callable[..., EFNet]:
    """Make networks of float64."""
    return lambda config: true(config).double()


def read_double(true: Callable[..., Batch]) -> Callable[..., Batch]:
    """Make batches of float64."""

    def read(*args: object) -> Batch:
        return Batch(*(part if part is None else part.double() for part in true(*args)))

    return read


def no_number(true: Loss, steps: Sequence[int]) -> Loss:
    """Let the loss of some steps, counted from 0, be NaN."""
    taken = iter(range(10**6))
    return lambda *args: true(*args) * (float("nan") if next(taken) in steps else 1.0)


def keeping(true: Callable[..., training.Step], runs: Path) -> Callable[..., training.Step]:
    """Write the weights after each step."""

    def step(self: training.Training, batch: Batch) -> training.Step:
        found = true(self, batch)
        torch.save(self.network.state_dict(), runs / f"weights_{RANK}.pth")
        return found

    return step


def main(argv: Sequence[str], runs: Path) -> int:
    """Run the command line of `train`; with `--nproc N` in so many processes."""
    if "--nproc" in argv and not is_launched():
        count = int(argv[argv.index("--nproc") + 1])
        return launch(Launch(count), "changed_trainings", argv, [runs], "")
    kind, *numbers = os.environ["KIT_TEST_CHANGE"].split()
    if kind == "double":
        training.new_network = double(training.new_network)
        training.to_device = read_double(training.to_device)
    elif int(numbers[0]) == RANK:
        training.stage_losses = no_number(training.stage_losses, [*map(int, numbers[1:])])
    training.Training.step = keeping(training.Training.step, runs)
    return train.main(argv, runs)
