"""Data sets in HDF5, SCER grids or raw events: which frames they have, and what is wrong with them.

Arrays are named as if their file were a folder: `train/SEQ.h5/images/image000000012`.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from challenge.datasets.doctor.alignment import EventSums, sums_of_counts
from challenge.datasets.doctor.frame import Job, Look, assemble, pair_problems
from challenge.datasets.doctor.pictures import Picture
from challenge.datasets.doctor.place import Place
from challenge.datasets.doctor.recording import (
    Recording,
    Slice,
    judge_slices,
    value_problems,
)
from challenge.datasets.doctor.survey import FrameFiles, Survey, files_of
from challenge.datasets.hdf5 import Hdf5
from challenge.datasets.hdf5_frames import BLURRY, SHARP, image_numbers, image_size, read_image
from challenge.datasets.monash_hdf5 import COLUMNS, REBLUR_ROWS, REBLUR_SENSOR, find_windows
from challenge.datasets.scer_hdf5 import MASKS, MIDDLE, VOXELS
from challenge.errors import DataError
from challenge.findings import Finding

COPY = "copy or download it again"


def survey_hdf5(place: Place) -> Survey:
    """List the frames of all files, and find what is missing in them."""
    found = Survey(place)
    for split in place.splits:
        for path in files_of(found, place.root / split, (".h5", ".hdf5")):
            try:
                _survey_file(found, split, path)
            except DataError as error:
                found.findings.append(_damaged(place.name(path), path, error))
    return found


def _survey_file(found: Survey, split: str, path: Path) -> None:
    place, file = found.place, Hdf5(path)
    numbers, raw = image_numbers(file), place.hdf5 == "monash_hdf5"
    there = {*file.names("/"), *(f"events/{name}" for name in file.names("events"))}
    wanted = (BLURRY, *(f"events/{name}" for name in COLUMNS)) if raw else (BLURRY, VOXELS)
    if not numbers or not there.issuperset(wanted):
        fix = "is it of another kind, or cut off? " + COPY
        listed = ", ".join(sorted(there)) or "nothing"
        found.findings.append(
            Finding("keys", place.name(path), f"groups {', '.join(wanted)}", listed, fix)
        )
        return
    windows = find_windows(file, numbers) if raw else dict.fromkeys(numbers)
    images = {group: set(file.names(group)) for group in (SHARP, VOXELS, MASKS)}
    for position, number in enumerate(windows):
        image, grid, mask = f"image{number:09d}", f"voxel{number:09d}", f"mask{number:09d}"
        frame = f"{path.stem}_{position if raw else number:05d}"
        has_sharp = image in images[SHARP]
        files = FrameFiles(
            split,
            frame,
            path / BLURRY / image,
            path / SHARP / image if has_sharp else None,
            (path / "events",) if raw else (),
            path / VOXELS / grid if grid in images[VOXELS] else None,
            windows[number],
        )
        found.frames.append(files)
        lacking = [(SHARP, image)] * (bool(images[SHARP]) and not has_sharp)
        if not raw:
            lacking += [(VOXELS, grid)] * (files.grid is None)
            lacking += [(MASKS, mask)] * (bool(images[MASKS]) and mask not in images[MASKS])
        for group, name in lacking:
            expected = f"{group}/{name} beside it"
            found.findings.append(
                Finding("missing", place.name(files.blurry), expected, "none", "convert it again")
            )
    if not images[MASKS] and not raw:
        fix = "without it the published network loses 3 dB on REBlur; convert it again"
        found.findings.append(
            Finding("missing", place.name(path), f"the group {MASKS}", "none", fix, "warning")
        )


def look_at_hdf5_frame(job: Job) -> Look:
    """Read all arrays of a frame once, and find all that is wrong with them."""
    place, files = job.place, job.files
    blurry = _picture(place, files.blurry)
    sharp = _picture(place, files.sharp) if files.sharp else None
    findings = list(blurry.findings)
    recording = shape = sums = None
    if files.window is not None:
        recording = _events(place, files, blurry)
        findings += recording.findings
        sums = recording.sums
    elif files.grid is not None:
        wrong, shape, sums = _grid(place, files, files.grid, blurry)
        findings += wrong
    if sharp:
        name = place.name(files.sharp or files.blurry)
        findings += [*sharp.findings, *pair_problems(name, blurry, sharp, recording)]
    return assemble(files, findings, blurry, sharp, recording, shape, sums)


def _array(path: Path) -> tuple[Hdf5, str]:
    """Take a name such as SEQ.h5/images/image000000012 apart."""
    return Hdf5(path.parents[1]), f"{path.parent.name}/{path.name}"


def _picture(place: Place, path: Path) -> Picture:
    file, name = _array(path)
    try:
        pixels = read_image(file, name)
    except DataError as error:
        return Picture((_damaged(place.name(path), file.path, error),))
    if pixels.shape[:2] == REBLUR_SENSOR and place.hdf5 == "monash_hdf5":
        pixels = np.ascontiguousarray(pixels[:REBLUR_ROWS])
    digest = hashlib.blake2b(pixels.data, digest_size=16).hexdigest()
    findings = []
    if (pixels == pixels[0, 0]).all():
        found = f"all pixels {tuple(map(int, pixels[0, 0]))}"
        findings.append(
            Finding("blank", place.name(path), "a picture", found, "see how it was made", "warning")
        )
    return Picture(tuple(findings), pixels, digest)


def _damaged(name: str, path: Path, error: DataError) -> Finding:
    """Put what a reader refuses into the words of a finding."""
    text = str(error).removeprefix(f"{path}: ").replace("\n  - ", "; ")
    said, _, fix = text.partition("; ")
    head, comma, found = said.rpartition(", found ")
    expected = head.rpartition("expected ")[2] if comma else "readable"
    kind = "shape" if comma and "uint8" not in expected else "dtype" if comma else "damaged"
    if "sensor_resolution" in said:
        kind, expected = "size", "the size that the file says its sensor has"
    return Finding(kind, name, expected, found if comma else said, fix or COPY)


def _grid(
    place: Place, files: FrameFiles, path: Path, blurry: Picture
) -> tuple[list[Finding], tuple[int, ...] | None, EventSums | None]:
    """Read a SCER grid and its mask, and compare them."""
    file, name = _array(path)
    label = place.name(path)
    try:
        size = image_size(file, files.blurry.name)
        found = file.shape(name)
        if len(found) != 3 or found[1:] != size:
            expected = f"(bins, {size[0]}, {size[1]})"
            return [Finding("shape", label, expected, str(found), "convert it again")], None, None
        grid = file.read(name)
        if not np.isfinite(grid).all():
            number = int((~np.isfinite(grid)).sum())
            said = f"NaN or infinity in {number} cells"
            return [Finding("values", label, "finite numbers", said, COPY)], None, None
        findings = list(_middle(label, grid))
        mask = path.parents[1] / MASKS / f"mask{path.name.removeprefix('voxel')}"
        if mask.name in file.names(MASKS):
            findings += _mask_problems(place.name(mask), file, mask.name, grid)
    except DataError as error:
        return [_damaged(label, file.path, error)], None, None
    if not grid.any():
        fix = "legal where nothing moved; else convert it again"
        findings.append(Finding("empty", label, "events", "a grid of zeros", fix, "warning"))
    bins = len(grid)
    shape = (*size, bins)
    if findings or bins % 2 or blurry.size is None:
        return findings, shape, None
    half = bins // 2
    counts = np.diff(grid, axis=0, prepend=0.0)
    counts[:half] = np.diff(grid[:half], axis=0, append=0.0)
    return findings, shape, sums_of_counts(counts, (np.arange(bins) + 0.5) / bins)


def _middle(label: str, grid: np.ndarray) -> Iterator[Finding]:
    """Find the empty channel that the authors' converter adds."""
    if len(grid) % 2 and not grid[len(grid) // 2].any():
        yield Finding("shape", label, "an even number of channels", str(len(grid)), MIDDLE)


def _mask_problems(label: str, file: Hdf5, name: str, grid: np.ndarray) -> Iterator[Finding]:
    """Find a mask that is none, or not that of its grid: it covers every cell with events."""
    mask = file.read(f"{MASKS}/{name}")
    fix = "convert the raw events again"
    if mask.shape != (1, *grid.shape[1:]):
        expected = str((1, *grid.shape[1:]))
        yield Finding("shape", label, expected, str(mask.shape), fix)
    elif np.any((mask != 0) & (mask != 255)):
        others = sorted(set(np.unique(mask).tolist()) - {0, 255})[:4]
        yield Finding("mask", label, "0 or 255", ", ".join(map(str, others)), fix)
    elif np.any(bare := grid.any(axis=0) & (mask[0] == 0)):
        found = f"{int(bare.sum())} pixels with events outside of it"
        yield Finding("mask", label, "a mask that covers all events", found, fix)


def _events(place: Place, files: FrameFiles, blurry: Picture) -> Recording:
    """Read the raw events of a frame's window, in microseconds since it began."""
    assert files.window is not None
    path = files.slices[0].parent
    file, label = Hdf5(path), f"{place.name(path)}/events of {files.blurry.name}"
    start_s, end_s = files.window
    try:
        part = slice(file.index_of("events/ts", start_s), file.index_of("events/ts", end_s))
        arrays = {name: file.read(f"events/{name}", (part,)) for name in COLUMNS}
    except DataError as error:
        return Recording((_damaged(label, path, error),))
    lengths = {key: values.size for key, values in arrays.items()}
    if len(set(lengths.values())) > 1 or any(values.ndim != 1 for values in arrays.values()):
        found = ", ".join(f"{key} {length}" for key, length in lengths.items())
        return Recording((Finding("shape", label, "arrays of one length", found, COPY),))
    t = np.round((arrays["ts"].astype(np.float64) - start_s) * 1e6, 6)
    read = Slice(label, arrays["ys"], arrays["xs"], t, arrays["ps"], swapped=False)
    size = blurry.size
    if size and (size[1], size[0]) == (REBLUR_ROWS, REBLUR_SENSOR[1]):
        size = (size[0], REBLUR_SENSOR[0])  # the rows that are left out have events, too
    findings = list(value_problems(read, size))
    if size != blurry.size and not findings:
        read = chosen(read, np.flatnonzero(read.row < REBLUR_ROWS))
    nothing = chosen(read, slice(0, 0))
    return judge_slices(label, [read, nothing], blurry.size, findings, complete=True)


def chosen(read: Slice, which: slice | np.ndarray) -> Slice:
    """Keep some events of a slice."""
    return dataclasses.replace(
        read, row=read.row[which], column=read.column[which], t=read.t[which], p=read.p[which]
    )
