"""Which files a data set has, what they are, and which of them are missing or left over.

Nothing is opened here; names alone tell.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from challenge.datasets.doctor.place import PARTS, Place
from challenge.datasets.layout import (
    blurry_folder,
    event_folder,
    grid_folder,
    sharp_folder,
)
from challenge.datasets.provide import MARK
from challenge.findings import Finding, shorten

SLICE = re.compile(r"(?P<frame>.+)_(?P<number>\d+)")
LITTER = (".DS_Store", "__MACOSX", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class FrameFiles:
    """Where the parts of one frame lie; those that are not there are None or missing."""

    split: str
    frame: str  # "SEQNAME_00012"
    blurry: Path
    sharp: Path | None = None
    slices: tuple[Path, ...] = ()  # in the order of their numbers, the last one outside
    grid: Path | None = None
    window: tuple[float, float] | None = None  # of its events in HDF5, in seconds


@dataclass
class Survey:
    """The frames of a data set, and what the names of its files tell."""

    place: Place
    frames: list[FrameFiles] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def survey(place: Place) -> Survey:
    """List the frames of all splits, and find what is missing, left over or numbered oddly."""
    found = Survey(place)
    for name in ("__MACOSX", ".DS_Store"):
        if (place.root / name).exists():
            found.findings.append(_litter(place, place.root / name, 1))
    for split in place.splits:
        _survey_split(found, split)
    return found


def _survey_split(found: Survey, split: str) -> None:
    place = found.place
    blurry_at, sharp_at = blurry_folder(place.root, split), sharp_folder(place.root, split)
    events_at = event_folder(place.root, split)
    grids_at = grid_folder(place.voxel_root, split) if place.voxel_root else None
    for path in sorted((place.root / split).iterdir()) if (place.root / split).is_dir() else ():
        if path.name not in (*PARTS, *LITTER) and not path.name.startswith("."):
            found.findings.append(_left_over(place, path, f"the folders {', '.join(PARTS)}"))
    blurry = _named(found, blurry_at, ".png")
    sharp = _named(found, sharp_at, ".png")
    grids = _named(found, grids_at, ".npz") if grids_at else {}
    slices: dict[str, dict[int, Path]] = defaultdict(dict)
    for stem, path in _named(found, events_at, ".npz").items():
        match = SLICE.fullmatch(stem)
        if match is None:
            found.findings.append(_left_over(place, path, "files called SEQ_00012_04.npz"))
            continue
        slices[match["frame"]][int(match["number"])] = path
    for frame, path in blurry.items():
        numbered = slices.pop(frame, {})
        files = FrameFiles(
            split,
            frame,
            path,
            sharp.pop(frame, None),
            tuple(numbered[number] for number in sorted(numbered)),
            grids.pop(frame, None),
        )
        found.frames.append(files)
        found.findings += _missing(place, files, sorted(numbered), grids_at)
    for stem, path in (*sharp.items(), *grids.items()):
        found.findings.append(_without_blurry(place, path, blurry_at / f"{stem}.png"))
    for frame, numbered in slices.items():
        first = numbered[min(numbered)]
        found.findings.append(
            _without_blurry(place, first, blurry_at / f"{frame}.png", len(numbered))
        )
    if not blurry_at.is_dir() or not blurry:
        found.findings.append(
            Finding(
                "missing", place.name(blurry_at), "blurry frames, PNGs", "none", "copy them there"
            )
        )
    elif not sharp_at.is_dir() and split in ("train", "val"):
        found.findings.append(
            Finding(
                *("missing", place.name(sharp_at), "sharp images", "no such folder"),
                "without them nothing can be trained or scored; copy them there",
                "warning",
            )
        )


def _named(found: Survey, folder: Path, suffix: str) -> dict[str, Path]:
    """Give the files of a folder by their stems; what does not belong there becomes a finding."""
    return {path.stem: path for path in files_of(found, folder, (suffix,))}


def files_of(found: Survey, folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """List the files of a folder; what does not belong there becomes a finding."""
    if not folder.is_dir():
        return []
    files, litter = [], []
    for path in sorted(folder.iterdir()):
        if (path / MARK).is_file() or path.name == MARK:
            continue  # PNGs of HDF5 files, and the note of what they were made of
        if path.name.startswith("._") or path.name in LITTER:
            litter.append(path)
        elif path.suffix.lower() not in suffixes or path.name.startswith(".") or not path.is_file():
            found.findings.append(_left_over(found.place, path, f"files called NAME{suffixes[0]}"))
        else:
            files.append(path)
    if litter:
        found.findings.append(_litter(found.place, litter[0], len(litter)))
    return files


def _missing(
    place: Place, files: FrameFiles, numbers: Sequence[int], grids_at: Path | None
) -> Iterator[Finding]:
    """Find what a frame should have: its sharp image, slices 0 to the last, its grid."""
    sharp_at = sharp_folder(place.root, files.split)
    name = place.name(files.blurry)
    if sharp_at.is_dir() and files.sharp is None:
        yield _absent(place, name, sharp_at / f"{files.frame}.png", "sharp image")
    if grids_at and grids_at.is_dir() and files.grid is None:
        yield _absent(place, name, grids_at / f"{files.frame}.npz", "voxel grid")
    events_at = event_folder(place.root, files.split)
    if not numbers and files.grid is None:
        yield _absent(place, name, events_at / f"{files.frame}_00.npz, _01.npz, …", "events")
    elif len(numbers) == 1:
        expected = "at least 2 slices, the last one after the exposure"
        yield _lack(place, files, expected, "1")
    gaps = sorted(set(range(numbers[-1] + 1)) - set(numbers)) if numbers else []
    if gaps and numbers[-1] < 10_000:
        listed = ", ".join(shorten([f"_{number:02d}" for number in gaps], 5))
        yield _lack(place, files, f"slices _00 to _{numbers[-1]:02d}", f"no {listed}")


def _absent(place: Place, name: str, path: Path, what: str) -> Finding:
    fix = "copy it there, or take the frame away"
    return Finding("missing", name, f"its {what}", f"no {place.name(path)}", fix)


def _lack(place: Place, files: FrameFiles, expected: str, found: str) -> Finding:
    name = place.name(files.slices[0].with_name(f"{files.frame}_*.npz"))
    return Finding("slices", name, expected, found, "unpack the events of this frame again")


def _without_blurry(place: Place, path: Path, blurry: Path, number: int = 1) -> Finding:
    more = f" and {number - 1} more slices" if number > 1 else ""
    return Finding(
        *("missing", f"{place.name(path)}{more}", f"its blurry frame {place.name(blurry)}"),
        *("none", "copy the frame there, or take away what belongs to none"),
    )


def _left_over(place: Place, path: Path, expected: str) -> Finding:
    """Name what lies in a folder and is not read."""
    folder = path.is_dir()
    found = "a folder" if folder else path.name if path.is_file() else "a link or pipe, no file"
    fix = "nothing reads it; rename it if it should be read, or take it away"
    name = place.name(path) + "/" * folder
    return Finding("left over", name, expected, found, fix, "warning")


def _litter(place: Place, path: Path, number: int) -> Finding:
    return Finding(
        *("litter", place.name(path), "the data set's files alone"),
        f"{number} file{'s' * (number != 1)} that macOS or Windows made",
        "the kit passes them over, other loaders do not; remove them (find . -name '._*' -delete)",
        "warning",
    )


def sequences(frames: Iterable[str]) -> dict[str, list[tuple[int, str]]]:
    """Give the (number, frame) of each sequence, by number; frames without a number are alone."""
    grouped: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for frame in frames:
        head, _, tail = frame.rpartition("_")
        number = int(tail) if tail.isdecimal() and head else 0
        grouped[head if tail.isdecimal() and head else frame].append((number, frame))
    return {name: sorted(members) for name, members in grouped.items()}
