"""Training from the command line on a small data set: what it writes, resumes and refuses."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from baselines.efnet import folder, train
from baselines.efnet.checkpoint import load_checkpoint, save_checkpoint
from baselines.efnet.crops import training_batches
from baselines.efnet.report import Report
from baselines.efnet.train import read_config
from baselines.efnet.training import Training, learning_rate
from baselines.efnet.training_log import read_log
from challenge import REPOSITORY
from challenge.images import png_size

Main = Callable[[list[str]], int]
TINY = [
    "network.wf=4",
    "train.crop=16",
    "train.batch=2",
    "train.precision=float32",
    "data.workers=0",
]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def main(runs: Path) -> Main:
    """The command line, its trainings in a folder of the test's own."""
    return lambda arguments: train.main(arguments, runs)


def arguments(root: Path, **settings: object) -> list[str]:
    defaults = {"iterations": 6, "log_every": 2, "save_every": 3, "validate_every": 3} | settings
    return [
        f"data.root={root}",
        "data.rules=own",
        "name=t",
        *TINY,
        *(f"train.{k}={v}" for k, v in defaults.items()),
    ]


def test_writes_checkpoints_log_and_validation_images(
    main: Main, highrev: Path, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(highrev)) == 0
    place = runs / "t"
    best, last = load_checkpoint(place / "best.pth"), load_checkpoint(place / "last.pth")
    assert last["iteration"] == 6 and "optimiser" in last and "optimiser" not in best
    assert best["config"]["network"]["wf"] == 4
    assert sorted(path.name for path in (place / "val").iterdir()) == [
        "park_00000.png",
        "park_00012.png",
    ]
    assert png_size(place / "val" / "park_00000.png") == (56, 40)
    rows = read_log(place / "log.jsonl")
    assert [row["iteration"] for row in rows if "loss" in row] == [2, 4, 6]
    scores = [row["val_psnr"] for row in rows if "val_psnr" in row]
    assert len(scores) == 2 and best["best_psnr"] == max(scores)
    assert list((place / "tensorboard").iterdir()) and (place / "config.yml").exists()
    out = capsys.readouterr().out
    assert "next: bash run.sh predict" in out
    assert re.search(r"\d+\.\d% of the training's time went by waiting for data", out)
    took = read_log(place / "speed.jsonl")
    assert [0 < row["waited_for_data"] < 1 for row in took if "images_per_s" in row] == [True] * 3
    assert [row["validation_s"] > 0 for row in took if "validation_s" in row] == [True] * 2


def test_the_time_that_training_waits_is_measured(tmp_path: Path) -> None:
    config = read_config(Path(train.DEFAULT_CONFIG), TINY)
    report = Report(Training(config, tmp_path))

    def slow() -> Iterator[int]:
        for number in range(3):
            time.sleep(0.02)
            yield number

    assert list(report.waiting(slow())) == [0, 1, 2]  # type: ignore[arg-type]
    assert report.waited >= 0.06
    report.close()


def test_the_loss_falls(main: Main, highrev: Path, runs: Path) -> None:
    settings = {"iterations": 60, "log_every": 10, "validate_every": 60, "learning_rate": 0.003}
    assert main(arguments(highrev, **settings)) == 0
    losses = [row["loss"] for row in read_log(runs / "t" / "log.jsonl") if "loss" in row]
    assert losses[-1] < losses[0] - 1.0


def test_a_second_training_leaves_the_first_alone(main: Main, highrev: Path, runs: Path) -> None:
    assert main(arguments(highrev, iterations=1)) == 0
    before = (runs / "t" / "last.pth").read_bytes()
    assert main(arguments(highrev, iterations=1)) == 0
    assert (runs / "t-2" / "last.pth").exists() and (runs / "t" / "last.pth").read_bytes() == before


@pytest.mark.parametrize("ema, precision", [(0.0, "float32"), (0.9, "float32"), (0.9, "float16")])
def test_resuming_ends_where_an_uninterrupted_training_ends(
    main: Main, highrev: Path, runs: Path, ema: float, precision: str
) -> None:
    settings = arguments(highrev, iterations=6, ema=ema, precision=precision)
    assert main([*settings, "name=whole"]) == 0
    # back to iteration 3, as a kill would leave it
    config = read_config(train.DEFAULT_CONFIG, [*settings, "name=half"])
    half = Training(config, runs / "half")
    frames = train.open_data(config, "train")
    for batch in training_batches(frames, config.data, config.train, 0, False):
        half.step(batch)
        if half.iteration == 3:
            break
    save_checkpoint(runs / "half" / "last.pth", half.checkpoint())
    assert main([*settings, "name=half", "--resume"]) == 0
    whole, resumed = (load_checkpoint(runs / name / "last.pth") for name in ("whole", "half"))
    assert resumed["iteration"] == 6
    assert ("trained" in whole) == ("trained" in resumed) == (ema > 0)
    assert whole["scaler"] == resumed["scaler"] and bool(whole["scaler"]) == (
        precision[-2:] == "16"
    )
    for weights in ("params", "trained") if ema else ("params",):
        for key, value in whole[weights].items():
            assert torch.equal(value, resumed[weights][key]), (weights, key)


def test_the_mean_of_the_weights_is_what_validates_and_predicts(
    main: Main, highrev: Path, runs: Path
) -> None:
    """M1 = W1, then M = 0.75 M + 0.25 W."""
    config = read_config(train.DEFAULT_CONFIG, [*arguments(highrev, ema=0.75), "name=mean"])
    training = Training(config, runs / "mean")
    frames = train.open_data(config, "train")
    steps = []
    for batch in training_batches(frames, config.data, config.train, 0, False):
        training.step(batch)
        steps.append({k: v.clone() for k, v in training.network.state_dict().items()})
        if training.iteration == 3:
            break
    expected = {
        key: 0.75 * (0.75 * steps[0][key] + 0.25 * steps[1][key]) + 0.25 * steps[2][key]
        for key in steps[0]
    }
    held = training.checkpoint()
    for key, value in training.restorer().network.state_dict().items():
        torch.testing.assert_close(value, expected[key], rtol=1e-5, atol=1e-7)
        assert torch.equal(value, held["params"][key])
        assert torch.equal(steps[2][key], held["trained"][key])
    assert any(not torch.equal(v, held["trained"][k]) for k, v in held["params"].items())
    assert "trained" not in training.weights()


def test_without_a_mean_the_weights_themselves_are_judged(highrev: Path, runs: Path) -> None:
    config = read_config(train.DEFAULT_CONFIG, [*arguments(highrev, ema=0), "name=plain"])
    training = Training(config, runs / "plain")
    assert training.judged is training.network and training.average is None
    assert "trained" not in training.checkpoint()


@pytest.mark.parametrize("before, after", [(0.0, 0.9), (0.9, 0.0)])
def test_a_training_is_resumed_with_a_mean_or_without(
    main: Main, highrev: Path, runs: Path, before: float, after: float
) -> None:
    assert main(arguments(highrev, iterations=2, ema=before)) == 0
    assert main([*arguments(highrev, iterations=4, ema=after), "--resume"]) == 0
    last = load_checkpoint(runs / "t" / "last.pth")
    assert last["iteration"] == 4 and ("trained" in last) == (after > 0)


def test_a_removed_number_is_not_taken_for_the_next_one(runs: Path) -> None:
    for name in ("t", "t-3", "t-later"):
        (runs / name).mkdir(parents=True)
    assert folder.run_folder("t", False, runs).name == "t-4"
    assert folder.run_folder("u", False, runs).name == "u"
    for name in ("t", "t-3"):
        (runs / name / "last.pth").touch()
    assert folder.run_folder("t", True, runs).name == "t-3"
    assert folder.run_folder("u", True, runs).name == "u"  # nothing to resume: it begins


def test_an_unfinished_training_is_pointed_out(
    main: Main, highrev: Path, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(highrev, iterations=2)) == 0
    assert main(arguments(highrev, iterations=2)) == 0
    assert "note:" not in capsys.readouterr().out
    config = runs / "t-2" / "config.yml"
    config.write_text(config.read_text().replace("iterations: 2", "iterations: 9"))
    assert main(arguments(highrev, iterations=2)) == 0
    expected = "note: t-2 stopped at iteration 2; --resume goes on with it"
    assert expected in capsys.readouterr().out


def test_the_log_of_a_resumed_training_has_every_iteration_once(
    main: Main, highrev: Path, runs: Path
) -> None:
    assert main(arguments(highrev, iterations=6)) == 0
    with open(runs / "t" / "log.jsonl", "a") as file:
        file.write('{"iteration": 8, "lo')  # cut off by a kill
    assert main([*arguments(highrev, iterations=10), "--resume"]) == 0
    iterations = [row["iteration"] for row in read_log(runs / "t" / "log.jsonl") if "loss" in row]
    assert iterations == [2, 4, 6, 8, 10]


def test_the_learning_rate_follows_half_a_cosine() -> None:
    config = read_config(train.DEFAULT_CONFIG, ["train.iterations=100", "train.learning_rate=1.0"])
    config.train.final_learning_rate = 0.0
    assert [learning_rate(i, config) for i in (0, 50, 100)] == pytest.approx([1.0, 0.5, 0.0])


def test_without_a_validation_split_the_last_checkpoint_is_the_best(
    main: Main, highrev: Path, runs: Path
) -> None:
    (highrev / "val").rename(highrev / "later")
    assert main(arguments(highrev, iterations=2)) == 0
    best, last = (load_checkpoint(runs / "t" / name) for name in ("best.pth", "last.pth"))
    assert all(torch.equal(best["params"][key], value) for key, value in last["params"].items())


def error(capsys: pytest.CaptureFixture[str]) -> str:
    text = capsys.readouterr().err
    assert "Traceback" not in text
    return text[text.index("error:") :]


def test_what_cannot_be_trained_is_one_error(
    main: Main, highrev: Path, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([f"data.root={highrev}/nowhere", "data.rules=own", "name=t"]) == 1
    assert "no such folder" in error(capsys)
    assert main([*arguments(highrev), "train.crop=64"]) == 1
    assert "train.crop=64 does not fit" in error(capsys)
    assert not (runs / "t").exists()
    assert main(["no_such.yml"]) == 1
    assert "no such configuration file; there are" in error(capsys)
    assert main([*arguments(highrev), "train.device=cuda:7"]) == 1
    assert "device cuda:7" in error(capsys)
    assert main(["--no-such-option"]) == 2


def test_weights_of_another_width_are_one_error(
    main: Main, highrev: Path, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(highrev, iterations=1)) == 0
    weights = runs / "t" / "best.pth"
    assert main([*arguments(highrev, iterations=1, weights=weights), "network.wf=8"]) == 1
    assert "trained with network.wf=4, this network has network.wf=8" in error(capsys)
    assert main(arguments(highrev, iterations=1, weights=weights)) == 0


@pytest.mark.parametrize("workers", [0, 2])
def test_a_damaged_image_is_one_error_and_what_was_learnt_is_kept(
    main: Main, highrev: Path, runs: Path, capsys: pytest.CaptureFixture[str], workers: int
) -> None:
    damaged = highrev / "train" / "sharp" / "harbour_00012.png"
    damaged.write_bytes(damaged.read_bytes()[:-40])
    assert main([*arguments(highrev), f"data.workers={workers}"]) == 1
    assert error(capsys).startswith(f"error: {damaged}: the PNG is cut off")
    assert (runs / "t" / "last.pth").exists()


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_stopped_training_says_how_to_go_on(
    highrev: Path, tmp_path: Path, kind: signal.Signals
) -> None:
    code = (
        "import sys, pathlib; from baselines.efnet import train; "
        f"sys.exit(train.main(sys.argv[1:], pathlib.Path({str(tmp_path / 'runs')!r})))"
    )
    command = [
        sys.executable,
        "-c",
        code,
        *arguments(highrev, iterations=100_000, validate_every=100_000, log_every=1),
    ]
    process = subprocess.Popen(
        command, cwd=REPOSITORY, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    log = tmp_path / "runs" / "t" / "log.jsonl"
    while not read_log(log) and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(kind)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + kind and "Traceback" not in errors
    assert f"stopped by {kind.name}; go on with: bash run.sh train data.root=" in errors
    assert errors.endswith("--resume\n")
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert (
        load_checkpoint(tmp_path / "runs" / "t" / "last.pth")["iteration"] >= rows[-1]["iteration"]
    )


def test_a_compiled_training_keeps_the_names_of_its_weights(tmp_path: Path) -> None:
    """What is compiled (in the first step, for a minute) is called; the network is saved."""
    plain, compiled = (
        Training(read_config(train.DEFAULT_CONFIG, [*TINY, f"train.compile={word}"]), tmp_path)
        for word in ("false", "true")
    )
    assert compiled.called is not compiled.network and plain.called is plain.network
    for part in ("params", "trained"):
        assert plain.checkpoint()[part].keys() == compiled.checkpoint()[part].keys()
