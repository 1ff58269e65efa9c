"""`bash run.sh setup`: make the kit's `.venv`, with a torch that suits this machine.

torch comes first, from wherever its right build is; the kit and its other dependencies follow, with
torch held to exactly what was installed: no later step can replace it by another build, and
torchvision, which is built for one torch only, has to match. Standard library only.

Set in the environment, to choose:
    KIT_TORCH=auto|cpu|cuda|NAME   the build of torch; NAME is a torch backend of uv, such as cu128.
                                   auto: a GPU build where nvidia-smi lists a GPU, else a CPU build
    KIT_INSTALLER=auto|uv|pip      auto: uv if it is there or pip can get it, else venv and pip
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":  # the first entry is this file's folder, where the kit is not found
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from challenge.environment.bootstrap import (
    EXTRAS,
    ROOT,
    STATE,
    VENV,
    VENV_PYTHON,
    needs,
    setting,
    venv_state,
)
from challenge.environment.installer import (
    Installer,
    SetupError,
    find_uv,
    installed_version,
    make_installer,
    read_pip_config,
    say,
    uv_environment,
)

COMPILE_LOOPS = "from challenge.representations.speed import compiled; compiled()"


def choose_build(wish: str | None, before: object, gpu: str | None) -> tuple[str, str]:
    """Decide which torch to install: "cpu", "cuda" or a torch backend of uv; and why.

    Args:
        wish: the value of KIT_TORCH, if it is set.
        before: the build in the finished `.venv`; None if there is none.
        gpu: the name of the first GPU; None if there is none.
    """
    if wish and wish != "auto":
        return wish, f"KIT_TORCH={wish}"
    if isinstance(before, str) and not wish:
        return before, "as before"
    return ("cuda", f"found {gpu}") if gpu else ("cpu", "nvidia-smi lists no GPU")


def find_gpu() -> str | None:
    """Find the first GPU that nvidia-smi lists, or None."""
    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = [line for line in listing.stdout.splitlines() if line.startswith("GPU")]
    return lines[0].split(" (UUID")[0] if lines and listing.returncode == 0 else None


def torch_attempts(
    build: str, uv: bool, linux: bool, gpu: bool, torch: str, torchvision: str
) -> list[tuple[str, list[str]]]:
    """Say what to try in turn until one succeeds: what it is, and the arguments of `pip install`.

    Only Linux has several builds of one torch. There the registry's own is the CUDA build, of
    several GB: nobody gets that one without a GPU or a word. A CPU build is known by its version,
    say 2.13.0+cpu; a wheel of it may lie in a folder named by find-links. A GPU build on a machine
    without a GPU (a cluster's login node, say) is the registry's, as uv would detect none.

    Raises:
        SetupError: pip alone cannot find that build.
    """
    pair = [f"torch=={torch}", f"torchvision=={torchvision}"]
    registry = ("the registry's own build", pair)
    if build == "cpu" and linux:
        wheel = ["--no-deps", f"torch=={torch}+cpu"]
        if not uv:
            return [("a CPU build that pip can find", wheel)]
        at_hand = ("a wheel of the CPU build at hand", ["--no-index", *wheel])
        return [at_hand, ("the CPU build", ["--torch-backend=cpu", *pair])]
    if build in ("cpu", "cuda"):
        if uv and linux and gpu:
            return [("the build for this GPU", ["--torch-backend=auto", *pair]), registry]
        return [registry]
    if uv:
        return [(f"the build {build}", [f"--torch-backend={build}", *pair])]
    raise SetupError(f"KIT_TORCH={build} needs uv, which is neither here nor to be had by pip")


def install_torch(installer: Installer, build: str, gpu: bool) -> None:
    """Install the pinned torch of that build (and, where the same source has it, torchvision)."""
    pins = setting("torch"), setting("torchvision")
    linux = sys.platform == "linux"
    for what, arguments in torch_attempts(build, installer.is_uv, linux, gpu, *pins):
        say(f"torch {pins[0]}: {what}")
        if installer.install(*arguments, quiet="at hand" in what):
            return
    raise SetupError(
        f"torch {pins[0]} ({build}) could not be installed."
        "\n  - from a folder of wheels: name it in PIP_FIND_LINKS"
        "\n  - the registry's own build, several GB, runs with and without a GPU: KIT_TORCH=cuda"
        " bash run.sh setup"
    )


def install_kit(installer: Installer, python: str) -> None:
    """Install the kit (editable) and its other dependencies beside the torch that is there."""
    held = [f"torch=={installed_version(python, 'torch')}"]
    if held[0].partition("+")[0] == f"torch=={setting('torch')}":
        held.append(f"torchvision=={setting('torchvision')}")
    say(f"the kit and its other dependencies, with {' and '.join(held)}")
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text("".join(f"{line}\n" for line in held), encoding="utf-8")
        held_to = ("-c", str(constraints), "-e")
        if not installer.install(*held_to, ".[dev]"):
            raise SetupError("the dependencies could not be installed: the reason stands above")
        for extra, (what, lost) in EXTRAS.items():
            say(what)
            if not installer.install(*held_to, f".[{extra}]"):
                say(f"not installed: {lost}; all else works")


def make_venv(uv: str | None) -> None:
    """Make an empty `.venv` with pip in it, from the Python that runs this."""
    tool = "uv" if uv else "venv and pip"
    say(f".venv with {sys.executable}, by {tool}")
    command, environment = [sys.executable, "-m", "venv"], dict(os.environ)
    if uv is not None:
        command = [uv, "venv", "--quiet", "--no-project", "--seed", "--allow-existing"]
        command += ["--python", sys.executable]
        environment = uv_environment(os.environ, read_pip_config())
    if subprocess.run([*command, str(VENV)], env=environment).returncode != 0:
        raise SetupError(
            f"no virtual environment could be made with {sys.executable} by {tool}. On"
            " Debian or Ubuntu, `apt install python3-venv python3-pip` helps; or install uv; or"
            " activate an environment of your own and call `bash run.sh setup --here`"
        )


def note_state(build: str, ready: bool) -> None:
    """Write into `.venv` that it is being made by this process, or that it is finished."""
    VENV.mkdir(exist_ok=True)
    state = {"ready": ready, "torch": build, "pid": os.getpid(), "needs": needs()}
    temporary = STATE.with_suffix(".tmp")
    temporary.write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
    os.replace(temporary, STATE)


def clear_away(build: str) -> None:
    """Remove a `.venv` of ours that was never finished, holds another torch, or lost its Python.

    Any other stays, to be brought up to date.

    Raises:
        SetupError: the process that is making it still runs.
    """
    state = venv_state()
    if state is None:
        return
    if not state.get("ready") and _runs(state.get("pid")):
        raise SetupError(
            f"process {state['pid']} is making {VENV} right now: wait for it to end. If that is"
            " something else, remove the folder .venv and try again"
        )
    if not (state.get("ready") and state.get("torch") == build and VENV_PYTHON.exists()):
        say("starting over: .venv is half made, or holds another build of torch")
        shutil.rmtree(VENV)


def _runs(pid: object) -> bool:
    if not isinstance(pid, int) or os.name == "nt":  # there, signal 0 would end the process
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid != os.getpid()


def build_venv(build: str, gpu: bool) -> str:
    """Make `.venv`, or bring it up to date; return its Python."""
    uv = find_uv(os.environ.get("KIT_INSTALLER") or "auto")
    python = str(VENV_PYTHON)
    if VENV_PYTHON.exists() and venv_state() is None:  # made by hand: never remove it
        return extend(python, uv, build, gpu)
    clear_away(build)
    note_state(build, ready=False)
    if not VENV_PYTHON.exists():
        make_venv(uv)
    installer = make_installer(python, uv)
    if installed_version(python, "torch").partition("+")[0] != setting("torch"):
        install_torch(installer, build, gpu)
    install_kit(installer, python)
    note_state(build, ready=True)
    return python


def extend(python: str, uv: str | None, build: str, gpu: bool) -> str:
    """Install the kit into the environment of that Python, and keep the torch it has; return it."""
    installer = make_installer(python, uv)
    if not installed_version(python, "torch"):
        install_torch(installer, build, gpu)
    install_kit(installer, python)
    return python


def main(argv: Sequence[str]) -> int:
    """Make the environment, then let the doctor look at it. 0: all is well."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("bash run.sh setup", description=__doc__, formatter_class=raw)
    parser.add_argument(
        "--here", action="store_true", help="into the active environment, instead of .venv"
    )
    here = parser.parse_args(argv).here
    start = time.monotonic()
    try:
        gpu = find_gpu()
        state = venv_state() or {}
        before = state.get("torch") if state.get("ready") else None
        build, why = choose_build(os.environ.get("KIT_TORCH"), before, gpu)
        say(f"build of torch: {build} ({why}; KIT_TORCH chooses)")
        if here:
            uv = find_uv(os.environ.get("KIT_INSTALLER") or "auto")
            python = extend(sys.executable, uv, build, gpu is not None)
        else:
            python = build_venv(build, gpu is not None)
        subprocess.run([python, "-c", COMPILE_LOOPS], cwd=ROOT)  # some seconds, once
        say(f"ready after {time.monotonic() - start:.0f} s: {python}")
        return subprocess.run([python, str(ROOT / "challenge" / "doctor.py")]).returncode
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: `bash run.sh setup` takes it up again", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
