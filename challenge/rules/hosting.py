"""What an organiser decides beside the rules: phases, columns, limits. Part of the rules' YAML."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

DATE = "%Y-%m-%d %H:%M:%S"
VALUES = ("psnr", "ssim", "runtime", "cpu", "extra_data")
"""What a column can show: a metric of the ranking profile, or a number of `readme.txt`."""
KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,35}")


@dataclass(frozen=True)
class Phase:
    """One phase of the challenge. Times are UTC, written "YYYY-MM-DD HH:MM:SS".

    Attributes:
        split: whose sharp images are the reference data.
        end: None: it never ends; only the last phase may. CodaLab v1 knows no ends, except the
            competition's own.
        max_submissions, max_submissions_per_day: of each participant.
    """

    split: str
    name: str
    start: str
    end: str | None = None
    description: str = ""
    max_submissions: int = 100
    max_submissions_per_day: int = 5


@dataclass(frozen=True)
class Column:
    """One column of the leaderboard.

    Attributes:
        key: the name in scores.txt and scores.json; upper and lower case count.
        value: one of VALUES.
        sorting: "desc" where more is better, else "asc".
        precision: decimals shown (Codabench shows 2 unless told).
    """

    key: str
    value: str
    title: str = ""
    sorting: str = "desc"
    precision: int = 4


def ntire_columns() -> list[Column]:
    """Return the keys of the NTIRE challenges' servers."""
    return [
        Column("PSNR", "psnr", "PSNR [dB]"),
        Column("SSIM", "ssim", "SSIM"),
        Column("ExtraRuntime", "runtime", "Runtime per image [s]", "asc", 3),
        Column("ExtraPlatform", "cpu", "CPU[1] / GPU[0]", "asc", 0),
        Column("ExtraData", "extra_data", "Extra data[1] / none[0]", "asc", 0),
    ]


@dataclass(frozen=True)
class Hosting:
    """A competition on CodaLab or Codabench.

    Attributes:
        columns: the first one ranks.
        image: Docker image the scoring program runs in: Python 3.10 or newer, numpy and Pillow.
        execution_time_limit_s: the platforms' default queues stop a run after 600 s.
        terms: paragraphs parted by an empty line.
    """

    title: str
    description: str = ""
    organiser: str = "the organisers"
    contact: str = ""
    image: str = "codalab/codalab-legacy:py312"
    execution_time_limit_s: int = 600
    submission_rule: str = "Force_Best"
    columns: list[Column] = field(default_factory=ntire_columns)
    phases: list[Phase] = field(default_factory=list)
    terms: str = (
        "By taking part you agree that your scores, your team's name and your fact sheet may be "
        "published.\n\nThe data may be used for this challenge and for research only. The sharp "
        "images of the test set must not be looked for, guessed or shared.\n\nOne account for "
        "each team."
    )


def hosting_problems(hosting: Hosting) -> list[str]:
    """Return every value that no platform could use, one line each."""
    problems = [] if hosting.title.strip() else ["title: expected a text, found none"]
    if not hosting.phases:
        problems.append("phases: expected at least one, found none")
    if hosting.execution_time_limit_s <= 0:
        problems.append("execution_time_limit_s: expected more than 0")
    problems += _column_problems(hosting.columns)
    problems += _phase_problems(hosting.phases)
    return problems


def parse_date(text: str) -> datetime.datetime | None:
    """Return the moment that "YYYY-MM-DD HH:MM:SS" means in UTC; None for another form."""
    try:
        return datetime.datetime.strptime(text, DATE).replace(tzinfo=datetime.timezone.utc)
    except (TypeError, ValueError):
        return None


def _column_problems(columns: Sequence[Column]) -> Iterator[str]:
    if not columns:
        yield "columns: expected at least one, found none"
    keys = [column.key for column in columns]
    for column in columns:
        where = f"columns: {column.key or '(no key)'}"
        if not KEY.fullmatch(column.key) or keys.count(column.key) > 1:
            yield f"{where}: expected a key of its own: at most 36 letters, digits and _"
        if column.value not in VALUES:
            yield f"{where}: value: expected one of {', '.join(VALUES)}, found {column.value!r}"
        if column.sorting not in ("asc", "desc"):
            yield f"{where}: sorting: expected asc or desc, found {column.sorting!r}"
        if len(column.title) > 36:
            yield f"{where}: title: expected at most 36 characters, found {len(column.title)}"


def _phase_problems(phases: Sequence[Phase]) -> Iterator[str]:
    previous = None
    for number, phase in enumerate(phases):
        where = f"phases: {phase.name or number}"
        start, end = parse_date(phase.start), parse_date(phase.end or "")
        if not phase.name.strip() or not phase.split.strip():
            yield f"{where}: expected a name and a split"
        for key, text, moment in (("start", phase.start, start), ("end", phase.end, end)):
            if text is not None and moment is None:
                yield f'{where}: {key}: expected "YYYY-MM-DD HH:MM:SS" (UTC), found {text!r}'
        if phase.end is None and number + 1 < len(phases):
            yield f"{where}: end: expected a date, since another phase follows; found none"
        if start and end and end <= start:
            yield f"{where}: end: expected later than the start {phase.start}, found {phase.end}"
        if start and previous and start <= previous:
            yield f"{where}: start: expected after the end of the phase before it"
        if min(phase.max_submissions, phase.max_submissions_per_day) < 1:
            yield f"{where}: expected at least 1 submission, in all and per day"
        previous = end or start
