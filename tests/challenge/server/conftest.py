"""A tiny competition: two frames of 56x40 with their sharp images, rules, a good submission."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from challenge.rehearse import Rehearsal
from challenge.rules import Rules, load_rules
from challenge.server.isolated import make_isolated_python
from challenge.submission import Readme, expected_submission, write_readme

RULES = """
name: tiny
frames: {val: 2}
profile: published_kit
hosting:
  title: Tiny & <b>bold</b>
  phases:
    - {split: val, name: Development, start: "2027-01-15 00:00:00", end: "2027-02-01 00:00:00"}
    - {split: train, name: Final, start: "2027-02-02 00:00:00"}
"""
MakeZip = Callable[[Sequence[tuple[str, bytes]]], Path]


@pytest.fixture(scope="session")
def isolated_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_isolated_python(tmp_path_factory.mktemp("isolated") / "python")


@pytest.fixture
def rules_file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yml"
    path.write_text(RULES)
    return path


@pytest.fixture
def rules(rules_file: Path) -> Rules:
    return load_rules(rules_file)


@pytest.fixture
def files(highrev: Path, rules: Rules) -> list[tuple[str, bytes]]:
    """Name and bytes of what a good zip holds: the blurry input itself, and readme.txt."""
    images = sorted((highrev / "val" / "blur").glob("*.png"))
    text = write_readme(rules.readme, Readme(0.25, 1, 0, "no <script>alert(1)</script>"))
    return [*((path.name, path.read_bytes()) for path in images), ("readme.txt", text.encode())]


@pytest.fixture
def make_zip(tmp_path: Path) -> MakeZip:
    def make(files: Sequence[tuple[str, bytes]]) -> Path:
        path = tmp_path / "mine.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files:
                archive.writestr(name, content)
        return path

    return make


@pytest.fixture
def plan(
    highrev: Path, rules: Rules, make_zip: MakeZip, files: list[tuple[str, bytes]]
) -> Rehearsal:
    """A good submission, ready to be rehearsed."""
    expected, findings = expected_submission(rules, highrev, "val")
    assert findings == []
    return Rehearsal(make_zip(files), highrev / "val" / "sharp", rules, expected)


@pytest.fixture
def unpacked(tmp_path: Path, highrev: Path, files: list[tuple[str, bytes]]) -> Path:
    """INPUT of the scoring program: {ref,res}, with the platform's own file in res."""
    folder = tmp_path / "input"
    shutil.copytree(highrev / "val" / "sharp", folder / "ref")
    (folder / "res").mkdir()
    for name, content in [*files, ("metadata", b"description: results\n")]:
        (folder / "res" / name).write_bytes(content)
    return folder
