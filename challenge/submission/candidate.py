"""What is looked at before it is sent: a folder of predictions or a zip, opened once.

Reads YAML rules and decodes with OpenCV: the server's checks do without both.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from challenge.datasets import provide_frames
from challenge.datasets.layout import blurry_folder, rules_named
from challenge.errors import ConfigError, SubmissionError
from challenge.files import list_pngs
from challenge.findings import Finding
from challenge.rules import OWN, RULES_FOLDER, Rules, load_rules
from challenge.runs import RUN_FILE, RunRecord, check_record, complete, explain_place
from challenge.submission.check import README_LIMIT, Look, Progress, check_opened
from challenge.submission.decoders import second_opinion
from challenge.submission.entries import Entry, open_entries
from challenge.submission.expected import Expected
from challenge.submission.layout import MAKE_AGAIN, base_name, part_entries
from challenge.submission.origin import find_root, guess_split, other_data
from challenge.submission.png import inspect_png
from challenge.submission.readme import Readme, is_cpu, one_line, write_readme

NAMES_OF_ANOTHER = ("missing", "extra")
"""Kinds of findings that say no more than the one that these are predictions of another split."""


@dataclass(frozen=True)
class Options:
    """What the command line says; None: as the run's record says, or as its names let one guess."""

    data: Path | None = None  # folder with {train,val,test}/
    split: str | None = None
    rules: Path | None = None  # YAML file of the rules, or the name of one


@dataclass(frozen=True)
class Candidate:
    """A folder or zip, and all that is known about it.

    Attributes:
        entries: everything in it; they can be opened while the candidate is open.
        record: of the run; an empty one if there is none.
        data_root, split: what it is compared with; None where nothing says so.
        expected: names, sizes and count that are asked for.
        findings: about the record, about the data to compare with, about a zip that cannot be read.
        unreadable: why there are no entries.
        notes: what was guessed, for people.
    """

    path: Path
    entries: Sequence[Entry]
    record: RunRecord
    rules: Rules
    data_root: Path | None
    split: str | None
    expected: Expected
    findings: tuple[Finding, ...] = ()
    unreadable: Finding | None = None
    notes: tuple[str, ...] = ()

    @property
    def zipped(self) -> bool:
        """Whether it is a zip, and not a folder."""
        return not self.path.is_dir()

    @property
    def images(self) -> list[Entry]:
        """The PNGs, those in wrapping folders too."""
        return part_entries(self.entries, self.zipped)[0]


@contextlib.contextmanager
def open_candidate(path: Path, options: Options) -> Iterator[Candidate]:
    """Open a folder or zip, and find what it is to be compared with.

    Options count first, then the run's record, then its place and its neighbours (see
    `challenge.runs.complete`), then guesses from the names of the PNGs.

    Raises:
        ConfigError: `options.data` is no folder, it has no such split, or the rules cannot be read.
    """
    record, doubts = record_of(path)
    about_place = explain_place(path, record) if path.is_dir() and not doubts else ""
    with contextlib.ExitStack() as stack:
        entries: Sequence[Entry] = ()
        unreadable = None
        try:
            entries = stack.enter_context(open_entries(path))
        except SubmissionError as error:
            what = "a folder of PNGs, or a zip"
            unreadable = Finding("zip", path.name, what, error.summary, MAKE_AGAIN)
        rules = rules_of(options.rules, record)
        images = part_entries(entries, not path.is_dir())[0]
        names = frozenset(base_name(entry.name) for entry in images)
        root, split, notes = _find_data(record, names, options, rules)
        notes = (*filter(None, [about_place]), *notes)
        if root:
            provide_frames(root, split)
        expected, about = expected_submission(rules, root, split)
        findings = (*doubts, *about, *other_data(path, record, names, root, split))
        yield Candidate(
            path, entries, record, rules, root, split, expected, findings, unreadable, notes
        )


def check_candidate(
    candidate: Candidate, progress: Progress = iter, look: Look | None = None
) -> list[Finding]:
    """Check layout, names and every PNG by both decoders, `readme.txt` and the size of a zip.

    Args:
        candidate: an open one.
        progress: goes through the PNGs, and may show how far it is.
        look: is given each PNG in which nothing was found.
    """
    if candidate.unreadable:
        return [candidate.unreadable]
    doubts = []

    def decode_again(entry: Entry, content: bytes, pixels: np.ndarray) -> None:
        found = second_opinion(entry.name, content, pixels)
        doubts.extend(found)
        if look and not found:
            look(entry, content, pixels)

    path, entries, expected = candidate.path, candidate.entries, candidate.expected
    findings = [*check_opened(path, entries, expected, progress, decode_again), *doubts]
    other_split = any(finding.kind == "split" for finding in candidate.findings)
    return [each for each in findings if not (other_split and each.kind in NAMES_OF_ANOTHER)]


def expected_submission(
    rules: Rules, data_root: Path | None, split: str | None
) -> tuple[Expected, list[Finding]]:
    """Put together what is expected, and what is doubtful about that.

    Names and sizes are those of the input frames; without them only the rules' count is
    known. A data folder with another number of frames than the rules ask for is an error: the
    server would miss images.
    """
    frames = rules.frames.get(split) if split else None
    size = (rules.width, rules.height) if rules.width and rules.height else None
    inputs = blurry_folder(data_root, split) if data_root and split else None
    if inputs is None or not inputs.is_dir():
        where = str(inputs) if inputs else "not known: no data folder, or no split"
        doubt = Finding(
            "names",
            f"{where}",
            "the input frames, to compare the names with",
            "no folder",
            "the names were not compared: give --data ROOT --split SPLIT",
            "warning",
        )
        known = Expected(rules.readme, None, frames, size, zip_limit_mb=rules.zip_limit_mb)
        return known, [doubt]
    paths = list_pngs(inputs)
    sizes = {} if size else {path.name: found for path in paths if (found := _size(path))}
    known = Expected(
        readme=rules.readme,
        names=frozenset(path.name for path in paths),
        frames=len(paths),
        size=size,
        sizes=sizes,
        source=str(inputs),
        zip_limit_mb=rules.zip_limit_mb,
        inputs=inputs,
    )
    if paths and frames in (None, len(paths)):
        return known, []
    fix = "complete the data, or name the right --data, --split and --rules"
    asked = f"{frames} input frames" if frames is not None else "input frames"
    return known, [Finding("data", str(inputs), asked, f"{len(paths)}", fix)]


def _size(path: Path) -> tuple[int, int] | None:
    with open(path, "rb") as stream:
        png = inspect_png(stream, header_only=True)
    return None if png.fault else (png.width, png.height)


def _find_data(
    record: RunRecord, names: frozenset[str], options: Options, rules: Rules
) -> tuple[Path | None, str | None, tuple[str, ...]]:
    """Find the data folder and the split to compare with; and say what was guessed."""
    root, note = find_root(options.data, record, rules.name)
    notes = [note] * bool(note)
    split = options.split or record.split
    if split is None:
        split = guess_split(names, root, rules)
        notes += [f"no split was named: by names or count it is {split}"] * (split is not None)
    if options.data and options.split:
        provide_frames(options.data, options.split)
        inputs = blurry_folder(options.data, options.split)
        if not inputs.is_dir():
            raise ConfigError(f"--split {options.split}: {inputs} is no folder")
    return root, split, tuple(notes)


def record_of(path: Path) -> tuple[RunRecord, list[Finding]]:
    """Read the record of a folder, or of the folder that lies beside a zip under the same name.

    Without one, what its place says; with one that cannot be read, that and a finding.
    """
    folder = path if path.is_dir() else path.with_suffix("")
    placed = complete(RunRecord(folder.resolve().name), folder)
    if not (folder / RUN_FILE).exists():
        return placed, []
    try:
        return check_record(folder)
    except SubmissionError as error:
        example = '{"name": "my_method", "runtime_per_image_s": 0.31, "device": "cpu"}'
        fix = f"write one such as {example}"
        expected = "the run's record"
        return placed, [Finding("record", RUN_FILE, expected, f"{error}", fix)]


def rules_of(path: Path | None, record: RunRecord) -> Rules:
    """Read the rules of the command line, else the record's, else those that its data name, else
    those named as its challenge.
    """
    if path:
        return load_rules(path)
    if record.rules not in (None, OWN):
        return load_rules(str(record.rules))
    if record.data_root and (named := rules_named(Path(record.data_root))):
        return load_rules(named)
    if record.rules:
        return load_rules(record.rules)
    known = RULES_FOLDER / f"{record.challenge or OWN}.yml"
    return load_rules(known if known.is_file() else OWN)


def limits_of(record: RunRecord) -> str:
    """Say what figures of a run cannot say, as its rules have it; "" where none are at hand."""
    try:
        return rules_of(None, record).limits
    except ConfigError:
        return ""


def readme_of(record: RunRecord, template: str) -> tuple[Readme, list[Finding]]:
    """Say what readme.txt says; what the record lacks, or has too much of, is a finding.

    Raises:
        ConfigError: the template of the rules cannot be filled.
    """
    findings = []
    runtime = record.runtime_per_image_s
    seconds = math.nan if runtime is None else float(runtime)
    if not seconds >= 0:
        found = "none" if runtime is None else repr(runtime)
        fix = "measure it and give make_submission --runtime SECONDS"
        expected = "a runtime per image in seconds"
        findings.append(Finding("record", RUN_FILE, expected, found, fix))
    if not record.device:
        fix = "give make_submission --device cpu, or --device with the GPU's name"
        expected = "the device that the runtime was measured on"
        findings.append(Finding("record", RUN_FILE, expected, "none", fix))
    cpu = int(is_cpu(record.device or ""))
    extra, llm = int(record.extra_data), int(record.llm)
    readme = Readme(seconds, cpu, extra, record.description, llm)
    if (over := len(write_readme(template, readme).encode()) - README_LIMIT) > 0:
        size = len(one_line(record.description).encode())
        fix = "shorten it, by make_submission --description or in run.json"
        expected = f"a description of at most {size - over} bytes"
        findings.append(Finding("record", RUN_FILE, expected, f"{size} bytes", fix))
    return readme, findings
