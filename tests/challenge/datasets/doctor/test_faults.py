"""Every fault is found and named, and what is odd but right is not blamed."""

from __future__ import annotations

import shutil
from pathlib import Path

import broken_sets
import pytest

from challenge.datasets import DataSource
from challenge.datasets.doctor import Diagnosis, examine
from challenge.datasets.store import prepare
from challenge.errors import DataError


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return broken_sets.healthy(tmp_path_factory.mktemp("sound") / "set")


@pytest.fixture()
def root(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "set"))


def worse_than_notes(diagnosis: Diagnosis) -> list[str]:
    return [str(each) for each in diagnosis.findings if each.level != "note"]


@pytest.mark.parametrize("fault", broken_sets.FAULTS, ids=lambda each: f"{each.kind}: {each.name}")
def test_a_fault_is_found(root: Path, fault: broken_sets.Fault) -> None:
    fault.harm(root)
    alone = fault in (*broken_sets.ABOUT_IMAGES, *broken_sets.ABOUT_EVENTS)  # all of them in train
    findings = examine(root / "train" if alone else root, workers=1).findings
    found = [each for each in findings if each.kind == fault.kind and fault.file in each.file]
    assert found, [str(each) for each in findings]
    assert {each.level for each in found} == {fault.level}
    assert all(each.fix for each in found)


@pytest.mark.parametrize("name", broken_sets.HARMLESS)
def test_what_is_odd_but_right_is_not_blamed(root: Path, name: str) -> None:
    broken_sets.HARMLESS[name](root)
    assert worse_than_notes(examine(root, workers=1)) == []


def test_a_real_recording_is_aligned(recordings: Path) -> None:
    """The next frame's change, 29 pairs: 0.84 as it is, far less in every mirrored version."""
    diagnosis = examine(recordings / "davis346_cups", workers=1)
    assert worse_than_notes(diagnosis) == []
    (verdict,) = diagnosis.alignment.values()
    assert (verdict.says, verdict.by) == ("aligned", "next")
    assert verdict.score == pytest.approx(0.83, abs=0.02) and verdict.next_best < 0.2


@pytest.mark.parametrize(
    "harm, says",
    [
        (broken_sets.mirrored("y", 346), "mirrored left-right"),
        (broken_sets.mirrored("x", 260), "upside down"),
        (broken_sets.flipped, "with the polarity flipped (or time reversed)"),
    ],
)
def test_a_real_recording_that_was_turned(
    recordings: Path, tmp_path: Path, harm: broken_sets.Edit, says: str
) -> None:
    for path in sorted((recordings / "davis346_cups" / "test" / "blur").iterdir())[:4]:
        (tmp_path / "test" / "blur").mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / "test" / "blur")
        for source in path.parents[1].glob(f"event/{path.stem}_*.npz"):
            (tmp_path / "test" / "event").mkdir(exist_ok=True)
            shutil.copy(source, tmp_path / "test" / "event")
    broken_sets.change_all(harm)(tmp_path)
    (finding,) = worse_than_notes(examine(tmp_path, workers=1))
    assert f"found events that fit {says} (correlation " in finding


def test_a_stale_store_is_found_and_a_fresh_one_is_not_blamed(root: Path) -> None:
    assert prepare(DataSource(root), workers=1, say=lambda line: None)
    assert worse_than_notes(examine(root, workers=1)) == []
    with pytest.raises(DataError, match="a training store; name the data set .*: .*/set"):
        examine(root.with_name("set_store"))
    path = broken_sets.slices(root)[0]
    path.write_bytes(path.read_bytes() + b" ")
    (finding,) = worse_than_notes(examine(root, workers=1))
    assert "expected a training store of the files as they are, found" in finding
    assert broken_sets.SECOND in finding
