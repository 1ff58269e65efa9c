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
    """Part the PNGs, those in folders too, from all that does not belong there, as findings."""
    images: list[Entry] = []
    findings: list[Finding] = []
    folders: Counter[str] = Counter()
    for entry in entries:
        parts = [part for part in entry.name.split("/") if part not in ("", ".")]
        strange = _strange(entry)
        if strange:
            findings.append(strange)
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


def base_name(name: str) -> str:
    """Return the name without its folders."""
    return name.rsplit("/", 1)[-1]


def _strange(entry: Entry) -> Finding | None:
    """Find why an entry must not be looked at any further."""
    name = entry.name
    if ".." in name.split("/") or name.startswith("/") or re.match(r"[A-Za-z]:", name):
        fix = "make the zip anew from the folder"
        return Finding("path", name, "a plain file name", "a path", fix)
    if entry.odd:
        return Finding("entry", name, "a plain file", entry.odd, MAKE_AGAIN)
    if len(name.encode("utf-8", "surrogatepass")) > LONGEST_NAME:
        shown = f"{name[:40]}…"
        found = f"{len(name)} letters"
        return Finding("name", shown, f"a name of at most {LONGEST_NAME} bytes", found, "rename it")
    if not name.isprintable():
        found = "control characters, or bytes that are not UTF-8"
        return Finding("name", name, "a name of printable letters", found, "rename it")
    return None


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
    elif name.lower() == "metadata":
        found = "a name the platform uses for a file of its own"
    return [Finding("other", name, expected, found, fix)]


def _is_png(name: str) -> bool:
    return name.lower().endswith(".png")


def _is_system(name: str) -> bool:
    return name.startswith(".") or name.lower() in SYSTEM_FILES
