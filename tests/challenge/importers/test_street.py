"""The real benchmark with truth: its figures, its limits in every table, where it comes from."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from baselines import predict
from challenge.commands.data import main
from challenge.commands.score import main as score
from challenge.datasets import open_split
from challenge.environment.installer import Installer
from challenge.errors import DataError
from challenge.importers import Frame, street, street_source
from challenge.metrics.psnr import psnr
from challenge.rules import load_rules
from challenge.runs import RunRecord
from challenge.submission.candidate import limits_of, rules_of
from leaderboard.__main__ import main as leaderboard

LIMITS = "a regression test with truth, no ranking"


@pytest.fixture(scope="module")
def made(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("aedat")
    root = tmp_path_factory.mktemp("data") / "davis346_street"
    recording = recordings / "davis346_street" / "street.aedat4"
    assert main([str(recording), "--real", "--out", str(root)]) == 0
    return root


def test_eight_windows_of_seven_frames(made: Path) -> None:
    dataset = open_split(made, "val")
    assert dataset.frames == [f"street_{middle:05d}" for middle in (3, 10, 17, 24, 31, 38, 45, 52)]
    for frame in dataset.frames:
        sample = dataset.read_inputs(frame)
        assert sample.events is not None and sample.blurry.shape == (260, 346, 3)
        assert 5_000 < len(sample.events) < 20_000
        assert np.ptp(sample.events.t) < 280_000


def test_the_blurry_frames_score_what_they_did(made: Path) -> None:
    dataset = open_split(made, "val")
    values = [psnr(dataset.read_blurry(f), dataset.read_sharp(f)) for f in dataset.frames]
    assert np.mean(values) == pytest.approx(33.72, abs=0.1)


def test_edi_and_the_tables_with_their_limits(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`predict` by the data's own rules, then `score` and `leaderboard`, each with the limits."""
    arguments = ["--data", str(made), "--baseline", "edi"]
    assert predict.main(arguments, submissions=tmp_path, runs=tmp_path / "runs") == 0
    run = tmp_path / "davis346_street" / "val" / "edi"
    assert json.loads((run / "run.json").read_text())["rules"] == "davis346_street"
    capsys.readouterr()
    assert score([str(run), "--lpips", "none"], submissions=tmp_path) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert LIMITS in printed and "standard *" in printed
    scores = json.loads((run / "scores.json").read_text())
    assert scores["means"]["standard"]["psnr"] == pytest.approx(37.01, abs=0.1)
    assert leaderboard([str(tmp_path)]) == 0
    assert LIMITS in " ".join(capsys.readouterr().out.split())
    assert LIMITS in (tmp_path / "leaderboard.md").read_text()


def test_a_second_call_does_nothing_and_another_recording_is_refused(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--real", "--out", str(made)]) == 0
    assert "nothing to do" in capsys.readouterr().out
    (tmp_path / "mine.aedat4").write_bytes(b"#!AER-DAT4.0\r\n")
    assert main([str(tmp_path / "mine.aedat4"), "--real", "--out", str(tmp_path / "s")]) == 1
    printed = capsys.readouterr().err
    assert "is not the recording of this data set" in printed and "run.sh import" in printed
    assert not (tmp_path / "s").exists()


def test_data_name_their_rules_and_the_rules_their_limits(tmp_path: Path) -> None:
    assert LIMITS in load_rules("davis346_street").limits and not load_rules("mini").limits
    root = tmp_path / "copied"
    root.mkdir()
    (root / "dataset.json").write_text(json.dumps({"rules": "davis346_street"}))
    for rules in (None, "own"):
        assert rules_of(None, RunRecord("x", data_root=str(root), rules=rules)).limits
    assert rules_of(None, RunRecord("x", data_root=str(root), rules="mini")).name == "mini"
    assert limits_of(RunRecord("x", rules="/not/here.yml")) == ""
    (root / "dataset.json").write_text("[]")
    assert limits_of(RunRecord("x", data_root=str(root))) == ""


def archive_of(path: Path, name: str, content: bytes) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return path


def test_the_recording_comes_out_of_the_archive(tmp_path: Path) -> None:
    archive = archive_of(tmp_path / "a.tar.gz", street_source.MEMBER, b"the recording")
    with street_source.recording(archive) as path:
        assert path.read_bytes() == b"the recording"
    assert not path.exists()


@pytest.mark.parametrize("content", [None, b"no archive", b""])
def test_another_archive_is_refused(tmp_path: Path, content: bytes | None) -> None:
    archive = archive_of(tmp_path / "a.tar.gz", "aedat-2.3.0/setup.py", b"x")
    if content is not None:
        archive.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.tar\.gz"), street_source.recording(archive):
        raise AssertionError("nothing to be had")


def pip_that(code: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let `python -m pip` be a module of these lines."""
    (tmp_path / "fake").mkdir()
    (tmp_path / "fake" / "pip.py").write_text(code)

    def with_pip(folder: Path) -> dict[str, str]:
        return {"PYTHONPATH": str(tmp_path / "fake")}

    monkeypatch.setattr(street_source, "with_pip", with_pip)


def test_the_download_is_pinned_and_runs_nothing_of_the_archive(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pip_that("import sys; sys.exit(' '.join(sys.argv))", monkeypatch, tmp_path)
    with pytest.raises(DataError) as raised:
        street_source.download(tmp_path)
    said = str(raised.value)
    for option in ("--require-hashes", "--no-deps", "--no-build-isolation", "--no-binary aedat"):
        assert option in said
    requirement = (tmp_path / "requirement.txt").read_text()
    assert f"--hash=sha256:{street_source.ARCHIVE_SHA256}" in requirement
    assert "by hand: on a machine with network" in said
    scope: dict[str, object] = {}
    exec((tmp_path / "maturin.py").read_text(), scope)
    folder = scope["prepare_metadata_for_build_wheel"](str(tmp_path))  # type: ignore[operator]
    assert "Name: aedat" in (tmp_path / folder / "METADATA").read_text()


def test_a_machine_without_network_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real pip, and an index that nobody serves."""
    pytest.importorskip("pip")
    variables = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_EXTRA_INDEX_URL": ""}
    for name, value in {**variables, "PIP_NO_INDEX": "", "PIP_FIND_LINKS": ""}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    assert main(["--real", "--out", str(tmp_path / "s")]) == 1
    printed = capsys.readouterr().err
    assert "aedat==2.3.0 cannot be downloaded" in printed
    assert "bash run.sh data --real aedat-2.3.0.tar.gz" in printed
    assert not (tmp_path / "s").exists()


def test_where_there_is_no_pip_one_is_fetched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code = "import sys; open(sys.argv[1], 'w').write(' '.join(sys.argv[2:]))"
    stand_in = Installer((sys.executable, "-c", code, str(tmp_path / "seen")), is_uv=True)
    monkeypatch.setattr(street_source, "own_installer", lambda: stand_in)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert street_source.with_pip(tmp_path)["PYTHONPATH"] == str(tmp_path)
    assert (tmp_path / "seen").read_text() == f"--target {tmp_path} pip"


def test_the_mean_is_rounded() -> None:

    frames = [
        Frame(np.full((1, 1, 3), value, np.uint8), 0) for value in (0, 0, 1, 255, 255, 255, 0)
    ]
    assert street.mean(frames)[0, 0, 0] == round(766 / 7)
