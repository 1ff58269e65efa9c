"""The only image codec: (H, W, 3) uint8 RGB in memory, 8-bit PNG on disk."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from challenge.errors import DataError
from challenge.files import write_whole

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_TRAILER = b"IEND\xaeB`\x82"
LARGEST = 1 << 26
"""Pixels; no frame comes near, and a header's word is no reason to allocate gigabytes."""
NOISE = re.compile(rb"libpng |imdecode_|\[ *(?:INFO|WARN|ERROR):|Corrupt JPEG|Premature end of|\n")
"""How a line begins that OpenCV or a decoder in it writes about a file."""
_one_at_a_time = threading.Lock()


def read_png(path: Path) -> np.ndarray:
    """Read an 8-bit PNG.

    Grey images become three equal channels; palettes are resolved.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        DataError: the file is missing, empty, not a PNG, cut off, of 16 bits, or has an alpha
            channel.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if not data.startswith(PNG_SIGNATURE):
        found = "an empty file" if not data else "something else"
        raise DataError(f"{path}: expected a PNG, found {found}; save or copy it again")
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if width * height > LARGEST:
        raise DataError(f"{path}: expected a frame, found one that claims {width}x{height} pixels")
    if PNG_TRAILER not in data[-64:]:
        raise DataError(f"{path}: the PNG is cut off ({len(data)} bytes); save or copy it again")
    image, _ = decode(data)
    if image is None:
        raise DataError(f"{path}: the PNG is damaged; save or copy it again")
    if image.dtype != np.uint8:
        bits = image.dtype.itemsize * 8
        raise DataError(f"{path}: expected 8 bits per channel, found {bits}; save it as 8-bit RGB")
    if image.ndim == 2:
        return np.repeat(image[:, :, None], 3, axis=2)
    if image.shape[2] != 3:
        raise DataError(
            f"{path}: expected 3 channels, found {image.shape[2]}; save it as RGB without alpha"
        )
    rgb: np.ndarray = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return rgb


def decode(content: bytes, reduced: int = 1) -> tuple[np.ndarray | None, list[str]]:
    """Decode an image with OpenCV, and keep what its decoders have to say off the terminal.

    Args:
        content: of the file.
        reduced: 1, or 2, 4, 8: to so much smaller sides, as BGR; a JPEG is then decoded in so much
            less memory.

    Returns:
        The pixels as OpenCV has them, (H, W) or (H, W, C), BGR, of any depth; None if it cannot
        decode them. And the decoder's words, line by line.
    """
    image = None
    how = cv2.IMREAD_UNCHANGED
    if reduced > 1:
        how = getattr(cv2, f"IMREAD_REDUCED_COLOR_{reduced}")
    with _caught() as words, contextlib.suppress(cv2.error):  # raised of too large a header
        image = cv2.imdecode(np.frombuffer(content, np.uint8), how)
    return image, words


@contextlib.contextmanager
def _caught() -> Iterator[list[str]]:
    """Catch what libpng writes to file descriptor 2: inside OpenCV, it knows no other place.

    One thread at a time; what other threads write there meanwhile comes a moment later.
    """
    words: list[str] = []
    with _one_at_a_time:
        try:
            kept = os.dup(2)
        except OSError:  # closed: nobody would read it
            yield words
            return
        source, target = os.pipe()
        os.set_blocking(source, False)
        os.set_blocking(target, False)  # what is too much for the pipe is lost, nobody waits
        os.dup2(target, 2)
        os.close(target)
        try:
            yield words
        finally:
            os.dup2(kept, 2)
            with contextlib.suppress(OSError), open(source, "rb", 0) as stream:
                for line in (stream.read(1 << 20) or b"").splitlines(keepends=True):
                    if NOISE.match(line):
                        words += [line.decode("utf-8", "replace").strip()] if line.strip() else []
                    else:
                        os.write(kept, line)
            os.close(kept)


def png_size(path: Path) -> tuple[int, int]:
    """Read (width, height) in pixels from a PNG's header, without decoding it.

    Raises:
        DataError: the file is missing or does not start as a PNG does.
    """
    try:
        with open(path, "rb") as file:
            header = file.read(24)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if len(header) < 24 or not header.startswith(PNG_SIGNATURE) or header[12:16] != b"IHDR":
        raise DataError(f"{path}: expected a PNG, found something else; save or copy it again")
    return int.from_bytes(header[16:20], "big"), int.from_bytes(header[20:24], "big")


def write_png(path: Path, rgb: np.ndarray) -> None:
    """Write (H, W, 3) uint8 RGB as an 8-bit PNG, whole or not at all.

    Raises:
        DataError: another shape or dtype; nothing is converted silently.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or 0 in rgb.shape:
        raise DataError(
            f"{path}: expected (H, W, 3) uint8 RGB, found {rgb.shape} {rgb.dtype}; "
            "clip, round and convert before writing (challenge.images.to_uint8)"
        )
    encoded = cv2.imencode(".png", rgb[:, :, ::-1])[1]
    with write_whole(path) as temporary:
        temporary.write_bytes(encoded.tobytes())


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Clip a float image in [0, 1] and round it to the nearest of 256 levels: floor(255 v + 0.5).

    Truncating instead costs 0.17 dB at 40 dB.

    Args:
        image: float of any shape, in [0, 1]. Not modified.

    Returns:
        The same shape, uint8.

    Raises:
        DataError: the image holds NaN.

    >>> to_uint8(np.array([-0.1, 0.5, 0.999, 1.2])).tolist()
    [0, 128, 255, 255]
    """
    if np.isnan(image).any():
        raise DataError("the restored image holds NaN: train again with a lower learning rate")
    levels: np.ndarray = np.floor(np.clip(image, 0.0, 1.0) * 255.0 + 0.5)
    return levels.astype(np.uint8)
