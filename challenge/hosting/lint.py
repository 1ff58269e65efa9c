"""What a platform accepts in a bundle at upload and breaks on later: found before."""

from __future__ import annotations

import datetime
import difflib
import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from challenge.errors import ConfigError
from challenge.findings import Finding
from challenge.hosting import lint_keys as known
from challenge.rules.hosting import parse_date
from challenge.server.program import SETTINGS_FILE
from challenge.submission.entries import UNREADABLE

CONFIGURATION = "competition.yaml"
QUOTED = 'quoted: "YYYY-MM-DD HH:MM:SS" (UTC)'
Table = Mapping[Any, Any]


def lint_bundle(path: Path) -> list[Finding]:
    """Check a bundle for CodaLab v1 or Codabench v2; an empty list means that nothing is wrong.

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
        names = archive.namelist()
        findings = _configuration_place(names)
        if CONFIGURATION not in names:
            return findings
        try:
            values = yaml.safe_load(archive.read(CONFIGURATION))
        except (yaml.YAMLError, *UNREADABLE) as error:
            found = str(error).replace("\n", " ")
            return [*findings, _fault("yaml", "YAML", found, "mend its syntax")]
        if not isinstance(values, dict):
            return [*findings, _fault("yaml", "keys and values", repr(values), "write them")]
        try:
            second = str(values.get("version", "1")) == "2"
            check = _codabench if second else _codalab
            return findings + list(check(values, archive))
        except (TypeError, AttributeError, KeyError, ValueError) as error:
            fix = "compare it with what `bash run.sh bundle` writes"
            return [*findings, _fault("shape", "the platform's structure", repr(error), fix)]


def _fault(kind: str, expected: str, found: str, fix: str, file: str = CONFIGURATION) -> Finding:
    return Finding(kind, file, expected, found, fix)


def _configuration_place(names: Sequence[str]) -> list[Finding]:
    if CONFIGURATION not in names:
        inside = [name for name in names if name.endswith("/" + CONFIGURATION)]
        found = inside[0] if inside else "none"
        fix = "zip the files, not their folder"
        return [_fault("place", "it at the root of the bundle", found, fix)]
    first = next(name for name in names if ".yaml" in name)
    if first == CONFIGURATION:
        return []
    fix = "put competition.yaml into the zip before all others: CodaLab v1 reads the first"
    return [_fault("order", "the first .yaml of the zip", f"{first} before it", fix)]


# --- the two platforms ---------------------------------------------------------------------------


def _codalab(values: Table, archive: zipfile.ZipFile) -> Iterator[Finding]:
    yield from _unknown(values, known.CODALAB, "")
    for page in ("overview", "evaluation", "terms", "data"):
        yield from _member(archive, values["html"].get(page), f"html: {page}")
    yield from _member(archive, values.get("image"), "image")
    phases = sorted(values["phases"].values(), key=lambda phase: phase["phasenumber"])
    boards = {board["label"] for board in values["leaderboard"]["leaderboards"].values()}
    columns = values["leaderboard"]["columns"]
    for key, column in columns.items():
        if column.get("leaderboard", {}).get("label") not in boards:
            fix = f"write one of {', '.join(sorted(boards))}"
            found = repr(column.get("leaderboard"))
            yield _fault("column", f"columns: {key}: the label of a leaderboard", found, fix)
        if "numeric_format" not in column:
            yield _precision(str(key), "numeric_format")
    previous = None
    for phase in phases:
        where = f"phases: {phase['phasenumber']}"
        yield from _unknown(phase, known.CODALAB_PHASE, where)
        yield from _date(phase.get("start_date"), f"{where}: start_date")
        start = _moment(phase.get("start_date"))
        if start and previous and start - previous <= datetime.timedelta(days=1):
            fix = "leave more time: Codabench ends a v1 phase a day before the next one starts"
            yield _fault("dates", f"{where}: more than a day after the one before", f"{start}", fix)
        previous = start or previous
        yield from _limit(phase, where)
        yield from _data(archive, phase, where, list(columns))
    end = _moment(values.get("end_date"))
    if values.get("end_date") is not None:
        yield from _date(values["end_date"], "end_date")
    if end and previous and end <= previous:
        yield _fault("dates", "end_date: after the last phase's start", f"{end}", "set it later")


def _codabench(values: Table, archive: zipfile.ZipFile) -> Iterator[Finding]:
    yield from _unknown(values, known.CODABENCH, "")
    yield from _member(archive, values.get("terms"), "terms")
    yield from _member(archive, values.get("image"), "image")
    for page in values["pages"]:
        yield from _member(archive, page.get("file"), f"pages: {page.get('title')}")
    columns: list[str] = []
    for board in values["leaderboards"]:
        yield from _board(board)
        columns += [str(column.get("key")) for column in board["columns"]]
    indexes = []
    for task in values["tasks"]:
        indexes.append(task.get("index"))
        where = f"tasks: {task.get('name') or task.get('index')}"
        yield from _unknown(task, known.CODABENCH_TASK, where)
        if "key" not in task:
            yield from _data(archive, task, where, columns)
    yield from _codabench_phases(values["phases"], indexes)


def _codabench_phases(phases: Sequence[Table], tasks: Sequence[Any]) -> Iterator[Finding]:
    ordered = sorted(phases, key=lambda phase: phase.get("index", 0))
    previous: datetime.datetime | None = None
    for number, phase in enumerate(ordered):
        where = f"phases: {phase.get('name') or number}"
        yield from _unknown(phase, known.CODABENCH_PHASE, where)
        yield from _date(phase.get("start"), f"{where}: start")
        last = number + 1 == len(ordered)
        if phase.get("end") is not None or not last:
            yield from _date(phase.get("end"), f"{where}: end")
        start, end = _moment(phase.get("start")), _moment(phase.get("end"))
        if start and previous and start <= previous:
            fix = "a phase must start after the end of the one before"
            yield _fault("dates", f"{where}: start after {previous}", f"{start}", fix)
        if start and end and end <= start:
            yield _fault("dates", f"{where}: end after {start}", f"{end}", "set it later")
        previous = end or start or previous
        for task in phase.get("tasks") or [None]:
            if task not in tasks:
                fix = "name the index of a task"
                yield _fault("tasks", f"{where}: tasks among {list(tasks)}", repr(task), fix)
        yield from _limit(phase, where)


def _board(board: Table) -> Iterator[Finding]:
    where = f"leaderboards: {board.get('key') or board.get('title')}"
    yield from _unknown(board, known.CODABENCH_BOARD, where)
    columns = board["columns"]
    indexes = [column.get("index") for column in columns]
    primary = board.get("primary_index", 0)
    if primary not in indexes:
        fix = "name the index of the column that ranks; the leaderboard cannot be shown otherwise"
        yield _fault("primary", f"{where}: primary_index among {indexes}", repr(primary), fix)
    rule = board.get("submission_rule", "Add")
    if rule not in known.SUBMISSION_RULES:
        fix = _near(str(rule), known.SUBMISSION_RULES)
        yield _fault("rule", f"{where}: a submission_rule", repr(rule), fix)
    for column in columns:
        name = str(column.get("key"))
        yield from _unknown(column, known.CODABENCH_COLUMN, f"{where}: {name}")
        if "precision" not in column:
            yield _precision(name, "precision")
        if indexes.count(column.get("index")) > 1:
            fix = "give each column an index of its own"
            yield _fault("column", f"{where}: {name}: its own index", f"{column.get('index')}", fix)


# --- what both share -----------------------------------------------------------------------------


def _unknown(values: Table, keys: Iterable[str], where: str) -> Iterator[Finding]:
    for key in values:
        if key not in keys:
            place = f"{where}: {key}" if where else str(key)
            fix = _near(str(key), keys) + "; CodaLab v1 refuses it, Codabench ignores it"
            yield _fault("key", "a key the platform knows", place, fix)


def _near(text: str, known_texts: Iterable[str]) -> str:
    lowered = {known_text.lower(): known_text for known_text in sorted(known_texts)}
    near = difflib.get_close_matches(text.lower(), lowered, 1, 0.5)
    return f"did you mean {lowered[near[0]]}?" if near else "leave it out"


def _date(value: Any, where: str) -> Iterator[Finding]:
    if isinstance(value, datetime.date):
        fix = "quote it: YAML makes a date of it, and Codabench cuts that to midnight"
        yield _fault("dates", f"{where}: {QUOTED}", f"{value} without quotes", fix)
    elif not isinstance(value, str) or parse_date(value) is None:
        yield _fault("dates", f"{where}: {QUOTED}", repr(value), "write it so")


def _moment(value: Any) -> datetime.datetime | None:
    return parse_date(str(value)) if isinstance(value, (str, datetime.datetime)) else None


def _limit(phase: Table, where: str) -> Iterator[Finding]:
    limit = phase.get("execution_time_limit", 0)
    if limit and not (isinstance(limit, int) and 0 < limit <= 600):
        fix = "the default queue stops a run after 600 s; with a queue of your own ignore this"
        expected = f"{where}: execution_time_limit of 1 to 600 s"
        yield Finding("limit", CONFIGURATION, expected, repr(limit), fix, "warning")


def _precision(column: str, key: str) -> Finding:
    fix = f"write {key}: 4, for example: without it 2 decimals are shown"
    return _fault("precision", f"columns: {column}: {key}", "none", fix)


def _member(archive: zipfile.ZipFile, name: Any, where: str) -> Iterator[Finding]:
    if not isinstance(name, str) or name not in archive.namelist():
        yield _fault(
            "file", f"{where}: a file of the bundle", repr(name), "add it, or mend the name"
        )
    elif archive.getinfo(name).file_size == 0:
        yield _fault("file", f"{where}: a file that is not empty", "0 bytes", "write it", name)


def _data(
    archive: zipfile.ZipFile, values: Table, where: str, columns: Sequence[str]
) -> Iterator[Finding]:
    """Scoring program, reference data and starting kit of a phase (v1) or a task (v2)."""
    for key in ("scoring_program", "reference_data", "starting_kit", "input_data", "public_data"):
        name = values.get(key)
        if name is None:
            if key in ("scoring_program", "reference_data"):
                fix = "name its zip: without it a submission fails, or scores against nothing"
                yield _fault("data", f"{where}: {key}", "none", fix)
        elif not str(name).endswith(".zip"):
            fix = "name a .zip: CodaLab v1 takes anything else for the key of an earlier upload"
            yield _fault("data", f"{where}: {key}: a .zip", repr(name), fix)
        elif name not in archive.namelist():
            fix = "add it at that place of the bundle"
            yield _fault("data", f"{where}: {key} in the bundle", f"no {name}", fix)
        else:
            yield from _inner(archive, name, key, columns)


def _inner(
    archive: zipfile.ZipFile, name: str, key: str, columns: Sequence[str]
) -> Iterator[Finding]:
    """Check a zip in the bundle: it can be read to the end, and holds files at its root."""
    try:
        with archive.open(name) as stream, zipfile.ZipFile(stream) as inner:
            files = [info.filename for info in inner.infolist() if not info.is_dir()]
            damaged = inner.testzip()
            if damaged:
                raise zipfile.BadZipFile(f"{damaged} is damaged")
            if not files:
                yield _fault("inner", "files in it", "none", "fill it", name)
            elif key != "starting_kit" and all("/" in file for file in files):
                fix = "zip the files, not their folder"
                found = f"all in folders, such as {files[0]}"
                yield _fault("nested", "files at its root", found, fix, name)
            elif key == "scoring_program":
                yield from _program(inner, name, files, columns)
    except UNREADABLE as error:
        yield _fault("inner", "a whole zip", str(error), "make it again", name)


def _program(
    inner: zipfile.ZipFile, name: str, files: Sequence[str], columns: Sequence[str]
) -> Iterator[Finding]:
    metadata = [file for file in ("metadata", "metadata.yaml") if file in files]
    if not metadata:
        fix = "add a file `metadata` with `command: python $program/score.py $input $output`"
        yield _fault("metadata", "metadata at its root", "none", fix, name)
    for file in metadata:
        values = yaml.safe_load(inner.read(file))
        command = values.get("command") if isinstance(values, dict) else None
        script = re.search(r"(?:\$program|/app/program)/(\S+)", str(command))
        if script is None or script.group(1) not in files:
            fix = "run a file of the program"
            yield _fault("metadata", f"{file}: a command", repr(command), fix, name)
        elif file == "metadata" and "  " in str(command):
            fix = "CodaLab v1 splits at each space: write one"
            yield _fault("metadata", f"{file}: single spaces", repr(command), fix, name)
    if SETTINGS_FILE in files:
        keys = [key for key, _ in json.loads(inner.read(SETTINGS_FILE))["columns"]]
        for column in columns:
            if column not in keys:
                fix = _near(column, keys) + "; upper and lower case count"
                yield _fault("column", f"a score called {column}", f"{', '.join(keys)}", fix, name)
