"""Does this Python hold what the kit needs, and if not: go on in the kit's own `.venv`.

Standard library only, readable by Python 3.8: it runs before anything is installed.
At the top of a script that is run by path (`python challenge/x.py` in a fresh clone):

    if __name__ == "__main__":
        import pathlib
        import sys

        sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])
        from challenge.environment import bootstrap

        bootstrap.ensure_packages()

The first line matters: Python puts the script's own folder on the path, where the kit is not found.
A module run as `python -m baselines.x` needs only the import and the call.

`python challenge/environment/bootstrap.py [EXTRA…]` says what this Python lacks; exit code 0 means
nothing.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib import metadata, util
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = ROOT / "pyproject.toml"
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STATE = VENV / "kit.json"
"""Written by `make_environment`; says whether the `.venv` it made is finished, and from what."""

ALREADY_MOVED = "KIT_BOOTSTRAPPED"
EXTRAS = {
    "events": (
        "what reads recordings of other formats",
        "`bash run.sh import` reads no AEDAT4 and no ROS bag",
    ),
    "fast": ("what compiles the loops over events", "grids take three to five times as long"),
    "export": (
        "engines that run networks on processors",
        "`bash run.sh export` writes safetensors alone, `predict --engine` has torch alone",
    ),
    "video": ("what writes videos", "`bash run.sh show --video` writes none"),
}
"""Of pyproject.toml: what is installed where it can be, and what one loses where not."""
IMPORT_NAMES = {
    "opencv-python": "cv2",
    "pillow": "PIL",
    "pyyaml": "yaml",
    "scikit-image": "skimage",
}


def requirements(*extras: str) -> list[tuple[str, str]]:
    """Return (name, lowest version) of each dependency in pyproject.toml, then of those of the
    extras.

    Reads one quoted `name>=version` a line: Python 3.10 has no TOML reader.
    """
    text = PYPROJECT.read_text(encoding="utf-8")
    found: list[tuple[str, str]] = []
    for key in ("dependencies", *extras):
        block = re.search(rf"^{key} = \[\n(.*?)^\]", text, re.M | re.S)
        if block is None:
            raise KeyError(f"{PYPROJECT}: no list called {key}")
        found += re.findall(r'^\s*"([\w.-]+)>=([\d.]+)"', block.group(1), re.M)
    return found


def setting(key: str) -> str:
    """Return the text after `key = ` in pyproject.toml, say `requires-python` or the pin of
    `torch`.
    """
    found = re.search(rf'^{key} = "(.*)"', PYPROJECT.read_text(encoding="utf-8"), re.M)
    if found is None:
        raise KeyError(f"{PYPROJECT}: no setting called {key}")
    return found.group(1)


def python_fits() -> bool:
    """Say whether this Python lies within `requires-python` (">=LOWEST,<FIRST TOO NEW")."""
    lowest, too_new = setting("requires-python").split(",")
    return _release(lowest[2:]) <= sys.version_info[:2] < _release(too_new[1:])


def lacking(*extras: str) -> list[str]:
    """List the kit's requirements that are not installed here, or too old. Imports none."""
    return [name for name, lowest in requirements(*extras) if not _holds(name, lowest)]


def environment_is_finished() -> bool:
    """False where this Python is our `.venv` and was never finished, or has become outdated."""
    state = venv_state()
    if Path(sys.prefix).resolve() != VENV.resolve() or state is None:
        return True
    return state.get("ready") is True and state.get("needs") == needs()


def needs() -> list[str]:
    """Return all that decides what a `.venv` holds; when it changes, the `.venv` is brought up to
    date.
    """
    pins = [f"{name}=={setting(name)}" for name in ("torch", "torchvision")]
    return pins + [f"{name}>={lowest}" for name, lowest in requirements("dev", *EXTRAS)]


def venv_state() -> dict[str, object] | None:
    """Read what `make_environment` noted in `.venv`; None if there is none, or made by hand."""
    try:
        state = json.loads(STATE.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def ensure_packages() -> None:
    """Return if this Python holds the kit's packages; else start over in `.venv`.

    The same command line goes on with the `.venv`'s Python: arguments, streams and exit code are
    those of the new process.

    Raises:
        SystemExit: packages are missing and there is no `.venv`, or it lacks them as well.
    """
    moved = os.environ.pop(ALREADY_MOVED, None)
    missing = lacking()
    if not missing:
        return
    if moved is None and VENV_PYTHON.exists() and Path(sys.prefix).resolve() != VENV.resolve():
        os.environ[ALREADY_MOVED] = "1"
        command = [str(VENV_PYTHON), *getattr(sys, "orig_argv", [sys.executable, *sys.argv])[1:]]
        if os.name == "nt":  # there, execv returns to the shell before the new process ends
            sys.exit(subprocess.run(command).returncode)
        sys.stdout.flush()
        os.execv(command[0], command)
    raise SystemExit(
        f"error: this Python ({sys.executable}) lacks {', '.join(missing)}\n"
        f'  - `bash "{ROOT / "run.sh"}" setup` makes an environment that has them; then try again'
    )


def _holds(name: str, lowest: str) -> bool:
    try:
        return _release(str(metadata.version(name))) >= _release(lowest)
    except metadata.PackageNotFoundError:  # conda and the headless OpenCV go by other names
        spec = util.find_spec(IMPORT_NAMES.get(name, name.replace("-", "_")))
        return spec is not None and spec.origin is not None


def _release(version: str) -> tuple[int, ...]:
    """Take the leading numbers of a version: (2, 13, 0) of 2.13.0+cpu."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in found.group().split(".")) if found else ()


def main(argv: list[str]) -> int:
    """Say what this Python lacks; `--python` asks for its version only. 0: nothing is lacking."""
    if not python_fits():
        print(f"Python {sys.version.split()[0]} does not fit {setting('requires-python')}")
        return 1
    if argv == ["--python"]:
        return 0
    missing = lacking(*argv)
    if missing:
        print(f"{sys.executable} lacks {', '.join(missing)}")
    elif not environment_is_finished():
        print(f"{VENV} is not finished, or older than pyproject.toml")
    return int(bool(missing) or not environment_is_finished())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
