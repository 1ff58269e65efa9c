"""Temporary files of killed processes go; those of living ones, and everybody else's, stay."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from challenge.environment.leftovers import (
    ABANDONED_S,
    remove_leftovers,
    temporary_path,
    this_machine,
)
from challenge.files import replace_folder, scratch_folder, write_text

OTHER_MACHINE = f"{int(this_machine(), 16) ^ 1:08x}"
KILLED = """
import sys, time
from pathlib import Path
from challenge.files import replace_folder, scratch_folder, write_whole
place = Path(sys.argv[1])
with write_whole(place / "mine.zip") as a, replace_folder(place / "run") as b:
    with scratch_folder(place, "work") as c:
        a.write_text("half")
        (b / "half.png").touch()
        (c / "inner").mkdir()
        print("ready", flush=True)
        time.sleep(600)
"""


@pytest.fixture(scope="module")
def ended() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is of POSIX systems")
def test_what_a_killed_process_left_is_removed_by_the_next_one_and_not_before(
    tmp_path: Path,
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "old.png").touch()
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        remove_leftovers(tmp_path)
        assert len(names(tmp_path)) == 4  # it lives: its file, its two folders, and `run`
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert len(names(tmp_path)) == 4
    write_text(tmp_path / "other.txt", "the next start")
    assert names(tmp_path) == ["other.txt", "run"]
    assert names(tmp_path / "run") == ["old.png"]


def test_a_folder_whose_replacement_was_killed_half_way_is_put_back(
    tmp_path: Path, ended: int
) -> None:
    old = tmp_path / f".v1.5.{ended}@{this_machine()}.old"
    old.mkdir()
    (old / "a.png").touch()
    remove_leftovers(tmp_path)
    assert names(tmp_path) == ["v1.5"] and names(tmp_path / "v1.5") == ["a.png"]


def test_a_folder_that_was_replaced_is_removed(tmp_path: Path, ended: int) -> None:
    (tmp_path / "run").mkdir()
    old = tmp_path / f".run.{ended}@{this_machine()}.old"
    old.mkdir()
    (old / "a.png").touch()
    remove_leftovers(tmp_path)
    assert names(tmp_path) == ["run"] and names(tmp_path / "run") == []


@pytest.mark.parametrize(
    "name",
    ["mine.zip", ".mine.zip", ".mine.tmp.zip", "mine.zip.{pid}@{m}.tmp", ".mine.{pid}@{m}.temp"]
    + [".mine.{pid}x@{m}.tmp", ".{pid}@{m}.tmp", ".mine.{pid}@{m}.tmp.tar.gz", ".git", ".x.{pid}"],
)
def test_names_that_are_not_ours_stay_however_old(tmp_path: Path, ended: int, name: str) -> None:
    path = tmp_path / name.format(pid=ended, m=this_machine())
    path.touch()
    os.utime(path, (0, 0))
    remove_leftovers(tmp_path)
    assert path.exists()


@pytest.mark.parametrize("machine", ["@" + OTHER_MACHINE, ""])  # without: as older kits wrote it
def test_of_another_machine_only_what_is_untouched_for_long_goes(
    tmp_path: Path, ended: int, machine: str
) -> None:
    path = tmp_path / f".mine.{ended}{machine}.tmp.zip"
    path.touch()
    remove_leftovers(tmp_path)
    assert path.exists()
    long_ago = time.time() - ABANDONED_S - 60
    os.utime(path, (long_ago, long_ago))
    remove_leftovers(tmp_path)
    assert not path.exists()


def test_a_living_process_keeps_its_files_as_long_as_it_lives(tmp_path: Path) -> None:
    path = temporary_path(tmp_path / "mine.zip")
    path.touch()
    remove_leftovers(tmp_path)
    assert path.exists()


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="needs /proc")
def test_a_number_that_a_later_process_got_does_not_protect(tmp_path: Path) -> None:
    path = temporary_path(tmp_path / "mine.zip")
    path.touch()
    os.utime(path, (1e9, 1e9))  # in 2001: before this process began
    remove_leftovers(tmp_path)
    assert not path.exists()


def test_a_link_is_removed_and_not_followed(tmp_path: Path, ended: int) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "a").touch()
    (tmp_path / f".x.{ended}@{this_machine()}.tmp").symlink_to(tmp_path / "theirs")
    remove_leftovers(tmp_path)
    assert names(tmp_path) == ["theirs"] and names(tmp_path / "theirs") == ["a"]


def test_a_scratch_folder_is_empty_private_and_gone_afterwards(tmp_path: Path) -> None:
    with scratch_folder(tmp_path / "new", "work") as folder:
        assert folder.stat().st_mode & 0o077 == 0 and names(folder) == []
        (folder / "a").touch()
    assert names(tmp_path / "new") == []


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    with replace_folder(tmp_path / "run") as new:
        (new / "a").touch()
    with pytest.raises(RuntimeError), replace_folder(tmp_path / "run") as new:
        (new / "b").touch()
        raise RuntimeError
    assert names(tmp_path) == ["run"] and names(tmp_path / "run") == ["a"]
