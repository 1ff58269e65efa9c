"""A file that is partly here: PART, and what is known of it beside it, as PART.json."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from challenge.files import write_json


@dataclass(frozen=True)
class State:
    """What is known of a file of which a part is here."""

    url: str
    validator: str | None = None  # a strong ETag, else Last-Modified
    total: int | None = None  # bytes


def part_of(file: Path) -> Path:
    """Name the place of a part of a file."""
    return file.with_name(file.name + ".part")


def save_state(part: Path, state: State) -> None:
    """Write down what is known of a part."""
    write_json(_path(part), asdict(state))


def load_state(part: Path, url: str) -> State | None:
    """Read what is known of a part; None if it is not of this address, or nothing is known."""
    try:
        state = State(**json.loads(_path(part).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return state if state.url == url and part.is_file() else None


def forget(part: Path) -> None:
    """Remove a part and what is known of it."""
    for path in (part, _path(part)):
        path.unlink(missing_ok=True)


def _path(part: Path) -> Path:
    return part.with_name(part.name + ".json")
