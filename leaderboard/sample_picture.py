"""One frame of a data set, as it is: `bash run.sh show PATH [FRAME]`. No run is needed."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from challenge import SPLITS
from challenge.datasets import DataSource
from challenge.datasets.layout import EXPECTED
from challenge.datasets.source import Dataset
from challenge.errors import ConfigError, DataError
from challenge.metrics.psnr import psnr
from challenge.representations import (
    Representation,
    normalise_contrast,
    normalise_magnitude,
    normalise_nonzero,
)
from challenge.sample import Sample, sequence_of
from leaderboard.histogram import draw_sums, draw_times
from leaderboard.pictures import event_picture, signed_events, signed_picture
from leaderboard.sheet import (
    GAP,
    WIDEST,
    Crop,
    Panel,
    busiest,
    draw_sheet,
    fit,
    frame_around,
    headed,
    named_crop,
    narrow,
    stack,
)

FIRST = ("val", "test", "train", "addition")
"""The split to be shown, if no frame of another is asked for."""
NARROWEST_BIN = 130
"""Pixels of a panel of one bin."""
PLOT = 120
NORMALISATIONS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "nonzero": normalise_nonzero,
    "magnitude": normalise_magnitude,
    "contrast": normalise_contrast,
}


@dataclass(frozen=True)
class Reading:
    """How the events are made into what a network reads."""

    representation: Representation
    normalise: str  # one of NORMALISATIONS

    def grid(self, sample: Sample) -> np.ndarray:
        """Make the (channels, H, W) float32 grid of a frame, not normalised; a stored one is taken
        as it is.
        """
        if sample.events is None:
            assert sample.stored_grid is not None  # a data set gives one of the two
            return sample.stored_grid
        return self.representation.grid(sample.events, *sample.blurry.shape[:2])

    def normalised(self, grid: np.ndarray) -> np.ndarray:
        """Bring a grid to the scale that a network gets it in."""
        return NORMALISATIONS[self.normalise](grid)


def find_frame(path: Path, frame: str | None, source: DataSource) -> tuple[Dataset, str, str]:
    """Find a frame of a data set.

    Args:
        path: the data set's ROOT, or ROOT/SPLIT.
        frame: its name, or that of a sequence; default: one in the middle.
        source: how it is to be read; its root is that of `path`.

    Returns:
        The opened split, its name, and the frame's.

    Raises:
        DataError: no data set, a damaged one, or no such frame; the nearest names are given.
    """
    given = [each for each in FIRST if (source.root / each).is_dir()]
    if path != source.root:
        given = [path.name]
    if not given:
        raise DataError(f"{path}: no data set; {EXPECTED}")
    names: dict[str, str] = {}
    failed: list[DataError] = []
    for each in given:
        try:
            dataset = source.open(each)
        except DataError as error:
            failed.append(error)
            continue
        if named := _named(dataset.frames, frame):
            return dataset, each, named
        names |= dict.fromkeys(dataset.frames, each)
    if not names:
        raise failed[0]
    near = difflib.get_close_matches(frame or "", names, 3, 0.3) or list(names)[:3]
    some = ", ".join(f"{name} ({names[name]})" for name in near)
    also = [f"not looked into: {error}" for error in failed]
    raise DataError(f"{frame}: no such frame in {path}; the nearest are {some}", also)


def _named(frames: Sequence[str], asked: str | None) -> str | None:
    """Choose the frame of that name, or one in the middle, of the sequence of that name if any."""
    if asked is not None:
        asked = asked.removesuffix(".png")
        if asked in frames:
            return asked
        frames = [each for each in frames if sequence_of(each) == asked]
    return frames[len(frames) // 2] if frames else None


def source_of(path: Path, voxel_root: Path | None, bins: int) -> DataSource:
    """Describe the data set that a path means: its ROOT, or ROOT/SPLIT.

    Raises:
        DataError: no such folder.
    """
    if not path.is_dir():
        found = "expected a folder, found a file" if path.exists() else "no such folder"
        raise DataError(f"{path}: {found}; {EXPECTED}")
    known = [each for each in SPLITS if (path / each).is_dir()]
    root = path if known or path.name not in SPLITS else path.parent
    if voxel_root:
        return DataSource(root, "highrev_voxel", voxel_root, bins)
    return DataSource.of_folder(root, bins)


def choose_part(sample: Sample, asked: str | None) -> Crop | None:
    """Choose what is drawn of a frame; None: all of it.

    Args:
        asked: "auto", the place with the most events; "none"; "X,Y" or "X,Y,WIDTHxHEIGHT"; None:
            auto where a frame is wider than a panel.

    Raises:
        ConfigError: something else, or a place that is not inside the frame.
    """
    height, width = sample.blurry.shape[:2]
    large = width > WIDEST
    asked = asked or ("auto" if large else "none")
    if asked == "none":
        return None
    size = (WIDEST, min(height, WIDEST * 3 // 4)) if large else (-(-width // 2), -(-height // 2))
    return named_crop(asked, (width, height), size) or busiest(_weight(sample), *size)


def _weight(sample: Sample) -> np.ndarray:
    """Count the events of each pixel: (H, W) float32."""
    height, width = sample.blurry.shape[:2]
    if sample.events is None:
        assert sample.stored_grid is not None
        summed: np.ndarray = np.abs(sample.stored_grid).sum(axis=0, dtype=np.float32)
        return summed
    flat = sample.events.y.astype(np.int64) * width + sample.events.x
    counted: np.ndarray = np.bincount(flat, minlength=height * width).reshape(height, width)
    return counted.astype(np.float32)


def draw_sample(sample: Sample, reading: Reading, crop: Crop | None, title: str) -> np.ndarray:
    """Draw blurry, events and sharp, the events over time, and the bins that a network gets.

    Args:
        crop: draw this part only, and the whole blurry frame beside it.

    Returns:
        (H', W', 3) uint8 RGB on white.
    """
    grid = reading.grid(sample)
    top = top_panels(sample, crop)
    first = draw_sheet(top, len(top))
    width = first.shape[1]
    if sample.events is None:
        times = draw_sums(grid, width - 2 * GAP, PLOT)
    else:
        times = draw_times(sample.events, reading.representation, width - 2 * GAP, PLOT)
    stored = sample.events is None
    bins = draw_bins(reading.normalised(grid), reading, stored, crop, width)
    return headed(title, stack([first, times, bins]))


def top_panels(sample: Sample, crop: Crop | None) -> list[Panel]:
    """Draw what was recorded of a frame: blurry, events (a stored grid where there are none), and
    sharp and a mask where the data set has them.
    """
    height, width = sample.blurry.shape[:2]
    place = crop or Crop(0, 0, width, height)
    events = sample.events
    if events is None:
        figures = "a stored grid"
    else:
        share = f", {np.mean(events.p > 0):.0%} brighter" if len(events) else ""
        figures = f"{len(events):,}{share}"
    picture = event_picture(signed_events(sample))
    panels = [
        Panel("blurry", fit(place.of(sample.blurry)), f"{width}x{height}"),
        Panel("events", fit(place.of(picture)), figures),
    ]
    if sample.sharp is not None:
        decibels = psnr(sample.blurry, sample.sharp)
        words = f"blurry: {decibels:.2f} dB" if np.isfinite(decibels) else "equal to blurry"
        panels.append(Panel("sharp", fit(place.of(sample.sharp)), words))
    if sample.stored_mask is not None:
        mask = np.repeat(255 * sample.stored_mask.transpose(1, 2, 0), 3, axis=2)
        words = f"white: events, {np.mean(sample.stored_mask > 0):.0%}"
        panels.append(Panel("stored mask", fit(place.of(mask)), words))
    if crop is not None:
        panels.insert(0, Panel("frame", frame_around(sample.blurry, crop), f"{crop}"))
    return panels


def draw_bins(
    normalised: np.ndarray, reading: Reading, stored: bool, crop: Crop | None, width: int
) -> np.ndarray:
    """Draw each channel of a normalised grid, in rows of equal length; those of one window of
    `nested` on a scale of their own.

    Returns:
        (H', about `width`, 3) uint8 RGB on white.
    """
    representation = reading.representation
    nested = representation.kind == "nested" and not stored
    group = representation.bins if nested else len(normalised)
    most = max(1, (width - GAP) // (NARROWEST_BIN + GAP))
    columns = -(-group // -(-group // most))
    cell = min(WIDEST, (width - GAP) // columns - GAP)
    parts = []
    for start in range(0, len(normalised), group):
        name = "the stored grid" if stored else representation.kind
        if nested:
            name = f"{name}, {representation.windows[start // group]:.0%} of the exposure"
        heading = f"{name}, {group} bins, normalised ({reading.normalise})"
        panels = _bin_panels(normalised[start : start + group], crop, cell)
        parts.append(headed(heading, draw_sheet(panels, columns)))
    return stack(parts)


def _bin_panels(channels: np.ndarray, crop: Crop | None, cell: int) -> list[Panel]:
    """Draw channels on one scale: the full colours are those of the strongest hundredth."""
    place = crop or Crop(0, 0, channels.shape[2], channels.shape[1])
    drawn = [narrow(place.of(channel), cell) for channel in channels]
    cells = np.concatenate([np.abs(each[each != 0]) for each in drawn])
    full = float(np.percentile(cells, 99)) if cells.size else 1.0
    return [
        Panel(
            f"{number}", signed_picture(each, full), f"{channel.min():.2f} to {channel.max():.2f}"
        )
        for number, (each, channel) in enumerate(zip(drawn, channels, strict=True), start=1)
    ]


def reading_of(kind: str, bins: int, normalise: str | None) -> Reading:
    """Choose a representation, and its usual normalisation if none is named.

    Raises:
        ConfigError: an unknown one.
    """
    usual = "magnitude" if kind == "scer" else "nonzero"
    chosen = normalise or usual
    if chosen not in NORMALISATIONS:
        known = ", ".join(NORMALISATIONS)
        raise ConfigError(f"--normalise {chosen}: expected one of {known}")
    return Reading(Representation(kind, bins), chosen)
