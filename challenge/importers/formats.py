"""Which module reads which file: by its name's end, and for .raw by its header."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from challenge.errors import DataError
from challenge.importers import aedat4, hdf5, prophesee, rosbag
from challenge.importers.arrays import read_arrays
from challenge.importers.columns import Layout, check_layout
from challenge.importers.recording import Recording
from challenge.importers.text import read_text


def _alone(read: Callable[[Path], Recording]) -> Callable[[Path, Layout], Recording]:
    """Make a reader of a format that leaves nothing to be said about its columns."""
    return lambda path, layout: read(path)


FORMATS: Mapping[str, Callable[[Path, Layout], Recording]] = MappingProxyType(
    {
        ".aedat4": _alone(aedat4.read),
        ".raw": _alone(prophesee.read_raw),
        ".dat": _alone(prophesee.read_dat),
        ".bag": _alone(rosbag.read),
        ".h5": hdf5.read,
        ".hdf5": hdf5.read,
        ".npz": read_arrays,
        ".npy": read_arrays,
        ".csv": read_text,
        ".txt": read_text,
    }
)
"""The end of a file's name -> what opens it."""


def open_recording(path: Path, layout: Layout | None = None) -> Recording:
    """Open a recording; its events and frames are read when `parts()` is walked through.

    Args:
        path: a file that ends as one of `FORMATS`.
        layout: of columns, where the file does not say what they are.

    Raises:
        ConfigError: what reads this format is not installed, or the layout is not known.
        DataError: no such file, another format, damaged, or without events.
    """
    layout = layout or Layout()
    check_layout(layout)
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing"
        raise DataError(f"{path}: expected a recording ({', '.join(FORMATS)}), found {found}")
    read = FORMATS.get(path.suffix.lower())
    if read is None:
        raise DataError(
            f"{path}: expected one of {', '.join(FORMATS)}, found {path.suffix or 'no such end'}"
        )
    if not path.stat().st_size:
        raise DataError(f"{path}: an empty file; copy it again")
    return read(path, layout)
