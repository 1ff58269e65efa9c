"""Check a folder of predictions, or a zip, and report every fault."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from challenge.submission import readme
from challenge.submission.entries import UNREADABLE, Entry, open_entries
from challenge.submission.expected import Expected
from challenge.submission.findings import Finding
from challenge.submission.names import check_names
from challenge.submission.png import inspect_png

OURS = frozenset({"run.json", "scores.json", "per_image.csv"})
"""Files the kit keeps beside the predictions; they stay out of the zip."""
SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini"})
README_LIMIT = 1 << 16  # bytes; a longer readme.txt is read no further
BOMB_SIZE, BOMB_RATIO = (
    1 << 20,
    20,
)  # PNGs are compressed already: a zip gains a few percent on them

T = TypeVar("T")
Progress = Callable[[list[Entry]], Iterable[Entry]]


def check_submission(path: Path, expected: Expected, progress: Progress = iter) -> list[Finding]:
    """Check a folder of predictions or a finished zip; an empty list means that nothing is wrong.

    Raises:
        SubmissionError: `path` is neither a folder nor a readable zip.
    """
    with open_entries(path) as entries:
        findings = check_entries(entries, expected, zipped=not path.is_dir(), progress=progress)
    size = os.path.getsize(path) if path.is_file() else 0
    return findings + check_limit(path.name, size, expected.zip_limit_mb)


def check_entries(
    entries: list[Entry], expected: Expected, zipped: bool, progress: Progress = iter
) -> list[Finding]:
    """Check layout, names, and every PNG; in a zip also `readme.txt`.

    A PNG inside a wrapping folder is checked under its own name, so that the wrapping is one fault
    and not hundreds of missing images.
    """
    images, findings = _layout(entries, zipped)
    findings += check_names([_base(entry.name) for entry in images], expected)
    for entry in progress(images):
        findings += check_image(entry, expected.size_of(_base(entry.name)))
    if zipped:
        findings += _check_readme(entries, expected.readme)
    return findings


def check_image(entry: Entry, size: tuple[int, int] | None) -> list[Finding]:
    """Check one PNG: whole, 8-bit RGB, of `size` (width, height) where that is known."""
    again = "save or copy it again"
    if entry.encrypted:
        fix = "make the zip without a password"
        return [Finding("encrypted", entry.name, "a plain file", "an encrypted one", fix)]
    if entry.size > BOMB_SIZE and entry.size > BOMB_RATIO * entry.packed:
        found = f"{entry.packed} bytes that unpack to {entry.size}"
        return [Finding("bomb", entry.name, "a PNG, which no zip shrinks much", found, again)]
    try:
        with entry.open() as stream:
            png = inspect_png(stream)
    except UNREADABLE as error:
        return [Finding("unreadable", entry.name, "a whole PNG", f"{error}", again)]
    if png.is_another_format:
        fix = "save it as PNG: renaming does not convert it"
        return [Finding("format", entry.name, "a PNG", f"{png.fault}", fix)]
    if png.fault:
        return [Finding("damaged", entry.name, "a whole PNG", png.fault, again)]
    findings = []
    if png.mode != "8-bit RGB":
        fix = "save three channels of uint8, without alpha or palette"
        findings.append(Finding("mode", entry.name, "8-bit RGB", png.mode, fix))
    if size and (png.width, png.height) != size:
        wanted = f"{size[0]}x{size[1]} (width x height)"
        found = f"{png.width}x{png.height}"
        fix = _size_fix((png.width, png.height), size)
        findings.append(Finding("size", entry.name, wanted, found, fix))
    return findings


def check_limit(name: str, size: int, limit_mb: float | None) -> list[Finding]:
    """Warn about a zip of `size` bytes that the platform does not take (MB are 10^6 bytes)."""
    if limit_mb is None or size <= limit_mb * 1e6:
        return []
    fix = (
        "the upload may fail: compress the PNGs harder without loss (such as with oxipng), "
        "or ask the organisers how to send a large zip"
    )
    found = f"{size / 1e6:.1f} MB"
    return [Finding("limit", name, f"at most {limit_mb:g} MB", found, fix, "warning")]


def _size_fix(found: tuple[int, int], size: tuple[int, int]) -> str:
    if found == size[::-1]:
        return "width and height are swapped: save (H, W, 3), not (W, H, 3)"
    if found[0] >= size[0] and found[1] >= size[1]:
        return "crop the padding away before saving"
    return "save the whole frame, not a crop or a smaller version"


def _layout(entries: list[Entry], zipped: bool) -> tuple[list[Entry], list[Finding]]:
    """Part the PNGs from all that does not belong there; the latter become findings."""
    images: list[Entry] = []
    findings: list[Finding] = []
    folders: Counter[str] = Counter()
    for entry in entries:
        parts = [part for part in entry.name.split("/") if part not in ("", ".")]
        if ".." in parts or entry.name.startswith("/") or re.match(r"[A-Za-z]:", entry.name):
            fix = "make the zip anew from the folder"
            findings.append(Finding("path", entry.name, "a plain file name", "a path", fix))
        elif parts and (_is_system(parts[-1]) or "__MACOSX" in parts):
            findings.append(_system_file(entry.name, zipped))
        elif len(parts) > 1 or entry.name.endswith("/"):
            is_file = not entry.name.endswith("/")
            folders[parts[0] if parts else "/"] += is_file
            images += [entry] * (is_file and _is_png(entry.name))
        elif _is_png(entry.name):
            images.append(entry)
        elif entry.name not in OURS or zipped:
            findings += _other_file(entry.name, zipped)
    return images, [_folder(name, count, zipped) for name, count in folders.items()] + findings


def _folder(name: str, count: int, zipped: bool) -> Finding:
    if zipped:
        fix = "zip the files, not their folder: `cd FOLDER && zip ../x.zip *.png readme.txt`"
        expected = "every file at the root of the zip"
    else:
        fix = "move the PNGs up, or give that folder to make_submission; move all else away"
        expected = "no sub-folder"
    return Finding("folder", f"{name}/", expected, f"a folder with {count} files", fix)


def _system_file(name: str, zipped: bool) -> Finding:
    fix = (
        "make the zip with `python challenge/make_submission.py`"
        if zipped
        else "it stays out of the zip"
    )
    what = "a file of the operating system"
    return Finding("system", name, "PNGs only", what, fix, "error" if zipped else "warning")


def _other_file(name: str, zipped: bool) -> list[Finding]:
    if name == readme.FILE_NAME:
        fix = "it stays out: the zip's readme.txt is written from run.json (see --description)"
        found = "a readme.txt"
        return [] if zipped else [Finding("readme", name, "PNGs only", found, fix, "warning")]
    expected = "only PNGs and readme.txt" if zipped else "only PNGs"
    fix = "leave it out of the zip" if zipped else "move it out of this folder"
    found = "another file"
    if name.lower() == readme.FILE_NAME:
        fix = f"call it {readme.FILE_NAME}"
    elif name == "metadata":
        found = "a name the platform uses for a file of its own"
    return [Finding("other", name, expected, found, fix)]


def _check_readme(entries: list[Entry], template: str) -> list[Finding]:
    found = [entry for entry in entries if _base(entry.name) == readme.FILE_NAME]
    fix = "make the zip with `python challenge/make_submission.py`, which writes it from run.json"
    if not found:
        return [Finding("readme", readme.FILE_NAME, "the runtime and flags", "no such file", fix)]
    if len(found) > 1:
        copies = f"{len(found)} of them"
        return [Finding("duplicate", readme.FILE_NAME, "one readme.txt", copies, fix)]
    try:
        with found[0].open() as stream:
            text = stream.read(README_LIMIT).decode("utf-8")
    except UNREADABLE as error:
        return [Finding("readme", readme.FILE_NAME, "text in UTF-8", f"{error}", fix)]
    return readme.check_readme(text, template)


def _base(name: str) -> str:
    return name.rsplit("/", 1)[-1]


def _is_png(name: str) -> bool:
    return name.lower().endswith(".png")


def _is_system(name: str) -> bool:
    return name.startswith(".") or name.lower() in SYSTEM_FILES
