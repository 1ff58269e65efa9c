"""A disk that is full or read-only is told in one sentence, and leaves nothing half made."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from baselines import predict, references
from challenge import cli
from challenge.commands import bundle, ledger, score, submit
from challenge.errors import FIXES
from challenge.files import replace_folder, write_text
from challenge.runs import RunRecord, save_record
from leaderboard import __main__ as leaderboard
from leaderboard import show

RULES = """
name: tiny
hosting:
  title: Tiny
  phases: [{split: val, name: Development, start: "2027-01-15 00:00:00"}]
"""


@pytest.fixture
def run(highrev: Path, tmp_path: Path) -> Path:
    """The blurry frames of val as a run of its own, scored and packed."""
    folder = tmp_path / "submissions" / "tiny" / "val" / "mine"
    folder.mkdir(parents=True)
    for path in (highrev / "val" / "blur").glob("*.png"):
        (folder / path.name).write_bytes(path.read_bytes())
    place = {"data_root": str(highrev), "split": "val", "created": "2026-01-01"}
    record = RunRecord("mine", rules="own", runtime_per_image_s=0.5, device="cpu", **place)
    save_record(folder, record)
    assert score.main([str(folder)], folder.parents[2]) == 0
    assert submit.main([str(folder)], folder.parents[2]) == 0
    (tmp_path / "tiny.yml").write_text(RULES, encoding="utf-8")
    return folder


def verbs(run: Path) -> dict[str, Callable[[], int]]:
    submissions, root = run.parents[2], run.parents[3]
    data, out = str(root / "HighREV"), str(root / "bundles")
    edi = ["--baseline", "edi", "--data", data, "--split", "val", "--name"]
    return {
        "submit": lambda: submit.main([str(run)], submissions),
        "score": lambda: score.main([str(run), "--workers", "1"], submissions),
        "leaderboard": lambda: leaderboard.main([str(submissions)]),
        "show": lambda: show.main(["--folder", str(run)], submissions),
        "ledger": lambda: ledger.main(["mine", "--psnr", "20"], submissions),
        "predict": lambda: predict.main([*edi, "two"], submissions),
        "bundle": lambda: bundle.main([str(root / "tiny.yml"), "--data", data, "--out", out]),
    }


def refuse(number: int) -> Callable[..., None]:
    def refused(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return refused


def files(root: Path) -> dict[Path, bytes]:
    return {
        path: path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and ".cache" not in path.parts
    }


VERBS = ["submit", "score", "leaderboard", "show", "ledger", "predict", "bundle"]


@pytest.mark.parametrize(
    "verb, number", [*((verb, errno.ENOSPC) for verb in VERBS), ("score", errno.EROFS)]
)
def test_each_verb_says_it_in_one_sentence(
    run: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    verb: str,
    number: int,
) -> None:
    before = files(run.parents[3])
    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse(number))  # where a full disk shows at the latest
        assert verbs(run)[verb]() == 1
    said = capsys.readouterr()
    (error,) = [line for line in said.err.splitlines() if line.startswith("error: ")]
    assert f"{os.strerror(number).lower()}; {FIXES[number]}" in error
    assert ".tmp" not in error and str(run.parents[3]) in error
    assert "Traceback" not in said.err
    assert files(run.parents[3]) == before
    assert "mean" in said.out or verb != "score"  # the table all the same
    assert verbs(run)[verb]() == 0  # with room, all is well


def test_a_reference_row_that_cannot_be_written_is_a_warning(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    monkeypatch.setattr(os, "fsync", refuse(errno.EROFS))
    assert references.main([str(run), "--references"], run.parents[2]) == 1
    said = capsys.readouterr()
    assert "mean" in said.out and "scored, but not kept" in said.err
    assert "warning: reference edi not scored: " in said.err
    assert said.err.count("error: ") == 1  # of the run itself


def test_every_run_is_shown_when_none_can_be_kept(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "scores.json").unlink()
    capsys.readouterr()
    monkeypatch.setattr(os, "fsync", refuse(errno.ENOSPC))
    assert score.main(["--all"], run.parents[2]) == 1
    said = capsys.readouterr()
    assert "mean" in said.out and "wrote" not in said.out
    assert "scored, but not kept" in said.err


@pytest.mark.parametrize("number", sorted(FIXES))
def test_what_a_user_can_mend_is_a_sentence(
    number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def command() -> None:
        raise OSError(number, "whatever", "some/file")

    assert cli.run(command, []) == 1
    assert capsys.readouterr().err.startswith(f"error: some/file: {os.strerror(number).lower()}; ")


@pytest.mark.parametrize("error", [OSError(errno.ENOENT, "x", "y"), OSError("words alone")])
def test_a_fault_of_ours_stays_a_traceback(error: OSError) -> None:
    def command() -> None:
        raise error

    with pytest.raises(OSError):
        cli.run(command, [])


def test_the_file_to_be_is_named_and_not_the_temporary_one(tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught, replace_folder(tmp_path / "run") as folder:
        raise OSError(errno.ENOSPC, "full", str(folder / "a.png"))
    assert caught.value.filename == str(tmp_path / "run" / "a.png")
    with pytest.raises(OSError) as caught, replace_folder(tmp_path / "run"):
        raise OSError(errno.ENOSPC, "full", "/another/file")
    assert caught.value.filename == "/another/file"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_is_really_full_gives_its_name(tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught, replace_folder(tmp_path / "run") as folder:
        (folder / "a").symlink_to("/dev/full")
        with open(folder / "a", "w", encoding="ascii") as file:
            file.write("x")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path / "run"))


def test_a_file_in_the_way_of_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert cli.run(lambda: write_text(tmp_path / "file" / "a.txt", "x"), []) == 1
    assert "move what is in the way" in capsys.readouterr().err
