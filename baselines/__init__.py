"""Restorers that turn a blurry frame and its events into a sharp one; one folder each."""

from challenge import REPOSITORY

RUNS = REPOSITORY / "runs"
"""Trainings land in `runs/<name>/`; `predict` looks for their weights there."""
CONFIG = "config.yml"
"""In a training's folder: its configuration, with every default filled in."""
BEST, LAST, PREVIOUS = "best.pth", "last.pth", "previous.pth"
"""Beside it: what predicts best, where the training stands, where it stood a save earlier."""
