"""HighREV with raw events, as the challenge hands it out.

    HighREV/{train,val,test}/blur/SEQ_%05d.png         (H, W) 8-bit RGB
                             sharp/SEQ_%05d.png        the same names; absent in test
                             event/SEQ_%05d_%02d.npz   keys x, y, timestamp, polarity, each (N, 1)
                             or (N,)

Quirks, all handled here: x and y are swapped on disk (column = `y`, row = `x`); the last slice of a
frame lies outside the exposure and is dropped; polarity "off" is 0 or -1; macOS archives leave
`._*` files behind.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from challenge.errors import DataError
from challenge.events import Events
from challenge.images import read_png
from challenge.representations import voxel_grid
from challenge.sample import Sample

LAYOUT = "expected {train,val,test}/{blur,event}/ (and sharp/ where it is known)"


class FramePairs:
    """The blurry frames of a split, and their sharp ones where there are any."""

    def __init__(self, root: Path, split: str) -> None:
        self.folder = root / split
        if not self.folder.is_dir():
            raise DataError(f"{self.folder}: no such folder; {LAYOUT} in data.root={root}")
        self.frames = [path.stem for path in list_files(self.folder / "blur", ".png")]
        if not self.frames:
            raise DataError(f"{self.folder / 'blur'}: holds no PNG; {LAYOUT} in data.root={root}")
        self.has_sharp = self.sharp_folder().is_dir()
        if self.has_sharp:
            sharp = {path.stem for path in list_files(self.sharp_folder(), ".png")}
            missing = [f"{frame}.png is missing" for frame in self.frames if frame not in sharp]
            refuse(missing, f"{self.sharp_folder()}: no sharp image for some of the blurry ones")

    def __len__(self) -> int:
        return len(self.frames)

    def sharp_folder(self) -> Path:
        """Where the sharp images are, or would be."""
        return self.folder / "sharp"

    def read_images(self, frame: str) -> tuple[np.ndarray, np.ndarray | None]:
        """(H, W, 3) uint8 RGB: blurry, and sharp or None.

        Raises:
            DataError: a damaged PNG, or the two differ in size.
        """
        blurry = read_png(self.folder / "blur" / f"{frame}.png")
        if not self.has_sharp:
            return blurry, None
        sharp = read_png(self.sharp_folder() / f"{frame}.png")
        if sharp.shape != blurry.shape:
            raise DataError(
                f"{self.sharp_folder() / frame}.png: expected {blurry.shape[1]}x{blurry.shape[0]} "
                f"(width x height) like its blurry frame, found {sharp.shape[1]}x{sharp.shape[0]}"
            )
        return blurry, sharp


class HighRevRaw(FramePairs):
    """One split of HighREV with raw events: a sequence of Sample."""

    def __init__(self, root: Path, split: str, bins: int) -> None:
        super().__init__(root, split)
        self.bins = bins
        self.slices: dict[str, list[Path]] = {frame: [] for frame in self.frames}
        for path in list_files(self.folder / "event", ".npz"):
            frame, _, number = path.stem.rpartition("_")
            if number.isdigit() and frame in self.slices:
                self.slices[frame].append(path)
        without = [
            f"{frame}: found {len(paths)} of {frame}_00.npz, _01.npz, …, expected at least 2"
            for frame, paths in self.slices.items()
            if len(paths) < 2
        ]
        refuse(without, f"{self.folder / 'event'}: frames without event slices")

    def __getitem__(self, index: int) -> Sample:
        frame = self.frames[index]
        blurry, sharp = self.read_images(frame)
        events = self.read_events(frame)
        try:
            voxel = voxel_grid(events, self.bins, *blurry.shape[:2])
        except DataError as error:
            raise DataError(f"{self.folder / 'event' / frame}_*.npz: {error}") from error
        return Sample(frame=frame, blurry=blurry, voxel=voxel, sharp=sharp, events=events)

    def read_events(self, frame: str) -> Events:
        """The events of a frame's exposure, in order of time: every slice but the last."""
        paths = sorted(self.slices[frame], key=lambda path: int(path.stem.rpartition("_")[2]))
        events = Events.concatenate([read_slice(path) for path in paths[:-1]])
        if np.any(events.t[1:] < events.t[:-1]):
            order = np.argsort(events.t, kind="stable")
            events = Events(**{name: getattr(events, name)[order] for name in "xytp"})
        return events


def read_slice(path: Path) -> Events:
    """Read one npz of events, mending what the format gets wrong (see the module's docstring).

    Raises:
        DataError: not an npz, cut off, a key is missing, lengths differ, or a value is not a finite
            number.
    """
    try:
        with np.load(path) as archive:
            columns = {key: archive[key].reshape(-1) for key in ("y", "x", "timestamp", "polarity")}
    except KeyError as error:
        raise DataError(
            f"{path}: expected the keys x, y, timestamp, polarity; {error.args[0]}"
        ) from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: not a readable npz ({error}); copy or unpack it again") from error
    lengths = {key: len(values) for key, values in columns.items()}
    if len(set(lengths.values())) != 1:
        raise DataError(f"{path}: expected arrays of one length, found {lengths}")
    for key, values in columns.items():
        if values.dtype.kind not in "iufb" or not np.isfinite(values).all():
            raise DataError(f"{path}: {key}: expected finite numbers, found {values.dtype}")
    return Events(
        x=columns["y"].astype(np.int32),
        y=columns["x"].astype(np.int32),
        t=columns["timestamp"],
        p=(columns["polarity"] > 0).astype(np.int8),
    )


def list_files(folder: Path, suffix: str) -> list[Path]:
    """The files of a folder with this suffix, by name, without the `._*` ones of macOS.

    Raises:
        DataError: no such folder.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; {LAYOUT}")
    return sorted(p for p in folder.iterdir() if p.suffix == suffix and not p.name.startswith("."))


def refuse(problems: list[str], summary: str, most: int = 10) -> None:
    """Raise a DataError that names the first problems and counts the rest; nothing if there are
    none.
    """
    if problems:
        rest = [f"and {len(problems) - most} more"] if len(problems) > most else []
        raise DataError(f"{summary} ({len(problems)})", problems[:most] + rest)
