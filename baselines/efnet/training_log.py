"""What a training writes while it runs, for any tool and for TensorBoard.

`log.jsonl` holds what a training found: it depends on configuration and data alone, and comes out
the same, byte for byte, however often the training was stopped and resumed. `speed.jsonl` holds
what it took: throughput, waiting, memory.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from challenge.files import write_text


class TrainingLog:
    """Appends one JSON object a line: {"iteration": …, "loss": …} or {"iteration": …, "val_psnr":
    …, …}, and {"iteration": …, "images_per_s": …, …} to the file beside it.

    When a training is resumed at `iteration`, what was logged after it is forgotten: it happens
    again.
    """

    def __init__(self, folder: Path, iteration: int) -> None:
        self.path, self.speed_path = folder / "log.jsonl", folder / "speed.jsonl"
        for path in (self.path, self.speed_path):
            kept = [row for row in read_log(path) if row["iteration"] <= iteration]
            write_text(path, "".join(json.dumps(row) + "\n" for row in kept))
        self.tensorboard = SummaryWriter(str(folder / "tensorboard"), purge_step=iteration + 1)

    def write(self, iteration: int, **values: float) -> None:
        """Log what one iteration found."""
        self._append(self.path, iteration, values)

    def measure(self, iteration: int, **values: float) -> None:
        """Log what the iterations up to one took."""
        self._append(self.speed_path, iteration, values)

    def close(self) -> None:
        """Flush what TensorBoard holds back."""
        self.tensorboard.close()

    def _append(self, path: Path, iteration: int, values: Mapping[str, float]) -> None:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"iteration": iteration, **values}) + "\n")
            file.flush()
            os.fsync(file.fileno())  # a checkpoint is never ahead of its log, after a power cut too
        for name, value in values.items():
            self.tensorboard.add_scalar(name, value, iteration)


def read_log(path: Path) -> list[dict[str, float]]:
    """Read the rows of a `log.jsonl`; none if there is no file. A last line cut off by a kill is
    left out.
    """
    if not path.exists():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows
