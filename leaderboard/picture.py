"""One frame as every run restored it, side by side: `bash run.sh show [FRAME]`."""

from __future__ import annotations

if __name__ == "__main__":
    from challenge.environment import bootstrap

    bootstrap.ensure_packages()

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer

from challenge import cli
from challenge.datasets import DataSource
from challenge.errors import DataError, SubmissionError
from challenge.images import read_png, write_png
from challenge.representations import voxel_grid
from challenge.runs import RUN_FILE, SUBMISSIONS, RunRecord, find_runs, load_record
from challenge.sample import Sample

TITLE_HEIGHT = 22  # pixels
GAP = 4
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


def side_by_side(panels: dict[str, np.ndarray], columns: int = 5) -> np.ndarray:
    """Lay out images of one size, each under its title, `columns` to a row.

    Args:
        panels: title -> (H, W, 3) uint8 RGB.
        columns: panels in a row.

    Returns:
        (H', W', 3) uint8 RGB on white.
    """
    height, width = next(iter(panels.values())).shape[:2]
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    cell = (height + TITLE_HEIGHT + GAP, width + GAP)
    sheet = np.full((rows * cell[0] + GAP, columns * cell[1] + GAP, 3), 255, np.uint8)
    for index, (title, image) in enumerate(panels.items()):
        top = GAP + index // columns * cell[0]
        left = GAP + index % columns * cell[1]
        sheet[top + TITLE_HEIGHT : top + TITLE_HEIGHT + height, left : left + width] = image
        cv2.putText(
            sheet, title, (left, top + 15), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA
        )
    return sheet


def panels_of(
    record: RunRecord, folder: Path, frame: str | None, only: Sequence[str]
) -> dict[str, np.ndarray]:
    """Read what is to be shown of one frame: title -> (H, W, 3) uint8 RGB.

    Blurry, events, the runs beside `folder` that have the frame, and sharp where it is known.

    Args:
        record: of `folder`.
        folder: predictions.
        frame: default: one in the middle.
        only: names of runs; default: all but `blurry`.

    Raises:
        DataError: no such frame; the first names are given.
        SubmissionError: the record does not say from which data the run was made.
    """
    source = DataSource.of_record(record)
    if source is None or record.split is None:
        raise SubmissionError(f"{folder / RUN_FILE}: names no data_root and split")
    dataset = source.open(record.split)
    frame = frame or dataset.frames[len(dataset) // 2]
    if frame not in dataset.frames:
        some = ", ".join(dataset.frames[:3])
        raise DataError(
            f"{frame}: no such frame in {record.data_root}/{record.split}; it has {some}, …"
        )
    sample = dataset[dataset.frames.index(frame)]
    panels = {"blurry": sample.blurry, "events": event_picture(grid_of(sample, source.bins))}
    for run in sorted(folder.parent.iterdir(), key=lambda path: (path.name != "edi", path.name)):
        shown = run.name in only if only else run.name != "blurry"
        image = run / f"{frame}.png"
        if shown and not run.name.startswith(".") and image.is_file():
            panels[run.name] = read_png(image)
    if sample.sharp is not None:
        panels["sharp"] = sample.sharp
    return panels


def command(
    frame: Annotated[
        str | None, typer.Argument(help="such as SEQNAME_00012; default: one in the middle")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(help="predictions; default: the newest run whose frames have sharp images"),
    ] = None,
    run: Annotated[list[str] | None, typer.Option(help="show only these runs")] = None,
    columns: Annotated[int, typer.Option(help="images in a row", min=1)] = 5,
    out: Annotated[Path | None, typer.Option(help="PNG to write; default: beside the runs")] = None,
    *,
    submissions: Path,
) -> None:
    """Draw blurry | events | every run | sharp for one frame.

    Example: bash run.sh show chelsea_pan_00012 --run edi --run efnet_mini
    """
    if folder is None:
        runs = find_runs(submissions, references=False)
        if not runs:
            raise SubmissionError(f"{submissions}: nothing predicted yet; bash run.sh predict")
        scored = [path for path in runs if (path / "scores.json").exists()]
        folder = (scored or runs)[-1]
    panels = panels_of(load_record(folder), folder, frame, run or [])
    path = out or folder.parent / "picture.png"
    write_png(path, side_by_side(panels, columns))
    print(f"wrote {path}: {' | '.join(panels)}")


def main(argv: Sequence[str] | None = None, submissions: Path = SUBMISSIONS) -> int:
    """Run the command line; return the exit code."""
    return cli.run(command, argv, "bash run.sh show", submissions=submissions)


if __name__ == "__main__":
    sys.exit(main())
