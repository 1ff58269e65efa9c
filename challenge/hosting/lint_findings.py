"""What the linter says: three kinds of findings, by what becomes of the bundle."""

from __future__ import annotations

import difflib
import reprlib
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any

from challenge.findings import Finding

CONFIGURATION = "competition.yaml"
REFUSED, BREAKS, DOUBT = "refused at upload", "breaks later", "doubt"
"""`Finding.kind` of every finding here: the upload ends with an error; the platform takes the
bundle, and it does not work; it works, but perhaps not as meant (a warning).
"""
LARGEST_TEXT = 4 << 20
"""Bytes of a text that is read at once; no configuration or program file comes near."""
_short = reprlib.Repr()
_short.maxstring = _short.maxother = 80


def refused(expected: str, found: str, fix: str, file: str = CONFIGURATION) -> Finding:
    """Report what the platform refuses at upload."""
    return Finding(REFUSED, file, expected, found, fix)


def breaks(expected: str, found: str, fix: str, file: str = CONFIGURATION) -> Finding:
    """Report what the platform accepts and breaks on later."""
    return Finding(BREAKS, file, expected, found, fix)


def doubt(expected: str, found: str, fix: str, file: str = CONFIGURATION) -> Finding:
    """Report what works, but perhaps not as meant."""
    return Finding(DOUBT, file, expected, found, fix, "warning")


def shown(value: Any) -> str:
    """Write a value for people, never at length: a YAML of one line can hold millions."""
    return _short.repr(value)


def near(text: str, known: Iterable[str]) -> str | None:
    """Find the known word that was perhaps meant."""
    lowered = {word.lower(): word for word in sorted(known)}
    found = difflib.get_close_matches(text.lower(), lowered, 1, 0.5)
    return lowered[found[0]] if found else None


def meant(text: str, known: Iterable[str]) -> str:
    """Say which known word was perhaps meant."""
    word = near(text, known)
    return f"did you mean {word}?" if word else "leave it out"


def read_text(archive: zipfile.ZipFile, name: str) -> bytes:
    """Read a small file of a zip.

    Raises:
        ValueError: it is far too large for a text.
    """
    size = archive.getinfo(name).file_size
    if size > LARGEST_TEXT:
        raise ValueError(f"{size / 1e6:.0f} MB")
    return archive.read(name)


def member(archive: zipfile.ZipFile, name: Any, where: str) -> Iterator[Finding]:
    """Find a file that the configuration names and the bundle does not hold."""
    if not isinstance(name, str) or name not in archive.namelist():
        fix = "add it to the bundle, or mend the name"
        yield refused(f"{where}: a file of the bundle", shown(name), fix)


def items(values: Any) -> list[Any]:
    """Take the elements of a list; what is no list has none (its field's check says so)."""
    return list(values) if isinstance(values, list) else []
