"""`ledger.csv`: what was packed to be sent, and what the server said to it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from challenge.environment.locks import locked
from challenge.errors import ConfigError, SubmissionError
from challenge.files import sha256
from challenge.submission.drift import Figures, explain_drift, matching, read_figures
from challenge.submission.sheet import Sheet

FILE_NAME = "ledger.csv"
NUMBERS = ("local_psnr", "local_ssim", "server_psnr", "server_ssim", "drift")
NEEDED = ("run", "zip", "sha256")
"""Without these columns a file is no ledger."""


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
    local_scores: str = ""  # of every profile: PROFILE=PSNR/SSIM …
    notes: str = ""  # of people

    @property
    def local(self) -> Figures:
        """The local figures of every profile that is known, the one that ranks first."""
        if self.local_psnr is None:
            return {}
        return {self.profile: (self.local_psnr, self.local_ssim)} | {
            profile: figures
            for profile, figures in read_figures(self.local_scores).items()
            if profile != self.profile
        }

    @property
    def matches(self) -> list[str]:
        """The profiles whose local figures are the server's."""
        if self.server_psnr is None:
            return []
        return matching(self.local, self.server_psnr, self.server_ssim)


COLUMNS = tuple(field.name for field in dataclasses.fields(Row))


def ledger_path(folder: Path, submissions: Path) -> Path:
    """Find the ledger of the `submissions` folder that a run lies in, else of the given one."""
    parents = folder.resolve().parents
    own = len(parents) > 2 and parents[2].name == submissions.name
    return (parents[2] if own else submissions) / FILE_NAME


def read_ledger(path: Path) -> list[Row]:
    """Read the rows, oldest first; none if there is no such file.

    People edit it too: columns and lines that are not ours are passed over, and numbers that cannot
    be read count as not known.

    Raises:
        SubmissionError: the file is not such a table.
    """
    return [row for _, row in _rows(_open(path))]


def add_row(path: Path, row: Row) -> None:
    """Write a row down: one for each content of a zip, so the same zip made again changes only
    where it lies and what is known of its local scores.

    Any number of processes may do so at the same time.
    """
    with locked(path):
        sheet = _open(path)
        kept = next(((i, old) for i, old in _rows(sheet) if old.sha256 == row.sha256), None)
        if kept is None:
            sheet.add({name: _text(sheet, value) for name, value in vars(row).items()})
        else:
            line, old = kept
            local = row if row.local_psnr is not None else old
            changed = dataclasses.replace(
                old,
                zip=row.zip,
                local_psnr=local.local_psnr,
                local_ssim=local.local_ssim,
                profile=local.profile,
                local_scores=local.local_scores,
            )
            _put(sheet, line, old, _with_drift(changed))
        sheet.write(path)


def record_server(
    path: Path, wanted: str, psnr: float | None, ssim: float | None, notes: str = ""
) -> Row:
    """Write down what the server said to a zip, and return its row.

    Args:
        path: the ledger.
        wanted: the zip, the start of its SHA-256 (6 letters at least), or a run, by name or folder.
            Of a run packed several times the newest zip is meant.
        psnr, ssim: the server's figures; None keeps what is written there.
        notes: is added to those that are there.

    Raises:
        SubmissionError: no such row, or the run has zips of several splits or challenges.
        ConfigError: a figure that is no score.
    """
    if psnr is not None and not (math.isfinite(psnr) and 0 <= psnr <= 200):
        raise ConfigError(f"--psnr {psnr}: expected decibels, such as 34.56")
    if ssim is not None and not (math.isfinite(ssim) and -1 <= ssim <= 1):
        raise ConfigError(f"--ssim {ssim}: expected a number up to 1, such as 0.9312")
    with locked(path):
        sheet = _open(path)
        rows = _rows(sheet)
        row = find_row([row for _, row in rows], wanted, path)
        line = next(line for line, each in rows if each is row)
        changed = dataclasses.replace(
            row,
            server_psnr=row.server_psnr if psnr is None else psnr,
            server_ssim=row.server_ssim if ssim is None else ssim,
            notes=_joined(row.notes, notes),
        )
        changed = _put(sheet, line, row, _with_drift(changed))
        sheet.write(path)
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
    return explain_drift(row.local, row.server_psnr, row.server_ssim)


def _with_drift(row: Row) -> Row:
    if row.server_psnr is None or row.local_psnr is None:
        return dataclasses.replace(row, drift=None)
    return dataclasses.replace(row, drift=round(row.server_psnr - row.local_psnr, 6))


def _open(path: Path) -> Sheet:
    try:
        content = path.read_bytes() if path.is_file() else b""
        return Sheet(content, COLUMNS, NEEDED)
    except (OSError, ValueError) as error:
        raise SubmissionError(
            f"{path}: expected the ledger ({', '.join(COLUMNS)}), found: {error}; "
            "mend it in an editor, or move it away"
        ) from error


def _rows(sheet: Sheet) -> list[tuple[int, Row]]:
    """List each line that holds a zip, with its number; other lines are people's own."""
    found = []
    for line in sheet.lines():
        if sheet.get(line, "zip") or sheet.get(line, "sha256"):
            read: dict[str, Any] = {name: sheet.get(line, name) for name in COLUMNS}
            read |= {name: _number(read[name]) for name in NUMBERS}
            found.append((line, Row(**read)))
    return found


def _put(sheet: Sheet, line: int, old: Row, new: Row) -> Row:
    """Write what differs; words that stood in place of a number go to the notes."""
    for name in NUMBERS:
        words = sheet.get(line, name)
        if getattr(new, name) != getattr(old, name) and words and _number(words) is None:
            new = dataclasses.replace(new, notes=_joined(new.notes, f"{name}: {words}"))
    for name in COLUMNS:
        if getattr(new, name) != getattr(old, name):
            sheet.set(line, name, _text(sheet, getattr(new, name)))
    return new


def _joined(*notes: str) -> str:
    """Join notes; one that is there already is not said twice."""
    first, second = (note.strip() for note in notes)
    return first if second in first else f"{first}; {second}" if first else second


def _number(text: str) -> float | None:
    """Read a number, with a decimal comma too; None where it is none."""
    try:
        number = float(text.replace(",", ".") if "." not in text else text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _text(sheet: Sheet, value: str | float | None) -> str:
    """Write a value as the numbers of this table are: with a decimal comma where one is used."""
    if value is None or isinstance(value, str):
        return value or ""
    cells = (sheet.get(line, name) for line in sheet.lines() for name in NUMBERS)
    comma = any("," in cell and _number(cell) is not None for cell in cells)
    return str(value).replace(".", ",") if comma else str(value)
