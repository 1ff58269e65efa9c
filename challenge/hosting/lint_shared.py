"""Checks of the configuration that both platforms share."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from challenge.findings import Finding
from challenge.hosting.lint_fields import text
from challenge.hosting.lint_findings import breaks, doubt, member, refused, shown

PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"RIFF")
"""How a PNG, JPEG, GIF and WebP begin: what Codabench takes for a logo."""
DEFAULT_QUEUE_S = 600


def logo(archive: zipfile.ZipFile, name: Any) -> Iterator[Finding]:
    """Find a logo that is not there, or that Codabench does not take for a picture."""
    if name is None:
        return  # a matter of the field
    yield from member(archive, name, "image")
    if name in archive.namelist():
        with archive.open(name) as stream:
            if not stream.read(8).startswith(PICTURES):
                yield refused("a PNG, JPEG, GIF or WebP", "something else", "save it so", name)


def key_findings(where: str, keys: Iterable[Any]) -> Iterator[Finding]:
    """Find keys of columns that are too long, or that come twice."""
    names = [str(key) for key in keys]
    for name in dict.fromkeys(names):
        if not text(36, empty=False).fits(name):
            yield refused(f"{where}: keys of at most 36 characters", shown(name), "shorten it")
        if names.count(name) > 1:
            yield refused(f"{where}: a key of its own for each column", shown(name), "rename one")
        if ":" in name:
            yield breaks(f"{where}: keys without a colon", shown(name), "rename it")


def limit(phase: Mapping[Any, Any], where: str) -> Iterator[Finding]:
    """Warn of a time limit beyond that of the platforms' own queues."""
    seconds = phase.get("execution_time_limit")
    if str(seconds).isdigit() and not 0 < int(str(seconds)) <= DEFAULT_QUEUE_S:
        fix = "the default queue stops a run after 600 s; with a queue of your own ignore this"
        yield doubt(f"{where}: execution_time_limit of 1 to 600 s", shown(seconds), fix)


def precision(column: str, key: str) -> Finding:
    """Warn that two decimals will be shown."""
    fix = f"write {key}: 4, for example: without it 2 decimals are shown"
    return doubt(f"columns: {column}: {key}", "none", fix)
