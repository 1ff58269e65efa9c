"""What the two platforms do with a submission, at home: directories, command, time limit."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from challenge.errors import SubmissionError
from challenge.files import list_pngs
from challenge.findings import Finding, listing
from challenge.server import page
from challenge.submission.candidate import Candidate
from challenge.submission.check import check_limit, check_zip_sizes
from challenge.submission.entries import unpacked_name
from challenge.submission.expected import Expected
from challenge.zips import UNREADABLE

PAGE_FILE = "detailed_results.html"


@dataclass(frozen=True)
class Platform:
    """One platform.

    Attributes:
        metadata: file of the scoring program that holds the command.
        command: (command, run folder) -> its words, run without a shell.
        scores: (text) -> column key -> figure; of `scores_file`.
    """

    name: str
    metadata: str
    command: Callable[[str, Path], list[str]]
    scores_file: str
    scores: Callable[[str], Mapping[str, float]]


@dataclass(frozen=True)
class Outcome:
    """How a rehearsal ended: exit code, the leaderboard's row (None: failed), what was printed."""

    code: int
    row: Mapping[str, float] | None
    log: str


def codalab_command(command: str, run: Path) -> list[str]:
    """CodaLab v1: the three variables become paths; words are parted by single spaces."""
    paths = {"$program": "program", "$input": "input", "$output": "output"}
    words = command.split(" ")
    for variable, folder in paths.items():
        words = [word.replace(variable, str(run / folder)) for word in words]
    return words


def codabench_command(command: str, run: Path) -> list[str]:
    """Codabench v2: CodaLab's variables become paths too, then it is split as a shell would.

    /app is the run's own folder here.
    """
    for variable in ("program", "input", "output"):
        command = command.replace(f"${variable}", f"/app/{variable}")
    words = shlex.split(command)
    return [str(run) + word[4:] if word.startswith("/app/") else word for word in words]


def codalab_scores(text: str) -> dict[str, float]:
    """Read `scores.txt` as CodaLab v1 does: one `:` a line, and no other line."""
    pairs = [line.split(":") for line in text.rstrip("\n").split("\n")]
    if any(len(pair) != 2 for pair in pairs):
        raise ValueError("a line without exactly one `:`")
    return {key.strip(): float(value) for key, value in pairs}


def codabench_scores(text: str) -> dict[str, float]:
    """Read `scores.json` as Codabench does; NaN and infinity would lose the score."""

    def refuse(constant: str) -> float:
        raise ValueError(f"{constant} among the scores")

    return {key: float(value) for key, value in json.loads(text, parse_constant=refuse).items()}


PLATFORMS = {
    platform.name: platform
    for platform in (
        Platform("codalab", "metadata", codalab_command, "scores.txt", codalab_scores),
        Platform("codabench", "metadata.yaml", codabench_command, "scores.json", codabench_scores),
    )
}


def lay_out(run: Path, program: Mapping[str, bytes], reference: Path) -> None:
    """Make {program, input/{ref,res}, output} below `run`, with the program and the references.

    References are linked, not copied, where the file system can.
    """
    (run / "input" / "ref").mkdir(parents=True)
    for name, content in program.items():
        path = run / "program" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for sharp in list_pngs(reference):
        link(sharp.resolve(), run / "input" / "ref" / sharp.name)
    new_submission(run)


def new_submission(run: Path) -> Path:
    """Empty {input/res, output} for a submission, and return the folder for its files.

    It holds what the platforms put beside them.
    """
    for folder in ("input/res", "output"):
        shutil.rmtree(run / folder, ignore_errors=True)
        (run / folder).mkdir(parents=True)
    (run / "input" / "res" / "metadata").write_text("description: results\n", encoding="ascii")
    return run / "input" / "res"


def link(source: Path, target: Path) -> None:
    """Put a file in a second place: not copied, where the file system can."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def zip_findings(candidate: Candidate, expected: Expected) -> list[Finding]:
    """Say why a zip never reaches the scoring program; nothing is unpacked.

    It is no zip, it is larger than the platform takes, or it would fill the disk.
    """
    if candidate.unreadable:
        return [candidate.unreadable]
    path = candidate.path
    too_much = check_zip_sizes(candidate.entries, path, expected)
    return too_much + check_limit(path.name, path.stat().st_size, expected.zip_limit_mb)


def refuse(findings: Sequence[Finding], title: str, output: Path) -> Outcome:
    """Write the page of a zip that is not unpacked, as the scoring program would."""
    output.mkdir(parents=True, exist_ok=True)
    text = page.refusal(title, findings)
    (output / PAGE_FILE).write_bytes(text.encode("ascii", "xmlcharrefreplace"))
    lines = listing(finding for finding in findings if finding.level == "error")
    return Outcome(1, None, "".join(f"error: {line}\n" for line in lines))


def unpack(zipped: Path, folder: Path) -> None:
    """Unpack as both platforms do: by Python's `ZipFile.extractall`.

    It keeps every file inside `folder`, lets the last of several entries of one name stay, and
    writes no more of an entry than the zip's list says.

    Raises:
        SubmissionError: an entry cannot be unpacked.
    """
    with zipfile.ZipFile(zipped) as archive:
        for info in archive.infolist():
            try:
                if unpacked_name(info) != "/":  # the folder itself: Python 3.12.1 fails at it
                    archive.extract(info, folder)
            except UNREADABLE as error:
                raise SubmissionError(
                    f"{zipped}: the platform could not unpack {info.filename!r}: {error}; "
                    f"bash run.sh check {zipped} names every fault"
                ) from error


def run_program(platform: Platform, run: Path, python: Path, limit_s: float) -> Outcome:
    """Run the scoring program of a folder made by `lay_out` as the platform does.

    `python` (isolated) takes the place of the command's own. The environment is empty but for the
    path, the working directory is the program's, and there is no shell.
    """
    metadata = run / "program" / platform.metadata
    if not metadata.is_file():
        metadata = metadata.with_name("metadata")  # Codabench's second choice
    text = metadata.read_text(encoding="utf-8")
    words = platform.command(yaml.safe_load(text)["command"], run)
    if words[0] not in ("python", "python3"):
        raise SubmissionError(f"{platform.metadata}: expected `python …`, found {words[0]!r}")
    try:
        done = subprocess.run(
            [str(python), "-I", *words[1:]],
            cwd=run / "program",
            env={"PATH": os.defpath, "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=limit_s,
        )
    except subprocess.TimeoutExpired:
        return Outcome(124, None, f"error: the platform stops a run after {limit_s:g} s\n")
    log = done.stdout.decode("utf-8", "replace")
    if done.returncode:
        return Outcome(done.returncode, None, log)
    scores = (run / "output" / platform.scores_file).read_text(encoding="ascii")
    return Outcome(0, platform.scores(scores), log)
