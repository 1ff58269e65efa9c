"""Damaged files: an error that names the file, or a right result; no crash, hang or gigabytes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from challenge.datasets.npz import read_npz
from challenge.errors import DataError
from challenge.images import read_png

GENERATOR = Path(__file__).resolve().parents[2] / "generators" / "harmed_files.py"
REAL = st.one_of(
    arrays.integer_dtypes(),
    arrays.unsigned_integer_dtypes(),
    arrays.floating_dtypes(),
    arrays.boolean_dtypes(),
)


KINDS = (
    *("slice", "slice, stored", "grid", "png", "scer", "monash", "store"),
    *("hdf5", "dat", "evt2", "evt3", "npy", "csv", "columns"),
)


def fuzzed(kinds: Sequence[str], cases: int) -> dict[str, Any]:
    command = [sys.executable, str(GENERATOR), "+".join(kinds), "7", "0", str(cases)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_no_damage_harms_a_reader() -> None:
    reports = fuzzed(KINDS, 120)
    assert {kind: report["faults"] for kind, report in reports.items()} == dict.fromkeys(KINDS, [])
    assert {sum(report["ends"].values()) for report in reports.values()} == {120}
    assert all(report["grown_kb"] < 300_000 for report in reports.values())
    checked = ("slice", "slice, stored", "grid", "store")
    assert all(reports[kind]["ends"]["refused"] > 90 for kind in checked)


def test_real_recordings_that_are_damaged(
    recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KIT_SAMPLES", str(recordings))
    for report in fuzzed(("aedat4", "bag", "evt3, real"), 40).values():
        assert report["faults"] == [] and sum(report["ends"].values()) == 40


def test_control_a_reader_that_believes_its_file_is_found_out() -> None:
    faults = "\n".join(fuzzed(("control",), 150)["control"]["faults"])
    assert "was run" in faults and "MemoryError" in faults and "BadZipFile" in faults


@settings(max_examples=60, deadline=None)
@given(array=arrays.arrays(REAL, arrays.array_shapes(min_dims=0, min_side=0)), turned=st.booleans())
def test_what_numpy_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, array: np.ndarray, turned: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.npz"
    stored = np.asfortranarray(array) if turned else array
    np.savez(path, a=stored, other=np.array({"a": 1}, object))
    read = read_npz(path, "a")["a"]
    assert (read.dtype, read.shape) == (stored.dtype, stored.shape)
    assert read.tobytes() == stored.tobytes()
    assert read.flags.writeable


def test_more_than_may_be_read_is_refused_by_its_header(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez_compressed(path, x=np.zeros(1000), y=np.zeros(500))
    assert read_npz(path, "x", "y", most=12_000)["y"].shape == (500,)
    with pytest.raises(DataError, match=r"x.npz: .*its arrays would take 0\.012 MB"):
        read_npz(path, "x", "y", most=11_999)


def test_a_missing_key_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", xs=np.zeros(3), t=np.zeros(3))
    with pytest.raises(DataError, match="expected the keys x, t; x is not there, found t, xs"):
        read_npz(tmp_path / "x.npz", "x", "t")


def test_a_png_of_four_thousand_million_pixels(tmp_path: Path) -> None:
    header = (60_000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    path = tmp_path / "x.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + header + bytes(60) + b"IEND\xaeB`\x82")
    with pytest.raises(DataError, match="x.png: .* claims 60000x60000 pixels"):
        read_png(path)
