"""The scoring program: the local figures, and a page whatever comes in."""

from __future__ import annotations

import json
import math
import os
import runpy
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from challenge.errors import ConfigError
from challenge.hosting.packed import scoring_program
from challenge.images import read_png, write_png
from challenge.metrics.profiles import PROFILES, score_pair
from challenge.metrics.psnr import psnr_luma
from challenge.metrics.ssim import ssim_3d
from challenge.rules import Rules, load_rules
from challenge.rules.hosting import Column
from challenge.server import program, score
from challenge.server.program import leaderboard_row, write_scores
from challenge.server.settings import Settings, Shown, parse_settings


@pytest.fixture
def settings_file(tmp_path: Path, rules: Rules) -> Path:
    path = tmp_path / "settings.json"
    path.write_bytes(scoring_program(rules)["settings.json"])
    return path


def page_of(output: Path) -> str:
    return (output / "detailed_results.html").read_text(encoding="ascii")


def test_the_scores_are_those_of_score_pair(
    unpacked: Path, tmp_path: Path, settings_file: Path
) -> None:
    output = tmp_path / "output"
    assert program.main(str(unpacked), str(output), settings_file) == 0
    pairs = [
        score_pair("published_kit", read_png(unpacked / "res" / path.name), read_png(path))
        for path in sorted((unpacked / "ref").glob("*.png"))
    ]
    scores = json.loads((output / "scores.json").read_text())
    assert scores == {
        "PSNR": float(np.mean([pair["psnr"] for pair in pairs])),
        "SSIM": float(np.mean([pair["ssim"] for pair in pairs])),
        "ExtraRuntime": 0.25,
        "ExtraPlatform": 1.0,
        "ExtraData": 0.0,
    }
    lines = (output / "scores.txt").read_text().split("\n")
    assert lines.pop() == "" and len(lines) == 5
    assert {key: float(value) for key, value in (line.split(":") for line in lines)} == scores


def test_a_profile_of_the_challenges_own_ranks_on_the_server_too(
    unpacked: Path, tmp_path: Path, rules_file: Path
) -> None:
    text = rules_file.read_text().replace("published_kit", "mine")
    rules_file.write_text(text + "profiles: {mine: {psnr: psnr_luma, ssim: ssim_3d}}\n")
    settings = tmp_path / "settings.json"
    settings.write_bytes(scoring_program(load_rules(rules_file))["settings.json"])
    assert program.main(str(unpacked), str(tmp_path / "output"), settings) == 0
    scores = json.loads((tmp_path / "output" / "scores.json").read_text())
    pairs = [
        (read_png(unpacked / "res" / path.name), read_png(path))
        for path in sorted((unpacked / "ref").glob("*.png"))
    ]
    assert scores["PSNR"] == float(np.mean([psnr_luma(*pair) for pair in pairs]))
    assert scores["SSIM"] == float(np.mean([ssim_3d(*pair) for pair in pairs]))


def test_the_page_shows_each_image_and_sequence_escaped(
    unpacked: Path, tmp_path: Path, settings_file: Path
) -> None:
    program.main(str(unpacked), str(tmp_path / "output"), settings_file)
    html = page_of(tmp_path / "output")
    for text in ("park_00000.png", "park_00012.png", "park (2)", "Tiny &amp; &lt;b&gt;bold"):
        assert text in html
    assert "<script" not in html and "<b>" not in html and "http" not in html


def test_the_page_of_the_test_phase_shows_no_image(
    unpacked: Path, tmp_path: Path, rules: Rules, settings_file: Path
) -> None:
    settings_file.write_bytes(scoring_program(rules, images=False)["settings.json"])
    assert program.main(str(unpacked), str(tmp_path / "output"), settings_file) == 0
    html = page_of(tmp_path / "output")
    scores = json.loads((tmp_path / "output" / "scores.json").read_text())
    assert f"{scores['PSNR']:.6g}" in html and "not published" in html
    assert "park" not in html and "By sequence" not in html


def test_columns_of_two_profiles_stand_side_by_side(
    unpacked: Path, tmp_path: Path, rules: Rules, settings_file: Path
) -> None:
    assert rules.hosting is not None
    columns = [Column("Y", "psnr", profile="ntire_y"), *rules.hosting.columns]
    both = replace(rules, hosting=replace(rules.hosting, columns=columns))
    settings_file.write_bytes(scoring_program(both)["settings.json"])
    assert program.main(str(unpacked), str(tmp_path / "output"), settings_file) == 0
    scores = json.loads((tmp_path / "output" / "scores.json").read_text())
    pairs = [
        (read_png(unpacked / "res" / path.name), read_png(path))
        for path in sorted((unpacked / "ref").glob("*.png"))
    ]
    assert scores["Y"] == float(np.mean([psnr_luma(*pair) for pair in pairs]))
    rgb = [score_pair("published_kit", *pair)["psnr"] for pair in pairs]
    assert scores["PSNR"] == float(np.mean(rgb)) != scores["Y"]


def test_lpips_where_torch_is_missing_says_so(
    unpacked: Path, tmp_path: Path, settings_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = json.loads(settings_file.read_text())
    settings["columns"] += [
        {"key": "L", "value": "lpips_alex", "profile": None, "net": "alex", "title": ""}
    ]
    settings_file.write_text(json.dumps(settings))
    find = program.importlib.util.find_spec
    monkeypatch.setattr(
        program.importlib.util, "find_spec", lambda name: None if name == "lpips" else find(name)
    )
    assert program.main(str(unpacked), str(tmp_path / "output"), settings_file) == 1
    assert "no package lpips" in page_of(tmp_path / "output")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"columns": 1}', '{"columns": [{}]}'])
def test_settings_of_another_make_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="settings.json"):
        parse_settings(text.encode())


def test_a_perfect_submission_is_capped(
    unpacked: Path, tmp_path: Path, settings_file: Path
) -> None:
    for sharp in (unpacked / "ref").iterdir():
        (unpacked / "res" / sharp.name).write_bytes(sharp.read_bytes())
    assert program.main(str(unpacked), str(tmp_path / "output"), settings_file) == 0
    scores = json.loads((tmp_path / "output" / "scores.json").read_text())
    assert (scores["PSNR"], scores["SSIM"]) == (100.0, 1.0)


@pytest.mark.parametrize("what", ["link to a reference", "pipe", "no references", "bad reference"])
def test_a_fault_ends_with_a_page(
    unpacked: Path, tmp_path: Path, settings_file: Path, what: str
) -> None:
    image = unpacked / "res" / "park_00000.png"
    sharp = unpacked / "ref" / "park_00000.png"
    if what == "link to a reference":
        image.unlink()
        image.symlink_to(sharp)
    elif what == "pipe":
        image.unlink()
        os.mkfifo(image)
    elif what == "no references":
        for path in (unpacked / "ref").iterdir():
            path.unlink()
    else:
        sharp.write_bytes(sharp.read_bytes()[:200])
    output = tmp_path / "output"
    assert program.main(str(unpacked), str(output), settings_file) == 1
    assert "Not scored" in page_of(output)
    assert sorted(path.name for path in output.iterdir()) == ["detailed_results.html"]


def test_a_fault_of_ours_still_gives_a_page(
    unpacked: Path, tmp_path: Path, settings_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> None:
        raise RuntimeError("<broken>")

    monkeypatch.setattr(program, "score_rows", broken)
    assert program.main(str(unpacked), str(tmp_path / "output"), settings_file) == 1
    html = page_of(tmp_path / "output")
    assert "tell the organisers" in html and "&lt;broken&gt;" in html


def test_several_processes_give_the_same(
    tmp_path: Path, settings_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(3)
    pairs = []
    for name in ("a", "b", "c"):
        for side in ("res", "ref"):
            write_png(tmp_path / side / f"{name}.png", rng.integers(0, 256, (30, 40, 3), "u1"))
        paths = (str(tmp_path / side / f"{name}.png") for side in ("res", "ref"))
        pairs.append((*paths, [Shown("P", "psnr", PROFILES["published_kit"])]))
    alone = program.score_rows(pairs, pixels=1)
    monkeypatch.setattr(program, "cores", lambda: 2)
    assert program.score_rows(pairs, pixels=10**9) == alone
    assert alone[0] != alone[1]


def test_a_killed_process_costs_nothing_but_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*arguments: object) -> None:
        raise OSError("no semaphores here")

    monkeypatch.setattr(program, "map_in_processes", broken)
    monkeypatch.setattr(program, "score_one", lambda pair: {"psnr": pair})
    assert list(program.score_pairs([1, 2], workers=2)) == [{"psnr": 1}, {"psnr": 2}]  # type: ignore[list-item]
    assert "going on with one process" in capsys.readouterr().err


def test_small_and_large_numbers_are_written_out(tmp_path: Path) -> None:
    scores = {"a": 1e-07, "b": 25.668204271504848, "c": 1e20}
    write_scores(tmp_path, scores)
    lines = (tmp_path / "scores.txt").read_text().splitlines()
    assert not any("e" in line.split(": ")[1] for line in lines)
    assert {line.split(": ")[0]: float(line.split(": ")[1]) for line in lines} == scores


def test_nan_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_scores(tmp_path, {"PSNR": math.nan})
    assert list(tmp_path.iterdir()) == []


def test_a_row_reads_the_readme_by_position(rules: Rules) -> None:
    columns = [
        Shown("S", "ssim", PROFILES["standard"]),
        Shown("T", "runtime"),
        Shown("G", "cpu"),
    ]
    settings = Settings("x", rules.readme, columns)
    rows = {"a_0.png": {"S": 0.5}, "a_1.png": {"S": 0.75}}
    readme = "my runtime: 1.5\nnotes without a colon\nCPU: 0\nExtra: 1\nOther: text"
    assert leaderboard_row(settings, rows, readme) == {"S": 0.625, "T": 1.5, "G": 0.0}


def test_an_old_python_says_which_image_to_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 18))
    monkeypatch.setattr(sys, "path", list(sys.path))
    entry = runpy.run_path(score.__file__)
    for library in ("OPENBLAS", "OMP", "MKL"):
        monkeypatch.setenv(f"{library}_NUM_THREADS", "1")
    assert entry["main"]([str(tmp_path), str(tmp_path)]) == 1
    assert "codalab/codalab-legacy:py312" in page_of(tmp_path)
