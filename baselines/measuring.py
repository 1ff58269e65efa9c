"""What restoring a frame of some size takes: work, seconds, memory."""

from __future__ import annotations

import contextlib
import functools
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from baselines.efnet.inference import Inference
from baselines.restorer import load_restorer
from challenge.datasets import Dataset, DataSource
from challenge.environment import memory
from challenge.environment.processes import map_in_processes
from challenge.errors import ChallengeError
from challenge.events import Events, crop
from challenge.sample import Sample, Window, part_of

SLOW_S = 10.0
"""Of one frame: what takes longer, with all repeats, is said before it starts."""


@dataclass(frozen=True)
class Job:
    """What is measured, on which frames."""

    baseline: str
    checkpoint: Path | None
    device: str
    data: DataSource
    split: str
    size: tuple[int, int] | None  # (H, W); None: that of the frames
    warmup: int = 1
    repeats: int = 5
    counted_only: bool = False
    settings: Inference | None = None  # of restoring; None: by default


@dataclass(frozen=True)
class Profile:
    """What restoring one frame takes; None where that is not known, or was not asked for."""

    baseline: str
    description: str
    size: tuple[int, int]  # (H, W)
    events: int  # in the frame that was restored
    parameters: int
    macs: int | None  # see `baselines.counting.Work`
    activations: int | None
    device: str
    seconds: list[float]  # of each repeat; empty: not asked for
    peak_memory: int | None  # bytes; CPU: beyond the idle process with its weights; GPU: with them

    @property
    def flops(self) -> int | None:
        """Two for each MAC."""
        return None if self.macs is None else 2 * self.macs

    @property
    def median_s(self) -> float | None:
        return statistics.median(self.seconds) if self.seconds else None


class Resized:
    """The first frame of a data set, repeated or cut to a size, as a data set of its own.

    So the content is that of a real frame, and its events are as dense, whatever the size.
    """

    has_sharp = False

    def __init__(self, dataset: Dataset, size: tuple[int, int] | None) -> None:
        frame = dataset.frames[0]
        sample = dataset.read_inputs(frame)
        self.size = size or (sample.blurry.shape[0], sample.blurry.shape[1])
        self.sample = sample if size is None else resized(sample, *size)
        self.frames, self.stored_kind = [frame], dataset.stored_kind

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Sample:
        return self.sample

    def read_inputs(self, frame: str) -> Sample:
        return self.sample

    def read_part(self, frame: str, window: Window) -> Sample:
        return part_of(self.sample, window)

    def frame_size(self, frame: str) -> tuple[int, int]:
        return self.size

    def source_files(self, frame: str) -> list[Path]:
        return []

    def read_blurry(self, frame: str) -> np.ndarray:
        return self.sample.blurry

    def read_sharp(self, frame: str) -> np.ndarray:
        raise ChallengeError(f"{frame}: a frame of another size has no sharp image")


def resized(sample: Sample, height: int, width: int) -> Sample:
    """Repeat a frame to the right and downwards, and cut it to a size: pixels, events, grid.

    Args:
        sample: a whole frame. Not modified.
        height, width: in pixels, of the result.
    """
    rows, columns = sample.blurry.shape[:2]
    down, right = -(-height // rows), -(-width // columns)

    def repeated(array: np.ndarray | None) -> np.ndarray | None:  # of (channels, H, W)
        return None if array is None else np.tile(array, (1, down, right))[:, :height, :width]

    events = sample.events
    if events is not None:
        copies = [(i * rows, j * columns) for i in range(down) for j in range(right)]
        events = crop(_copied(events, copies), 0, 0, height, width)
    return replace(
        sample,
        blurry=np.tile(sample.blurry, (down, right, 1))[:height, :width].copy(),
        events=events,
        stored_grid=repeated(sample.stored_grid),
        stored_mask=repeated(sample.stored_mask),
        sharp=None,
    )


def _copied(events: Events, places: list[tuple[int, int]]) -> Events:
    """Put copies of events at several (top, left), in order of time."""
    x, y, t, p = (np.tile(each, len(places)) for each in (events.x, events.y, events.t, events.p))
    top, left = (np.repeat(np.array(each), len(events)) for each in zip(*places, strict=True))
    order = np.argsort(t, kind="stable")
    moved = ((x + left).astype(np.int32), (y + top).astype(np.int32))
    return Events(x=moved[0][order], y=moved[1][order], t=t[order], p=p[order])


def measure(job: Job) -> Profile:
    """Measure in a fresh process, so that its peak of memory is that of the job alone.

    Raises:
        ChallengeError: the baseline cannot be used, or memory ended.
    """
    try:
        return list(map_in_processes(measure_here, [job], workers=2))[0]  # with 1: this process
    except BrokenProcessPool as error:
        height, width = job.size or (0, 0)
        raise ChallengeError(
            f"{job.baseline} at {width}x{height} (width x height): its process was killed, as the "
            "system does where memory ends; take a smaller --size, or --count alone"
        ) from error


def measure_here(job: Job) -> Profile:
    """Do what `measure` says, in this process."""
    dataset = Resized(job.data.of_split(job.split).open(job.split), job.size)
    sample = dataset.sample
    restorer = load_restorer(job.baseline, dataset, job.checkpoint, job.device, job.settings)
    meta_call: Any = getattr(restorer, "meta_call", None)
    run = functools.partial(restorer, sample)
    work, peak, seconds = None, None, []
    if meta_call is not None:
        work = _count(meta_call(*dataset.size))
    if not job.counted_only:
        with peak_memory(restorer.device) as found:
            began = time.perf_counter()
            if meta_call is None:
                work = _count(run)
            else:
                run()
            once = time.perf_counter() - began
        peak = found[0]
        left = job.warmup - 1 + job.repeats
        if once > SLOW_S and left > 0:
            height, width = dataset.size
            more = f"{left} more take" if left > 1 else "one more takes"
            less = " (--repeats 1 for less)" if job.repeats > 1 else ""
            print(
                f"{job.baseline} {width}x{height}: one frame took {once:.0f} s, {more} about "
                f"{left * once / 60:.1f} min{less}",
                flush=True,
            )
        seconds = [_timed(run) for _ in range(left)][max(job.warmup - 1, 0) :]
    return Profile(
        baseline=job.baseline,
        description=restorer.description,
        size=dataset.size,
        events=0 if sample.events is None else len(sample.events),
        parameters=restorer.parameters,
        macs=None if work is None else work.macs,
        activations=None if work is None else work.activations,
        device=restorer.device,
        seconds=seconds,
        peak_memory=peak,
    )


def _count(call: Callable[[], object]) -> Any:
    """Count what torch computes in a call; None where it computes nothing."""
    from baselines.counting import count

    work = count(call)
    return work if work.macs or work.activations else None


def _timed(run: Callable[[], object]) -> float:
    """Time one call; results are on the CPU when it returns, so that a GPU is done as well."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


@contextlib.contextmanager
def peak_memory(device: str) -> Iterator[list[int | None]]:
    """Give a list that holds, after the block, the bytes that it took at most.

    On the CPU beyond what the process had before; on a GPU all that torch has allocated there. None
    where the system does not tell.

    Args:
        device: "cpu", or the GPU's name.
    """
    found: list[int | None] = []
    if device != "cpu":
        import torch

        torch.cuda.reset_peak_memory_stats()
        yield found
        found.append(int(torch.cuda.max_memory_allocated()))
        return
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak starts anew
    before = memory.resident_memory()
    yield found
    after = memory.peak_memory()
    found.append(None if before is None or after is None else max(after - before, 0))
