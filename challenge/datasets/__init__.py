"""Data sets on disk, each a sequence of `challenge.sample.Sample`: one module per format."""

from challenge.datasets.provide import provide_frames
from challenge.datasets.source import BINS, FORMATS, STORED, Dataset, DataSource, open_split
from challenge.datasets.stored_grids import stored_grid_doubt

__all__ = [
    "BINS",
    "FORMATS",
    "STORED",
    "DataSource",
    "Dataset",
    "open_split",
    "provide_frames",
    "stored_grid_doubt",
]
