"""LPIPS beside the profiles: asked for or not, with and without weights. Random weights."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from challenge.commands import score as score_verb
from challenge.errors import DataError
from challenge.images import read_png, write_png
from challenge.metrics.lpips import score_lpips
from challenge.metrics.weights import State, save_weights
from challenge.runs import RunRecord, save_record
from challenge.scoring import extra
from challenge.scoring.extra import Extra, LpipsChoice, lpips_extras
from challenge.scoring.results import load_scores
from challenge.scoring.score import score_folder

FRAMES = ("night_run_00000", "night_run_00012", "zigzag_00000")
Main = Callable[[list[str]], int]
RECORD = RunRecord("my_method", challenge="mini", split="val")


@pytest.fixture
def main(tmp_path: Path) -> Main:
    """The command line, its runs in a folder of the test's own."""
    return functools.partial(score_verb.main, submissions=tmp_path / "submissions")


@pytest.fixture
def runs(tmp_path: Path, no_weights: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`mine` and the reference `blurry` of three frames of 48x40 (width x height); no weights."""
    monkeypatch.setenv("COLUMNS", "140")
    rng = np.random.default_rng(0)
    val = tmp_path / "submissions" / "mini" / "val"
    for index, frame in enumerate(FRAMES):
        sharp = rng.integers(40, 216, (40, 48, 3), dtype=np.uint8)
        write_png(tmp_path / "data" / "val" / "sharp" / f"{frame}.png", sharp)
        write_png(val / "mine" / f"{frame}.png", sharp // (4 + 4 * index) * (4 + 4 * index))
        write_png(val / "blurry" / f"{frame}.png", sharp // 32 * 32)
    for name in ("mine", "blurry"):
        record = dataclasses.replace(
            RECORD,
            name=name,
            rules="mini",
            data_root=str(tmp_path / "data"),
            reference=name == "blurry",
        )
        save_record(val / name, record)
    return val


@pytest.fixture
def weights(no_weights: Path, make_state: Callable[..., State]) -> Callable[[str], Path]:
    return lambda net: save_weights(net, make_state(net), "a test")


def score_of(runs: Path, frame: str) -> float:
    sharp = runs.parents[2] / "data" / "val" / "sharp"
    return score_lpips(*(read_png(folder / f"{frame}.png") for folder in (runs / "mine", sharp)))


def test_with_weights_there_is_a_column(
    main: Main, runs: Path, weights: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    weights("alex")
    assert main([]) == 0
    table = pd.read_csv(runs / "mine" / "per_image.csv")
    expected = [score_of(runs, frame) for frame in FRAMES]
    assert table["lpips_alex"].tolist() == pytest.approx(expected, abs=1e-6)
    kept = json.loads((runs / "mine" / "scores.json").read_text())
    assert kept["extra"] == {"lpips_alex": pytest.approx(np.mean(expected), abs=1e-6)}
    assert kept["extra_sequences"] == {
        "night_run": {"lpips_alex": pytest.approx(np.mean(expected[:2]), abs=1e-6)},
        "zigzag": {"lpips_alex": pytest.approx(expected[2], abs=1e-6)},
    }
    assert all(profile.keys() == {"psnr", "ssim"} for profile in kept["means"].values())
    assert load_scores(runs / "mine") is not None
    for_the_table = load_scores(runs / "mine")
    assert for_the_table is not None and for_the_table.extra == kept["extra"]
    output = capsys.readouterr().out
    blurry = load_scores(runs / "blurry")
    assert blurry is not None
    change = kept["extra"]["lpips_alex"] - blurry.extra["lpips_alex"]
    assert change < 0 and f"{change:+.4f}" in output
    assert "lpips_alex" in output and f"{expected[2]:.4f}" in output and "is empty" not in output


def test_without_weights_the_column_says_why_and_the_rest_works(
    main: Main, runs: Path, no_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([]) == 0
    output = capsys.readouterr().out
    missing = no_weights / "lpips_alex.pth"
    assert f"LPIPS is empty: no {missing}; `bash run.sh weights` gets it." in output
    assert "LPIPS" in output and "gain over blurry" in output
    kept = json.loads((runs / "mine" / "scores.json").read_text())
    assert kept["extra"] == {} and kept["extra_sequences"] == {"night_run": {}, "zigzag": {}}
    assert "lpips" not in (runs / "mine" / "per_image.csv").read_text()


def test_asked_for_by_name_without_weights_is_an_error(
    main: Main, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--all", "--lpips", "vgg"]) == 1
    assert capsys.readouterr().err.startswith("error: LPIPS needs weights")  # once, not per run
    assert main(["--lpips", "all"]) == 1
    error = capsys.readouterr().err
    assert "error: LPIPS needs weights; `bash run.sh weights` gets them" in error
    assert "lpips_alex.pth: no such file" in error and "lpips_vgg.pth: no such file" in error
    assert not (runs / "mine" / "scores.json").exists()


def test_none_leaves_it_out(
    main: Main,
    runs: Path,
    weights: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    weights("alex")
    monkeypatch.setattr(extra, "score_lpips", lambda *_a, **_k: pytest.fail("was computed"))
    assert main(["--lpips", "none"]) == 0
    assert "LPIPS" not in capsys.readouterr().out.upper()


def test_scores_without_lpips_are_completed_once_there_are_weights(
    main: Main, runs: Path, weights: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--all"]) == 0
    weights("alex")
    assert main(["--all"]) == 0
    assert "lpips_alex" in capsys.readouterr().out
    for name in ("mine", "blurry"):
        scores = load_scores(runs / name)
        assert scores is not None and scores.extra["lpips_alex"] > 0
    assert main(["--all"]) == 0
    assert "1 of 1 runs had current scores already" in capsys.readouterr().out


def counting(values: list[float], version: str = "1") -> tuple[Extra, list[int]]:
    """A figure that gives these values in turn; and how often it was asked."""
    asked: list[int] = []

    def score(_prediction: np.ndarray, _sharp: np.ndarray) -> float:
        asked.append(1)
        return values[len(asked) - 1]

    return Extra("figure", version, score), asked


def scored(runs: Path, figure: Extra) -> dict[str, float]:
    sharp, caches = runs.parents[2] / "data" / "val" / "sharp", runs.parents[2] / "caches"
    options = {"progress": False, "caches": caches, "extras": [figure]}
    return score_folder(runs / "mine", sharp, RECORD, "standard", **options).extra  # type: ignore[arg-type]


def test_values_are_kept_by_image_and_version(runs: Path) -> None:
    figure, asked = counting([1.0, 2.0, 6.0])
    assert scored(runs, figure) == {"figure": 3.0} and len(asked) == 3
    assert scored(runs, figure) == {"figure": 3.0} and len(asked) == 3
    path = runs / "mine" / "zigzag_00000.png"
    write_png(path, read_png(path) ^ 1)
    again, asked = counting([3.0])
    assert scored(runs, again) == {"figure": 2.0} and len(asked) == 1
    other, asked = counting([5.0, 5.0, 5.0], version="2")
    assert scored(runs, other) == {"figure": 5.0} and len(asked) == 3


def test_other_weights_are_another_version(
    weights: Callable[[str], Path], make_state: Callable[..., State]
) -> None:
    weights("alex")
    (before,) = lpips_extras(LpipsChoice.auto)
    save_weights("alex", make_state("alex", seed=1), "a test")
    (after,) = lpips_extras(LpipsChoice.alex)
    assert before.column == after.column == "lpips_alex" and before.key != after.key


def test_images_too_small_for_the_network_are_named(
    folders: tuple[Path, Path], weights: Callable[[str], Path]
) -> None:
    predictions, sharp = folders
    weights("alex")
    with pytest.raises(DataError) as caught:
        score_folder(
            *folders, RECORD, "standard", progress=False, extras=lpips_extras(LpipsChoice.auto)
        )
    assert "no lpips_alex; --lpips none leaves it out" in caught.value.summary
    assert len(caught.value.problems) == 4
    assert "at least 31x31 pixels, found 24x20" in caught.value.problems[0]
    assert not (predictions / "scores.json").exists()


def test_damaged_weights_are_said_to_be(
    main: Main, runs: Path, weights: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = weights("alex")
    path.write_bytes(path.read_bytes()[:-1000])
    assert main([]) == 1
    error = capsys.readouterr().err
    assert f"error: {path}: damaged" in error and "bash run.sh weights --net alex" in error
