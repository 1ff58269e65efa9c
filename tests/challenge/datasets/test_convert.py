"""Converters: the same numbers as the published ones, whole files, going on where it stopped."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from hdf5_recordings import write_monash

from challenge.commands import convert
from challenge.datasets import DataSource, open_split
from challenge.datasets.convert import add_noise
from challenge.datasets.hdf5 import close_files
from challenge.representations import event_mask, scer, voxel_grid

GOLDEN = json.loads((Path(__file__).parent / "golden_scer.json").read_text())
ONE = ["--workers", "1"]


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array + 0).tobytes()).hexdigest()[:16]


def hashes(path: Path) -> dict[str, str]:
    """Name -> hash of each array of a file."""
    close_files()
    found = {}
    with h5py.File(path) as file:
        for group in file:
            found |= {f"{group}/{name}": digest(file[group][name][:]) for name in file[group]}
    return found


@pytest.mark.parametrize("name", ["gopro", "reblur"])
def test_scer_files_are_those_of_the_published_converters(tmp_path: Path, name: str) -> None:
    """But for the last event, which the published ones leave out."""
    settings = GOLDEN[name]["arguments"]
    if "size" in settings:
        settings = settings | {"size": tuple(settings["size"])}
    write_monash(tmp_path / "raw/train/a_b.h5", seed=GOLDEN[name]["seed"], **settings)
    arguments = ["scer", str(tmp_path / "raw"), str(tmp_path / "made"), *ONE]
    assert convert.main(arguments) == 0
    raw, made = open_split(tmp_path / "raw", "train"), open_split(tmp_path / "made", "train")
    assert made.frames == raw.frames and made.has_sharp
    found = hashes(tmp_path / "made/train/a_b.h5")
    assert found.keys() == GOLDEN[name]["sha256"].keys()
    for index, sample in enumerate(made[index] for index in range(len(made))):
        events = raw.read_events(sample.frame)  # type: ignore[attr-defined]
        grid = sample.stored_grid
        assert grid is not None
        if events.y[-1] < len(grid[0]):
            grid[-1, events.y[-1], events.x[-1]] -= 1 if events.p[-1] else -1
        found[f"voxels/voxel{index:09d}"] = digest(grid)
        found[f"masks/mask{index:09d}"] = digest(event_mask(grid).astype(np.uint8) * np.uint8(255))
    assert found == GOLDEN[name]["sha256"]


def test_a_scer_file_says_its_sizes_and_the_sensors(tmp_path: Path) -> None:
    write_monash(tmp_path / "raw/test/c.h5", frames=1, size=(262, 320), exposed=True, sharp=False)
    assert convert.main(["scer", str(tmp_path / "raw"), str(tmp_path / "made"), *ONE]) == 0
    with h5py.File(tmp_path / "made/test/c.h5") as file:
        assert file.attrs["sensor_resolution"].tolist() == [260, 320]
        assert "sharp_images" not in file
        for group, shape in (("images", (3, 260, 320)), ("voxels", (6, 260, 320))):
            (stored,) = file[group].values()
            assert stored.shape == shape and tuple(stored.attrs["size"]) == shape


def test_of_a_highrev_folder_both_hdf5_formats_hold_the_same_frames(
    highrev: Path, tmp_path: Path
) -> None:
    for target, source, out in (
        ("scer", "HighREV", "scer"),
        ("monash", "HighREV", "monash"),
        ("scer", "monash", "again"),
    ):
        assert convert.main([target, str(tmp_path / source), str(tmp_path / out), *ONE]) == 0
    for split, sharp in (("train", True), ("test", False)):
        source = open_split(highrev, split)
        raw, made, again = (
            open_split(tmp_path / name, split) for name in ("monash", "scer", "again")
        )
        assert made.frames == raw.frames and len(made) == len(source)
        for index in range(len(source)):
            first, second, third = source[index], raw[index], made[index]
            assert first.events is not None and second.events is not None
            assert np.array_equal(first.events.t - first.events.t[0], second.events.t)
            assert np.array_equal(first.events.x, second.events.x)
            expected = scer(first.events, 6, *first.blurry.shape[:2])
            assert third.stored_grid is not None and np.array_equal(third.stored_grid, expected)
            assert np.array_equal(again[index].stored_grid, expected)
            for sample in (second, third):
                assert np.array_equal(sample.blurry, first.blurry)
                assert (sample.sharp is not None) == sharp
                assert not sharp or np.array_equal(sample.sharp, first.sharp)


def test_stored_voxel_grids_are_right_with_a_clock_of_unix_microseconds(
    highrev: Path, tmp_path: Path
) -> None:
    """`highrev` counts from 1970, where a float32, as the published converter has it, holds one
    stamp."""
    out = tmp_path / "voxels"
    assert convert.main(["voxel", str(highrev), str(out), "--bins", "7", *ONE]) == 0
    raw, stored = (
        open_split(highrev, "test"),
        open_split(highrev, "test", "highrev_voxel", bins=7, voxel_root=out),
    )
    for frame in raw.frames:
        events, grid = raw.read_inputs(frame).events, stored.read_inputs(frame).stored_grid
        assert events is not None and grid is not None
        assert np.array_equal(grid, voxel_grid(events, 7, 40, 56))
        with np.load(out / "test" / "voxel" / f"{frame}.npz") as archive:
            assert archive["voxel"].shape == (40, 56, 7)
            assert archive["voxel"].dtype == np.float32


def test_the_noise_is_the_published_one_and_the_seed_decides_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    quiet = np.zeros((6, 400, 500), np.float32)
    noisy = add_noise(quiet, rng)
    assert not quiet.any()
    hot = (noisy == np.round(noisy)).all(axis=0) & (noisy != 0).all(axis=0)
    assert hot.sum() == 4  # 2e-5 of 200,000 pixels
    assert (noisy[:, hot] == noisy[0, hot]).all() and np.abs(noisy[:, hot]).max() <= 20
    others = noisy[:, ~hot]
    assert (others != 0).mean() == pytest.approx(0.05, abs=0.001)
    assert others[others != 0].std() == pytest.approx(1.0, abs=0.01)
    assert others[others != 0].mean() == pytest.approx(0.0, abs=0.01)

    write_monash(tmp_path / "raw/train/a.h5")
    made = {}
    for name, options in {
        "quiet": [], "one": ["--noise", "--seed", "1"], "same": ["--noise", "--seed", "1"],
        "two": ["--noise", "--seed", "2"],
    }.items():  # fmt: skip
        arguments = ["scer", str(tmp_path / "raw"), str(tmp_path / name), *options, *ONE]
        assert convert.main(arguments) == 0
        made[name] = hashes(tmp_path / name / "train/a.h5")
    assert made["one"] == made["same"]
    grids = [made[name]["voxels/voxel000000000"] for name in ("quiet", "one", "two")]
    assert len(set(grids)) == 3
    sample = open_split(tmp_path / "one", "train")[0]
    assert sample.stored_grid is not None  # the mask is that of the noisy grid, as published
    assert np.array_equal(sample.stored_mask, event_mask(sample.stored_grid))


def test_what_is_there_is_not_made_again_and_what_is_missing_is(
    highrev: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scer"
    arguments = ["scer", str(highrev), str(out), *ONE]
    assert convert.main(arguments) == 0
    files = sorted(out.rglob("*.h5"))
    assert [path.name for path in files] == ["zig_zag.h5", "harbour.h5", "old_town.h5", "park.h5"]
    before = {path: path.stat().st_mtime_ns for path in files}
    gone = out / "train" / "harbour.h5"
    expected = hashes(gone)
    gone.unlink()
    (out / "train" / f".harbour.h5.{2**22 + 5}@00000000.tmp.h5").write_bytes(b"half")
    capsys.readouterr()
    assert convert.main(arguments) == 0
    assert "1 files written" in capsys.readouterr().out
    assert hashes(gone) == expected
    after = {path: path.stat().st_mtime_ns for path in files if path != gone}
    assert after == {path: time for path, time in before.items() if path != gone}
    assert convert.main(arguments) == 0
    assert "nothing to do" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["scer", "{scer}", "{out}"], "expected raw events, found stored scer grids"),
        (["scer", "{raw}", "{raw}"], "is the source"),
        (["scer", "{raw}", "{scer}", "--bins", "8"], "holds another conversion"),
        (["scer", "{raw}", "{out}", "--bins", "7"], "--bins 7: expected an even number"),
        (["voxel", "{raw}", "{out}", "--noise"], "--noise is that of SCER grids"),
        (["voxel", "{raw}/absent", "{out}"], "expected a folder with"),
        (["voxel", "{out}", "{scer}"], "expected a folder with"),
        (["voxel", "{raw}", "{out}", "--split", "val"], "val"),
    ],
)
def test_what_cannot_be_converted_is_said_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    raw, made, out = tmp_path / "raw", tmp_path / "scer", tmp_path / "out"
    write_monash(raw / "train/a.h5", events=40)
    assert convert.main(["scer", str(raw), str(made), *ONE]) == 0
    there = sorted(tmp_path.rglob("*"))
    names = {"raw": raw, "scer": made, "out": out}
    assert convert.main([each.format(**names) for each in arguments]) == 1
    assert said in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == there


def test_a_damaged_file_leaves_the_others_and_no_half_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b", "c"):
        write_monash(tmp_path / "raw/train" / f"{name}.h5", events=40)
    with h5py.File(tmp_path / "raw/train/c.h5", "a") as file:
        file["events/xs"][-60:] = 999
    out = tmp_path / "out"
    assert convert.main(["scer", str(tmp_path / "raw"), str(out), *ONE]) == 1
    assert "c.h5: events of image000000002" in capsys.readouterr().err
    written = sorted(path.name for path in out.rglob("*") if path.is_file())
    assert written == ["a.h5", "b.h5", "convert.json"]


def test_too_small_a_disk_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_monash(tmp_path / "raw/train/a.h5", events=40)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=1000))
    assert convert.main(["scer", str(tmp_path / "raw"), str(tmp_path / "out"), *ONE]) == 1
    assert (
        "free are 0.0 MB; free some space, or name a folder on another disk"
        in capsys.readouterr().err
    )
    assert not (tmp_path / "out").exists()


def test_two_processes_write_what_one_does(highrev: Path, tmp_path: Path) -> None:
    for name, workers in (("one", "1"), ("two", "2")):
        arguments = ["scer", str(highrev), str(tmp_path / name), "--noise", "--split", "train"]
        assert convert.main([*arguments, "--workers", workers]) == 0
    for path in ("train/harbour.h5", "train/old_town.h5"):
        assert hashes(tmp_path / "one" / path) == hashes(tmp_path / "two" / path)
    assert DataSource.of_folder(tmp_path / "two").format == "scer_hdf5"


def test_machines_share_the_files(highrev: Path, tmp_path: Path) -> None:
    written = []
    for number in (1, 2):
        out = tmp_path / str(number)
        arguments = ["scer", str(highrev), str(out), "--part", f"{number}/2", *ONE]
        assert convert.main(arguments) == 0
        written.append({path.name for path in out.rglob("*.h5")})
    assert written[0] | written[1] == {"harbour.h5", "old_town.h5", "park.h5", "zig_zag.h5"}
    assert not written[0] & written[1]
