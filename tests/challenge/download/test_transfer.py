"""A file over HTTP from a server that cuts, stalls and lies: the same bytes, or a sentence."""

from __future__ import annotations

import io
import json
import socket
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from lying_server import Server, serving

from challenge.download.part import forget
from challenge.download.transfer import Patience, Unreachable, fetch
from challenge.download.unpack import is_whole_zip, looks_like_zip
from challenge.errors import DataError, DiskError

QUICK = Patience(silent_s=2.0, tries=3, first_tries=2, pause_s=0.001, longest_pause_s=0.01)
HALF = 150_000


def make_zip(seed: int) -> bytes:
    """A zip of some 300 kB that does not compress."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("x.bin", np.random.default_rng(seed).bytes(300_000))
    return packed.getvalue()


NEW, OLD = make_zip(1), make_zip(2)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(NEW) as served:
        yield served


def get(server: Server, part: Path, url: str | None = None) -> bytes:
    told: list[tuple[int, int]] = []
    fetch(
        url or server.url,
        part,
        looks_right=looks_like_zip,
        is_whole=is_whole_zip,
        need=lambda total, have: told.append((total, have)),
        patience=QUICK,
    )
    return part.read_bytes()


@pytest.mark.parametrize(
    "acts, ranges",
    [
        (["serve"], [None]),
        ([f"cut:{HALF}", "serve"], [None, f"bytes={HALF}-"]),
        ([f"stall:{HALF}", "serve"], [None, f"bytes={HALF}-"]),
        (["cut:700", "cut:700", "cut:700", "cut:700", "serve"], None),  # further each time
        ([f"cut:{HALF}", "503", "serve"], [None, f"bytes={HALF}-", f"bytes={HALF}-"]),
        ([f"cut:{HALF}", "whole"], [None, f"bytes={HALF}-"]),
        ([f"cut:{HALF}", "other-part", "serve"], [None, f"bytes={HALF}-", None]),
        (["503", "429", "serve"], [None] * 3),
        (["redirect", "serve"], [None] * 2),
        (["long", "serve"], [None, f"bytes={len(NEW)}-"]),  # 416: there is no more
        (["unknown"], [None]),
        ([f"unknown-cut:{HALF}", "serve"], [None, f"bytes={HALF}-"]),
        (["sure", "serve"], [None] * 2),
        (["empty", "serve"], None),
    ],
)
def test_the_bytes_are_equal_whatever_happens_on_the_way(
    server: Server, tmp_path: Path, acts: list[str], ranges: list[str | None] | None
) -> None:
    server.acts = list(acts)
    if acts[0] == "empty":
        with pytest.raises(Unreachable, match="sent nothing"):
            get(server, tmp_path / "a.part")
        server.acts = ["serve"]
    assert get(server, tmp_path / "a.part") == NEW
    assert ranges is None or server.ranges == ranges


@pytest.mark.parametrize("changed", [False, True])
@pytest.mark.parametrize("etag", ['"one"', None, 'W/"weak"'])
def test_another_process_goes_on_but_never_joins_two_files(
    server: Server, tmp_path: Path, changed: bool, etag: str | None
) -> None:
    server.acts, server.etag = [f"cut:{HALF}"], etag
    server.content = (OLD + b"longer" if etag != '"one"' else OLD) if changed else NEW
    part = tmp_path / "a.part"
    with pytest.raises(DataError, match="3 times in a row"):
        server.acts = [f"cut:{HALF}", "500"]
        get(server, part)
    assert part.stat().st_size == HALF
    server.content, server.acts = NEW, ["serve"]
    if changed and etag == '"one"':
        server.etag = '"two"'
    server.asked.clear()
    assert get(server, part) == NEW
    assert server.ranges[0] == f"bytes={HALF}-"  # it was tried
    assert len(server.ranges) == (2 if changed and etag != '"one"' else 1)


def test_a_server_that_ignores_if_range_is_noticed(server: Server, tmp_path: Path) -> None:
    part = tmp_path / "a.part"
    server.content, server.acts = OLD, [f"cut:{HALF}", "404"]
    with pytest.raises(Unreachable):
        get(server, part)
    state = json.loads((tmp_path / "a.part.json").read_text())
    server.content, server.acts, server.etag = NEW, ["serve"], '"two"'
    # as if it took what we know for its own: it answers 206, with the ETag of the new file
    (tmp_path / "a.part.json").write_text(json.dumps({**state, "validator": None}))
    assert get(server, part) == NEW
    assert server.ranges[-2:] == [f"bytes={HALF}-", None]


def test_a_part_of_another_address_is_not_gone_on_with(server: Server, tmp_path: Path) -> None:
    part = tmp_path / "a.part"
    server.acts = [f"cut:{HALF}", "404"]
    with pytest.raises(Unreachable):
        get(server, part, server.url + "?mirror")
    server.acts = ["serve"]
    assert get(server, part) == NEW
    assert server.ranges[-1] is None


def test_a_part_that_is_whole_is_not_asked_for_again(server: Server, tmp_path: Path) -> None:
    part = tmp_path / "a.part"
    get(server, part)
    assert get(server, part) == NEW
    assert len(server.asked) == 1
    forget(part)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "act, words, tries",
    [
        ("page", 'sent a login page ("Log in - Codalab") instead of the file', 1),
        ("quota", "too many people have had it today", 1),
        ("garbage", "sent another kind of file, beginning b'Rar!", 1),
        ("404", "the server says 404", 1),
        ("403", "the server says 403", 1),
        ("503", "the server says 503 (Service Unavailable), 3 times in a row", 3),
        ("loop", "302", None),
        ("sure", "page that asks whether you are sure", 2),
    ],
)
def test_what_is_no_file_is_told_and_not_kept(
    server: Server, tmp_path: Path, act: str, words: str, tries: int | None
) -> None:
    server.acts = [act]
    with pytest.raises(DataError) as raised:
        get(server, tmp_path / "a.part")
    assert words in str(raised.value)
    assert tries is None or len(server.asked) == tries
    assert not (tmp_path / "a.part").exists()


def test_a_page_does_not_cost_what_came_before(server: Server, tmp_path: Path) -> None:
    server.acts = [f"cut:{HALF}", "page"]
    with pytest.raises(Unreachable, match="login page"):
        get(server, tmp_path / "a.part")
    assert (tmp_path / "a.part").stat().st_size == HALF
    server.acts = ["serve"]
    assert get(server, tmp_path / "a.part") == NEW
    assert server.ranges[-1] == f"bytes={HALF}-"


@pytest.mark.parametrize(
    "act, words, kept",
    [
        ("short", f"sent {len(NEW) - 100} bytes, all it announced, and they are no whole", False),
        (f"cut-whole:{HALF}", f"announced {len(NEW)} bytes, sent {HALF}, 3 times in a row", True),
        (f"unknown-cut:{HALF}", "the file is not whole, 3 times in a row", True),
        (f"stall:{HALF}", "the server says 500", True),
    ],
)
def test_a_server_that_never_sends_all_is_given_up(
    server: Server, tmp_path: Path, act: str, words: str, kept: bool
) -> None:
    if act.startswith("stall"):
        server.acts = [act, "500"]
    else:
        server.acts = [act]
    with pytest.raises(DataError) as raised:
        get(server, tmp_path / "a.part")
    assert words in str(raised.value)
    assert (tmp_path / "a.part").exists() == kept


def test_nobody_listens_there(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/a.zip"
        with pytest.raises(Unreachable, match="cannot be reached .*refused.*2 times in a row"):
            fetch(
                url,
                tmp_path / "a.part",
                looks_right=looks_like_zip,
                is_whole=is_whole_zip,
                need=lambda total, have: None,
                patience=QUICK,
            )


def test_room_is_asked_for_before_anything_is_written(server: Server, tmp_path: Path) -> None:
    def refuse(total: int, have: int) -> None:
        raise DiskError(f"{total - have} too many")

    with pytest.raises(DiskError, match=f"{len(NEW)} too many"):
        fetch(
            server.url,
            tmp_path / "a.part",
            looks_right=looks_like_zip,
            is_whole=is_whole_zip,
            need=refuse,
            patience=QUICK,
        )
    assert list(tmp_path.iterdir()) == []


def test_the_form_of_drive_is_answered_with_its_hidden_fields(
    server: Server, tmp_path: Path
) -> None:
    server.acts = ["sure", "serve"]
    get(server, tmp_path / "a.part")
    assert server.asked[1]["path"] == "/really?id=1%262&confirm=t"
