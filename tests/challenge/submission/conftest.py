"""A small run over three frames of 8x6, its data, and the server's own reading of readme.txt."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from challenge.images import write_png
from challenge.rules import Rules
from challenge.run_record import RunRecord, save_record
from challenge.submission import Expected, expected_submission

FRAMES = ("logo_a_00012", "logo_a_00024", "zigzag_00012")
BLACK = np.zeros((6, 8, 3), np.uint8)
Parsed = tuple[float, int, int, str]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for frame in FRAMES:
        write_png(tmp_path / "data" / "val" / "blur" / f"{frame}.png", BLACK)
    return tmp_path / "data"


@pytest.fixture
def folder(tmp_path: Path, data: Path) -> Path:
    """A good run: nothing is found in it."""
    folder = tmp_path / "submissions" / "mini" / "val" / "mine"
    for frame in FRAMES:
        write_png(folder / f"{frame}.png", BLACK)
    record = RunRecord("mine", data_root=str(data), split="val", rules="own", created="2026-01-01")
    save_record(
        folder,
        dataclasses.replace(
            record, runtime_per_image_s=0.3125, device="cpu", description="two: lines\nof text"
        ),
    )
    return folder


@pytest.fixture
def expected(data: Path) -> Expected:
    expected, doubts = expected_submission(Rules(), data, "val")
    assert doubts == []
    return expected


@pytest.fixture
def server_parse() -> Callable[[str], Parsed]:
    """The public scorers' rule, on its own: lines with a `:`, by position, -1 on any error."""

    def parse(text: str) -> Parsed:
        lines = [line.strip() for line in io.StringIO(text).readlines() if line.find(":") >= 0]
        values = [":".join(line.split(":")[1:]) for line in lines]
        try:
            return float(values[0]), int(values[1]), int(values[2]), values[3].strip()
        except (ValueError, IndexError):
            return -1.0, -1, -1, ""

    return parse
