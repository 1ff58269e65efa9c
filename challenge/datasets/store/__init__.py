"""The training store: a copy of a data set from which a crop costs what the crop contains."""

from challenge.datasets.store.frames import StoredFrames, open_store, store_folder
from challenge.datasets.store.prepare import prepare

__all__ = ["StoredFrames", "open_store", "prepare", "store_folder"]
