"""Where a data set keeps the images of a split. Nobody else writes these folder names.

    ROOT/{train,val,test}/blur/FRAME.png     the input frames
                          sharp/FRAME.png    what they should have been; absent where withheld
                          event/…            see `challenge.datasets.highrev`

Standard library only: checking and scoring look at images without opening a data set.
"""

from __future__ import annotations

import json
from pathlib import Path

from challenge.files import images_sha256, list_pngs

DESCRIPTION = """\
{train,val,test}/
    blur/SEQ_%05d.png          the blurry input
    sharp/SEQ_%05d.png         the same names; not in test
    event/SEQ_%05d_%02d.npz    keys x, y, timestamp, polarity, each (N, 1)"""
"""For people, on a competition's page."""
MANIFEST, RULES_KEY = "dataset.json", "rules"
"""A data set may say in ROOT/dataset.json which of configs/challenge/*.yml is meant for it."""
EXPECTED = "expected {train,val,test}/{blur,event}/ (and sharp/ where it is known)"


def rules_named(root: Path) -> str | None:
    """Read by whose rules a data set says that it is played; None where it says none."""
    try:
        name = json.loads((root / MANIFEST).read_text(encoding="utf-8"))[RULES_KEY]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return name if isinstance(name, str) else None


def blurry_folder(root: Path, split: str) -> Path:
    """Name the folder where the input frames of a split are, or would be."""
    return root / split / "blur"


def inputs_sha256(root: Path, split: str) -> str | None:
    """Return one hash over the names and contents of a split's input frames; None without any.

    Raises:
        DataError: a frame cannot be read.
    """
    folder = blurry_folder(root, split)
    return images_sha256(folder) if list_pngs(folder) else None


def sharp_folder(root: Path, split: str) -> Path:
    """Name the folder where the sharp images of a split are, or would be."""
    return root / split / "sharp"


def event_folder(root: Path, split: str) -> Path:
    """Name the folder where the raw events of a split are, or would be."""
    return root / split / "event"


def grid_folder(voxel_root: Path, split: str) -> Path:
    """Name the folder where the stored voxel grids of a split are, or would be."""
    return voxel_root / split / "voxel"
