"""Commands in processes of their own, to be watched, stopped and killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from challenge import REPOSITORY

CODE = (
    "import importlib, sys; from pathlib import Path; count = int(sys.argv[2]); "
    "main = importlib.import_module(sys.argv[1]).main; "
    "sys.exit(main(sys.argv[3 + count :], *map(Path, sys.argv[3 : 3 + count])))"
)


def begin(
    module: str, folders: Sequence[Path], words: Sequence[str], *before: str, **variables: str
) -> subprocess.Popen[str]:
    """Start `module.main(words, *folders)`, each process with one thread.

    Args:
        before: what the command is started by, such as `ip netns exec a`.
        variables: of the environment, besides.
    """
    own = [str(REPOSITORY), os.environ.get("PYTHONPATH", ""), variables.pop("PYTHONPATH", "")]
    env = {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, own)), **variables}
    given = [module, str(len(folders)), *map(str, folders), *words]
    return subprocess.Popen(
        [*before, sys.executable, "-c", CODE, *given],
        cwd=REPOSITORY,
        env=os.environ | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(there: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait, for two minutes at most, until something is there; not beyond the process's end."""
    end = time.monotonic() + 120
    while not there() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    assert there()


def children_of(process: subprocess.Popen[str]) -> list[int]:
    """List the processes that one has started, in their order."""
    found = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True)
    return [*map(int, found.stdout.split())]


def is_alive(pid: int) -> bool:
    """Say whether a process runs; one that its parent has not seen end yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
