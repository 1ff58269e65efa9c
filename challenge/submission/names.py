"""Compare the names of a submission's PNGs with the names of the input frames."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Sequence

from challenge.findings import Finding
from challenge.submission.expected import Expected

GUESSES = 20
"""For so many unknown names the nearest is searched, each time among all that are missing."""
LIST_NAME = re.compile(r"[\[(]\s*['\"](.+?)['\"]\s*,?\s*[\])](\.png)", re.IGNORECASE)


def check_names(found: Sequence[str], expected: Expected) -> list[Finding]:
    """Report PNGs that are missing, misnamed, extra, or there twice.

    A misnamed PNG (one whose intended name is plain) is reported once, not also as a missing one.
    Where the input frames are not on disk, only the pattern of a saved list and the count can be
    looked at.
    """
    findings = [
        Finding("duplicate", name, "one file of that name", f"{times}", "keep the right one only")
        for name, times in Counter(found).items()
        if times > 1
    ]
    if expected.names is None:
        return findings + _without_names(found, expected)
    missing = sorted(expected.names - set(found))
    unknown = sorted(set(found) - expected.names)
    meant, strangers = _match(unknown, missing)
    findings += [_misnamed(name, right) for name, right in meant.items()]
    for name, near in strangers.items():
        fix = f"did you mean {near}?" if near else f"only the frames of {expected.source} count"
        findings.append(Finding("extra", name, "a name of an input frame", "an unknown one", fix))
    claimed = set(meant.values())
    absent = [name for name in missing if name not in claimed]
    # An empty folder is one fact, not hundreds of missing files.
    if absent and not found:
        fix = "make them: bash run.sh predict"
        return [*findings, Finding("missing", "*.png", f"{len(missing)} PNGs", "none", fix)]
    fix = f"predict this frame too (there are {len(expected.names)} in {expected.source})"
    return findings + [Finding("missing", name, "a prediction", "none", fix) for name in absent]


def _without_names(found: Sequence[str], expected: Expected) -> list[Finding]:
    findings = [
        _misnamed(name, right.group(1) + right.group(2))
        for name in found
        if (right := LIST_NAME.fullmatch(name))
    ]
    if not found or (expected.frames is not None and len(found) != expected.frames):
        wanted = f"{expected.frames} PNGs" if expected.frames else "PNGs"
        fix = f"predict every frame, and nothing else ({expected.source} say so)"
        findings.append(Finding("count", "*.png", wanted, f"{len(found)}", fix))
    return findings


def _match(unknown: list[str], missing: list[str]) -> tuple[dict[str, str], dict[str, str | None]]:
    """Part unknown names: whose intended name is plain, and strangers with the nearest, if any.

    Plain: equal but for case, brackets, quotes, other marks, and leading zeros.
    """
    plain = {_plain(name): name for name in missing}
    meant: dict[str, str] = {}
    strangers: dict[str, str | None] = {}
    for name in unknown:
        right = plain.pop(_plain(name), None)
        if right is not None:
            meant[name] = right
            continue
        near = difflib.get_close_matches(name, missing, 1, 0.8) if len(strangers) < GUESSES else []
        strangers[name] = near[0] if near else None
    return meant, strangers


def _plain(name: str) -> str:
    without_zeros = re.sub(
        r"[0-9]+", lambda digits: digits.group().lstrip("0") or "0", name.lower()
    )
    return re.sub(r"[^a-z0-9]", "", without_zeros)


def _misnamed(name: str, right: str) -> Finding:
    if LIST_NAME.fullmatch(name):
        fix = "a list of names was written as text: save under names[0], not under str(names)"
    elif name.lower() == right.lower():
        fix = "upper and lower case count: rename it"
    else:
        fix = "rename it"
    return Finding("misnamed", name, right, "another name for it", fix)
