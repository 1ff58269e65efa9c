"""Frames as pictures and videos, of runs or of data alone: `bash run.sh show [PATH] [FRAME]`."""

from __future__ import annotations

if __name__ == "__main__":
    from challenge.environment import bootstrap

    bootstrap.ensure_packages()

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from challenge import cli
from challenge.datasets.source import STORED, DataSource
from challenge.errors import ConfigError, SubmissionError
from challenge.images import write_png
from challenge.representations import KINDS
from challenge.runs import SUBMISSIONS, find_runs, load_record
from challenge.sample import sequence_of
from challenge.submission.candidate import limits_of
from leaderboard import clips
from leaderboard.picture import choose_crop, choose_runs, open_shelf, panels_of, read_shown
from leaderboard.sample_picture import (
    Reading,
    choose_part,
    draw_sample,
    find_frame,
    reading_of,
    source_of,
)
from leaderboard.sheet import draw_sheet
from leaderboard.video import check_video, write_video

PICTURES = "pictures"
"""Folder in `submissions` for what is drawn of data alone."""


@dataclass(frozen=True)
class Look:
    """How something is drawn, and where it goes: what the options say."""

    crop: str | None
    columns: int
    fps: float | None  # of a video; None: a picture
    out: Path | None

    def path(self, folder: Path, stem: str) -> Path:
        """Say which file to write, if none is named."""
        return self.out or folder / f"{stem}.{'png' if self.fps is None else 'mp4'}"


What = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[PATH] [FRAME]",
        help="PATH: a data set, ROOT or ROOT/SPLIT, to be shown without any run. FRAME: such as "
        "SEQNAME_00012; default: one in the middle",
    ),
]
Place = Annotated[
    str | None,
    typer.Option(
        help="auto: where the runs differ the most (with PATH: where the most events are); none: "
        "whole frames; X,Y,WIDTHxHEIGHT. default: auto for large frames"
    ),
]
Kind = Annotated[str, typer.Option(help=f"with PATH, what a network gets: {', '.join(KINDS)}")]
Normalise = Annotated[
    str | None,
    typer.Option(
        help="with PATH: nonzero, magnitude or contrast; default: as usual for what is drawn"
    ),
]
Grids = Annotated[
    Path | None, typer.Option(help="with PATH: show the grids stored there, not raw events")
]
Video = Annotated[
    bool, typer.Option("--video", help="all frames of FRAME's sequence; MP4, or --out x.webm")
]


def show(
    what: What = None,
    folder: Annotated[
        Path | None,
        typer.Option(help="predictions; default: the newest run whose frames have sharp images"),
    ] = None,
    run: Annotated[list[str] | None, typer.Option(help="show only these runs")] = None,
    crop: Place = None,
    columns: Annotated[int, typer.Option(help="images in a row, of runs and in videos", min=1)] = 6,
    representation: Kind = "voxel",
    bins: Annotated[int, typer.Option(help="with PATH: time bins", min=2, max=64)] = 6,
    normalise: Normalise = None,
    voxel_root: Grids = None,
    video: Video = False,
    fps: Annotated[float, typer.Option(help="frames of the video per second")] = 10.0,
    out: Annotated[
        Path | None,
        typer.Option(help="file to write; default: beside the runs, or in submissions/pictures"),
    ] = None,
    *,
    submissions: Path,
) -> None:
    """Draw blurry | events | every run | sharp for one frame, with dB, and a map of the errors.

    Of a large frame the place is drawn where the runs differ the most. With PATH, a data set is
    shown instead: blurry, events, sharp, the events over time, and the bins that a network gets.

    Example: bash run.sh show chelsea_pan_00012 --run edi --run efnet_mini

    Example: bash run.sh show data/mini/val --representation nested --bins 7
    """
    look = Look(crop, columns, fps if video else None, out)
    if look.fps is not None:
        check_video(out or Path("video.mp4"), look.fps)
    elif out is not None and out.suffix.lower() != ".png":
        raise ConfigError(f"--out {out}: expected a file .png (a video is written by --video)")
    path, frame = places_of(what or [])
    if path is not None:
        if folder or run:
            raise ConfigError("--folder and --run are of runs: give them without PATH")
        source = source_of(path, voxel_root, bins)
        reading = reading_of(STORED.get(source.format, representation), bins, normalise)
        show_data(path, frame, source, reading, look, submissions / PICTURES)
    else:
        show_runs(folder or newest_run(submissions), frame, run or [], look)


def places_of(what: Sequence[str]) -> tuple[Path | None, str | None]:
    """Tell a data set's folder from a frame's name, among what was typed.

    Raises:
        ConfigError: more than that, or a PATH that is not there.
    """
    if len(what) > 2:
        raise ConfigError(f"expected [PATH] [FRAME], found {' '.join(what)}")
    first = Path(os.path.abspath(os.path.expanduser(what[0]))) if what else None
    if first is None or not (first.is_dir() or len(what) == 2 or "/" in what[0]):
        return None, what[0] if what else None
    return first, what[1] if len(what) == 2 else None


def newest_run(submissions: Path) -> Path:
    """Find the newest run, of those that were scored if any was.

    Raises:
        SubmissionError: there is none.
    """
    runs = find_runs(submissions, references=False)
    if not runs:
        raise SubmissionError(
            f"{submissions}: nothing predicted yet; bash run.sh predict, or show data alone: "
            "bash run.sh show PATH"
        )
    scored = [path for path in runs if (path / "scores.json").exists()]
    return (scored or runs)[-1]


def show_runs(folder: Path, frame: str | None, only: Sequence[str], look: Look) -> None:
    """Draw a frame, or all of its sequence, as the runs beside `folder` restored it."""
    shelf = open_shelf(load_record(folder), folder)
    frame, names = choose_runs(shelf, frame, only)
    shown = read_shown(shelf, frame, names)
    place = choose_crop(shown, look.crop)
    panels = panels_of(shown, place, maps=look.fps is None)
    path = look.path(folder.parent, "picture" if look.fps is None else "video")
    if look.fps is None:
        write_png(path, draw_sheet(panels, look.columns))
    else:
        beside = clips.frames_beside(shelf.dataset, frame)
        frames = [each for each in beside if shelf.of_frame(each).keys() >= set(names)]
        drawn = clips.of_runs(shelf, frames, names, place, look.columns)
        count = write_video(path, drawn, look.fps)
        print(f"{count} of {len(beside)} frames of the sequence: those that every run has")
    print(f"wrote {path}: {' | '.join(panel.title for panel in panels)}")
    if limits := limits_of(load_record(folder)):
        print(f"limits: {limits}")
    if place:
        print(f"drawn is --crop {place} of {shown.sample.frame}; --crop none draws all of it")


def show_data(
    path: Path,
    frame: str | None,
    source: DataSource,
    reading: Reading,
    look: Look,
    pictures: Path,
) -> None:
    """Draw a frame of a data set, or all of its sequence."""
    dataset, split, frame = find_frame(path, frame, source)
    sample = dataset[dataset.frames.index(frame)]
    place = choose_part(sample, look.crop)
    if look.fps is None:
        target = look.path(pictures, frame)
        title = f"{frame} of {source.root.resolve().name}/{split}"
        write_png(target, draw_sample(sample, reading, place, title))
        print(f"wrote {target}: {frame}")
    else:
        target = look.path(pictures, sequence_of(frame))
        frames = clips.frames_beside(dataset, frame)
        drawn = clips.of_data(dataset, frames, place, look.columns)
        count = write_video(target, drawn, look.fps)
        print(f"wrote {target}: {count} frames, from {frames[0]} to {frames[-1]}")
    if place:
        print(f"drawn is --crop {place} of {frame}; --crop none draws all of it")


def main(argv: Sequence[str] | None = None, submissions: Path = SUBMISSIONS) -> int:
    """Run the command line; return the exit code."""
    return cli.run(show, argv, "bash run.sh show", submissions=submissions)


if __name__ == "__main__":
    sys.exit(main())
