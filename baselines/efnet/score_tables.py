"""The scores of a training's validations as tables for pandas or a spreadsheet.

`validations.csv`: iteration, psnr, ssim, learning_rate, best_psnr and best_iteration, the best so
far; loss and what each stage adds to it, of the last row of losses in the log; a row for each
validation. It is made of `log.jsonl` alone, whole, each time.
`validation_frames.csv`: iteration, frame, psnr, ssim; a row for each frame of each validation.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from baselines.efnet.validation import Scores
from challenge.files import write_text

VALIDATIONS, FRAMES = "validations.csv", "validation_frames.csv"
LOSSES = ("loss", "loss_stage_1", "loss_stage_2")
COLUMNS = ("iteration", "psnr", "ssim", "learning_rate", "best_psnr", "best_iteration", *LOSSES)
FRAME_COLUMNS = ("iteration", "frame", "psnr", "ssim")


def validations(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Pick the validations out of a log's rows, in their order; keys are COLUMNS.

    Of equal scores the first is the best. What the log does not know is None.
    """
    table: list[dict[str, Any]] = []
    losses: list[float | None] = [None] * len(LOSSES)
    for row in rows:
        if "loss" in row:
            losses = [row.get(key) for key in LOSSES]
        if "val_psnr" not in row:
            continue
        psnr, ssim, rate = (row.get(key) for key in ("val_psnr", "val_ssim", "learning_rate"))
        iteration = row["iteration"]
        values = [iteration, psnr, ssim, rate, psnr, iteration, *losses]
        now = dict(zip(COLUMNS, values, strict=True))
        if table and not psnr > table[-1]["best_psnr"]:
            now |= {key: table[-1][key] for key in ("best_psnr", "best_iteration")}
        table.append(now)
    return table


def write_validations(folder: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write `validations.csv` of a log's rows; none where nothing was validated yet."""
    table = validations(rows)
    if table or (folder / VALIDATIONS).exists():
        _write(folder / VALIDATIONS, COLUMNS, [row.values() for row in table])


class FrameScores:
    """Appends to `validation_frames.csv`; rows after the `iteration` that a training is resumed at
    are forgotten, and what a kill cut off is mended.
    """

    def __init__(self, folder: Path, iteration: int) -> None:
        self.path = folder / FRAMES
        if self.path.exists():
            _write(self.path, FRAME_COLUMNS, _kept(self.path, iteration))

    def add(self, iteration: int, scores: Scores) -> None:
        """Add the rows of one validation, frames by name."""
        rows = [
            (iteration, frame, row["psnr"], row["ssim"])
            for frame, row in sorted(scores.frames.items())
        ]
        if not self.path.exists():
            _write(self.path, FRAME_COLUMNS, [])
        with open(self.path, "a", encoding="utf-8", newline="") as file:
            file.write(_text(rows))


def _kept(path: Path, iteration: int) -> list[Sequence[str]]:
    text = path.read_text(encoding="utf-8", errors="replace")
    whole = text[: text.rfind("\n") + 1]
    rows = list(csv.reader(io.StringIO(whole)))[1:]
    return [
        row
        for row in rows
        if len(row) == len(FRAME_COLUMNS) and row[0].isdigit() and int(row[0]) <= iteration
    ]


def _write(path: Path, columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    write_text(path, _text([columns, *rows]))


def _text(rows: Iterable[Iterable[Any]]) -> str:
    """Write rows as CSV; a number so that reading it gives the same one."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
