"""The leaderboard on hand-made runs with known numbers."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from challenge.errors import ConfigError, SubmissionError
from challenge.images import write_png
from challenge.scoring.results import load_scores
from leaderboard.__main__ import main
from leaderboard.load import load_runs
from leaderboard.render import main_columns, markdown, print_board, sequence_columns
from leaderboard.table import build_boards, decision_note, one_table

SEQUENCES = {"logo_a": -1.0, "zigzag": 1.0}


def add_run(
    root: Path, path: str, psnr: float | None, record: dict[str, Any] | None = None, **scores: Any
) -> Path:
    """A run `challenge/split/name` with this psnr in `published_kit`, 2 dB more in `ntire_y`."""
    folder = root / path
    folder.mkdir(parents=True)
    values = {"name": folder.name, "baseline": "efnet", "device": "cpu", "parameters": 8_470_000}
    values |= {"runtime_per_image_s": 0.5, "created": "2026-01-01", "commit": "abc"}
    (folder / "run.json").write_text(json.dumps(values | (record or {})))
    if psnr is None:
        return folder

    def profiles(value: float) -> dict[str, dict[str, float]]:
        return {
            "published_kit": {"psnr": value, "ssim": value / 100},
            "ntire_y": {"psnr": value + 2, "ssim": value / 100 + 0.1},
        }

    content = {
        "run": folder.name,
        "profile": "published_kit",
        "frames": 4,
        "means": profiles(psnr),
        "sequences": {name: profiles(psnr + shift) for name, shift in SEQUENCES.items()},
        "sharp_sha256": "aa",
    }
    (folder / "scores.json").write_text(json.dumps(content | scores))
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for name, psnr in (("blurry", 24.0), ("edi", 29.5)):
        record = {"baseline": name, "reference": True, "parameters": 0}
        add_run(tmp_path, f"mini/val/{name}", psnr, record)
    add_run(tmp_path, "mini/val/efnet_mini", 31.25)
    add_run(tmp_path, "highrev/val/efnet", 35.0, {"device": "NVIDIA H100 80GB HBM3"})
    return tmp_path


def boards(root: Path, profile: str | None = None) -> Any:
    return build_boards(load_runs(root).runs, profile)


def text_of(board: Any, width: int = 80) -> str:
    console = Console(width=width, file=io.StringIO(), highlight=False)
    print_board(board, console)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_known_numbers(runs: Path) -> None:
    highrev, mini = boards(runs)
    assert (highrev.challenge, mini.challenge, mini.split) == ("highrev", "mini", "val")
    table = mini.table.set_index("run")
    assert list(table.index) == ["efnet_mini", "edi", "blurry"]  # best first
    assert table["gain_db"].to_dict() == {"efnet_mini": 7.25, "edi": 5.5, "blurry": 0.0}
    row = table.loc["efnet_mini"]
    assert (row["psnr"], row["ssim"], row["ntire_y_psnr"]) == (31.25, 0.3125, 33.25)
    assert (row["psnr_logo_a"], row["psnr_zigzag"], row["frames"]) == (30.25, 32.25, 4)
    assert (row["runtime_per_image_s"], row["device"], row["parameters"]) == (0.5, "cpu", 8_470_000)
    assert (row["reference"], table.loc["edi", "reference"]) == (False, True)
    assert highrev.table["gain_db"].isna().all()  # it has no row `blurry`


def test_the_csv_holds_all_rows_and_reads_back(runs: Path) -> None:
    assert main([str(runs)]) == 0
    table = pd.read_csv(runs / "leaderboard.csv")
    assert list(table.columns[:5]) == ["run", "psnr", "ssim", "gain_db", "challenge"]
    assert list(table["run"]) == ["efnet", "efnet_mini", "edi", "blurry"]
    assert list(table["psnr"]) == [35.0, 31.25, 29.5, 24.0]
    assert list(table["parameters"]) == [8_470_000, 8_470_000, 0, 0]
    for column in ("split", "frames", "baseline", "commit", "reference", "created", "psnr_zigzag"):
        assert column in table.columns


def test_named_files_and_where_they_went(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    csv, page = runs / "out" / "a.csv", runs / "out" / "a.md"
    assert main([str(runs), "--csv", str(csv), "--markdown", str(page)]) == 0
    output = capsys.readouterr().out
    assert f"written: {csv}" in output and f"written: {page}" in output
    assert len(pd.read_csv(csv)) == 4
    assert sorted(path.name for path in csv.parent.iterdir()) == ["a.csv", "a.md"]
    assert not (runs / "leaderboard.csv").exists()


def test_another_profile_ranks_and_lends_its_columns(runs: Path) -> None:
    _, mini = boards(runs, "ntire_y")
    row = mini.table.set_index("run").loc["efnet_mini"]
    assert (row["psnr"], row["published_kit_psnr"], row["psnr_zigzag"]) == (33.25, 31.25, 34.25)
    assert (row["profile"], row["gain_db"]) == ("ntire_y", 7.25)
    assert "ntire_y_psnr" not in mini.table.columns


def test_an_unknown_profile_names_the_known_ones(runs: Path) -> None:
    with pytest.raises(ConfigError, match="ntire_y, published_kit"):
        boards(runs, "ntire")


def test_a_board_without_the_profile_is_left_out(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = {"lpips": {"psnr": 1.0, "ssim": 0.5}}
    add_run(runs, "own/val/x", 30.0, profile="lpips", means=one, sequences={"a": one})
    assert main([str(runs), "--profile", "lpips"]) == 0
    output = capsys.readouterr().out
    assert "own / val" in output and "mini / val" not in output
    assert "no scores under lpips: mini/val/efnet_mini" in output


def test_text_at_80_columns(runs: Path) -> None:
    text = text_of(boards(runs)[1])
    assert max(map(len, text.splitlines())) <= 80
    for words in ("mini / val: 4 frames", "PSNR [dB]", "31.25*", "+7.25", "8.47 M", "edi (ref)"):
        assert words in text
    assert "24.00*" not in text
    assert "2 sequences" in text and "0.5 (2 / 2^2)" in text


def test_long_names_are_folded_and_stay_whole(tmp_path: Path) -> None:
    name = "efnet_highrev_raw_with_24_bins_and_crop_1024"
    add_run(tmp_path, f"mini/val/{name}", 30.0, {"device": "NVIDIA RTX 6000 Ada Generation"})
    text = text_of(boards(tmp_path)[0])
    assert max(map(len, text.splitlines())) <= 80
    first = "".join(line.split()[0] for line in text.splitlines() if line.strip())
    assert name in first
    assert "30.00" in text and "0.3000" in text


def test_only_the_best_runs_stand_beside_each_other(tmp_path: Path) -> None:
    for number in range(8):
        add_run(tmp_path, f"mini/val/run{number}", 30.0 + number)
    board = boards(tmp_path)[0]
    assert list(sequence_columns(board, 5).columns) == [
        "sequence",
        *(f"run{n}" for n in (7, 6, 5, 4, 3)),
    ]
    assert "the best 5 runs" in text_of(board)


def test_equal_bests_are_all_marked(tmp_path: Path) -> None:
    for name in ("a", "b"):
        add_run(tmp_path, f"mini/val/{name}", 30.0)
    add_run(tmp_path, "mini/val/c", 29.0)
    assert list(main_columns(boards(tmp_path)[0])["PSNR [dB]"]) == ["30.00*", "30.00*", "29.00 "]


def test_markdown(runs: Path) -> None:
    add_run(runs, "mini/val/a|b", 20.0)
    page = markdown(boards(runs))
    assert "## mini / val: 4 frames, profile published_kit" in page
    assert "a\\|b" in page
    rows = [line for line in page.splitlines() if line.startswith("| efnet_mini ")]
    cells = [cell.strip() for cell in rows[0].strip("|").split("|")]
    assert cells == ["efnet_mini", "31.25*", "0.3125*", "+7.25", "0.5", "8.47 M", "cpu"]


# --- figures beside the profiles ----------------------------------------------------------------


def test_lpips_is_a_column_where_any_run_has_it(runs: Path) -> None:
    add_run(runs, "mini/val/sharper", 30.0, extra={"lpips_alex": 0.11})
    add_run(runs, "mini/val/smoother", 31.0, extra={"lpips_alex": 0.23})
    highrev, mini = boards(runs)
    assert (highrev.extras, mini.extras) == ([], ["lpips_alex"])
    table = mini.table.set_index("run")
    assert (table.loc["sharper", "lpips_alex"], table.loc["smoother", "lpips_alex"]) == (0.11, 0.23)
    assert pd.isna(table.loc["blurry", "lpips_alex"])
    shown = main_columns(mini).set_index("run")["lpips_alex"].str.strip().to_dict()
    assert shown["sharper"] == "0.1100*"  # the lowest is the best
    assert shown["smoother"] == "0.2300" and shown["efnet_mini"] == "-"
    assert "lpips_alex" not in main_columns(highrev)
    assert list(table.index)[0] == "efnet_mini"  # PSNR ranks, as before
    columns = list(one_table([highrev, mini]).columns)
    assert columns.index("profile") < columns.index("lpips_alex") < columns.index("psnr_zigzag")
    text = text_of(mini)
    assert max(map(len, text.splitlines())) <= 80 and "0.1100*" in text


@pytest.mark.parametrize("extra", [{}, None])
def test_scores_without_lpips_are_as_before(runs: Path, extra: Any) -> None:
    add_run(runs, "mini/val/other", 30.0, extra=extra)
    assert boards(runs)[1].extras == []


# --- fairness -----------------------------------------------------------------------------------


def test_equal_runs_get_no_warning(runs: Path) -> None:
    assert [board.warnings for board in boards(runs)] == [[], []]


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        ({"frames": 3}, "different numbers of frames (4 frames: blurry, edi, efnet_mini; 3 frames"),
        ({"sharp_sha256": None}, "different sharp images (blurry, edi, efnet_mini; other)"),
        ({"sequences": {}}, "different sequences"),
        ({"profile": "ntire_y"}, "different profiles (ntire_y, published_kit)"),
    ],
)
def test_an_unfair_comparison_is_said(runs: Path, scores: dict[str, Any], words: str) -> None:
    add_run(runs, "mini/val/other", 40.0, **scores)
    mini = boards(runs)[1]
    assert any(words in warning for warning in mini.warnings)
    flat = " ".join(text_of(mini).split())
    assert "warning: " in flat and words.split("(")[0].strip() in flat
    assert "**Warning:**" in markdown([mini])


def test_no_gain_over_other_sharp_images(runs: Path) -> None:
    add_run(runs, "mini/val/other", 40.0, sharp_sha256="bb")
    _, mini, other = boards(runs)
    assert list(other.table["run"]) == ["other"] and other.table["gain_db"].isna().all()
    assert list(mini.table["run"]) == ["efnet_mini", "edi", "blurry"] and mini.warnings == []


@pytest.mark.parametrize("scored", [True, False])
def test_runs_of_other_frames_are_no_rows_of_one_table(runs: Path, scored: bool) -> None:
    a = {"inputs_sha256": "a" * 64, "data_root": "/a/mini"}
    b = {"inputs_sha256": "b" * 64, "data_root": "/b/mini"}
    add_run(runs, "mini/val/of_a", 30.0, a)
    add_run(runs, "mini/val/of_b", 40.0, b)  # the same sharp images, another blur
    add_run(runs, "mini/val/b_too", 41.0 if scored else None, b)
    _, *mini = boards(runs)
    (of_a,) = [board for board in mini if "of_a" in set(board.table["run"])]
    (of_b,) = [board for board in mini if "of_b" in set(board.table["run"])]
    assert of_a is not of_b and len(mini) == 2
    text = text_of(of_b, 200)
    assert text.startswith("mini / val (data /b/mini, frames bbbbbbbb): 4 frames")
    assert "b_too" in text and "b_too" not in text_of(of_a)
    table = one_table(mini).set_index("run")
    assert table.loc["of_b", "inputs_sha256"] == "b" * 64 and len(table) == 5 + scored


def test_copies_of_the_same_frames_are_one_table(runs: Path) -> None:
    for root in ("/a", "/b"):
        add_run(runs, f"mini/val/of{root[1]}", 30.0, {"inputs_sha256": "c", "data_root": root})
    _, mini = boards(runs)
    assert len(mini.table) == 5 and "(data" not in text_of(mini) and mini.warnings == []


def test_a_users_run_of_a_baseline_is_its_row(runs: Path) -> None:
    record = json.loads((runs / "mini/val/edi/run.json").read_text())
    (runs / "mini/val/edi/run.json").write_text(json.dumps(record | {"reference": False}))
    assert not any("missing" in note for note in boards(runs)[1].notes)


def test_a_folder_without_run_json_is_a_row_of_its_place(runs: Path) -> None:
    folder = add_run(runs, "mini/val/theirs", 33.0)
    (folder / "run.json").unlink()
    assert "theirs" not in list(boards(runs)[1].table["run"])  # no PNG: no run
    write_png(folder / "a_00000.png", np.zeros((8, 8, 3), np.uint8))
    assert list(boards(runs)[1].table["run"])[0] == "theirs"


@pytest.mark.parametrize(("sequences", "p"), [(1, "1 (2"), (4, "0.125 (2"), (6, "0.0312 (2")])
def test_what_a_table_can_decide(sequences: int, p: str) -> None:
    assert f"below {p} / 2^{sequences})" in decision_note(sequences)


# --- what is missing or broken ------------------------------------------------------------------


def test_unscored_runs_and_missing_references_are_listed(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_run(runs, "mini/val/fresh", None)
    add_run(runs, "own/test/fresh", None)
    assert main([str(runs)]) == 0
    output = capsys.readouterr().out
    assert "not scored yet: fresh" in output and "not scored yet: own/test/fresh" in output
    assert "reference rows missing: blurry, edi; `bash run.sh score --references` makes" in output
    assert "fresh" not in (runs / "leaderboard.csv").read_text()


def test_a_user_run_called_blurry_is_no_reference(tmp_path: Path) -> None:
    add_run(tmp_path, "mini/val/blurry", 24.0, {"baseline": "my_package.blurry"})
    board = boards(tmp_path)[0]
    assert board.table["gain_db"].isna().all()
    assert "reference rows missing: blurry, edi; `bash run.sh score` makes them" in board.notes


@pytest.mark.parametrize("name", ["run.json", "scores.json"])
@pytest.mark.parametrize("content", [b"", b'{"name":', b"[]", b"null", b"\xff\xfe", b"{}"])
def test_a_broken_file_is_named_and_the_others_show(
    runs: Path, name: str, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_run(runs, "mini/val/broken", 50.0)
    (folder / name).write_bytes(content)
    assert main([str(runs)]) == 0
    streams = capsys.readouterr()
    assert f"warning: {folder / name}" in streams.err
    assert "31.25" in streams.out and "50.00" not in streams.out


@pytest.mark.parametrize(
    "scores",
    [
        {"frames": "4"},
        {"frames": 0},
        {"frames": True},
        {"profile": "other"},
        {"means": {"published_kit": {"psnr": "31", "ssim": 0.5}}},
        {"means": {"published_kit": {"psnr": float("nan"), "ssim": 0.5}}},
        {"means": {"published_kit": {"psnr": float("inf"), "ssim": 0.5}}},
        {"means": {"published_kit": {"psnr": 30.0}}},
        {"sequences": {"a": {"published_kit": {"psnr": None, "ssim": 0.5}}}},
        {"sharp_sha256": 5},
        {"extra": {"lpips_alex": "0.1"}},
        {"extra": {"lpips_alex": None}},
        {"extra": 0.1},
    ],
)
def test_scores_that_cannot_be_used(tmp_path: Path, scores: dict[str, Any]) -> None:
    folder = add_run(tmp_path, "mini/val/x", 30.0, **scores)
    with pytest.raises(SubmissionError, match="scores.json: cannot be used"):
        load_scores(folder)


def test_values_of_the_wrong_type_in_run_json_become_unknown(tmp_path: Path) -> None:
    wrong = {"parameters": "8M", "runtime_per_image_s": "fast", "device": 3, "reference": "yes"}
    add_run(tmp_path, "mini/val/x", 30.0, wrong)
    loaded = load_runs(tmp_path)
    assert len(loaded.warnings) == 4 and all("run.json" in each for each in loaded.warnings)
    (board,) = build_boards(loaded.runs)
    assert list(main_columns(board).iloc[0])[-3:] == ["-", "-", "-"]
    assert not one_table([board])["reference"].any()


@pytest.mark.parametrize("runs_there", [False, True])
def test_nothing_scored_says_what_to_do(
    tmp_path: Path, runs_there: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    if runs_there:
        add_run(tmp_path, "mini/val/fresh", None)
    assert main([str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert ("bash run.sh score" if runs_there else "bash run.sh predict") in error
    assert not (tmp_path / "leaderboard.csv").exists()


def test_unfinished_folders_are_no_runs(runs: Path) -> None:
    add_run(runs, "mini/val/.efnet.123.tmp", 60.0)
    assert "60.00" not in text_of(boards(runs)[1])
