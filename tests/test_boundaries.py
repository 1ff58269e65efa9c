"""Who may import whom: run.sh -> baselines, leaderboard -> challenge; torch only in baselines."""

from __future__ import annotations

import ast
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
KIT = {"challenge", "baselines", "leaderboard"}
FORBIDDEN = {
    "challenge": {"baselines", "leaderboard"},
    "leaderboard": {"baselines", "torch", "torchvision", "lpips", "timm"},
    "baselines": {"leaderboard"},
}
IMPORT_ALL = """
import importlib, importlib.util, pkgutil, sys
sys.path.insert(0, {root!r})
package = importlib.import_module({package!r})
names = [found.name for found in pkgutil.walk_packages(package.__path__, {package!r} + ".")]
for name in names:
    extra = name == "challenge.representations.compiled" and not importlib.util.find_spec("numba")
    if not name.endswith(".__main__") and not extra:
        importlib.import_module(name)
print(len(names), "torch" in sys.modules)
"""


def imports(source: str) -> Iterator[str]:
    """Every module that a source text imports, anywhere in it; also by a literal name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
        elif isinstance(node, ast.Call) and node.args:
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            first = node.args[0]
            if name in ("import_module", "__import__") and isinstance(first, ast.Constant):
                yield str(first.value)


def crossings(root: Path, package: str) -> list[str]:
    """`file imports module` for every import over a line that must not be crossed."""
    files = sorted((root / package).rglob("*.py"))
    assert files, f"{root / package} holds no Python file: nothing would be checked"
    return [
        f"{path.relative_to(root)} imports {module}"
        for path in files
        for module in imports(path.read_text(encoding="utf-8"))
        if module.split(".")[0] in FORBIDDEN[package]
    ]


def loads_torch(root: Path, package: str) -> bool:
    """Whether importing every module of a package, in a fresh Python, loads torch."""
    code = IMPORT_ALL.format(root=str(root), package=package)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert done.returncode == 0, done.stderr
    count, torch = done.stdout.split()
    assert int(count) > 0
    return torch == "True"


def shadowed(folder: Path) -> list[str]:
    """Names in a folder of scripts that hide a standard or an installed top-level module.

    `python challenge/x.py` puts that folder first on the path until its first lines have run.
    """
    known = set(sys.stdlib_module_names) | {found.name for found in pkgutil.iter_modules()}
    names = {path.stem if path.is_file() else path.name for path in folder.iterdir()}
    return sorted(name for name in names & known - KIT if not name.startswith("__"))


@pytest.mark.parametrize("package", sorted(FORBIDDEN))
def test_nobody_imports_over_a_line(package: str) -> None:
    assert crossings(ROOT, package) == []


@pytest.mark.parametrize("package", ["challenge", "leaderboard"])
def test_torch_is_not_loaded(package: str) -> None:
    assert not loads_torch(ROOT, package)


def test_no_script_folder_hides_a_module() -> None:
    assert shadowed(ROOT / "challenge") == []


# --- controls: each of these checks can fail ----------------------------------------------------


@pytest.mark.parametrize(
    ("package", "line", "module"),
    [
        ("challenge", "from baselines.efnet import model", "baselines.efnet"),
        ("challenge", "def f():\n    import leaderboard.table", "leaderboard.table"),
        ("leaderboard", "def f():\n    import torch", "torch"),
        ("leaderboard", "from torch.nn import Module", "torch.nn"),
        (
            "leaderboard",
            "import importlib\nimportlib.import_module('baselines.edi')",
            "baselines.edi",
        ),
        ("baselines", "import numpy, leaderboard", "leaderboard"),
    ],
)
def test_control_a_crossing_is_found(tmp_path: Path, package: str, line: str, module: str) -> None:
    deep = tmp_path / package / "deep"
    deep.mkdir(parents=True)
    (deep / "bad.py").write_text(f"from __future__ import annotations\n{line}\n")
    (tmp_path / package / "good.py").write_text("import numpy\nfrom challenge import errors\n")
    assert crossings(tmp_path, package) == [f"{package}/deep/bad.py imports {module}"]


def test_control_an_empty_package_does_not_pass(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="nothing would be checked"):
        crossings(tmp_path, "challenge")


def test_control_torch_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("")  # a stand-in: quick to import
    package = tmp_path / "inner"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "late.py").write_text("def f():\n    import torch\n")
    assert not loads_torch(tmp_path, "inner")
    (package / "bad.py").write_text("import torch\n")
    assert loads_torch(tmp_path, "inner")


@pytest.mark.parametrize("name", ["statistics.py", "packaging.py", "numpy"])
def test_control_a_hidden_module_is_noticed(tmp_path: Path, name: str) -> None:
    (tmp_path / "score_predictions.py").touch()
    (tmp_path / name).mkdir() if "." not in name else (tmp_path / name).touch()
    assert shadowed(tmp_path) == [name.removesuffix(".py")]
