"""Restore every frame of a split, whatever the baseline."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from tqdm import tqdm

from baselines.restorer import Restorer
from baselines.unfinished import Unfinished
from challenge.datasets import Dataset
from challenge.errors import ChallengeError

T = TypeVar("T")


def restore_all(restorer: Restorer, dataset: Dataset, work: Unfinished, title: str) -> float:
    """Restore every frame that is not there yet.

    The next frame is read, and the last one written, while one is restored.

    Args:
        restorer: any.
        dataset: whose frames they are.
        work: where they go.
        title: of the progress.

    Returns:
        Mean seconds per image of the restoring alone; see `Unfinished.seconds_per_image`.

    Raises:
        ChallengeError: a frame cannot be read, or the restorer returned something else.
    """
    frames, done = dataset.frames, work.done()
    missing = [frame for frame in frames if frame not in done]
    if done:
        print(f"{title}: goes on after {len(frames) - len(missing)} of {len(frames)} frames")
    bar = tqdm(total=len(frames), initial=len(done), desc=title, unit=" images", dynamic_ncols=True)
    try:
        with bar, ThreadPoolExecutor(1) as writer:
            writing: Future[None] | None = None
            for frame, sample in zip(missing, ahead(dataset.read_inputs, missing), strict=True):
                began = time.perf_counter()
                image = restorer(sample)
                seconds = time.perf_counter() - began
                if image.shape != sample.blurry.shape or image.dtype != np.uint8:
                    raise ChallengeError(
                        f"{title}: the restorer returned {image.shape} {image.dtype} for {frame}, "
                        f"expected {sample.blurry.shape} uint8"
                    )
                if writing:
                    writing.result()
                writing = writer.submit(work.write, frame, image, seconds, frame != missing[0])
                bar.update()
            if writing:
                writing.result()
    except BaseException:
        if kept := work.leave():
            print(
                f"\n{title}: {kept} of {len(frames)} frames are kept; the same command goes on",
                file=sys.stderr,
            )
        raise
    return work.seconds_per_image()


def ahead(read: Callable[[str], T], frames: Sequence[str]) -> Iterator[T]:
    """Read frames in their order, each while whoever asked for the one before is at work."""
    with ThreadPoolExecutor(1) as reader:
        following = [reader.submit(read, frame) for frame in frames[:1]]
        for place in range(1, len(frames) + 1):
            sample = following.pop().result()
            following += [reader.submit(read, frame) for frame in frames[place : place + 1]]
            yield sample
