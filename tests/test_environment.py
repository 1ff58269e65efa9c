"""Versions live in pyproject.toml alone, and its readers read the same in it."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from challenge import REPOSITORY
from challenge.environment import bootstrap

PYPROJECT = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
CONDA = yaml.safe_load((REPOSITORY / "environment.yml").read_text(encoding="utf-8"))
TEXT = {".py", ".sh", ".yml", ".yaml", ".md", ".txt", ".toml", ".cfg", ""}
NOT_OURS = {"build", "data", "runs", "submissions", "shared", "tests"}


def version_after_a_name() -> re.Pattern[str]:
    names = "|".join(re.escape(name) for name, _ in bootstrap.requirements("dev"))
    return re.compile(rf"(?<![\w-])({names})(\[\w+\])? ?[=~<>]=? ?\d", re.IGNORECASE)


def our_files() -> list[Path]:
    """Text files of the repository, without what is installed or made, and without the tests."""
    inside = [REPOSITORY / ".ci"]
    inside += [path for path in REPOSITORY.glob("[!.]*") if path.name not in NOT_OURS]
    inside = [path for path in inside if path.suffix != ".egg-info"]
    files = [path for path in inside if path.is_file()]
    for folder in (path for path in inside if path.is_dir()):
        files += [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if path.suffix in TEXT and "__pycache__" not in path.parts]


def test_no_other_file_gives_a_version_of_a_dependency() -> None:
    pattern = version_after_a_name()
    places = {
        path.relative_to(REPOSITORY).as_posix()
        for path in our_files()
        if pattern.search(path.read_text(encoding="utf-8", errors="ignore"))
    }
    assert places == {"pyproject.toml"}  # which also shows that the pattern finds some


@pytest.mark.parametrize("host", ["pypi" + ".org", "download." + "pytorch", "python" + "hosted"])
def test_no_file_names_the_host_of_a_registry(host: str) -> None:
    texts = {path: path.read_text(encoding="utf-8", errors="ignore") for path in our_files()}
    assert [path for path, text in texts.items() if host in text] == []


def test_conda_takes_everything_but_python_from_pyproject() -> None:
    assert CONDA["name"] == bootstrap.setting("name")
    *conda, by_pip = CONDA["dependencies"]
    assert conda == ["python" + bootstrap.setting("requires-python"), "pip"]
    assert by_pip == {"pip": ["-e .[dev,events,fast,export,video]"]}


def test_bootstrap_reads_pyproject_as_a_toml_reader_does() -> None:
    tomllib = pytest.importorskip("tomllib")
    table = tomllib.loads(PYPROJECT)
    extras = table["project"]["optional-dependencies"]
    expected = table["project"]["dependencies"] + extras["dev"] + extras["events"]
    found = bootstrap.requirements("dev", "events")
    assert [f"{name}>={lowest}" for name, lowest in found] == expected
    assert table["tool"]["kit"] == {key: bootstrap.setting(key) for key in table["tool"]["kit"]}
    assert bootstrap.setting("requires-python") == table["project"]["requires-python"]


def test_the_pinned_torchvision_is_built_for_the_pinned_torch() -> None:
    if metadata.version("torchvision").partition("+")[0] != bootstrap.setting("torchvision"):
        pytest.skip("another torchvision is installed here")
    wants = [line.replace(" ", "") for line in metadata.requires("torchvision") or []]
    wants = [line.replace("(", "").replace(")", "") for line in wants]
    assert f"torch=={bootstrap.setting('torch')}" in wants


def test_what_runs_before_the_installation_needs_the_standard_library_only() -> None:
    modules = ["bootstrap", "doctor", "installer", "make_environment", "torchvision_shim"]
    code = f"import {', '.join(f'challenge.environment.{name}' for name in modules)}"
    bare = [sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); "]
    subprocess.run([*bare[:-1], bare[-1] + code], check=True)
    control = subprocess.run([*bare[:-1], bare[-1] + "import yaml"], capture_output=True)
    assert control.returncode != 0
