"""What `train.compile` is worth: the first step, and steps beside those that are not compiled.

python benchmarks/compiling.py [WF] [CROP] [PRECISION] [TURNS]: in turns, in one process, on one
random crop; what torch compiled before is not looked at.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

os.environ["TORCHINDUCTOR_CACHE_DIR"] = tempfile.mkdtemp()  # before torch reads it

import torch

from baselines.efnet.config import Config, DataConfig, NetworkConfig, TrainConfig
from baselines.efnet.inputs import Batch
from baselines.efnet.training import Training


def main(wf: int = 8, crop: int = 64, precision: str = "float32", turns: int = 5) -> None:
    """Print the seconds of first steps, and of later ones."""
    rng = torch.Generator().manual_seed(0)
    blurry, sharp = (torch.rand(1, 3, crop, crop, generator=rng) for _ in range(2))
    batch = Batch(blurry, torch.randn(1, 6, crop, crop, generator=rng), None, sharp)
    trainings, seconds = {}, {}
    for compiles in (False, True):
        train = TrainConfig(batch=1, crop=crop, precision=precision, compile=compiles)
        config = Config("compiling", DataConfig(root=""), NetworkConfig(wf=wf), train)
        trainings[compiles] = Training(config, Path())
        began = time.perf_counter()
        trainings[compiles].step(batch)
        seconds[compiles] = [time.perf_counter() - began]
    for _ in range(turns):
        for compiles, training in trainings.items():
            began = time.perf_counter()
            training.step(batch)
            seconds[compiles].append(time.perf_counter() - began)
    firsts = [taken[0] for taken in seconds.values()]
    eager, quick = (statistics.median(taken[1:]) for taken in seconds.values())
    print(
        f"wf {wf}, crop {crop}, {precision}, {torch.get_num_threads()} threads: first step "
        f"{firsts[0]:.1f} s, compiled {firsts[1]:.1f} s; later ones {eager:.3f} s and {quick:.3f} "
        f"s, {eager / quick:.2f} times as fast"
    )


if __name__ == "__main__":
    given = sys.argv[1:]
    main(*map(int, given[:2]), *given[2:3], *map(int, given[3:]))
