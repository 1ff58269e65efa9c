"""The configuration of a bundle for Codabench, version 2."""

from __future__ import annotations

import datetime
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from challenge.findings import Finding
from challenge.hosting import lint_fields as known
from challenge.hosting.lint_dates import date_findings, moment, past
from challenge.hosting.lint_fields import field_findings
from challenge.hosting.lint_findings import breaks, doubt, items, member, refused, shown
from challenge.hosting.lint_inner import Inside, task_findings, zip_findings
from challenge.hosting.lint_shared import key_findings, limit, logo, precision
from challenge.rules.hosting import DATE

Table = Mapping[Any, Any]
LONG_TITLE = 200
"""Its last step writes `USER - competition_bundle - TITLE` into 255 characters."""


def codabench_structure(values: Table, now: datetime.datetime) -> Iterator[Finding]:
    """Check what a configuration says, whatever files there are."""
    yield from field_findings(values, known.CODABENCH)
    if LONG_TITLE < len(str(values.get("title"))) <= 256:
        fix = "shorten it: with your user's name it may be too long for the last step"
        yield doubt(f"title: at most {LONG_TITLE} characters", shown(values["title"]), fix)
    for page in items(values.get("pages")):
        yield from field_findings(page, known.CODABENCH_PAGE, "pages")
    for board in items(values.get("leaderboards")):
        yield from _board(board)
    tasks = items(values.get("tasks"))
    yield from _tasks(tasks)
    yield from _phases(items(values.get("phases")), [task.get("index") for task in tasks], now)


def codabench_content(values: Table, archive: zipfile.ZipFile, pixels: bool) -> Iterator[Finding]:
    """Check the files that a configuration names."""
    yield from _page(archive, values.get("terms"), "terms")
    yield from logo(archive, values.get("image"))
    for page in items(values.get("pages")):
        yield from _page(archive, page.get("file"), f"pages: {page.get('title')}")
    columns = [
        str(column.get("key"))
        for board in items(values.get("leaderboards"))[:1]
        for column in items(board.get("columns"))
        if not column.get("computation")
    ]
    image = values.get("docker_image")
    inside = Inside(archive, False, image and str(image), columns, pixels)
    for task in items(values.get("tasks")):
        if "key" not in task:  # else one that was made before, on the platform
            where = f"tasks: {task.get('name') or task.get('index')}"
            yield from task_findings(inside, task, where)
    for number, phase in enumerate(items(values.get("phases"))):
        for key in ("starting_kit", "public_data"):
            yield from zip_findings(inside, phase, key, f"phases: {phase.get('name') or number}")


def _page(archive: zipfile.ZipFile, name: Any, where: str) -> Iterator[Finding]:
    yield from member(archive, name, where)
    if name in archive.namelist() and archive.getinfo(name).file_size == 0:
        yield refused(f"{where}: a file that is not empty", "0 bytes", "write it", name)


def _board(board: Table) -> Iterator[Finding]:
    where = f"leaderboards: {board.get('key') or board.get('title')}"
    yield from field_findings(board, known.CODABENCH_BOARD, where)
    columns = items(board.get("columns"))
    for column in columns:
        name = f"{where}: {column.get('key')}"
        yield from field_findings(column, known.CODABENCH_COLUMN, name)
        if "precision" not in column:
            yield precision(str(column.get("key")), "precision")
    indexes = [column.get("index") for column in columns]
    if len(set(map(str, indexes))) != len(indexes):
        yield refused(
            f"{where}: an index of its own for each column", shown(indexes), "number them"
        )
    yield from key_findings(where, [column.get("key") for column in columns])
    primary = board.get("primary_index", 0)
    if primary not in indexes:
        fix = "name the index of the column that ranks; the leaderboard cannot be shown otherwise"
        yield breaks(f"{where}: primary_index among {shown(indexes)}", shown(primary), fix)


def _tasks(tasks: Sequence[Table]) -> Iterator[Finding]:
    indexes = [task.get("index") for task in tasks]
    for task in tasks:
        where = f"tasks: {task.get('name') or task.get('index')}"
        if indexes.count(task.get("index")) > 1:
            found = shown(task.get("index"))
            yield refused(f"{where}: an index of its own", found, "number the tasks")
        if "key" not in task:
            yield from field_findings(task, known.CODABENCH_TASK, where)


def _phases(
    phases: Sequence[Table], tasks: Sequence[Any], now: datetime.datetime
) -> Iterator[Finding]:
    for number, phase in enumerate(phases):
        where = f"phases: {phase.get('name') or number}"
        yield from field_findings(phase, known.CODABENCH_PHASE, where)
    ordered = sorted(phases, key=lambda phase: int(phase.get("index", 0)))
    previous: datetime.datetime | None = None
    for number, phase in enumerate(ordered):
        where = f"phases: {phase.get('name') or number}"
        last = number + 1 == len(ordered)
        yield from _dates(phase, where, last, previous, now)
        previous = moment(phase.get("end")) or moment(phase.get("start")) or previous
        wanted = phase.get("tasks")
        if wanted == []:
            yield breaks(f"{where}: tasks among {shown(list(tasks))}", "none", "name one")
        for task in items(wanted):
            if task not in tasks:
                fix = "name the index of a task"
                yield refused(f"{where}: tasks among {shown(list(tasks))}", shown(task), fix)
        yield from limit(phase, where)
    if ordered and str(ordered[0].get("auto_migrate_to_this_phase")).lower() in ("true", "1"):
        yield refused("no auto_migrate_to_this_phase in the first phase", "true", "leave it out")


def _dates(
    phase: Table,
    where: str,
    last: bool,
    previous: datetime.datetime | None,
    now: datetime.datetime,
) -> Iterator[Finding]:
    for key in ("start", "end"):
        if phase.get(key) not in (None, ""):
            yield from date_findings(phase[key], f"{where}: {key}", v1=False)
            yield from past(phase[key], f"{where}: {key}", now)
        elif key == "start" or not last:
            fix = "write it" if key == "start" else "write it: another phase follows"
            yield refused(f"{where}: {key}", "none", fix)
    start, end = moment(phase.get("start")), moment(phase.get("end"))
    if start and previous and start <= previous:
        fix = "a phase must start after the end of the one before"
        yield refused(f"{where}: start after {previous:{DATE}}", f"{start:{DATE}}", fix)
    if start and end and end <= start:
        yield breaks(f"{where}: end after {start:{DATE}}", f"{end:{DATE}}", "set it later")
