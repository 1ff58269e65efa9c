"""Videos that browsers play: H.264 in MP4, VP9 in WebM."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from challenge.errors import FIXES, ConfigError, DataError
from challenge.files import write_whole

FASTEST = 240.0
BT709 = 1
"""FFmpeg's number for the colours that browsers expect: primaries, transfer and matrix."""
LIMITED = 1
"""And the range from 16 to 235."""


@dataclass(frozen=True)
class Kind:
    """How frames become a file: FFmpeg's names, and its options."""

    container: str
    codec: str
    encoder: Mapping[str, str]
    muxer: Mapping[str, str]


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        ".mp4": Kind("mp4", "libx264", {"crf": "18"}, {"movflags": "+faststart"}),
        ".webm": Kind("webm", "libvpx-vp9", {"crf": "24", "b": "0", "row-mt": "1"}, {}),
    }
)
"""By the suffix. With faststart a browser plays what has only begun to arrive."""


def check_video(path: Path, fps: float) -> None:
    """See that a video can be written, before any frame is drawn.

    Raises:
        ConfigError: a suffix or a rate that is none.
        DataError: the package `av` is not there, or lacks the encoder; says what to install.
    """
    if path.suffix.lower() not in KINDS:
        raise ConfigError(f"--out {path}: expected a file .mp4 or .webm")
    if not 0.1 <= fps <= FASTEST:
        raise ConfigError(f"--fps {fps:g}: expected 0.1 to {FASTEST:g}")
    try:
        import av
    except ImportError as error:
        raise DataError(
            f"{path}: videos are written with the package av; {sys.executable} -m pip install av"
        ) from error
    kind = KINDS[path.suffix.lower()]
    if kind.codec not in av.codecs_available:
        others = ", ".join(suffix for suffix in KINDS if suffix != path.suffix.lower())
        raise DataError(
            f"{path}: this build of av has no {kind.codec}; try {others}, or another build of av"
        )


def write_video(path: Path, frames: Iterable[np.ndarray], fps: float) -> int:
    """Write frames as a video, whole or not at all.

    A width or height that is odd gets a white line more: 4:2:0 has one colour for 2x2 pixels.

    Args:
        path: .mp4 or .webm.
        frames: (H, W, 3) uint8 RGB, all of one size, at least one.
        fps: frames per second.

    Returns:
        The number of frames.

    Raises:
        ConfigError, DataError: see `check_video`; or frames of two sizes, or none.
        OSError: of the system, with the name of `path`.
    """
    check_video(path, fps)
    count = 0
    with write_whole(path) as temporary, _plain(path), _encoder(temporary, path, fps) as encode:
        for frame in frames:
            encode(_even(frame))
            count += 1
    return count


@contextlib.contextmanager
def _plain(path: Path) -> Iterator[None]:
    """Let an error of FFmpeg be the system's, such as a full disk, or a sentence."""
    import av

    try:
        yield
    except av.FFmpegError as error:
        if isinstance(error, OSError) and error.errno in FIXES:
            raise OSError(error.errno, error.strerror) from error
        raise DataError(f"{path}: FFmpeg refuses: {error}; try another format or size") from error


def _even(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    white = ((0, height % 2), (0, width % 2), (0, 0))
    return np.ascontiguousarray(np.pad(image, white, constant_values=255))


@contextlib.contextmanager
def _encoder(file: Path, path: Path, fps: float) -> Iterator[Any]:
    """Open `file`, which is to be `path`, and give a function that takes frame after frame."""
    import av

    kind = KINDS[path.suffix.lower()]
    rate = Fraction(fps).limit_denominator(1001)
    with av.open(str(file), "w", format=kind.container, options=dict(kind.muxer)) as container:
        stream: Any = None

        def encode(image: np.ndarray) -> None:
            nonlocal stream
            height, width = image.shape[:2]
            if stream is None:
                stream = container.add_stream(kind.codec, rate=rate, options=dict(kind.encoder))
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                context = stream.codec_context
                context.color_primaries = context.color_trc = context.colorspace = BT709
                context.color_range = LIMITED
            if (stream.width, stream.height) != (width, height):
                raise DataError(
                    f"{path}: expected frames of {stream.width}x{stream.height}, found "
                    f"{width}x{height}"
                )
            picture = av.VideoFrame.from_ndarray(image, format="rgb24")
            picture = picture.reformat(
                format="yuv420p", dst_colorspace=BT709, dst_color_range=LIMITED
            )
            container.mux(stream.encode(picture))

        yield encode
        if stream is None:
            raise DataError(f"{path}: no frames for a video")
        container.mux(stream.encode())
