"""Weights that come with the kit, where commands take them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from shipping import WF, ship

from baselines import predict, profiling
from baselines.efnet import export, train
from baselines.efnet.checkpoint import load_checkpoint
from baselines.efnet.engines import open_exported
from baselines.efnet.inference import Inference
from baselines.efnet.shipped import DEFAULT, find_shipped, load_shipped
from challenge.datasets import open_split
from challenge.environment.memory import GIB
from challenge.errors import ChallengeError, DataError
from challenge.files import sha256
from challenge.images import read_png
from challenge.runs import load_record

Main = Callable[..., int]
TRAINED = ["train.iterations=1", "train.crop=16", "train.batch=1", f"network.wf={WF}"]


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two networks, the default one among them."""
    folder = tmp_path_factory.mktemp("weights")
    ship(folder)
    ship(folder, "other", seed=4)
    return folder


@pytest.fixture()
def main(tmp_path: Path, shipped: Path) -> Main:
    """`predict`, whose results land in folders of the test."""
    return lambda *words: predict.main(
        list(words), tmp_path / "submissions", tmp_path / "runs", shipped
    )


def test_the_default_restores_where_nothing_was_trained(
    main: Main,
    untouched_highrev: Path,
    tmp_path: Path,
    shipped: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = str(untouched_highrev)
    assert main("--data", data, "--split", "test") == 0
    said = "nothing trained yet: taking the shipped weights efnet_small"
    assert f"{said} (docs/weights/efnet_small.md)" in capsys.readouterr().out
    folder = tmp_path / "submissions" / "HighREV" / "test" / "efnet_small"
    record, path = load_record(folder), shipped / "efnet_small.safetensors"
    assert (record.baseline, record.checkpoint) == ("efnet", str(path))
    assert record.checkpoint_sha256 == sha256(path)
    assert main("--data", data, "--split", "test", "--checkpoint", str(path), "--name", "x") == 0
    assert "nothing trained" not in capsys.readouterr().out
    other = load_record(folder.with_name("x"))
    same = {"name": "", "created": "", "runtime_per_image_s": 0.0}
    assert dataclasses.replace(record, **same) == dataclasses.replace(other, **same)  # type: ignore[arg-type]
    for png in folder.glob("*.png"):
        assert np.array_equal(read_png(png), read_png(folder.with_name("x") / png.name))


def test_a_name_picks_others(main: Main, untouched_highrev: Path, tmp_path: Path) -> None:
    picked = ("--data", str(untouched_highrev), "--split", "val", "--weights")
    assert main(*picked, "other") == 0 and main(*picked, "efnet_small") == 0
    folder = tmp_path / "submissions" / "HighREV" / "val"
    one, two = (read_png(folder / run / "park_00000.png") for run in ("other", "efnet_small"))
    assert not np.array_equal(one, two)


def test_a_training_is_taken_before_shipped_weights_and_may_start_from_a_file(
    main: Main,
    untouched_highrev: Path,
    tmp_path: Path,
    shipped: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data, runs = str(untouched_highrev), tmp_path / "runs"
    start = f"train.weights={shipped / 'other.safetensors'}"
    words = [f"data.root={data}", "data.rules=own", "name=other", start, *TRAINED]
    assert train.main(words, runs) == 0
    capsys.readouterr()
    assert main("--split", "val") == 0
    assert "shipped" not in capsys.readouterr().out
    assert load_record(tmp_path / "submissions" / "HighREV" / "val" / "other").config
    best = runs / "other" / "best.pth"
    assert export.find_checkpoint("other", runs, shipped) == best
    assert export.find_checkpoint(None, runs, shipped) == best
    small = shipped / "efnet_small.safetensors"
    assert export.find_checkpoint("efnet_small", runs, shipped) == small
    assert main("nobody") == 1
    told = "trainings: other; shipped weights (--weights): efnet_small, other"
    assert told in capsys.readouterr().err


def test_the_list_has_a_row_for_each(main: Main, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("--weights", "list") == 0
    text = capsys.readouterr().out
    for word in ("efnet_small", "other, random weights", "MIT", "docs/weights/other.md", "0.03 M"):
        assert word in text


@pytest.mark.parametrize(
    "words, message",
    [
        (["x", "--weights", "other"], "leave out RUN, or --weights"),
        (["--weights", "other", "--checkpoint", "a.pth"], "leave out --checkpoint, or"),
        (["--weights", "other", "--baseline", "edi"], "leave out --baseline, or"),
        (["--weights", "othr"], "no shipped weights called 'othr'; there are\n  - other: "),
    ],
)
def test_what_does_not_go_together_is_told(
    main: Main, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(*words) == 1
    assert message in capsys.readouterr().err


def test_a_damaged_file_restores_nothing(
    tmp_path: Path, untouched_highrev: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = ship(tmp_path / "weights")
    path.write_bytes(path.read_bytes()[:-9])
    folders = (tmp_path / "submissions", tmp_path / "runs", tmp_path / "weights")
    assert predict.main(["--data", str(untouched_highrev)], *folders) == 1
    assert "efnet_small.safetensors: damaged" in capsys.readouterr().err
    assert predict.main(["--weights", "list"], *folders) == 1
    assert "efnet_small.safetensors: not readable" in capsys.readouterr().err
    assert not (tmp_path / "submissions").exists()


def test_profile_and_export_know_shipped_names(
    tmp_path: Path,
    shipped: Path,
    monkeypatch: pytest.MonkeyPatch,
    untouched_highrev: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is of the extra `export`")
    monkeypatch.chdir(tmp_path)
    before = sorted(shipped.iterdir())
    runs, data = tmp_path / "runs", str(untouched_highrev)
    assert profiling.main(["other", "--count", "--data", data], runs, shipped) == 0
    assert "0.03 M parameters" in capsys.readouterr().out
    assert export.main(["other", "--data", data], runs, shipped) == 0
    assert "a real frame, 56x40" in capsys.readouterr().out
    _, metadata = open_exported("onnxruntime", Path("other.onnx"), "float32", Path("other.onnx"))
    assert metadata.checkpoint_sha256 == sha256(shipped / "other.safetensors")
    assert export.main(["--format", "safetensors"], runs, shipped) == 0  # nothing trained
    copied = load_checkpoint(Path("efnet_small.safetensors"))
    original = load_checkpoint(shipped / "efnet_small.safetensors")
    assert copied["config"] == original["config"]
    assert all((copied["params"][key] == value).all() for key, value in original["params"].items())
    assert sorted(shipped.iterdir()) == before
    assert export.main(["nobody"], runs, shipped) == 1
    assert "shipped weights (--weights): efnet_small, other" in capsys.readouterr().err


def test_three_lines_of_python_restore_what_predict_does(
    main: Main, untouched_highrev: Path, tmp_path: Path, shipped: Path
) -> None:
    assert main("--data", str(untouched_highrev), "--split", "val", "--device", "cpu") == 0
    written = tmp_path / "submissions" / "HighREV" / "val" / "efnet_small"
    sample = open_split(untouched_highrev, "val")[0]
    restore = load_shipped("efnet_small", device="cpu", folder=shipped)
    sharp = restore(sample)
    assert sharp.shape == sample.blurry.shape and sharp.dtype == np.uint8
    assert np.array_equal(sharp, read_png(written / f"{sample.frame}.png"))
    estimate = restore.estimate(sample)
    assert estimate.dtype == np.float32
    assert np.array_equal(np.floor(estimate.clip(0, 1) * 255 + 0.5), sharp)
    for blurry in (sample.blurry[..., 0], sample.blurry / np.float32(255)):
        with pytest.raises(DataError, match=r"park_00000: expected \(H, W, 3\) uint8 RGB, found"):
            restore(dataclasses.replace(sample, blurry=blurry))


def test_frames_of_any_size_are_fitted_into_memory(untouched_highrev: Path, shipped: Path) -> None:
    sample = open_split(untouched_highrev, "val")[0]
    larger = dataclasses.replace(sample, blurry=np.tile(sample.blurry, (8, 8, 1)))
    restore = load_shipped(device="cpu", settings=Inference(memory=0.18), folder=shipped)
    restore(sample)
    assert restore.settings.tiles == (0,)
    restore(larger)
    (side,) = restore.settings.tiles
    assert 0 < side < max(larger.blurry.shape)
    tiny = load_shipped(device="cpu", settings=Inference(memory=1000 / GIB), folder=shipped)
    with pytest.raises(ChallengeError, match="park_00000: EFNet of network.wf=4 needs about"):
        tiny(sample)


def test_runs_of_what_comes_with_the_kit_are_marked_as_of_extra_data(
    main: Main, untouched_highrev: Path, tmp_path: Path
) -> None:
    """The weights themselves: they saw pictures that no challenge hands out. The stand-ins did not
    come with the kit.
    """
    data, folder = str(untouched_highrev), tmp_path / "submissions" / "HighREV" / "test"
    assert main("--data", data, "--split", "test", "--weights", "other") == 0
    real = str(find_shipped(DEFAULT).path)
    assert main("--data", data, "--split", "test", "--checkpoint", real) == 0
    assert not load_record(folder / "other").extra_data
    assert load_record(folder / DEFAULT).extra_data
