"""Restore every frame of a split, whatever the baseline."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from tqdm import tqdm

from baselines.restorer import Restorer
from baselines.stopping import Stop
from baselines.unfinished import Unfinished
from challenge.datasets import Dataset
from challenge.errors import ChallengeError

T = TypeVar("T")


def restore_all(
    restorer: Restorer, dataset: Dataset, work: Unfinished, title: str, stop: Stop | None = None
) -> float:
    """Restore every frame that is not there yet; each of several processes its share.

    The next frame is read, and the last one written, while one is restored.

    Args:
        restorer: any.
        dataset: whose frames they are.
        work: where they go.
        title: of the progress.
        stop: knows the processes, and whether to stop; None: this one alone.

    Returns:
        Mean seconds per image of the restoring alone; see `Unfinished.seconds_per_image`.

    Raises:
        ChallengeError: a frame cannot be read, or the restorer returned something else.
    """
    stop = stop or Stop()
    world, frames = stop.world, dataset.frames
    done = world.first(work.done)
    missing = [frame for frame in frames if frame not in done]
    mine = world.share(missing)
    if done:
        print(f"{title}: goes on after {len(frames) - len(missing)} of {len(frames)} frames")
    total = len(frames)
    bar = tqdm(total=total, initial=len(done), desc=title, unit=" images", dynamic_ncols=True)
    samples = ahead(dataset.read_inputs, mine)
    writing: list[Future[None]] = []

    def restore(frame: str) -> None:
        sample = next(samples)
        began = time.perf_counter()
        image = restorer(sample)
        seconds = time.perf_counter() - began
        if image.shape != sample.blurry.shape or image.dtype != np.uint8:
            raise ChallengeError(
                f"{title}: the restorer returned {image.shape} {image.dtype} for {frame}, "
                f"expected {sample.blurry.shape} uint8"
            )
        for written in writing:
            written.result()
        writing[:] = [writer.submit(work.write, frame, image, seconds, frame != mine[0])]
        bar.update(min(world.size, total - bar.n))

    with stop.later(), bar, contextlib.closing(samples), ThreadPoolExecutor(1) as writer:
        world.in_order(missing, restore, stop.between)
        world.together(lambda: [written.result() for written in writing])
    return world.first(work.seconds_per_image)


def ahead(read: Callable[[str], T], frames: Sequence[str]) -> Generator[T, None, None]:
    """Read frames in their order, each while whoever asked for the one before is at work."""
    with ThreadPoolExecutor(1) as reader:
        following = [reader.submit(read, frame) for frame in frames[:1]]
        for place in range(1, len(frames) + 1):
            sample = following.pop().result()
            following += [reader.submit(read, frame) for frame in frames[place : place + 1]]
            yield sample
