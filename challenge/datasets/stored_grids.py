"""Whether stored voxel grids are those of the raw events that lie beside them."""

from __future__ import annotations

import dataclasses

import numpy as np

from challenge import SPLITS
from challenge.datasets.highrev import HighRevRaw
from challenge.datasets.layout import event_folder, grid_folder
from challenge.datasets.source import DataSource
from challenge.errors import DataError
from challenge.events import Events
from challenge.representations import voxel_grid

MOST_DIFFERENT = 0.05
"""Of the sum of magnitudes. Measured on simulated and DAVIS346 frames: a clock in float32 that
leaves 60 stamps in the exposure differs by less, one that leaves 16 by 0.18, one stamp by 1.6.
"""


def stored_grid_doubt(source: DataSource) -> str | None:
    """Compare one frame's stored grid with that of its raw events; None if they agree.

    The first split that has both is taken, and its middle frame. None as well where nothing can be
    compared.

    Returns:
        A sentence: how much differs, why where that can be told, and what to do. The published
        converter casts the clock to float32: of unix microseconds one stamp is left, and all events
        land in one bin.

    Raises:
        DataError: a damaged file.
    """
    if source.format != "highrev_voxel" or source.voxel_root is None:
        return None
    for split in SPLITS:
        both = (grid_folder(source.voxel_root, split), event_folder(source.root, split))
        if all(folder.is_dir() for folder in both):
            return _compare(source, split)
    return None


def _compare(source: DataSource, split: str) -> str | None:
    try:
        raw = HighRevRaw(source.root, split)
    except DataError:  # only some frames have their events: not what this training reads
        return None
    frame = raw.frames[len(raw.frames) // 2]
    events = raw.read_inputs(frame).events
    stored = source.open(split).read_inputs(frame).stored_grid
    assert events is not None and stored is not None
    doubt = grid_doubt(stored, events)
    if doubt is None:
        return None
    return (
        f"{grid_folder(source.voxel_root or source.root, split) / frame}.npz: the stored grid "
        f"{doubt}; train on the raw events instead: data.format=highrev_raw "
        "(configs/efnet_highrev_raw.yml), and restore with the same kind of grids as trained on"
    )


def grid_doubt(stored: np.ndarray, events: Events) -> str | None:
    """Compare a stored grid, (bins, H, W), with that of the raw events; None if they agree.

    Returns:
        How much differs, and why where that can be told: "differs from …".
    """
    if not len(events):
        return None
    bins, height, width = stored.shape
    differs = difference(stored, voxel_grid(events, bins, height, width))
    if differs <= MOST_DIFFERENT:
        return None
    sentence = f"differs from that of its raw events by {differs:.0%} of their sum"
    cast = dataclasses.replace(events, t=events.t.astype(np.float32))
    stamps, left = (len(np.unique(each.t)) for each in (events, cast))
    if difference(stored, voxel_grid(cast, bins, height, width)) < differs / 2:
        sentence += (
            f": it was made with the clock in float32, which leaves {left} of {stamps} time stamps"
        )
    return sentence


def difference(grid: np.ndarray, reference: np.ndarray) -> float:
    """Sum the magnitudes of grid - reference, as a fraction of the reference's own."""
    total = float(np.abs(reference).sum(dtype=np.float64))
    return float(np.abs(grid - reference).sum(dtype=np.float64)) / (total or 1.0)
