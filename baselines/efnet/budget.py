"""Whether a training fits into memory, asked before it starts."""

from __future__ import annotations

from collections.abc import Callable

import torch

from baselines.efnet.config import Config
from baselines.efnet.device import computed_in
from baselines.efnet.memory import (
    all_the_same,
    fewer_processes,
    free_in_words,
    free_on,
    training_need,
)
from baselines.efnet.optimiser import moments_of
from baselines.efnet.stages import Stage, stages_of
from challenge.environment.memory import GIB
from challenge.errors import ChallengeError

WORKER = int(0.25 * GIB)
"""Of a process that reads and cuts, before it has read anything: Python, NumPy and torch."""
READING = 60
"""Bytes per pixel of a frame while a crop is cut from its files: both images, and its events."""
HOST = torch.device("cpu")
MULTIPLE = 16
"""Pixels: what a crop that would fit is rounded down to."""


def reading_need(config: Config, channels: int, height: int, width: int, frames: int) -> int:
    """Estimate the bytes that all reading processes take, with the frames they keep.

    Args:
        config: of the training.
        channels: of a grid.
        height, width: of a frame, in pixels.
        frames: how many are trained on; each process keeps its own of them, if any does.
    """
    data, pixels = config.data, height * width
    kept = frames * pixels * (6 + 4 * channels) if data.keep_in_memory else 0
    return max(data.workers, 1) * (kept + READING * pixels) + data.workers * WORKER


def require_training_memory(
    config: Config, device: torch.device, channels: int, size: tuple[int, int], frames: int
) -> None:
    """Refuse a training that would end with the system killing it.

    Args:
        config: of the training.
        device: where the network runs.
        channels: of a grid.
        size: (height, width) of a frame, in pixels.
        frames: how many are trained on.

    Raises:
        ChallengeError: the estimate is above what is free; says both, and the largest that fits.
        ConfigError: KIT_MEMORY is no number.
    """
    on_cpu, free = device.type == "cpu", free_on(device)
    reading = reading_need(config, channels, *size, frames)
    if not on_cpu and (host := free_on(HOST)) is not None and reading > host:
        raise _refused(config, HOST, 0, reading, host, [])
    if free is None:
        return
    train = config.train
    precision = computed_in(device, train.precision)

    def need(batch: int, height: int, width: int, precision: str = precision) -> int:
        beside = channels, train.ema > 0, moments_of(train)
        return training_need(config.network.wf, batch, height, width, precision, *beside)

    def sides(stage: Stage) -> tuple[int, int]:
        return (stage.crop, stage.crop) if stage.crop else size

    stages = stages_of(train)
    stage = max(stages, key=lambda each: need(each.batch, *sides(each)))
    crop, most = sides(stage), stage.batch
    step, beside = need(most, *crop), reading if on_cpu else 0
    if step + beside <= free:
        return
    left = free - beside
    key = f"in stage {stages.index(stage) + 1} of train.stages " if train.stages else "train."
    ways = []
    if side := _largest(lambda side: need(most, side, side), left, max(crop), MULTIPLE):
        ways.append(f"{key}crop={side} is the largest that fits with batch={most}")
    if batch := _largest(lambda number: need(number, *crop), left, most, 1):
        ways.append(f"{key}batch={batch} is the largest that fits with crop={stage.crop}")
    if precision == "float32":
        lower = need(most, *crop, "bfloat16") / GIB
        ways.append(
            f"train.precision=bfloat16: a step takes about {lower:.1f} GiB (slow on processors "
            "without it)"
        )
    raise _refused(config, device, step, beside, free, ways, (most, *crop), precision)


def _largest(need: Callable[[int], int], free: int, most: int, multiple: int) -> int:
    """Find the largest multiple below `most` whose need is free; 0 if there is none."""
    fitting = (n for n in range(multiple * (most // multiple), 0, -multiple) if need(n) <= free)
    return next(fitting, 0)


def _refused(
    config: Config,
    device: torch.device,
    step: int,
    reading: int,
    free: int,
    ways: list[str],
    crops: tuple[int, int, int] = (0, 0, 0),
    precision: str = "",
) -> ChallengeError:
    data, parts = config.data, []
    if step:
        parts.append(
            f"a step of {crops[0]} x {crops[2]}x{crops[1]} (width x height) with "
            f"network.wf={config.network.wf} in {precision} about {step / GIB:.1f} GiB"
        )
    if reading:
        readers = f"{data.workers} reading processes" if data.workers else "reading"
        kept = ", each with all frames in memory" if data.keep_in_memory and data.workers else ""
        kept = ", with all frames in memory" if data.keep_in_memory and not data.workers else kept
        parts.append(f"{readers}{kept} about {reading / GIB:.1f} GiB")
        if data.keep_in_memory:
            ways = [*ways, "data.keep_in_memory=false, with a training store: bash run.sh prepare"]
        if data.workers > 1:
            ways = [*ways, f"data.workers={data.workers // 2}: each takes some memory"]
    if fewer := fewer_processes(device, step + reading, free):
        ways = [fewer, *ways]
    return ChallengeError(
        f"train: {', '.join(parts)}; {free_in_words(device, free)}",
        [
            *ways,
            "run it on a machine (or train.device) with more memory",
            all_the_same(device, step + reading),
        ],
    )
