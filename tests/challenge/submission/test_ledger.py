"""The ledger: one row for each content of a zip, the server's figures, and what a drift means."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from challenge.commands import ledger as ledger_verb
from challenge.commands import submit
from challenge.errors import ConfigError, SubmissionError
from challenge.images import read_png, write_png
from challenge.runs import SUBMISSIONS, RunRecord, save_record
from challenge.scoring.score import score_folder
from challenge.submission.ledger import (
    COLUMNS,
    Row,
    add_row,
    explain,
    ledger_path,
    read_ledger,
    record_server,
)

ROW = Row(
    run="mine",
    challenge="mini",
    split="val",
    zip="/x/submissions/mini/val/mine.zip",
    sha256="ab" * 32,
    phase="development phase",
    date="2026-01-02T03:04:05+00:00",
    local_psnr=30.5,
    local_ssim=0.91,
    profile="published_kit",
)


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    add_row(tmp_path / "ledger.csv", ROW)
    return tmp_path / "ledger.csv"


def test_a_row_comes_back_as_it_was_written(ledger: Path) -> None:
    odd = dataclasses.replace(ROW, sha256="cd" * 32, run='a, "b"\nc', local_psnr=None, profile="")
    add_row(ledger, odd)
    assert read_ledger(ledger) == [ROW, odd]
    assert ledger.read_text().splitlines()[0] == (
        "run,challenge,split,zip,sha256,phase,date,local_psnr,local_ssim,profile,"
        "server_psnr,server_ssim,drift,local_scores,notes"
    )
    assert ledger.read_text().splitlines()[1].endswith(",30.5,0.91,published_kit,,,,,")


def test_the_same_zip_again_is_the_same_row(ledger: Path) -> None:
    record_server(ledger, "mine", 30.25, None)
    again = dataclasses.replace(ROW, zip="/y/mine.zip", date="2027-01-01", local_psnr=30.75)
    add_row(ledger, again)
    (row,) = read_ledger(ledger)
    assert (row.zip, row.date, row.local_psnr) == ("/y/mine.zip", ROW.date, 30.75)
    assert (row.server_psnr, row.drift) == (30.25, -0.5)
    add_row(ledger, dataclasses.replace(ROW, local_psnr=None, local_ssim=None, profile=""))
    assert read_ledger(ledger)[0].local_psnr == 30.75  # what was known stays known


def test_drift_is_server_minus_local(ledger: Path) -> None:
    row = record_server(ledger, "mine", 30.0, 0.93)
    assert (row.server_psnr, row.server_ssim, row.drift) == (30.0, 0.93, -0.5)
    assert read_ledger(ledger) == [row]
    assert record_server(ledger, "ABABABAB", None, 0.5).server_psnr == 30.0


@pytest.mark.parametrize("wanted", ["mine", "mine.zip", ROW.zip, "ababab"])
def test_a_row_is_found_by_run_zip_and_hash(ledger: Path, wanted: str) -> None:
    assert record_server(ledger, wanted, 30.0, None).drift == -0.5


def test_the_newest_zip_of_a_run_is_meant(ledger: Path) -> None:
    newer = dataclasses.replace(ROW, sha256="cd" * 32)
    add_row(ledger, newer)
    assert record_server(ledger, "mine", 30.0, None).sha256 == newer.sha256
    assert read_ledger(ledger)[0] == ROW


def test_two_splits_of_one_run_must_be_told_apart(ledger: Path) -> None:
    add_row(ledger, dataclasses.replace(ROW, sha256="cd" * 32, split="test", zip="/x/t.zip"))
    with pytest.raises(SubmissionError, match="several splits"):
        record_server(ledger, "mine", 30.0, None)
    assert record_server(ledger, "/x/t.zip", 30.0, None).split == "test"


@pytest.mark.parametrize("wanted", ["other", "abab", "/nowhere.zip"])
def test_an_unknown_run_is_told_what_there_is(ledger: Path, wanted: str) -> None:
    with pytest.raises(SubmissionError, match=f"a row of {wanted}, found mine"):
        record_server(ledger, wanted, 30.0, None)


@pytest.mark.parametrize(
    ("psnr", "ssim"), [(float("nan"), None), (float("inf"), None), (-1.0, None), (30.0, 93.0)]
)
def test_figures_that_are_no_scores(ledger: Path, psnr: float, ssim: float | None) -> None:
    before = ledger.read_bytes()
    with pytest.raises(ConfigError, match="expected"):
        record_server(ledger, "mine", psnr, ssim)
    assert ledger.read_bytes() == before


@pytest.mark.parametrize(
    ("drift", "words"),
    [
        (0.004, "agrees"),
        (-0.004, "agrees"),
        (2.5, "Y alone"),
        (0.5, "another definition"),
        (-3.0, "pair the images differently"),
    ],
)
def test_what_a_drift_means(drift: float, words: str) -> None:
    assert words in explain(dataclasses.replace(ROW, server_psnr=30.5 + drift, drift=drift))


EVERY = "published_kit=30.500000/0.910000 ntire_y=32.123400/0.930000 standard=30.500000/0.890000"


@pytest.mark.parametrize(
    ("psnr", "ssim", "matches", "words"),
    [
        (30.5, 0.91, ["published_kit"], "agrees with the local score"),
        (30.5, None, ["published_kit", "standard"], "agrees with the local score"),
        (30.5, 0.89, ["standard"], "reports standard (+0.0000 dB), not published_kit"),
        (32.12, 0.93, ["ntire_y"], "reports ntire_y (-0.0034 dB), not published_kit (+1.6200 dB)"),
        (32.12, None, ["ntire_y"], "reports ntire_y"),
        (32.12, 0.8, [], "PSNR is that of ntire_y, but its SSIM 0.8000 is of no profile"),
        (32.5, 0.9, [], "agrees with no profile (nearest: ntire_y, +0.3766 dB)"),
        (20.0, 0.9, [], "pair the images differently"),
    ],
)
def test_the_server_is_compared_with_every_profile(
    psnr: float, ssim: float | None, matches: list[str], words: str
) -> None:
    row = dataclasses.replace(ROW, local_scores=EVERY, server_psnr=psnr, server_ssim=ssim)
    row = dataclasses.replace(row, drift=psnr - 30.5)
    assert row.matches == matches
    assert words in explain(row) and "may score Y" not in explain(row)


def test_notes_are_added_to_those_that_are_there(ledger: Path) -> None:
    record_server(ledger, "mine", None, None, "sent twice; first")
    record_server(ledger, "mine", 30.0, None, "first")
    row = record_server(ledger, "mine", None, None, "then again")
    assert (row.notes, row.server_psnr) == ("sent twice; first; then again", 30.0)
    assert read_ledger(ledger) == [row]


def test_without_a_local_score_there_is_no_drift() -> None:
    row = dataclasses.replace(ROW, local_psnr=None, server_psnr=30.0)
    assert "withheld" in explain(row)
    assert "not known yet" in explain(ROW)


@pytest.mark.parametrize(
    "text", ["a,b\n1,2\n", "\x00", ",".join(COLUMNS) + "\n" + 'x,"y', "run,zip\na,b\n"]
)
def test_what_is_no_ledger(tmp_path: Path, text: str) -> None:
    (tmp_path / "ledger.csv").write_text(text)
    with pytest.raises(SubmissionError, match="expected the ledger"):
        read_ledger(tmp_path / "ledger.csv")


# --- with make_submission, and the command line --------------------------------------------------


@pytest.fixture
def run(highrev: Path, tmp_path: Path) -> Path:
    """The blurry frames of val as a run of its own, scored."""
    folder = tmp_path / "submissions" / "tiny" / "val" / "mine"
    folder.mkdir(parents=True)
    for path in (highrev / "val" / "blur").glob("*.png"):
        (folder / path.name).write_bytes(path.read_bytes())
    record = RunRecord("mine", data_root=str(highrev), split="val", rules="own", challenge="tiny")
    record = dataclasses.replace(record, runtime_per_image_s=0.5, device="cpu")
    save_record(folder, record)
    score_folder(folder, highrev / "val" / "sharp", record, "published_kit", progress=False)
    return folder


def test_packing_writes_the_row_and_the_server_says_the_rest(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit.main([str(run)], run.parents[2]) == 0
    (row,) = read_ledger(tmp_path / "submissions" / "ledger.csv")
    assert (row.run, row.challenge, row.split, row.phase) == (
        "mine",
        "tiny",
        "val",
        "development phase",
    )
    assert row.zip == str(run.with_name("mine.zip"))
    assert row.local_psnr is not None and row.local_ssim is not None
    assert list(row.local) == ["published_kit", "ntire_y", "standard"]
    y_psnr, y_ssim = row.local["ntire_y"]
    figures = ["--psnr", f"{y_psnr:.2f}", "--ssim", f"{y_ssim:.4f}", "--notes", "as [Y]"]
    assert ledger_verb.main([str(run), *figures], run.parents[2]) == 0
    assert "the server reports ntire_y" in capsys.readouterr().out
    assert ledger_verb.main([], run.parents[2]) == 0
    assert "[Y]" in capsys.readouterr().out
    assert (
        ledger_verb.main(
            [str(run), "--psnr", f"{row.local_psnr + 2:.6f}", "--ssim", "1"], run.parents[2]
        )
        == 0
    )
    assert "agrees with no profile (nearest: " in capsys.readouterr().out
    assert ledger_verb.main([], run.parents[2]) == 0
    assert "+2.0000" in capsys.readouterr().out
    assert submit.main([str(run)], run.parents[2]) == 0
    assert len(read_ledger(tmp_path / "submissions" / "ledger.csv")) == 1


def test_a_score_of_other_images_is_not_written_down(run: Path, tmp_path: Path) -> None:
    path = next(run.glob("*.png"))
    write_png(path, 255 - read_png(path))
    assert submit.main([str(run)], run.parents[2]) == 0
    (row,) = read_ledger(tmp_path / "submissions" / "ledger.csv")
    assert (row.local_psnr, row.profile) == (None, "")


def test_a_run_elsewhere_is_in_the_kits_own_ledger(run: Path, tmp_path: Path) -> None:
    assert ledger_path(run, SUBMISSIONS) == tmp_path / "submissions" / "ledger.csv"
    assert ledger_path(tmp_path / "mine", SUBMISSIONS) == SUBMISSIONS / "ledger.csv"


def test_the_command_line_without_a_ledger(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ledger_verb.main([], run.parents[2]) == 0
    assert "nothing was packed yet" in capsys.readouterr().out
    assert ledger_verb.main(["mine", "--psnr", "30"], run.parents[2]) == 1
    assert ledger_verb.main(["--psnr", "30"], run.parents[2]) == 1
    assert ledger_verb.main(["--notes", "x"], run.parents[2]) == 1
    assert "Name the run" in capsys.readouterr().err
