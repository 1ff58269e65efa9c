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
from challenge.submission.check import check_opened
from challenge.submission.entries import UNREADABLE
from challenge.submission.expected import Expected

PAGE_FILE = "detailed_results.html"
BLOCK = 1 << 20
SPARE = 16 << 20
"""Bytes a zip may unpack to beyond what its images need uncompressed."""
LEFT_TO_PROGRAM = frozenset(
    {"missing", "extra", "misnamed", "count", "size", "mode", "format", "damaged"}
    | {"readme", "folder", "system", "other"}
)
"""Kinds of findings that the scoring program sees too. Others, such as names that lead elsewhere,
only the zip shows: unpacking hides them, or does not survive them.
"""


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
    """Say why a zip must not be unpacked: faults that unpacking hides, or does not survive.

    Empty where the scoring program will see every fault itself; else the findings of the whole
    check, so that a page can name them all. Nothing is unpacked.
    """
    if candidate.unreadable:
        return [candidate.unreadable]
    findings = check_opened(candidate.path, candidate.entries, expected)
    findings += _too_much(candidate, expected)
    errors = [finding for finding in findings if finding.level == "error"]
    return [] if all(error.kind in LEFT_TO_PROGRAM for error in errors) else findings


def refuse(findings: Sequence[Finding], title: str, output: Path) -> Outcome:
    """Write the page of a zip that is not unpacked, as the scoring program would."""
    output.mkdir(parents=True, exist_ok=True)
    text = page.refusal(title, findings)
    (output / PAGE_FILE).write_bytes(text.encode("ascii", "xmlcharrefreplace"))
    lines = listing(finding for finding in findings if finding.level == "error")
    return Outcome(1, None, "".join(f"error: {line}\n" for line in lines))


def _too_much(candidate: Candidate, expected: Expected) -> list[Finding]:
    """Find a zip that would fill the disk: more than its images need without any compression."""
    sizes = [expected.size] * (expected.frames or 1) if expected.size else expected.sizes.values()
    allowed = SPARE + sum(4 * width * height for width, height in filter(None, sizes))
    total, count = sum(entry.size for entry in candidate.entries), len(candidate.entries)
    if total <= allowed and count <= 2 * (expected.frames or 0) + 1000:
        return []
    wanted = f"at most {allowed / 1e6:.0f} MB in some {expected.frames} files"
    found = f"{total / 1e6:.0f} MB in {count} files"
    fix = "zip the PNGs and readme.txt only"
    return [Finding("bomb-size", candidate.path.name, wanted, found, fix)]


def unpack(zipped: Path, folder: Path) -> None:
    """Unpack as the platforms do, for a zip whose names and sizes were checked.

    Raises:
        SubmissionError: an entry cannot be unpacked, or is larger than the zip's list says.
    """
    with zipfile.ZipFile(zipped) as archive:
        for info in archive.infolist():
            try:
                _extract(archive, info, folder)
            except UNREADABLE as error:
                raise SubmissionError(
                    f"{zipped}: the platform could not unpack {info.filename!r}: {error}"
                ) from error


def _extract(archive: zipfile.ZipFile, info: zipfile.ZipInfo, folder: Path) -> None:
    path = folder.joinpath(info.filename)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError("it lies outside the folder")
    if info.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(info) as source, open(path, "wb") as target:
        left = info.file_size
        while block := source.read(BLOCK):
            left -= len(block)
            if left < 0:
                raise ValueError("more bytes than the zip says")
            target.write(block)


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
