"""The configuration of a bundle for CodaLab v1, as both platforms read it."""

from __future__ import annotations

import datetime
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

from challenge.findings import Finding
from challenge.hosting.lint_dates import date_findings, moment, past
from challenge.hosting.lint_fields import (
    CODALAB,
    CODALAB_BOARD,
    CODALAB_COLUMN,
    CODALAB_PHASE,
    field_findings,
    text,
)
from challenge.hosting.lint_findings import breaks, doubt, member, refused, shown
from challenge.hosting.lint_inner import Inside, task_findings, zip_findings
from challenge.hosting.lint_shared import key_findings, limit, logo, precision
from challenge.rules.hosting import DATE, TITLES

Table = Mapping[Any, Any]


def codalab_structure(values: Table, now: datetime.datetime) -> Iterator[Finding]:
    """Check what a configuration says, whatever files there are."""
    yield from field_findings(values, CODALAB, strict=True)
    yield from _titles(_mapping(values.get("html")))
    yield from _leaderboard(_mapping(values.get("leaderboard")))
    for phase in _mapping(values.get("phases")).values():
        yield from field_findings(phase, CODALAB_PHASE, "phases", strict=True)
    phases = _phases(values)
    yield from _dates(phases, values.get("end_date"), now)
    for phase in phases:
        yield from limit(phase, f"phases: {phase['phasenumber']}")


def codalab_content(values: Table, archive: zipfile.ZipFile, pixels: bool) -> Iterator[Finding]:
    """Check the files that a configuration names."""
    for page, name in _mapping(values.get("html")).items():
        yield from member(archive, name, f"html: {page}")
        if name in archive.namelist() and not archive.getinfo(name).file_size:
            yield doubt(f"html: {page}: a page", "an empty file", "write it", name)
    yield from logo(archive, values.get("image"))
    columns = _mapping(_mapping(values.get("leaderboard")).get("columns"))
    image = values.get("competition_docker_image")
    inside = Inside(archive, True, image and str(image), [*map(str, columns)], pixels)
    for phase in _phases(values):
        where = f"phases: {phase['phasenumber']}"
        yield from task_findings(inside, phase, where)
        for key in ("starting_kit", "public_data"):
            yield from zip_findings(inside, phase, key, where)


def _phases(values: Table) -> list[Table]:
    phases = _mapping(values.get("phases")).values()
    sound = [phase for phase in phases if isinstance(phase, Mapping)]
    return sorted(sound, key=lambda phase: int(phase["phasenumber"]))


def _mapping(value: Any) -> Table:
    return value if isinstance(value, Mapping) else {}


def _titles(pages: Table) -> Iterator[Finding]:
    for page in TITLES:
        if page not in pages:
            yield refused(f"html: {page}: a file of the bundle", "none", "CodaLab v1 wants it")
    for page in pages:
        if not text(100, empty=False).fits(page):
            yield refused("html: a title of at most 100 characters", shown(page), "shorten it")


def _leaderboard(board: Table) -> Iterator[Finding]:
    boards, columns = _mapping(board.get("leaderboards")), _mapping(board.get("columns"))
    if not boards or not columns:
        fix = "write both"
        yield refused("leaderboard: leaderboards and columns", shown(sorted(map(str, board))), fix)
    for key, each in boards.items():
        yield from field_findings(each, CODALAB_BOARD, f"leaderboards: {key}")
    labels = [str(_mapping(each).get("label")) for each in boards.values()]
    yield from key_findings("columns", columns)
    for key, column in columns.items():
        where = f"columns: {key}"
        yield from field_findings(column, CODALAB_COLUMN, where)
        label = _mapping(_mapping(column).get("leaderboard")).get("label")
        if label not in labels:
            fix = f"write one of {', '.join(sorted(labels))}"
            yield refused(f"{where}: the label of a leaderboard", shown(label), fix)
        if "numeric_format" not in _mapping(column):
            yield precision(str(key), "numeric_format")


def _dates(phases: list[Table], end: Any, now: datetime.datetime) -> Iterator[Finding]:
    previous = None
    for phase in phases:
        where = f"phases: {phase['phasenumber']}: start_date"
        yield from date_findings(phase.get("start_date"), where, v1=True)
        yield from past(phase.get("start_date"), where, now)
        start = moment(phase.get("start_date"))
        if start and previous and start <= previous:
            yield breaks(f"{where}: after the phase before it", f"{start:{DATE}}", "set it later")
        elif start and previous and start - previous <= datetime.timedelta(days=1):
            fix = "leave more time: Codabench ends a v1 phase a day before the next one starts"
            yield breaks(f"{where}: more than a day after the one before", f"{start:{DATE}}", fix)
        previous = start or previous
    if end is None:
        return
    yield from date_findings(end, "end_date", v1=True)
    yield from past(end, "end_date", now)
    last = moment(end)
    if last and previous and last <= previous:
        fix = "set it later"
        yield breaks("end_date: after the last phase's start", f"{last:{DATE}}", fix)
