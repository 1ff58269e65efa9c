"""Which torch is installed from where, and what becomes of a `.venv` that was never finished."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from challenge.environment import bootstrap, installer, make_environment
from challenge.environment.installer import Installer, SetupError

PAIR = ["torch==1", "torchvision==2"]
WHEEL = ["--no-deps", "torch==1+cpu"]


@pytest.mark.parametrize(
    "wish, before, gpu, build",
    [
        (None, None, None, "cpu"),
        (None, None, "GPU 0: H100", "cuda"),
        ("auto", "cuda", None, "cpu"),
        (None, "cuda", None, "cuda"),  # made for a cluster on its login node: stays
        ("cu128", "cpu", None, "cu128"),
    ],
)
def test_the_build_of_torch(
    wish: str | None, before: str | None, gpu: str | None, build: str
) -> None:
    assert make_environment.choose_build(wish, before, gpu)[0] == build


@pytest.mark.parametrize(
    "build, uv, linux, gpu, expected",
    [
        ("cpu", True, True, False, [["--no-index", *WHEEL], ["--torch-backend=cpu", *PAIR]]),
        ("cpu", False, True, False, [WHEEL]),  # never the registry's build: that is CUDA
        ("cpu", True, False, False, [PAIR]),
        ("cuda", True, True, True, [["--torch-backend=auto", *PAIR], PAIR]),
        ("cuda", True, True, False, [PAIR]),
        ("cuda", False, True, True, [PAIR]),
        ("cu128", True, True, True, [["--torch-backend=cu128", *PAIR]]),
    ],
)
def test_where_torch_comes_from(
    build: str, uv: bool, linux: bool, gpu: bool, expected: list[list[str]]
) -> None:
    attempts = make_environment.torch_attempts(build, uv, linux, gpu, "1", "2")
    assert [arguments for _, arguments in attempts] == expected


def test_pip_alone_does_not_know_a_backend() -> None:
    with pytest.raises(SetupError, match="KIT_TORCH=cu128 needs uv"):
        make_environment.torch_attempts("cu128", False, True, True, "1", "2")


def recording_installer(tmp_path: Path) -> Installer:
    """Stands in for pip: notes its arguments, and what the constraints said."""
    code = (
        "import sys, pathlib; a = sys.argv[2:]; open(sys.argv[1], 'a').write("
        "repr(a) + pathlib.Path(a[a.index('-c') + 1]).read_text())"
    )
    return Installer((sys.executable, "-c", code, str(tmp_path / "seen")), is_uv=False)


@pytest.mark.parametrize("local", ["+cpu", ""])
def test_the_later_steps_cannot_replace_torch(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, local: str
) -> None:
    torch = bootstrap.setting("torch") + local
    monkeypatch.setattr(make_environment, "installed_version", lambda python, name: torch)
    make_environment.install_kit(recording_installer(tmp_path), "python")
    seen = (tmp_path / "seen").read_text(encoding="utf-8")
    assert f"torch=={torch}\ntorchvision=={bootstrap.setting('torchvision')}\n" in seen
    assert all(f"'-e', '.[{extra}]'" in seen for extra in ("dev", *bootstrap.EXTRAS))


def test_beside_another_torch_the_resolver_finds_the_torchvision(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(make_environment, "installed_version", lambda python, name: "2.11.0+cu130")
    make_environment.install_kit(recording_installer(tmp_path), "python")
    seen = (tmp_path / "seen").read_text(encoding="utf-8")
    assert "torch==2.11.0+cu130\n" in seen
    assert "torchvision" not in seen


def test_uv_is_told_what_pip_knows_unless_it_was_told_itself() -> None:
    pip = {"find-links": "/wheels\n/more", "index-url": "mirror", "cert": "/a b.pem"}
    told = installer.uv_environment({"UV_DEFAULT_INDEX": "mine", "HOME": "/home"}, pip)
    assert told == {
        "UV_FIND_LINKS": "/wheels,/more",
        "UV_DEFAULT_INDEX": "mine",
        "SSL_CERT_FILE": "/a b.pem",
        "HOME": "/home",
    }


@pytest.mark.parametrize("in_file", [True, False])
def test_pips_folder_of_wheels_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, in_file: bool
) -> None:
    (tmp_path / "pip.conf").write_text("[global]\nfind-links = /from/file\n", encoding="utf-8")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    if not in_file:
        monkeypatch.setenv("PIP_FIND_LINKS", "/from/variable")
    found = installer.read_pip_config.__wrapped__()
    assert found["find-links"] == ("/from/file" if in_file else "/from/variable")


@pytest.fixture
def venv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty `.venv` with a Python, known to bootstrap and make_environment."""
    venv = tmp_path / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").touch()
    for module in (bootstrap, make_environment):
        monkeypatch.setattr(module, "VENV", venv)
        monkeypatch.setattr(module, "STATE", venv / "kit.json")
    monkeypatch.setattr(make_environment, "VENV_PYTHON", venv / "bin" / "python")
    return venv


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize(
    "ready, torch, stays",
    [(True, "cpu", True), (True, "cuda", False), (False, "cpu", False), (None, "", True)],
)
def test_a_half_made_venv_is_made_anew(
    venv: Path, ready: bool | None, torch: str, stays: bool
) -> None:
    if ready is not None:  # None: made by hand, never removed
        state = {"ready": ready, "torch": torch, "pid": ended_process()}
        (venv / "kit.json").write_text(json.dumps(state), encoding="utf-8")
    make_environment.clear_away("cpu")
    assert venv.exists() is stays


def test_a_venv_in_the_making_is_left_to_its_maker(venv: Path) -> None:
    state = {"ready": False, "torch": "cpu", "pid": os.getppid()}
    (venv / "kit.json").write_text(json.dumps(state), encoding="utf-8")
    with pytest.raises(SetupError, match="is making"):
        make_environment.clear_away("cpu")
    assert venv.exists()


def test_the_state_is_read_back(venv: Path) -> None:
    make_environment.note_state("cpu", ready=False)
    state = bootstrap.venv_state()
    assert state is not None
    assert (state["ready"], state["pid"]) == (False, os.getpid())
    (venv / "kit.json").write_text("{cut o", encoding="utf-8")
    assert bootstrap.venv_state() == {}  # ours, and not finished


def test_an_unknown_installer_is_refused() -> None:
    with pytest.raises(SetupError, match="expected auto, uv or pip"):
        installer.find_uv("conda")
