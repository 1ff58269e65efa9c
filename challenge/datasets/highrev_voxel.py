"""HighREV with the voxel grids that the organisers hand out.

HighREV/{train,val}/{blur,sharp}/SEQ_%05d.png
HighREV_voxel/{train,val}/voxel/SEQ_%05d.npz       key voxel, float32 (H, W, bins), not normalised
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from challenge.datasets.frames import PngFrames, list_npzs, read_npz, refuse
from challenge.datasets.layout import grid_folder
from challenge.errors import DataError
from challenge.sample import Sample


class HighRevVoxel(PngFrames):
    """One split of HighREV with stored voxel grids: a sequence of Sample, without raw events."""

    stored_kind: str | None = "voxel"

    def __init__(self, root: Path, voxel_root: Path, split: str, bins: int) -> None:
        super().__init__(root, split)
        self.bins = bins
        self.grid_folder = grid_folder(voxel_root, split)
        if not self.grid_folder.is_dir():
            raise DataError(
                f"{self.grid_folder}: no such folder; expected {{train,val}}/voxel/FRAME.npz in "
                f"data.voxel_root={voxel_root}; for raw events use data.format=highrev_raw"
            )
        stored = {path.stem for path in list_npzs(self.grid_folder)}
        missing = [f"{frame}.npz is missing" for frame in self.frames if frame not in stored]
        refuse(missing, f"{self.grid_folder}: frames without a voxel grid")

    def read_inputs(self, frame: str) -> Sample:
        """Read the blurry image and its stored grid.

        Raises:
            DataError: a damaged file, or a grid of another size or number of bins.
        """
        blurry = self.read_blurry(frame)
        shape = (*blurry.shape[:2], self.bins)
        grid = read_grid(self._grid_file(frame), shape)
        return Sample(frame=frame, blurry=blurry, events=None, stored_grid=grid)

    def source_files(self, frame: str) -> list[Path]:
        """List the files that a frame is read from."""
        return [*super().source_files(frame), self._grid_file(frame)]

    def _grid_file(self, frame: str) -> Path:
        return self.grid_folder / f"{frame}.npz"


def read_grid(path: Path, shape: tuple[int, int, int]) -> np.ndarray:
    """Read a stored (H, W, bins) voxel grid as (bins, H, W) float32.

    Raises:
        DataError: not an npz, no key `voxel`, another shape, or values that are not finite.
    """
    stored = read_npz(path, "voxel")["voxel"]
    if stored.shape != shape:
        raise DataError(
            f"{path}: expected a voxel grid of (H, W, bins) = {shape}, found {stored.shape}; "
            "if only the bins differ, set data.bins"
        )
    if stored.dtype.kind not in "iuf" or not np.isfinite(stored).all():
        raise DataError(f"{path}: expected finite numbers, found NaN, infinity or {stored.dtype}")
    return np.ascontiguousarray(stored.transpose(2, 0, 1), dtype=np.float32)
