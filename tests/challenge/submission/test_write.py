"""The zip is flat, deterministic, whole or not there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from challenge import REPOSITORY
from challenge.errors import SubmissionError
from challenge.rules import Rules
from challenge.submission import (
    Expected,
    Readme,
    check_submission,
    write_submission,
)
from challenge.submission import write as write_module

TEMPLATE = Rules().readme
FRAMES = ("logo_a_00012", "logo_a_00024", "zigzag_00012")
NAMES = [f"{frame}.png" for frame in FRAMES]
WIDTH, HEIGHT = 8, 6
README = Readme(runtime=0.3125, cpu=1, extra_data=0, description="a method")


def png(width: int = WIDTH, height: int = HEIGHT, channels: int = 3) -> bytes:
    """A black PNG."""
    return bytes(cv2.imencode(".png", np.zeros((height, width, channels), np.uint8))[1])


def found(path: Path, expected: Expected) -> list[tuple[str, str]]:
    return [(finding.kind, finding.file) for finding in check_submission(path, expected)]


def test_the_zip_is_flat_sorted_and_passes_its_own_check(
    folder: Path, tmp_path: Path, expected: Expected
) -> None:
    (folder / ".DS_Store").write_bytes(b"x")
    (folder / "._zigzag_00012.png").write_bytes(b"x")
    written = write_submission(folder, tmp_path / "x.zip", TEMPLATE, README)
    with zipfile.ZipFile(written.path) as archive:
        assert archive.namelist() == [*sorted(NAMES), "readme.txt"]
        assert archive.read(NAMES[0]) == (folder / NAMES[0]).read_bytes()
        for entry in archive.infolist():  # nothing of the day, the user or the machine
            assert entry.date_time == (1980, 1, 1, 0, 0, 0)
            assert (entry.external_attr >> 16, entry.create_system) == (0o100644, 3)
            assert entry.compress_type == zipfile.ZIP_STORED
    assert (written.images, written.size) == (3, (tmp_path / "x.zip").stat().st_size)
    assert found(written.path, expected) == []


def test_same_inputs_same_bytes(folder: Path, tmp_path: Path) -> None:
    first = write_submission(folder, tmp_path / "a.zip", TEMPLATE, README)
    for name in reversed(NAMES):  # other dates, permissions and order on disk
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o600)
    second = write_submission(folder, tmp_path / "b.zip", TEMPLATE, README)
    assert first.sha256 == second.sha256
    (folder / NAMES[0]).write_bytes(png(WIDTH + 1))
    assert write_submission(folder, tmp_path / "c.zip", TEMPLATE, README).sha256 != first.sha256


def test_cut_off_in_the_middle_the_old_zip_stays(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "zips" / "x.zip"
    write_submission(folder, out, TEMPLATE, README)
    before = out.read_bytes()
    real, calls = write_module.add_to_zip, []

    def interrupted(archive: zipfile.ZipFile, name: str, content: bytes | Path) -> None:
        calls.append(name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        real(archive, name, content)

    monkeypatch.setattr(write_module, "add_to_zip", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_submission(folder, out, TEMPLATE, README)
    assert len(calls) == 2
    assert out.read_bytes() == before
    assert list(out.parent.iterdir()) == [out]


def test_a_file_that_changes_while_it_is_packed_is_noticed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = write_module.read_back

    def changed_first(path: Path, *rest: object) -> list[str]:
        (folder / NAMES[1]).write_bytes(png(WIDTH + 1))
        return real(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(write_module, "read_back", changed_first)
    with pytest.raises(SubmissionError, match=f"{NAMES[1]}: its bytes differ"):
        write_submission(folder, tmp_path / "zips" / "x.zip", TEMPLATE, README)
    assert list((tmp_path / "zips").iterdir()) == []


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
def test_killed_in_the_middle_the_old_zip_stays(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "zips" / "x.zip"
    write_submission(folder, out, TEMPLATE, README)
    before = out.read_bytes()
    code = """
import os, pathlib, signal, sys
from challenge.submission import Readme, write_submission
def pack(images):
    yield images[0].read_bytes()
    os.kill(os.getpid(), signal.SIGKILL)
folder, out = map(pathlib.Path, sys.argv[1:])
write_submission(folder, out, "x : {runtime}\\n", Readme(1, 1, 0), pack)
"""
    command = [sys.executable, "-c", code, str(folder), str(out)]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    assert subprocess.run(command, env=environment).returncode == -signal.SIGKILL
    assert out.read_bytes() == before
    assert [path.name for path in out.parent.glob("*.zip") if not path.name.startswith(".")] == [
        "x.zip"
    ]
