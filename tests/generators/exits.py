"""Count how commands of several processes end.

    PYTHONPATH=. python tests/generators/exits.py ROOT FOLDER [--trainings 30] [--predictions 10]

ROOT: a data set in HighREV's layout; FOLDER: where the trainings and predictions go. One is clean
if its exit code is 0 and nobody speaks of an abort, a signal or an exception.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

import processes

SETTINGS = ["data.rules=own", "data.workers=0", "network.wf=4", "train.crop=16", "train.batch=1"]
FOUL = re.compile("abort|terminate|signal|traceback|exception|error:|core dumped", re.IGNORECASE)


def fault(process: subprocess.Popen[str]) -> str:
    """Wait for a command; return what was wrong with its end, "" for a clean one."""
    told = process.communicate()[0]
    lines = [line for line in told.splitlines() if FOUL.search(line)]
    return "" if process.returncode == 0 and not lines else f"{process.returncode}: {lines}"


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--trainings", type=int, default=30)
    parser.add_argument("--predictions", type=int, default=10)
    given = parser.parse_args()
    runs, submissions = given.folder / "runs", given.folder / "submissions"
    train = [*SETTINGS, f"data.root={given.root}", "train.iterations=2", "--nproc=2"]
    predict = ["t", "--data", str(given.root), "--nproc=2"]
    kinds = [("train", "baselines.efnet.train", [runs], [*train, "name=t"], given.trainings)]
    folders = [submissions, runs]
    kinds += [("predict", "baselines.predict", folders, predict, given.predictions)]
    faults = []
    for verb, module, places, words, count in kinds:
        found = [fault(processes.begin(module, places, words)) for _ in range(count)]
        bad = [each for each in found if each]
        faults += bad
        print(f"{verb} --nproc 2: {found.count('')} of {count} ended cleanly", *bad, flush=True)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
