"""Find everything that is wrong with a data set, and how to mend it; nothing is written.

bash run.sh doctor PATH
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from challenge import cli
from challenge.datasets.doctor import Diagnosis, examine
from challenge.datasets.source import FORMATS, STORED
from challenge.errors import ConfigError
from challenge.files import write_json
from challenge.findings import Finding, listing, printable

FINE, ERRORS = 0, 1
COLOURS = {"error": "bold red", "warning": "yellow", "note": "cyan"}
NARROWEST = 60


def main(argv: Sequence[str] | None = None) -> int:
    """Look and report; 0: nothing wrong but warnings perhaps, 1: errors, 2: wrong usage."""
    return cli.run(doctor, argv, "bash run.sh doctor")


def doctor(
    path: Annotated[Path, typer.Argument(help="A data set, or one split of it.", metavar="PATH")],
    voxel_root: Annotated[
        Path | None, typer.Option(help="Where the stored grids are, if not beside it.")
    ] = None,
    format: Annotated[
        str | None, typer.Option(help=f"{', '.join(FORMATS)}; default: what is there.")
    ] = None,
    json_file: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="All findings as JSON; -: stdout.")
    ] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Every finding; default: three of each kind.")
    ] = False,
    workers: Annotated[int | None, typer.Option(help="Processes; default: one per core.")] = None,
) -> int:
    """Look at every file of a data set once, and say all that is wrong with it.

    Without PATH, `bash run.sh doctor` looks at the environment instead.

    Exit codes: 0, fine (warnings and notes alone leave it so); 1, errors; 2, wrong usage.

    Example: bash run.sh doctor /data/HighREV --json findings.json
    """
    if format is not None and format not in FORMATS:
        raise ConfigError(f"--format {format}: expected one of {', '.join(FORMATS)}")
    if workers is not None and workers < 1:
        raise ConfigError(f"--workers {workers}: expected at least 1")
    diagnosis = examine(path, voxel_root, format, workers, _progress)
    if json_file == "-":
        print(json.dumps(as_json(diagnosis), indent=2))
    elif json_file:
        write_json(Path(json_file), as_json(diagnosis))
    _print(diagnosis, all_, sys.stderr if json_file == "-" else sys.stdout)
    return ERRORS if diagnosis.of_level("error") else FINE


def as_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return the diagnosis for programs; the keys stay as they are."""
    errors, warnings = diagnosis.of_level("error"), diagnosis.of_level("warning")
    voxel_root = diagnosis.place.voxel_root
    return {
        "path": printable(str(diagnosis.place.root)),
        "format": diagnosis.place.format,
        "voxel_root": printable(str(voxel_root)) if voxel_root else None,
        "verdict": "errors" if errors else "warnings" if warnings else "fine",
        "errors": len(errors),
        "warnings": len(warnings),
        "notes": len(diagnosis.of_level("note")),
        "splits": {
            split: {"frames": frames, "events": diagnosis.events[split]}
            for split, frames in diagnosis.frames.items()
        },
        "alignment": [
            {"split": split, "sequence": sequence, **asdict(verdict)}
            for (split, sequence), verdict in diagnosis.alignment.items()
        ],
        "findings": [asdict(finding) for finding in diagnosis.findings],
    }


def _progress(looks: Iterable[Any], total: int) -> Iterable[Any]:
    return tqdm(looks, desc="looking", total=total, unit="frame", leave=False, disable=None)


def _print(diagnosis: Diagnosis, everything: bool, out: TextIO) -> None:
    """Print what is there, a table of the findings, the alignment, the verdict."""
    place = diagnosis.place
    counts = [f"{split} {_count(n, 'frame')}" for split, n in diagnosis.frames.items()]
    total = sum(diagnosis.events.values())
    if place.format not in STORED:
        counts.append(f"{total:,} events in the exposures")
    print(f"{place.format}: {', '.join(counts)}", file=out)
    if diagnosis.findings:
        _print_table(diagnosis.findings, everything, out)
    for line in _about_alignment(diagnosis):
        print(line, file=out)
    print(f"{printable(str(place.root))}: {_verdict(diagnosis)}", file=out)


def _print_table(findings: Sequence[Finding], everything: bool, out: TextIO) -> None:
    console = Console(file=out, highlight=False)
    if not console.is_terminal:
        console = Console(file=out, highlight=False, width=150)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading in ("", "kind", "what is wrong"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "kind")
    kinds: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        kinds.setdefault((finding.level, finding.kind), []).append(finding)
    for (level, kind), group in kinds.items():
        lines = listing(group, len(group) if everything else 3)
        for i, line in enumerate(lines):
            heads = ("", "") if i else (level, kind)  # said once
            table.add_row(*_escaped(*heads, line), style=COLOURS[level])
    console.print(table)


def _escaped(*texts: str) -> tuple[str, ...]:
    """Keep square brackets from being taken for colours."""
    return tuple(text.replace("[", r"\[") for text in texts)


def _about_alignment(diagnosis: Diagnosis) -> list[str]:
    """Say of how many sequences the events follow the images, and of how many nobody can tell."""
    verdicts = list(diagnosis.alignment.values())
    aligned = [verdict for verdict in verdicts if verdict.says == "aligned"]
    unknown = sum(verdict.says == "cannot tell" for verdict in verdicts)
    lines = []
    if aligned:
        low, high = min(each.score for each in aligned), max(each.score for each in aligned)
        others = max(each.next_best for each in aligned)
        lines.append(
            f"aligned: events follow the images in {_count(len(aligned), 'sequence')}: correlation "
            f"{low:.2f} to {high:.2f}, at most {others:.2f} mirrored or upside down"
        )
    if unknown:
        lines.append(
            f"not told: whether events follow the images in {_count(unknown, 'sequence')}: too "
            "little moves, or neither sharp images nor neighbouring frames are there"
        )
    return lines


def _verdict(diagnosis: Diagnosis) -> str:
    errors, warnings = diagnosis.of_level("error"), diagnosis.of_level("warning")
    kinds = Counter(finding.kind for finding in errors)
    counts = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
    frames = sum(diagnosis.frames.values())
    if errors:
        verdict = f"not sound: {_count(len(errors), 'error')} ({counts})"
        return verdict + f", {_count(len(warnings), 'warning')}" * bool(warnings)
    if warnings:
        return f"can be used (exit code 0), but has {_count(len(warnings), 'warning')}"
    return f"nothing wrong was found in {_count(frames, 'frame')}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


if __name__ == "__main__":
    sys.exit(main())
