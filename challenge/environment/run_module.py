"""Run a module as `python -m` does, with nothing of the caller's folder on the path.

`python challenge/environment/run_module.py MODULE [ARGUMENTS]`. Another clone in that folder, or a
file called random.py, would else take the place of the kit's or of Python's own. PYTHONSAFEPATH
does the same from Python 3.11 on.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path


def main() -> None:
    """Take this script's folder off the path, and run the module named by the first argument."""
    here = Path(__file__).resolve().parent
    if sys.path and Path(sys.path[0]).resolve() == here:
        del sys.path[0]
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
