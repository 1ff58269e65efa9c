"""Events as dense arrays a network can read, each a pure function."""

from challenge.representations.choice import KINDS, WINDOWS, Representation, nested
from challenge.representations.mask import event_mask
from challenge.representations.normalise import (
    CONTRAST,
    LOG_RANGE,
    largest_magnitude,
    normalise_contrast,
    normalise_magnitude,
    normalise_nonzero,
)
from challenge.representations.scer import events_per_bin, scer
from challenge.representations.voxel import voxel_grid

__all__ = [
    "CONTRAST",
    "KINDS",
    "LOG_RANGE",
    "WINDOWS",
    "Representation",
    "event_mask",
    "events_per_bin",
    "largest_magnitude",
    "nested",
    "normalise_contrast",
    "normalise_magnitude",
    "normalise_nonzero",
    "scer",
    "voxel_grid",
]
