"""Trainings as `bash run.sh runs` lists them: their state, read from what they left."""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml
from rich.console import Console

from baselines.efnet import claim, runs
from baselines.efnet.claim import ENDED, claimed, ending_noted, runner_of
from baselines.efnet.folder import own_folder, run_folder
from baselines.efnet.score_tables import COLUMNS, validations
from baselines.efnet.trainings.facts import read_training, time_left
from baselines.efnet.trainings.table import print_trainings, span, written
from challenge.environment.locks import lock_of
from challenge.errors import ChallengeError

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write a training of 100 iterations that was validated at 50 and at 75."""

    def write(name: str = "t", reached: int = 80, **train: object) -> Path:
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        values = {"iterations": 100, "batch": 2, "validate_every": 25} | train
        config = {"name": name, "data": {"root": "data/mini"}, "train": values}
        (folder / "config.yml").write_text(yaml.safe_dump(config))
        rows = [
            {"iteration": 50, "loss": -20.0, "learning_rate": 1e-3},
            {"iteration": 50, "val_psnr": 27.5, "val_ssim": 0.9, "learning_rate": 1e-3},
            {"iteration": 75, "val_psnr": 27.25, "val_ssim": 0.8},
            {"iteration": reached, "loss": -21.0, "learning_rate": 1e-4},
        ]
        (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (folder / "last.pth").write_bytes(bytes(2**20))
        return folder

    return write


def test_the_state_is_told_by_what_was_left(make: Make) -> None:
    assert read_training(make("a")).state == "stopped"
    assert read_training(make("b", reached=100)).state == "finished"
    killed = make("c")
    lock_of(killed).touch()  # which no process holds
    assert read_training(killed).state == "killed"
    unsaved = make("e", reached=100)  # killed in the last validation: it has to be done again
    lock_of(unsaved).touch()
    assert read_training(unsaved).state == "killed"
    failed = make("d")
    with pytest.raises(ChallengeError), ending_noted(failed):
        raise ChallengeError("the loss is nan", ["lower it"])
    facts = read_training(failed)
    assert (facts.state, facts.why) == ("failed", "the loss is nan")
    with pytest.raises(KeyboardInterrupt), ending_noted(failed):
        raise KeyboardInterrupt
    assert read_training(failed).state == "stopped"
    with ending_noted(failed):
        pass
    assert not (failed / ENDED).exists()
    with claimed(killed):
        facts = read_training(killed)
        assert facts.state == "running" and facts.why == f"process {os.getpid()} on this machine"
    assert read_training(killed).state == "stopped"


def test_another_machine_that_wrote_lately_is_taken_for_alive(make: Make) -> None:
    """Where the file system keeps locks to one machine."""
    folder = make()
    lock_of(folder).write_text("node17 4711\n")
    assert runner_of(folder) == "process 4711 on node17"
    with pytest.raises(ChallengeError, match="trained by process 4711 on node17"), claimed(folder):
        pass
    old = time.time() - claim.SILENT_S - 5
    for path in (lock_of(folder), *folder.iterdir()):
        os.utime(path, (old, old))
    assert runner_of(folder) is None and read_training(folder).state == "killed"


def test_what_cannot_be_read_is_broken_and_says_why(make: Make, tmp_path: Path) -> None:
    def why(folder: Path) -> str:
        facts = read_training(folder)
        assert facts.state == "broken"
        return facts.why

    (tmp_path / "foreign").mkdir()
    assert why(tmp_path / "foreign").startswith("no config.yml")
    for name, text in (("a", "train: ["), ("b", "a: 1"), ("c", "train: {iterations: many}")):
        folder = make(name)
        (folder / "config.yml").write_text(text)
        assert why(folder).startswith("config.yml: ")
    (make("d") / "config.yml").write_bytes(b"\xff\xfe\x00")
    assert why(tmp_path / "runs" / "d") == "config.yml: not valid YAML"
    log = make("e") / "log.jsonl"
    whole = log.read_bytes()
    log.write_bytes(whole + b'{"iteration": 9')  # a kill's
    assert read_training(log.parent).state == "stopped"
    log.write_bytes(b"\xff\n" + whole)
    assert why(log.parent) == "log.jsonl: line 1 cannot be read; what follows is left out"


def test_scores_are_picked_out_of_the_log(make: Make) -> None:
    facts = read_training(make())
    assert (facts.iteration, facts.iterations) == (80, 100)
    assert (facts.best_psnr, facts.best_iteration) == (27.5, 50)
    assert facts.images_per_s is None  # no speed log: an old training
    rows = [{"iteration": k, "val_psnr": p, "val_ssim": 0.5} for k, p in ((1, 20.0), (2, 20.0))]
    parts = {"loss_stage_1": -14.0, "loss_stage_2": -15.0}
    losses = [{"iteration": 1, "loss": 0.0}, {"iteration": 2, "loss": -29.0, **parts}]
    table = validations([losses[0], rows[0], losses[1], rows[1]])
    assert [list(row.values()) for row in table] == [
        [1, 20.0, 0.5, None, 20.0, 1, 0.0, None, None],
        [2, 20.0, 0.5, None, 20.0, 1, -29.0, -14.0, -15.0],
    ]
    assert all(tuple(row) == COLUMNS for row in facts.scores)


def test_the_time_left_counts_images_and_validations() -> None:
    """60 iterations of 2 images at 4 images/s are 30 s; at 50, 75 and 100 ten seconds each."""
    speed = [{"iteration": 20, "images_per_s": 4.0}, {"iteration": 25, "validation_s": 10.0}]
    config = {"train.batch": 2, "train.validate_every": 25}
    assert time_left(speed, config, 40, 100) == pytest.approx(60.0)
    assert time_left(speed[:1], config, 40, 100) == pytest.approx(30.0)
    assert time_left([], config, 40, 100) is None


def test_a_folder_in_use_is_neither_resumed_nor_chosen_again(make: Make) -> None:
    folder = make("t")
    root = folder.parent
    with claimed(folder):
        with pytest.raises(ChallengeError, match="is being trained by process"), claimed(folder):
            pass
        assert run_folder("t", False, root).name == "t-2"
        with claimed(root / "t-2"):  # it has not made its folder yet
            assert run_folder("t", False, root).name == "t-3"
    with claimed(root / "u"):
        assert run_folder("u", False, root).name == "u-2"
    assert run_folder("u", False, root).name == "u" and not (root / "u").exists()


def test_the_configuration_of_a_training_means_that_training(make: Make, tmp_path: Path) -> None:
    first, _ = make("t"), make("t-2")
    assert run_folder("t", True, first.parent).name == "t-2"
    assert own_folder(first / "config.yml", first.parent) == first
    assert own_folder(tmp_path / "config.yml", first.parent) is None
    (first / "last.pth").unlink()
    assert own_folder(first / "config.yml", first.parent) is None


def test_the_list_fits_80_columns_and_its_csv_is_read_by_pandas(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    make("long_" * 12, batch=16, betas=[0.9, 0.999])
    root = make("b", reached=100).parent
    (root / "empty").mkdir()
    assert runs.main(["--sort", "name", "--csv", str(tmp_path / "all.csv")], root) == 0
    out = capsys.readouterr().out
    lines = [line for line in out.splitlines() if not line.startswith("written: ")]
    assert max(len(line) for line in lines) <= 80
    assert "27.50 @50" in out and "100/100" in out and "empty broken: no config.yml" in out
    assert "train.batch=16 train.betas=[0.9,0.999]" in out and "validate_every" not in out
    table = pd.read_csv(tmp_path / "all.csv").set_index("training")
    assert table.columns[-2:].tolist() == ["train.batch", "train.betas"]  # those that differ
    assert table.loc["b", "train.batch"] == 2 and table.loc["b", "best_psnr"] == 27.5
    assert table.loc["b", "train.betas"] == "[0.9,0.99]"  # the default: the file has no such key
    assert table.loc["empty", "state"] == "broken"


def test_one_training_is_shown_whole(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make()
    assert runs.main(["t"], folder.parent) == 0
    out = capsys.readouterr().out
    for text in ("stopped at iteration 80 of 100", "train.batch=2", "27.50*", "last.pth  1.0 MiB"):
        assert text in out
    assert f"bash run.sh train {folder}/config.yml --resume" in out
    with claimed(folder):
        assert runs.main(["t"], folder.parent) == 0
    assert "running" in (out := capsys.readouterr().out) and "--resume" not in out


def test_what_is_not_there_is_one_error(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    root = make().parent
    assert runs.main(["x*"], root) == 1
    assert "no training called x*; there are t" in capsys.readouterr().err
    assert runs.main(["--sort", "size"], root) == 1
    assert runs.main([], root / "nowhere") == 1
    assert "none; make one" in capsys.readouterr().err


def test_a_name_cannot_command_the_terminal(make: Make) -> None:
    text = io.StringIO()
    print_trainings([read_training(make("a\x1b[2Jb"))], Console(file=text, width=80))
    assert "\x1b[2J" not in text.getvalue() and "a\\x1b[2Jb" in text.getvalue()


@pytest.mark.parametrize(
    "seconds, text",
    [(0.2, "0 s"), (59, "59 s"), (90, "1.5 min"), (7200, "2.0 h"), (864_000, "10 d")],
)
def test_spans_of_time(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_values_are_written_as_they_would_be_typed() -> None:
    assert [written(v) for v in (None, True, [0.5, 1], "a")] == ["null", "true", "[0.5,1]", "a"]
