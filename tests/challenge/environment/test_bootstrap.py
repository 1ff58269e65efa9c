"""A script goes on in `.venv` where its Python lacks packages. Real Pythons, nothing installed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from challenge import REPOSITORY
from challenge.environment import bootstrap

SCRIPT = """
if __name__ == "__main__":
    import pathlib
    import sys

    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])
    from challenge.environment import bootstrap

    bootstrap.ensure_packages()

import os
import sys

print(sys.prefix, sys.path[0], os.getcwd(), *sys.argv[1:], sep="|")
sys.exit(7)
"""
MODULE = SCRIPT.replace("    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])\n", "")


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    """A kit with one script, one module and no `.venv`; its path has a space in it."""
    kit = tmp_path / "my kit"
    for folder in ("challenge", "baselines"):
        (kit / folder).mkdir(parents=True)
        (kit / folder / "__init__.py").touch()
    shutil.copy(REPOSITORY / "pyproject.toml", kit)
    environment = kit / "challenge" / "environment"
    environment.mkdir()
    for name in ("__init__.py", "bootstrap.py"):
        shutil.copy(REPOSITORY / "challenge" / "environment" / name, environment)
    (kit / "challenge" / "hello.py").write_text(SCRIPT, encoding="utf-8")
    (kit / "baselines" / "hello.py").write_text(MODULE, encoding="utf-8")
    return kit


def make_venv(folder: Path, holds: bool) -> str:
    """A bare environment; `holds`: with the names and versions of the kit's packages on record."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    site = next(folder.glob("lib/python*/site-packages"))
    for name, lowest in bootstrap.requirements("dev", "events") if holds else []:
        record(site, name, lowest)
    return str(folder / "bin" / "python")


def record(site: Path, name: str, version: str) -> None:
    folder = site / f"{name.replace('-', '_')}-0.dist-info"
    folder.mkdir(exist_ok=True)
    (folder / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n", encoding="utf-8")


def start(python: str, kit: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [python, *arguments]
    return subprocess.run(command, cwd=kit, capture_output=True, text=True, timeout=30, env={})


def test_a_python_without_the_packages_says_how_to_get_them(kit: Path, tmp_path: Path) -> None:
    done = start(make_venv(tmp_path / "bare", holds=False), kit, "challenge/hello.py")
    assert (done.returncode, done.stdout) == (1, "")
    assert "lacks torch, torchvision, numpy" in done.stderr
    assert f'bash "{kit}/run.sh" setup' in done.stderr


@pytest.mark.parametrize("how", [("challenge/hello.py",), ("-m", "baselines.hello")])
def test_it_goes_on_in_the_venv_with_arguments_and_exit_code(
    kit: Path, tmp_path: Path, how: tuple[str, ...]
) -> None:
    bare = make_venv(tmp_path / "bare", holds=False)
    make_venv(kit / ".venv", holds=True)
    done = start(bare, kit, *how, "a b", "--c")
    assert done.stderr == ""
    assert done.stdout.strip().split("|") == [str(kit / ".venv"), str(kit), str(kit), "a b", "--c"]
    assert done.returncode == 7


def test_a_python_that_has_them_stays(kit: Path, tmp_path: Path) -> None:
    full = make_venv(tmp_path / "full", holds=True)
    make_venv(kit / ".venv", holds=True)
    done = start(full, kit, "challenge/hello.py")
    assert done.stdout.startswith(str(tmp_path / "full"))


def test_a_venv_that_lacks_them_too_ends_it(kit: Path, tmp_path: Path) -> None:
    bare = make_venv(tmp_path / "bare", holds=False)
    make_venv(kit / ".venv", holds=False)
    done = start(bare, kit, "challenge/hello.py")
    assert done.returncode == 1
    assert f"{kit}/.venv/bin/python) lacks torch" in done.stderr


def test_an_old_version_counts_as_lacking(kit: Path, tmp_path: Path) -> None:
    full = make_venv(tmp_path / "full", holds=True)
    assert start(full, kit, "challenge/environment/bootstrap.py", "dev").returncode == 0
    record(next((tmp_path / "full").glob("lib/python*/site-packages")), "numpy", "1.9.3")
    done = start(full, kit, "challenge/environment/bootstrap.py", "dev")
    assert (done.returncode, done.stdout.split(" ", 1)[1]) == (1, "lacks numpy\n")


@pytest.mark.parametrize(
    "state, code",
    [
        ({"ready": True, "needs": bootstrap.needs()}, 0),
        ({"ready": False, "needs": bootstrap.needs()}, 1),  # killed while it was being made
        ({"ready": True, "needs": bootstrap.needs()[1:]}, 1),  # made before pyproject.toml changed
        (None, 0),  # made by hand
    ],
)
def test_a_venv_counts_when_it_is_finished_and_up_to_date(
    kit: Path, state: dict[str, object] | None, code: int
) -> None:
    python = make_venv(kit / ".venv", holds=True)
    if state is not None:
        (kit / ".venv" / "kit.json").write_text(json.dumps(state), encoding="utf-8")
    assert start(python, kit, "challenge/environment/bootstrap.py", "dev").returncode == code


def test_the_version_of_python_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert bootstrap.python_fits()
    for version, fits in {(3, 9): False, (3, 10): True, (3, 13): True, (3, 14): False}.items():
        monkeypatch.setattr(sys, "version_info", version)
        assert bootstrap.python_fits() is fits
