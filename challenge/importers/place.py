"""Where an imported split is put: whole or not at all, and never over somebody else's files."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from challenge.environment.locks import locked
from challenge.errors import DataError, disk_errors
from challenge.files import replace_folder

MANIFEST = "recording.json"
"""In the folder of a split: where its frames come from, and when each was exposed."""
MADE_BY = "bash run.sh import"


@contextlib.contextmanager
def new_split(root: Path, split: str, force: bool = False) -> Iterator[Path]:
    """Give an empty folder that becomes `root`/`split` at the end; one process at a time.

    Args:
        root: of the data set.
        split: its folder in there.
        force: replace what was imported there before.

    Raises:
        ChallengeError: another process is at it.
        DataError: something is there already, and it was not imported, or `force` is not given.
        DiskError: the disk is full, read-only or the like.
    """
    folder = root / split
    with disk_errors(), locked(folder):
        if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            if not was_imported(folder):
                raise DataError(
                    f"{folder}: holds files that `{MADE_BY}` did not make: it is left as it is; "
                    "name another folder with --out"
                )
            if not force:
                raise DataError(
                    f"{folder}: was imported before; --force replaces it, --out names another place"
                )
        with replace_folder(folder) as new:
            yield new


def was_imported(folder: Path) -> bool:
    """Say whether the importer made a folder."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return bool(manifest["made_by"] == MADE_BY)
    except (OSError, ValueError, KeyError, TypeError):
        return False
