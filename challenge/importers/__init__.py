"""Recordings of other formats: events and frames, read block by block, one module per format."""

from challenge.importers.formats import FORMATS, open_recording
from challenge.importers.recording import Frame, Recording

__all__ = ["FORMATS", "Frame", "Recording", "open_recording"]
