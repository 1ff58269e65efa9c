"""`bash run.sh doctor`: what has to be right, one row each, and what to do where it is not."""

from __future__ import annotations

if __name__ == "__main__":
    import pathlib
    import sys

    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[2])

import importlib
import platform
import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from challenge.environment import bootstrap, torchvision_shim
from challenge.environment.cores import cores

LEAST_FREE_GB = 5.0


@dataclass(frozen=True)
class Finding:
    """One row: what was looked at, what was found, and what to do where that is not good enough."""

    subject: str
    found: str
    advice: str = ""  # empty: nothing to do
    broken: bool = False  # True: the kit does not work like this


def check_python() -> Finding:
    """Check the version against `requires-python`, and where it lives."""
    found = f"{platform.python_version()}, {sys.executable}"
    if bootstrap.python_fits():
        return Finding("Python", found)
    wanted = bootstrap.setting("requires-python")
    return Finding("Python", found, f"the kit needs {wanted}: install one, then setup", True)


def check_packages() -> Finding:
    """Check every dependency and developer tool of pyproject.toml, by name and lowest version."""
    state = bootstrap.venv_state()
    if not bootstrap.environment_is_finished():
        what = "outdated: pyproject.toml changed" if state and state.get("ready") else "half made"
        return Finding("packages", f".venv is {what}", "bash run.sh setup", True)
    if missing := bootstrap.lacking():
        return Finding("packages", f"missing: {', '.join(missing)}", "bash run.sh setup", True)
    if tools := bootstrap.lacking("dev"):
        return Finding("packages", f"no {', '.join(tools)}", "needed by the verbs test and lint")
    return Finding("packages", "all there")


def check_torch() -> Finding:
    """Check the build of torch, and the device it finds."""
    import torch

    cuda = torch.cuda.is_available()
    build = torch.version.cuda or torch.version.hip or "CPU"
    device = torch.cuda.get_device_name() if cuda else "CPU"
    found = f"{torch.__version__}, built for {build}, runs on {device}"
    if not cuda and shutil.which("nvidia-smi"):
        return Finding("torch", found, "a GPU is near: KIT_TORCH=cuda bash run.sh setup")
    return Finding("torch", found)


def check_torchvision() -> Finding:
    """Say whether it imports, and whether that takes the kit's help."""
    mended = torchvision_shim.ensure_torchvision_imports()
    version = importlib.import_module("torchvision").__version__
    helped = " (its operators declared by challenge.environment)" if mended else ""
    return Finding("torchvision", f"{version} imports{helped}")


def check_opencv() -> Finding:
    """Say whether it imports, and whether two distributions share its folder."""
    names = [name for name in ("opencv-python", "opencv-python-headless") if is_installed(name)]
    if len(names) > 1:
        advice = f"one overwrites the other: pip uninstall {' '.join(names)}; bash run.sh setup"
        return Finding("OpenCV", " and ".join(names), advice, True)
    try:
        return Finding("OpenCV", f"{importlib.import_module('cv2').__version__} imports")
    except ImportError as error:
        if "libGL" not in str(error):
            raise
        advice = "install libGL (Debian, Ubuntu: apt install libgl1), or swap opencv-python for"
        return Finding("OpenCV", str(error), f"{advice} opencv-python-headless", True)


def check_loops() -> Finding:
    """Say whether numba compiles the loops over events."""
    if bootstrap.lacking("fast"):
        found = "NumPy makes the grids of events: the same, in three to five times the time"
        return Finding("loops", found, "`bash run.sh setup` installs numba")
    return Finding("loops", f"compiled by numba {metadata.version('numba')}")


def check_data(root: Path = bootstrap.ROOT) -> Finding:
    """Say whether the embedded data set has been made."""
    folder = root / "data" / "mini"
    if folder.is_dir():
        return Finding("data", str(folder))
    return Finding("data", "data/mini is not there yet", "bash run.sh data makes it")


def check_machine() -> Finding:
    """Check cores this process may use, and the free disk under the repository."""
    free = shutil.disk_usage(bootstrap.ROOT).free / 1e9
    advice = f"less than {LEAST_FREE_GB:.0f} GB free: make room" if free < LEAST_FREE_GB else ""
    return Finding("machine", f"{cores()} cores, {free:.0f} GB of disk free", advice)


CHECKS: tuple[Callable[[], Finding], ...] = (
    check_python,
    check_packages,
    check_torch,
    check_torchvision,
    check_opencv,
    check_loops,
    check_data,
    check_machine,
)


def examine(check: Callable[[], Finding]) -> Finding:
    """Run one check; whatever it stumbles over becomes a broken row instead of a traceback."""
    try:
        return check()
    except Exception as error:  # a damaged package can raise anything while it is imported
        subject = check.__name__.removeprefix("check_")
        return Finding(subject, f"{type(error).__name__}: {error}", "bash run.sh setup", True)


def is_installed(name: str) -> bool:
    """Say whether a distribution of that name is there."""
    return any(True for _ in metadata.distributions(name=name))


def main(
    argv: Sequence[str] | None = None, checks: tuple[Callable[[], Finding], ...] = CHECKS
) -> int:
    """Print the table; return 1 if something is broken."""
    if arguments := sys.argv[1:] if argv is None else argv:
        print(f"usage: bash run.sh doctor [PATH]\n\n{__doc__}")
        print("Looking at PATH, a data set, takes the kit's packages: bash run.sh setup")
        return 0 if arguments[0] in ("-h", "--help") else 2
    findings = [examine(check) for check in checks]
    for row in findings:
        mark = "BROKEN" if row.broken else "note" if row.advice else "ok"
        text = f"{row.found}; {row.advice}" if row.advice else row.found
        head = f"{mark:7} {row.subject:12} "
        print(textwrap.fill(text, 110, initial_indent=head, subsequent_indent=" " * len(head)))
    return int(any(row.broken for row in findings))


if __name__ == "__main__":
    sys.exit(main())
