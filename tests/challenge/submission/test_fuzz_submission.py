"""The check of a submission survives thousands of malformed zips and PNGs (`fuzzing.py`)."""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import fuzzing
import numpy as np
import pytest
from PIL import Image

from challenge import REPOSITORY
from challenge.commands import check as check_command
from challenge.submission.png import inspect_png

SCRIPT = Path(fuzzing.__file__)
SLOWEST = 5.0  # seconds for one case, on a busy machine


def run_apart(*numbers: int, timeout: float) -> dict[str, Any]:
    command = [sys.executable, str(SCRIPT), *map(str, numbers)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout))


def check_report(report: dict[str, Any]) -> None:
    assert report["faults"] == []
    assert report["slowest_s"] < SLOWEST


needs_limits = pytest.mark.skipif(sys.platform != "linux", reason="address space is limited there")


@needs_limits
def test_three_thousand_malformed_zips() -> None:
    report = run_apart(1, 0, 3000, timeout=120)
    check_report(report)
    wanted = {
        "no zip",
        "nothing",
        "damaged",
        "unreadable",
        "bomb",
        "path",
        "name",
        "entry",
        "readme",
    }
    assert wanted <= set(report["found"])  # the cases reach every corner


@needs_limits
@pytest.mark.slow
@pytest.mark.parametrize("seed", (2, 3))
def test_many_more_malformed_zips(seed: int) -> None:
    check_report(run_apart(seed, 0, 15_000, timeout=280))


@needs_limits
def test_control_a_fault_would_be_seen(tmp_path: Path) -> None:
    """The same runner with a check that writes, that asks for 1 GB, and that crashes."""
    code = """
import challenge.submission as s
def bad(path, expected):
    bad.calls = getattr(bad, "calls", 0) + 1
    if bad.calls == 1: open(path.with_name("written"), "w").close()
    if bad.calls == 2: bytearray(1 << 30)
    if bad.calls == 3: [][0]
    return []
s.check_submission = bad
import json, sys, runpy
module = runpy.run_path(sys.argv[1])
print(json.dumps(module["run"](1, 0, 3)))
"""
    command = [sys.executable, "-c", code, str(SCRIPT)]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    written, memory, crash = json.loads(done.stdout)["faults"]
    assert "wrote: open" in written and "MemoryError" in memory and "IndexError" in crash


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_whole_command_with_pixels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every case ends in a verdict: exit code 0 or 1, and a report that is JSON."""
    blur = tmp_path / "data" / "val" / "blur"
    blur.mkdir(parents=True)
    for name in fuzzing.NAMES:
        (blur / name).write_bytes(fuzzing.as_png(fuzzing.good_chunks(random.Random(name))))
    options = ["--data", str(tmp_path / "data"), "--json", "-"]
    codes = Counter[int]()
    for number in range(200):
        (tmp_path / "x.zip").write_bytes(fuzzing.make_case(0, number)[1])
        code = check_command.main([str(tmp_path / "x.zip"), *options])
        report = json.loads(capsys.readouterr().out)
        assert code == (report["verdict"] == "errors"), number
        codes[code] += 1
    assert set(codes) == {0, 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "x.zip"]


def test_what_the_check_calls_whole_decoders_read() -> None:
    """PNGs with right checksums and wrong content: OpenCV and Pillow agree with the check."""
    check_decoders(range(1500))


@pytest.mark.slow
def test_what_the_check_calls_whole_decoders_read_often() -> None:
    check_decoders(range(1500, 30_000))


def check_decoders(numbers: range) -> None:
    whole = 0
    for number in numbers:
        content = fuzzing.mutant_png(random.Random(f"png/{number}"))
        png = inspect_png(io.BytesIO(content))
        if png.fault or png.mode != "8-bit RGB" or png.width * png.height > 1 << 20:
            continue
        whole += 1
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
        assert pixels is not None, number
        assert pixels.shape == (png.height, png.width, 3), number
        with Image.open(io.BytesIO(content)) as image:
            np.testing.assert_array_equal(np.asarray(image), pixels[:, :, ::-1], str(number))
    assert whole > len(numbers) // 100
