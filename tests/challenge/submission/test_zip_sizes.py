"""Zips that claim far more than they hold: none of it is opened, and no list of names fills the
memory.
"""

from __future__ import annotations

import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from challenge.errors import SubmissionError
from challenge.submission import Entry, Expected, check_submission, entries
from challenge.submission.check import check_zip_sizes

MIB = 1 << 20
SMALL = Expected("", frames=10, size=(64, 48))


def never() -> None:
    raise AssertionError("opened")


def entry(name: str, size: int, packed: int) -> Entry:
    return Entry(name, size, packed, never)  # type: ignore[arg-type]


@pytest.fixture
def held(tmp_path: Path) -> Path:
    """A file of 100,000 bytes to stand for the zip."""
    (tmp_path / "x.zip").write_bytes(bytes(100_000))
    return tmp_path / "x.zip"


def found(path: Path, listed: list[Entry]) -> list[str]:
    return [finding.found for finding in check_zip_sizes(listed, path, SMALL)]


def test_what_a_zip_of_pngs_looks_like(held: Path) -> None:
    assert found(held, [entry(f"{n}.png", 9_900, 9_000) for n in range(10)]) == []


def test_entries_that_take_more_than_the_zip_has_overlap(held: Path) -> None:
    (text,) = found(held, [entry(f"{n}.png", 9_000, 9_000) for n in range(12)])
    assert text == "entries of 108000 bytes in a zip of 100000: they overlap"


def test_many_small_entries_are_a_bomb_together(held: Path) -> None:
    (text,) = found(held, [entry(f"{n}.png", MIB, 1_000) for n in range(70)])
    assert text == f"100000 bytes that unpack to {70 * MIB}"


def test_one_large_entry_is_a_bomb_alone(held: Path) -> None:
    assert found(held, [entry("b.png", MIB << 10, 1_000)])
    assert not found(held, [entry("b.png", MIB << 5, 1_000)])


def test_black_images_without_compression_are_no_bomb(held: Path) -> None:
    """A zip shrinks them a thousandfold; they take no more than their pixels do."""
    full = Expected("", frames=15, size=(1632, 1224))
    black = [entry(f"{n}.png", 1632 * 1224 * 3, 6_000) for n in range(15)]
    assert check_zip_sizes(black, held, full) == []
    assert check_zip_sizes(black, held, SMALL) != []


def test_nothing_of_such_a_zip_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(70):
            archive.writestr(f"{number}.png", bytes(MIB))
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: never())
    (finding,) = check_submission(path, Expected("x : {runtime}\n"))
    assert (finding.kind, finding.file) == ("bomb", "x.zip")


def test_a_list_of_names_that_would_fill_the_memory(tmp_path: Path) -> None:
    """200,000 names over one empty file: 13 MB on disk, some 150 MB once read."""
    listed = b"".join(
        struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 20, 20, *(0,) * 7, 17, *(0,) * 6)
        + f"zigzag_{number:06d}.png"[:17].encode()
        for number in range(200_000)
    )
    size = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0, 0, len(listed), 0, 0)
    (tmp_path / "x.zip").write_bytes(listed + size)
    tracemalloc.start()
    with pytest.raises(SubmissionError, match=f"list of names claims {len(listed)} bytes"):
        check_submission(tmp_path / "x.zip", Expected(""))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * entries.LARGEST_READ


def test_control_a_long_list_is_read(tmp_path: Path) -> None:
    """Six times as many names as the largest split has."""
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for number in range(10_000):
            archive.writestr(f"zigzag_{number:06d}.png", b"")
    with entries.open_entries(tmp_path / "x.zip") as listed:
        assert len(listed) == 10_000


def test_a_large_image_can_be_read_at_once(tmp_path: Path) -> None:
    """Only the list of names is bounded."""
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a.png", bytes(entries.LARGEST_READ + 1))
    with entries.open_entries(tmp_path / "x.zip") as (listed,), listed.open() as stream:
        assert len(stream.read()) == entries.LARGEST_READ + 1
