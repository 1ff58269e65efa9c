"""What a check found: one record per fault, and their listing for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

SHOWN_PER_KIND = 3


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be.

    `kind` groups findings of one nature ("missing", "size", …). An "error" keeps the submission
    from being accepted or from being scored as meant, or data from being used as meant; a "warning"
    does not; a "note" is nothing wrong, but good to know.
    """

    kind: str
    file: str
    expected: str
    found: str
    fix: str
    level: Literal["error", "warning", "note"] = "error"

    def __str__(self) -> str:
        return printable(f"{self.file}: expected {self.expected}, found {self.found}; {self.fix}")


def printable(text: str) -> str:
    """Escape what a terminal would obey instead of show: names in a zip may hold anything."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def shorten(lines: Sequence[str], shown: int = 10) -> list[str]:
    """Keep the first lines, and say how many more there are."""
    more = [f"… and {len(lines) - shown} more"] if len(lines) > shown else []
    return [*lines[:shown], *more]


def listing(findings: Iterable[Finding], shown: int = SHOWN_PER_KIND) -> list[str]:
    """List one line per finding, in the order of their kinds' first appearance.

    Of each kind the first `shown` are written out, the others counted.
    """
    kinds: dict[str, list[Finding]] = {}
    for finding in findings:
        kinds.setdefault(finding.kind, []).append(finding)
    lines: list[str] = []
    for kind, group in kinds.items():
        lines += [str(finding) for finding in group[:shown]]
        if len(group) > shown:
            lines.append(f"… and {len(group) - shown} more like this ({kind}: {len(group)} in all)")
    return lines
