"""One frame as every run restored it, side by side: `bash run.sh show [FRAME]`."""

from __future__ import annotations

if __name__ == "__main__":
    from challenge.environment import bootstrap

    bootstrap.ensure_packages()

import math
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from challenge import cli
from challenge.datasets import DataSource
from challenge.errors import ConfigError, DataError, SubmissionError
from challenge.findings import shorten
from challenge.images import read_png, write_png
from challenge.metrics.psnr import psnr
from challenge.representations import voxel_grid
from challenge.runs import (
    SUBMISSIONS,
    RunRecord,
    explain_place,
    find_runs,
    load_record,
    of_same_data,
    run_folders,
)
from challenge.sample import Sample
from challenge.submission.candidate import limits_of
from leaderboard.sheet import (
    WIDEST,
    Crop,
    Panel,
    difference,
    draw_sheet,
    error_key,
    error_map,
    fit,
    frame_around,
    full_scale,
    most_disputed,
)

CROP = re.compile(r"(\d+),(\d+)(?:,(\d+)x(\d+))?")
SATURATED = 6.0
"""So many events of one sign in a pixel give the full colour."""


def grid_of(sample: Sample, bins: int) -> np.ndarray:
    """Make the (bins, H, W) float32 grid to draw; one that is stored is taken as it is."""
    if sample.events is None:
        assert sample.stored_grid is not None  # a data set gives one of the two
        return sample.stored_grid
    return voxel_grid(sample.events, bins, *sample.blurry.shape[:2])


def event_picture(grid: np.ndarray) -> np.ndarray:
    """Draw signed events: blue where it became brighter, red where darker, white where none are.

    Args:
        grid: (bins, H, W) signed events. Not modified.

    Returns:
        (H, W, 3) uint8 RGB.

    >>> event_picture(np.array([[[9.0, -9.0, 0.0]]])).tolist()
    [[[0, 70, 255], [255, 30, 0], [255, 255, 255]]]
    """
    total = grid.sum(axis=0)
    strength = np.clip(np.abs(grid).sum(axis=0) / SATURATED, 0.0, 1.0)[:, :, None]
    colour = np.where(total[:, :, None] >= 0, (0.0, 70.0, 255.0), (255.0, 30.0, 0.0))
    picture: np.ndarray = np.round(255.0 + strength * (colour - 255.0))
    return picture.astype(np.uint8)


@dataclass(frozen=True)
class Shown:
    """One frame: its sample, and what each run made of it, by name, in the order to be drawn."""

    sample: Sample
    bins: int
    restored: dict[str, np.ndarray]


def read_shown(record: RunRecord, folder: Path, frame: str | None, only: Sequence[str]) -> Shown:
    """Read what is to be shown of one frame: its data, and the runs beside `folder` that have it.

    Args:
        record: of `folder`.
        folder: predictions.
        frame: default: one in the middle.
        only: names of runs; default: all but `blurry`. Runs of other data are left out.

    Raises:
        DataError: no such frame (the first names are given), or an image of another size.
        SubmissionError: nothing says from which data the run was made, or a run of `only` is not
            there, or not with this frame.
    """
    source = DataSource.of_record(record)
    if source is None or record.split is None:
        why = explain_place(folder, record) or "its run.json names no data_root, or no split"
        raise SubmissionError(f"{folder}: nothing says from which frames it was made: {why}")
    dataset = source.open(record.split)
    frame = frame or dataset.frames[len(dataset) // 2]
    if frame not in dataset.frames:
        some = ", ".join(dataset.frames[:3])
        raise DataError(
            f"{frame}: no such frame in {record.data_root}/{record.split}; it has {some}, …"
        )
    paths = {
        run.name: run / f"{frame}.png"
        for run in run_folders(folder.parent, "*")
        if (run / f"{frame}.png").is_file() and of_same_data(load_record(run), record)
    }
    if absent := [name for name in only if name not in paths]:
        known = ", ".join(shorten(list(paths))) or "none"
        raise SubmissionError(
            f"--run {', '.join(absent)}: expected runs of {folder.parent} that have {frame}.png: "
            f"{known}"
        )
    names = only or sorted(paths.keys() - {"blurry"}, key=lambda name: (name != "edi", name))
    sample = dataset[dataset.frames.index(frame)]
    restored = {name: read_png(paths[name]) for name in names}
    for name, image in restored.items():
        if image.shape != sample.blurry.shape:
            expected, found = _size(sample.blurry), _size(image)
            raise DataError(f"{paths[name]}: expected {expected} like the input, found {found}")
    return Shown(sample, source.bins, restored)


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
    if asked == "auto":
        images = [*shown.restored.values()]
        images += [shown.sample.blurry] * (len(images) < 2)
        return most_disputed(images, shown.sample.sharp, *size)
    match = CROP.fullmatch(asked)
    if match is None:
        raise ConfigError(f"--crop {asked}: expected auto, none, X,Y or X,Y,WIDTHxHEIGHT")
    left, top, *given = (int(each) for each in match.groups() if each)
    crop = Crop(left, top, *(given or size))
    inside = left + crop.width <= width and top + crop.height <= height
    if not inside or crop.width < 1 or crop.height < 1:
        raise ConfigError(f"--crop {crop}: expected a part of the frame, {width}x{height}")
    return crop


def panels_of(shown: Shown, crop: Crop | None) -> list[Panel]:
    """Draw what is shown: blurry, events, the runs, sharp where it is known, each as large as the
    others; under each its errors, where sharp is known.
    """
    sample, sharp = shown.sample, shown.sample.sharp
    whole = Crop(0, 0, *sample.blurry.shape[1::-1])
    place = crop or whole
    images = {"blurry": sample.blurry, **shown.restored}
    errors, full = {}, 0
    if sharp is not None:
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
    events = event_picture(grid_of(sample, shown.bins))
    panels.insert(1, Panel("events", fit(place.of(events))))
    if sharp is not None:
        height, width = panels[0].image.shape[:2]
        panels.append(Panel("sharp", fit(place.of(sharp)), "", error_key(height, width, full)))
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


def command(
    frame: Annotated[
        str | None, typer.Argument(help="such as SEQNAME_00012; default: one in the middle")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(help="predictions; default: the newest run whose frames have sharp images"),
    ] = None,
    run: Annotated[list[str] | None, typer.Option(help="show only these runs")] = None,
    crop: Annotated[
        str | None,
        typer.Option(
            help="auto: where the runs differ the most; none: whole frames; X,Y,WIDTHxHEIGHT. "
            "default: auto for large frames"
        ),
    ] = None,
    columns: Annotated[int, typer.Option(help="images in a row", min=1)] = 6,
    out: Annotated[Path | None, typer.Option(help="PNG to write; default: beside the runs")] = None,
    *,
    submissions: Path,
) -> None:
    """Draw blurry | events | every run | sharp for one frame, with dB, and a map of the errors.

    Of a large frame the place is drawn where the runs differ the most.

    Example: bash run.sh show chelsea_pan_00012 --run edi --run efnet_mini
    """
    if folder is None:
        runs = find_runs(submissions, references=False)
        if not runs:
            raise SubmissionError(f"{submissions}: nothing predicted yet; bash run.sh predict")
        scored = [path for path in runs if (path / "scores.json").exists()]
        folder = (scored or runs)[-1]
    shown = read_shown(load_record(folder), folder, frame, run or [])
    place = choose_crop(shown, crop)
    panels = panels_of(shown, place)
    path = out or folder.parent / "picture.png"
    write_png(path, draw_sheet(panels, columns))
    print(f"wrote {path}: {' | '.join(panel.title for panel in panels)}")
    if limits := limits_of(load_record(folder)):
        print(f"limits: {limits}")
    if place:
        print(f"drawn is --crop {place} of {shown.sample.frame}; --crop none draws all of it")


def main(argv: Sequence[str] | None = None, submissions: Path = SUBMISSIONS) -> int:
    """Run the command line; return the exit code."""
    return cli.run(command, argv, "bash run.sh show", submissions=submissions)


if __name__ == "__main__":
    sys.exit(main())
