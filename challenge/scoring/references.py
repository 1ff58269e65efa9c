"""The reference rows `blurry` and `edi` beside a run: found, made where that is cheap, kept."""

from __future__ import annotations

import dataclasses
import sys
from datetime import datetime, timezone
from pathlib import Path

from challenge.datasets.layout import blurry_folder
from challenge.errors import ChallengeError, ConfigError, disk_errors
from challenge.files import list_pngs, replace_folder
from challenge.images import png_size
from challenge.runs import RunRecord, load_record, of_same_data, place_of, run_folders, save_record
from challenge.scoring.results import NotKept, Scores
from challenge.scoring.target import Choice, Target, images_of

REFERENCES = ("blurry", "edi")
CHEAP_PIXELS = 5_000_000
"""Up to so many in all frames of a split, EDI takes seconds: it is predicted without being asked.
"""
PIXELS_PER_SECOND = 500_000
"""That EDI restores on one core, roughly."""


def score_references(target: Target, choice: Choice) -> Scores | None:
    """Score the reference rows beside a run where they are missing or out of date.

    `blurry` is the input itself: scored from where it lies, it costs one more scoring, once. `edi`
    has to be predicted: that is done where it is cheap or asked for, and said where it is not.
    What cannot be made or scored is a warning: the run itself is scored already.

    Returns:
        The scores of `blurry`; None where there are none, or where it is the run itself.
    """
    blurry = None
    for name in REFERENCES:
        folder = target.folder.resolve().parent / name
        if folder == target.folder.resolve():
            continue
        try:
            with disk_errors():
                row = _find_row(name, folder, target) or _make_row(name, folder, target, choice)
                scores = (row.current() or _score(row, choice)) if row else None
        except NotKept as error:
            print(f"warning: reference {name}: {error}", file=sys.stderr)
            scores = error.scores
        except ChallengeError as error:
            print(f"warning: reference {name} not scored: {error}", file=sys.stderr)
            continue
        blurry = scores if name == "blurry" else blurry
    return blurry


def _score(row: Target, choice: Choice) -> Scores | None:
    return None if choice.references is False else row.score(choice)


def _find_row(name: str, folder: Path, target: Target) -> Target | None:
    """Find a row of the same data: the kit's own, or the baseline of that name as the user's run.

    None where there is none: a run of the user's that is something else does not count, nor does a
    row of the kit's that does not say of which frames it is.
    """
    if folder not in run_folders(folder.parent, "*"):
        return None
    record = load_record(folder)
    unsure = record.reference and target.record.inputs_sha256 and not record.inputs_sha256
    it_is = record.baseline == name or record.reference
    if not it_is or unsure or not of_same_data(record, target.record):
        return None
    root = target.record.data_root or record.data_root
    images = images_of(folder, record, Path(root) if root else None, record.split)
    return dataclasses.replace(target, folder=folder, record=record, images=images)


def _make_row(name: str, folder: Path, target: Target, choice: Choice) -> Target | None:
    """Make a row where there is room for it, and leave to do so; None where there is not."""
    root, split = target.record.data_root, target.record.split
    placed = place_of(folder) and folder.parents[2] == choice.submissions.resolve()
    if choice.references is False or not (placed and root and split):
        return None
    inputs = list_pngs(blurry_folder(Path(root), split))
    if not inputs:
        return None
    if folder in run_folders(folder.parent, "*"):
        yours = not load_record(folder).reference
        if yours and choice.references:
            print(f"note: no reference row {name}: {folder} is a run of yours", file=sys.stderr)
        if yours or choice.data:  # with --data, it is of the run's own data still
            return None
    if name == "blurry":
        _write_blurry(folder, target.record, len(inputs))
    elif not _predict(name, folder, target.record, inputs, choice):
        return None
    return _find_row(name, folder, target)


def _write_blurry(folder: Path, run: RunRecord, frames: int) -> None:
    """Write the record of the row `blurry`; its images are the inputs, and stay where they are."""
    data = {field: getattr(run, field) for field in ("rules", "data_root", "split")}
    record = RunRecord(
        name="blurry",
        baseline="blurry",
        challenge=folder.parents[1].name,
        inputs_sha256=run.inputs_sha256,
        frames=frames,
        runtime_per_image_s=0.0,
        device="cpu",
        parameters=0,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        reference=True,
        description="the blurry input, unchanged",
        **data,
    )
    with replace_folder(folder) as unfinished:
        save_record(unfinished, record)


def _predict(name: str, folder: Path, run: RunRecord, inputs: list[Path], choice: Choice) -> bool:
    """Predict a row, if that is cheap or asked for; else say what it would cost."""
    width, height = png_size(inputs[0])
    pixels = len(inputs) * width * height
    if choice.predict is None:
        if choice.references:
            raise ConfigError("--references: `bash run.sh score --references` can predict it")
        print(f"note: no reference row {name}; `bash run.sh score --references` makes it")
        return False
    if choice.references is None and pixels > CHEAP_PIXELS:
        minutes = pixels / PIXELS_PER_SECOND / 60
        print(
            f"note: no reference row {name}: predicting {len(inputs)} frames of {width}x{height} "
            f"would take some {max(1, round(minutes))} min; "
            "bash run.sh score --references makes it once"
        )
        return False
    choice.predict(name, run, folder)
    return True
