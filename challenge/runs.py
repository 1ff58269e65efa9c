"""`run.json`: how a folder of predictions came to be.

What a record does not say about where its run belongs is understood from the run's place,
`<challenge>/<split>/<run>/`, and from the records of the runs beside it; so is all of it where a
folder of PNGs has no record.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from challenge import REPOSITORY, SPLITS
from challenge.errors import SubmissionError
from challenge.files import list_pngs, write_json
from challenge.findings import Finding

RUN_FILE = "run.json"
PLACE = ("created", "split", "data_root")
"""Values without which a run cannot be put in its place."""
DATA = ("data_root", "data_format", "voxel_root", "bins")
"""Values that say together which data a run was made from."""
WORDS = {
    "str": "text",
    "bool": "true or false",
    "int": "a whole number",
    "float": "a finite number",
    "dict[str, Any]": "an object",
}
SUBMISSIONS = REPOSITORY / "submissions"
"""Predictions land in `submissions/<challenge>/<split>/<run>/`: the runs of one folder can be
compared.
"""


@dataclass(frozen=True)
class RunRecord:
    """What is known of one run: written beside the PNGs by `predict`, by hand for other frameworks.

    Only `name` is required of a run made elsewhere; what is None is reported as unknown.
    """

    name: str  # of the run, "efnet_mini"
    baseline: str | None = None  # "efnet", "edi", "blurry"
    challenge: str | None = None  # name of the rules, "mini"
    rules: str | None = None  # path of the rules' YAML file
    data_root: str | None = None  # folder with {train,val,test}/
    data_format: str | None = None  # "highrev_raw"; how data_root is to be read
    voxel_root: str | None = None  # where highrev_voxel keeps its grids
    bins: int | None = None  # time bins of the voxel grid
    split: str | None = None  # "val"
    inputs_sha256: str | None = None  # of the blurry frames it was made from: names and contents
    frames: int | None = None  # number of images
    runtime_per_image_s: float | None = None  # restoring alone, without reading and writing
    device: str | None = None  # "cpu", or the GPU's name
    parameters: int | None = None  # learnt ones; 0 where nothing is learnt
    checkpoint: str | None = None  # path
    checkpoint_sha256: str | None = None
    parts: dict[str, Any] = field(default_factory=dict)  # of a mean: path -> SHA-256
    inference: dict[str, Any] = field(default_factory=dict)  # settings of restoring
    commit: str | None = None  # of the kit, with "+changes" where the tree was dirty
    created: str | None = None  # ISO 8601, UTC
    reference: bool = (
        False  # a row to compare with (`blurry`, `edi`), made by the kit, never submitted
    )
    extra_data: bool = False  # trained on more than the challenge's own data
    llm: bool = False  # uses a large language model
    description: str = ""  # free text for the organisers
    config: dict[str, Any] = field(default_factory=dict)


def save_record(folder: Path, record: RunRecord) -> None:
    """Write `run.json` into a folder of predictions."""
    write_json(folder / RUN_FILE, asdict(record))


def load_record(folder: Path) -> RunRecord:
    """Read `run.json` from a folder of predictions; see `check_record`.

    Raises:
        SubmissionError: there is neither a record nor a PNG, it is not a JSON object with a `name`,
            or what says where the run belongs is not text.
    """
    record, findings = check_record(folder)
    if misplaced := [each for each in findings if each.found.partition(":")[0] in PLACE]:
        path = folder / RUN_FILE
        raise SubmissionError(
            f"{path}: values of the wrong type", [str(each) for each in misplaced]
        )
    return record


def check_record(folder: Path) -> tuple[RunRecord, list[Finding]]:
    """Read `run.json`; a value of the wrong type counts as not given, and is a finding.

    Keys this version does not know are left out; what is not given is completed (see `complete`).

    Raises:
        SubmissionError: there is neither a record nor a PNG, or it is not a JSON object with a
            `name`.
    """
    if (folder / RUN_FILE).exists():
        record, findings = _read(folder / RUN_FILE)
        return complete(record, folder), findings
    if list_pngs(folder):
        return complete(RunRecord(folder.resolve().name), folder), []
    raise SubmissionError(f"{folder}: expected predictions, found neither a PNG nor a {RUN_FILE}")


def _read(path: Path) -> tuple[RunRecord, list[Finding]]:
    """Read what a `run.json` says itself."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SubmissionError(f"{path}: not readable as JSON: {error}") from error
    if not isinstance(values, dict) or not isinstance(values.get("name"), str):
        raise SubmissionError(f'{path}: expected a JSON object with a text "name"')
    kinds = {each.name: str(each.type).removesuffix(" | None") for each in fields(RunRecord)}
    given = {key: value for key, value in values.items() if key in kinds and value is not None}
    findings = [
        Finding("record", RUN_FILE, WORDS[kind], f"{key}: {value!r}", f'correct "{key}" in it')
        for key, value in given.items()
        if not _is_a(kind := kinds[key], value)
    ]
    usable = {key: value for key, value in given.items() if _is_a(kinds[key], value)}
    return RunRecord(**usable), findings


def _is_a(kind: str, value: object) -> bool:
    """Say whether JSON holds a value of the kind that a field of `RunRecord` is annotated with."""
    if kind in ("int", "float"):
        whole = isinstance(value, int) and not isinstance(value, bool)
        return whole or (kind == "float" and isinstance(value, float) and math.isfinite(value))
    return isinstance(value, {"str": str, "bool": bool}.get(kind, dict))


def complete(record: RunRecord, folder: Path) -> RunRecord:
    """Fill in what a record does not say about where its run belongs.

    Challenge and split are those of its place; rules and data those of its neighbours: the runs of
    the same split, then those of the other splits, of each the newest that says so.
    """
    place = place_of(folder)
    if place is None:
        return record
    challenge, split = record.challenge or place[0], record.split or place[1]
    record = dataclasses.replace(record, challenge=challenge, split=split)
    for neighbour in _neighbours(folder) if not (record.rules and record.data_root) else ():
        if record.rules is None:
            record = dataclasses.replace(record, rules=neighbour.rules)
        if record.data_root is None:
            data = {name: getattr(neighbour, name) for name in DATA}
            record = dataclasses.replace(record, **data)
    return record


def place_of(folder: Path) -> tuple[str, str] | None:
    """Return (challenge, split) of a run or zip at `<challenge>/<split>/<run>`; None elsewhere."""
    parents = folder.resolve().parents
    if len(parents) < 2 or parents[0].name not in SPLITS:
        return None
    return parents[1].name, parents[0].name


def explain_place(folder: Path, record: RunRecord) -> str:
    """Say in one sentence how a run without `run.json` was understood; "" for one that has it."""
    if (folder / RUN_FILE).exists():
        return ""
    if place_of(folder) is None:
        return f"no {RUN_FILE}, and not at submissions/<challenge>/<split>/<run>/"
    rules, data = record.rules or "not known", record.data_root or "not known"
    return (
        f"no {RUN_FILE}; by its place it is of {record.challenge}/{record.split}, by its "
        f"neighbours the rules are {rules}, the data {data}"
    )


def of_same_data(one: RunRecord, other: RunRecord) -> bool:
    """Say whether two runs of a split were made from the same input frames.

    By their contents where both records tell, else by the folders that they name; what names none
    has nothing against it.
    """
    if one.inputs_sha256 and other.inputs_sha256:
        return one.inputs_sha256 == other.inputs_sha256
    return None in (one.data_root, other.data_root) or one.data_root == other.data_root


def find_place(submissions: Path, name: str, ask: Callable[[str], RunRecord | None]) -> str:
    """Name the folder of a challenge where runs of some data belong, so that none are mixed.

    Args:
        submissions: the folder with `<challenge>/<split>/<run>/`.
        name: of the challenge.
        ask: the record of a run of these data in a split; None where they have no such split.

    Returns:
        `name`, or the first of `name-2`, `name-3`, … without a run of other data. Reference rows
        hold no place: they are made again.
    """
    for number in itertools.count(1):
        place = name if number == 1 else f"{name}-{number}"
        there = [record for _, record in _readable(run_folders(submissions / place, "*/*"))]
        held = [(record, ask(record.split or "")) for record in there if not record.reference]
        if all(mine is None or of_same_data(record, mine) for record, mine in held):
            return place
    raise AssertionError("there are numbers enough")


def run_folders(submissions: Path, pattern: str = "*/*/*") -> list[Path]:
    """List the folders of predictions, by path: those with a `run.json`, or with PNGs at
    `<challenge>/<split>/<run>/`; hidden ones are predictions under way.
    """
    return [
        folder
        for folder in sorted(submissions.glob(pattern))
        if folder.is_dir() and not folder.name.startswith(".")
        if (folder / RUN_FILE).exists() or (place_of(folder) and list_pngs(folder))
    ]


def found_instead(folder: Path, submissions: Path = SUBMISSIONS) -> str:
    """Say, for a message, what is where a folder of predictions was expected: a file, or nothing
    and where there are runs of that name.
    """
    if folder.exists():
        return "a file"
    named = [str(run) for run in run_folders(submissions) if run.name == folder.name]
    return f"nothing; of that name there is {', '.join(named)}" if named else "nothing"


def find_runs(submissions: Path, references: bool = True) -> list[Path]:
    """Find the folders of predictions below `submissions`, oldest first (by `created`, else by
    when their files were written; then by path).

    Without `references`, the reference rows `blurry` and `edi` are left out.

    A folder whose `run.json` cannot be read is left out, with a warning on stderr.
    """
    found = [
        (record.created or _written(folder), folder)
        for folder, record in _readable(run_folders(submissions))
        if references or not record.reference
    ]
    return [folder for _, folder in sorted(found)]


def _readable(folders: list[Path]) -> Iterator[tuple[Path, RunRecord]]:
    """Yield each run with its record; one that cannot be read is left out, with a warning."""
    for folder in folders:
        try:
            yield folder, load_record(folder)
        except SubmissionError as error:
            print(f"warning: {error}", file=sys.stderr)


def _neighbours(folder: Path) -> Iterator[RunRecord]:
    """Yield what the records around a run say: of its own split first, the newest first."""
    splits = folder.resolve().parents[1]
    records = []
    for path in splits.glob(f"*/*/{RUN_FILE}"):
        if path.parent == folder.resolve() or path.parent.name.startswith("."):
            continue
        try:
            near = path.parents[1] == folder.resolve().parent
            records.append((near, _read(path)[0]))
        except SubmissionError:
            continue  # whoever looks at that run is told
    records.sort(key=lambda each: (each[0], each[1].created or ""), reverse=True)
    return (record for _, record in records)


def _written(folder: Path) -> str:
    """Say when the newest of a run's files was written, in the form of `created`."""
    files = [*list_pngs(folder), *folder.glob(RUN_FILE)]
    newest = max(path.stat().st_mtime for path in files)
    return datetime.fromtimestamp(newest, timezone.utc).isoformat(timespec="seconds")
