"""Videos, decoded back: as many frames, their size, their colours; and what is refused."""

from __future__ import annotations

import errno
import sys
from pathlib import Path

import numpy as np
import pytest

from challenge.errors import ConfigError, DataError, DiskError, disk_errors
from leaderboard.video import check_video, write_video

COLOURS = ((0, 70, 255), (255, 30, 0), (255, 255, 255), (0, 0, 0), (120, 200, 40))
BT709 = 1


def flat(colour: tuple[int, int, int], height: int = 121, width: int = 161) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def planes(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Y, Cb and Cr of a 4:2:0 picture, which lie one after the other."""
    height, width = picture.shape[0] * 2 // 3, picture.shape[1]
    flat = picture.reshape(-1)
    quarter = height * width // 4
    luma, rest = flat[: 4 * quarter], flat[4 * quarter :]
    return (
        luma.reshape(height, width),
        rest[:quarter].reshape(height // 2, width // 2),
        rest[quarter:].reshape(height // 2, width // 2),
    )


def limited_bt709(colour: tuple[int, int, int]) -> tuple[float, float, float]:
    """Y, Cb and Cr in 16 to 235 and 16 to 240, by ITU-R BT.709."""
    red, green, blue = (level / 255 for level in colour)
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    cb, cr = (blue - luma) / 1.8556, (red - luma) / 1.5748
    return 16 + 219 * luma, 128 + 224 * cb, 128 + 224 * cr


@pytest.mark.parametrize("suffix, codec", [(".mp4", "h264"), (".webm", "vp9")])
def test_what_is_decoded_is_what_was_written(tmp_path: Path, suffix: str, codec: str) -> None:
    av = pytest.importorskip("av", reason="the extra `video` is not installed")
    path = tmp_path / f"a{suffix}"
    assert write_video(path, (flat(colour) for colour in COLOURS), fps=12.5) == len(COLOURS)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == codec
        assert stream.codec_context.pix_fmt == "yuv420p"  # what browsers play
        assert stream.codec_context.colorspace == BT709
        assert (stream.width, stream.height, float(stream.average_rate)) == (162, 122, 12.5)
        frames = list(container.decode(video=0))
    assert len(frames) == len(COLOURS)
    for frame, colour in zip(frames, COLOURS, strict=True):
        luma, *chroma = planes(frame.to_ndarray())
        for plane, level in zip(
            (luma[10:110, 10:150], *chroma), limited_bt709(colour), strict=True
        ):
            assert abs(float(np.median(plane)) - level) <= 1.5
        assert (luma[-1] > 225).all() and (luma[:, -1] > 225).all()  # what makes it even: white
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_an_mp4_begins_with_what_a_player_needs_first(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="the extra `video` is not installed")
    write_video(tmp_path / "a.mp4", [flat(COLOURS[0])], fps=10)
    content = (tmp_path / "a.mp4").read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")


@pytest.mark.parametrize(
    "frames, words",
    [
        ([flat(COLOURS[0]), flat(COLOURS[0], 60)], "expected frames of 162x122, found 162x60"),
        ([], "no frames"),
    ],
)
def test_what_cannot_become_a_video_leaves_nothing(
    tmp_path: Path, frames: list[np.ndarray], words: str
) -> None:
    pytest.importorskip("av", reason="the extra `video` is not installed")
    with pytest.raises(DataError, match=f"a.webm: .*{words}"):
        write_video(tmp_path / "a.webm", frames, fps=10)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    av = pytest.importorskip("av", reason="the extra `video` is not installed")

    def full(*_values: object, **_named: object) -> None:
        raise av.error.OSError(errno.ENOSPC, "No space left on device", "a file")

    monkeypatch.setattr(av, "open", full)
    with pytest.raises(DiskError, match=r"a\.mp4: no space left on device"), disk_errors():
        write_video(tmp_path / "a.mp4", [flat(COLOURS[0])], fps=10)
    assert list(tmp_path.iterdir()) == []


def test_a_name_or_a_rate_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a\.avi: expected a file \.mp4 or \.webm"):
        check_video(tmp_path / "a.avi", 10)
    for fps in (0, -1, 1000, float("nan")):
        with pytest.raises(ConfigError, match="--fps"):
            check_video(tmp_path / "a.mp4", fps)


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(DataError, match="package av; .*python.* -m pip install av"):
        check_video(tmp_path / "a.mp4", 10)
