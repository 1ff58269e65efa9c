"""Check predictions or a zip, without writing anything: every finding, and how to mend it.

bash run.sh check FOLDER    predictions, before they are packed
bash run.sh check x.zip     any zip, whoever made it
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from tqdm import tqdm

from challenge import cli
from challenge.commands.options import Data, RulesFile, Split
from challenge.errors import ConfigError
from challenge.files import write_json
from challenge.findings import Finding, listing, printable
from challenge.submission import Entry
from challenge.submission.candidate import (
    Candidate,
    Options,
    check_candidate,
    open_candidate,
    readme_of,
)
from challenge.submission.check import check_limit
from challenge.submission.pixels import PixelCheck
from challenge.submission.write import zip_size

FINE, ERRORS, USAGE = 0, 1, 2
ABOUT_DATA = ("data", "split", "inputs")
"""Kinds of findings about the data that a candidate is compared with."""


@dataclass(frozen=True)
class Report:
    """What a check found, and what it could not look at."""

    candidate: Candidate
    findings: tuple[Finding, ...]
    unchecked: tuple[str, ...]

    def of_level(self, level: str) -> list[Finding]:
        """Return the findings of one level."""
        return [finding for finding in self.findings if finding.level == level]


def main(argv: Sequence[str] | None = None) -> int:
    """Check and report; 0: nothing wrong but warnings perhaps, 1: errors, 2: wrong usage."""
    return cli.run(check, argv, "bash run.sh check")


def check(
    path: Annotated[Path, typer.Argument(help="Predictions, or a zip.", metavar="FOLDER_OR_ZIP")],
    data: Data = None,
    split: Split = None,
    rules: RulesFile = None,
    json_file: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="All findings as JSON; -: stdout.")
    ] = None,
    brief: Annotated[bool, typer.Option(help="Three findings of each kind only.")] = False,
    pixels: Annotated[bool, typer.Option(help="Look at the pixels as well.")] = True,
) -> int:
    """Check predictions or a zip as the server would, and for mistakes that cost the score.

    Exit codes: 0, ready to send (warnings alone leave it so); 1, errors; 2, wrong usage.

    Example: bash run.sh check my.zip --data /data/HighREV --split val --rules highrev
    """
    try:
        report = examine(path, Options(data, split, rules), pixels)
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE
    if json_file and json_file != "-":
        try:
            write_json(Path(json_file), as_json(report))
        except OSError as error:
            print(f"error: --json {json_file}: {error.strerror}", file=sys.stderr)
            return USAGE
    elif json_file:
        print(json.dumps(as_json(report), indent=2))
    _print(report, brief, sys.stderr if json_file == "-" else sys.stdout)
    return ERRORS if report.of_level("error") else FINE


def examine(path: Path, options: Options, pixels: bool) -> Report:
    """Check everything that can be checked; the folder or zip is opened once, each PNG read once.

    Raises:
        ConfigError: no such folder or zip, or an option that cannot be used.
    """
    if not path.exists():
        raise ConfigError(
            f"{path}: no such folder or zip; predictions come from `bash run.sh predict`"
        )
    with open_candidate(path, options) as candidate:
        if candidate.unreadable:
            return Report(candidate, (candidate.unreadable,), ("its contents",))
        looked = PixelCheck(candidate.images, candidate.expected) if pixels else None
        findings = [each for each in candidate.findings if each.kind in ABOUT_DATA]
        findings += check_candidate(candidate, _progress, looked.look if looked else None)
        findings += [_later(each) for each in _before_packing(candidate)]
        findings += looked.findings() if looked else []
        return Report(candidate, tuple(findings), tuple(_unchecked(candidate, pixels)))


def as_json(report: Report) -> dict[str, Any]:
    """Return the report for programs; the keys stay as they are."""
    errors, warnings = report.of_level("error"), report.of_level("warning")
    candidate = report.candidate
    root = candidate.data_root
    return {
        "path": printable(str(candidate.path)),
        "verdict": "errors" if errors else "warnings" if warnings else "fine",
        "errors": len(errors),
        "warnings": len(warnings),
        "images": len(candidate.images),
        "challenge": candidate.rules.name,
        "data_root": printable(str(root)) if root else None,
        "split": candidate.split,
        "notes": list(candidate.notes),
        "not_checked": list(report.unchecked),
        "findings": [asdict(finding) for finding in report.findings],
    }


def _later(finding: Finding) -> Finding:
    """Turn a finding into a warning: what only packing needs is no error of the predictions."""
    return Finding(
        finding.kind, finding.file, finding.expected, finding.found, finding.fix, "warning"
    )


def _before_packing(candidate: Candidate) -> list[Finding]:
    """Find what packing a folder will need: facts in its record, a zip that is not too large."""
    if candidate.zipped:
        return []
    about_record = [each for each in candidate.findings if each.kind == "record"]
    missing = readme_of(candidate.record, candidate.rules.readme)[1]
    limit = candidate.expected.zip_limit_mb
    return [*about_record, *missing, *check_limit("zip", zip_size(candidate.path), limit)]


def _unchecked(candidate: Candidate, pixels: bool) -> list[str]:
    """Say what nobody could look at, with the option that would help."""
    expected = candidate.expected
    unchecked = []
    if expected.names is None:
        help_out = "give --data ROOT --split SPLIT"
        unchecked.append(f"names of the frames, and the pixels against the input: {help_out}")
        if expected.frames is None:
            known = ", ".join(candidate.rules.frames) or "none"
            unchecked.append(f"number of frames: the rules know {known}; give --rules and --split")
        if expected.size is None:
            unchecked.append("size of the frames: give --data, or --rules of a fixed size")
    if expected.zip_limit_mb is None:
        unchecked.append("size of the zip: the rules name no limit")
    if not pixels:
        unchecked.append("the pixels (--no-pixels)")
    return unchecked


def _progress(images: Sequence[Entry]) -> Iterable[Entry]:
    return tqdm(images, desc="checking", unit="PNG", leave=False, disable=None)


def _print(report: Report, brief: bool, out: TextIO) -> None:
    """Print one line per finding, errors first; then what was guessed or left out; the verdict."""
    errors, warnings = report.of_level("error"), report.of_level("warning")
    for level, findings in (("error", errors), ("warning", warnings)):
        for line in listing(findings, 3 if brief else len(findings)):
            print(f"{level}: {line}", file=out)
    for note in report.candidate.notes:
        print(f"note: {printable(note)}", file=out)
    for what in report.unchecked:
        print(f"not checked: {what}", file=out)
    kinds = Counter(finding.kind for finding in errors)
    counts = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
    where = printable(str(report.candidate.path))
    if errors:
        verdict = f"not ready to submit: {_count(len(errors), 'error')} ({counts})"
        verdict += f", {_count(len(warnings), 'warning')}" * bool(warnings)
    elif warnings:
        verdict = f"can be sent (exit code 0), but has {_count(len(warnings), 'warning')}"
    else:
        verdict = f"nothing wrong was found in {_count(len(report.candidate.images), 'PNG')}"
        verdict += ", in what could be checked" * bool(report.unchecked)
    print(f"{where}: {verdict}", file=out)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


if __name__ == "__main__":
    sys.exit(main())
