"""The rules of the challenge: events, images, scores, submissions. Plain numpy; torch is never
imported here.
"""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
"""The kit's own folder: defaults such as `data/mini` and `submissions` are relative to it."""
SPLITS = ("train", "val", "test", "addition")
"""The parts of a data set, and of the predictions made from it; REBlur has an `addition`, without
sharp images.
"""
