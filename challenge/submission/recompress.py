"""The same pixels in fewer bytes, for zips that are too large for the platform.

A fast writer (OpenCV's default) leaves a third of the bytes on the table; how much is gained, and
at which pace, stands in benchmarks/README.md.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from challenge.environment.cores import cores
from challenge.images import decode

LEVELS = (6, 9)
"""zlib's levels, in the order they are tried: the first is quick, the second gains some more."""
BEST = 9
LEAST = 0.8
"""Of the bytes at one level, the least that the next could leave: 0.92 were seen."""


def recompressed(paths: Sequence[Path], level: int, workers: int | None = None) -> Iterator[bytes]:
    """Yield each PNG's bytes, compressed anew where that is smaller, in the order of `paths`.

    The threads are never more than a few images ahead: memory does not grow with the number of
    images, and the result does not depend on the number of threads.
    """
    threads = workers or cores()
    waiting: deque[Future[bytes]] = deque()
    with ThreadPoolExecutor(threads) as pool:  # codecs work without Python's lock
        try:
            for path in paths:
                waiting.append(pool.submit(partial(smaller_png, level=level), path))
                if len(waiting) >= 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def smaller_png(path: Path, level: int) -> bytes:
    """Compress an 8-bit RGB PNG at zlib's `level`; keep the file if that is no larger.

    Every row gets the filter that suits it. What is returned holds the same pixels: it is decoded
    and compared. A file that is no 8-bit RGB PNG comes back as it is.
    """
    content = path.read_bytes()
    pixels = _decode(content)
    if pixels is None:
        return content
    packed = encode_png(pixels, level)
    if len(packed) >= len(content):
        return content
    unpacked = _decode(packed)
    if unpacked is None or not np.array_equal(unpacked, pixels):
        raise RuntimeError(f"{path}: compressed anew, its pixels changed")  # a fault of the codec
    return packed


def same_pixels(first: bytes, second: bytes) -> bool:
    """Say whether two PNGs hold the same 8-bit RGB pixels."""
    pixels, others = _decode(first), _decode(second)
    return pixels is not None and others is not None and np.array_equal(pixels, others)


def encode_png(bgr: np.ndarray, level: int) -> bytes:
    """Compress (H, W, 3) uint8 BGR at zlib's `level`; the best level is Pillow's."""
    if level == BEST:
        target = io.BytesIO()
        Image.fromarray(bgr[:, :, ::-1]).save(target, "PNG", optimize=True)
        return target.getvalue()
    settings = [cv2.IMWRITE_PNG_COMPRESSION, level, cv2.IMWRITE_PNG_STRATEGY]
    settings += [cv2.IMWRITE_PNG_STRATEGY_FILTERED]
    if hasattr(cv2, "IMWRITE_PNG_FILTER"):  # OpenCV 4.12 and later; before, `level` sets it too
        settings += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_ALL_FILTERS]
    return bytes(cv2.imencode(".png", bgr, settings)[1].tobytes())


def _decode(content: bytes) -> np.ndarray | None:
    """Return (H, W, 3) uint8 BGR, or None for anything else."""
    pixels, _ = decode(content)
    fits = pixels is not None and pixels.dtype == np.uint8 and pixels.ndim == 3
    return pixels if pixels is not None and fits and pixels.shape[2] == 3 else None
