"""`ledger.csv`: what was packed to be sent, and what the server said to it."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from challenge.errors import ConfigError, SubmissionError
from challenge.files import sha256, write_text

FILE_NAME = "ledger.csv"
NUMBERS = ("local_psnr", "local_ssim", "server_psnr", "server_ssim", "drift")
AGREES = 0.01  # dB; servers show two to four digits
Y_MARGIN = (1.3, 4.8)  # dB by which PSNR on Y reads higher than on RGB


@dataclass(frozen=True)
class Row:
    """One zip. Scores are None until they are known; `drift` is server minus local PSNR in dB."""

    run: str
    challenge: str
    split: str
    zip: str
    sha256: str
    phase: str
    date: str  # ISO 8601, UTC: when the zip was written
    local_psnr: float | None = None  # under `profile`
    local_ssim: float | None = None
    profile: str = ""
    server_psnr: float | None = None
    server_ssim: float | None = None
    drift: float | None = None


COLUMNS = tuple(field.name for field in dataclasses.fields(Row))


def ledger_path(folder: Path, submissions: Path) -> Path:
    """Find the ledger of the `submissions` folder that a run lies in, else of the given one."""
    parents = folder.resolve().parents
    own = len(parents) > 2 and parents[2].name == submissions.name
    return (parents[2] if own else submissions) / FILE_NAME


def read_ledger(path: Path) -> list[Row]:
    """Read the rows, oldest first; none if there is no such file.

    Raises:
        SubmissionError: the file is not such a table.
    """
    if not path.is_file():
        return []
    try:
        table = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline=""))
        missing = [name for name in COLUMNS if name not in (table.fieldnames or ())]
        if missing:
            raise ValueError(f"no column {', '.join(missing)}")
        return [_row(values) for values in table]
    except (OSError, ValueError, csv.Error) as error:
        raise SubmissionError(
            f"{path}: expected the ledger ({', '.join(COLUMNS)}), found: {error}; "
            "mend it in an editor, or move it away"
        ) from error


def add_row(path: Path, row: Row) -> None:
    """Write a row down: one for each content of a zip, so the same zip made again changes only
    where it lies and what is known of its local scores.
    """
    rows = read_ledger(path)
    kept = [each for each in rows if each.sha256 == row.sha256]
    if kept:
        local = row if row.local_psnr is not None else kept[0]
        changed = dataclasses.replace(
            kept[0],
            zip=row.zip,
            local_psnr=local.local_psnr,
            local_ssim=local.local_ssim,
            profile=local.profile,
        )
        rows = [_with_drift(changed) if each is kept[0] else each for each in rows]
    else:
        rows.append(row)
    _write(path, rows)


def record_server(path: Path, wanted: str, psnr: float | None, ssim: float | None) -> Row:
    """Write down what the server said to a zip, and return its row.

    Args:
        path: the ledger.
        wanted: the zip, the start of its SHA-256 (6 letters at least), or a run, by name or folder.
            Of a run packed several times the newest zip is meant.
        psnr, ssim: the server's figures; None keeps what is written there.

    Raises:
        SubmissionError: no such row, or the run has zips of several splits or challenges.
        ConfigError: a figure that is no score.
    """
    if psnr is not None and not (math.isfinite(psnr) and 0 <= psnr <= 200):
        raise ConfigError(f"--psnr {psnr}: expected decibels, such as 34.56")
    if ssim is not None and not (math.isfinite(ssim) and -1 <= ssim <= 1):
        raise ConfigError(f"--ssim {ssim}: expected a number up to 1, such as 0.9312")
    rows = read_ledger(path)
    row = find_row(rows, wanted, path)
    changed = dataclasses.replace(
        row,
        server_psnr=row.server_psnr if psnr is None else psnr,
        server_ssim=row.server_ssim if ssim is None else ssim,
    )
    changed = _with_drift(changed)
    _write(path, [changed if each is row else each for each in rows])
    return changed


def find_row(rows: Sequence[Row], wanted: str, source: Path) -> Row:
    """Find the newest row of a zip or run.

    Raises:
        SubmissionError: there is none, or the run has zips of several splits or challenges.
    """
    place = Path(wanted)
    if place.is_file():
        digest = sha256(place)
        found = [row for row in rows if row.sha256 == digest]
    elif place.is_dir():
        zipped = str(place.resolve().with_name(f"{place.resolve().name}.zip"))
        found = [row for row in rows if row.zip == zipped]
    else:
        starts = len(wanted) >= 6
        found = [
            row
            for row in rows
            if wanted in (row.run, row.zip, Path(row.zip).name)
            or (starts and row.sha256.startswith(wanted.lower()))
        ]
    if not found:
        known = ", ".join(sorted({row.run for row in rows})) or "no run yet"
        raise SubmissionError(
            f"{source}: expected a row of {wanted}, found {known}; `bash run.sh ledger` lists them"
        )
    if len({(row.challenge, row.split) for row in found}) > 1:
        several = ", ".join(row.zip for row in found)
        raise SubmissionError(f"{wanted} was packed for several splits; name the zip: {several}")
    return found[-1]


def explain(row: Row) -> str:
    """Explain in one sentence: how the server's figure stands to the local one, and what that
    means.
    """
    if row.server_psnr is None:
        return "the server's PSNR is not known yet"
    if row.drift is None:
        return (
            "no local score to compare with: the sharp images are withheld, or the run was not "
            "scored before it was packed (bash run.sh score)"
        )
    if abs(row.drift) <= AGREES:
        return f"the server agrees with the local score ({row.drift:+.4f} dB)"
    start = f"the server reads {abs(row.drift):.4f} dB {'higher' if row.drift > 0 else 'lower'}"
    if Y_MARGIN[0] <= row.drift <= Y_MARGIN[1] and row.profile != "ntire_y":
        return f"{start}: it may score Y alone; compare with the profile ntire_y"
    if row.drift < -Y_MARGIN[0]:
        return (
            f"{start}: it may pair the images differently or score them under another definition, "
            "or the zip is not the one that was scored; run bash run.sh check on the zip"
        )
    return (
        f"{start}: another definition of the score, or other frames; compare the profiles' figures "
        "in scores.json, and the numbers of frames"
    )


def _with_drift(row: Row) -> Row:
    if row.server_psnr is None or row.local_psnr is None:
        return dataclasses.replace(row, drift=None)
    return dataclasses.replace(row, drift=round(row.server_psnr - row.local_psnr, 6))


def _row(values: dict[str, str]) -> Row:
    read: dict[str, Any] = {name: values[name] or "" for name in COLUMNS}
    read |= {name: float(values[name]) if values[name] else None for name in NUMBERS}
    return Row(**read)


def _write(path: Path, rows: Sequence[Row]) -> None:
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    for row in rows:
        values = dataclasses.asdict(row)
        table.writerow({name: "" if value is None else value for name, value in values.items()})
    write_text(path, text.getvalue())
