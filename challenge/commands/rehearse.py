"""Rehearse the server at home: what the platform would make of a zip, before it is sent.

bash run.sh rehearse submissions/highrev/val/efnet_highrev_raw.zip
"""

from __future__ import annotations

import dataclasses
import errno
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from challenge import cli
from challenge.commands.options import Data, Platform, RulesFile, Split
from challenge.datasets.layout import sharp_folder
from challenge.errors import ConfigError, SubmissionError
from challenge.files import list_pngs, scratch_folder, write_text, write_whole
from challenge.findings import Finding
from challenge.hosting import platforms
from challenge.hosting.isolated import scoring_python
from challenge.hosting.packed import hosting_of, lpips_nets, scoring_program
from challenge.hosting.platforms import PAGE_FILE, PLATFORMS, Outcome
from challenge.rules import Rules
from challenge.rules.hosting import Hosting, Phase
from challenge.submission import Expected
from challenge.submission.candidate import (
    Candidate,
    Options,
    expected_submission,
    open_candidate,
)

FULL = 1 << 16  # bytes; with less, the scoring program cannot have written its files
KEPT = ("scores.txt", "scores.json", PAGE_FILE)


@dataclass(frozen=True)
class Rehearsal:
    """What is rehearsed: a zip, the sharp images it is scored against, the rules."""

    zipped: Path
    sharp: Path
    rules: Rules
    expected: Expected
    split: str = "val"


def main(argv: Sequence[str] | None = None) -> int:
    """Rehearse; return 0 if every platform scored the zip, else 1."""
    return cli.run(rehearse, argv, "bash run.sh rehearse")


def rehearse(
    zipped: Annotated[Path, typer.Argument(metavar="ZIP", help="The zip you would upload.")],
    data: Data = None,
    split: Split = None,
    rules: RulesFile = None,
    platform: Platform = "both",
    out: Annotated[
        Path | None, typer.Option(help="Folder for the server's files. [default: ZIP.rehearsal]")
    ] = None,
) -> int:
    """Run the server's scoring program on a zip as CodaLab v1 and Codabench v2 would.

    The program runs in a Python of its own with numpy and Pillow alone. Its page
    (detailed_results.html) and score files are kept in ZIP.rehearsal/PLATFORM/.

    Example: bash run.sh rehearse submissions/mini/val/efnet_mini.zip
    """
    names = list(PLATFORMS) if platform == "both" else [platform]
    if any(name not in PLATFORMS for name in names):
        raise ConfigError(f"--platform: expected codalab, codabench or both, found {platform!r}")
    if not zipped.is_file():
        raise SubmissionError(f"{zipped}: no such zip; `bash run.sh submit` makes one")
    with open_candidate(zipped, Options(data, split, rules)) as candidate:
        for note in candidate.notes:
            print(note)
        plan = plan_rehearsal(candidate)
        refused = platforms.zip_findings(candidate, plan.expected)
    folder = out or zipped.with_name(zipped.stem + ".rehearsal")
    with scratch_folder(Path(tempfile.gettempdir()), "rehearsal") as scratch:
        python = scoring_python(bool(lpips_nets(hosting_of(plan.rules))), scratch / "python")
        outcomes = [run_once(plan, refused, name, scratch / name, python, folder) for name in names]
    if plan.rules.limits:
        print(f"limits: {plan.rules.limits}")
    return int(any(outcome.code for outcome in outcomes))


def run_once(
    plan: Rehearsal, refused: Sequence[Finding], name: str, run: Path, python: Path, folder: Path
) -> Outcome:
    """Rehearse on one platform, keep its files in `folder`/`name`, and say how it went.

    Args:
        refused: what `platforms.zip_findings` has against unpacking the zip.
        run: folder to work in, made here.
    """
    hosting = hosting_of(plan.rules)
    output = run / "output"
    if refused:
        outcome = platforms.refuse(refused, hosting.title, output)
    else:
        program = scoring_program(plan.rules, _shows_images(hosting, plan.split))
        platforms.lay_out(run, program, plan.sharp)
        outcome = _unpack_and_run(plan, name, run, python, hosting)
        if outcome.row is None and shutil.disk_usage(run).free < FULL:
            raise OSError(errno.ENOSPC, "", tempfile.gettempdir())  # the zip is not to blame
    kept = folder / name
    kept.mkdir(parents=True, exist_ok=True)
    for file in KEPT:
        (kept / file).unlink(missing_ok=True)  # of the rehearsal before
        if (output / file).is_file():
            with write_whole(kept / file) as temporary:
                temporary.write_bytes((output / file).read_bytes())
    write_text(kept / "log.txt", outcome.log)
    _announce(name, outcome, hosting, kept)
    return outcome


def _unpack_and_run(
    plan: Rehearsal, name: str, run: Path, python: Path, hosting: Hosting
) -> Outcome:
    try:
        platforms.unpack(plan.zipped, run / "input" / "res")
    except SubmissionError as error:
        fix = "make the zip again with `python challenge/make_submission.py`"
        fault = Finding("zip", plan.zipped.name, "a zip that can be unpacked", f"{error}", fix)
        return platforms.refuse([fault], hosting.title, run / "output")
    limit = hosting.execution_time_limit_s
    return platforms.run_program(PLATFORMS[name], run, python, limit)


def plan_rehearsal(candidate: Candidate) -> Rehearsal:
    """Find the sharp images to score a zip against, and what the rules ask of it.

    Raises:
        ConfigError: there are none.
    """
    split, root = candidate.split or "val", candidate.data_root
    if root is None:
        raise ConfigError(
            f"{candidate.path}: give --data ROOT, the folder with {sharp_folder(Path(), split)}"
        )
    sharp = sharp_folder(root, split)
    targets = list_pngs(sharp)
    if not targets:
        raise ConfigError(
            f"{sharp}: expected the sharp images to score against, found none; name another "
            "--data or --split (the test split's are the organisers' alone: rehearse with val)"
        )
    expected, _ = expected_submission(candidate.rules, root, split)
    if expected.names is None:  # no input frames here: the sharp ones have the same names
        names = frozenset(path.name for path in targets)
        expected = dataclasses.replace(expected, names=names, source=str(sharp))
    return Rehearsal(candidate.path, sharp, _hosted(candidate.rules, split), expected, split)


def _shows_images(hosting: Hosting, split: str) -> bool:
    """Whether the first phase of a split publishes the scores of each image."""
    return next((phase.shows_images for phase in hosting.phases if phase.split == split), True)


def _hosted(rules: Rules, split: str) -> Rules:
    """Complete rules that nobody hosts by a competition of their name, with one phase."""
    if rules.hosting is not None:
        return rules
    phase = Phase(split, "Rehearsal", "2000-01-01 00:00:00")
    hosting = Hosting(rules.name or "Rehearsal", phases=[phase])
    return dataclasses.replace(rules, hosting=hosting)


def _announce(name: str, outcome: Outcome, hosting: Hosting, kept: Path) -> None:
    if outcome.row is None:
        print(f"{name}: failed, exit code {outcome.code}")
        print("".join(f"  {line}\n" for line in outcome.log.splitlines()), end="")
    else:
        print(f"{name}: scored")
        print(_row(outcome.row, hosting))
    print(f"  the page the platform shows: {kept / PAGE_FILE}")


def _row(row: Mapping[str, float], hosting: Hosting) -> str:
    """Return the leaderboard's row, two lines: keys, and figures as the platform shows them."""
    shown = [f"{row[column.key]:.{column.precision}f}" for column in hosting.columns]
    keys = [column.key for column in hosting.columns]
    widths = [max(len(key), len(text)) for key, text in zip(keys, shown, strict=True)]
    lines = [
        "  ".join(text.rjust(width) for text, width in zip(texts, widths, strict=True))
        for texts in (keys, shown)
    ]
    return "\n".join("  " + line for line in lines)


if __name__ == "__main__":
    sys.exit(main())
