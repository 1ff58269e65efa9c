"""The doctor's rows for what is broken, and its exit code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from challenge.environment import bootstrap, doctor
from challenge.environment.doctor import Finding


def fine() -> Finding:
    return Finding("this", "works")


def noted() -> Finding:
    return Finding("that", "is missing", "make it")


def check_that() -> Finding:
    raise OSError("libthat.so: not there")


@pytest.mark.parametrize(
    "checks, code", [((fine,), 0), ((fine, noted), 0), ((fine, check_that, noted), 1)]
)
def test_only_what_is_broken_makes_the_exit_code_one(
    checks: tuple[Callable[[], Finding], ...], code: int
) -> None:
    assert doctor.main([], checks) == code


def test_a_check_that_stumbles_becomes_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    doctor.main([], (fine, noted, check_that))
    assert capsys.readouterr().out.splitlines() == [
        "ok      this         works",
        "note    that         is missing; make it",
        "BROKEN  that         OSError: libthat.so: not there; bash run.sh setup",
    ]


def test_two_opencvs_overwrite_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not doctor.check_opencv().broken
    monkeypatch.setattr(doctor, "is_installed", lambda name: True)
    row = doctor.check_opencv()
    assert row.broken
    assert "pip uninstall opencv-python opencv-python-headless" in row.advice


def test_a_missing_libgl_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_libgl(name: str) -> None:
        raise ImportError("libGL.so.1: cannot open shared object file")

    monkeypatch.setattr(doctor.importlib, "import_module", no_libgl)
    row = doctor.check_opencv()
    assert row.broken
    assert "apt install libgl1" in row.advice


@pytest.mark.parametrize("ready, what", [(False, "half made"), (True, "outdated")])
def test_a_venv_that_is_not_finished(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ready: bool, what: str
) -> None:
    (tmp_path / "kit.json").write_text(f'{{"ready": {str(ready).lower()}}}', encoding="utf-8")
    monkeypatch.setattr(bootstrap, "VENV", tmp_path)
    monkeypatch.setattr(bootstrap, "STATE", tmp_path / "kit.json")
    assert not doctor.check_packages().broken  # that .venv is not the Python of this test
    monkeypatch.setattr(bootstrap.sys, "prefix", str(tmp_path))
    row = doctor.check_packages()
    assert row.broken and what in row.found


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "lacking", lambda *extras: ["numpy"] if not extras else [])
    assert doctor.check_packages() == Finding(
        "packages", "missing: numpy", "bash run.sh setup", broken=True
    )


@pytest.mark.parametrize("lacking, advice", [(["numba"], "setup"), ([], "")])
def test_slower_loops_are_a_note(
    monkeypatch: pytest.MonkeyPatch, lacking: list[str], advice: str
) -> None:
    monkeypatch.setattr(bootstrap, "lacking", lambda *extras: lacking)
    monkeypatch.setattr(doctor.metadata, "version", lambda name: "0.61.2")
    row = doctor.check_loops()
    assert advice in row.advice and bool(advice) == bool(row.advice) and not row.broken


def test_the_data_set_is_asked_for_until_it_is_there(tmp_path: Path) -> None:
    assert "bash run.sh data" in doctor.check_data(tmp_path).advice
    (tmp_path / "data" / "mini").mkdir(parents=True)
    assert doctor.check_data(tmp_path).advice == ""


def test_a_full_disk_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LEAST_FREE_GB", 1e9)
    assert "make room" in doctor.check_machine().advice
