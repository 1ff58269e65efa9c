"""Restorers that turn a blurry frame and its events into a sharp one; one folder each."""

from challenge import REPOSITORY

RUNS = REPOSITORY / "runs"
"""Trainings land in `runs/<name>/`; `predict` looks for their weights there."""
