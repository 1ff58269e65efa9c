"""Frames that lie beside a recording: PNG, JPEG, BMP, TIFF of 8 bits, as (H, W, 3) uint8 RGB."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from challenge.errors import DataError
from challenge.images import decode, read_png

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


def list_pictures(folder: Path) -> list[Path]:
    """List the pictures of a folder by name; hidden ones do not count.

    Raises:
        DataError: no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; --frames names the folder of the pictures")
    files = (path for path in folder.iterdir() if not path.name.startswith("."))
    found = sorted(path for path in files if path.suffix.lower() in SUFFIXES and path.is_file())
    if not found:
        raise DataError(f"{folder}: expected pictures ({', '.join(SUFFIXES)}), found none")
    return found


def read_picture(path: Path) -> np.ndarray:
    """Read a picture: (H, W, 3) uint8 RGB.

    Raises:
        DataError: missing, damaged, or not of 8 bits.
    """
    if path.suffix.lower() == ".png":
        return read_png(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    return to_rgb(content, str(path))


def to_rgb(content: bytes, name: str) -> np.ndarray:
    """Decode a picture: (H, W, 3) uint8 RGB.

    Raises:
        DataError: damaged, or not of 8 bits; with `name` in front.
    """
    image = decode(content)[0] if content else None
    if image is None:
        raise DataError(f"{name}: the picture is damaged; copy it again")
    if image.dtype != np.uint8:
        raise DataError(f"{name}: expected 8 bits per channel, found {image.dtype}")
    if image.ndim == 2:
        return np.repeat(image[:, :, None], 3, axis=2)
    return np.ascontiguousarray(image[:, :, 2::-1])
