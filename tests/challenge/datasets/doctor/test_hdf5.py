"""The doctor on data sets in HDF5: every fault is found, sound ones are not blamed."""

from __future__ import annotations

import shutil
from pathlib import Path

import broken_hdf5
import broken_sets
import pytest

from challenge.commands.doctor import main
from challenge.datasets import provide_frames
from challenge.datasets.doctor import examine
from challenge.datasets.hdf5 import close_files


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hdf5")
    root = broken_sets.healthy(folder / "set")
    broken_hdf5.healthy_hdf5(root, folder / "scer", raw=False)
    broken_hdf5.healthy_hdf5(root, folder / "monash", raw=True)
    return folder


CASES = [
    *(("scer", fault) for fault in (*broken_hdf5.ABOUT_BOTH, *broken_hdf5.ABOUT_SCER)),
    *(("monash", fault) for fault in (*broken_hdf5.ABOUT_BOTH, *broken_hdf5.ABOUT_MONASH)),
]


@pytest.mark.parametrize("kind, fault", CASES, ids=lambda each: getattr(each, "name", each))
def test_a_fault_is_found(sound: Path, tmp_path: Path, kind: str, fault: broken_sets.Fault) -> None:
    close_files()
    root = Path(shutil.copytree(sound / kind, tmp_path / "set"))
    fault.harm(root)
    findings = examine(root, workers=1).findings
    found = [each for each in findings if each.kind == fault.kind and fault.file in each.file]
    assert found, [str(each) for each in findings]
    assert fault.level in {each.level for each in found}
    assert all(each.fix for each in found)


@pytest.mark.parametrize("kind", ["scer", "monash"])
def test_a_sound_set_is_not_blamed(sound: Path, kind: str) -> None:
    close_files()
    diagnosis = examine(sound / kind, workers=1)
    assert [str(each) for each in diagnosis.findings if each.level != "note"] == []
    assert diagnosis.place.format == f"{kind}_hdf5"
    assert diagnosis.frames == {"train": 3, "val": 3}
    assert {verdict.says for verdict in diagnosis.alignment.values()} == {"aligned"}
    file = sound / kind / broken_hdf5.FILE
    assert examine(file, workers=1).frames == {"train": 3}  # a file stands for its split


def test_the_pngs_of_a_set_are_not_left_over(sound: Path, tmp_path: Path) -> None:
    close_files()
    root = Path(shutil.copytree(sound / "scer", tmp_path / "set"))
    provide_frames(root, "val")
    assert not [each for each in examine(root, workers=1).findings if each.kind == "left over"]
    (root / "val" / "notes").mkdir()
    (left,) = [each for each in examine(root, workers=1).findings if each.kind == "left over"]
    assert "val/notes/" in left.file


@pytest.mark.parametrize("kind, counted", [("scer", False), ("monash", True)])
def test_events_are_counted_where_there_are_any(
    sound: Path, kind: str, counted: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    close_files()
    assert main([str(sound / kind), "--workers", "1"]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith(f"{kind}_hdf5: train 3 frames, val 3 frames")
    assert ("events in the exposures" in first) == counted
