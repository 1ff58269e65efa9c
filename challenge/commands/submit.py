"""Make the zip that the challenge's server takes: check the predictions, pack, read back.

python challenge/make_submission.py           the latest run, every split it has
python challenge/make_submission.py FOLDER    one folder of predictions
"""

from __future__ import annotations

import dataclasses
import datetime
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from challenge import cli
from challenge import runs as run_record
from challenge.errors import ConfigError, SubmissionError
from challenge.files import kit_path
from challenge.rules import Rules
from challenge.runs import RunRecord
from challenge.scoring.score import current_scores
from challenge.submission import (
    Entry,
    Expected,
    Finding,
    Readme,
    Written,
    check_submission,
    expected_submission,
    listing,
    write_submission,
)
from challenge.submission.check import check_limit
from challenge.submission.ledger import Row, add_row, ledger_path
from challenge.submission.origin import readme_of, record_of, rules_of, split_in_path
from challenge.submission.readme import write_readme
from challenge.submission.recompress import LEVELS, recompressed, same_pixels
from challenge.submission.write import zip_size

PHASES = {"val": "development phase", "test": "final (test) phase"}


@dataclass(frozen=True)
class Plan:
    """One zip to be made, everything about it known and checked."""

    folder: Path
    out: Path
    record: RunRecord
    rules: Rules
    expected: Expected
    readme: Readme


def main(argv: Sequence[str] | None = None) -> int:
    """Check, pack and read back; return the exit code."""
    return cli.run(make_submission, argv, "python challenge/make_submission.py")


def make_submission(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Predictions (PNGs and run.json). [default: the latest run]"),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder with {train,val,test}/. [default: from run.json]")
    ] = None,
    split: Annotated[str | None, typer.Option(help="[default: from run.json]")] = None,
    rules: Annotated[
        Path | None, typer.Option(help="configs/challenge/x.yml, or x. [default: from run.json]")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The zip. [default: beside the folder, FOLDER.zip]")
    ] = None,
    description: Annotated[
        str | None, typer.Option(help="Text for the organisers. [default: from run.json]")
    ] = None,
    extra_data: Annotated[
        bool, typer.Option("--extra-data", help="Trained on more than the challenge's own data.")
    ] = False,
    runtime: Annotated[
        float | None, typer.Option(help="Seconds per image. [default: from run.json]")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, or the GPU's name. [default: from run.json]")
    ] = None,
) -> None:
    """Check predictions and pack them into the zip that the challenge's server takes.

    Example: python challenge/make_submission.py submissions/highrev/test/efnet_highrev_raw
    """
    folders = [folder] if folder else _latest_run()
    if out and len(folders) > 1:
        found = ", ".join(map(str, folders))
        raise ConfigError(
            f"--out names one zip, but the latest run has several splits: {found}; name one"
        )
    plans: list[Plan] = []
    problems: list[str] = []
    for each in folders:
        record, findings = _record(each)
        if description is not None:
            record = dataclasses.replace(record, description=description)
        record = dataclasses.replace(
            record,
            extra_data=extra_data or record.extra_data,
            runtime_per_image_s=record.runtime_per_image_s if runtime is None else runtime,
            device=device or record.device,
            split=split or record.split or split_in_path(each),
            data_root=str(data) if data else record.data_root,
        )
        plan, faults = _plan(each, record, rules_of(rules, record, each), out, data is not None)
        plans.append(plan)
        lines = _report(each, findings + faults)
        which = f"{each.parent.name}/{each.name}: " if len(folders) > 1 else ""
        problems += [which + line for line in lines]
    if problems:
        summary = f"{', '.join(map(str, folders))}: not ready to submit, nothing was written"
        raise SubmissionError(summary, problems)
    too_large: list[str] = []
    for plan in plans:
        written = _write(plan)
        _announce(plan, written)
        _note_down(plan, written)
        limit = check_limit(str(plan.out), written.size, plan.expected.zip_limit_mb)
        too_large += map(str, limit)
    if too_large:
        raise SubmissionError("written, but the platform will not take it", too_large)
    print(
        "next: upload it; then bash run.sh ledger ZIP --psnr … --ssim … with the server's figures"
    )


def _latest_run() -> list[Path]:
    """The newest run's folder in every split but train; reference rows are never submitted."""
    runs = [
        found
        for found in run_record.find_runs(run_record.SUBMISSIONS, references=False)
        if found.parent.name != "train"
    ]
    if not runs:
        raise SubmissionError(
            f"{run_record.SUBMISSIONS}: no predictions of val or test to submit; "
            "make them: bash run.sh predict"
        )
    newest = runs[-1]
    siblings = [
        run for run in runs if (run.name, run.parents[1]) == (newest.name, newest.parents[1])
    ]
    return sorted(siblings, key=lambda run: run.parent.name, reverse=True)


def _record(folder: Path) -> tuple[RunRecord, list[Finding]]:
    """The run's record; without a readable one an empty record and a finding.

    The rest of the folder is then checked all the same.

    Raises:
        SubmissionError: there is no such folder, or it holds a reference row.
    """
    if not folder.is_dir():
        what = "a file" if folder.exists() else "nothing"
        raise SubmissionError(f"{folder}: expected a folder of predictions, found {what}")
    record, findings = record_of(folder)
    if record.reference:
        raise SubmissionError(f"{folder}: a reference row to compare with, not a run to submit")
    return record, findings


def _plan(
    folder: Path, record: RunRecord, rules: Rules, out: Path | None, data_given: bool
) -> tuple[Plan, list[Finding]]:
    """Check everything that can be checked before writing."""
    root = kit_path(record.data_root) if record.data_root else None
    if data_given and root and not root.is_dir():
        raise ConfigError(f"--data {root}: no such folder")
    expected, findings = expected_submission(rules, root, record.split)
    findings += check_submission(folder, expected, lambda images: _progress(folder, images))
    content, faults = readme_of(record)
    path = out or folder.resolve().parent / f"{folder.resolve().name}.zip"
    if path.resolve().parent == folder.resolve() or path.is_dir():
        raise ConfigError(
            f"--out {path}: the zip needs a name of its own outside the folder it is made of"
        )
    write_readme(rules.readme, content)
    return Plan(folder, path, record, rules, expected, content), findings + faults


def _report(folder: Path, findings: list[Finding]) -> list[str]:
    """Print the warnings; return the errors' lines."""
    for line in listing(finding for finding in findings if finding.level == "warning"):
        print(f"warning: {folder}: {line}", file=sys.stderr)
    return listing(finding for finding in findings if finding.level == "error")


def _progress(folder: Path, images: list[Entry]) -> Iterable[Entry]:
    return tqdm(images, desc=f"checking {folder.name}", unit="PNG", leave=False, disable=None)


def _write(plan: Plan) -> Written:
    """Write the zip; where it is over the platform's limit, compress the PNGs harder, step by step.

    Raises:
        SubmissionError: the zip does not pass its own check.
    """
    limit = plan.expected.zip_limit_mb
    fits = limit is None or zip_size(plan.folder) <= limit * 1e6
    written = None
    for level in (None,) if fits else LEVELS:
        pack = partial(_packed, level) if level else None
        arguments = plan.folder, plan.out, plan.expected.readme, plan.readme
        written = write_submission(*arguments, pack, same_pixels)
        if limit is None or written.size <= limit * 1e6:
            break
    assert written
    found = check_submission(plan.out, dataclasses.replace(plan.expected, zip_limit_mb=None))
    if found:
        raise SubmissionError(
            f"{plan.out}: does not pass its own check, do not send it", listing(found)
        )
    return written


def _packed(level: int, images: Sequence[Path]) -> Iterator[bytes]:
    what = f"too large, compressing harder (level {level})"
    packed = recompressed(images, level)
    yield from tqdm(packed, what, len(images), unit="PNG", leave=False, disable=None)


def _note_down(plan: Plan, written: Written) -> None:
    """Add the zip to the ledger, with the local score if it is that of these very images."""
    record, rules = plan.record, plan.rules
    root = kit_path(record.data_root) if record.data_root else None
    sharp = root / record.split / "sharp" if root and record.split else None
    scores = current_scores(plan.folder, sharp) if sharp and sharp.is_dir() else None
    local = scores.means.get(rules.profile, {}) if scores else {}
    row = Row(
        run=record.name,
        challenge=record.challenge or rules.name or "",
        split=record.split or "",
        zip=str(written.path.resolve()),
        sha256=written.sha256,
        phase=PHASES.get(record.split or "", ""),
        date=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        local_psnr=local.get("psnr"),
        local_ssim=local.get("ssim"),
        profile=rules.profile if local else "",
    )
    add_row(ledger_path(plan.folder), row)


def _announce(plan: Plan, written: Written) -> None:
    runs_on = "CPU" if plan.readme.cpu else "GPU"
    extra = "extra data" if plan.readme.extra_data else "no extra data"
    phase = PHASES.get(plan.record.split or "")
    plain = zip_size(plan.folder)
    gain = 100 * (1 - written.size / plain) if written.size < plain else 0.0
    harder = f" (compressed {gain:.0f} % smaller than the folder, pixels equal)" if gain else ""
    size = f"{written.size / 1e6:.2f} MB{harder}"
    print(written.path)
    print(f"  {written.images} PNGs and readme.txt, {size}; read back: equal")
    print(f"  readme.txt: {plan.readme.runtime:g} s per image on a {runs_on}, {extra}")
    print(f"  SHA-256 {written.sha256}")
    if phase:
        print(f"  this is {plan.record.split}: upload it to the challenge's {phase}")


if __name__ == "__main__":
    sys.exit(main())
