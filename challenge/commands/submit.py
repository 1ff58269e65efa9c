"""Make the zip that the challenge's server takes: check the predictions, pack, read back.

python challenge/make_submission.py           the latest run, every split it has
python challenge/make_submission.py FOLDER    one folder of predictions
"""

from __future__ import annotations

import dataclasses
import datetime
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from tqdm import tqdm

from challenge import cli
from challenge.commands.options import Data, RulesFile, Split
from challenge.datasets.layout import blurry_folder, sharp_folder
from challenge.errors import ConfigError, SubmissionError
from challenge.files import kit_path, list_pngs
from challenge.findings import Finding, listing
from challenge.runs import (
    SUBMISSIONS,
    RunRecord,
    find_runs,
    found_instead,
    load_record,
    run_folders,
)
from challenge.scoring.score import current_scores
from challenge.submission import Entry, Readme, Written, check_submission, write_submission
from challenge.submission.candidate import (
    Candidate,
    Options,
    check_candidate,
    open_candidate,
    readme_of,
)
from challenge.submission.check import check_limit, check_zip_name
from challenge.submission.drift import write_figures
from challenge.submission.ledger import Row, add_row, ledger_path
from challenge.submission.recompress import LEAST, LEVELS, recompressed, same_pixels
from challenge.submission.write import zip_size

PHASES = {"val": "development phase", "test": "final (test) phase"}


@dataclass(frozen=True)
class Plan:
    """One zip to be made, everything about it known and checked."""

    candidate: Candidate
    out: Path
    record: RunRecord
    readme: Readme


def main(argv: Sequence[str] | None = None, submissions: Path = SUBMISSIONS) -> int:
    """Check, pack and read back; return the exit code."""
    name = "python challenge/make_submission.py"
    return cli.run(make_submission, argv, name, submissions=submissions)


def make_submission(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Predictions (PNGs and run.json). [default: the latest run]"),
    ] = None,
    data: Data = None,
    split: Split = None,
    rules: RulesFile = None,
    out: Annotated[
        Path | None, typer.Option(help="The zip. [default: beside the folder, FOLDER.zip]")
    ] = None,
    description: Annotated[
        str | None, typer.Option(help="Text for the organisers. [default: from run.json]")
    ] = None,
    extra_data: Annotated[
        bool, typer.Option("--extra-data", help="Trained on more than the challenge's own data.")
    ] = False,
    llm: Annotated[
        bool, typer.Option("--llm", help="Uses a large language model; newer readmes ask.")
    ] = False,
    runtime: Annotated[
        float | None, typer.Option(help="Seconds per image. [default: from run.json]")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, or the GPU's name. [default: from run.json]")
    ] = None,
    *,
    submissions: Path = SUBMISSIONS,
) -> None:
    """Check predictions and pack them into the zip that the challenge's server takes.

    Example: python challenge/make_submission.py submissions/highrev/test/efnet_highrev_raw
    """
    folders = [folder] if folder else _latest_run(submissions)
    if out and len(folders) > 1:
        found = ", ".join(map(str, folders))
        raise ConfigError(
            f"--out names one zip, but the latest run has several splits: {found}; name one"
        )
    given = {
        "description": description,
        "extra_data": extra_data or None,
        "llm": llm or None,
        "runtime_per_image_s": runtime,
        "device": device or None,
    }
    changes = {key: value for key, value in given.items() if value is not None}
    _pack(plan_zips(folders, Options(data, split, rules), changes, out), out, submissions)
    print(
        "next: upload it; then bash run.sh ledger ZIP --psnr … --ssim … with the server's figures"
    )


def _pack(plans: Sequence[Plan], out: Path | None, submissions: Path) -> None:
    """Write the zips, and say what became of each.

    Raises:
        SubmissionError: some are too large for the platform; they are written all the same.
    """
    too_large: list[str] = []
    for plan in plans:
        written = _write(plan)
        _announce(plan, written)
        _note_down(plan, written, submissions)
        too_large += map(str, _over_limit(plan, written, out))
    if too_large:
        raise SubmissionError("written, but the platform will not take it", too_large)


def _latest_run(submissions: Path) -> list[Path]:
    """Find the newest run's folders, and say which are not there."""
    folders = latest_run(submissions)
    for note in splits_left_out(folders):
        print(f"note: {note}", file=sys.stderr)
    return folders


def latest_run(submissions: Path) -> list[Path]:
    """Find the newest run's folder in every split that is submitted; reference rows never are.

    Raises:
        SubmissionError: there is none.
    """
    runs = [run for run in find_runs(submissions, references=False) if run.parent.name in PHASES]
    if not runs:
        raise SubmissionError(
            f"{submissions}: no predictions of val or test to submit; "
            "make them: bash run.sh predict"
        )
    newest = runs[-1]
    siblings = [
        run for run in runs if (run.name, run.parents[1]) == (newest.name, newest.parents[1])
    ]
    return sorted(siblings, key=lambda run: run.parent.name, reverse=True)


def splits_left_out(folders: Sequence[Path]) -> list[str]:
    """Say which of val and test the latest run has no predictions of, though its data have frames;
    and how they come.
    """
    newest = load_record(folders[-1])
    notes = []
    for split in PHASES:
        root = kit_path(newest.data_root) if newest.data_root else None
        if root is None or not list_pngs(blurry_folder(root, split)):
            continue
        place = folders[-1].parents[1] / split / folders[-1].name
        if place in folders:
            continue
        packed = " and ".join(folder.parent.name for folder in folders)
        is_row = place in run_folders(place.parent, "*")
        found = "is a reference row" if is_row else "is not there"
        ours = f"bash run.sh predict --split {split}"
        fix = ours if newest.baseline else "put its PNGs there"
        notes.append(f"only {packed} is packed: {place} {found}; {fix}")
    return notes


def plan_zips(
    folders: Sequence[Path], options: Options, changes: Mapping[str, Any], out: Path | None
) -> list[Plan]:
    """Check every folder before anything is written; print the warnings.

    Args:
        folders: of predictions.
        options: what they are compared with.
        changes: values that replace those of the runs' records.
        out: the zip; None: beside each folder.

    Raises:
        ConfigError: an option that cannot be used.
        SubmissionError: a folder is missing or a reference row, or errors were found (all of them).
    """
    plans: list[Plan] = []
    problems: list[str] = []
    for folder in folders:
        plan, findings = _plan(folder, options, changes, out)
        plans.append(plan)
        for line in listing(each for each in findings if each.level == "warning"):
            print(f"warning: {folder}: {line}", file=sys.stderr)
        which = f"{folder.parent.name}/{folder.name}: " if len(folders) > 1 else ""
        problems += [which + line for line in listing(e for e in findings if e.level == "error")]
    if problems:
        summary = f"{', '.join(map(str, folders))}: not ready to submit, nothing was written"
        raise SubmissionError(summary, problems)
    return plans


def _plan(
    folder: Path, options: Options, changes: Mapping[str, Any], out: Path | None
) -> tuple[Plan, list[Finding]]:
    if not folder.is_dir():
        what = found_instead(folder)
        raise SubmissionError(f"{folder}: expected a folder of predictions, found {what}")
    path = out or folder.resolve().parent / f"{folder.resolve().name}.zip"
    if path.resolve().parent == folder.resolve() or path.is_dir():
        raise ConfigError(
            f"--out {path}: the zip needs a name of its own outside the folder it is made of"
        )
    with open_candidate(folder, options) as candidate:
        if candidate.record.reference:
            raise SubmissionError(
                f"{folder}: a reference row to compare with, not a run to submit; to send it, make "
                f"it yours: bash run.sh predict --baseline {candidate.record.baseline}"
            )
        for note in candidate.notes:
            print(f"note: {folder}: {note}", file=sys.stderr)
        bar = partial(_progress, folder.name)
        findings = [*candidate.findings, *check_candidate(candidate, bar)]
    record = dataclasses.replace(candidate.record, split=candidate.split, **changes)
    readme, missing = readme_of(record, candidate.rules.readme)
    return Plan(candidate, path, record, readme), findings + missing + check_zip_name(path.name)


def _progress(name: str, images: list[Entry]) -> Iterable[Entry]:
    return tqdm(images, desc=f"checking {name}", unit="PNG", leave=False, disable=None)


def _write(plan: Plan) -> Written:
    """Write the zip; where it is over the platform's limit, compress the PNGs harder, step by step,
    as long as that may help.

    Raises:
        SubmissionError: the zip does not pass its own check.
    """
    limit = plan.candidate.expected.zip_limit_mb
    fits = limit is None or zip_size(plan.candidate.path) <= limit * 1e6
    written = None
    for level in (None,) if fits else LEVELS:
        pack = partial(_packed, level) if level else None
        arguments = plan.candidate.path, plan.out, plan.candidate.expected.readme, plan.readme
        written = write_submission(*arguments, pack, same_pixels)
        if limit is None or not limit * 1e6 < written.size <= limit * 1e6 / LEAST:
            break  # it fits, or no level would make it fit: the next one takes ten times as long
    assert written
    found = check_submission(
        plan.out, dataclasses.replace(plan.candidate.expected, zip_limit_mb=None)
    )
    if errors := [finding for finding in found if finding.level == "error"]:
        raise SubmissionError(
            f"{plan.out}: does not pass its own check, do not send it", listing(errors)
        )
    return written


def _over_limit(plan: Plan, written: Written, out: Path | None) -> list[Finding]:
    """Find that a zip is too large though this very command has compressed it."""
    command = ["python", "challenge/make_submission.py", str(plan.candidate.path)]
    command += ["--out", str(out)] if out else []
    limit = plan.candidate.expected.zip_limit_mb
    return check_limit(str(plan.out), written.size, limit, packed_by=shlex.join(command))


def _packed(level: int, images: Sequence[Path]) -> Iterator[bytes]:
    what = f"too large, compressing harder (level {level})"
    packed = recompressed(images, level)
    yield from tqdm(packed, what, len(images), unit="PNG", leave=False, disable=None)


def _note_down(plan: Plan, written: Written, submissions: Path) -> None:
    """Add the zip to the ledger, with the local score if it is that of these very images."""
    record, candidate = plan.record, plan.candidate
    rules, split = candidate.rules, record.split or ""
    sharp = sharp_folder(candidate.data_root, split) if candidate.data_root and split else None
    scores = current_scores(candidate.path, sharp) if sharp and sharp.is_dir() else None
    local = scores.means.get(rules.profile, {}) if scores else {}
    row = Row(
        run=record.name,
        challenge=record.challenge or rules.name or "",
        split=split,
        zip=str(written.path.resolve()),
        sha256=written.sha256,
        phase=PHASES.get(split, ""),
        date=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        local_psnr=local.get("psnr"),
        local_ssim=local.get("ssim"),
        profile=rules.profile if local else "",
        local_scores=write_figures(scores.means) if scores and local else "",
    )
    add_row(ledger_path(candidate.path, submissions), row)


def _announce(plan: Plan, written: Written) -> None:
    runs_on = "CPU" if plan.readme.cpu else "GPU"
    extra = "extra data" if plan.readme.extra_data else "no extra data"
    phase = PHASES.get(plan.record.split or "")
    plain = zip_size(plan.candidate.path)
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
