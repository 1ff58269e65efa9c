"""Make the zip that the challenge's server takes: check the predictions, pack, read back.

python challenge/make_submission.py           the latest run, every split it has
python challenge/make_submission.py FOLDER    one folder of predictions
"""

from __future__ import annotations

if __name__ == "__main__":  # run by path, in a fresh clone, with any Python
    import pathlib
    import sys

    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])
    from challenge import bootstrap

    bootstrap.ensure_packages()

import dataclasses
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from challenge import cli, run_record
from challenge.errors import ConfigError, SubmissionError
from challenge.files import kit_path
from challenge.rules import RULES_FOLDER, Rules, load_rules
from challenge.run_record import RunRecord
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
from challenge.submission.readme import write_readme

PHASES = {"val": "development phase", "test": "final (test) phase"}
SPLITS = ("train", "val", "test")
TEXTS = ("challenge", "rules", "data_root", "split", "device", "description")


@dataclass(frozen=True)
class Plan:
    """One zip to be made, everything about it known and checked."""

    folder: Path
    out: Path
    split: str | None
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
            split=split or record.split or _split_in_path(each),
            data_root=str(data) if data else record.data_root,
        )
        plan, faults = _plan(each, record, _rules(rules, record), out, data is not None)
        plans.append(plan)
        lines = _report(each, findings + faults)
        which = f"{each.parent.name}/{each.name}: " if len(folders) > 1 else ""
        problems += [which + line for line in lines]
    if problems:
        summary = f"{', '.join(map(str, folders))}: not ready to submit, nothing was written"
        raise SubmissionError(summary, problems)
    for plan in plans:
        _announce(plan, _write(plan))
    print("next: bash run.sh leaderboard")


def _latest_run() -> list[Path]:
    """The newest run's folder in every split but train; reference rows are never submitted."""
    runs = [
        found
        for found in run_record.find_runs(run_record.SUBMISSIONS)
        if not run_record.load_record(found).reference and found.parent.name != "train"
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
    try:
        record = run_record.load_record(folder)
    except SubmissionError as error:
        example = '{"name": "my_method", "runtime_per_image_s": 0.31, "device": "cpu"}'
        fix = f"write one such as {example}"
        expected = "the run's record"
        finding = Finding("record", run_record.FILE_NAME, expected, f"{error}", fix)
        return RunRecord(folder.name), [finding]
    if record.reference:
        raise SubmissionError(f"{folder}: a reference row to compare with, not a run to submit")
    return _typed(record)


def _typed(record: RunRecord) -> tuple[RunRecord, list[Finding]]:
    """The record with what has the wrong type (it may be written by hand) as if not given."""
    defaults = RunRecord(record.name)
    kinds = dict.fromkeys(TEXTS, (str, "text")) | {"extra_data": (bool, "true or false")}
    values, findings = dict(vars(record)), []
    for key, (kind, expected) in kinds.items():
        default = getattr(defaults, key)
        if values[key] is not None and not isinstance(values[key], kind):
            fix = f'correct "{key}" in it'
            found = f"{key}: {values[key]!r}"
            findings.append(Finding("record", run_record.FILE_NAME, expected, found, fix))
            values[key] = default
        elif values[key] is None:
            values[key] = default
    return RunRecord(**values), findings


def _rules(path: Path | None, record: RunRecord) -> Rules:
    """The rules of the command line, else of the record, else those called like its challenge."""
    if path:
        return load_rules(path)
    if record.rules:
        named = Path(record.rules)  # a file, or a bare name such as `highrev`
        return load_rules(kit_path(record.rules) if named.suffix else named)
    own = RULES_FOLDER / f"{record.challenge}.yml"
    return load_rules(own if own.is_file() else RULES_FOLDER / "own.yml")


def _split_in_path(folder: Path) -> str | None:
    name = folder.resolve().parent.name
    return name if name in SPLITS else None


def _plan(
    folder: Path, record: RunRecord, rules: Rules, out: Path | None, data_given: bool
) -> tuple[Plan, list[Finding]]:
    """Check everything that can be checked before writing."""
    root = kit_path(record.data_root) if record.data_root else None
    if data_given and root and not root.is_dir():
        raise ConfigError(f"--data {root}: no such folder")
    expected, findings = expected_submission(rules, root, record.split)
    findings += check_submission(folder, expected, lambda images: _progress(folder, images))
    content, faults = _readme(record)
    path = out or folder.resolve().parent / f"{folder.resolve().name}.zip"
    if path.resolve().parent == folder.resolve() or path.is_dir():
        raise ConfigError(
            f"--out {path}: the zip needs a name of its own outside the folder it is made of"
        )
    write_readme(rules.readme, content)
    return Plan(folder, path, record.split, expected, content), findings + faults


def _readme(record: RunRecord) -> tuple[Readme, list[Finding]]:
    """What readme.txt says; values that the record lacks are findings."""
    findings = []
    runtime: object = record.runtime_per_image_s
    number = isinstance(runtime, int | float) and not isinstance(runtime, bool)
    seconds = float(runtime) if isinstance(runtime, int | float) and number else math.nan
    if not (math.isfinite(seconds) and seconds >= 0):
        found = "none" if runtime is None else repr(runtime)
        fix = "measure it and give --runtime SECONDS"
        expected = "a runtime per image in seconds"
        findings.append(Finding("record", run_record.FILE_NAME, expected, found, fix))
    if not record.device:
        fix = "give --device cpu, or --device with the GPU's name"
        expected = "the device that the runtime was measured on"
        findings.append(Finding("record", run_record.FILE_NAME, expected, "none", fix))
    cpu = int((record.device or "").lower().startswith("cpu"))
    return Readme(seconds, cpu, int(record.extra_data), record.description), findings


def _report(folder: Path, findings: list[Finding]) -> list[str]:
    """Print the warnings; return the errors' lines."""
    for line in listing(finding for finding in findings if finding.level == "warning"):
        print(f"warning: {folder}: {line}", file=sys.stderr)
    return listing(finding for finding in findings if finding.level == "error")


def _progress(folder: Path, images: list[Entry]) -> Iterable[Entry]:
    return tqdm(images, desc=f"checking {folder.name}", unit="PNG", leave=False, disable=None)


def _write(plan: Plan) -> Written:
    written = write_submission(plan.folder, plan.out, plan.expected.readme, plan.readme)
    found = check_submission(plan.out, dataclasses.replace(plan.expected, zip_limit_mb=None))
    if found:
        raise SubmissionError(
            f"{plan.out}: does not pass its own check, do not send it", listing(found)
        )
    for warning in check_limit(str(plan.out), written.size, plan.expected.zip_limit_mb):
        print(f"warning: {warning}", file=sys.stderr)
    return written


def _announce(plan: Plan, written: Written) -> None:
    runs_on = "CPU" if plan.readme.cpu else "GPU"
    extra = "extra data" if plan.readme.extra_data else "no extra data"
    phase = PHASES.get(plan.split or "")
    print(written.path)
    print(f"  {written.images} PNGs and readme.txt, {written.size / 1e6:.2f} MB; read back: equal")
    print(f"  readme.txt: {plan.readme.runtime:g} s per image on a {runs_on}, {extra}")
    print(f"  SHA-256 {written.sha256}")
    if phase:
        print(f"  this is {plan.split}: upload it to the challenge's {phase}")


if __name__ == "__main__":
    sys.exit(main())
