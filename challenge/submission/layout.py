"""What lies where in a folder or zip: the PNGs, and all that does not belong there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from challenge.findings import Finding
from challenge.submission import readme
from challenge.submission.entries import Entry

OURS = frozenset({"run.json", "scores.json", "per_image.csv"})
"""Files the kit keeps beside the predictions; they stay out of the zip."""
PLATFORM_FILES = frozenset({"metadata"})
"""Files that a platform puts beside the unpacked submission."""
SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini"})
LONGEST_NAME = 255  # bytes; file systems take no longer one
MAKE_AGAIN = "make the zip with `python challenge/make_submission.py`"
KNOWN_ENDINGS = {
    ".zip": "a zip inside",
    ".jpg": "an image that is not a PNG",
    ".jpeg": "an image that is not a PNG",
    ".tif": "an image that is not a PNG",
    ".bmp": "an image that is not a PNG",
    ".npy": "an array",
    ".npz": "an array",
}


def part_entries(entries: Sequence[Entry], zipped: bool) -> tuple[list[Entry], list[Finding]]:
    """Part the PNGs, those in folders too, from all that does not belong there, as findings.

    Of several entries of one name the last counts: unpacking leaves that one.
    """
    images: list[Entry] = []
    findings = find_clashes(entries)
    folders: Counter[str] = Counter()
    last = {entry.name: entry for entry in entries}
    for entry in entries:
        parts = [part for part in entry.name.split("/") if part]
        strange = _strange(entry)
        if strange:
            findings.append(strange)
            continue
        findings += _detour(entry, last[entry.name])
        if last[entry.name] is not entry or entry.name == "/":
            continue
        if _is_system(parts[-1]) or "__MACOSX" in parts:
            findings.append(_system_file(entry.name, zipped))
        elif len(parts) > 1 or entry.name.endswith("/"):
            is_file = not entry.name.endswith("/")
            folders[parts[0]] += is_file
            images += [entry] * (is_file and _is_png(entry.name))
        elif _is_png(entry.name):
            images.append(entry)
        elif entry.name not in OURS or zipped:
            findings += _other_file(entry.name, zipped)
    return images, [_folder(name, count, zipped) for name, count in folders.items()] + findings


def find_clashes(entries: Sequence[Entry]) -> list[Finding]:
    """Find names that are a file's and a folder's at once, which no unpacking survives."""
    files = {entry.name for entry in entries if not entry.name.endswith("/")}
    folders = {
        "/".join(parts[:end])
        for entry in entries
        for parts in [entry.name.split("/")]
        for end in range(1, len(parts))
    }
    both = sorted(files & folders - {""})
    found = "a file and a folder of one name"
    return [Finding("entry", name, "one or the other", found, MAKE_AGAIN) for name in both]


def base_name(name: str) -> str:
    """Return the name without its folders."""
    return name.rsplit("/", 1)[-1]


def _strange(entry: Entry) -> Finding | None:
    """Find why an entry must not be looked at any further."""
    name = entry.name
    if entry.odd:
        shown = name or "an entry"
        return Finding("entry", shown, "a file that can be unpacked", entry.odd, MAKE_AGAIN)
    if re.match(r"[A-Za-z]:", name):
        fix = "make the zip anew from the folder"
        return Finding("path", name, "a plain file name", "a path", fix)
    longest = max(len(part.encode("utf-8", "surrogatepass")) for part in name.split("/"))
    if longest > LONGEST_NAME:
        shown = f"{name[:40]}…"
        found = f"{longest} bytes"
        return Finding("name", shown, f"a name of at most {LONGEST_NAME} bytes", found, "rename it")
    if not name.isprintable():
        found = "control characters, or bytes that are not UTF-8"
        return Finding("name", name, "a name of printable letters", found, "rename it")
    return None


def _detour(entry: Entry, last: Entry) -> list[Finding]:
    """Warn of an entry that unpacking puts elsewhere than it says, or overwrites."""
    name, fix = entry.name, "make the zip anew from the folder"
    if last is not entry and not name.endswith("/"):
        found = "another entry of that name after it: the server unpacks the last one"
        return [Finding("duplicate", name, "one entry of that name", found, fix, "warning")]
    if entry.written and (entry.written.startswith("/") or ".." in entry.written.split("/")):
        found = f"{entry.written}, which the server unpacks as {name}"
        return [Finding("path", name, "a plain file name", found, fix, "warning")]
    return []


def _folder(name: str, count: int, zipped: bool) -> Finding:
    if zipped:
        fix = "zip the files, not their folder: `cd FOLDER && zip ../x.zip *.png readme.txt`"
        expected = "every file at the root of the zip"
    else:
        fix = "move the PNGs up, or give that folder to make_submission; move all else away"
        expected = "no sub-folder"
    return Finding("folder", f"{name}/", expected, f"a folder with {count} files", fix)


def _system_file(name: str, zipped: bool) -> Finding:
    fix = MAKE_AGAIN if zipped else "it stays out of the zip"
    what = "a file of the operating system"
    return Finding("system", name, "PNGs only", what, fix, "error" if zipped else "warning")


def _other_file(name: str, zipped: bool) -> list[Finding]:
    if name == readme.FILE_NAME:
        fix = "it stays out: the zip's readme.txt is written from run.json (see --description)"
        found = "a readme.txt"
        return [] if zipped else [Finding("readme", name, "PNGs only", found, fix, "warning")]
    expected = "only PNGs and readme.txt" if zipped else "only PNGs"
    fix = "leave it out of the zip" if zipped else "move it out of this folder"
    found = KNOWN_ENDINGS.get("." + name.lower().rsplit(".", 1)[-1], "another file")
    if name.lower() == readme.FILE_NAME:
        fix = f"call it {readme.FILE_NAME}"
    if zipped and name in PLATFORM_FILES:
        found = "a name the platform uses for a file of its own, and passes over"
        return [Finding("other", name, expected, found, fix, "warning")]
    return [Finding("other", name, expected, found, fix)]


def _is_png(name: str) -> bool:
    return name.lower().endswith(".png")


def _is_system(name: str) -> bool:
    return name.startswith(".") or name.lower() in SYSTEM_FILES
