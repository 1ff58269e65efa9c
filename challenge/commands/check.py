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
from challenge.errors import ConfigError, SubmissionError
from challenge.files import write_json
from challenge.findings import printable
from challenge.submission import (
    Entry,
    Expected,
    Finding,
    check_submission,
    expected_submission,
    listing,
    open_entries,
)
from challenge.submission.check import check_limit, check_zip_sizes
from challenge.submission.layout import base_name, part_entries
from challenge.submission.origin import Origin, find_origin, readme_of, record_of
from challenge.submission.pixels import SAMPLE, check_pixels
from challenge.submission.write import zip_size

FINE, ERRORS, USAGE = 0, 1, 2


@dataclass(frozen=True)
class Report:
    """What a check found, and what it could not look at."""

    path: Path
    origin: Origin
    images: int
    findings: tuple[Finding, ...]
    unchecked: tuple[str, ...]

    def of_level(self, level: str) -> list[Finding]:
        """The findings of one level."""
        return [finding for finding in self.findings if finding.level == level]


def main(argv: Sequence[str] | None = None) -> int:
    """Check and report; 0: nothing wrong but warnings perhaps, 1: errors, 2: wrong usage."""
    return cli.run(check, argv, "bash run.sh check")


def check(
    path: Annotated[Path, typer.Argument(help="Predictions, or a zip.", metavar="FOLDER_OR_ZIP")],
    data: Annotated[
        Path | None,
        typer.Option(help="ROOT, with {train,val,test}/blur. [default: from run.json]"),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="train, val or test. [default: from run.json, or by names]")
    ] = None,
    rules: Annotated[
        Path | None, typer.Option(help="configs/challenge/x.yml, or x. [default: from run.json]")
    ] = None,
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
        report = examine(path, data, split, rules, pixels)
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


def examine(
    path: Path, data: Path | None, split: str | None, rules: Path | None, pixels: bool
) -> Report:
    """Check everything that can be checked.

    Raises:
        ConfigError: no such folder or zip, or an option that cannot be used.
    """
    if not path.exists():
        raise ConfigError(
            f"{path}: no such folder or zip; predictions come from `bash run.sh predict`"
        )
    zipped = not path.is_dir()
    record, doubts = record_of(path)
    try:
        with open_entries(path) as entries:
            images = part_entries(entries, zipped)[0]
            names = [base_name(entry.name) for entry in images]
            origin = find_origin(path, record, names, data, split, rules)
    except SubmissionError as error:
        origin = find_origin(path, record, (), data, split, rules)
        return Report(path, origin, 0, (_unreadable(path, error),), ("its contents",))
    expected, about = expected_submission(origin.rules, origin.data_root, origin.split)
    findings = [each for each in about if each.kind != "names"]  # `_unchecked` says it
    findings += check_submission(path, expected, _progress("checking"))
    if not zipped:
        findings += [_later(finding) for finding in (*doubts, *readme_of(record)[1])]
        findings += _folder_limit(path, expected)
    unchecked = _unchecked(origin, expected)
    if pixels:
        findings += _pixel_warnings(path, expected, findings)
        if expected.inputs and len(images) > SAMPLE:
            unchecked.append(f"the pixels of all frames: {SAMPLE} were compared with the input")
    else:
        unchecked.append("the pixels (--no-pixels)")
    return Report(path, origin, len(images), tuple(findings), tuple(unchecked))


def as_json(report: Report) -> dict[str, Any]:
    """The report for programs; the keys stay as they are."""
    errors, warnings = report.of_level("error"), report.of_level("warning")
    root = report.origin.data_root
    return {
        "path": printable(str(report.path)),
        "verdict": "errors" if errors else "warnings" if warnings else "fine",
        "errors": len(errors),
        "warnings": len(warnings),
        "images": report.images,
        "challenge": report.origin.rules.name,
        "data_root": printable(str(root)) if root else None,
        "split": report.origin.split,
        "notes": list(report.origin.notes),
        "not_checked": list(report.unchecked),
        "findings": [asdict(finding) for finding in report.findings],
    }


def _unreadable(path: Path, error: SubmissionError) -> Finding:
    fix = "make it again with `python challenge/make_submission.py`"
    return Finding("zip", path.name, "a folder of PNGs, or a zip", error.summary, fix)


def _later(finding: Finding) -> Finding:
    """What only packing needs is no error of the predictions."""
    return Finding(
        finding.kind, finding.file, finding.expected, finding.found, finding.fix, "warning"
    )


def _folder_limit(folder: Path, expected: Expected) -> list[Finding]:
    """Say beforehand that the zip will have to be compressed harder."""
    return [_later(each) for each in check_limit("zip", zip_size(folder), expected.zip_limit_mb)]


def _pixel_warnings(path: Path, expected: Expected, findings: Sequence[Finding]) -> list[Finding]:
    """Warnings from the pixels of those PNGs in which nothing else was found."""
    faulty = {finding.file for finding in findings}
    with open_entries(path) as entries:
        if path.is_file() and check_zip_sizes(entries, path):
            return []
        images = part_entries(entries, path.is_file())[0]
        sound = [entry for entry in images if entry.name not in faulty]
        return check_pixels(sound, expected, _progress("looking at pixels"))


def _unchecked(origin: Origin, expected: Expected) -> list[str]:
    """What nobody could look at, with the option that would help."""
    unchecked = []
    if expected.names is None:
        help_out = "give --data ROOT --split SPLIT"
        unchecked.append(f"names of the frames, and the pixels against the input: {help_out}")
        if expected.frames is None:
            known = ", ".join(origin.rules.frames) or "none"
            unchecked.append(f"number of frames: the rules know {known}; give --rules and --split")
        if expected.size is None:
            unchecked.append("size of the frames: give --data, or --rules of a fixed size")
    if expected.zip_limit_mb is None:
        unchecked.append("size of the zip: the rules name no limit")
    return unchecked


def _progress(what: str) -> Any:
    def bar(images: Sequence[Entry]) -> Iterable[Entry]:
        return tqdm(images, desc=what, unit="PNG", leave=False, disable=None)

    return bar


def _print(report: Report, brief: bool, out: TextIO) -> None:
    """One line per finding, errors first; then what was guessed or left out; then the verdict."""
    errors, warnings = report.of_level("error"), report.of_level("warning")
    for level, findings in (("error", errors), ("warning", warnings)):
        for line in listing(findings, 3 if brief else len(findings)):
            print(f"{level}: {line}", file=out)
    for note in report.origin.notes:
        print(f"note: {printable(note)}", file=out)
    for what in report.unchecked:
        print(f"not checked: {what}", file=out)
    kinds = Counter(finding.kind for finding in errors)
    counts = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
    where = printable(str(report.path))
    if errors:
        verdict = f"not ready to submit: {_count(len(errors), 'error')} ({counts})"
        verdict += f", {_count(len(warnings), 'warning')}" * bool(warnings)
    elif warnings:
        verdict = f"can be sent (exit code 0), but has {_count(len(warnings), 'warning')}"
    else:
        verdict = f"nothing wrong was found in {_count(report.images, 'PNG')}"
        verdict += ", in what could be checked" * bool(report.unchecked)
    print(f"{where}: {verdict}", file=out)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


if __name__ == "__main__":
    sys.exit(main())
