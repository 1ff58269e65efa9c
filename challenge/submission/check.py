"""Check a folder of predictions, or a zip, and report every fault."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from challenge.findings import Finding
from challenge.submission import readme
from challenge.submission.entries import Entry, open_entries
from challenge.submission.expected import Expected
from challenge.submission.layout import MAKE_AGAIN, base_name, part_entries
from challenge.submission.names import check_names
from challenge.submission.png import BLOCK, Png, inspect_png
from challenge.zips import UNREADABLE

README_LIMIT = 1 << 16  # bytes; a longer readme.txt is read no further
BOMB_RATIO = 20  # PNGs are compressed already: a zip gains a few percent on them
SPARE = 64 << 20
"""Bytes a zip may unpack to beyond what its images need uncompressed, whatever its ratio."""
LONGEST_ZIP_NAME = 64
"""Letters of an upload's name (Codabench: datasets/models.py, file_name)."""
LARGEST_FILE = 1 << 28  # bytes; the largest picture that is decoded takes less, uncompressed

Progress = Callable[[list[Entry]], Iterable[Entry]]
"""Goes through entries, and may show how far it is."""
Look = Callable[[Entry, bytes, np.ndarray], None]
"""Is shown a PNG: its entry, its bytes, and its pixels, (H, W, 3) uint8 RGB."""


def check_submission(path: Path, expected: Expected, progress: Progress = iter) -> list[Finding]:
    """Check a folder of predictions or a finished zip; an empty list means that nothing is wrong.

    Raises:
        SubmissionError: `path` is neither a folder nor a readable zip.
    """
    with open_entries(path) as entries:
        return check_opened(path, entries, expected, progress)


def check_opened(
    path: Path,
    entries: Sequence[Entry],
    expected: Expected,
    progress: Progress = iter,
    look: Look | None = None,
) -> list[Finding]:
    """Check a folder or zip whose entries are open; `look` as in `check_entries`."""
    if path.is_dir():
        return check_entries(entries, expected, False, progress, look)
    findings = check_zip_sizes(entries, path, expected)
    findings = findings or check_entries(entries, expected, True, progress, look)
    findings += check_limit(path.name, os.path.getsize(path), expected.zip_limit_mb)
    return findings + check_zip_name(path.name)


def check_entries(
    entries: Sequence[Entry],
    expected: Expected,
    zipped: bool,
    progress: Progress = iter,
    look: Look | None = None,
) -> list[Finding]:
    """Check layout, names, and every PNG; in a zip also `readme.txt`.

    A PNG inside a wrapping folder is checked under its own name, so that the wrapping is one fault
    and not hundreds of missing images. Each PNG is read and decoded once; `look` is given those in
    which nothing was found.
    """
    images, findings = part_entries(entries, zipped)
    findings += check_names([base_name(entry.name) for entry in images], expected)
    faulty = {finding.file for finding in findings if finding.level == "error"}
    for entry in progress(images):
        content, png, found = check_image(entry, expected.size_of(base_name(entry.name)))
        findings += found
        if look and png.pixels is not None and not found and entry.name not in faulty:
            look(entry, content, png.pixels)
    if zipped:
        others = (entry for entry in entries if entry not in images and entry.name not in faulty)
        findings += [fault for entry in others for fault in _read_through(entry)]
        findings += _check_readme(entries, expected.readme)
    return findings


def _read_through(entry: Entry) -> list[Finding]:
    """Find an entry that cannot be unpacked; a single one stops the unpacking of all."""
    if entry.odd or entry.name.endswith("/"):
        return []
    try:
        with entry.open() as stream:
            while stream.read(BLOCK):
                pass
    except UNREADABLE as error:
        return [Finding("unreadable", entry.name, "a whole file", f"{error}", MAKE_AGAIN)]
    return []


def check_zip_sizes(entries: Sequence[Entry], path: Path, expected: Expected) -> list[Finding]:
    """Refuse a zip that would fill the disk; nothing of it is opened then.

    It is one whose entries overlap, or that unpacks to far more than it holds and than its images
    need without any compression.
    """
    held, packed = os.path.getsize(path), sum(entry.packed for entry in entries)
    unpacked = sum(entry.size for entry in entries)
    sizes = [expected.size] * (expected.frames or 1) if expected.size else expected.sizes.values()
    needed = SPARE + sum(4 * width * height for width, height in filter(None, sizes))
    if packed > held:
        found = f"entries of {packed} bytes in a zip of {held}: they overlap"
    elif unpacked > needed and unpacked > BOMB_RATIO * held:
        found = f"{held} bytes that unpack to {unpacked}"
    else:
        return []
    return [Finding("bomb", path.name, "PNGs, which no zip shrinks much", found, MAKE_AGAIN)]


def check_image(entry: Entry, size: tuple[int, int] | None) -> tuple[bytes, Png, list[Finding]]:
    """Check one PNG: whole, 8-bit RGB, of `size` (width, height) where that is known.

    Returns:
        Its bytes and what they hold (nothing, where they were not read), and what was found.
    """
    again = "save or copy it again"
    if entry.size > LARGEST_FILE:
        largest = f"a PNG of at most {LARGEST_FILE / 1e6:.0f} MB"
        found = f"{entry.size / 1e6:.0f} MB"
        return b"", Png(), [Finding("damaged", entry.name, largest, found, again)]
    try:
        with entry.open() as stream:
            content = stream.read()  # to its end: only there a zip's own checksum is verified
    except UNREADABLE as error:
        return b"", Png(), [Finding("unreadable", entry.name, "a whole PNG", f"{error}", again)]
    png = inspect_png(io.BytesIO(content))
    if png.fault and entry.kind:
        fix = "put the file itself into the zip"
        return content, png, [Finding("entry", entry.name, "a PNG", entry.kind, fix)]
    return content, png, judge_image(entry.name, png, size)


def judge_image(name: str, png: Png, size: tuple[int, int] | None) -> list[Finding]:
    """Find what a PNG has against it: damage, another mode than 8-bit RGB, another size."""
    if png.is_another_format:
        fix = "save it as PNG: renaming does not convert it"
        return [Finding("format", name, "a PNG", f"{png.fault}", fix)]
    if png.fault:
        return [Finding("damaged", name, "a whole PNG", png.fault, "save or copy it again")]
    findings = []
    if png.mode != "8-bit RGB":
        fix = "save three channels of uint8, without alpha or palette"
        findings.append(Finding("mode", name, "8-bit RGB", png.mode, fix))
    if size and (png.width, png.height) != size:
        wanted = f"{size[0]}x{size[1]} (width x height)"
        fix = _size_fix((png.width, png.height), size)
        findings.append(Finding("size", name, wanted, f"{png.width}x{png.height}", fix))
    return findings


def check_zip_name(name: str) -> list[Finding]:
    """Warn of a zip whose name Codabench cannot store, whatever is in it."""
    if len(name) <= LONGEST_ZIP_NAME:
        return []
    wanted, found = f"a name of at most {LONGEST_ZIP_NAME} letters", f"{len(name)}"
    fix = "rename it: Codabench refuses the upload (CodaLab v1 takes it)"
    return [Finding("name", name, wanted, found, fix, "warning")]


def check_limit(name: str, size: int, limit_mb: float | None, packed_by: str = "") -> list[Finding]:
    """Refuse a zip of `size` bytes that the platform does not take (MB are 10^6 bytes).

    Args:
        packed_by: the command that has just compressed it as far as that helps; "" if none has.
    """
    if limit_mb is None or size <= limit_mb * 1e6:
        return []
    harder = "`python challenge/make_submission.py` compresses such a zip harder, without loss"
    if packed_by:
        harder = f"`{packed_by}` has compressed it as far as that helps, without loss"
    fix = (
        f"{harder}; what is "
        f"still too large ({size / 1e6 - limit_mb:.1f} MB here) needs another way: CodaLab takes "
        "300 MB unless the organisers raise it, Codabench has no limit for a file but a quota of "
        "15 GB a user; ask the organisers"
    )
    found = f"{size / 1e6:.1f} MB"
    return [Finding("limit", name, f"at most {limit_mb:g} MB", found, fix)]


def _size_fix(found: tuple[int, int], size: tuple[int, int]) -> str:
    if found == size[::-1]:
        return "width and height are swapped: save (H, W, 3), not (W, H, 3)"
    if found[0] >= size[0] and found[1] >= size[1]:
        return "crop the padding away before saving"
    return "save the whole frame, not a crop or a smaller version"


def _check_readme(entries: Sequence[Entry], template: str) -> list[Finding]:
    name = readme.FILE_NAME
    last = {entry.name: entry for entry in entries if base_name(entry.name) == name}
    found = [entry for entry in last.values() if not entry.odd]
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
