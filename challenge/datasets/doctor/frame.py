"""All that one frame's files tell: what a worker does."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from challenge.datasets.doctor.alignment import (
    Cells,
    EventSums,
    Vote,
    sums_of_counts,
    vote_by_gradient,
    vote_by_sharp,
)
from challenge.datasets.doctor.pictures import Picture, look_at_picture
from challenge.datasets.doctor.place import Place
from challenge.datasets.doctor.recording import Recording, look_at_events
from challenge.datasets.doctor.survey import FrameFiles
from challenge.datasets.highrev import read_slice
from challenge.datasets.npz import read_npz
from challenge.datasets.stored_grids import grid_doubt
from challenge.errors import DataError
from challenge.events import Events
from challenge.findings import Finding


@dataclass(frozen=True)
class Job:
    """One frame to look at."""

    place: Place
    files: FrameFiles


@dataclass(frozen=True)
class Look:
    """What was found in one frame, small enough to keep: pixels and events stay in the worker.

    Attributes:
        log_blurry: (rows, columns) in cells, for the comparison with the next frame.
        votes: those that the frame has by itself.
    """

    files: FrameFiles
    findings: tuple[Finding, ...]
    size: tuple[int, int] | None = None
    digests: tuple[str, str] = ("", "")  # of the blurry and the sharp pixels
    recording: Recording | None = None
    grid_shape: tuple[int, ...] | None = None
    log_blurry: np.ndarray | None = None
    votes: tuple[Vote, ...] = ()
    signal: float = 0.0  # of the events, see `EventSums`
    sums: EventSums | None = None  # of the events, where nothing is wrong with them

    def without_images(self) -> Look:
        """Keep all but what fills the memory."""
        recording = self.recording
        if recording is not None:
            recording = dataclasses.replace(recording, sums=None, findings=())
        return dataclasses.replace(self, recording=recording, log_blurry=None, votes=(), sums=None)


def look_at_frame(job: Job) -> Look:
    """Read all files of a frame once, and find all that is wrong with them."""
    place, files = job.place, job.files
    blurry = look_at_picture(files.blurry, place.name(files.blurry))
    sharp = look_at_picture(files.sharp, place.name(files.sharp)) if files.sharp else None
    recording = None
    findings = list(blurry.findings)
    if files.slices:
        names = [place.name(path) for path in files.slices]
        recording = look_at_events(files.slices, names, blurry.size)
        findings += recording.findings
    if sharp:
        name = place.name(files.sharp or files.blurry)
        findings += [*sharp.findings, *pair_problems(name, blurry, sharp, recording)]
    shape, grid_sums = None, None
    if files.grid:
        wrong, shape, grid_sums = _look_at_grid(place, files, files.grid, blurry, recording)
        findings += wrong
    sums = recording.sums if recording else grid_sums
    return assemble(files, findings, blurry, sharp, recording, shape, sums)


def assemble(
    files: FrameFiles,
    findings: list[Finding],
    blurry: Picture,
    sharp: Picture | None,
    recording: Recording | None,
    grid_shape: tuple[int, ...] | None,
    sums: EventSums | None,
) -> Look:
    """Let the events vote on the alignment, and keep what others need of a frame."""
    log_blurry: np.ndarray | None = None
    votes: tuple[Vote, ...] = ()
    if blurry.pixels is not None and sums is not None:
        cells = Cells.of(*blurry.pixels.shape[:2])
        log_blurry = cells.log_light(blurry.pixels)
        votes = tuple(_votes(files.frame, cells, log_blurry, blurry, sharp, sums))
        if recording is None:  # a grid: see `sums_of_counts`
            votes = tuple(dataclasses.replace(vote, sure=False) for vote in votes)
    digests = (blurry.digest, sharp.digest if sharp else "")
    signal = sums.signal if sums is not None else 0.0
    return Look(
        *(files, tuple(findings), blurry.size, digests, recording, grid_shape),
        *(log_blurry, votes, signal, sums),
    )


def _votes(
    frame: str,
    cells: Cells,
    log_blurry: np.ndarray,
    blurry: Picture,
    sharp: Picture | None,
    sums: EventSums,
) -> Iterator[Vote]:
    yield vote_by_gradient(frame, log_blurry, sums)
    if sharp is None or sharp.pixels is None or sharp.size != blurry.size:
        return
    if sharp.digest != blurry.digest:
        yield vote_by_sharp(frame, log_blurry - cells.log_light(sharp.pixels), sums)


def pair_problems(
    name: str, blurry: Picture, sharp: Picture, recording: Recording | None
) -> Iterator[Finding]:
    """Compare a sharp image, called `name`, with its blurry one."""
    if blurry.size is None or sharp.size is None:
        return
    if sharp.size != blurry.size:
        expected = f"{_by(blurry.size)} like its blurry frame"
        yield Finding("size", name, expected, _by(sharp.size), "save the whole frame")
    elif sharp.digest == blurry.digest:
        still = recording is not None and not recording.number
        yield Finding(
            *("equal", name, "other pixels than in the blurry frame", "the very same"),
            *("copy the sharp image there", "warning" if still else "error"),
        )


def _look_at_grid(
    place: Place, files: FrameFiles, path: Path, blurry: Picture, recording: Recording | None
) -> tuple[list[Finding], tuple[int, ...] | None, EventSums | None]:
    """Read a stored grid; compare it with the raw events where both are there."""
    sums = None
    name = place.name(path)
    try:
        grid = read_npz(path, "voxel")["voxel"]
    except DataError as error:
        found = str(error).removeprefix(f"{path}: ").removeprefix("not a readable npz ")
        if isinstance(error.__cause__, KeyError):
            found = found.rpartition("; ")[2]
            wrong = Finding("keys", name, "the key voxel", found, "convert it again")
            return [wrong], None, None
        found = found.rpartition("; ")[0].strip("()")
        return [Finding("damaged", name, "a readable npz", found, "copy it again")], None, None
    if problems := list(_grid_problems(name, grid, blurry)):
        return problems, grid.shape, None
    findings = []
    if not grid.any() and (recording is None or recording.number):
        fix = "legal where nothing moved; else convert it again"
        findings.append(Finding("empty", name, "events", "a grid of zeros", fix, "warning"))
    elif recording is not None and recording.sums is not None:
        events = Events.concatenate([read_slice(each) for each in files.slices[:-1]])
        stored = np.ascontiguousarray(grid.transpose(2, 0, 1), dtype=np.float32)
        if doubt := grid_doubt(stored, events):
            fix = "convert it again, or train on the raw events: data.format=highrev_raw"
            expected = "the grid of the raw events beside it"
            findings.append(Finding("grid", name, expected, f"one that {doubt}", fix))
    elif recording is None and grid.shape[2] > 1:
        moments = np.linspace(0, 1, grid.shape[2])
        sums = sums_of_counts(grid.transpose(2, 0, 1), moments)
    return findings, grid.shape, sums


def _grid_problems(name: str, grid: np.ndarray, blurry: Picture) -> Iterator[Finding]:
    expected = "(H, W, bins)"
    if blurry.size:
        expected = f"({blurry.size[1]}, {blurry.size[0]}, bins)"
    if grid.dtype.kind not in "iuf":
        yield Finding("dtype", name, "float32", str(grid.dtype), "convert it again")
    elif grid.ndim != 3 or (blurry.size and grid.shape[:2] != blurry.size[::-1]):
        fix = "convert it again"
        if grid.ndim == 3 and blurry.size and grid.shape[1:] == blurry.size[::-1]:
            fix = "it is (bins, H, W): store grid.transpose(1, 2, 0)"
        yield Finding("shape", name, expected, str(grid.shape), fix)
    elif not np.isfinite(grid).all():
        found = f"NaN or infinity in {int((~np.isfinite(grid)).sum())} cells"
        yield Finding("values", name, "finite numbers", found, "convert it again")


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]} (width x height)"
