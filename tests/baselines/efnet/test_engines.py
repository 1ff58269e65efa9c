"""What is exported, and other engines that run it: tested in a process that does nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from apart import ENGINES

from challenge import REPOSITORY


@pytest.mark.parametrize("name", ["test_exporting.py", "test_engine_restorer.py"])
def test_engines_apart(name: str) -> None:
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", str(Path(__file__).with_name(name))]
    done = subprocess.run(
        [sys.executable, *words],
        cwd=REPOSITORY,
        env=os.environ | {ENGINES: "1", "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
