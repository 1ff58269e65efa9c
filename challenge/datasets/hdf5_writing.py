"""Sequences written as HDF5: SCER files as GoPro's and REBlur's are, raw events as Monash's are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from challenge.datasets.hdf5 import load_h5py
from challenge.events import elapsed
from challenge.files import write_whole
from challenge.sample import Sample

TILE = 128
"""Side of a chunk in pixels: who reads a crop reads few more than those it contains."""
TIGHT = {"compression": "gzip", "compression_opts": 1, "shuffle": True, "fletcher32": True}
"""Without loss, and with a checksum: a changed bit is an error when it is read. A simulated frame
of 1280x720 takes 4.7 MB so and 28 MB uncompressed, reading it 78 ms of CPU time in the place of 15,
and a crop of 256 pixels 16 ms in the place of 5.
"""
PAUSE_US = 5_000.0
"""Between the exposures of a raw file that is written."""


class ScerFrame(NamedTuple):
    """What a SCER file holds of a frame."""

    sample: Sample
    grid: np.ndarray  # (bins, H, W) float32
    mask: np.ndarray  # (1, H, W), 0 or 1


def write_scer(path: Path, frames: Iterable[ScerFrame]) -> None:
    """Write a sequence as a SCER file, whole or not at all; frames are numbered from 0.

    As the published one, and compressed without loss: grids and masks are mostly zeros.
    """
    h5py = load_h5py()
    with write_whole(path) as temporary, h5py.File(temporary, "w", locking=False) as file:
        for number, (sample, grid, mask) in enumerate(frames):
            arrays = {
                f"images/image{number:09d}": channels_first(sample.blurry),
                f"voxels/voxel{number:09d}": grid.astype(np.float32),
                f"masks/mask{number:09d}": (mask > 0).astype(np.uint8) * np.uint8(255),
            }
            if sample.sharp is not None:
                arrays[f"sharp_images/image{number:09d}"] = channels_first(sample.sharp)
            for name, array in arrays.items():
                tile = (len(array), *(min(side, TILE) for side in array.shape[1:]))
                stored = file.create_dataset(name, data=array, chunks=tile, **TIGHT)
                stored.attrs["size"] = array.shape
            file.attrs["sensor_resolution"] = sample.blurry.shape[:2]


def write_monash(path: Path, samples: Iterable[Sample]) -> None:
    """Write a sequence with its raw events, whole or not at all, on a clock that starts at 0.

    A frame is exposed from its first event to just after its last one; between frames the clock
    runs on for `PAUSE_US`.
    """
    h5py = load_h5py()
    clock_us, count, images = 0.0, 0, 0
    with write_whole(path) as temporary, h5py.File(temporary, "w", locking=False) as file:
        columns = {
            name: file.create_dataset(
                f"events/{name}", (0,), kind, maxshape=(None,), chunks=(1 << 16,), **TIGHT
            )
            for name, kind in {"xs": "i2", "ys": "i2", "ts": "f8", "ps": "u1"}.items()
        }
        for number, sample in enumerate(samples):
            events = sample.events
            assert events is not None
            since = elapsed(events.t, events.t[0]) if len(events) else np.zeros(0)
            end_us = clock_us + (since[-1] if len(events) else 0.0) + 1.0
            values = {
                "xs": events.x,
                "ys": events.y,
                "ts": (clock_us + since) / 1e6,
                "ps": np.asarray(events.p) > 0,
            }
            for name, column in columns.items():
                column.resize((count + len(events),))
                column[count:] = values[name]
            said = {
                "exposure_start": clock_us / 1e6,
                "exposure_end": end_us / 1e6,
                "exposure_time": (end_us - clock_us) / 1e6,
                "timestamp": (clock_us + end_us) / 2e6,
                "event_idx": count + len(events) // 2,
            }
            _write_image(file, f"images/image{number:09d}", sample.blurry, said)
            if sample.sharp is not None:
                _write_image(file, f"sharp_images/image{number:09d}", sample.sharp, said)
            file.attrs["sensor_resolution"] = sample.blurry.shape[:2]
            count, images, clock_us = count + len(events), number + 1, end_us + PAUSE_US
        file.attrs.update(num_events=count, num_imgs=images, t0=0.0, tk=(clock_us - PAUSE_US) / 1e6)


def channels_first(image: np.ndarray) -> np.ndarray:
    """Turn (H, W, 3) RGB into (3, H, W) BGR."""
    return np.ascontiguousarray(image[:, :, ::-1].transpose(2, 0, 1))


def _write_image(file: Any, name: str, image: np.ndarray, said: dict[str, float]) -> None:
    stored = file.create_dataset(name, data=image[:, :, ::-1], **TIGHT)
    stored.attrs.update(said, size=image.shape)
