"""Augmentation: what it makes could have been recorded, and the same comes again."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from samples import write_tiled

from baselines.efnet.augment import (
    augmented,
    drop,
    hot_pixels,
    noise,
    resize_events,
    resize_image,
    resized,
    reverse,
    shift,
    source_size,
)
from baselines.efnet.config import AugmentConfig, DataConfig, TrainConfig, read_config
from baselines.efnet.crops import Crops, Cut
from baselines.efnet.inputs import Reading, arrays_of, inputs_of
from challenge.datasets import DataSource
from challenge.datasets.store import open_store, prepare, store_folder
from challenge.errors import ConfigError
from challenge.events import Events
from challenge.representations import voxel_grid
from challenge.sample import Sample, Window

ALL = AugmentConfig(
    resize=[0.5, 1.7],
    stretch=True,
    reverse=0.5,
    time_shift=0.1,
    drop=0.3,
    noise=0.2,
    hot_pixels=0.01,
)


def some_events(count: int = 500, height: int = 12, width: int = 17) -> Events:
    rng = np.random.default_rng(2)
    return Events(
        x=rng.integers(0, width, count).astype(np.int32),
        y=rng.integers(0, height, count).astype(np.int32),
        t=np.sort(rng.integers(0, 300, count)).astype(np.float64),
        p=rng.integers(0, 2, count).astype(np.int8),
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiled(tmp_path_factory.mktemp("augment") / "HighREV")


def test_nothing_is_changed_unasked(root: Path) -> None:
    data, train = DataSource(root).open("train"), TrainConfig(crop=48)
    crops = Crops(data, DataConfig(), train)
    for position in range(8):
        epoch, place = divmod(position, 2)
        order = np.random.default_rng((train.seed, 0, epoch)).permutation(2)
        sample = data[int(order[place])]
        rng = np.random.default_rng((train.seed, 1, position))
        cut = Cut.draw(sample.frame, (130, 150), train, rng)
        arrays = arrays_of(sample, Reading(), cut.window).turned(*cut[1:])
        for one, other in zip(crops[position], inputs_of(arrays, Reading()), strict=True):
            assert (one is None and other is None) or torch.equal(one, other)


@pytest.mark.parametrize("height, width", [(24, 34), (6, 8), (12, 30), (19, 9), (1, 1)])
def test_resized_events_are_those_of_the_pixel_at_each_place(height: int, width: int) -> None:
    events = some_events()
    grid = voxel_grid(events, 5, 12, 17)
    rows = np.floor((np.arange(height) + 0.5) * 12 / height).astype(int)
    columns = np.floor((np.arange(width) + 0.5) * 17 / width).astype(int)
    new = resize_events(events, (12, 17), height, width)
    found = voxel_grid(new, 5, height, width, span=(events.t[0], events.t[-1]))
    np.testing.assert_array_equal(found, grid[:, rows][:, :, columns])


def test_resized_images_shrink_by_averaging_and_grow_linearly() -> None:
    image = np.random.default_rng(0).integers(0, 256, (12, 16, 3)).astype(np.uint8)
    halves = image.reshape(6, 2, 8, 2, 3).mean((1, 3))
    assert np.abs(resize_image(image, 6, 8) - halves).max() <= 1
    larger = cv2.resize(image, (27, 20), interpolation=cv2.INTER_LINEAR)
    assert np.abs(resize_image(image, 20, 27).astype(int) - larger).max() <= 1
    assert resize_image(image, 12, 16) is image
    flat = np.full((10, 10, 1), 0.25, np.float32)
    for size in ((5, 17), (17, 5), (3, 3)):
        np.testing.assert_allclose(resize_image(flat, *size), np.full((*size, 1), 0.25), rtol=1e-6)


def test_images_and_events_stay_where_they_were_to_each_other() -> None:
    """A bright square, and events in it alone: after any resizing they are still in it."""
    image = np.zeros((40, 60, 3), np.uint8)
    image[10:30, 20:44] = 200
    rows, columns = np.nonzero(image[:, :, 0])
    events = Events(x=columns, y=rows, t=np.arange(len(rows)), p=np.ones(len(rows), np.int8))
    part = Sample("a_00000", image, events, sharp=image, stored_mask=image[None, :, :, 0])
    for height, width in ((20, 30), (68, 102), (34, 51), (40, 90), (31, 20)):
        new = resized(part, height, width)
        assert new.events is not None and new.stored_mask is not None
        counted = np.zeros((height, width), int)
        np.add.at(counted, (new.events.y, new.events.x), 1)
        inside, square = (new.blurry[:, :, 0] > 100).astype(np.uint8), np.ones((3, 3), np.uint8)
        assert counted.max() == 1 and np.mean((counted > 0) != inside) < 0.02
        assert counted[cv2.erode(inside, square) > 0].all()  # a pixel of the edge may differ
        assert not counted[cv2.dilate(inside, square) == 0].any()
        assert np.array_equal(new.stored_mask[0] > 0, counted > 0)


@pytest.mark.parametrize("factor", [0.5, 0.75, 1.0, 1.5, 2.0])
def test_a_moving_edge_stays_where_its_events_are(factor: float) -> None:
    """An edge runs from column 8 to 32 in 240 us, one event in each row as it reaches a pixel: in a
    frame of another size it is, at each time, where the events of that time are.
    """
    height, width, first, last = 24, 48, 8, 32
    swept = np.arange(first, last)
    blurry = np.full((height, width, 3), 40, np.uint8)
    blurry[:, swept] = (40 + 160 * (swept - first) / (last - first))[:, None]  # late: dark
    blurry[:, last:] = 200
    sharp = np.full((height, width, 3), 40, np.uint8)
    sharp[:, (first + last) // 2 :] = 200  # the middle of the exposure
    x = np.repeat(swept, height).astype(np.int32)
    y = np.tile(np.arange(height), last - first).astype(np.int32)
    events = Events(x=x, y=y, t=10.0 * (x - first) + 5, p=np.zeros(len(x), np.int8))
    part = Sample("a_00000", blurry, events, sharp=sharp, span=(0.0, 240.0))
    size = round(height * factor), round(width * factor)
    new = resized(part, *size)
    assert new.events is not None and new.sharp is not None and len(new.events) > 0
    reached = first + new.events.t / 10  # column of the edge, in the old frame, at each event
    assert np.abs((new.events.x + 0.5) / factor - reached).max() <= 0.5 + 0.5 / factor
    early = new.events.select(np.flatnonzero(new.events.t < 120))
    middle = np.argmax(np.diff(new.sharp[size[0] // 2, :, 0].astype(int))) + 0.5
    assert early.x.max() <= middle + 1 and early.x.max() >= middle - 1 - 1 / factor
    moved = np.flatnonzero(np.diff(new.blurry[size[0] // 2, :, 0].astype(int)))
    assert abs(moved.min() - new.events.x.min()) <= 1 + factor
    assert abs(moved.max() - new.events.x.max()) <= 1 + factor


def test_backwards_is_the_grid_backwards_with_signs_flipped() -> None:
    events = some_events()
    forward = voxel_grid(events, 5, 12, 17, span=(0.0, 300.0))
    backward = voxel_grid(reverse(events, 300.0), 5, 12, 17, span=(0.0, 300.0))
    np.testing.assert_allclose(backward, -forward[::-1], atol=1e-5)


def test_a_shift_loses_what_leaves_the_exposure() -> None:
    times = np.array([0.0, 10, 50, 100])
    events = Events(x=np.arange(4), y=np.zeros(4, int), t=times, p=np.ones(4, int))
    assert shift(events, 20, 100).t.tolist() == [20, 30, 70]
    assert shift(events, -20, 100).x.tolist() == [2, 3]


def test_dropped_noise_and_hot_pixels_are_as_many_as_asked() -> None:
    rng = np.random.default_rng(1)
    many = some_events(20_000)
    assert len(drop(many, 0.25, 17, rng)) == pytest.approx(15_000, abs=300)
    assert len(drop(many, 0.0, 17, rng)) == 20_000 and not len(drop(many, 1.0, 17, rng))
    added = noise(3000, 12, 17, 300.0, rng)
    assert len(added) == 3000 and (np.diff(added.t) >= 0).all() and added.t.max() < 300
    assert 1400 < int(added.p.sum()) < 1600 and added.x.max() == 16 and added.y.max() == 11
    hot = hot_pixels(5, 500, 500, 300.0, rng)
    assert (np.diff(hot.t) >= 0).all() and hot.t.min() >= 0 and hot.t.max() < 300
    pixels = np.unique(np.stack([hot.y, hot.x]), axis=1).T
    assert len(pixels) == 5
    for row, column in pixels:
        one = hot.select(np.flatnonzero((hot.y == row) & (hot.x == column)))
        assert len(one) >= 3 and len(set(one.p.tolist())) == 1
        np.testing.assert_allclose(np.diff(one.t), 300.0 / len(one))


def test_noise_adds_exactly_the_events_drawn_and_dropping_leaves_a_binomial_share() -> None:
    """The same generator draws how many: Poisson of a share of the pixels, up to the setting."""
    whole = some_events(4000, 40, 50)
    part = Sample("a_00000", np.zeros((40, 50, 3), np.uint8), whole, span=(0.0, 300.0))
    for seed in range(4):
        rng = np.random.default_rng(seed)
        rng.random()  # whether it runs backwards
        number = int(rng.poisson(rng.uniform(0, 0.5) * 2000))
        new = augmented(part, AugmentConfig(noise=0.5), 0, np.random.default_rng(seed)).events
        assert new is not None and len(new) == 4000 + number
        rng = np.random.default_rng(seed)
        rng.random()
        share = float(rng.uniform(0, 0.3))
        left = augmented(part, AugmentConfig(drop=0.3), 0, np.random.default_rng(seed)).events
        spread = (4000 * share * (1 - share)) ** 0.5
        assert left is not None and abs(len(left) - 4000 * (1 - share)) <= 4 * spread


def test_what_is_drawn_lies_in_the_frame_and_covers_the_range() -> None:
    rng = np.random.default_rng(0)
    sizes = np.array([source_size(ALL, (400, 500), 100, rng) for _ in range(500)])
    assert sizes.min() == 59 and 195 <= sizes.max() <= 200 and (sizes[:, 0] != sizes[:, 1]).any()
    small = np.array([source_size(ALL, (110, 500), 100, rng) for _ in range(500)])
    assert small[:, 0].max() == 110
    alike = dataclasses.replace(ALL, stretch=False)
    assert all(a == b for a, b in (source_size(alike, (400, 400), 100, rng) for _ in range(50)))


@pytest.mark.parametrize("reading", [{}, {"representation": "scer"}, {"normalise": "magnitude"}])
def test_plain_files_store_and_memory_give_the_same(
    root: Path, tmp_path: Path, reading: dict[str, str]
) -> None:
    source = DataSource(root)
    prepare(source, tmp_path, workers=1, say=lambda line: None)
    plain = source.open("train")
    stored = open_store(plain, store_folder(source, "train", tmp_path))
    assert stored is not None
    train = TrainConfig(crop=48, augment=ALL)
    data, kept = (DataConfig(**reading, keep_in_memory=keep) for keep in (False, True))  # type: ignore[arg-type]
    three = Crops(plain, data, train), Crops(stored, data, train), Crops(plain, kept, train)
    unchanged = Crops(plain, data, TrainConfig(crop=48))
    for position in range(12):
        first = three[0][position]
        assert first.blurry.shape == (1, 3, 48, 48) and bool(torch.isfinite(first.voxel).all())
        for other in (three[1][position], three[2][position], three[0][position]):
            for a, b in zip(first, other, strict=True):
                assert (a is None and b is None) or torch.equal(a, b)
        assert not torch.equal(first.voxel, unchanged[position].voxel)


def test_each_change_of_events_is_made_and_leaves_the_images(root: Path) -> None:
    part = DataSource(root).open("train").read_part("quay_00000", Window(3, 5, 60, 60))
    seen = []
    for name in ("reverse", "time_shift", "drop", "noise", "hot_pixels"):
        settings = AugmentConfig(**{name: 1.0})  # type: ignore[arg-type]
        new = augmented(part, settings, 60, np.random.default_rng(3))
        assert new.blurry is part.blurry and new.sharp is part.sharp and new.events is not None
        assert not np.any(new.events.t[1:] < new.events.t[:-1])
        seen.append(voxel_grid(new.events, 6, 60, 60, new.span))
    assert part.events is not None
    seen.append(voxel_grid(part.events, 6, 60, 60, part.span))
    assert all(not np.array_equal(a, b) for k, a in enumerate(seen) for b in seen[:k])


def test_stored_grids_are_resized_and_refuse_what_needs_events(root: Path) -> None:
    data = DataSource(root, "highrev_voxel", root.parent / "HighREV_voxel").open("train")
    for name in ("reverse", "time_shift", "drop", "noise", "hot_pixels"):
        train = TrainConfig(crop=48, augment=AugmentConfig(**{name: 0.5}))  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match=f"train.augment.{name}: this data set has stored"):
            Crops(data, DataConfig(), train)
    train = TrainConfig(crop=48, augment=AugmentConfig(resize=[0.8, 1.5]))
    assert Crops(data, DataConfig(), train)[0].voxel.shape == (1, 6, 48, 48)


def test_frames_without_events_stay_without(root: Path) -> None:
    none = np.zeros(0, np.int32)
    part = Sample(
        "a_00000", np.zeros((60, 60, 3), np.uint8), Events(x=none, y=none, t=none, p=none)
    )
    new = augmented(part, ALL, 48, np.random.default_rng(0))
    assert new.events is not None and not len(new.events) and new.blurry.shape == (48, 48, 3)


@pytest.mark.parametrize(
    "override, sentence",
    [
        ("train.augment.drop=1.5", r"train.augment.drop=1.5: expected a number in \[0, 1\]"),
        ("train.augment.noise=-1", "train.augment.noise=-1.0: expected 0 to 100"),
        ("train.augment.resize=[2,1]", "train.augment.resize=.*: expected two factors"),
        ("train.augment.resize=[0,1]", "expected two factors"),
        ("train.augment.rezise=[1,2]", "rezise"),
    ],
)
def test_settings_that_cannot_be(override: str, sentence: str) -> None:
    path = Path("configs/efnet_highrev_raw.yml")
    path = Path(__file__).resolve().parents[3] / path
    with pytest.raises(ConfigError, match=sentence):
        read_config(path, [override])
    with pytest.raises(ConfigError, match=r"whole frames \(train.crop=0\) keep their size"):
        read_config(path, ["train.augment.resize=[0.5,1.7]", "train.crop=0"])
    config = read_config(path, ["train.augment.resize=[0.5,1.7]", "train.augment.drop=0.2"])
    assert config.train.augment.drop == 0.2
