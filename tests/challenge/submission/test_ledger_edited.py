"""The ledger as people and spreadsheets leave it: read, changed, and nothing of theirs lost."""

from __future__ import annotations

import csv
import io
import multiprocessing
import os
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from challenge.environment import locks
from challenge.errors import ChallengeError
from challenge.submission.ledger import COLUMNS, Row, add_row, read_ledger, record_server

WORDS = (
    "sent to the wrong phase",
    'said "no"',
    "zwei, drei; vier",
    "größer",
    "a\nb",
    "a\r\nb",
    "=1",
)


def row(number: int) -> Row:
    """Row `number`: its local PSNR is 30 + number, its SHA-256 `number` again and again."""
    name, digest = f"run{number}", f"{number:04x}" * 16
    place = f"/x/submissions/mini/val/{name}.zip"
    return Row(name, "mini", "val", place, digest, "", "2026-01-02", 30.0 + number, 0.9, "standard")


# --- several at a time


def write_figures(path: Path, number: int, start: float) -> None:
    time.sleep(max(0.0, start - time.time()))  # all at once
    record_server(path, row(number).sha256, 31.0 + number, None)
    add_row(path, row(100 + number))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize("has_locks", [True, False])
def test_ten_writers_at_once_all_survive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_locks: bool
) -> None:
    monkeypatch.setattr(locks, "HAS_LOCKS", has_locks)
    path = tmp_path / "ledger.csv"
    for number in range(10):
        add_row(path, row(number))
    context, start = multiprocessing.get_context("fork"), time.time() + 0.2
    writers = [
        context.Process(target=write_figures, args=(path, number, start)) for number in range(10)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 10
    rows = {each.sha256: each for each in read_ledger(path)}
    assert all(rows[row(number).sha256].drift == 1.0 for number in range(10))
    assert all(row(100 + number).sha256 in rows for number in range(10)) and len(rows) == 20
    assert [each.name for each in tmp_path.iterdir()] == ["ledger.csv"]


@pytest.mark.parametrize("has_locks", [True, False])
def test_who_waits_too_long_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_locks: bool
) -> None:
    monkeypatch.setattr(locks, "HAS_LOCKS", has_locks)
    path = tmp_path / "ledger.csv"
    told = pytest.raises(ChallengeError, match=r"ledger\.csv: another process \(.*\) has been")
    with locks.locked(path), told, locks.locked(path, wait_s=0.05):
        pass
    with locks.locked(path, wait_s=0.05):  # free again
        pass


def test_the_lock_of_a_killed_process_does_not_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, lock = tmp_path / "ledger.csv", tmp_path / ".ledger.csv.lock"
    lock.touch()  # the system's own lock ended with the process
    with locks.locked(path, wait_s=0.05):
        pass
    monkeypatch.setattr(locks, "HAS_LOCKS", False)
    lock.touch()
    with pytest.raises(ChallengeError), locks.locked(path, wait_s=0.05):
        pass
    os.utime(lock, (time.time() - locks.STALE_S - 1,) * 2)
    with locks.locked(path, wait_s=5):
        pass


# --- whatever a spreadsheet made of it


@dataclass
class Mutant:
    """A ledger of two rows as somebody may have saved it."""

    encoding: str
    delimiter: str
    newline: str
    above: str
    table: list[list[str]]

    def content(self) -> bytes:
        text = io.StringIO(newline="")
        writer = csv.writer(text, delimiter=self.delimiter, lineterminator=self.newline)
        if self.newline == "\n":
            writer = csv.writer(
                text, delimiter=self.delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL
            )
        writer.writerows(self.table)
        return (self.above + text.getvalue()).encode(self.encoding)

    def cells(self, content: bytes) -> Counter[str]:
        """Every text in a file of this form, by Python's own reader."""
        text = content.decode(self.encoding)
        assert text.startswith(self.above)
        stream = io.StringIO(text[len(self.above) :], newline="")
        table = csv.reader(stream, delimiter=self.delimiter)
        return Counter(cell for line in table for cell in line if cell.strip())


def mutate(seed: int) -> Mutant:
    rng = np.random.default_rng(seed)

    def maybe(share: float = 0.4) -> bool:
        return bool(rng.random() < share)

    def word() -> str:
        return str(rng.choice(WORDS))

    delimiter = str(rng.choice([",", ";", "\t"]))
    columns = list(COLUMNS)
    if maybe():  # of an older kit, or deleted
        columns = [name for name in columns if name not in ("local_scores", "notes", "phase")]
    rows = [
        {name: "" if value is None else str(value) for name, value in vars(row(number)).items()}
        for number in (1, 2)
    ]
    rows[1]["server_psnr"], rows[1]["drift"] = "33.5", "1.5"
    if maybe():
        rows[0]["drift"] = word()
    if maybe():
        rows[1]["server_ssim"] = word()
    if maybe() and "notes" in columns:
        rows[0]["notes"] = word()
    if maybe(0.5) and delimiter != ",":
        for each in rows:
            for name in ("local_psnr", "local_ssim", "server_psnr", "drift"):
                each[name] = each[name].replace(".", ",")
    if maybe():
        columns.insert(int(rng.integers(len(columns) + 1)), "my column")
        rows[0]["my column"] = word()
    if maybe():
        columns = [str(name) for name in rng.permutation(columns)]
    header = [name.upper() if maybe(0.2) else " " * maybe(0.2) + name for name in columns]
    table = [header, *([each.get(name, "") for name in columns] for each in rows)]
    if maybe():
        table[int(rng.integers(1, 3))] += ["", word()]  # beyond the last column
    if maybe():
        comment = [""] * len(columns)
        comment[columns.index("run")] = f"# {word()}"
        table.insert(int(rng.integers(1, len(table) + 1)), comment)
    if maybe():
        table.insert(int(rng.integers(1, len(table) + 1)), [])
    above = f"sep={delimiter}\r\n" if maybe(0.2) else ""
    encoding = str(rng.choice(["utf-8", "utf-8-sig", "utf-16", "cp1252"]))
    return Mutant(encoding, delimiter, str(rng.choice(["\n", "\r\n"])), above, table)


def test_nothing_that_people_wrote_is_lost(tmp_path: Path) -> None:
    """Hundreds of forms: rows are found, figures arrive, all other texts stay, in the same form."""
    path = tmp_path / "ledger.csv"
    for seed in range(300):
        mutant = mutate(seed)
        path.write_bytes(mutant.content())
        before = mutant.cells(path.read_bytes())
        assert [each.sha256 for each in read_ledger(path)] == [row(1).sha256, row(2).sha256], seed
        changed = record_server(path, row(1).sha256, 32.25, None)
        add_row(path, row(3))
        first, second, third = read_ledger(path)
        assert (first, first.server_psnr, first.drift) == (changed, 32.25, 1.25), seed
        assert (second.server_psnr, second.drift, second.local_psnr) == (33.5, 1.5, 32.0), seed
        assert third == row(3), seed
        after = mutant.cells(path.read_bytes())
        lost = before - after
        moved = {word for word in lost if word.strip() in first.notes}  # words in place of a drift
        assert set(lost) == moved, (seed, lost)


def test_a_table_that_nobody_touched_stays_the_same_to_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "ledger.csv"
    add_row(path, row(1))
    add_row(path, row(2))
    before = path.read_bytes()
    add_row(path, row(2))
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_a_ledger_without_rows(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ledger.csv"
    path.write_bytes(content)
    assert read_ledger(path) == []
    add_row(path, row(1))
    assert read_ledger(path) == [row(1)]


def test_a_column_that_is_added_takes_no_cell_of_another(tmp_path: Path) -> None:
    path = tmp_path / "ledger.csv"
    old = [name for name in COLUMNS if name != "notes"]
    add_row(path, row(1))
    line = path.read_text().splitlines()[1].removesuffix(",")
    path.write_text(",".join(old) + f"\n{line},mine alone\n")
    changed = record_server(path, "run1", None, None, "a note")
    assert changed.notes == "a note"
    assert path.read_text().splitlines() == [",".join(old) + ",,notes", f"{line},mine alone,a note"]
