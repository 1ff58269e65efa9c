"""The zips inside a bundle: whether they are whole, and what the scoring program needs of them."""

from __future__ import annotations

import uuid
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from challenge.findings import Finding
from challenge.hosting.lint_findings import breaks, doubt, refused, shown
from challenge.hosting.lint_program import is_the_kits, program_findings
from challenge.submission.png import inspect_png
from challenge.zips import UNREADABLE

BLOCK = 1 << 20
SHOWN = 3
"""Faulty references that are written out."""


@dataclass
class Inside:
    """What is looked at in a bundle's zips; each zip once, though several phases name it.

    Attributes:
        v1: a bundle for CodaLab v1.
        image: Docker image that the program runs in; None: the platform's default.
        columns: keys of the leaderboard.
        pixels: whether the references' pixels are unpacked; False: their headers alone.
        seen: names of the zips that were looked at.
    """

    archive: zipfile.ZipFile
    v1: bool
    image: str | None
    columns: Sequence[str]
    pixels: bool = True
    seen: set[str] = field(default_factory=set)


def task_findings(inside: Inside, values: Mapping[str, Any], where: str) -> Iterator[Finding]:
    """Check what a task (v2) or a phase (v1) is scored with."""
    for key in ("ingestion_program", "input_data"):
        yield from zip_findings(inside, values, key, where)
    program, reference = values.get("scoring_program"), values.get("reference_data")
    if reference is None and not inside.v1:
        fix = "name its zip: without it a submission is scored against nothing"
        yield breaks(f"{where}: reference_data", "none", fix)
    if program is None and inside.v1:
        fix = "name its zip: without it every submission fails"
        yield breaks(f"{where}: scoring_program", "none", fix)
    yield from zip_findings(inside, values, "scoring_program", where)
    if reference is not None:
        needs_pngs = is_the_kits(_files(inside.archive, program))
        yield from zip_findings(inside, values, "reference_data", where, needs_pngs)


def zip_findings(
    inside: Inside, values: Mapping[str, Any], key: str, where: str, pngs: bool = False
) -> Iterator[Finding]:
    """Check the zip that `key` names, if it names one.

    Args:
        pngs: the scoring program wants 8-bit RGB PNGs at its root.
    """
    name = values.get(key)
    if not isinstance(name, str) or not name:
        return  # a matter of the field
    names = inside.archive.namelist()
    place = f"{where}: {key}"
    if name in names and name.endswith(".zip"):
        if name not in inside.seen:
            inside.seen.add(name)
            yield from _content(inside, name, key, pngs)
    elif inside.v1:
        fix = "name a .zip of the bundle: CodaLab v1 takes anything else for an earlier upload"
        if name in names or not _is_key(name):
            found = shown(name) if name in names else f"no {shown(name)}"
            yield refused(f"{place}: a .zip of the bundle", found, fix)
    elif any(each.startswith(name.rstrip("/") + "/") for each in names):
        fix = "zip its files: Codabench does, but nobody has looked into it before"
        yield doubt(f"{place}: a .zip", f"a folder, {shown(name)}", fix)
    elif name in names:
        yield breaks(f"{place}: a .zip", shown(name), "zip it: it is unpacked before each scoring")
    elif not _is_key(name):
        yield refused(f"{place}: a .zip of the bundle", f"no {shown(name)}", "add it there")


def _is_key(name: str) -> bool:
    """Whether it may be the key of a data set uploaded before."""
    try:
        uuid.UUID(name)
    except ValueError:
        return False
    return True


def _files(archive: zipfile.ZipFile, name: Any) -> list[str]:
    """List the files of a zip in the bundle; none where it cannot be read."""
    try:
        with archive.open(str(name)) as stream, zipfile.ZipFile(stream) as inner:
            return _names(inner)
    except (KeyError, *UNREADABLE):
        return []


def _names(inner: zipfile.ZipFile) -> list[str]:
    return [info.filename for info in inner.infolist() if not info.is_dir()]


def _content(inside: Inside, name: str, key: str, pngs: bool) -> Iterator[Finding]:
    """Check a zip in the bundle: it can be read to the end, and holds files at its root."""
    kit = key in ("starting_kit", "public_data")
    report = doubt if kit else breaks  # participants download these two; no program reads them
    try:
        with inside.archive.open(name) as stream, zipfile.ZipFile(stream) as inner:
            files = _names(inner)
            if not files:
                yield report("files in it", "none", "fill it", name)
                return
            bad = list(_read_all(inner, pngs, inside.pixels))
            if not kit and all("/" in file for file in files):
                found = f"all in folders, such as {shown(files[0])}"
                yield breaks("files at its root", found, "zip the files, not their folder", name)
            elif pngs:
                yield from _references(files, bad, name)
            elif key == "scoring_program":
                yield from program_findings(inner, name, inside.v1, inside.image, inside.columns)
    except UNREADABLE as error:
        yield report("a whole zip", f"one that cannot be read ({error})", "make it again", name)


def _read_all(inner: zipfile.ZipFile, pngs: bool, pixels: bool) -> Iterator[str]:
    """Read each file to its end, so that damage shows; yield what is wrong with each PNG."""
    for info in inner.infolist():
        with inner.open(info) as stream:
            if pngs and is_reference(info.filename):
                png = inspect_png(stream, header_only=not pixels)
                if png.fault or png.mode != "8-bit RGB":
                    yield f"{shown(info.filename)}: {png.fault or png.mode}"
            _drain(stream)


def _drain(stream: IO[bytes]) -> None:
    while stream.read(BLOCK):
        pass


def is_reference(name: str) -> bool:
    """Whether the scoring program takes a file for a sharp image."""
    return "/" not in name and not name.startswith(".") and name.lower().endswith(".png")


def _references(files: Sequence[str], bad: Sequence[str], name: str) -> Iterator[Finding]:
    if not any(map(is_reference, files)):
        found = f"none, but {shown(files[0])}"
        yield breaks("sharp images, PNGs, at its root", found, "put them in", name)
    for line in bad[:SHOWN]:
        yield breaks("8-bit RGB PNGs", line, "save that image so", name)
    if len(bad) > SHOWN:
        yield breaks("8-bit RGB PNGs", f"{len(bad)} others in all", "save them so", name)
