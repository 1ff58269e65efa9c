"""`run.json`: how a folder of predictions came to be."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from challenge import REPOSITORY
from challenge.errors import SubmissionError
from challenge.files import write_json
from challenge.findings import Finding

RUN_FILE = "run.json"
PLACE = ("created", "split", "data_root")
"""Values without which a run cannot be put in its place."""
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
    frames: int | None = None  # number of images
    runtime_per_image_s: float | None = None  # restoring alone, without reading and writing
    device: str | None = None  # "cpu", or the GPU's name
    parameters: int | None = None  # learnt ones; 0 where nothing is learnt
    checkpoint: str | None = None  # path
    checkpoint_sha256: str | None = None
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
        SubmissionError: there is none, it is not a JSON object with a `name`, or what says where
            the run belongs is not text.
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

    Keys this version does not know are left out.

    Raises:
        SubmissionError: there is none, or it is not a JSON object with a `name`.
    """
    path = folder / RUN_FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SubmissionError(
            f'{path}: not found; predictions made elsewhere need one: {{"name": "my_method"}}'
        ) from error
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


def find_runs(submissions: Path, references: bool = True) -> list[Path]:
    """Find the folders of predictions below `submissions`, oldest first (by `created`, then by
    path).

    Without `references`, the reference rows `blurry` and `edi` are left out.

    A folder whose `run.json` cannot be read is left out, with a warning on stderr.
    """
    found: list[tuple[str, Path]] = []
    for path in submissions.glob(f"*/*/*/{RUN_FILE}"):
        if path.parent.name.startswith("."):  # a prediction under way
            continue
        try:
            record = load_record(path.parent)
        except SubmissionError as error:
            print(f"warning: {error}", file=sys.stderr)
            continue
        if references or not record.reference:
            found.append((record.created or "", path.parent))
    return [folder for _, folder in sorted(found)]
