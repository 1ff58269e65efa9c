"""A sequence of the wide world: its shutter, its slices, its still and its averaged frames."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest

from challenge.events import Events
from challenge.light import linear_to_srgb
from challenge.simulation.gallery import Photograph, list_files, look_at
from challenge.simulation.scenes import SPEEDS, render
from challenge.simulation.sequences import Frame
from challenge.simulation.textures import draw_texture
from challenge.simulation.wide import (
    Cutter,
    Shot,
    Size,
    draw_scene,
    draw_sensor,
    film,
    generator,
    shutter,
    take_of,
    way_px,
)
from challenge.simulation.world import Take, load_world

HEIGHT, WIDTH = 48, 64
SIZE = Size(seed=0, width=WIDTH, height=HEIGHT, frames=1)
QUIET = {
    "electrons": 1e9,
    "read_noise": 0.0,
    "prnu": 0.0,
    "dsnu": 0.0,
    "shot_hz": 0.0,
    "leak_hz": 0.0,
    "hot_share": 0.0,
    "dead_share": 0.0,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    light = draw_texture("leaves", np.random.default_rng(0))
    cv2.imwrite(str(folder / "leaves.png"), linear_to_srgb(light)[:, :, ::-1])
    return folder


@pytest.fixture(scope="module")
def shot(folder: Path) -> Shot:
    found = look_at(list_files(folder)[0], folder)
    assert isinstance(found, Photograph)
    return Shot("train", 0, found)


@pytest.fixture(scope="module")
def take(shot: Shot) -> Take:
    """One exposure of 20 ms by a quiet camera, panning."""
    drawn = take_of(shot, load_world(), 0)
    return dataclasses.replace(
        drawn,
        **QUIET,
        motion="pan",
        path_px=25.0,
        objects=0,
        exposure_us=20_000,
        gap_us=10_000,
        frames=1,
        stops=-0.5,
        mosaic="colour",
        curve="srgb",
        row_us=0.0,
        of_levels=True,
    )


def one(shot: Shot, take: Take, folder: Path) -> Frame:
    return next(film(shot, take, SIZE, folder))


def count(frame: Frame) -> int:
    return sum(map(len, frame.events[:10]))


# The shutter


@pytest.mark.parametrize(
    "frames, steps, part", [(1, 12, 1.0), (7, 4, 1.0), (8, 2, 0.5), (44, 6, 0.3)]
)
def test_every_row_of_the_shutter_is_a_mean_and_symmetric(
    frames: int, steps: int, part: float
) -> None:
    weights = shutter(frames, steps, part)
    assert weights.shape == (frames, frames * steps + 1)
    assert weights.sum(axis=1) == pytest.approx(1.0)
    assert np.array_equal(weights, weights[::-1, ::-1])
    assert weights @ np.arange(frames * steps + 1) == pytest.approx(
        (np.arange(frames) + 0.5) * steps
    )  # of light that grows evenly: that of each frame's middle


def test_a_shutter_that_is_open_all_the_time_is_the_trapezoid_rule() -> None:
    assert shutter(1, 4, 1.0) * 8 == pytest.approx(np.array([[1, 2, 2, 2, 1]]))
    assert shutter(2, 4, 0.0) == pytest.approx(np.eye(9)[[2, 6]])
    assert shutter(2, 4, 1.0).sum(axis=0) * 4 == pytest.approx([0.5, 1, 1, 1, 1, 1, 1, 1, 0.5])


# The frames


def test_a_still_scene_without_noise_is_its_own_restoration(
    shot: Shot, take: Take, folder: Path
) -> None:
    for frames in (1, 7):
        for mosaic in ("grey", "colour", "gbrg"):
            still = dataclasses.replace(take, motion="still", frames=frames, mosaic=mosaic)
            frame = one(shot, still, folder)
            difference = frame.blurry.astype(int) - frame.sharp
            # rounding, once more; where two edges are alike, it may decide along which is coloured
            assert np.mean(np.abs(difference) > 1) < (0.005 if mosaic == "gbrg" else 1e-9)
            assert np.abs(difference).max() < 20
            assert count(frame) == 0
    moving = one(shot, take, folder)
    assert np.abs(moving.blurry.astype(int) - moving.sharp).max() > 20
    assert count(moving) > HEIGHT * WIDTH / 10


def test_a_still_scene_with_noise_is_its_own_restoration_within_it(
    shot: Shot, take: Take, folder: Path
) -> None:
    still = dataclasses.replace(
        take, motion="still", electrons=2000.0, read_noise=8.0, curve="linear"
    )
    frame = one(shot, still, folder)
    light = frame.sharp / 255.0
    expected = 255 * np.sqrt(light * 2000 + 64) / 2000
    full = frame.sharp > 240
    z = ((frame.blurry - frame.sharp.astype(float)) / expected)[~full]
    assert abs(z.mean()) < 0.1 and z.std() == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("of_levels", [True, False])
@pytest.mark.parametrize("frames", [7, 44])
def test_blur_of_frames_is_their_mean(
    shot: Shot, take: Take, folder: Path, frames: int, of_levels: bool
) -> None:
    """Snapshots at the middles of `frames` equal parts of the exposure, averaged."""
    mean = dataclasses.replace(take, frames=frames, open=0.0, of_levels=of_levels)
    scene = draw_scene(shot, mean, SIZE, folder, generator(shot, 0, 1))
    moments = (np.arange(frames) + 0.5) * take.exposure_us / frames
    pictures = [linear_to_srgb(render(scene, t)) for t in moments]
    frame = one(shot, mean, folder)
    assert np.array_equal(frame.sharp, linear_to_srgb(render(scene, take.exposure_us / 2)))
    if of_levels:
        expected = np.rint(np.mean(pictures, axis=0, dtype=np.float64))
    else:
        light = [np.minimum(render(scene, t), 1.0) for t in moments]
        expected = linear_to_srgb(np.mean(light, axis=0)).astype(float)
    assert np.abs(frame.blurry - expected).max() <= 1
    other = one(shot, dataclasses.replace(mean, of_levels=not of_levels), folder)
    assert np.abs(other.blurry - expected).max() > 1


def test_one_exposure_is_the_mean_of_light(shot: Shot, take: Take, folder: Path) -> None:
    scene = draw_scene(shot, take, SIZE, folder, generator(shot, 0, 1))
    moments = (np.arange(400) + 0.5) * take.exposure_us / 400
    expected = linear_to_srgb(np.mean([render(scene, t) for t in moments], axis=0))
    frame = one(shot, take, folder)
    assert np.abs(frame.blurry.astype(int) - expected).mean() < 0.5
    assert way_px(scene, take, 0) > 3


# The events


def test_slices_hold_tenths_of_the_exposure_and_what_follows() -> None:
    t = np.arange(0, 1300, 7)
    events = Events(x=t % 5, y=t % 3, t=t, p=t % 2)
    cutter = Cutter(np.append(np.arange(11) * 100, 1080))
    for first in range(0, 1300, 130):
        cutter.add(events.select((t >= first) & (t < first + 130)), float(first + 130))
    assert len(cutter.slices) == 11
    for k, part in enumerate(cutter.slices):
        last = 1080 if k == 10 else 100 * (k + 1)
        assert part.t.tolist() == [int(v) for v in t if 100 * k <= v < last]


@pytest.mark.parametrize("row_us", [0.0, 900.0])
def test_events_of_a_frame_lie_in_its_slices(
    shot: Shot, take: Take, folder: Path, row_us: float
) -> None:
    size = dataclasses.replace(SIZE, frames=2)
    noisy = dataclasses.replace(take, row_us=row_us, shot_hz=50.0, leak_hz=5.0, gap_us=1500)
    for i, frame in enumerate(film(shot, noisy, size, folder)):
        start = i * 21_500
        edges = [*(start + np.arange(11) * 2000), start + 21_500]
        assert len(frame.events) == 11
        for part, first, last in zip(frame.events, edges[:-1], edges[1:], strict=True):
            assert len(part) and np.all((part.t >= first) & (part.t < last))
            assert np.all(np.diff(part.t) >= 0)
            assert part.x.max() < WIDTH and part.y.max() < HEIGHT
    assert i == 1


def test_the_pixels_of_a_sensor_are_as_drawn(take: Take) -> None:
    wanted = dataclasses.replace(
        take, leak_hz=0.3, leak_spread=0.5, hot_share=0.01, hot_hz=(100.0, 100.0), dead_share=0.02
    )
    sensor = draw_sensor(wanted, 200, 200, np.random.default_rng(0))
    leak = np.asarray(sensor.leak_hz)
    assert np.mean(leak == 100.0) == pytest.approx(0.01, rel=0.2)
    logs = np.log(leak[leak != 100.0])
    assert logs.mean() == pytest.approx(np.log(0.3), abs=0.02)
    assert logs.std() == pytest.approx(0.5, rel=0.05)
    assert sensor.dead is not None and len(sensor.dead) / 40_000 == pytest.approx(0.02, rel=0.2)
    assert sensor.on.mean() / sensor.off.mean() == pytest.approx(take.on_to_off, rel=0.01)


@pytest.mark.parametrize("motion", sorted(SPEEDS))
def test_every_motion_can_be_filmed(shot: Shot, take: Take, folder: Path, motion: str) -> None:
    moving = dataclasses.replace(take, motion=motion, exposure_us=1_000, path_px=40.0, objects=2)
    frame = one(shot, moving, folder)
    assert frame.blurry.shape == frame.sharp.shape == (HEIGHT, WIDTH, 3)
    assert (count(frame) > 0) == (motion != "still")


def test_the_pattern_of_a_sensor_is_in_the_sharp_picture_too(
    shot: Shot, take: Take, folder: Path
) -> None:
    """Of a still scene without noise both are the same, with the pattern and without."""
    still = dataclasses.replace(take, motion="still", pattern_columns=0.3)
    plain, harsh = (
        one(shot, dataclasses.replace(still, prnu=prnu), folder) for prnu in (0.0, 0.05)
    )
    for frame in (plain, harsh):
        assert np.abs(frame.blurry.astype(int) - frame.sharp).max() <= 1
    assert np.abs(harsh.sharp.astype(int) - plain.sharp).mean() > 1


def test_what_a_sequence_has_depends_on_its_number_and_the_seed_alone(shot: Shot) -> None:
    world = load_world()
    again = dataclasses.replace(shot, photograph=dataclasses.replace(shot.photograph, name="b"))
    assert take_of(shot, world, 0) == take_of(again, world, 0)
    others = [dataclasses.replace(shot, number=1), dataclasses.replace(shot, split="val")]
    takes = [take_of(each, world, 0) for each in (shot, *others)] + [take_of(shot, world, 1)]
    assert len({repr(each) for each in takes}) == 4
