"""How often the doctor tells rightly whether events follow the images: false alarms and misses.

For each data set (any in HighREV's layout; the simulator makes small ones), each sequence is judged
as it is and harmed in every way that is known: from the sharp images, from the next frames alone,
and from single frames alone.

    for seed in $(seq 1 30); do
        bash run.sh data --out sets/$seed --seed $seed --width 160 --height 120 \\
            --frames 3 --sequences 6
    done
    PYTHONPATH=. python benchmarks/alignment.py sets/*
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np

from challenge.datasets.doctor.alignment import (
    LEAST_SIGNAL,
    Cells,
    EventSums,
    Vote,
    judge,
    vote_by_gradient,
    vote_by_next,
    vote_by_sharp,
)
from challenge.datasets.doctor.frame import Job, look_at_frame
from challenge.datasets.doctor.place import locate
from challenge.datasets.doctor.survey import survey
from challenge.images import read_png
from challenge.sample import sequence_of

Frame = tuple[np.ndarray, "np.ndarray | None", EventSums]
Harm = Callable[[EventSums], EventSums]
FLIPPED = "with the polarity flipped"


def on_maps(change: Callable[[np.ndarray], np.ndarray]) -> Harm:
    names = ("rising", "total", "late", "end", "after")
    return lambda sums: EventSums(sums.noise, *(change(getattr(sums, name)) for name in names))


def reversed_in_time(sums: EventSums) -> EventSums:
    early = sums.total - sums.late
    return EventSums(sums.noise, sums.falling, sums.total, early, sums.start, sums.after)


HARMS: dict[str, tuple[Harm, str]] = {
    "sound": (lambda sums: sums, "aligned"),
    "mirrored left-right": (on_maps(lambda a: a[:, ::-1]), "mirrored left-right"),
    "upside down": (on_maps(lambda a: a[::-1]), "upside down"),
    "turned by 180 degrees": (on_maps(lambda a: a[::-1, ::-1]), "turned by 180 degrees"),
    "x and y swapped": (on_maps(lambda a: np.ascontiguousarray(a.T)), "with x and y swapped"),
    "polarity flipped": (on_maps(lambda a: -a), FLIPPED),
    "time reversed": (reversed_in_time, "with time running backwards in each exposure"),
}


def read_sequences(roots: list[str]) -> dict[tuple[str, str, str], list[Frame]]:
    """What the votes need, of every frame with sound events."""
    sequences: dict[tuple[str, str, str], list[Frame]] = defaultdict(list)
    for root in roots:
        place = locate(Path(root))
        for files in survey(place).frames:
            look = look_at_frame(Job(place, files))
            if look.sums is None or look.log_blurry is None or look.size is None:
                continue
            cells = Cells.of(look.size[1], look.size[0])
            log_sharp = cells.log_light(read_png(files.sharp)) if files.sharp else None
            key = (root, files.split, sequence_of(files.frame))
            sequences[key].append((look.log_blurry, log_sharp, look.sums))
    return sequences


def votes(frames: list[Frame], by: str) -> list[Vote]:
    """The votes of a sequence where the frames have what `by` says."""
    cast, before = [], None
    for log_blurry, log_sharp, sums in frames:
        if sums.signal >= LEAST_SIGNAL:
            cast.append(vote_by_gradient("", log_blurry, sums))
            if by == "sharp" and log_sharp is not None:
                cast.append(vote_by_sharp("", log_blurry - log_sharp, sums))
            if by != "gradient" and before is not None:
                cast.append(vote_by_next("", log_blurry - before[0], before[1], sums))
        before = (log_blurry, sums)
    return cast


def main(roots: list[str]) -> None:
    sequences = read_sequences(roots)
    print(f"{len(sequences)} sequences, {sum(map(len, sequences.values()))} frames with events")
    print("| told by | events | sequences | right | not told | nothing in common | wrong |")
    print("|---|---|---|---|---|---|---|")
    for by in ("sharp", "next", "gradient"):
        chosen = {k: v for k, v in sequences.items() if by != "sharp" or v[0][1] is not None}
        for name, (harm, expected) in HARMS.items():
            frames = [[(b, s, harm(sums)) for b, s, sums in v] for v in chosen.values()]
            if expected == "with x and y swapped":  # can be told on square sensors alone
                frames = [each for each in frames if each[0][0].shape[0] == each[0][0].shape[1]]
            print_row(
                by, name, expected, [judge(votes(each, by)).says.split(" (")[0] for each in frames]
            )
        last = list(chosen.values())
        strange = [
            [(b, s, other[i % len(other)][2]) for i, (b, s, _) in enumerate(v)]
            for v, other in zip(last, last[1:] + last[:1], strict=True)
            if v[0][0].shape == other[0][0].shape
        ]
        says = [judge(votes(each, by)).says for each in strange]
        print_row(by, "of another sequence", "nothing in common", says)


def print_row(by: str, name: str, expected: str, says: list[str]) -> None:
    counts = Counter(says)
    right, unknown, nothing = (
        counts[key] for key in (expected, "cannot tell", "nothing in common")
    )
    wrong = len(says) - right - unknown - nothing * (expected != "nothing in common")
    print(f"| {by} | {name} | {len(says)} | {right} | {unknown} | {nothing} | {wrong} |")


if __name__ == "__main__":
    main(sys.argv[1:])
