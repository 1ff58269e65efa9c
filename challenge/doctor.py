"""Look at the environment: `python challenge/doctor.py`, with any Python, packages or none."""

import pathlib
import sys

if __name__ == "__main__":
    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])
    from challenge.environment.doctor import main

    sys.exit(main())
