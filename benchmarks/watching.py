"""What watching a training costs: processor time of a step with and without its report.

python benchmarks/watching.py [WF] [CROP]: in turns, in one process with one thread, on one batch.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

from baselines.efnet.crops import training_batches
from baselines.efnet.report import Report
from baselines.efnet.train import DEFAULT_CONFIG, open_data, read_config
from baselines.efnet.training import Training

STEPS, TURNS, EVERY = 20, 12, 10


def main(wf: int = 4, crop: int = 32) -> None:
    """Print milliseconds per step, and the median ratio of the turns."""
    torch.set_num_threads(1)
    words = [f"network.wf={wf}", f"train.crop={crop}", "train.batch=1", "train.ema=0"]
    config = read_config(DEFAULT_CONFIG, [*words, "train.precision=float32"])
    training = Training(config, Path(tempfile.mkdtemp()))
    frames = open_data(config, "train")
    batch = next(iter(training_batches(frames, config.data, config.train, 0, False)))
    report = Report(training)
    plain, watched = [], []
    for _ in range(TURNS):
        began = time.process_time()
        for _ in range(STEPS):
            training.step(batch)
        middle = time.process_time()
        for step, each in enumerate(report.waiting([batch] * STEPS), 1):
            training.step(each)
            report.count()
            if step % EVERY == 0:
                report.log_losses()
        plain.append(middle - began)
        watched.append(time.process_time() - middle)
    report.close()
    ratio = statistics.median(b / a for a, b in zip(plain[1:], watched[1:], strict=True))
    one, other = (1e3 * statistics.median(each[1:]) / STEPS for each in (plain, watched))
    print(f"wf {wf}, crop {crop}: {one:.2f} ms, with its report {other:.2f} ms, ratio {ratio:.4f}")


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
