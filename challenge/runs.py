"""`run.json`: how a folder of predictions came to be."""

from __future__ import annotations

import dataclasses
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from challenge import REPOSITORY
from challenge.errors import SubmissionError
from challenge.files import write_json

FILE_NAME = "run.json"
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
    description: str = ""  # free text for the organisers
    config: dict[str, Any] = field(default_factory=dict)


def save_record(folder: Path, record: RunRecord) -> None:
    """Write `run.json` into a folder of predictions."""
    write_json(folder / FILE_NAME, dataclasses.asdict(record))


def load_record(folder: Path) -> RunRecord:
    """Read `run.json` from a folder of predictions; keys this version does not know are left out.

    Raises:
        SubmissionError: there is none, or it is not a JSON object with a `name`.
    """
    path = folder / FILE_NAME
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
    known = {entry.name for entry in dataclasses.fields(RunRecord)}
    wrong = [
        key
        for key in ("created", "split", "data_root")
        if not isinstance(values.get(key, ""), str | None)
    ]
    if wrong:
        raise SubmissionError(f"{path}: expected text for {', '.join(wrong)}")
    return RunRecord(**{key: value for key, value in values.items() if key in known})


def find_runs(submissions: Path, references: bool = True) -> list[Path]:
    """The folders of predictions below `submissions`, oldest first (by `created`, then by path).

    Without `references`, the reference rows `blurry` and `edi` are left out.

    A folder whose `run.json` cannot be read is left out, with a warning on stderr.
    """
    found: list[tuple[str, Path]] = []
    for path in submissions.glob(f"*/*/*/{FILE_NAME}"):
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
