"""Check a folder of predictions, or a zip, and report every fault."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from challenge.findings import Finding
from challenge.submission import readme
from challenge.submission.entries import UNREADABLE, Entry, open_entries
from challenge.submission.expected import Expected
from challenge.submission.layout import MAKE_AGAIN, base_name, part_entries
from challenge.submission.names import check_names
from challenge.submission.png import BLOCK, Png, inspect_png

README_LIMIT = 1 << 16  # bytes; a longer readme.txt is read no further
BOMB_SIZE, BOMB_RATIO = (
    1 << 20,
    20,
)  # PNGs are compressed already: a zip gains a few percent on them

Progress = Callable[[list[Entry]], Iterable[Entry]]


def check_submission(path: Path, expected: Expected, progress: Progress = iter) -> list[Finding]:
    """Check a folder of predictions or a finished zip; an empty list means that nothing is wrong.

    Raises:
        SubmissionError: `path` is neither a folder nor a readable zip.
    """
    zipped = not path.is_dir()
    with open_entries(path) as entries:
        if not zipped:
            return check_entries(entries, expected, zipped, progress)
        bombs = check_zip_sizes(entries, path)
        findings = bombs or check_entries(entries, expected, zipped, progress)
    return findings + check_limit(path.name, os.path.getsize(path), expected.zip_limit_mb)


def check_entries(
    entries: list[Entry], expected: Expected, zipped: bool, progress: Progress = iter
) -> list[Finding]:
    """Check layout, names, and every PNG; in a zip also `readme.txt`.

    A PNG inside a wrapping folder is checked under its own name, so that the wrapping is one fault
    and not hundreds of missing images.
    """
    images, findings = part_entries(entries, zipped)
    findings += check_names([base_name(entry.name) for entry in images], expected)
    for entry in progress(images):
        findings += check_image(entry, expected.size_of(base_name(entry.name)))
    if zipped:
        findings += _check_readme(entries, expected.readme)
    return findings


def check_zip_sizes(entries: list[Entry], path: Path) -> list[Finding]:
    """Refuse a zip that would unpack to far more than it holds; nothing of it is opened then."""
    held, packed = os.path.getsize(path), sum(entry.packed for entry in entries)
    unpacked = sum(entry.size for entry in entries if not is_bomb(entry))  # those are never opened
    if packed > held:
        found = f"entries of {packed} bytes in a zip of {held}: they overlap"
    elif unpacked > BOMB_SIZE + BOMB_RATIO * held:
        found = f"{held} bytes that unpack to {unpacked}"
    else:
        return []
    return [Finding("bomb", path.name, "PNGs, which no zip shrinks much", found, MAKE_AGAIN)]


def is_bomb(entry: Entry) -> bool:
    """Whether an entry claims to unpack to far more than a PNG can."""
    return entry.size > BOMB_SIZE and entry.size > BOMB_RATIO * entry.packed


def check_image(entry: Entry, size: tuple[int, int] | None) -> list[Finding]:
    """Check one PNG: whole, 8-bit RGB, of `size` (width, height) where that is known."""
    again = "save or copy it again"
    if entry.encrypted:
        fix = "make the zip without a password"
        return [Finding("encrypted", entry.name, "a plain file", "an encrypted one", fix)]
    if is_bomb(entry):
        found = f"{entry.packed} bytes that unpack to {entry.size}"
        return [Finding("bomb", entry.name, "a PNG, which no zip shrinks much", found, again)]
    try:
        png = _inspect(entry)
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
    """Refuse a zip of `size` bytes that the platform does not take (MB are 10^6 bytes)."""
    if limit_mb is None or size <= limit_mb * 1e6:
        return []
    fix = (
        "`python challenge/make_submission.py` compresses such a zip harder, without loss; what is "
        f"still too large ({size / 1e6 - limit_mb:.1f} MB here) needs another way: CodaLab takes "
        "300 MB unless the organisers raise it, Codabench has no limit for a file but a quota of "
        "15 GB a user; ask the organisers"
    )
    found = f"{size / 1e6:.1f} MB"
    return [Finding("limit", name, f"at most {limit_mb:g} MB", found, fix)]


def _inspect(entry: Entry) -> Png:
    """Inspect a PNG, and read on to the end: only there a zip's own checksum is verified."""
    with entry.open() as stream:
        png = inspect_png(stream)
        while not png.fault and stream.read(BLOCK):
            pass
    return png


def _size_fix(found: tuple[int, int], size: tuple[int, int]) -> str:
    if found == size[::-1]:
        return "width and height are swapped: save (H, W, 3), not (W, H, 3)"
    if found[0] >= size[0] and found[1] >= size[1]:
        return "crop the padding away before saving"
    return "save the whole frame, not a crop or a smaller version"


def _check_readme(entries: list[Entry], template: str) -> list[Finding]:
    name = readme.FILE_NAME
    found = [entry for entry in entries if base_name(entry.name) == name and not entry.odd]
    fix = "make the zip with `python challenge/make_submission.py`, which writes it from run.json"
    if not found:
        return [Finding("readme", name, "the runtime and flags", "no such file", fix)]
    if len(found) > 1:
        return [Finding("duplicate", name, "one readme.txt", f"{len(found)} of them", fix)]
    if found[0].size > README_LIMIT:
        short, long = f"at most {README_LIMIT} bytes of text", f"{found[0].size} bytes"
        return [Finding("readme", name, short, long, fix)]
    try:
        with found[0].open() as stream:
            content = stream.read(README_LIMIT + 1)
        text = content.decode("utf-8")
    except UNREADABLE as error:
        return [Finding("readme", name, "text in UTF-8", f"{error}", fix)]
    return readme.check_readme(text, template)
