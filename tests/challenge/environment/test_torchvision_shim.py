"""torchvision imports beside any torch, and a healthy one is left alone. Each in a fresh Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch

from challenge import REPOSITORY

HELP = "from challenge.environment.torchvision_shim import ensure_torchvision_imports as ensure; "


def python(code: str, folder: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    lines = f"import sys; sys.path[:0] = [{str(folder)!r}, {str(REPOSITORY)!r}]; {code}"
    return subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True)


def test_torchvision_lpips_and_timm_import() -> None:
    done = python(HELP + "print(ensure(), ensure()); import torchvision, lpips, timm")
    assert done.returncode == 0, done.stderr
    helped = {"True True\n": True, "False False\n": False}[done.stdout]
    alone = python("import torchvision")
    assert (alone.returncode != 0) is helped  # it helps where, and only where, it is needed


def test_a_healthy_torchvision_is_left_alone(tmp_path: Path) -> None:
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").touch()
    loadable = Path(torch.__file__).parent / "lib" / "libtorch_global_deps.so"
    (package / "_C.so").symlink_to(loadable)
    code = "print(ensure()); import torch; print(hasattr(torch.ops.torchvision, 'nms'))"
    assert python(HELP + code, tmp_path).stdout == "False\nFalse\n"
    (package / "_C.so").unlink()
    (package / "_C.so").write_bytes(b"not a library")
    assert python(HELP + code, tmp_path).stdout == "True\nTrue\n"
