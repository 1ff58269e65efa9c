"""What shipped weights are worth beside the blurry frame and EDI, and where they end: the figures
of their card.

KIT_SAMPLES=DIR python benchmarks/shipped.py baselines/efnet/weights/efnet_small.safetensors
python benchmarks/shipped.py CHECKPOINT --data data/wide --split val --most 200

Scored are the embedded test photographs, with the sharp images that the simulator makes for them;
the real recording with truth (`bash run.sh data --real`); and, by Tenengrad, the 30 real frames
without truth. With truth, PSNR (RGB, 8 bit) over the whole frame, over the pixels that saw events
(`event_mask`) and over the others. `--limits` harms the events in ways that happen and scores what
comes of it. Prints Markdown.
"""

from __future__ import annotations

if __name__ == "__main__":
    import pathlib
    import sys

    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])
    from challenge.environment import bootstrap

    bootstrap.ensure_packages()

import dataclasses
import math
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from baselines.efnet.augment import merge, noise, shift
from baselines.efnet.inference import Inference
from baselines.restorer import Restorer, load_restorer
from benchmarks.recipe_scores import open_sets, tenengrad
from challenge import REPOSITORY, cli
from challenge.datasets import Dataset, open_split
from challenge.datasets.doctor.glance import spread
from challenge.events import Events, elapsed
from challenge.images import write_png
from challenge.metrics.psnr import psnr
from challenge.representations import Representation, event_mask
from challenge.sample import Sample, Window, part_of
from challenge.simulation.sequences import (
    FRAME_STEP,
    Request,
    plan,
    simulate_sequence,
    write_events,
)
from leaderboard.sheet import Panel, busiest, draw_sheet, fit

SAMPLES = Path(os.environ.get("KIT_SAMPLES", REPOSITORY.parent / "shared" / "samples"))
VOXEL = Representation(bins=6)
NOISE = 0.6
"""Random events per pixel: some ten times those of the embedded set, two a second and pixel."""
PLACES = ("whole frame", "pixels with events", "pixels without")
ROWS = ("blurry", "edi", "efnet")
TINY = 1e-9
DRAWN = (160, 120)
"""Pixels of the crop that is drawn, (width, height)."""


Harm = Callable[[Events, Sample], Events]


class Frames:
    """Some frames of a data set, as recorded or with events that something happened to."""

    stored_kind = None

    def __init__(self, dataset: Dataset, most: int, harm: Harm | None = None) -> None:
        self.dataset, self.places, self.harm = dataset, spread(range(len(dataset)), most), harm
        self.frames = [dataset.frames[place] for place in self.places]
        self.has_sharp = dataset.has_sharp

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Sample:
        return self._harmed(self.dataset[self.places[index]])

    def read_inputs(self, frame: str) -> Sample:
        """Read what a restorer may see."""
        return self._harmed(self.dataset.read_inputs(frame))

    def read_part(self, frame: str, window: Window) -> Sample:
        """Read a part of a frame."""
        return part_of(self[self.frames.index(frame)], window)

    def frame_size(self, frame: str) -> tuple[int, int]:
        """Tell the (height, width) of a frame."""
        return self.dataset.frame_size(frame)

    def _harmed(self, sample: Sample) -> Sample:
        if self.harm is None or sample.events is None:
            return sample
        return dataclasses.replace(sample, events=self.harm(sample.events, sample))


def from_zero(events: Events) -> tuple[Events, float]:
    """Count time from the first event on; return that of the last, in microseconds, too."""
    if not len(events):
        return events, 0.0
    since = elapsed(events.t, events.t[0])
    return dataclasses.replace(events, t=since), float(since[-1])


def late(share: float) -> Harm:
    """The exposure is taken to begin earlier than it did, by a share of itself."""

    def harm(events: Events, sample: Sample) -> Events:
        events, whole_us = from_zero(events)
        return shift(events, share * whole_us, whole_us)

    return harm


def middle(share: float) -> Harm:
    """The exposure is taken to be shorter than it was: events of its middle part alone."""

    def harm(events: Events, sample: Sample) -> Events:
        events, whole_us = from_zero(events)
        inside = np.abs(events.t - whole_us / 2) <= share * whole_us / 2
        return events.select(np.flatnonzero(inside))

    return harm


def every_second(events: Events, sample: Sample) -> Events:
    """A camera of twice the contrast threshold: every second event of a pixel."""
    pixel = events.y.astype(np.int64) * sample.blurry.shape[1] + events.x
    order = np.argsort(pixel, kind="stable")
    begins = np.flatnonzero(np.diff(pixel[order], prepend=-1))
    place = np.arange(len(order)) - np.repeat(begins, np.diff(np.append(begins, len(order))))
    return events.select(np.sort(order[place % 2 == 1]))


def with_noise(events: Events, sample: Sample) -> Events:
    """Random events everywhere, NOISE for each pixel."""
    height, width = sample.blurry.shape[:2]
    events, whole_us = from_zero(events)
    rng = np.random.default_rng(0)
    return merge(events, noise(round(NOISE * height * width), height, width, whole_us, rng))


HARMS: Mapping[str, Harm] = {
    "as recorded": lambda events, sample: events,
    "no events at all": lambda events, sample: Events.empty(),
    "polarity swapped": lambda events, sample: dataclasses.replace(events, p=1 - (events.p > 0)),
    "left for right": lambda events, sample: dataclasses.replace(
        events, x=sample.blurry.shape[1] - 1 - events.x
    ),
    "begins 5 % too early": late(0.05),
    "begins 25 % too early": late(0.25),
    "taken half as long": middle(0.5),
    "every second event of a pixel": every_second,
    "only brighter ones": lambda events, sample: events.select(np.flatnonzero(events.p > 0)),
    f"{NOISE} random events a pixel": with_noise,
}


def write_test(root: Path) -> Dataset:
    """Write the frames of the embedded test photographs with their sharp images, as a split val."""
    for sequence in plan(Request()):
        if sequence.split != "test":
            continue
        for i, frame in enumerate(simulate_sequence(sequence, Request())):
            stem = f"{sequence.name}_{i * FRAME_STEP:05d}"
            write_png(root / "val" / "blur" / f"{stem}.png", frame.blurry)
            write_png(root / "val" / "sharp" / f"{stem}.png", frame.sharp)
            for k, events in enumerate(frame.events):
                path = root / "val" / "event" / f"{stem}_{k:02d}.npz"
                write_events(path, events, sequence.number)
    return open_split(root, "val")


def decibels(image: np.ndarray, sharp: np.ndarray, seen: np.ndarray) -> list[float]:
    """Return PSNR over each of PLACES; NaN where there are no such pixels.

    Args:
        image, sharp: (H, W, 3) uint8.
        seen: (H, W), where there were events.
    """
    error = ((image.astype(np.float64) - sharp.astype(np.float64)) ** 2).mean(axis=2)
    parts = (error, error[seen], error[~seen])
    return [
        10 * math.log10(255**2 / max(part.mean(), TINY)) if part.size else math.nan
        for part in parts
    ]


def seen_by_events(sample: Sample) -> np.ndarray:
    """Say which pixels saw events: (H, W) bool."""
    assert sample.events is not None
    grid = VOXEL.grid(sample.events, *sample.blurry.shape[:2])
    return np.asarray(event_mask(grid)[0] > 0)


def restorer_of(frames: Frames, baseline: str, checkpoint: Path, settings: Inference) -> Restorer:
    """Load a baseline; the weights, if it has any."""
    if baseline == "efnet":
        return load_restorer(baseline, frames, checkpoint, "cpu", settings)
    return load_restorer(baseline, frames, None, "cpu")


def judge(frames: Frames, restorer: Restorer) -> np.ndarray:
    """Restore each frame: (frames, 3) PSNR over PLACES, or (frames, 1) Tenengrad beside the input.

    Where there were events is asked of the frames as they were recorded.
    """
    rows = []
    for number, place in enumerate(frames.places):
        sample, recorded = frames[number], frames.dataset[place]
        image = restorer(dataclasses.replace(sample, sharp=None))
        if sample.sharp is None:
            rows.append([tenengrad(image) / tenengrad(sample.blurry)])
        else:
            rows.append(decibels(image, sample.sharp, seen_by_events(recorded)))
    return np.array(rows)


def show_set(name: str, frames: Frames, checkpoint: Path, settings: Inference) -> None:
    """Print the rows of one data set."""
    with_truth = frames.has_sharp
    columns = PLACES if with_truth else ("Tenengrad beside the input's", "least of all frames")
    print(
        f"\n| {name}, {len(frames)} frames | {' | '.join(columns)} |\n|---{'|---' * len(columns)}|"
    )
    values = {}
    for row in ROWS:
        values[row] = found = judge(frames, restorer_of(frames, row, checkpoint, settings))
        cells = np.nanmean(found, axis=0) if with_truth else [found.mean(), found.min()]
        print(f"| {row} | {' | '.join(f'{cell:.2f}' for cell in cells)} |", flush=True)
    counts = [int((values["efnet"][:, 0] < values[row][:, 0]).sum()) for row in ROWS[:2]]
    print(f"\nframes in which efnet is behind the input: {counts[0]}; behind EDI: {counts[1]}")


def show_limits(
    name: str, dataset: Dataset, checkpoint: Path, settings: Inference, draw: Path | None
) -> None:
    """Print what harmed events come to; draw it for one frame."""
    print(f"\n| {name}: events | efnet | EDI |\n|---|---|---|")
    panels: list[Panel] = []
    for harm, change in HARMS.items():
        frames = Frames(dataset, len(dataset), change)
        restorers = [restorer_of(frames, row, checkpoint, settings) for row in ("efnet", "edi")]
        cells = [judge(frames, each)[:, 0].mean() for each in restorers]
        print(f"| {harm} | {' | '.join(f'{cell:.2f}' for cell in cells)} |", flush=True)
        panels += drawn(harm, frames[len(frames) // 2], restorers[0], first=not panels)
    if draw is not None:
        write_png(draw, draw_sheet(panels, 4))


def drawn(title: str, sample: Sample, restorer: Restorer, first: bool) -> list[Panel]:
    """Draw what a frame comes to, where its events are; the first time beside input and truth."""
    assert sample.sharp is not None  # only such sets are harmed
    crop = busiest(edges(sample), *DRAWN)
    shown = {title: restorer(sample)}
    if first:
        shown = {"blurry": sample.blurry, "sharp": sample.sharp, **shown}
    sharp = sample.sharp
    figures = {
        name: "" if image is sharp else f"{psnr(image, sharp):.2f} dB"
        for name, image in shown.items()
    }
    return [Panel(name, fit(crop.of(image)), figures[name]) for name, image in shown.items()]


def edges(sample: Sample) -> np.ndarray:
    """Weigh pixels by what the blur changed: (H, W) float32."""
    assert sample.sharp is not None
    return np.abs(sample.blurry.astype(np.float32) - sample.sharp).mean(axis=2)


def command(
    checkpoint: Annotated[Path, typer.Argument(help="weights, as of predict --checkpoint")],
    data: Annotated[Path | None, typer.Option(help="another data set, instead")] = None,
    split: Annotated[str, typer.Option(help="of --data")] = "val",
    most: Annotated[int, typer.Option(help="frames of it, spread over all")] = 200,
    only: Annotated[str | None, typer.Option(help="test, street, cups; commas between")] = None,
    limits: Annotated[bool, typer.Option("--limits", help="harm the events, too")] = False,
    draw: Annotated[Path | None, typer.Option(help="with --limits: folder for pictures")] = None,
    precision: Annotated[str | None, typer.Option(help="float32, bfloat16")] = None,
) -> None:
    """Measure what weights are worth, and where they end."""
    settings = Inference(precision=precision)
    if data is not None:
        show_set(data.name, Frames(open_split(data, split), most), checkpoint, settings)
        return
    with tempfile.TemporaryDirectory() as folder:
        sets = open_sets(write_test(Path(folder)), SAMPLES)
        sets = {"test": sets.pop("val"), **sets}
        for name, dataset in sets.items():
            if only is not None and name not in only.split(","):
                continue
            show_set(name, Frames(dataset, len(dataset)), checkpoint, settings)
            if limits and dataset.has_sharp:
                picture = None if draw is None else draw / f"limits_{name}.png"
                show_limits(name, dataset, checkpoint, settings, picture)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    return cli.run(command, argv, "python benchmarks/shipped.py")


if __name__ == "__main__":
    sys.exit(main())
