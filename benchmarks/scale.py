"""How preparing and reading grow with frames, events and bins; draws docs/scale.svg.

python benchmarks/scale.py SMALL [--draw docs/scale.svg]

SMALL is a data set of many small frames in HighREV's layout, such as `bash run.sh data --out SMALL
--width 64 --height 48 --frames 16 --train-only`. Left: the first 1/8, 1/4, 1/2 and all
of them, prepared by one process, and opened. Right: one frame of 1632x1224 with events at random,
1 to 16 million, and a crop of 256 pixels from it, with 6 and with 24 bins. Seconds are those of the
processor.
"""

from __future__ import annotations

if __name__ == "__main__":
    import pathlib
    import sys

    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])
    from challenge.environment import bootstrap

    bootstrap.ensure_packages()

import os
import resource
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from challenge import cli
from challenge.datasets import DataSource
from challenge.datasets.store import open_store, prepare, store_folder
from challenge.datasets.store.frame_file import FrameFile
from challenge.datasets.store.writing import write_frame
from challenge.events import Events
from challenge.files import write_text
from challenge.representations import Representation
from challenge.sample import Sample, Window

HEIGHT, WIDTH, CROP = 1224, 1632, 256
MILLIONS = (1, 2, 4, 8, 16)
BINS = (6, 24)
COLOURS = ("#1b6ca8", "#c8553d", "#3a7d44", "#7a5195")
Line = tuple[str, list[float], list[float]]
"""Its name, and its points: x and y."""


def first_frames(source: DataSource, number: int, folder: Path) -> DataSource:
    """Make a data set of the first frames of another, of links."""
    data = source.open("train")
    for frame in data.frames[:number]:
        for path in (source.root / "train").glob(f"*/{frame}*"):
            target = folder / "train" / path.parent.name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, target)
    return DataSource(folder)


def by_frames(source: DataSource) -> list[Line]:
    """Time preparing and opening for growing numbers of frames."""
    total = len(source.open("train"))
    numbers = [total // 8, total // 4, total // 2, total]
    preparing, opening, plain_opening = [], [], []
    for number in numbers:
        with tempfile.TemporaryDirectory(dir=source.root.absolute().parent) as scratch:
            part = first_frames(source, number, Path(scratch) / "data")
            began = time.process_time()
            prepare(part, workers=1, say=lambda line: None)
            preparing.append(time.process_time() - began)
            began = time.process_time()
            data = part.open("train")
            plain_opening.append(time.process_time() - began)
            began = time.process_time()
            open_store(data, store_folder(part, "train"))
            opening.append(time.process_time() - began)
        print(
            f"{number} frames: prepared in {preparing[-1]:.2f} s, plain files opened in "
            f"{plain_opening[-1]:.3f} s, store compared with them in {opening[-1]:.3f} s"
        )
    frames = [float(number) for number in numbers]
    return [
        ("prepare", frames, preparing),
        ("open the plain files", frames, plain_opening),
        ("open the store", frames, opening),
    ]


def random_sample(events: int) -> Sample:
    """Make a frame with events anywhere, at any of 15,000 microseconds."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (HEIGHT // 8, WIDTH // 8, 3)).repeat(8, 0).repeat(8, 1)
    image = (image + rng.integers(-2, 3, image.shape)).clip(0, 255).astype(np.uint8)
    return Sample(
        frame="random_00000",
        blurry=image,
        sharp=image,
        events=Events(
            x=rng.integers(0, WIDTH, events, np.int32),
            y=rng.integers(0, HEIGHT, events, np.int32),
            t=np.sort(rng.integers(0, 15_000, events)),
            p=rng.integers(0, 2, events, np.int8),
        ),
    )


def by_events() -> list[Line]:
    """Time storing a frame, and cropping it, for growing numbers of events."""
    storing: list[float] = []
    crops: dict[int, list[float]] = {bins: [] for bins in BINS}
    for millions in MILLIONS:
        sample = random_sample(millions * 1_000_000)
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "random_00000.npz"
            began = time.process_time()
            write_frame(path, sample, {})
            storing.append(time.process_time() - began)
            for bins in BINS:
                crops[bins].append(statistics.median(crop_times(path, bins)))
            size = path.stat().st_size
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        times = ", ".join(f"{1e3 * crops[bins][-1]:.1f} ms with {bins} bins" for bins in BINS)
        print(
            f"{millions} million events: stored in {storing[-1]:.2f} s, {size / 1e6:.0f} MB, "
            f"crop {times}; this process took {peak:.2f} GiB at most so far"
        )
    numbers = [float(millions) for millions in MILLIONS]
    named: list[Line] = [("store a frame", numbers, storing)]
    return named + [(f"crop, {bins} bins", numbers, crops[bins]) for bins in BINS]


def crop_times(path: Path, bins: int) -> list[float]:
    """Time crops, grids and all."""
    rng = np.random.default_rng(1)
    times = []
    for _ in range(12):
        top, left = int(rng.integers(HEIGHT - CROP + 1)), int(rng.integers(WIDTH - CROP + 1))
        began = time.process_time()
        with FrameFile(path) as file:
            part = file.read(Window(top, left, CROP, CROP))
        assert part.events is not None
        Representation(bins=bins).grid(part.events, CROP, CROP, part.span)
        times.append(time.process_time() - began)
    return times


@dataclass(frozen=True)
class Panel:
    """One plot with two logarithmic axes."""

    title: str
    below: str
    lines: list[Line]
    unit: str = "s"

    def svg(self, left: int) -> str:
        """Draw it, 400x300, its corner at (left, 0)."""
        xs = np.log10([x for _, points, _ in self.lines for x in points])
        ys = np.log10([y for _, _, points in self.lines for y in points])
        low, high = np.floor(ys.min()), np.ceil(ys.max())

        def place(x: float, y: float) -> tuple[float, float]:
            across = (np.log10(x) - xs.min()) / (xs.max() - xs.min())
            up = (np.log10(y) - low) / (high - low)
            return round(left + 60 + 230 * across, 1), round(250 - 210 * up, 1)

        drawn = [f'<text x="{left + 60}" y="24" font-weight="bold">{self.title}</text>']
        drawn.append(f'<text x="{left + 120}" y="290">{self.below}</text>')
        for power in range(int(low), int(high) + 1):
            (x, y), word = place(10 ** xs.min(), 10.0**power), f"{10.0**power:g} {self.unit}"
            drawn.append(f'<line x1="{x}" x2="{left + 290}" y1="{y}" y2="{y}" stroke="#ddd"/>')
            drawn.append(f'<text x="{x - 6}" y="{y + 4}" text-anchor="end">{word}</text>')
        free = 0.0  # where the next number has room
        for x in sorted({x for _, points, _ in self.lines for x in points}):
            spot = place(x, 10.0**low)
            if spot[0] >= free:
                word = f"{x:g}" if x < 1e5 else f"{x / 1e6:.3g} M"
                drawn.append(f'<text x="{spot[0]}" y="268" text-anchor="middle">{word}</text>')
                free = spot[0] + 45
        ends: list[tuple[float, str, str]] = []
        for (name, points, seconds), colour in zip(self.lines, COLOURS, strict=False):
            spots = [place(x, y) for x, y in zip(points, seconds, strict=True)]
            path = " ".join(f"{x},{y}" for x, y in spots)
            drawn.append(f'<polyline points="{path}" fill="none" stroke="{colour}"/>')
            drawn += [f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in spots]
            ends.append((spots[-1][1], colour, name))
        below = 0.0
        for y, colour, name in sorted(ends):
            below = max(y + 4, below + 14)  # names of lines that meet stand below each other
            drawn.append(f'<text x="{left + 298}" y="{below}" fill="{colour}">{name}</text>')
        return "\n".join(drawn)


def command(
    small: Annotated[Path, typer.Argument(help="a data set of many small frames")],
    draw: Annotated[Path | None, typer.Option(help="SVG to write")] = None,
) -> None:
    """Measure how time grows.

    Example: python benchmarks/scale.py data/many --draw docs/scale.svg
    """
    panels = (
        Panel("Small frames", "frames", by_frames(DataSource(small))),
        Panel("One frame of 1632x1224", "million events", by_events()),
    )
    if draw:
        body = "\n".join(panel.svg(440 * k) for k, panel in enumerate(panels))
        style = 'font-family="sans-serif" font-size="12"'
        write_text(
            draw,
            f'<svg xmlns="http://www.w3.org/2000/svg" width="880" height="300" {style}>\n'
            f'<rect width="880" height="300" fill="white"/>\n{body}\n</svg>\n',
        )


def main() -> int:
    """Run the command line; return the exit code."""
    return cli.run(command, None, "python benchmarks/scale.py")


if __name__ == "__main__":
    sys.exit(main())
