"""`bash run.sh data --part I/N`: together, the bytes that one machine makes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from challenge.commands.data import main
from challenge.parts import Part
from challenge.simulation.embedded import make
from challenge.simulation.parts import make_part
from challenge.simulation.sequences import Request

REQUEST = Request(seed=5, width=32, height=32, frames=1, sequences=1)
"""A sequence in each of train, val and test."""


def bytes_of(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    root = tmp_path_factory.mktemp("alone") / "mini"
    assert make(root, REQUEST, workers=1)
    return bytes_of(root)


@pytest.mark.parametrize("total", [1, 2, 5])
def test_all_parts_make_what_one_machine_makes(
    tmp_path: Path, alone: dict[str, bytes], total: int
) -> None:
    root = tmp_path / "mini"
    missing = [f"{number}/{total}" for number in range(1, total + 1)]
    for number in range(total, 0, -1):
        missing.remove(f"{number}/{total}")
        assert make_part(root, REQUEST, Part(number, total), 1) == missing
        assert root.exists() == (not missing)
    assert bytes_of(root) == alone
    assert [path.name for path in tmp_path.iterdir()] == ["mini"]  # nothing is left over
    assert make_part(root, REQUEST, Part(1, total), 1) == []


def test_parts_of_machines_without_a_common_disk(tmp_path: Path, alone: dict[str, bytes]) -> None:
    for number in (1, 2):
        make_part(tmp_path / f"machine{number}" / "mini", REQUEST, Part(number, 2), 1)
    source = tmp_path / "machine1" / "mini.parts" / "1-of-2"
    shutil.copytree(source, tmp_path / "machine2" / "mini.parts" / "1-of-2")
    assert make_part(tmp_path / "machine2" / "mini", REQUEST, Part(2, 2), 1) == []
    assert bytes_of(tmp_path / "machine2" / "mini") == alone


def test_a_part_of_another_request_does_not_count(tmp_path: Path, alone: dict[str, bytes]) -> None:
    root = tmp_path / "mini"
    other = Request(seed=6, width=32, height=32, frames=1, sequences=1)
    assert make_part(root, other, Part(1, 2), 1) == ["2/2"]
    assert make_part(root, REQUEST, Part(2, 2), 1) == ["1/2"]
    assert make_part(root, REQUEST, Part(1, 2), 1) == []
    assert bytes_of(root) == alone


def test_a_killed_join_loses_nothing(
    tmp_path: Path, alone: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "mini"
    make_part(root, REQUEST, Part(1, 2), 1)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("challenge.simulation.parts.write_manifest", killed)
        with pytest.raises(KeyboardInterrupt):
            make_part(root, REQUEST, Part(2, 2), 1)
    assert not root.exists()
    assert make_part(root, REQUEST, Part(2, 2), 1) == []
    assert bytes_of(root) == alone


def test_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], alone: dict[str, bytes]
) -> None:
    def call(*more: str) -> int:
        sizes = ["--seed", "5", "--width", "32", "--height", "32", "--frames", "1"]
        return main(["--out", str(tmp_path / "m"), *sizes, "--sequences", "1", *more])

    tell: Callable[[], str] = lambda: "".join(capsys.readouterr())  # noqa: E731
    assert call("--part", "1/2") == 0 and "still missing: 2/2" in tell()
    assert call("--part", "3/2") == 1 and "expected I/N" in tell()
    assert call("--part", "1/2", "--force") == 1 and "--part and --force" in tell()
    assert call("--part", "2/2") == 0 and "val: 1 sequences, 1 frames" in tell()
    assert bytes_of(tmp_path / "m") == alone
    assert call("--seed", "7", "--part", "2/2") == 1 and "another data set" in tell()
