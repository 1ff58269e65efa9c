"""A Python with nothing but numpy and Pillow, as the platforms' image has it. No download."""

from __future__ import annotations

import importlib.util
import sys
import venv
from pathlib import Path

from challenge.errors import ConfigError

PACKAGES = ("numpy", "PIL")
LIBRARIES = {"numpy": "numpy.libs", "PIL": "pillow.libs"}
"""Folders of shared libraries that the packages' wheels put beside them."""


def scoring_python(lpips: bool, folder: Path) -> Path:
    """Return a Python with what the scoring program may import: `make_isolated_python`.

    With `lpips`, the running one: torch and what it needs are too much to be linked.
    """
    return Path(sys.executable) if lpips else make_isolated_python(folder)


def make_isolated_python(folder: Path) -> Path:
    """Make an environment in `folder` that can import numpy and Pillow; return its Python.

    The packages are links to those of the running environment, so the figures are the same.

    Raises:
        ConfigError: one of them is not installed here.
    """
    sources = {name: _package(name) for name in PACKAGES}
    venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
    site = next(folder.glob("lib/python*/site-packages"), folder / "Lib" / "site-packages")
    for name, source in sources.items():
        (site / name).symlink_to(source, target_is_directory=True)
        libraries = source.parent / LIBRARIES[name]
        if libraries.is_dir():
            (site / libraries.name).symlink_to(libraries, target_is_directory=True)
    scripts = folder / "bin" / "python"
    return scripts if scripts.exists() else folder / "Scripts" / "python.exe"


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ConfigError(f"{name} is not installed here; `bash run.sh setup` installs it")
    return Path(spec.origin).resolve().parent
