"""Turn a recording into a split of a data set in HighREV's layout."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from challenge.datasets.highrev import write_slice
from challenge.errors import DataError
from challenge.events import Events
from challenge.files import write_json
from challenge.images import write_png
from challenge.importers.columns import Layout
from challenge.importers.exposures import Taken, Timing, Window, by_rate, by_table, windows_of
from challenge.importers.pictures import list_pictures, read_picture
from challenge.importers.recording import Frame, Part, Recording
from challenge.importers.slices import Slicer

MANIFEST = "recording.json"
"""In the folder of a split: where its frames come from, and when each was exposed."""
MADE_BY = "bash run.sh import"


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


@dataclass
class Survey:
    """What one walk through a recording tells of it, without keeping any of it.

    late_us: how much earlier than one before it an event can be; 0 where they are sorted.
    """

    count: int = 0
    brighter: int = 0
    first_us: int = 0
    last_us: int = 0
    late_us: int = 0
    width: int = 0  # of the smallest sensor that holds all events
    height: int = 0
    frames: list[Taken] = field(default_factory=list)
    sizes: set[tuple[int, int]] = field(default_factory=set)  # (width, height) of the frames

    def add(self, part: Part) -> None:
        """Take the next part into account."""
        if isinstance(part, Frame):
            number = len(self.frames)
            self.frames.append(Taken(number, part.stamp_us, part.start_us, part.end_us))
            self.sizes.add(part.image.shape[1::-1])
        elif len(part):
            t = part.t
            first, last = int(t.min()), int(t.max())
            newest = np.maximum.accumulate(t)
            if self.count:
                newest = np.maximum(newest, self.last_us)
                first, last = min(first, self.first_us), max(last, self.last_us)
            self.late_us = max(self.late_us, int((newest - t).max()))
            self.first_us, self.last_us = first, last
            self.count += len(part)
            self.brighter += int(np.count_nonzero(part.p))
            self.width = max(self.width, int(part.x.max()) + 1)
            self.height = max(self.height, int(part.y.max()) + 1)


@dataclass(frozen=True)
class Imported:
    """What was written, for the report."""

    frames: list[str]
    windows: list[Window]
    events: int
    inside: int
    without: int
    notes: list[str]


def import_recording(recording: Recording, folder: Path, wish: Wish) -> Imported:
    """Write the frames of a recording and the events of their exposures into the folder of a split.

    The recording is walked through twice: once to learn its times and sizes, once to write.
    Memory: one block of events, and the events of the exposures that are under way.

    Raises:
        DataError: no frames, no events, sizes that differ, or exposures without any event.
    """
    survey = survey_of(recording)
    pictures = list_pictures(wish.pictures) if wish.pictures else None
    taken, notes = times_of(recording.path, survey, pictures, wish)
    windows, decided = windows_of(taken, wish.timing)
    notes = [*recording.notes, *notes, *decided]
    check_sizes(recording, survey, pictures)
    if survey.late_us:
        notes.append(f"events are not in order of time (up to {survey.late_us} µs late): sorted")
    windows, left_out = covered(recording.path, windows, survey)
    notes += [
        f"{left_out} frames were exposed before the first or after the last event: left out"
    ] * (left_out > 0)
    windows = windows[:: wish.every][: wish.limit]
    sequence = name_of(wish.sequence or recording.path.stem)
    frames = {each.number: f"{sequence}_{each.number:05d}" for each in windows}
    slicer = write_parts(recording, folder, windows, frames, survey, pictures)
    if not slicer.inside:
        raise DataError(
            f"{recording.path}: none of its {survey.count} events lies in any of the "
            f"{len(windows)} exposures; {_ranges(windows, survey)}"
        )
    write_json(folder / MANIFEST, manifest(recording, windows, frames, notes))
    return Imported(
        list(frames.values()), windows, slicer.total, slicer.inside, slicer.without, notes
    )


def survey_of(recording: Recording) -> Survey:
    """Walk through a recording once.

    Raises:
        DataError: damaged, or without events.
    """
    survey = Survey()
    for part in progress(recording, "reading"):
        survey.add(part)
    if not survey.count:
        raise DataError(f"{recording.path}: holds no event")
    if survey.brighter in (0, survey.count) and survey.count > 100:
        one = "brighter" if survey.brighter else "darker"
        raise DataError(
            f"{recording.path}: all {survey.count} events say that it became {one}; "
            "no camera sees that: look at how the polarity was written"
        )
    return survey


def progress(recording: Recording, doing: str) -> Iterator[Part]:
    """Walk through a recording under a bar that counts events and frames."""
    with tqdm(desc=f"{doing} {recording.path.name}", unit=" events", unit_scale=True) as bar:
        for part in recording.parts():
            bar.update(len(part) if isinstance(part, Events) else 0)
            yield part


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


def check_sizes(recording: Recording, survey: Survey, pictures: list[Path] | None) -> None:
    """See that frames and events are of one sensor.

    Raises:
        DataError: they are not; says so if swapping x and y would mend it.
    """
    sizes = survey.sizes
    if pictures:
        sizes = {read_picture(path).shape[1::-1] for path in (pictures[0], pictures[-1])}
    if len(sizes) != 1:
        found = ", ".join(f"{width}x{height}" for width, height in sorted(sizes))
        raise DataError(f"{recording.path}: frames of several sizes: {found}; take those of one")
    (size,) = sizes
    if recording.size not in (None, size):
        raise DataError(
            f"{recording.path}: its sensor has {_size(recording.size)}, its frames {_size(size)} "
            "(width x height): give frames of the whole sensor, not resized or cut out"
        )
    width, height = size
    if survey.width <= width and survey.height <= height:
        return
    where = f"x to {survey.width - 1} and y to {survey.height - 1}"
    swapped = survey.width <= height and survey.height <= width
    raise DataError(
        f"{recording.path}: its events reach {where}, its frames are {_size(size)}; "
        + ("x and y seem to be swapped: --swap-xy" if swapped else "these are not of one sensor")
    )


def _size(size: tuple[int, int] | None) -> str:
    return f"{size[0]}x{size[1]}" if size else "no size"


def covered(path: Path, windows: list[Window], survey: Survey) -> tuple[list[Window], int]:
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


def _ranges(windows: Sequence[Window], survey: Survey) -> str:
    start, end = min(w.start_us for w in windows), max(w.end_us for w in windows)
    return (
        f"exposures run from {start} to {end} µs, events from {survey.first_us} to "
        f"{survey.last_us} µs"
    )


def name_of(text: str) -> str:
    """Make a sequence's name that is safe in file names: letters, digits, - and _."""
    return re.sub(r"[^A-Za-z0-9-]+", "_", text).strip("_") or "recording"


def write_parts(
    recording: Recording,
    folder: Path,
    windows: list[Window],
    frames: dict[int, str],
    survey: Survey,
    pictures: list[Path] | None,
) -> Slicer:
    """Write pictures and slices; return what was counted."""
    blurry, event = folder / "blur", folder / "event"
    event.mkdir(parents=True)

    def write(window: Window, slices: list[Events]) -> None:
        for number, events in enumerate(slices):
            write_slice(event / f"{frames[window.number]}_{number:02d}.npz", events)

    ordered = sorted(windows, key=lambda each: each.start_us)
    slicer = Slicer(ordered, survey.late_us, write)
    number = 0
    for part in progress(recording, "writing"):
        if isinstance(part, Events):
            slicer.add(part)
            continue
        if number in frames and not pictures:
            write_png(blurry / f"{frames[number]}.png", part.image)
        number += 1
    slicer.finish()
    if pictures:
        write_pictures(blurry, {name: pictures[number] for number, name in frames.items()})
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


def manifest(
    recording: Recording, windows: list[Window], frames: dict[int, str], notes: list[str]
) -> dict[str, object]:
    """Note where the frames come from, and when each was exposed."""
    return {
        "made_by": MADE_BY,
        "source": str(recording.path.resolve()),
        "format": recording.kind,
        "notes": notes,
        "exposures_us": {frames[each.number]: [each.start_us, each.end_us] for each in windows},
    }
