"""Turn a recording into a split of a data set in HighREV's layout."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from challenge.datasets.highrev import write_slice
from challenge.errors import DataError
from challenge.events import Events, crop
from challenge.files import write_json
from challenge.images import write_png
from challenge.importers.columns import Layout
from challenge.importers.exposures import Exposure, Taken, Timing, by_rate, by_table, windows_of
from challenge.importers.pictures import list_pictures, read_picture
from challenge.importers.recording import Frame, Recording
from challenge.importers.slices import Slicer
from challenge.importers.survey import Survey, progress, survey_of

MANIFEST = "recording.json"
"""In the folder of a split: where its frames come from, and when each was exposed."""
MADE_BY = "bash run.sh import"
MOST_DAMAGED = 1000
"""One event in so many may lie off the sensor: cameras transmit damaged words now and then."""


@dataclass(frozen=True)
class Wish:
    """What the user asks for; what is not said is found out.

    pictures: folder of frames; None: those in the recording. sequence: name of the frames; None:
    the recording's. every, limit: each so manyth frame, at most so many.
    """

    pictures: Path | None = None
    timing: Timing = Timing()
    layout: Layout = Layout()
    sequence: str | None = None
    every: int = 1
    limit: int | None = None


@dataclass(frozen=True)
class Plan:
    """All that is known before anything is written.

    frames: number of a frame -> its name, for each of `windows`. size: (width, height) in pixels.
    pictures: files of the frames; None: they are in the recording.
    """

    recording: Recording
    windows: list[Exposure]
    frames: dict[int, str]
    survey: Survey
    size: tuple[int, int]
    pictures: list[Path] | None
    notes: list[str]


@dataclass(frozen=True)
class Imported:
    """What was written, for the report. without: frames without any event."""

    plan: Plan
    events: int
    inside: int
    without: int


def plan_import(recording: Recording, wish: Wish) -> Plan:
    """Walk through a recording once, and decide what to write.

    Raises:
        DataError: no frames, no events, sizes that differ, or no exposure overlaps the events.
    """
    survey = survey_of(recording)
    pictures = list_pictures(wish.pictures) if wish.pictures else None
    taken, notes = times_of(recording.path, survey, pictures, wish)
    windows, decided = windows_of(taken, wish.timing)
    size = size_of(recording, survey, pictures)
    notes = [*recording.notes, *notes, *decided, *check_places(recording.path, survey, size)]
    if survey.late_us:
        notes.append(f"events are not in order of time (up to {survey.late_us} µs late): sorted")
    windows, left_out = covered(recording.path, windows, survey)
    if left_out:
        notes.append(
            f"{left_out} frames were exposed before the first or after the last event: left out"
        )
    windows = windows[:: wish.every][: wish.limit]
    sequence = name_of(wish.sequence or recording.path.stem)
    frames = {each.number: f"{sequence}_{each.number:05d}" for each in windows}
    return Plan(recording, windows, frames, survey, size, pictures, notes)


def write_import(plan: Plan, folder: Path) -> Imported:
    """Write the frames of a recording and the events of their exposures into the folder of a split.

    The recording is walked through once more. Memory: one block of events, and the events of the
    exposures that are under way.

    Raises:
        DataError: no event lies in any exposure, or a picture cannot be used.
    """
    slicer = write_parts(plan, folder)
    if not slicer.inside:
        raise DataError(
            f"{plan.recording.path}: none of its {plan.survey.count} events lies in any of the "
            f"{len(plan.windows)} exposures; {_ranges(plan.windows, plan.survey)}"
        )
    write_json(folder / MANIFEST, manifest(plan))
    return Imported(plan, slicer.total, slicer.inside, slicer.without)


def times_of(
    path: Path, survey: Survey, pictures: list[Path] | None, wish: Wish
) -> tuple[list[Taken], list[str]]:
    """Find when the frames were taken, in the order of the frames.

    Raises:
        DataError: there are no frames, or nothing says when they were taken.
    """
    names = (
        [path.name for path in pictures]
        if pictures
        else [str(each.number) for each in survey.frames]
    )
    if not names:
        raise DataError(
            f"{path}: holds events, but no frames; give the folder of the pictures with --frames, "
            "and when they were taken with --exposures TABLE or --fps N --exposure-ms M"
        )
    if wish.timing.table is not None:
        taken, note = by_table(wish.timing.table, names, wish.layout)
        missing = len(names) - len(taken)
        more = [f"{missing} frames are not in {wish.timing.table.name}: left out"] * (missing > 0)
        return taken, [note, *more]
    if wish.timing.fps is not None:
        return by_rate(len(names), survey.first_us, wish.timing), []
    if pictures:
        raise DataError(
            f"{wish.pictures}: nothing says when its {len(pictures)} pictures were taken; give "
            "--exposures TABLE, or --fps N --exposure-ms M"
        )
    return survey.frames, []


def size_of(recording: Recording, survey: Survey, pictures: list[Path] | None) -> tuple[int, int]:
    """Find the (width, height) of the frames, which has to be the sensor's.

    Raises:
        DataError: it is not, or there are several.
    """
    sizes = survey.sizes
    if pictures:
        sizes = {read_picture(path).shape[1::-1] for path in (pictures[0], pictures[-1])}
    if len(sizes) != 1:
        found = ", ".join(_size(size) for size in sorted(sizes))
        raise DataError(f"{recording.path}: frames of several sizes: {found}; take those of one")
    (size,) = sizes
    if recording.size not in (None, size):
        raise DataError(
            f"{recording.path}: its sensor has {_size(recording.size)}, its frames {_size(size)} "
            "(width x height): give frames of the whole sensor, not resized or cut out"
        )
    return size


def check_places(path: Path, survey: Survey, size: tuple[int, int]) -> list[str]:
    """See that the events lie on the sensor of the frames; return what has to be said of it.

    Raises:
        DataError: more than one in a thousand does not; says so if swapping x and y would mend it.
    """
    outside = survey.outside(*size)
    if not outside:
        return []
    most = survey.count // MOST_DAMAGED
    if outside <= most:
        return [f"{outside} of {survey.count} events lie off the sensor, damaged words: left out"]
    swapped = survey.outside(*size[::-1]) <= most
    raise DataError(
        f"{path}: {outside} of its {survey.count} events lie off its frames of {_size(size)}, "
        f"x up to {survey.last_column} and y up to {survey.last_row}; "
        + ("x and y seem to be swapped: --swap-xy" if swapped else "these are not of one sensor")
    )


def _size(size: tuple[int, int] | None) -> str:
    return f"{size[0]}x{size[1]}" if size else "no size"


def covered(path: Path, windows: list[Exposure], survey: Survey) -> tuple[list[Exposure], int]:
    """Leave out the exposures that lie outside of the recording; return how many these are.

    Raises:
        DataError: all of them.
    """
    inside = [
        each
        for each in windows
        if each.end_us > survey.first_us and each.start_us <= survey.last_us
    ]
    if not inside:
        raise DataError(
            f"{path}: no exposure overlaps its events; {_ranges(windows, survey)}; look at the "
            "unit of time (--time-unit) and at what the times count from"
        )
    return inside, len(windows) - len(inside)


def _ranges(windows: Sequence[Exposure], survey: Survey) -> str:
    start, end = min(w.start_us for w in windows), max(w.end_us for w in windows)
    return (
        f"exposures run from {start} to {end} µs, events from {survey.first_us} to "
        f"{survey.last_us} µs"
    )


def name_of(text: str) -> str:
    """Make a sequence's name that is safe in file names: letters, digits, - and _."""
    return re.sub(r"[^A-Za-z0-9-]+", "_", text).strip("_") or "recording"


def write_parts(plan: Plan, folder: Path) -> Slicer:
    """Write pictures and slices; return what was counted."""
    blurry, event = folder / "blur", folder / "event"
    event.mkdir(parents=True)

    def write(window: Exposure, slices: list[Events]) -> None:
        for number, events in enumerate(slices):
            write_slice(event / f"{plan.frames[window.number]}_{number:02d}.npz", events)

    ordered = sorted(plan.windows, key=lambda each: each.start_us)
    slicer = Slicer(ordered, plan.survey.late_us, write)
    width, height = plan.size
    strays = plan.survey.outside(width, height) > 0
    number = 0
    for part in progress(plan.recording, "writing"):
        if isinstance(part, Frame):
            if number in plan.frames and not plan.pictures:
                write_png(blurry / f"{plan.frames[number]}.png", part.image)
            number += 1
        else:
            slicer.add(crop(part, 0, 0, height, width) if strays else part)
    slicer.finish()
    if plan.pictures:
        write_pictures(blurry, {name: plan.pictures[i] for i, name in plan.frames.items()})
    return slicer


def write_pictures(folder: Path, pictures: Mapping[str, Path]) -> None:
    """Write pictures as PNGs of other names.

    Raises:
        DataError: one cannot be read, or they are of several sizes.
    """
    size = None
    for name, path in tqdm(pictures.items(), desc="writing pictures", unit=" frames"):
        image = read_picture(path)
        size = size or image.shape
        if image.shape != size:
            raise DataError(
                f"{path}: expected {_size(size[1::-1])} like the frames before it, found "
                f"{_size(image.shape[1::-1])} (width x height)"
            )
        write_png(folder / f"{name}.png", image)


def manifest(plan: Plan) -> dict[str, object]:
    """Note where the frames come from, and when each was exposed."""
    exposures = {plan.frames[each.number]: [each.start_us, each.end_us] for each in plan.windows}
    return {
        "made_by": MADE_BY,
        "source": str(plan.recording.path.resolve()),
        "format": plan.recording.kind,
        "notes": plan.notes,
        "exposures_us": exposures,
    }
