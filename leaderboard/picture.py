"""One frame as every run restored it, side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from challenge.datasets import DataSource
from challenge.datasets.source import Dataset
from challenge.errors import DataError, SubmissionError
from challenge.findings import shorten
from challenge.images import read_png
from challenge.metrics.psnr import psnr
from challenge.runs import (
    RunRecord,
    explain_place,
    load_record,
    of_same_data,
    run_folders,
)
from challenge.sample import Sample
from leaderboard.pictures import event_picture, signed_events
from leaderboard.sheet import (
    WIDEST,
    Crop,
    Panel,
    difference,
    error_key,
    error_map,
    fit,
    frame_around,
    full_scale,
    most_disputed,
    named_crop,
)


@dataclass(frozen=True)
class Shown:
    """One frame: its sample, and what each run made of it, by name, in the order to be drawn."""

    sample: Sample
    bins: int
    restored: dict[str, np.ndarray]


@dataclass(frozen=True)
class Shelf:
    """The runs in a folder that can be compared, by name, beside their data."""

    folder: Path
    source: DataSource
    split: str
    dataset: Dataset
    runs: dict[str, Path]

    def of_frame(self, frame: str) -> dict[str, Path]:
        """Name the PNGs of a frame by the runs that have it."""
        paths = {name: run / f"{frame}.png" for name, run in self.runs.items()}
        return {name: path for name, path in paths.items() if path.is_file()}


def open_shelf(record: RunRecord, folder: Path) -> Shelf:
    """Open what is beside a run: the data that it was made from, and the runs of the same data.

    Args:
        record: of `folder`.
        folder: predictions.

    Raises:
        DataError: the data are not as they should be.
        SubmissionError: nothing says from which data the run was made.
    """
    source = DataSource.of_record(record)
    if source is None or record.split is None:
        why = explain_place(folder, record) or "its run.json names no data_root, or no split"
        raise SubmissionError(f"{folder}: nothing says from which frames it was made: {why}")
    runs = {
        run.name: run
        for run in run_folders(folder.parent, "*")
        if of_same_data(load_record(run), record)
    }
    return Shelf(folder.parent, source, record.split, source.open(record.split), runs)


def choose_runs(shelf: Shelf, frame: str | None, only: Sequence[str]) -> tuple[str, list[str]]:
    """Choose a frame and the runs to be drawn, in their order.

    Args:
        frame: default: one in the middle.
        only: names of runs; default: all that have the frame, but `blurry`.

    Raises:
        DataError: no such frame; the first names are given.
        SubmissionError: a run of `only` is not there, or not with this frame.
    """
    dataset = shelf.dataset
    frame = frame or dataset.frames[len(dataset) // 2]
    if frame not in dataset.frames:
        some = ", ".join(dataset.frames[:3])
        place = f"{shelf.source.root}/{shelf.split}"
        raise DataError(f"{frame}: no such frame in {place}; it has {some}, …")
    paths = shelf.of_frame(frame)
    if absent := [name for name in only if name not in paths]:
        known = ", ".join(shorten(list(paths))) or "none"
        raise SubmissionError(
            f"--run {', '.join(absent)}: expected runs of {shelf.folder} that have {frame}.png: "
            f"{known}"
        )
    usual = sorted(paths.keys() - {"blurry"}, key=lambda name: (name != "edi", name))
    return frame, list(only) or usual


def read_shown(shelf: Shelf, frame: str, names: Sequence[str]) -> Shown:
    """Read what is to be shown of one frame: its data, and what some runs made of it.

    Raises:
        DataError: a damaged file, or an image of another size.
    """
    sample = shelf.dataset[shelf.dataset.frames.index(frame)]
    paths = shelf.of_frame(frame)
    restored = {name: read_png(paths[name]) for name in names}
    for name, image in restored.items():
        if image.shape != sample.blurry.shape:
            expected, found = _size(sample.blurry), _size(image)
            raise DataError(f"{paths[name]}: expected {expected} like the input, found {found}")
    return Shown(sample, shelf.source.bins, restored)


def _size(image: np.ndarray) -> str:
    return f"{image.shape[1]}x{image.shape[0]} (width x height)"


def choose_crop(shown: Shown, asked: str | None) -> Crop | None:
    """Choose what is drawn of a frame; None: all of it.

    Args:
        asked: "auto", the place where the runs differ the most; "none"; "X,Y" or
            "X,Y,WIDTHxHEIGHT"; None: auto where a frame is wider than a panel.

    Raises:
        ConfigError: something else, or a place that is not inside the frame.
    """
    height, width = shown.sample.blurry.shape[:2]
    large = width > WIDEST
    asked = asked or ("auto" if large else "none")
    if asked == "none":
        return None
    size = (WIDEST, min(height, WIDEST * 3 // 4)) if large else (-(-width // 2), -(-height // 2))
    if place := named_crop(asked, (width, height), size):
        return place
    images = [*shown.restored.values()]
    images += [shown.sample.blurry] * (len(images) < 2)
    return most_disputed(images, shown.sample.sharp, *size)


def panels_of(shown: Shown, crop: Crop | None, maps: bool = True) -> list[Panel]:
    """Draw what is shown: blurry, events, the runs, sharp where it is known, each as large as the
    others; under each its errors, where sharp is known and `maps` are wanted.
    """
    sample, sharp = shown.sample, shown.sample.sharp
    whole = Crop(0, 0, *sample.blurry.shape[1::-1])
    place = crop or whole
    images = {"blurry": sample.blurry, **shown.restored}
    errors, full = {}, 0
    if sharp is not None and maps:
        errors = {name: place.of(difference(image, sharp)) for name, image in images.items()}
        full = full_scale([*errors.values()])
    panels = [
        Panel(
            name,
            fit(place.of(image)),
            _decibels(image, sharp, crop),
            fit(error_map(errors[name], full)) if name in errors else None,
        )
        for name, image in images.items()
    ]
    events = event_picture(signed_events(sample, shown.bins))
    panels.insert(1, Panel("events", fit(place.of(events))))
    if sharp is not None:
        height, width = panels[0].image.shape[:2]
        key = error_key(height, width, full) if maps else None
        panels.append(Panel("sharp", fit(place.of(sharp)), "", key))
    if crop is not None:
        panels.insert(0, Panel(sample.frame, frame_around(sample.blurry, crop), f"{crop}"))
    return panels


def _decibels(image: np.ndarray, sharp: np.ndarray | None, crop: Crop | None) -> str:
    """Say how near an image is to the sharp one: over the frame, and over the crop."""
    if sharp is None:
        return ""
    here = f", here {_psnr(crop.of(image), crop.of(sharp))}" if crop else ""
    return f"{_psnr(image, sharp)} dB{here}"


def _psnr(image: np.ndarray, sharp: np.ndarray) -> str:
    value = psnr(np.ascontiguousarray(image), np.ascontiguousarray(sharp))
    return "equal" if math.isinf(value) else f"{value:.2f}"
