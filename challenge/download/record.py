"""What is remembered of a file that was fetched: beside it, as FILE.json."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from challenge.errors import DataError
from challenge.files import write_json


@dataclass(frozen=True)
class Record:
    """A file that was fetched and found sound."""

    url: str
    size: int
    sha256: str
    date: str  # ISO 8601, UTC


def record_path(file: Path) -> Path:
    """Name the place of a file's record."""
    return file.with_name(file.name + ".json")


def load_record(file: Path) -> Record | None:
    """Read what was remembered of a file; None if nothing was.

    Raises:
        DataError: the record cannot be read.
    """
    path = record_path(file)
    if not path.is_file():
        return None
    try:
        return Record(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{path}: not the record of a download ({error}); remove it") from error


def compare(file: Path, found: Record) -> None:
    """See that a file is the same as the one that was fetched before.

    Raises:
        DataError: it is another one; says when that was, and what to do.
    """
    before = load_record(file)
    if before is None or before.sha256 == found.sha256:
        return
    raise DataError(
        f"{file}: not the file that {before.url} sent on {before.date[:10]}",
        [
            f"expected SHA-256 {before.sha256} ({before.size} bytes), found {found.sha256} "
            f"({found.size} bytes)",
            "either its authors have changed it, or somebody else has: ask them, or look at their "
            f"page; to take this one, remove {record_path(file)} and try again",
        ],
    )


def save(file: Path, found: Record) -> None:
    """Remember a file; what is remembered of the same one already stays."""
    if load_record(file) is None:
        write_json(record_path(file), asdict(found))
