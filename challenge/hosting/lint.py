"""What a platform refuses in a bundle at upload, and what it accepts and later breaks on."""

from __future__ import annotations

import datetime
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from challenge.errors import ConfigError
from challenge.findings import Finding
from challenge.hosting.lint_codabench import codabench_content, codabench_structure
from challenge.hosting.lint_codalab import codalab_content, codalab_structure
from challenge.hosting.lint_findings import CONFIGURATION, read_text, refused, shown
from challenge.submission.check import LONGEST_ZIP_NAME
from challenge.zips import UNREADABLE

SHAPE = (TypeError, AttributeError, KeyError, IndexError, ValueError, RecursionError)
"""What reading a configuration of another structure raises."""


def lint_bundle(
    path: Path,
    name: str | None = None,
    now: datetime.datetime | None = None,
    pixels: bool = True,
) -> list[Finding]:
    """Check a bundle for CodaLab v1 or Codabench v2; an empty list means that nothing is wrong.

    A bundle for CodaLab v1 must suit both platforms, since Codabench takes it too. `kind` of a
    finding says what becomes of the bundle: one of `challenge.hosting.lint_findings`.

    Args:
        name: the file name it will have; None: that of `path`.
        now: dates before it are in the past; None: the clock's.
        pixels: False: trust the reference images' pixels, which were looked at before.

    Raises:
        ConfigError: `path` is not a zip that can be read.
    """
    try:
        archive = zipfile.ZipFile(path)
    except UNREADABLE as error:
        raise ConfigError(
            f"{path}: expected a bundle, a zip; it cannot be read: {error}"
        ) from error
    with archive:
        now = now or datetime.datetime.now(datetime.timezone.utc)
        return [*_outside(name or path.name, archive), *_inside(archive, now, pixels)]


def _outside(name: str, archive: zipfile.ZipFile) -> Iterator[Finding]:
    """Check the zip itself: its name, and whether it can be unpacked."""
    if len(name) > LONGEST_ZIP_NAME:
        fix = "rename it: Codabench keeps the names of uploads"
        wanted = f"a file name of at most {LONGEST_ZIP_NAME} characters"
        yield refused(wanted, f"{len(name)}", fix, name)
    for info in archive.infolist():
        try:
            with archive.open(info) as stream:
                while stream.read(1 << 20):
                    pass
        except UNREADABLE as error:
            found = f"{shown(info.filename)}: {error}"
            yield refused("a zip that can be unpacked", found, "make it again", name)


def _inside(archive: zipfile.ZipFile, now: datetime.datetime, pixels: bool) -> Iterator[Finding]:
    names = archive.namelist()
    yield from _place(names)
    if CONFIGURATION not in names:
        return
    try:
        values = yaml.safe_load(read_text(archive, CONFIGURATION))
    except (yaml.YAMLError, RecursionError, *UNREADABLE) as error:
        yield refused("YAML", " ".join(str(error).split()), "mend its syntax")
        return
    if not isinstance(values, dict):
        yield refused("keys and values", shown(values), "write them")
        return
    yield from _configuration(values, archive, now, pixels)


def _place(names: Sequence[str]) -> Iterator[Finding]:
    if CONFIGURATION not in names:
        inside = [name for name in names if name.endswith("/" + CONFIGURATION)]
        found = shown(inside[0]) if inside else "none"
        fix = "zip the files, not their folder"
        yield refused("it at the root of the bundle", found, fix)


def _configuration(
    values: dict[Any, Any], archive: zipfile.ZipFile, now: datetime.datetime, pixels: bool
) -> Iterator[Finding]:
    version = str(values.get("version", "1"))
    if version not in ("1", "1.5", "2"):
        yield refused(
            "version: 2 (Codabench), or 1 or none (CodaLab v1)", shown(version), "mend it"
        )
        return
    if version != "2":
        first = next(name for name in archive.namelist() if ".yaml" in name)
        if first != CONFIGURATION:
            fix = "put competition.yaml into the zip before all others: CodaLab v1 reads the first"
            yield refused("the first .yaml of the zip", f"{shown(first)} before it", fix)
    v1 = version != "2"
    yield from structure_findings(values, now)
    try:
        yield from (codalab_content if v1 else codabench_content)(values, archive, pixels)
    except SHAPE as error:
        yield _shape(error)


def structure_findings(values: dict[Any, Any], now: datetime.datetime) -> Iterator[Finding]:
    """Check what a configuration says, whatever files there are."""
    v1 = str(values.get("version", "1")) != "2"
    try:
        yield from (codalab_structure if v1 else codabench_structure)(values, now)
    except SHAPE as error:
        yield _shape(error)


def _shape(error: Exception) -> Finding:
    fix = "compare it with what `bash run.sh bundle` writes"
    return refused("the platform's structure", f"{type(error).__name__}: {error}"[:300], fix)
