"""Data sets on disk, each a sequence of `challenge.sample.Sample`: one module per format."""

from challenge.datasets.source import BINS, FORMATS, Dataset, DataSource, open_split
from challenge.datasets.stored_grids import stored_grid_doubt

__all__ = ["BINS", "FORMATS", "DataSource", "Dataset", "open_split", "stored_grid_doubt"]
