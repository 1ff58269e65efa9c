"""Validate in several processes, and note who restored what: `main(argv, folder)`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from baselines.distributed import joined
from baselines.efnet.validation import validate
from baselines.stopping import Stop
from challenge.datasets import open_split
from challenge.metrics.profiles import PROFILES
from challenge.sample import Sample


class Noting:
    """Returns the input; writes down the process and the frame."""

    parameters, device, description = 0, "cpu", "x"

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, sample: Sample) -> np.ndarray:
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(f"{sample.frame}\n")
        return sample.blurry


def main(argv: Sequence[str], folder: Path) -> int:
    """Validate on splits of a data set: ROOT SPLIT ...; write what was found as JSON."""
    root, *splits = argv
    with joined(False) as world:
        for split in splits:
            noting = Noting(folder / f"{split}_{world.rank}")
            images = folder / f"{split}_images"
            profile = PROFILES["published_kit"]
            scores = validate(noting, open_split(Path(root), split), profile, images, Stop(world))
            told = {"psnr": scores.psnr, "ssim": scores.ssim, "frames": dict(scores.frames)}
            (folder / f"{split}_{world.rank}.json").write_text(json.dumps(told), encoding="utf-8")
    return 0
