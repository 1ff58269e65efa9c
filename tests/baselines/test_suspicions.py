"""What `predict` suspects of data: what is clearly wrong is said, what is right is not blamed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import broken_sets
import processes
import pytest
from broken_sets import change_all

from baselines import predict
from baselines.efnet.shipped import Shipped
from baselines.suspicions import suspicions
from challenge.datasets import DataSource

WIDTH, HEIGHT = broken_sets.WIDTH, broken_sets.HEIGHT
DOCTOR = "bash run.sh doctor"


def network(low: float, high: float) -> Shipped:
    return Shipped(
        name="small",
        path=Path("small.safetensors"),
        about="x",
        licence="MIT",
        sha256="0" * 64,
        exposure_ms=(low, high),
        card="x",
    )


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Exposures of 15 ms, one sequence of three frames in each split; test has no sharp images."""
    return broken_sets.healthy(tmp_path_factory.mktemp("sound") / "set")


@pytest.fixture()
def root(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "set"))


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_nothing_is_suspected_of_sound_data(sound: Path, split: str) -> None:
    assert suspicions(DataSource(sound), split, [network(1, 300)]) == []


@pytest.mark.parametrize("split", ["val", "test"])
@pytest.mark.parametrize(
    "harm, says",
    [
        (change_all(broken_sets.mirrored("y", WIDTH)), "mirrored left-right"),
        (change_all(broken_sets.mirrored("x", HEIGHT)), "upside down"),
        (change_all(broken_sets.flipped), "with the polarity flipped"),
        (broken_sets.half_an_exposure_later, "as those of half an exposure later"),
    ],
)
def test_events_that_are_turned_or_moved_are_found_with_and_without_sharp_images(
    root: Path, harm: Callable[[Path], object], says: str, split: str
) -> None:
    harm(root)
    (said,) = suspicions(DataSource(root), split)
    assert said.startswith(f"{split}: events fit the images {says} ") and DOCTOR in said
    assert ("--stamp" in said) == ("later" in says)


def test_events_reversed_in_time_are_found(root: Path) -> None:
    broken_sets.reversed_in_time(root)
    (said,) = suspicions(DataSource(root), "val")
    assert "with time running backwards in each exposure" in said


def test_events_of_other_frames_are_found_where_all_comparisons_say_so(root: Path) -> None:
    strange = sorted((root / "train" / "event").iterdir())
    for path, other in zip(sorted((root / "val" / "event").iterdir()), strange, strict=True):
        shutil.copy(other, path)
    (said,) = suspicions(DataSource(root), "val")
    assert "events and images have nothing in common" in said
    for path in (root / "val").glob("*/*_00024*"):  # one pair is left to compare
        path.unlink()
    shutil.rmtree(root / "val" / "sharp")
    assert suspicions(DataSource(root), "val") == []


def test_x_and_y_swapped_are_found_on_a_square_sensor(tmp_path: Path) -> None:
    root = broken_sets.healthy(tmp_path / "square", 96, 96)
    assert suspicions(DataSource(root), "val") == []
    change_all(broken_sets.swapped)(root)
    (said,) = suspicions(DataSource(root), "val")
    assert "with x and y swapped" in said and "--swap-xy" in said


def test_a_real_recording_is_not_blamed_and_its_turned_copies_are(
    recordings: Path, tmp_path: Path
) -> None:
    source = recordings / "davis346_cups" / "test"
    assert suspicions(DataSource(source.parent), "test", [network(1, 300)]) == []
    for number in range(10, 14):
        for path in source.glob(f"*/eslcups_000{number}*"):
            (tmp_path / "test" / path.parent.name).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, tmp_path / "test" / path.parent.name)
    assert suspicions(DataSource(tmp_path), "test") == []
    change_all(broken_sets.flipped)(tmp_path)
    (said,) = suspicions(DataSource(tmp_path), "test")
    assert "with the polarity flipped" in said
    change_all(broken_sets.flipped)(tmp_path)
    broken_sets.reversed_in_time(tmp_path)
    (said,) = suspicions(DataSource(tmp_path), "test")
    assert "with time running backwards in each exposure" in said


@pytest.mark.parametrize(
    "low, high, says",
    [
        (1, 14, "last longer (median 15 ms) than the 1 to 14 ms that small was trained on: expect"),
        (40, 300, "last shorter (median 15 ms) than the 40 to 300 ms that small was trained on"),
        (0.01, 0.1, "as if nanoseconds were read as microseconds (`bash run.sh import … --unit ns"),
        (10_000, 20_000, "as if milliseconds were read as microseconds"),
        (1e7, 2e7, "as if seconds were read as microseconds"),
    ],
)
def test_exposures_unlike_those_trained_on_are_named(
    sound: Path, low: float, high: float, says: str
) -> None:
    (said,) = suspicions(DataSource(sound), "val", [network(low, high)])
    assert says in said and said.startswith("val: events of 3 of 3 frames looked at last")


def test_few_events_do_not_tell_that_an_exposure_is_short(root: Path) -> None:
    change_all(lambda arrays: {key: values[:60] for key, values in arrays.items()})(root)
    assert suspicions(DataSource(root), "val", [network(40, 300)]) == []


def test_frames_without_events_are_counted(root: Path) -> None:
    for path in broken_sets.slices(root, f"{broken_sets.VAL}_00012", "val"):
        broken_sets.change(path, broken_sets.emptied)
    (said,) = suspicions(DataSource(root), "val", [network(1, 300)])
    assert said.startswith("val: 1 of 3 frames looked at have no events") and "_00012" in said


def test_damaged_events_are_left_to_their_reader(root: Path) -> None:
    for path in broken_sets.slices(root, f"{broken_sets.VAL}_00012", "val"):
        path.write_bytes(b"none")
    assert not [each for each in suspicions(DataSource(root), "val") if "fit" in each]


def test_stored_grids_are_not_looked_at(root: Path) -> None:
    change_all(broken_sets.flipped)(root)
    grids = broken_sets.with_grids(root)
    assert suspicions(DataSource(root, "highrev_voxel", grids), "val") == []


def test_predict_warns_once_and_restores_all_the_same(
    root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    change_all(broken_sets.flipped)(root)
    words = ["--baseline", "edi", "--data", str(root), "--split", "val"]
    folders = [tmp_path / "sub", tmp_path / "runs"]
    process = processes.begin("baselines.predict", folders, [*words, "--nproc", "2", "--name=two"])
    told = process.communicate(timeout=200)[0]
    assert process.returncode == 0 and told.count("events fit the images") == 1, told
    assert predict.main(["--baseline", "blurry", *words[2:]], *folders) == 0
    assert "warning" not in capfd.readouterr().err
