"""A few frames of a split, looked at as the doctor looks at all of them: what takes a moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np

from challenge.datasets.doctor.alignment import NOTHING, Verdict, Vote, judge
from challenge.datasets.doctor.frame import Job, Look, look_at_frame
from challenge.datasets.doctor.hdf5 import look_at_hdf5_frame, survey_hdf5
from challenge.datasets.doctor.place import Place
from challenge.datasets.doctor.survey import survey
from challenge.datasets.doctor.whole import votes_of
from challenge.datasets.source import STORED, DataSource
from challenge.sample import sequence_of

T = TypeVar("T")
STRANGERS = 3
"""Comparisons with nothing in common before that is said of a split: of the sound pairs of the
simulated wide world, where pauses are long, every tenth has nothing.
"""


@dataclass(frozen=True)
class Glance:
    """What a few frames tell.

    Attributes:
        looks: in the order of the frames; without images.
        votes: on the alignment of events and images, see `alignment.judge`.
    """

    looks: tuple[Look, ...]
    votes: tuple[Vote, ...]

    @property
    def verdict(self) -> Verdict:
        """Judge the split as one; that nothing is in common has to be so in every comparison."""
        verdict = judge(self.votes)
        strong = [vote for vote in self.votes if vote.by != "gradient"]
        common = any(max(map(abs, vote.scores)) >= NOTHING for vote in strong)
        if verdict.says == "nothing in common" and (common or len(strong) < STRANGERS):
            return Verdict("cannot tell")
        return verdict


def glance(source: DataSource, split: str, most: int) -> Glance:
    """Look at a few frames of a split that has raw events; of stored grids there is nothing to see.

    What is damaged is passed over here: whoever reads it says so.

    Args:
        source: of data that can be opened.
        split: of it.
        most: frames, at least 2; see `spread_frames`.
    """
    if source.format in STORED:
        return Glance((), ())
    hdf5 = source.format == "monash_hdf5"
    place = Place(source.root, (split,), hdf5=source.format if hdf5 else "")
    found = (survey_hdf5 if hdf5 else survey)(place).frames
    look_at = look_at_hdf5_frame if hdf5 else look_at_frame
    names = [files.frame for files in found]
    places = {name: number for number, name in enumerate(names)}
    looks: list[Look] = []
    votes: list[Vote] = []
    before: Look | None = None
    for name in spread_frames(names, most):
        look = look_at(Job(place, found[places[name]]))
        if before is not None and places[before.files.frame] + 1 != places[name]:
            before = None
        votes += votes_of(look, before)
        before = look
        looks.append(look.without_images())
    return Glance(tuple(looks), tuple(votes))


def spread_frames(frames: Sequence[str], most: int) -> list[str]:
    """Choose frames spread evenly over all, as pairs of neighbours in a sequence where there are.

    Args:
        frames: in their order.
        most: so many at most.

    Returns:
        Those chosen, in their order.

    >>> spread_frames(["a_0", "a_1", "b_0", "c_0", "c_1", "c_2"], 4)
    ['a_0', 'a_1', 'c_1', 'c_2']
    """
    pairs = [(one, two) for one, two in pairwise(frames) if sequence_of(one) == sequence_of(two)]
    chosen = {frame for pair in spread(pairs, most // 2) for frame in pair}
    rest = [frame for frame in frames if frame not in chosen]
    chosen |= set(spread(rest, most - len(chosen)))
    return [frame for frame in frames if frame in chosen]


def spread(items: Sequence[T], most: int) -> list[T]:
    """Choose at most so many items, evenly from the first to the last."""
    places = np.linspace(0, max(len(items) - 1, 0), min(most, len(items))).round().astype(int)
    return [items[place] for place in np.unique(places)]
