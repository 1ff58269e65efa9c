"""EDI: exact on a scene whose blur can be computed by hand, then on simulated and real events."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from baselines.edi.edi import (
    BLACK,
    THRESHOLDS,
    best_threshold,
    blur_factor,
    deblur,
    stairs_of,
    threshold_curve,
    threshold_doubt,
)
from baselines.edi.restorer import load
from challenge.datasets import open_split
from challenge.events import Events
from challenge.light import linear_to_srgb
from challenge.representations import scer, voxel_grid
from challenge.sample import Sample


def sample_of(events: Events, blurry: np.ndarray) -> Sample:
    return Sample("a_00000", blurry, events)


GREY = np.full((2, 3, 3), 128, np.uint8)


def test_mean_of_an_exponential_stair_by_hand() -> None:
    """Pixel (1, 0): +1 at 1/4 and -1 at 3/4 of the exposure, so E = -1, 0, -1 over 1/4, 1/2, 1/4 of
    it.
    """
    events = Events(
        x=np.array([2, 0, 0, 2]),
        y=np.array([1, 1, 1, 1]),
        t=np.array([0, 25, 75, 100]),
        p=np.array([1, 1, 0, 1]),
    )
    factor = blur_factor(stairs_of(sample_of(events, GREY)), 0.5)
    assert factor[1, 0] == pytest.approx(0.5 * np.exp(-0.5) + 0.5)
    # pixel (1, 2): +1 at the very start and at the very end: level 0 in between
    assert factor[1, 2] == pytest.approx(1.0)
    assert factor[0].tolist() == [1.0, 1.0, 1.0]


def test_no_events_leave_the_image_as_it_is() -> None:
    image = np.arange(18, dtype=np.uint8).reshape(2, 3, 3) * 14
    restored = deblur(image, stairs_of(sample_of(Events.empty(), image)), 0.3)
    assert np.array_equal(restored, image)


def moving_edge(threshold: float, height: int = 48, width: int = 64) -> tuple[Sample, np.ndarray]:
    """A bright bar that moves 16 pixels to the right in 800 small steps, and what an ideal sensor
    says of it.
    """
    column = np.arange(width)
    steps = 801
    start = 20 + 16 * np.linspace(0, 1, steps)
    bars = 0.1 + 0.7 / (1 + np.exp(-(column[None] - start[:, None]) / 0.7))  # (steps, W) linear
    log = np.log(bars + BLACK)
    level, events = log[0].copy(), []
    for step in range(1, steps):
        while True:
            up, down = log[step] - level >= threshold, level - log[step] >= threshold
            if not (up | down).any():
                break
            events += [(step, x, int(up[x])) for x in np.flatnonzero(up | down)]
            level += threshold * (up.astype(float) - down)
    t, x, p = (np.array(values) for values in zip(*events, strict=True))
    everywhere = Events(
        x=np.tile(x, height),
        y=np.repeat(np.arange(height), len(x)),
        t=np.tile(t, height),
        p=np.tile(p, height),
    )
    order = np.argsort(everywhere.t, kind="stable")
    everywhere = Events(**{name: getattr(everywhere, name)[order] for name in "xytp"})

    def picture(line: np.ndarray) -> np.ndarray:
        row = linear_to_srgb(line)
        return np.repeat(np.tile(row, (height, 1))[:, :, None], 3, axis=2)

    return sample_of(everywhere, picture(bars.mean(axis=0))), picture(bars[steps // 2])


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)))


@pytest.mark.parametrize("threshold", [0.15, 0.3])
def test_a_moving_edge_is_restored_and_its_threshold_found(threshold: float) -> None:
    sample, sharp = moving_edge(threshold)
    found = best_threshold(threshold_curve([sample]))
    assert found == pytest.approx(threshold, rel=0.25)
    restored = deblur(sample.blurry, stairs_of(sample), found)
    assert psnr(restored, sharp) > psnr(sample.blurry, sharp) + 6
    # control: events of the wrong sign make it worse
    flipped = dataclasses.replace(
        sample, events=dataclasses.replace(sample.events, p=1 - sample.events.p)
    )
    assert psnr(deblur(sample.blurry, stairs_of(flipped), found), sharp) < psnr(
        sample.blurry, sharp
    )


def test_a_voxel_grid_does_nearly_as_well_as_raw_events() -> None:
    sample, sharp = moving_edge(0.15)
    assert sample.events is not None
    grid = voxel_grid(sample.events, 6, *sample.blurry.shape[:2])
    stored = dataclasses.replace(sample, events=None, stored_grid=grid)
    coarse = deblur(sample.blurry, stairs_of(stored), 0.15)
    assert psnr(coarse, sharp) > psnr(sample.blurry, sharp) + 4


def test_a_scer_grid_is_taken_apart_first() -> None:
    sample, sharp = moving_edge(0.15)
    assert sample.events is not None
    grid = scer(sample.events, 6, *sample.blurry.shape[:2])
    stored = dataclasses.replace(sample, events=None, stored_grid=grid, stored_kind="scer")
    coarse = deblur(sample.blurry, stairs_of(stored), 0.15)
    assert psnr(coarse, sharp) > psnr(sample.blurry, sharp) + 4
    # control: read as a voxel grid, events of the middle count up to three times, half of them
    # with the wrong sign
    misread = dataclasses.replace(stored, stored_kind="voxel")
    assert psnr(deblur(sample.blurry, stairs_of(misread), 0.15), sharp) < psnr(coarse, sharp) - 3


def test_two_bins_and_empty_grids_work() -> None:
    grid = np.zeros((2, 2, 3), np.float32)
    empty = Sample("a_00000", GREY, None, grid)
    assert (blur_factor(stairs_of(empty), 0.3) == 1).all()
    assert best_threshold(threshold_curve([empty])) in THRESHOLDS
    grid[0, 0, 0] = 2.0
    assert np.isfinite(blur_factor(stairs_of(empty), 0.3)).all()


def test_one_bin_happens_in_the_middle_of_the_exposure() -> None:
    grid = np.zeros((1, 2, 3), np.float32)
    grid[0, 1, 2] = 2.0  # E = -2 over the first half, 0 over the second
    factor = blur_factor(stairs_of(Sample("a_00000", GREY, None, grid)), 0.5)
    assert factor[1, 2] == pytest.approx(0.5 * np.exp(-1.0) + 0.5)
    assert factor[0].tolist() == [1.0, 1.0, 1.0]


def test_a_clock_that_spans_more_than_half_its_range_changes_nothing() -> None:
    near = Events(
        x=np.array([0, 1, 1, 0]), y=np.zeros(4, int), t=np.array([0, 10_000, 40_000, 60_000]),
        p=np.array([1, 1, 0, 0]),
    )  # fmt: skip
    far = dataclasses.replace(near, t=(near.t - 30_000).astype(np.int16))
    expected = blur_factor(stairs_of(sample_of(near, GREY)), 0.5)
    assert np.array_equal(blur_factor(stairs_of(sample_of(far, GREY)), 0.5), expected)


def disturbed(sample: Sample) -> dict[str, Sample]:
    """The same frame with its events in the usual wrong ways, those outside a square left out."""
    events, side = sample.events, min(sample.blurry.shape[:2])
    assert events is not None
    inside = events.select(np.flatnonzero((events.x < side) & (events.y < side)))
    square = dataclasses.replace(sample, blurry=sample.blurry[:side, :side], events=inside)
    ways = {
        "healthy": inside,
        "flipped": dataclasses.replace(inside, p=1 - inside.p),
        "swapped": dataclasses.replace(inside, x=inside.y, y=inside.x),
        "mirrored": dataclasses.replace(inside, x=side - 1 - inside.x),
        "reversed": Events(
            x=inside.x[::-1], y=inside.y[::-1], t=(inside.t[-1] - inside.t)[::-1], p=inside.p[::-1]
        ),
    }
    return {name: dataclasses.replace(square, events=events) for name, events in ways.items()}


def test_events_that_do_not_explain_the_blur_are_doubted() -> None:
    for name, sample in disturbed(moving_edge(0.3, height=64, width=64)[0]).items():
        doubt = threshold_doubt(threshold_curve([sample]))
        if name == "healthy":
            assert doubt is None
        elif name != "swapped":  # on the diagonal of a bar, rows are as good as columns
            assert doubt is not None and "the events do not explain the blur" in doubt, name


@pytest.mark.parametrize(
    "ends, valley, message",
    [
        ((1.0, 1.2), 0.9, None),
        ((1.0, 1.2), 0.995, "contrast threshold 0.30 of 0.04 to 0.8: the events do not explain"),
        ((1.0, 1.2), 1.1, "contrast threshold 0.04 of 0.04 to 0.8: the events do not explain"),
        ((1.2, 1.0), 1.1, "contrast threshold 0.80 of 0.04 to 0.8: more blur than the events"),
        ((1.0, 1.0), 1.0, "do not tell the contrast threshold"),
    ],
)
def test_a_curve_without_a_valley_is_doubted(
    ends: tuple[float, float], valley: float, message: str | None
) -> None:
    curve = np.interp(THRESHOLDS, [0.04, 0.3, 0.8], [ends[0], valley, ends[1]])
    doubt = threshold_doubt(curve)
    assert doubt is None if message is None else (doubt is not None and message in doubt)


@pytest.mark.parametrize("bins", [0, 1, 2])
def test_events_that_tell_nothing_are_not_called_flipped(bins: int) -> None:
    sample, _ = moving_edge(0.3, height=16)
    assert sample.events is not None
    if bins:
        grid = voxel_grid(sample.events, bins, *sample.blurry.shape[:2])
        sample = dataclasses.replace(sample, events=None, stored_grid=grid)
    else:
        sample = dataclasses.replace(sample, events=Events.empty())
    doubt = threshold_doubt(threshold_curve([sample]))
    assert doubt is not None and "do not tell the contrast threshold" in doubt


def test_a_doubt_is_said_with_the_sequences_it_is_about(
    recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a real recording: as it is, and with its polarity flipped on disk."""
    frames = ("eslcups_00014", "eslcups_00026")
    for name, polarity in (("healthy", (0, 1)), ("flipped", (1, 0))):
        (tmp_path / name / "test" / "event").mkdir(parents=True)
        (tmp_path / name / "test" / "blur").mkdir()
        for frame in frames:
            source = recordings / "davis346_cups" / "test"
            shutil.copy(source / "blur" / f"{frame}.png", tmp_path / name / "test" / "blur")
            for path in sorted((source / "event").glob(f"{frame}_*.npz")):
                with np.load(path) as archive:
                    arrays = {key: archive[key] for key in archive}
                arrays["polarity"] = np.array(polarity)[(arrays["polarity"] > 0).astype(int)]
                np.savez(tmp_path / name / "test" / "event" / path.name, **arrays)
    load(open_split(tmp_path / "healthy", "test"), None, "cpu")
    assert capsys.readouterr().err == ""
    load(open_split(tmp_path / "flipped", "test"), None, "cpu")
    said = capsys.readouterr().err
    assert said.startswith("warning: EDI on eslcups (2 frames looked at): contrast threshold 0.04 ")
    assert "is their polarity flipped" in said


def test_misplaced_events_of_a_real_recording_are_doubted(recordings: Path) -> None:
    cups = open_split(recordings / "davis346_cups", "test")
    frames = [disturbed(cups[index]) for index in (4, 16)]
    for way in ("healthy", "flipped", "swapped", "mirrored", "reversed"):
        doubt = threshold_doubt(threshold_curve(frame[way] for frame in frames))
        assert (doubt is None) == (way == "healthy"), (way, doubt)


def tenengrad(image: np.ndarray) -> float:
    grey = image.astype(np.float64).mean(axis=2)
    rows, columns = cv2.Sobel(grey, cv2.CV_64F, 0, 1), cv2.Sobel(grey, cv2.CV_64F, 1, 0)
    return float(np.mean(rows**2 + columns**2))


def test_every_frame_of_a_real_recording_becomes_sharper(recordings: Path) -> None:
    cups = open_split(recordings / "davis346_cups", "test")
    threshold = best_threshold(threshold_curve([cups[index] for index in range(0, 30, 4)]))
    assert 0.2 <= threshold <= 0.4  # 0.34 fits the brightness changes between frames best
    for index in range(30):
        sample = cups[index]
        stairs = stairs_of(sample)
        flipped = dataclasses.replace(stairs, level=-stairs.level)
        before = tenengrad(sample.blurry)
        after = tenengrad(deblur(sample.blurry, stairs, threshold))
        wrong = tenengrad(deblur(sample.blurry, flipped, threshold))
        assert after > before and after > wrong, sample.frame
