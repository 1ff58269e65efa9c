"""What a training writes while it runs, for any tool and for TensorBoard.

`log.jsonl` holds what a training found: it depends on configuration and data alone, and comes out
the same, byte for byte, however often the training was stopped and resumed; so do the tables of
scores (`baselines.efnet.score_tables`). `speed.jsonl` holds what it took: throughput, waiting,
memory.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from baselines.efnet.score_tables import FrameScores, write_validations
from baselines.efnet.validation import Scores
from challenge.files import write_text

LOG, SPEED, TENSORBOARD = "log.jsonl", "speed.jsonl", "tensorboard"
LATER = 1
"""TensorBoard's text is dated one iteration on: the next start forgets it and writes its own."""


class TrainingLog:
    """Appends one JSON object a line: {"iteration": …, "loss": …} or {"iteration": …, "val_psnr":
    …, …}, and {"iteration": …, "images_per_s": …, …} to the file beside it.

    When a training is resumed at `iteration`, what was logged after it is forgotten: it happens
    again.
    """

    def __init__(self, folder: Path, iteration: int) -> None:
        from torch.utils.tensorboard import SummaryWriter  # slow to import, and not to read logs

        self.folder, self.path, self.speed_path = folder, folder / LOG, folder / SPEED
        for path in (self.path, self.speed_path):
            kept = [row for row in read_log(path) if row["iteration"] <= iteration]
            write_text(path, "".join(json.dumps(row) + "\n" for row in kept))
        write_validations(folder, read_log(self.path))
        self.frames = FrameScores(folder, iteration)
        if (folder / TENSORBOARD).exists():
            _next_second()
        self.tensorboard = SummaryWriter(str(folder / TENSORBOARD), purge_step=iteration + 1)
        self.started = iteration

    def write(self, iteration: int, **values: float) -> None:
        """Log what one iteration found."""
        self._append(self.path, iteration, values)
        self._chart("training", iteration, values)

    def measure(self, iteration: int, **values: float) -> None:
        """Log what the iterations up to one took."""
        self._append(self.speed_path, iteration, values)
        self._chart("speed", iteration, values)

    def validated(self, iteration: int, learning_rate: float, scores: Scores) -> None:
        """Log the scores of a validation, and add them to the tables."""
        found = {"val_psnr": scores.psnr, "val_ssim": scores.ssim}
        self.frames.add(iteration, scores)
        self._append(self.path, iteration, found | {"learning_rate": learning_rate})
        write_validations(self.folder, read_log(self.path))
        self._chart("validation", iteration, found)

    def picture(self, iteration: int, name: str, rgb: np.ndarray) -> None:
        """Show an (H, W, 3) uint8 RGB picture in TensorBoard."""
        self.tensorboard.add_image(name, rgb, iteration, dataformats="HWC")

    def describe(self, name: str, text: str) -> None:
        """Show a text in TensorBoard as it is, in letters of one width."""
        indented = "\n".join("    " + line for line in text.splitlines())  # Markdown
        self.tensorboard.add_text(name, indented, self.started + LATER)

    def flush(self) -> None:
        """Hand what TensorBoard holds back to the system: a checkpoint is not to be ahead of it."""
        self.tensorboard.flush()

    def close(self) -> None:
        """Flush what TensorBoard holds back, and end."""
        self.tensorboard.close()

    def _append(self, path: Path, iteration: int, values: Mapping[str, float]) -> None:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"iteration": iteration, **values}) + "\n")
            file.flush()
            os.fsync(file.fileno())  # a checkpoint is never ahead of its log, after a power cut too

    def _chart(self, group: str, iteration: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            tag = f"{group}/{name.removeprefix('val_')}"
            self.tensorboard.add_scalar(tag, value, iteration)


def _next_second() -> None:
    """Wait for it: TensorBoard reads files in the order of the seconds in their names."""
    time.sleep(1.0 - time.time() % 1.0)


def read_log(path: Path) -> list[dict[str, Any]]:
    """Read the rows of a `log.jsonl`; none if there is no file. What follows a row that cannot be
    read, such as the last one, cut off by a kill, is left out.
    """
    if not path.exists():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if (row := _row(line)) is None:
            break
        rows.append(row)
    return rows


def damaged_line(path: Path) -> int | None:
    """Find the first row of a log, counted from 1, that cannot be read, though others follow."""
    if not path.exists():
        return None
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    read = len(read_log(path))
    return read + 1 if read < len(lines) - 1 else None


def _row(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    whole = isinstance(row, dict) and isinstance(row.get("iteration"), int)
    return row if whole else None
