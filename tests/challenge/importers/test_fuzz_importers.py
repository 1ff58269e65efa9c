"""Damaged recordings are read as what they say, or refused with their names: never a crash, a hang,
or gigabytes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import fuzzing_recordings
import pytest

from challenge import REPOSITORY

SLOWEST_S = 10.0

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is limited there")


def run_apart(seed: int, cases: int, *folders: Path) -> dict[str, Any]:
    command = [sys.executable, fuzzing_recordings.__file__, str(seed), str(cases)]
    done = subprocess.run(
        [*command, *map(str, folders)],
        capture_output=True,
        encoding="utf-8",
        errors="replace",  # a library quotes the file on stderr
        timeout=240,
        env={"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'tests' / 'generators'}"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout))


def check(report: dict[str, Any]) -> None:
    for name, found in report.items():
        assert found["faults"] == [], name
        assert found["slowest_s"] < SLOWEST_S, name
        assert found["refused"] > 0, f"{name}: nothing was damaged"


def test_damaged_files_of_every_format(tmp_path: Path) -> None:
    report = run_apart(7, 80, tmp_path)
    check(report)
    assert {"a.dat", "evt2.raw", "evt3.raw", "a.npz", "a.csv"} <= report.keys()


def test_damaged_aedat4_and_bags(recordings: Path, tmp_path: Path) -> None:
    pytest.importorskip("aedat")
    pytest.importorskip("rosbags")
    report = run_apart(8, 40, tmp_path, recordings)
    check({name: report[name] for name in ("s.aedat4", "s.bag")})
