"""The stages of a training: parts with crops, and batches, of their own size.

Small crops first, many a step, then larger ones, fewer a step: what NTIRE teams do by hand, from
checkpoint to checkpoint. Here they are one training with one schedule of the learning rate, and it
can be stopped and resumed anywhere.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from baselines.efnet.config import TrainConfig


class Stage(NamedTuple):
    """Iterations `begin` to `end` - 1."""

    begin: int
    end: int
    crop: int  # pixels; 0: whole frames
    batch: int  # crops of one process in a step
    before: int  # crops that one process cut in the stages before


def stages_of(train: TrainConfig) -> list[Stage]:
    """List the stages of a training in their order: one where it has no `stages`."""
    asked = [(each.share, each.crop, each.batch) for each in train.stages]
    return laid_out(train.iterations, asked or [(1.0, train.crop, train.batch)])


def laid_out(iterations: int, asked: Sequence[tuple[float, int, int]]) -> list[Stage]:
    """Divide iterations among stages.

    Args:
        iterations: of all stages.
        asked: (share, crop, batch) of each; shares need not add up to 1.

    >>> [stage[:4] for stage in laid_out(10, [(3, 256, 4), (1, 480, 1)])]
    [(0, 8, 256, 4), (8, 10, 480, 1)]
    """
    sums = list(itertools.accumulate(share for share, _, _ in asked))
    stages, begin, before = [], 0, 0
    for reached, (_, crop, batch) in zip(sums, asked, strict=True):
        end = round(iterations * (reached / sums[-1]))
        stages.append(Stage(begin, end, crop, batch, before))
        begin, before = end, before + (end - begin) * batch
    return stages


def stage_at(stages: Sequence[Stage], iteration: int) -> Stage:
    """Find the stage of an iteration; after the end, the last one."""
    return next((stage for stage in stages if iteration < stage.end), stages[-1])


def crops_before(stages: Sequence[Stage], iteration: int) -> int:
    """Count the crops of one process before an iteration."""
    stage = stage_at(stages, iteration)
    return stage.before + (iteration - stage.begin) * stage.batch
