"""Make a training store: in parallel, one file for each frame, each of them whole or not there."""

from __future__ import annotations

import functools
import math
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import cv2
from tqdm import tqdm

from challenge.datasets.source import Dataset, DataSource
from challenge.datasets.store.frame_file import FrameFile, Sources, write_frame
from challenge.datasets.store.frames import (
    INDEX,
    Entry,
    frame_path,
    has_size,
    read_index,
    sources_of,
    store_folder,
    write_index,
)
from challenge.environment.cores import cores
from challenge.environment.locks import locked
from challenge.environment.memory import GIB, free_memory
from challenge.environment.processes import map_in_processes
from challenge.errors import ChallengeError, DataError, DiskError
from challenge.findings import shorten
from challenge.parts import ALL, Part

SPLITS = ("train", "val")
"""That a training reads."""
MARGIN = 1.1
"""So many times the estimate must be free on the disk."""
MEMORY = GIB
"""Above what a worker was seen to take: 0.75 GiB for a frame of 5.4 million events."""


@dataclass(frozen=True)
class Job:
    """One frame to be stored."""

    source: DataSource
    split: str
    folder: Path
    frame: str
    call: int  # each call of `prepare` looks at the data anew


@dataclass(frozen=True)
class Done:
    """What became of one frame."""

    frame: str
    bytes: int = 0
    kept: bool = False  # it was whole already
    problem: str = ""  # why it could not be made


def prepare(
    source: DataSource,
    store: Path | None = None,
    part: Part = ALL,
    workers: int | None = None,
    say: Callable[[str], None] = print,
) -> bool:
    """Make what is missing of the store of a data set's train and val, or a part of it.

    Args:
        source: the data.
        store: the folder for all splits; by default beside the data.
        part: which of several machines this one is.
        workers: processes; None: one per core, as far as memory allows.
        say: takes lines for the user.

    Returns:
        Whether every split is complete now, with the parts of other machines.

    Raises:
        DataError: damaged data, or no split to be stored.
        DiskError: the disk is too small.
        ChallengeError: another process makes this very part, or one was killed.
    """
    splits = [split for split in SPLITS if (source.root / split).is_dir()]
    if not splits:
        raise DataError(f"{source.root}: expected {' or '.join(SPLITS)} in it, found neither")
    complete = [_prepare_split(source, split, store, part, workers, say) for split in splits]
    return all(complete)


def _prepare_split(
    source: DataSource,
    split: str,
    store: Path | None,
    part: Part,
    workers: int | None,
    say: Callable[[str], None],
) -> bool:
    data, folder = source.open(split), store_folder(source, split, store)
    with locked(folder / f"part-{part.number}-of-{part.total}", wait_s=0.0):
        known = read_index(folder) or {}
        todo = [
            frame for frame in part.of(data.frames) if not _is_current(data, folder, known, frame)
        ]
        call = time.time_ns()
        jobs = [Job(source, split, folder, frame, call) for frame in todo]
        if jobs:
            say(f"{split}: {len(jobs)} of {len(data)} frames to do, in {folder}")
            (folder / INDEX).unlink(missing_ok=True)  # not complete, until it is again
            _run(data, jobs, workers, say)
        return _finish(data, folder, split, say)


def _is_current(data: Dataset, folder: Path, known: dict[str, Entry], frame: str) -> bool:
    entry = known.get(frame)
    return (
        entry is not None
        and entry["sources"] == sources_of(data, frame)
        and has_size(frame_path(folder, frame), entry["bytes"])
    )


def _run(
    data: Dataset, jobs: Sequence[Job], workers: int | None, say: Callable[[str], None]
) -> None:
    """Store frames: first one, from which size and time of the others are foretold.

    Raises:
        DataError: some cannot be read; all others are stored.
    """
    missing = [job for job in jobs if not _is_recorded(job, sources_of(data, job.frame))]
    probe = missing[len(missing) // 2] if missing else jobs[0]
    began = time.perf_counter()
    first = store_frame(probe)
    seconds = time.perf_counter() - began
    rest = [job for job in jobs if job is not probe]
    number = workers or _workers_that_fit(len(rest))
    if len(missing) > 1 and first.bytes:
        grows = first.bytes / _bytes_of(data, [probe])
        need = grows * _bytes_of(data, [job for job in missing if job is not probe])
        _foretell(probe.folder, grows, int(need), say)
        hours = seconds * (len(missing) - 1) / number / 3600
        say(f"about {_duration(hours)} with {number} process{'es' * (number > 1)}")
    try:
        results = map_in_processes(store_frame, rest, number, keep_to_one_core)
        done = [
            first,
            *tqdm(results, total=len(rest), desc="preparing", unit="frame", disable=not rest),
        ]
    except BrokenProcessPool as error:
        raise ChallengeError(
            "a process of prepare was killed, most likely since memory ended; the same command "
            "goes on, with fewer --workers"
        ) from error
    problems = [each.problem for each in done if each.problem]
    kept = sum(each.kept for each in done)
    say(
        f"{len(done) - kept - len(problems)} made"
        + (f", {kept} found whole and kept" if kept else "")
    )
    if problems:
        raise DataError(f"{len(problems)} frames cannot be read", shorten(problems))


def _foretell(folder: Path, grows: float, need: int, say: Callable[[str], None]) -> None:
    """Say what the store will take, and refuse what does not fit.

    Raises:
        DiskError: it does not.
    """
    free = shutil.disk_usage(folder).free
    say(f"about {_size(need)}, {grows:.2f} times the source; {_size(free)} are free")
    if need * MARGIN > free:
        raise DiskError(
            f"{folder}: the store needs about {_size(need)} more, and {_size(free)} are free; free "
            "some space, or name another place with --out"
        )


def _bytes_of(data: Dataset, jobs: Sequence[Job]) -> int:
    return sum(size for job in jobs for size, _ in sources_of(data, job.frame).values())


def _size(number: int) -> str:
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.1f} MB"


def _duration(hours: float) -> str:
    minutes = math.ceil(hours * 60)
    return f"{hours:.1f} hours" if hours >= 2 else f"{minutes} minute{'s' * (minutes != 1)}"


def _workers_that_fit(jobs: int) -> int:
    """Choose a number of processes: one per core, as long as there is memory for each."""
    free = free_memory()
    fit = cores() if free is None else max(free // MEMORY, 1)
    return max(min(cores(), fit, jobs), 1)


def store_frame(job: Job) -> Done:
    """Store a frame, unless its file is whole already and made from the files as they are."""
    data, path = _opened(job.source, job.split, job.call), frame_path(job.folder, job.frame)
    try:
        sources = sources_of(data, job.frame)
        kept = _is_recorded(job, sources) and _is_sound(path)
        if not kept:
            write_frame(path, data[data.frames.index(job.frame)], sources)
        return Done(job.frame, path.stat().st_size, kept)
    except DataError as error:
        return Done(job.frame, problem=str(error))


@functools.lru_cache(2)
def _opened(source: DataSource, split: str, call: int) -> Dataset:
    return source.open(split)


def _is_recorded(job: Job, sources: Sources) -> bool:
    """Say whether the file of a frame says that it was made from these very files."""
    try:
        with FrameFile(frame_path(job.folder, job.frame)) as file:
            return file.frame == job.frame and file.sources == sources
    except DataError:
        return False


def _is_sound(path: Path) -> bool:
    with FrameFile(path) as file:
        return file.is_sound()


def keep_to_one_core() -> None:
    """Leave the other cores to the other processes."""
    cv2.setNumThreads(1)


def _finish(data: Dataset, folder: Path, split: str, say: Callable[[str], None]) -> bool:
    """Write the index when every frame is there, whoever made it; forget frames that are gone."""
    missing = [frame for frame in data.frames if not frame_path(folder, frame).exists()]
    if missing:
        say(f"{split}: {len(missing)} of {len(data)} frames are left to other parts")
        return False
    entries = {frame: _entry(frame_path(folder, frame)) for frame in data.frames}
    stale = [f for f in data.frames if entries[f]["sources"] != sources_of(data, f)]
    if stale:
        say(
            f"{split}: {len(stale)} frames are left to other parts, {stale[0]} first: changed since"
        )
        return False
    if gone := _remove_strangers(folder, set(data.frames)):
        say(f"{split}: removed {gone} frames that are not in the data any more")
    if read_index(folder) != entries:
        write_index(folder, entries)
    size = sum(entry["bytes"] for entry in entries.values())
    say(f"{split}: {len(data)} frames, {_size(size)} in {folder}")
    return True


def _entry(path: Path) -> Entry:
    with FrameFile(path) as file:
        size = [file.tiles.height, file.tiles.width]
        return {"size": size, "bytes": path.stat().st_size, "sources": file.sources}


def _remove_strangers(folder: Path, frames: set[str]) -> int:
    """Remove files of frames that are in the data no more; nothing that is no frame's."""
    gone = 0
    for path in folder.glob("*.npz"):
        if path.stem in frames or path.name.startswith("."):
            continue
        try:
            with FrameFile(path) as file:
                is_ours = file.frame == path.stem
        except DataError:
            continue
        if is_ours:
            path.unlink()
            gone += 1
    return gone
