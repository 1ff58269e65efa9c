"""Which data predictions were made from: what is said, what the names of the PNGs tell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from challenge import REPOSITORY, SPLITS
from challenge.datasets.layout import blurry_folder, inputs_sha256, sharp_folder
from challenge.errors import ConfigError
from challenge.files import kit_path, list_pngs
from challenge.findings import Finding
from challenge.rules import Rules
from challenge.runs import RunRecord

ENOUGH = 0.5
"""So much of the names must be those of a split for it to be the one that is meant."""


def find_root(data: Path | None, record: RunRecord, name: str | None) -> tuple[Path | None, str]:
    """Find the data that a run belongs to: those named, the record's, the kit's own of that name.

    Args:
        data: folder that the command line names.
        name: of the challenge.

    Returns:
        The folder, if anything says which; and a note, where it was guessed.

    Raises:
        ConfigError: `data` is no folder.
    """
    if data and not data.is_dir():
        raise ConfigError(f"--data {data}: no such folder")
    root = data or (kit_path(record.data_root) if record.data_root else None)
    own = REPOSITORY / "data" / (name or "-")
    if (root is None or not root.is_dir()) and own.is_dir():
        return own, f"no data folder was named: compared with {own}"
    return root, ""


def guess_split(names: frozenset[str], root: Path | None, rules: Rules) -> str | None:
    """Guess the split whose input frames are called so; else the one that has as many frames."""
    if root and (named := _split_by_names(names, root)):
        return named
    counts = [split for split, frames in rules.frames.items() if frames == len(names)]
    return counts[0] if len(counts) == 1 else None


def looks_like(names: frozenset[str], root: Path, split: str) -> str | None:
    """Name the other split whose frames are called so; None where most are frames of `split`."""
    return None if _share(names, root, split) >= ENOUGH else _split_by_names(names, root)


def _split_by_names(names: frozenset[str], root: Path) -> str | None:
    best = max(SPLITS, key=lambda split: _share(names, root, split))
    return best if _share(names, root, best) >= ENOUGH else None


def _share(names: frozenset[str], root: Path, split: str) -> float:
    """How many of these are names of a split's frames, as a fraction."""
    paths = list_pngs(blurry_folder(root, split)) or list_pngs(sharp_folder(root, split))
    return len(names & {path.name for path in paths}) / max(len(names), 1)


def other_data(
    path: Path, record: RunRecord, names: frozenset[str], root: Path | None, split: str | None
) -> Iterator[Finding]:
    """Find predictions of another split, or of other frames than those that they are compared with.

    Frames are compared by content, where the record says of which the predictions were made.
    """
    if root is None or split is None:
        return
    if other := looks_like(names, root, split):
        found = f"names of {other}: this looks like {other}"
        fix = f"give --split {other}"
        yield Finding("split", path.name, f"predictions of {split}", found, fix)
    elif record.inputs_sha256 not in (None, inputs_sha256(root, split) or record.inputs_sha256):
        expected = f"predictions of the frames in {blurry_folder(root, split)}"
        fix = "predict again, or name the data that they were made from: --data ROOT"
        found = "such of other frames, by their contents"
        yield Finding("inputs", path.name, expected, found, fix, "warning")
