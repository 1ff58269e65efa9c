from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from challenge.datasets import open_split
from challenge.datasets.highrev import read_slice
from challenge.errors import ConfigError, DataError
from challenge.images import read_png, write_png
from challenge.representations import voxel_grid


def rewrite(path: Path, **changes: np.ndarray | None) -> None:
    with np.load(path) as archive:
        arrays = {key: archive[key] for key in archive} | changes
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})


def test_frames_images_and_events(highrev: Path) -> None:
    train = open_split(highrev, "train")
    assert train.frames == ["harbour_00000", "harbour_00012", "old_town_00000", "old_town_00012"]
    sample = train[2]
    assert sample.frame == "old_town_00000"
    assert sample.blurry.shape == (40, 56, 3) and sample.stored_grid is None
    assert sample.events is not None and 500 <= len(sample.events) < 900  # ten slices of 50 to 89
    assert np.array_equal(sample.sharp, read_png(highrev / "train/sharp/old_town_00000.png"))


def test_x_and_y_are_swapped_on_disk_and_the_last_slice_is_left_out(highrev: Path) -> None:
    for number in range(11):
        path = highrev / "val" / "event" / f"park_00000_{number:02d}.npz"
        one = np.array([[1]])
        # on disk: x is the row, y the column
        rewrite(path, x=one * number, y=one * (number + 40), timestamp=one * number, polarity=one)
    events = open_split(highrev, "val")[0].events
    assert events is not None
    assert events.x.tolist() == [number + 40 for number in range(10)]
    assert events.y.tolist() == list(range(10))


def test_polarity_minus_1_is_darker_and_flat_arrays_are_read(highrev: Path) -> None:
    path = highrev / "val" / "event" / "park_00000_00.npz"
    flat = np.array([3, 4])
    rewrite(path, x=flat, y=flat, timestamp=flat, polarity=np.array([-1.0, 1.0]))
    assert read_slice(path).p.tolist() == [0, 1]


@pytest.mark.parametrize("strange", [2, 255, 0.5])
def test_a_polarity_that_is_none_is_refused_with_file_and_value(
    highrev: Path, strange: float
) -> None:
    path = highrev / "val" / "event" / "park_00000_04.npz"
    with np.load(path) as archive:
        polarity = archive["polarity"]
    rewrite(path, polarity=np.where(polarity == 0, strange, polarity))
    with pytest.raises(DataError, match=rf"park_00000_04.npz: polarity: .* found {strange}"):
        open_split(highrev, "val")[0]
    rewrite(path, polarity=polarity.astype(bool))  # its neighbour
    assert set(read_slice(path).p.tolist()) == {0, 1}


def test_a_pixel_beyond_32_bits_does_not_come_round_to_the_sensor(highrev: Path) -> None:
    path = highrev / "val" / "event" / "park_00000_04.npz"
    one = np.array([[1]])
    rewrite(path, x=one + 2**32, y=one, timestamp=one, polarity=one)
    with pytest.raises(DataError, match="park_00000_04.npz: x: expected pixels, found 0 to 42949"):
        read_slice(path)


@pytest.mark.parametrize("clock", ["i2", "i4", "u8", "f4"])
def test_a_clock_of_any_type_gives_the_same_grid(highrev: Path, clock: str) -> None:
    grids = []
    for start, dtype in ((0, "i8"), (0 if clock == "u8" else -30_000, clock)):
        for number in range(11):
            path = highrev / "val" / "event" / f"park_00000_{number:02d}.npz"
            step = np.arange(0, 6000, 1000)[:, None] + 6000 * number
            rewrite(
                path, x=step // 1000 % 9, y=step // 1000 % 7,
                timestamp=(start + np.minimum(step, 59_000)).astype(dtype),
                polarity=step % 2000 > 0,
            )  # fmt: skip
        events = open_split(highrev, "val")[0].events
        assert events is not None and events.t.dtype == dtype
        grids.append(voxel_grid(events, 6, 40, 56))
    assert np.array_equal(*grids)


def test_slices_that_overlap_are_sorted_by_time(highrev: Path) -> None:
    times = np.array([[0], [9000]])
    rewrite(
        highrev / "val" / "event" / "park_00000_00.npz",
        x=times * 0, y=times * 0, timestamp=times + 1_700_000_000_000_000, polarity=times * 0,
    )  # fmt: skip
    events = open_split(highrev, "val")[0].events
    assert events is not None and np.all(np.diff(events.t) >= 0)


def test_the_test_split_has_no_sharp_images(highrev: Path) -> None:
    test = open_split(highrev, "test")
    assert not test.has_sharp and test[0].sharp is None
    with pytest.raises(DataError, match="the sharp images are withheld"):
        test.read_sharp("zig_zag_00000")


def test_a_frame_is_read_in_parts(highrev: Path) -> None:
    val = open_split(highrev, "val")
    everything, inputs = val[1], val.read_inputs("park_00012")
    assert inputs.sharp is None and inputs.frame == everything.frame == "park_00012"
    assert np.array_equal(inputs.blurry, everything.blurry)
    assert inputs.events is not None and everything.events is not None
    assert np.array_equal(inputs.events.t, everything.events.t)
    assert np.array_equal(val.read_blurry("park_00012"), everything.blurry)
    assert np.array_equal(val.read_sharp("park_00012"), everything.sharp)


def test_images_are_read_without_events(highrev: Path) -> None:
    for path in (highrev / "val" / "event").glob("*.npz"):
        path.write_bytes(b"damaged")
    val = open_split(highrev, "val")
    assert val.read_blurry("park_00000").shape == val.read_sharp("park_00000").shape == (40, 56, 3)
    with pytest.raises(DataError, match="not a readable npz"):
        val.read_inputs("park_00000")


def test_macos_leavings_are_skipped(highrev: Path) -> None:
    (highrev / "val" / "blur" / "._park_00000.png").write_bytes(b"x")
    (highrev / "val" / "event" / "._park_00000_03.npz").write_bytes(b"x")
    (highrev / "val" / "__MACOSX").mkdir()
    val = open_split(highrev, "val")
    assert val.frames == ["park_00000", "park_00012"] and val[0].events is not None


def test_a_frame_may_have_slices_without_events(highrev: Path) -> None:
    none = np.zeros((0, 1), np.int64)
    for path in (highrev / "val" / "event").glob("park_00000_*.npz"):
        rewrite(path, x=none, y=none, timestamp=none, polarity=none)
    sample = open_split(highrev, "val")[0]
    assert sample.events is not None and len(sample.events) == 0


def test_a_sequence_name_that_begins_like_another_is_not_mixed_up(highrev: Path) -> None:
    for path in (highrev / "val" / "event").glob("park_00000_*.npz"):
        path.with_name(path.name.replace("park_00000", "park_00000_00000")).write_bytes(
            path.read_bytes()
        )
    blurry = highrev / "val" / "blur" / "park_00000.png"
    blurry.with_name("park_00000_00000.png").write_bytes(blurry.read_bytes())
    sharp = highrev / "val" / "sharp" / "park_00000.png"
    sharp.with_name("park_00000_00000.png").write_bytes(sharp.read_bytes())
    val = open_split(highrev, "val")
    assert val.frames[:2] == ["park_00000", "park_00000_00000"]
    assert {len(paths) for paths in val.slices.values()} == {11}  # type: ignore[attr-defined]


def test_missing_folder_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere.*no such folder; expected \{train,val,test\}"):
        open_split(tmp_path / "nowhere", "train")


def test_every_frame_without_slices_is_listed(highrev: Path) -> None:
    for path in (highrev / "train" / "event").glob("old_town_*.npz"):
        path.unlink()
    with pytest.raises(DataError) as caught:
        open_split(highrev, "train")
    assert "(2)" in caught.value.summary
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "old_town_00000",
        "old_town_00012",
    ]


def test_of_many_problems_the_first_are_written_out(highrev: Path) -> None:
    picture = (highrev / "val" / "blur" / "park_00000.png").read_bytes()
    for number in range(14):
        (highrev / "val" / "blur" / f"more_{number:05d}.png").write_bytes(picture)
    with pytest.raises(DataError) as caught:
        open_split(highrev, "val")
    assert "(14)" in caught.value.summary and len(caught.value.problems) == 11
    assert caught.value.problems[-1] == "… and 4 more"


def test_missing_sharp_image_is_named(highrev: Path) -> None:
    (highrev / "train" / "sharp" / "old_town_00012.png").unlink()
    with pytest.raises(DataError, match="old_town_00012.png is missing"):
        open_split(highrev, "train")


def test_sharp_of_another_size_is_named(highrev: Path) -> None:
    write_png(highrev / "val" / "sharp" / "park_00000.png", np.zeros((20, 56, 3), np.uint8))
    with pytest.raises(DataError, match=r"park_00000.png: expected 56x40 .*found 56x20"):
        open_split(highrev, "val")[0]


def test_npz_without_a_key_is_named(highrev: Path) -> None:
    rewrite(highrev / "val" / "event" / "park_00000_04.npz", timestamp=None)
    with pytest.raises(DataError, match=r"park_00000_04.npz: expected the keys .*timestamp"):
        open_split(highrev, "val")[0]


@pytest.mark.parametrize("keep", [0, 40, 400])
def test_a_cut_off_npz_is_named(highrev: Path, keep: int) -> None:
    path = highrev / "val" / "event" / "park_00000_04.npz"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"park_00000_04.npz: not a readable npz"):
        open_split(highrev, "val")[0]


def test_arrays_of_different_length_and_nan_are_named(highrev: Path) -> None:
    path = highrev / "val" / "event" / "park_00000_04.npz"
    rewrite(path, x=np.zeros((3, 1)))
    with pytest.raises(DataError, match="arrays of one length"):
        read_slice(path)
    rewrite(path, **{key: np.array([np.nan]) for key in ("x", "y", "timestamp", "polarity")})
    with pytest.raises(DataError, match="finite numbers"):
        read_slice(path)


def test_events_off_the_sensor_name_their_frame(highrev: Path) -> None:
    path = highrev / "val" / "event" / "park_00000_04.npz"
    with np.load(path) as archive:
        rewrite(path, x=archive["x"] + 1000)
    with pytest.raises(DataError, match=r"park_00000_\*.npz: .*sensor of 56x40"):
        open_split(highrev, "val")[0]


def test_unknown_format_names_the_known_ones(highrev: Path) -> None:
    with pytest.raises(ConfigError, match="expected one of highrev_raw, highrev_voxel"):
        open_split(highrev, "val", format="gopro")


def test_a_real_recording(recordings: Path) -> None:
    cups = open_split(recordings / "davis346_cups", "test")
    assert len(cups) == 30 and not cups.has_sharp
    for index in (0, 15, 29):
        sample = cups[index]
        events = sample.events
        assert events is not None and sample.blurry.shape == (260, 346, 3)
        assert 31_000 <= len(events) <= 129_000
        assert events.t[0] >= 0 and events.t[-1] <= 104_000
        grid = voxel_grid(events, 6, 260, 346)
        np.testing.assert_allclose(grid.sum(), events.sign.sum(), rtol=1e-3, atol=0.5)


def test_a_real_recording_is_not_mirrored(recordings: Path) -> None:
    """Brightness changes between frames where the events say so (0.839), not where their mirror
    image does.
    """
    cups = open_split(recordings / "davis346_cups", "test")
    straight, mirrored = [], []
    for index in range(0, 28, 9):
        first, second = cups[index], cups[index + 1]
        change = np.log(second.blurry[:, :, 0] + 5.0) - np.log(first.blurry[:, :, 0] + 5.0)
        assert first.events is not None and second.events is not None
        late, early = (voxel_grid(one.events, 6, 260, 346) for one in (first, second))
        between = late[3:].sum(axis=0) + early[:3].sum(axis=0)
        straight.append(np.corrcoef(change.ravel(), between.ravel())[0, 1])
        mirrored.append(np.corrcoef(change.ravel(), between[:, ::-1].ravel())[0, 1])
    assert min(straight) > 0.6 and max(mirrored) < 0.4
