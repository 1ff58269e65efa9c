"""HDF5 files of recordings, opened late and read with care: the one door to h5py for data sets.

A file's header is not believed: what it says of a size is compared with what is stored before
memory is taken, and whatever HDF5 stumbles over becomes a DataError that names the file.
"""

from __future__ import annotations

import bisect
import contextlib
import os
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import EllipsisType
from typing import Any

import numpy as np

from challenge.errors import DataError

SUFFIXES = (".h5", ".hdf5")
MOST_OPEN = 16
"""Files that a process keeps open; the one that was not used for longest is closed for the next."""
MOST_BYTES = 1 << 31
"""Of one array. A frame of 32 megapixels with 6 bins takes 0.8 GB."""
MOST_SHRUNK = 1100
"""No filter of HDF5 makes data smaller than by this factor: deflate reaches 1032."""
UNREADABLE = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, OverflowError)
"""What h5py raises for bytes that are damaged."""
HELD = "temporarily unavailable"
"""In what h5py says of a file that another process has locked."""
Part = tuple[slice, ...] | EllipsisType

_open: OrderedDict[tuple[int, Path], Any] = OrderedDict()  # (process, file) -> h5py.File


def list_hdf5(folder: Path) -> list[Path]:
    """List the HDF5 files of a folder by name, without hidden ones such as macOS's `._x.h5`.

    A folder that is not there holds none.
    """
    if not folder.is_dir():
        return []
    files = (path for path in folder.iterdir() if not path.name.startswith("."))
    return sorted(path for path in files if path.suffix.lower() in SUFFIXES and path.is_file())


def close_files() -> None:
    """Close every file that this process has open; they are opened again when they are read."""
    for process, path in list(_open):
        file = _open.pop((process, path))
        if process == os.getpid():
            file.close()


@dataclass(frozen=True)
class Hdf5:
    """One HDF5 file. It is opened when it is first read, by each process for itself: this value can
    be sent to worker processes, and survives a fork.

    Every method raises a DataError where the file is damaged.
    """

    path: Path

    def names(self, group: str) -> list[str]:
        """List what a group holds, by name; nothing where there is no such group."""
        with self._reading():
            file = self._file()
            return sorted(file[group].keys()) if group in file else []

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of an array, as the file says it is."""
        with self._reading():
            return tuple(int(side) for side in self._dataset(name).shape)

    def attributes(self, name: str = "/") -> dict[str, Any]:
        """Return the attributes of an array or group, by default those of the file."""
        with self._reading():
            return dict(self._file()[name].attrs)

    def read(self, name: str, part: Part = ...) -> np.ndarray:
        """Read an array of numbers, or a part of it; chunks that are not touched are not read.

        Raises:
            DataError: no such array, no numbers, or a size that the file cannot hold.
        """
        with self._reading():
            dataset = self._dataset(name)
            stored = dataset.id.get_storage_size()
            if dataset.dtype.kind not in "iufb":
                raise DataError(f"{self.path}: {name}: expected numbers, found {dataset.dtype}")
            if dataset.nbytes > MOST_SHRUNK * stored:
                raise DataError(
                    f"{self.path}: {name}: its header says {dataset.shape} {dataset.dtype}, "
                    f"but {stored} bytes of it are stored; copy or download it again"
                )
            wanted = dataset.dtype.itemsize * _cells(dataset.shape, part)
            if wanted > MOST_BYTES:
                raise DataError(
                    f"{self.path}: {name}: expected at most {MOST_BYTES / 1e9:.0f} GB at a time, "
                    f"found {wanted / 1e9:.0f} GB: {dataset.shape} {dataset.dtype}"
                )
            return np.asarray(dataset[part])

    def index_of(self, name: str, value: float) -> int:
        """Return how many values of an ascending (N,) array are below `value`.

        Reads some log2(N) of them.
        """
        with self._reading():
            dataset = self._dataset(name)
            return bisect.bisect_left(range(len(dataset)), value, key=lambda k: dataset[k])

    def _dataset(self, name: str) -> Any:
        found = self._file().get(name)
        if found is None or not hasattr(found, "dtype"):
            what = "no such array" if found is None else "a group"
            raise DataError(f"{self.path}: expected an array {name}, found {what}")
        return found

    def _file(self) -> Any:
        key = (os.getpid(), self.path)
        if key not in _open:
            h5py = load_h5py()
            while len(_open) >= MOST_OPEN:
                (process, _), old = _open.popitem(last=False)
                if process == os.getpid():  # one from before a fork is the parent's to close
                    old.close()
            try:
                _open[key] = h5py.File(self.path, "r")
            except OSError as error:  # there are file systems without locks
                if "lock" not in str(error) or HELD in str(error):
                    raise
                _open[key] = h5py.File(self.path, "r", locking=False)
        _open.move_to_end(key)
        return _open[key]

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except UNREADABLE as error:
            said = (str(error).strip("'\" ") or type(error).__name__).splitlines()[0]
            fix = "copy or download it again"
            if HELD in str(error):
                fix = "another process is writing it: wait for it"
            elif "filter" in said:
                fix = "it needs a filter of another program: pip install hdf5plugin"
            raise DataError(f"{self.path}: not readable as HDF5 ({said}); {fix}") from error


def load_h5py() -> Any:
    """Import h5py, and the filters of other programs where they are installed."""
    import h5py

    with contextlib.suppress(ImportError):
        import hdf5plugin  # noqa: F401
    return h5py


def _cells(shape: tuple[int, ...], part: Part) -> int:
    """Count the cells of a part of an array."""
    if isinstance(part, EllipsisType):
        return int(np.prod([int(side) for side in shape], dtype=object))
    sides = [len(range(*cut.indices(side))) for side, cut in zip(shape, part, strict=False)]
    return int(np.prod([*sides, *shape[len(sides) :]], dtype=object))
