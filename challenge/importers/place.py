"""Where what is imported is put: whole or not at all, and never over somebody else's files."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from challenge.environment.locks import locked
from challenge.errors import DataError, disk_errors
from challenge.files import replace_folder


@contextlib.contextmanager
def new_folder(folder: Path, manifest: str, made_by: str, force: bool = False) -> Iterator[Path]:
    """Give an empty folder that becomes `folder` at the end; one process at a time.

    Args:
        folder: to be made.
        manifest: the JSON file in it that says who made it: {"made_by": …}.
        made_by: who makes it now.
        force: replace what was made there before, by the same.

    Raises:
        ChallengeError: another process is at it.
        DataError: something is there already, and it was not made so, or `force` is not given.
        DiskError: the disk is full, read-only or the like.
    """
    with disk_errors(), locked(folder):
        refuse_taken(folder, manifest, made_by, force)
        with replace_folder(folder) as new:
            yield new


def refuse_taken(folder: Path, manifest: str, made_by: str, force: bool) -> None:
    """Refuse a place where something is already; see `new_folder`."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if maker(folder / manifest) != made_by:
        raise DataError(
            f"{folder}: holds files that `{made_by}` did not make: it is left as it is; "
            "name another folder with --out"
        )
    if not force:
        raise DataError(
            f"{folder}: is there already; --force replaces it, --out names another place"
        )


def maker(manifest: Path) -> object:
    """Read who made the folder of a manifest; None where nothing says so."""
    try:
        return json.loads(manifest.read_text(encoding="utf-8"))["made_by"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
