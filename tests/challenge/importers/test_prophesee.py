"""DAT, EVT 2 and EVT 3, against words that were written one by one."""

from __future__ import annotations

import itertools
from pathlib import Path

import event_files
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from challenge.errors import DataError
from challenge.importers import open_recording
from challenge.importers.evt3 import decode_evt3
from challenge.importers.prophesee import decode_dat, decode_evt2
from challenge.importers.recording import all_events

Row = tuple[int, int, int, int]
WRITERS = {
    "a.dat": event_files.dat,
    "evt2.raw": lambda rows: event_files.evt2(event_files.evt2_words(rows)),
    "evt3.raw": lambda rows: event_files.evt3(event_files.evt3_words(rows)),
}


def rows_of(path: Path) -> list[Row]:
    events = all_events(open_recording(path))
    return [tuple(map(int, row)) for row in zip(events.x, events.y, events.t, events.p)]  # type: ignore[misc]  # noqa: B905


def some_rows(count: int, longest_us: int, first_us: int = 0) -> list[Row]:
    rng = np.random.default_rng(count)
    t = first_us + np.cumsum(rng.integers(0, longest_us, count))
    x, y, p = (rng.integers(0, most, count) for most in (346, 260, 2))
    return [tuple(map(int, row)) for row in zip(x, y, t, p, strict=True)]  # type: ignore[misc]


@pytest.mark.parametrize("name", WRITERS)
def test_events_come_back(tmp_path: Path, name: str) -> None:
    rows = some_rows(3000, 300)
    (tmp_path / name).write_bytes(WRITERS[name](rows))
    assert rows_of(tmp_path / name) == rows
    assert open_recording(tmp_path / name).size == (346, 260)


@pytest.mark.parametrize("name, bits", [("a.dat", 32), ("evt2.raw", 34), ("evt3.raw", 24)])
def test_a_clock_that_starts_again_goes_on(tmp_path: Path, name: str, bits: int) -> None:
    """Two rounds: from just before the end of the first one, in steps of a third of a round."""
    third = (1 << bits) // 3
    rows = [(i, 2 * i, (1 << bits) - 5 + i * third, i % 2) for i in range(7)]
    (tmp_path / name).write_bytes(WRITERS[name](rows))
    assert rows_of(tmp_path / name) == rows


def test_vectors_of_evt3_are_events_side_by_side(tmp_path: Path) -> None:
    """A base at x = 100, brighter; the vectors after it begin where those before them ended."""
    words = [
        0x8001,  # TIME_HIGH 1
        0x6002,  # TIME_LOW 2
        0x0007,  # row 7
        0x3000 | 0x800 | 100,  # base: x 100, brighter
        0x4000 | 0b100000000001,  # 100 and 111
        0x5000 | 0b10000010,  # 12 further: 113 and 119
        0x4000 | 0b000000000010,  # 20 further: 121
        0x2000 | 33,  # one event, darker, elsewhere; the base holds
        0x5000 | 0b1,  # 32 further: 132
    ]
    (tmp_path / "v.raw").write_bytes(event_files.evt3(words))
    t = (1 << 12) + 2
    brighter = [(x, 7, t, 1) for x in (100, 111, 113, 119, 121, 132)]
    assert rows_of(tmp_path / "v.raw") == [*brighter[:5], (33, 7, t, 0), brighter[5]]


def test_the_upper_bits_of_a_vector_of_8_count_for_nothing(tmp_path: Path) -> None:
    words = [0x8000, 0x6000, 0x0000, 0x3000, 0x5F01, 0x5001]
    (tmp_path / "v.raw").write_bytes(event_files.evt3(words))
    assert [row[0] for row in rows_of(tmp_path / "v.raw")] == [0, 8]


def test_what_comes_before_its_time_row_or_base_is_left_out(tmp_path: Path) -> None:
    before = [0x2001, 0x8005, 0x2002, 0x4FFF, 0x0003, 0x4FFF]
    (tmp_path / "v.raw").write_bytes(event_files.evt3([*before, 0x2004]))
    assert rows_of(tmp_path / "v.raw") == [(4, 3, 5 << 12, 0)]
    early = 1 << 28 | 9 << 11 | 9
    (tmp_path / "w.raw").write_bytes(
        event_files.evt2([early, *event_files.evt2_words([(1, 2, 70, 1)])])
    )
    assert rows_of(tmp_path / "w.raw") == [(1, 2, 70, 1)]


def test_triggers_and_other_words_are_passed_over(tmp_path: Path) -> None:
    rows = some_rows(200, 50)
    words = event_files.evt3_words(rows)
    mixed = list(itertools.chain(*((word, 0xA001, 0xE123, 0x7004, 0xF00F) for word in words)))
    (tmp_path / "v.raw").write_bytes(event_files.evt3(mixed))
    assert rows_of(tmp_path / "v.raw") == rows
    words = event_files.evt2_words(rows)
    mixed = list(itertools.chain(*((word, 0xA << 28 | 1, 0xE << 28, 0xF << 28) for word in words)))
    (tmp_path / "w.raw").write_bytes(event_files.evt2(mixed))
    assert rows_of(tmp_path / "w.raw") == rows


def test_a_new_high_time_begins_with_low_bits_of_zero(tmp_path: Path) -> None:
    """And one that says the same again changes nothing; as the vendor's decoder has it."""
    words = [0x8001, 0x6005, 0x0000, 0x2001, 0x8001, 0x2002, 0x8002, 0x2003, 0x6001, 0x2004]
    (tmp_path / "v.raw").write_bytes(event_files.evt3(words))
    assert [row[2] for row in rows_of(tmp_path / "v.raw")] == [4101, 4101, 8192, 8193]


def test_low_times_that_start_again_without_a_high_one_go_on(tmp_path: Path) -> None:
    words = [0x8000, 0x6FFE, 0x0000, 0x2001, 0x6001, 0x2002, 0x6FFF, 0x2003, 0x6000, 0x2004]
    words += [0x8002, 0x6003, 0x2005, 0x6001, 0x2006]  # a small fall is none
    (tmp_path / "v.raw").write_bytes(event_files.evt3(words))
    assert [row[2] for row in rows_of(tmp_path / "v.raw")] == [4094, 4097, 8191, 8192, 8195, 8193]


class Slow:
    """EVT 3.0 word by word: what the format's description says, and nothing at once."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.high: int | None = None
        self.row: int | None = None
        self.base: int | None = None
        self.low = self.bright = 0
        self.after_low = False

    def take(self, word: int) -> None:
        kind, value = word >> 12, word & 0xFFF
        if kind == 0x8:
            last = value if self.high is None else self.high % 4096
            new = (self.high or 0) // 4096 * 4096 + value + 4096 * (value - last <= -2048)
            if new != self.high:
                self.high, self.low = new, 0
            self.after_low = False
        elif kind == 0x6 and self.high is not None:
            self.high += self.after_low and value - self.low <= -2048
            self.low, self.after_low = value, True
        elif kind == 0x0:
            self.row = value & 0x7FF
        elif kind == 0x2:
            self.event(value & 0x7FF, value >> 11)
        elif kind == 0x3:
            self.base, self.bright = value & 0x7FF, value >> 11
        elif kind in (0x4, 0x5) and self.base is not None:
            width = 12 if kind == 0x4 else 8
            for bit in range(width):
                if value >> bit & 1:
                    self.event(self.base + bit, self.bright)
            self.base += width

    def event(self, x: int, p: int) -> None:
        if self.high is not None and self.row is not None and x < 2048:
            self.rows.append((x, self.row, self.high * 4096 + self.low, p))


kinds = st.sampled_from([0x0, 0x2, 0x2, 0x3, 0x4, 0x5, 0x6, 0x6, 0x6, 0x8, 0x8, 0x7, 0xA, 0xF])
values = st.one_of(st.integers(0, 4095), st.sampled_from([0, 1, 2, 2047, 2048, 4094, 4095]))
some_words = st.lists(
    st.tuples(kinds, values).map(lambda pair: pair[0] << 12 | pair[1]), max_size=60
)


@settings(max_examples=300, deadline=None)
@given(words=some_words, size=st.integers(1, 60))
def test_any_words_give_what_they_give_one_by_one(words: list[int], size: int) -> None:
    slow = Slow()
    for word in words:
        slow.take(word)
    array = np.array(words, np.uint16)
    parts = [*decode_evt3(iter([array[i : i + size] for i in range(0, len(array), size)]))]
    found = [
        (int(x), int(y), int(t), int(p))
        for each in parts
        for x, y, t, p in zip(each.x, each.y, each.t, each.p, strict=True)
    ]
    assert found == slow.rows


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_the_size_of_blocks_changes_nothing(size: int) -> None:
    """Every state (time, row, base, round) holds on from one block to the next."""
    rows = some_rows(150, 1_000_000)
    rng = np.random.default_rng(1)
    evt3 = []
    for word in event_files.evt3_words(rows):
        evt3.append(word)
        if word >> 12 == 2 and rng.random() < 0.5:  # a base, then vectors of both kinds
            evt3 += [0x3000 | word & 0xFFF, 0x4000 | int(rng.integers(4096)), 0x5003, 0x4801]
    dat = np.frombuffer(event_files.dat(rows, "")[2:], [("t", "<u4"), ("data", "<u4")])
    for decode, words in (
        (decode_evt3, np.array(evt3, np.uint16)),
        (decode_evt2, np.array(event_files.evt2_words(rows), np.uint32)),
        (decode_dat, dat),
    ):
        whole = [*decode(iter([words]))]
        parts = [*decode(iter([words[i : i + size] for i in range(0, len(words), size)]))]
        for name in "xytp":
            joined = np.concatenate([getattr(part, name) for part in parts])
            np.testing.assert_array_equal(joined, getattr(whole[0], name))


def test_the_first_version_of_dat_has_other_bits(tmp_path: Path) -> None:
    word = 300 | 200 << 9 | 1 << 17
    content = (
        b"% Version 1\n" + bytes([0, 8]) + (77).to_bytes(4, "little") + word.to_bytes(4, "little")
    )
    (tmp_path / "a.dat").write_bytes(content)
    assert rows_of(tmp_path / "a.dat") == [(300, 200, 77, 1)]


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("a.dat", b"\x0c\x08" + bytes(16), "lines that begin with %"),
        ("a.dat", b"% Version 2\n", "cut off"),
        ("a.dat", b"% Version 2\n\x0e\x08" + bytes(16), "type 14"),
        ("a.dat", b"% Version 3\n\x0c\x08" + bytes(16), "version 1 or 2"),
        ("a.raw", b"% evt 2.1\n% end\n" + bytes(16), "EVT2.1"),
        ("a.raw", b"% format EVT4;height=2;width=2\n% end\n", "EVT4"),
        ("a.raw", b"% Date 1970\n% end\n" + bytes(16), "neither"),
        ("a.raw", b"", "empty"),
    ],
)
def test_other_files_are_refused_with_their_names(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=words) as raised:
        open_recording(tmp_path / name)
    assert name in str(raised.value)


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_that_ends_within_a_word_is_read_to_there_and_it_is_said(
    tmp_path: Path, name: str
) -> None:
    rows = some_rows(50, 20)
    (tmp_path / name).write_bytes(WRITERS[name](rows)[:-1])
    assert rows_of(tmp_path / name) == rows[:-1]
    assert "no whole word" in open_recording(tmp_path / name).notes[0]
