"""The learning rate of each iteration: a function of its number, so that no resume can move it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from baselines.efnet.config import COSINE, TrainConfig
from challenge.environment.torchvision_shim import ensure_torchvision_imports
from challenge.errors import ConfigError

Schedule = Callable[[int], float]
"""Of an iteration, counted from 0: its learning rate."""
TIMM = {
    "tanh": "TanhLRScheduler",
    "poly": "PolyLRScheduler",
    "step": "StepLRScheduler",
    "multistep": "MultiStepLRScheduler",
    "restarts": "CosineLRScheduler",
}
"""By their names in `train.schedule`, which `baselines.efnet.config.SCHEDULES` lists."""
WITH_AN_END = ("tanh", "poly", "restarts")
"""Those that reach `train.final_learning_rate` at the end, unless their options say otherwise."""


def schedule_of(train: TrainConfig) -> Schedule:
    """Make the schedule of a training: `train.warmup` iterations in which the rate rises in equal
    steps, from one of warmup + 1 of them, to `train.learning_rate`; then what `train.schedule` says
    of those that are left.

    Raises:
        ConfigError: options that timm's schedule does not have or cannot follow.
    """
    iterations = train.iterations - train.warmup
    if train.schedule == COSINE:
        after = half_cosine(train.learning_rate, train.final_learning_rate, iterations)
    else:
        after = of_timm(train, iterations)

    def rate(iteration: int) -> float:
        if iteration < train.warmup:
            return train.learning_rate * (iteration + 1) / (train.warmup + 1)
        return after(iteration - train.warmup)

    return rate


def half_cosine(first: float, last: float, iterations: int) -> Schedule:
    """Follow half a cosine from `first` to `last`, as published."""

    def rate(iteration: int) -> float:
        share = iteration / iterations
        return last + (first - last) * (1.0 + math.cos(math.pi * share)) / 2.0

    return rate


def of_timm(train: TrainConfig, iterations: int) -> Schedule:
    """Ask a schedule of timm, which keeps no count of its own.

    It is told the iterations there are and the learning rate to end with, where it has both, and
    `train.schedule_options`. None draws noise or looks at scores: neither would come again.
    """
    ensure_torchvision_imports()  # timm imports it
    import timm.scheduler

    asked = torch.optim.SGD([torch.zeros(1)], lr=train.learning_rate)
    end = {"t_initial": iterations, "lr_min": train.final_learning_rate}
    options: dict[str, Any] = end if train.schedule in WITH_AN_END else {}
    try:
        scheduler = getattr(timm.scheduler, TIMM[train.schedule])(
            asked, **{**options, **train.schedule_options}, t_in_epochs=False
        )
        scheduler.step_update(iterations)
    except (TypeError, ValueError, AssertionError, ArithmeticError) as error:
        raise ConfigError(
            f"train.schedule={train.schedule}, train.schedule_options={train.schedule_options}: "
            f"timm's {TIMM[train.schedule]} refuses them: {error or type(error).__name__}"
        ) from error

    def rate(iteration: int) -> float:
        scheduler.step_update(iteration)
        return float(asked.param_groups[0]["lr"])

    return rate
