"""What came instead of a file: pages that are meant for people."""

from __future__ import annotations

import html
import urllib.parse
from dataclasses import dataclass
from html.parser import HTMLParser

KNOWN = (
    (("quota", "too many users"), "Google Drive's page that too many people have had it today"),
    (("virus scan", "can't scan"), "Google Drive's page that asks whether you are sure"),
    (("log in", "login", "sign in", "sign-in"), "a login page"),
    (("not found", "404"), "a page that there is no such file"),
    (("access denied", "permission", "forbidden"), "a page that denies access"),
)
"""Words of a page, in lower case -> what it is; the first that fits."""


@dataclass(frozen=True)
class Page:
    """A page: what it is, and where its one button leads that says "download anyway"."""

    what: str
    onward: str | None = None


def is_page(first: bytes, content_type: str) -> bool:
    """Say whether what begins with these bytes is a page, and not an archive."""
    start = first.lstrip(b"\xef\xbb\xbf \t\r\n")[:256].lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<?xml", b"<!--")):
        return True
    return content_type.startswith(("text/html", "application/xhtml")) and start.startswith(b"<")


def read_page(content: bytes, url: str) -> Page:
    """Understand a page that was served at `url`.

    Google Drive asks for large files whether to go on without a virus scan, by a form called
    `download-form`; `onward` is where that form leads.
    """
    text = content.decode("utf-8", "replace")
    reader = _Reader()
    reader.feed(text)
    onward = None
    if reader.action is not None:
        address = urllib.parse.urlsplit(urllib.parse.urljoin(url, reader.action))
        fields = {**dict(urllib.parse.parse_qsl(address.query)), **reader.fields}
        if address.scheme in ("http", "https"):
            onward = address._replace(query=urllib.parse.urlencode(fields)).geturl()
    said = text.lower()
    what = next((name for words, name in KNOWN if any(word in said for word in words)), "a page")
    title = " ".join(html.unescape(reader.title).split())[:80]
    return Page(f'{what} ("{title}")' if title else what, onward)


class _Reader(HTMLParser):
    """Takes the title, and the form `download-form` with its hidden fields."""

    def __init__(self) -> None:
        super().__init__()
        self.title, self.action = "", None
        self.fields: dict[str, str] = {}
        self._in_title = self._in_form = False

    title: str
    action: str | None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "title":
            self._in_title = True
        elif tag == "form" and values.get("id") == "download-form":
            self._in_form, self.action = True, values.get("action", "")
        elif tag == "input" and self._in_form and values.get("name"):
            self.fields[values["name"]] = values.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False
        elif tag == "form":
            self._in_form = False

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data
