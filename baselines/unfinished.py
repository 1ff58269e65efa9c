"""Predictions under way: kept when they are interrupted, so that the same command goes on.

    <submissions>/<challenge>/<split>/.NAME.unfinished/
        making.json      what is made: weights, frames, settings; anything else starts afresh
        seconds.jsonl    a row for each frame: how long restoring it took
        images/          PNGs, each written whole; becomes NAME in the end

Whoever looks for runs passes over hidden folders.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from baselines.efnet.inference import Inference
from challenge.files import list_pngs, put_in_place, write_json, write_text
from challenge.images import write_png

SUFFIX = ".unfinished"
Making = dict[str, Any]
"""What tells predictions from others, as JSON has it."""


class Unfinished:
    """The folder in which the predictions of a run are made. One process at a time opens it."""

    def __init__(self, run: Path, asked: Making, afresh: bool = False) -> None:
        """Go on with what was left there, or start afresh where that was something else.

        Args:
            run: the folder to be, `<challenge>/<split>/<name>`.
            asked: what is to be made.
            afresh: whatever lies there is thrown away.
        """
        self.run, self.folder = run, run.with_name(f".{run.name}{SUFFIX}")
        self.images, self.rows = self.folder / "images", self.folder / "seconds.jsonl"
        self.asked: Making = json.loads(json.dumps(asked))
        self.used: Making | None = None
        left = _read_json(self.folder / "making.json")
        if not afresh and left.get("asked") == self.asked:
            self.used = left.get("used")
        else:
            self._clear("" if afresh else "of other weights, frames, settings or code")

    def settings(self, asked: Inference) -> Inference:
        """Return the settings with the tiles that were chosen when these predictions began."""
        tiles = (self.used or {}).get("inference", {}).get("tiles")
        return dataclasses.replace(asked, tiles=tuple(tiles)) if tiles else asked

    def begin(self, used: Making) -> None:
        """Keep how the frames are restored; start afresh where they were restored otherwise.

        Args:
            used: device and settings; `inference` as of `RunRecord`.
        """
        used = json.loads(json.dumps(used))
        if self.used not in (None, used):
            self._clear("made on another device, or otherwise")
        self.used = used
        self.images.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / "making.json", {"asked": self.asked, "used": used})
        rows = self._read_rows()  # the last one may be cut off
        write_text(self.rows, "".join(json.dumps(row) + "\n" for row in rows))

    def done(self) -> set[str]:
        """Name the frames that are there."""
        return {path.stem for path in list_pngs(self.images)}

    def write(self, frame: str, image: np.ndarray, seconds: float, warm: bool) -> None:
        """Write a frame, whole or not at all, then how long it took.

        Args:
            frame: its name.
            image: (H, W, 3) uint8 RGB.
            seconds: that restoring took.
            warm: whether it was not the first frame of a process, which takes longer.
        """
        write_png(self.images / f"{frame}.png", image)
        with open(self.rows, "a", encoding="utf-8") as file:
            file.write(json.dumps({"frame": frame, "seconds": seconds, "warm": warm}) + "\n")

    def seconds_per_image(self) -> float:
        """Average over all frames but the first of each process, as far as there are others."""
        rows = self._read_rows()
        warm = [row["seconds"] for row in rows if row["warm"]]
        return float(np.mean(warm or [row["seconds"] for row in rows] or [0.0]))

    def leave(self) -> int:
        """Count the frames that are kept for the next time; of none, no folder stays."""
        if not (kept := len(self.done())):
            shutil.rmtree(self.folder, ignore_errors=True)
        return kept

    def publish(self) -> None:
        """Put the images in the run's place, and remove what else was kept."""
        put_in_place(self.images, self.run)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _clear(self, why: str) -> None:
        found = len(self.done())
        if found and why:
            print(f"note: starts afresh; the {found} frames left in {self.folder} are {why}")
        if self.folder.exists():
            shutil.rmtree(self.folder)
        self.used = None

    def _read_rows(self) -> list[dict[str, Any]]:
        rows = []
        text = self.rows.read_text(encoding="utf-8") if self.rows.exists() else ""
        for line in text.splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:
                continue
        return rows


def _read_json(path: Path) -> Making:
    """Read an object; what cannot be read is an empty one."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
