"""Make the embedded data set: `python challenge/prepare_data.py`."""

import pathlib
import sys

if __name__ == "__main__":  # run by path, in a fresh clone, with any Python
    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])
    from challenge.environment import bootstrap

    bootstrap.ensure_packages()
    from challenge.commands.data import main

    sys.exit(main())
