"""What `predict` suspects of data before it restores them: sentences, one of a kind per split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from baselines.efnet.shipped import Shipped, shipped_of
from challenge import cli
from challenge.datasets import DataSource
from challenge.datasets.doctor.alignment import MOVED, SWAPPED
from challenge.datasets.doctor.frame import Look
from challenge.datasets.doctor.glance import Glance, glance
from challenge.findings import printable, shorten

MOST_FRAMES = 6
"""Looked at: 2 s of CPU at 1632x1224 with 2.7 million events each, 0.2 s at 346x260."""
PIXELS_PER_EVENT = 1000
"""A frame with fewer events than one for so many pixels comes back as it is, by and large."""
ENOUGH = 1000
"""Events that tell how short an exposure is: of few, the first comes late and the last early."""
SHORTER = 0.5
"""Of the shortest exposure known: events that wait for a readout do not fill all of it."""
UNITS = {"nanoseconds": ("ns", 1e-3), "milliseconds": ("ms", 1e3), "seconds": ("s", 1e6)}
"""What a clock may count that is taken to count microseconds: its name in `import`, its worth."""


def warn(source: DataSource, split: str, checkpoints: Sequence[Path]) -> None:
    """Print as warnings what is suspected of a split that has raw events (see `suspicions`).

    Args:
        source: of data that can be opened.
        split: of it.
        checkpoints: that restore it; what shipped ones were trained on is known.
    """
    shipped = [known for path in checkpoints if (known := shipped_of(path))]
    for sentence in suspicions(source, split, shipped):
        cli.warn_once(sentence)


def suspicions(source: DataSource, split: str, shipped: Sequence[Shipped] = ()) -> list[str]:
    """Look at some frames of a split, and say what is clearly wrong with them, and nothing else.

    Args:
        source: of data that can be opened.
        split: of it.
        shipped: the weights that restore it, where they came with the kit.
    """
    seen = glance(source, split, MOST_FRAMES)
    told = [*_empty(seen.looks), *_misaligned(seen, source.root)]
    for weights in shipped:
        told += _of_another_length(seen.looks, weights)
    return [printable(f"{split}: {sentence}") for sentence in told]


def _empty(looks: Sequence[Look]) -> Iterator[str]:
    """Count the frames without events, or with hardly any."""
    few = [
        look.files.frame
        for look in looks
        if look.size
        and look.recording
        and look.recording.number * PIXELS_PER_EVENT < look.size[0] * look.size[1]
    ]
    if few:
        yield (
            f"{len(few)} of {len(looks)} frames looked at have no events, or fewer than one in "
            f"{PIXELS_PER_EVENT} pixels ({', '.join(shorten(few, 3))}): they come back nearly as "
            "they are"
        )


def _misaligned(seen: Glance, root: Path) -> Iterator[str]:
    """Say which other version of the events fits the images, where that is clear."""
    verdict = seen.verdict
    if verdict.says in ("aligned", "cannot tell"):
        return
    frames = ", ".join(shorten(list(dict.fromkeys(vote.frame for vote in seen.votes)), 3))
    doctor = f"`bash run.sh doctor {root}` looks at all frames"
    if verdict.says == "nothing in common":
        yield (
            f"events and images have nothing in common (correlation {verdict.score:.2f} in "
            f"{frames}); are these the events of other frames, or of another moment? {doctor}"
        )
        return
    fix = "convert the events again the right way round"
    if verdict.says in MOVED:
        fix = "cut them by the frames' exposures again (`bash run.sh import … --stamp`)"
    elif verdict.says == SWAPPED[0]:
        fix = "convert them again (`bash run.sh import … --swap-xy`)"
    yield (
        f"events fit the images {verdict.says} (correlation {verdict.score:.2f}, as they are "
        f"{verdict.next_best:.2f} in {frames}): {fix}; {doctor}"
    )


def _of_another_length(looks: Sequence[Look], weights: Shipped) -> Iterator[str]:
    """Say that most frames' events last longer, or shorter, than what weights were trained on.

    Of an exposure no more is known than its first and its last event: it may be longer than that.
    """
    low, high = weights.exposure_ms
    known = [look.recording for look in looks if look.recording and look.recording.span]
    enough = [recording for recording in known if recording.number > ENOUGH]
    for lasting, what in (
        ([each.duration / 1e3 for each in known], "longer"),
        ([each.duration / 1e3 for each in enough], "shorter"),
    ):
        outside = [ms for ms in lasting if (ms > high if what == "longer" else ms < SHORTER * low)]
        if 2 * len(outside) <= len(lasting):
            continue
        ms = median(outside)
        fits = [unit for unit, (_, worth) in UNITS.items() if low <= ms * worth <= high]
        fix = "expect less of it there"
        if fits:
            fix = (
                f"as if {fits[0]} were read as microseconds (`bash run.sh import … --unit "
                f"{UNITS[fits[0]][0]}`); that alone does no harm, what was cut by it does"
            )
        yield (
            f"events of {len(outside)} of {len(lasting)} frames looked at last {what} (median "
            f"{ms:.3g} ms) than the {low:g} to {high:g} ms that {weights.name} was trained on: "
            f"{fix}"
        )
