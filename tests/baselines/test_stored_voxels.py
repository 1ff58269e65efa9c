"""Trained on stored voxel grids: predict where a split has grids, raw events, or neither."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from baselines import predict
from baselines.efnet import train
from challenge.datasets import DataSource, open_split, stored_grid_doubt
from challenge.images import read_png
from challenge.representations import voxel_grid
from challenge.runs import load_record

SETTINGS = (
    "data.rules=own", "name=t", "network.wf=4", "train.crop=16", "train.batch=1",
    "train.iterations=1", "data.workers=0", "train.precision=float32",
)  # fmt: skip


def store_voxels(root: Path, splits: tuple[str, ...], clock: Callable = np.asarray) -> Path:
    """Grids of raw events of five bins, their clock passed through `clock` first."""
    for split in splits:
        raw = open_split(root, split)
        folder = root.parent / "voxels" / split / "voxel"
        folder.mkdir(parents=True)
        for frame in raw.frames:
            events = raw.read_inputs(frame).events
            assert events is not None
            object.__setattr__(events, "t", clock(events.t))
            grid = voxel_grid(events, 5, 40, 56)
            np.savez(folder / f"{frame}.npz", voxel=grid.transpose(1, 2, 0))
    return root.parent / "voxels"


@pytest.fixture()
def trained(highrev: Path, tmp_path: Path) -> Callable[[list[str]], int]:
    """`predict`, after a training on stored grids of train and val, as the organisers hand out."""
    voxels = store_voxels(highrev, ("train", "val"))
    data = [f"data.root={highrev}", f"data.voxel_root={voxels}", "data.format=highrev_voxel"]
    assert train.main([*data, "data.bins=5", *SETTINGS], tmp_path / "runs") == 0
    return lambda words: predict.main(words, tmp_path / "submissions", tmp_path / "runs")


def test_without_test_grids_the_raw_events_are_taken(
    trained: Callable[[list[str]], int],
    highrev: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    capsys.readouterr()
    assert trained([]) == 0
    said = capsys.readouterr()
    assert "test: no voxel grids are stored; they are made of its raw events" in said.out
    assert "val: no voxel grids" not in said.out and "warning" not in said.err
    val, test = (load_record(tmp_path / f"submissions/HighREV/{s}/t") for s in ("val", "test"))
    assert (val.data_format, val.bins) == ("highrev_voxel", 5)
    assert (test.data_format, test.bins, test.voxel_root) == ("highrev_raw", 5, None)
    # its neighbour: the organisers' grids of test, put where they belong, give the same images
    made = read_png(tmp_path / "submissions/HighREV/test/t/zig_zag_00000.png")
    store_voxels(highrev, ("test",))
    assert trained(["--split", "test"]) == 0
    assert load_record(tmp_path / "submissions/HighREV/test/t").data_format == "highrev_voxel"
    assert np.array_equal(read_png(tmp_path / "submissions/HighREV/test/t/zig_zag_00000.png"), made)


def test_without_grids_and_events_the_error_says_where_they_belong_and_val_is_kept(
    trained: Callable[[list[str]], int],
    highrev: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(highrev / "test", elsewhere / "test")
    shutil.rmtree(highrev / "test" / "event")
    assert trained([]) == 1
    said = capsys.readouterr().err
    missing = tmp_path / "voxels" / "test" / "voxel"
    assert f"{missing}: not there; the organisers' test voxels belong there" in said
    assert "--data ROOT --split test" in said and "Traceback" not in said
    assert (tmp_path / "submissions/HighREV/val/t/run.json").is_file()
    assert not (tmp_path / "submissions/HighREV/test").exists()
    assert trained(["--data", str(elsewhere), "--split", "test"]) == 0  # as the error says
    assert load_record(tmp_path / "submissions/elsewhere/test/t").bins == 5


def test_the_bins_of_the_network_count_and_are_written_down(highrev: Path, tmp_path: Path) -> None:
    """Raw events, and a checkpoint whose bins are not those of the training that is newest."""
    runs, submissions = tmp_path / "runs", tmp_path / "submissions"
    for name, bins in (("nine", 9), ("one", 1), ("six", 6)):
        words = [f"data.root={highrev}", *SETTINGS, f"name={name}", f"data.bins={bins}"]
        assert train.main(words, runs) == 0
    for name, bins in (("nine", 9), ("one", 1)):
        words = ["six", "--checkpoint", str(runs / name / "best.pth"), "--split", "val"]
        assert predict.main([*words, "--name", name], submissions, runs) == 0
        assert load_record(submissions / "HighREV" / "val" / name).bins == bins
        written = read_png(submissions / "HighREV" / "val" / name / "park_00000.png")
        assert np.array_equal(written, read_png(runs / name / "val" / "park_00000.png"))


def voxel_source(root: Path) -> DataSource:
    return DataSource(root, "highrev_voxel", root.parent / "voxels", bins=5)


def test_grids_made_with_the_clock_in_float32_are_doubted_once(
    highrev: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unix microseconds, as the published converter stores them: one stamp is left."""
    voxels = store_voxels(highrev, ("train", "val"), lambda t: t.astype(np.float32))
    doubt = stored_grid_doubt(voxel_source(highrev))
    assert doubt is not None and "made with the clock in float32, which leaves 1 of " in doubt
    assert "data.format=highrev_raw" in doubt and "train/voxel/old_town_00000.npz: the" in doubt
    data = [f"data.root={highrev}", f"data.voxel_root={voxels}", "data.format=highrev_voxel"]
    assert train.main([*data, "data.bins=5", *SETTINGS], tmp_path / "runs") == 0
    assert capsys.readouterr().err.count(f"warning: {doubt}") == 1


def test_grids_of_other_events_are_doubted_without_a_cause(highrev: Path) -> None:
    voxels = store_voxels(highrev, ("train", "val"))
    for path in (voxels / "train" / "voxel").glob("*.npz"):
        with np.load(path) as archive:
            flipped = -archive["voxel"]
        np.savez(path, voxel=flipped)
    doubt = stored_grid_doubt(voxel_source(highrev))
    assert doubt is not None and "by 200% of their sum; train on" in doubt
    assert "float32" not in doubt


@pytest.mark.parametrize("kind", ["equal", "small clock", "no events", "some events", "raw"])
def test_what_agrees_or_cannot_be_compared_is_not_doubted(highrev: Path, kind: str) -> None:
    small = kind == "small clock"  # float32 still tells its microseconds apart
    store_voxels(
        highrev,
        ("train", "val"),
        (lambda t: (t - 1_700_000_000_000_000).astype(np.float32)) if small else np.asarray,
    )
    for split in ("train", "val"):
        for path in (highrev / split / "event").glob("*_00012_*.npz"):
            if kind == "some events":
                path.unlink()
        if kind == "no events":
            shutil.rmtree(highrev / split / "event")
    source = DataSource(highrev) if kind == "raw" else voxel_source(highrev)
    assert stored_grid_doubt(source) is None
