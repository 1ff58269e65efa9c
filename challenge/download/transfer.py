"""One file over HTTP: what came is kept, and goes on where it stopped.

The library that would do it, gdown 6.5, was tried against the server of the tests: it keeps a page
as if it were the file, takes 429 and 503 as final, gives up for good where a server knows no
ranges, and, started again, joins the rest of a changed file to the beginning of the old one.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from challenge.download.pages import is_page, read_page
from challenge.download.part import State, forget, load_state, save_state
from challenge.errors import DataError
from challenge.files import BLOCK

AGENT = "event-deblurring-kit"
SEEN = 512
"""Bytes that tell a page from a file."""
LARGEST_PAGE = 1 << 20
"""Bytes of a page that are read to understand it."""
TRANSIENT = (408, 425, 429, 500, 502, 503, 504)
"""Answers of a server that may be other ones in a moment."""
CUT = (OSError, http.client.HTTPException)
"""What Python raises when a connection dies or falls silent, of TLS too."""


@dataclass(frozen=True)
class Patience:
    """How long to wait for a server.

    Attributes:
        silent_s: so long without a byte, and the connection counts as dead.
        tries: so often in a row without a byte more than before, then it is given up.
        first_tries: the same, while nothing of it was ever reached.
        pause_s, longest_pause_s: before trying again, doubled each time.
    """

    silent_s: float = 30.0
    tries: int = 8
    first_tries: int = 2
    pause_s: float = 1.0
    longest_pause_s: float = 60.0


class Unreachable(DataError):
    """Nothing answered, or what answered will not give the file."""


class _Cut(Exception):
    """This try ended early; another one may get further."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


@dataclass(frozen=True)
class _Answer:
    """An answer that brings the file, from `offset` on."""

    response: http.client.HTTPResponse
    first: bytes
    offset: int
    state: State


def fetch(
    url: str,
    part: Path,
    *,
    looks_right: Callable[[bytes], bool],
    is_whole: Callable[[Path], bool],
    need: Callable[[int, int], None],
    patience: Patience | None = None,
) -> None:
    """Bring the file at `url` to `part`; what is there of it already is not asked for again.

    Only bytes of one and the same file are joined: the server is told what we have a part of
    (If-Range), and where it says that this has changed, or cannot tell ranges, it starts over.

    Args:
        looks_right: whether a file of the right kind begins with these bytes (some, at least 4).
        is_whole: whether the file is complete, as far as it can tell itself; asked at the end.
        need: is told the file's size and how much of it is here, before more is written; may raise.

    Raises:
        Unreachable: nobody answers, the answer is a refusal, or a page instead of the file.
        DataError: it stays incomplete; what came is kept, except where it is no part of the file.
        OSError: of the system, with the name of `part`.
    """
    patience = patience or Patience()
    transfer = _Transfer(url, part, looks_right, need, patience.silent_s)
    furthest, failures = _size(part), 0
    while True:
        try:
            transfer.go_on()
            if transfer.state.total is not None or is_whole(part):
                break
            raise _Cut("the connection ended, and the file is not whole")
        except _Cut as cut:
            failures = 1 if _size(part) > furthest else failures + 1
            furthest = max(furthest, _size(part))
            if failures >= (patience.tries if transfer.reached else patience.first_tries):
                kind = DataError if transfer.reached else Unreachable
                raise kind(f"{url}: {cut}, {failures} times in a row") from cut
            pause_s = min(patience.pause_s * 2 ** (failures - 1), patience.longest_pause_s)
            wait_s = min(max(pause_s, cut.wait_s), patience.longest_pause_s)
            tqdm.write(f"{part.name}: {cut}; trying again in {wait_s:.0f} s")
            time.sleep(wait_s)
    if not is_whole(part):
        size = _size(part)
        forget(part)
        raise DataError(f"{url}: sent {size} bytes, all it announced, and they are no whole file")


class _Transfer:
    """One file on its way, over as many connections as it takes."""

    def __init__(
        self,
        url: str,
        part: Path,
        looks_right: Callable[[bytes], bool],
        need: Callable[[int, int], None],
        silent_s: float,
    ) -> None:
        self.address, self.part = url, part
        self.looks_right, self.need, self.silent_s = looks_right, need, silent_s
        self.reached = False
        known = load_state(part, url)
        if known is None:
            forget(part)  # of another address
        self.state = known or State(url)

    def go_on(self) -> None:
        """Fetch what is missing, over one connection.

        Raises:
            _Cut: it did not all come.
        """
        have = _size(self.part)
        if have and have == self.state.total:
            return
        with contextlib.ExitStack() as stack:
            response = self._ask(have, stack)
            if response is not None:
                self._receive(self._understand(response, _first_bytes(response), have))

    def _ask(self, have: int, stack: contextlib.ExitStack) -> http.client.HTTPResponse | None:
        """Ask for all behind the first `have` bytes; None if that is nothing."""
        headers = {"User-Agent": AGENT, "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
            if self.state.validator:
                headers["If-Range"] = self.state.validator
        request = urllib.request.Request(self.address, headers=headers)
        try:
            opened = urllib.request.urlopen(request, timeout=self.silent_s)
            response: http.client.HTTPResponse = stack.enter_context(opened)
        except urllib.error.HTTPError as error:
            self.reached = True
            self._refused(error, have)
            return None
        except urllib.error.URLError as error:
            raise self._unreachable(error.reason) from error
        except CUT as error:
            raise _Cut(_say(error)) from error
        self.reached = True
        return response

    def _refused(self, error: urllib.error.HTTPError, have: int) -> None:
        """Understand an answer that is an error; return if it says that all is here."""
        error.close()
        if error.code == 416 and have:
            total = error.headers.get("Content-Range", "").rpartition("/")[2]
            if total == str(have):
                return
            forget(self.part)
            raise _Cut("the server has a shorter file now; starting over")
        if error.code in TRANSIENT:
            wait = error.headers.get("Retry-After", "")
            raise _Cut(f"the server says {error.code} ({error.reason})", _seconds(wait))
        raise Unreachable(f"{self.address}: the server says {error.code} ({error.reason})")

    def _unreachable(self, reason: object) -> Exception:
        """Choose what to raise where no connection came about."""
        if isinstance(reason, ssl.SSLCertVerificationError):
            return Unreachable(f"{self.address}: its certificate is not trusted ({reason.reason})")
        return _Cut(_say(reason) if self.reached else f"cannot be reached ({_reason(reason)})")

    def _understand(self, response: http.client.HTTPResponse, first: bytes, have: int) -> _Answer:
        """See what an answer brings."""
        headers = response.headers
        if response.status == 206:
            found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", headers.get("Content-Range", ""))
            same = _validator(headers) in (None, self.state.validator)
            total = found[2] if found else ""
            if self.state.total is not None:
                same = same and total in ("*", str(self.state.total))
            if found is None or int(found[1]) != have or not same:
                forget(self.part)
                raise _Cut("the server sends a part of another file; starting over")
            known = self.state.total if total == "*" else int(total)
            state = State(self.state.url, self.state.validator, known)
            return _Answer(response, first, have, state)
        if is_page(first, headers.get("Content-Type", "")):
            page = read_page(first + _rest_of_page(response), response.url)
            if page.onward and page.onward != self.address:
                self.address = page.onward
                raise _Cut("Google Drive asks whether you are sure: yes")
            raise Unreachable(f"{self.address}: sent {page.what} instead of the file")
        length = headers.get("Content-Length", "")
        total_bytes = int(length) if length.isdigit() else None
        if not self.looks_right(first):
            cut_off = len(first) < 4 and total_bytes != len(first)
            if cut_off:
                raise _Cut("the connection ended at once")
            begins = f"another kind of file, beginning {first[:16]!r}" if first else "nothing"
            raise Unreachable(f"{self.address}: sent {begins}")
        if have:
            tqdm.write(f"{self.part.name}: the server starts over, at byte 0")
        return _Answer(response, first, 0, State(self.state.url, _validator(headers), total_bytes))

    def _receive(self, answer: _Answer) -> None:
        """Write what comes behind what is here."""
        total = answer.state.total
        if total is not None:
            self.need(total, answer.offset)
        try:
            with open(self.part, "r+b" if answer.offset else "wb") as file:
                save_state(self.part, answer.state)
                self.state = answer.state
                file.seek(answer.offset)
                self._copy(answer, file.write)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            error.filename = error.filename or str(self.part)
            raise
        have = _size(self.part)
        if total is not None and have != total:
            raise _Cut(f"announced {total} bytes, sent {have}")

    def _copy(self, answer: _Answer, write: Callable[[bytes], int]) -> None:
        total, block = answer.state.total, answer.first
        with tqdm(
            total=total,
            initial=answer.offset,
            desc=self.part.name.removesuffix(".part"),
            unit="B",
            unit_scale=True,
            disable=None,
        ) as bar:
            while block:
                write(block)
                bar.update(len(block))
                try:
                    block = answer.response.read1(BLOCK)  # what there is: none is lost in a cut
                except CUT as error:
                    raise _Cut(_say(error)) from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _validator(headers: http.client.HTTPMessage) -> str | None:
    """Choose what tells a file from another one: only a strong ETag may stand in If-Range."""
    etag = headers.get("ETag")
    if etag and not etag.startswith("W/"):
        return str(etag)
    modified = headers.get("Last-Modified")
    return str(modified) if modified else None


def _seconds(text: str) -> float:
    return float(text) if re.fullmatch(r"\d{1,6}", text) else 0.0


def _first_bytes(response: http.client.HTTPResponse) -> bytes:
    """Read enough to see what it is: fewer than `SEEN` only where there are no more."""
    first = b""
    try:
        while len(first) < SEEN and (more := response.read1(BLOCK)):
            first += more
    except CUT as error:
        if not first:
            raise _Cut(_say(error)) from error
    return first


def _rest_of_page(response: http.client.HTTPResponse) -> bytes:
    with contextlib.suppress(*CUT):
        return response.read(LARGEST_PAGE)
    return b""


def _say(reason: object) -> str:
    if isinstance(reason, TimeoutError):
        return "the server fell silent"
    return f"the connection broke ({_reason(reason)})"


def _reason(reason: object) -> str:
    return getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
