"""run.sh passes each verb on to the right program, in the right Python, from any folder.

A copy of the kit in a folder with spaces in its name; its Python is a script that tells how it was
called. Nothing is installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from challenge import REPOSITORY

LAUNCHER = "{kit}/challenge/environment/run_module.py"
PYTHON = """#!/usr/bin/env bash
case "$1 ${{2:-}}" in
  *bootstrap.py\\ --python) exit {fits} ;;
  *bootstrap.py*) exit {holds} ;;
  *make_environment.py*) {make} ;;
  -c*) exec "{real}" "$@" ;;
esac
echo "folder=$PWD"
echo "path=${{PYTHONPATH:-}}"
printf '[%s]' "$@"
echo
"""


def write_python(path: Path, holds: bool, fits: bool = True, make: str = "exit 9") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = PYTHON.format(holds=int(not holds), fits=int(not fits), make=make, real=sys.executable)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    kit = tmp_path / "my kit"
    (kit / "challenge" / "environment").mkdir(parents=True)
    for name in ("run.sh", "pyproject.toml", "challenge/environment/bootstrap.py"):
        shutil.copy(REPOSITORY / name, kit / name)
    write_python(tmp_path / "active env" / "bin" / "python", holds=True)
    write_python(tmp_path / "bin" / "python3", holds=False)
    write_python(tmp_path / "bin" / "python", holds=False)
    return kit


def call(kit: Path, *arguments: str, active: bool = True) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{kit.parent / 'bin'}:{os.defpath}", "HOME": str(kit.parent)}
    if active:
        environment["VIRTUAL_ENV"] = str(kit.parent / "active env")
    command = ["bash", os.path.relpath(kit / "run.sh", kit.parent), *arguments]
    return subprocess.run(command, cwd=kit.parent, env=environment, capture_output=True, text=True)


def arguments_of(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].strip("[]").split("][")


@pytest.mark.parametrize(
    "verb, program",
    [
        ("data", [LAUNCHER, "challenge.commands.data"]),
        ("download", [LAUNCHER, "challenge.commands.download"]),
        ("prepare", [LAUNCHER, "baselines.efnet.prepare"]),
        ("train", [LAUNCHER, "baselines.efnet.train"]),
        ("runs", [LAUNCHER, "baselines.efnet.runs"]),
        ("predict", [LAUNCHER, "baselines.predict"]),
        ("fuse", [LAUNCHER, "challenge.commands.fuse"]),
        ("export", [LAUNCHER, "baselines.efnet.export"]),
        ("profile", [LAUNCHER, "baselines.profiling"]),
        ("score", [LAUNCHER, "baselines.references"]),
        ("weights", [LAUNCHER, "challenge.commands.weights"]),
        ("leaderboard", [LAUNCHER, "leaderboard"]),
        ("submit", [LAUNCHER, "challenge.commands.submit"]),
    ],
)
def test_a_verb_passes_its_arguments_on_from_the_callers_folder(
    kit: Path, verb: str, program: list[str]
) -> None:
    done = call(kit, verb, "some/relative path.yml", "data.root=a b")
    expected = [part.format(kit=kit) for part in program]
    assert arguments_of(done) == [*expected, "some/relative path.yml", "data.root=a b"]
    assert f"folder={kit.parent}" in done.stdout
    assert f"path={kit}\n" in done.stdout


def test_the_doctor_looks_at_the_environment_or_at_a_data_set(kit: Path) -> None:
    assert arguments_of(call(kit, "doctor"))[0].endswith("/challenge/environment/doctor.py")
    of_data = arguments_of(call(kit, "doctor", "a b", "--all"))
    assert of_data == [LAUNCHER.format(kit=kit), "challenge.commands.doctor", "a b", "--all"]
    write_python(kit.parent / "bin" / "python3", holds=False)
    bare = arguments_of(call(kit, "doctor", active=False))  # no packages anywhere: still runs
    assert bare[0].endswith("/challenge/environment/doctor.py")


def test_leaderboard_scores_first_but_not_for_its_help(kit: Path) -> None:
    python = kit.parent / "active env" / "bin" / "python"
    called = 'echo "$2" >> called\n'
    python.write_text(python.read_text().replace('echo "folder=$PWD"\n', called))
    called_file = kit.parent / "called"
    assert call(kit, "leaderboard").returncode == 0
    assert called_file.read_text().split() == ["baselines.references", "leaderboard"]
    called_file.unlink()
    assert call(kit, "leaderboard", "--help").returncode == 0
    assert called_file.read_text().split() == ["leaderboard"]


def test_the_suite_runs_whole_or_the_part_that_is_named(kit: Path) -> None:
    (kit / "tests").mkdir()
    (kit.parent / "test_x.py").touch()
    whole = arguments_of(call(kit, "test", "-k", "bin"))  # a folder, but the value of -k
    assert whole[-5:] == ["-m", "not slow", f"{kit}/tests", "-k", "bin"]
    assert arguments_of(call(kit, "test", "--all", "-x"))[-4:] == ["-m", "", f"{kit}/tests", "-x"]
    part = arguments_of(call(kit, "test", "test_x.py::test_y", "-x"))
    assert part[-4:] == ["-m", "not slow", "test_x.py::test_y", "-x"]
    assert "-n" in part and int(part[part.index("-n") + 1]) >= 1


@pytest.mark.parametrize("arguments", [(), ("help",), ("-h",), ("--help",)])
def test_help_lists_the_verbs_in_the_order_of_the_journey(
    kit: Path, arguments: tuple[str, ...]
) -> None:
    done = call(kit, *arguments, active=False)
    order = ["setup", "data", "download", "convert", "prepare", "import", "train", "runs"]
    order += ["predict", "fuse", "export", "profile"]
    order += ["score", "weights", "leaderboard", "show", "submit", "check", "ledger", "rehearse"]
    order += ["bundle", "test", "lint", "doctor"]
    lines = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")]
    assert (done.returncode, lines) == (0, order)


@pytest.mark.parametrize("typed, meant", [("trian", "train"), ("sumbit", "submit")])
def test_an_unknown_verb_is_refused_with_the_nearest_one(kit: Path, typed: str, meant: str) -> None:
    done = call(kit, typed, active=False)
    assert done.returncode == 2
    assert f"no verb called {typed}; did you mean {meant}?" in done.stderr


def test_the_first_call_makes_the_environment_and_then_goes_on(kit: Path) -> None:
    finished = write_python(kit.parent / "finished", holds=True)
    venv = kit / ".venv" / "bin"
    make = f'mkdir -p "{venv}" && cp "{finished}" "{venv}/python"; exit'
    write_python(kit.parent / "bin" / "python3", holds=False, make=make)
    assert arguments_of(call(kit, "train", "a b", active=False))[-2:] == [
        "baselines.efnet.train",
        "a b",
    ]
    write_python(kit.parent / "bin" / "python3", holds=False, make="exit 9")  # not called again
    assert arguments_of(call(kit, "predict", active=False))[-1] == "baselines.predict"


def test_a_failed_setup_ends_the_verb_with_its_exit_code(kit: Path) -> None:
    (kit / ".venv" / "bin").mkdir(parents=True)
    write_python(kit / ".venv" / "bin" / "python", holds=False)  # half made
    done = call(kit, "train", active=False)
    assert (done.returncode, done.stdout) == (9, "")


def test_no_python_that_fits_is_one_clear_error(kit: Path) -> None:
    for name in ("python3", "python"):
        write_python(kit.parent / "bin" / name, holds=False, fits=False)
    for name in ("python3.10", "python3.11", "python3.12", "python3.13"):
        write_python(kit.parent / "bin" / name, holds=False, fits=False)
    fake_uv = kit.parent / "bin" / "uv"
    fake_uv.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    fake_uv.chmod(0o755)
    done = call(kit, "train", active=False)
    assert done.returncode == 1
    assert "no Python on the path fits >=3." in done.stderr


def test_setup_leaves_an_environment_alone_that_holds_everything(kit: Path) -> None:
    assert "nothing to do" in call(kit, "setup").stdout
    assert call(kit, "setup", active=False).returncode == 9  # the fake's make_environment


@pytest.mark.parametrize("safe", ["", "1"])
def test_nothing_in_the_callers_folder_takes_the_kits_place(tmp_path: Path, safe: str) -> None:
    """Python 3.10 knows no PYTHONSAFEPATH; the control shows what `python -m` does there."""
    for name in ("challenge/__init__.py", "random.py", "challenge/commands/__init__.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("raise SystemExit('the wrong one')\n")
    launcher = str(REPOSITORY / "challenge" / "environment" / "run_module.py")
    module = ["challenge.commands.ledger", "--help"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONSAFEPATH": safe}

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, *command]
        return subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True)

    done = run(launcher, *module)
    assert (done.returncode, "Usage: bash run.sh ledger" in done.stdout) == (0, True), done.stderr
    if not safe:
        assert "the wrong one" in run("-m", *module).stderr
