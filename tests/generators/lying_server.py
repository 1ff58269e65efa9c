"""A server of one file on this machine that does, request by request, what servers should not."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest import mock

PAGE = (
    b"<!DOCTYPE html><html><head><title>Log in - Codalab</title></head><body>Log in</body></html>"
)
QUOTA = b"<html><title>Google Drive - Quota exceeded</title>Too many users have viewed this</html>"
SURE = (
    b'<!DOCTYPE html><html><title>Virus scan warning</title><form id="download-form" '
    b'action="/really" method="get"><input type="hidden" name="id" value="1&amp;2">'
    b'<input type="hidden" name="confirm" value="t"></form>'
    b'<form id="other"><input name="no" value="n"></form></html>'
)


@dataclass
class Server:
    """What it serves, and what was asked of it.

    acts: what it does with the first request, the second, …; the last one goes on. One of
        "serve", which knows ranges and If-Range; "cut:N" and "stall:N", N bytes of what is asked
        for, then the end, or silence; "cut-whole:N", of the whole file, whatever is asked for;
        "long", "short" and "unknown" lengths; "unknown-cut:N"; "whole", which knows no ranges;
        "other-part", a part of something else; "page", "quota", "sure"; "garbage"; "empty";
        "redirect"; "loop"; an HTTP status such as "503".
    """

    url: str
    content: bytes
    acts: list[str] = field(default_factory=lambda: ["serve"])
    etag: str | None = '"one"'
    asked: list[dict[str, str]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def next_act(self) -> str:
        return self.acts.pop(0) if len(self.acts) > 1 else self.acts[0]

    @property
    def ranges(self) -> list[str | None]:
        return [headers.get("Range") for headers in self.asked]


@contextlib.contextmanager
def serving(content: bytes) -> Iterator[Server]:
    """Serve some bytes at `Server.url` until the block ends."""

    class Handler(_Handler):
        pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        server = Server(f"http://127.0.0.1:{http.server_address[1]}/file.zip", content)
        Handler.served = server
        thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            with mock.patch.dict(os.environ, {"no_proxy": "127.0.0.1"}):
                yield server
        finally:
            server.ended.set()
            http.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    served: Server

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        self.served.asked.append({"path": self.path, **dict(self.headers.items())})
        act, _, number = self.served.next_act().partition(":")
        pages = {"page": PAGE, "quota": QUOTA, "sure": SURE}
        if act.isdigit():
            self.answer(int(act), b"no", {"Retry-After": "0"} if act == "503" else {})
        elif act in pages:
            self.answer(200, pages[act], {"Content-Type": "text/html; charset=utf-8"})
        elif act == "garbage":
            self.answer(200, b"Rar!\x1a\x07\x00" + bytes(600))
        elif act == "empty":
            self.answer(200, b"")
        elif act in ("redirect", "loop"):
            to = "/elsewhere" if act == "redirect" else self.path
            self.answer(302, b"", {"Location": to})
        else:
            self.file(act, int(number or 0))

    def file(self, act: str, number: int) -> None:
        content, start = self.served.content, 0
        headers = {"ETag": self.served.etag} if self.served.etag else {}
        wanted = self.headers.get("Range", "")
        known = self.headers.get("If-Range") in (None, self.served.etag)
        ranges = act in ("serve", "cut", "stall", "other-part")
        status = 200
        if wanted and ranges and known:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                self.answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
                return
            total = len(content) + (act == "other-part")
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{total}"
            status = 206
        body = content[start:]
        length = {"long": len(body) + 100, "short": len(body) - 100}.get(act, len(body))
        if not act.startswith("unknown"):
            headers["Content-Length"] = str(length)
        sent = body[:number] if number else body
        self.answer(status, sent, headers, own=True)
        if act == "stall":
            self.wfile.flush()
            self.served.ended.wait(30)
        self.close_connection = True

    def answer(
        self, status: int, body: bytes, headers: dict[str, str] | None = None, own: bool = False
    ) -> None:
        """Send an answer; `own`: the headers say themselves how long it is, or do not."""
        self.send_response(status)
        length = {} if own else {"Content-Length": str(len(body))}
        for name, value in {**length, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)
