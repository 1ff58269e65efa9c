"""Small HDF5 files as the authors of EFNet hand them out, written with h5py alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

HEIGHT, WIDTH, BINS = 40, 56, 6
PERIOD_S = 0.01


def bgr(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """(H, W, 3) uint8, as OpenCV would hold it."""
    coarse = rng.integers(30, 225, (height // 8 + 1, width // 8 + 1, 3))
    return np.kron(coarse, np.ones((8, 8, 1)))[:height, :width].astype(np.uint8)


def write_scer(
    path: Path, frames: int = 2, seed: int = 0, sharp: bool = True, channels: int = BINS
) -> dict[str, np.ndarray]:
    """A SCER file of 56x40 (width x height) pixels; returns what is in it, by name."""
    rng = np.random.default_rng(seed)
    arrays: dict[str, np.ndarray] = {}
    for number in range(frames):
        image = bgr(rng, HEIGHT, WIDTH).transpose(2, 0, 1)
        arrays[f"images/image{number:09d}"] = np.roll(image, 2, axis=2) // 2 + image // 2
        if sharp:
            arrays[f"sharp_images/image{number:09d}"] = image
        grid = rng.integers(-3, 4, (channels, HEIGHT, WIDTH)) * (rng.random((HEIGHT, WIDTH)) < 0.1)
        arrays[f"voxels/voxel{number:09d}"] = grid.astype(np.float32)
        mask = (grid != 0).any(axis=0, keepdims=True)
        arrays[f"masks/mask{number:09d}"] = mask.astype(np.uint8) * np.uint8(255)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array).attrs["size"] = array.shape
        file.attrs["sensor_resolution"] = [HEIGHT, WIDTH]
    return arrays


def write_monash(
    path: Path,
    frames: int = 4,
    seed: int = 0,
    size: tuple[int, int] = (HEIGHT, WIDTH),
    exposed: bool = False,
    channels_first: bool = False,
    sharp: bool = True,
    start_s: float = 0.0,
    events: int = 300,
) -> dict[str, Any]:
    """A raw file: a frame every 10 ms, `events` events in each such period; exposures of 6 ms, if
    any. Events happen at odd multiples of 2^-20 s, no two of them at once.

    Returns its columns and images by name, and `times`, those of the frames.
    """
    rng = np.random.default_rng(seed)
    height, width = size
    ticks = np.unique(rng.integers(0, int(frames * PERIOD_S * 2**19), events * frames))
    count = len(ticks)
    columns: dict[str, Any] = {
        "xs": rng.integers(0, width, count).astype(np.int16),
        "ys": rng.integers(0, height, count).astype(np.int16),
        "ts": start_s + (2 * ticks + 1) / 2**20,
        "ps": rng.integers(0, 2, count).astype(np.uint8),
    }
    times = start_s + PERIOD_S * (np.arange(frames) + 0.5)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name in ("xs", "ys", "ts", "ps"):
            file.create_dataset(f"events/{name}", data=columns[name])
        for number, time in enumerate(times):
            for group in ("images", "sharp_images")[: 1 + sharp]:
                image = bgr(rng, height, width)
                columns[f"{group}/image{number:09d}"] = image
                stored = file.create_dataset(
                    f"{group}/image{number:09d}",
                    data=image.transpose(2, 0, 1) if channels_first else image,
                )
                stored.attrs["size"] = stored.shape
                stored.attrs["timestamp"] = time
                stored.attrs["event_idx"] = int(np.searchsorted(columns["ts"], time))
                if exposed:
                    stored.attrs["exposure_start"] = time - 0.003
                    stored.attrs["exposure_end"] = time + 0.003
                    stored.attrs["exposure_time"] = 0.006
        file.attrs["sensor_resolution"] = [height, width]
        file.attrs["num_events"], file.attrs["num_imgs"] = count, frames
        file.attrs["t0"], file.attrs["tk"] = columns["ts"][0], columns["ts"][-1]
    return columns | {"times": times}
