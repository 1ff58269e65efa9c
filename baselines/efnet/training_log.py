"""What a training writes while it runs: `log.jsonl` for any tool, and the same for TensorBoard."""

from __future__ import annotations

import json
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from challenge.files import write_text


class TrainingLog:
    """Appends one JSON object a line: {"iteration": …, "loss": …} or {"iteration": …, "val_psnr":
    …, …}.

    When a training is resumed at `iteration`, what was logged after it is forgotten: it happens
    again.
    """

    def __init__(self, folder: Path, iteration: int) -> None:
        self.path = folder / "log.jsonl"
        kept = [row for row in read_log(self.path) if row["iteration"] <= iteration]
        write_text(self.path, "".join(json.dumps(row) + "\n" for row in kept))
        self.tensorboard = SummaryWriter(str(folder / "tensorboard"), purge_step=iteration + 1)

    def write(self, iteration: int, **values: float) -> None:
        """Log values of one iteration."""
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"iteration": iteration, **values}) + "\n")
        for name, value in values.items():
            self.tensorboard.add_scalar(name, value, iteration)

    def close(self) -> None:
        """Flush what TensorBoard holds back."""
        self.tensorboard.close()


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
