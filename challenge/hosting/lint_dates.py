"""Dates of a bundle: what each platform makes of them."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

from challenge.findings import Finding
from challenge.hosting.lint_findings import breaks, doubt, refused, shown
from challenge.rules.hosting import DATE, parse_date

QUOTED = 'quoted: "YYYY-MM-DD HH:MM:SS" (UTC)'
UTC = datetime.timezone.utc


def moment(value: Any) -> datetime.datetime | None:
    """Return what Codabench makes of a date; None where it can make nothing of it.

    It cuts what YAML has read as a date to midnight, and puts UTC in the place of any other zone.
    """
    if isinstance(value, datetime.date):
        return datetime.datetime.combine(value, datetime.time(), UTC)
    if not isinstance(value, str):
        return None
    try:
        return parse_date(value) or datetime.datetime.fromisoformat(value).replace(tzinfo=UTC)
    except ValueError:
        return None


def date_findings(value: Any, where: str, v1: bool) -> Iterator[Finding]:
    """Say what a platform refuses or reads otherwise than meant.

    Args:
        v1: a bundle for CodaLab v1, which wants a time of day too.
    """
    expected = f"{where}: {QUOTED}"
    if isinstance(value, datetime.datetime) and value.time() != datetime.time():
        fix = "quote it: YAML makes a date of it, and Codabench cuts that to midnight"
        yield breaks(expected, f"{value} without quotes", fix)
    elif isinstance(value, datetime.date):
        yield doubt(expected, f"{value} without quotes", "quote it; it means midnight")
    elif moment(value) is None:
        yield refused(expected, shown(value), "write it so")
    elif parse_date(value) is None:
        if v1 and ":" not in value:
            yield refused(expected, shown(value), "CodaLab v1 wants the time of day too")
        elif datetime.datetime.fromisoformat(value).tzinfo not in (None, UTC):
            fix = "write it in UTC: Codabench drops the zone and keeps the hours"
            yield breaks(expected, shown(value), fix)
        else:
            yield doubt(expected, shown(value), "write it so, to be read by both platforms")


def past(value: Any, where: str, now: datetime.datetime) -> Iterator[Finding]:
    """Warn of a date that lies behind."""
    when = moment(value)
    if when and when < now:
        fix = "set a later one, unless the bundle is for rehearsal"
        yield doubt(f"{where}: a date to come", f"{when:{DATE}}", fix)
