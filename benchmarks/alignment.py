"""How often the doctor tells rightly whether events follow the images: false alarms and misses.

For each data set (any in HighREV's layout; the simulator makes small ones), each sequence is judged
as it is and harmed in every way that is known: from the sharp images, from the next frames alone,
and from single frames alone. With --six, it is 100 splits drawn at random, of parts of one to
six sequences, of which six frames are looked at, as `predict` does.

    for seed in $(seq 1 30); do
        bash run.sh data --out sets/$seed --seed $seed --width 160 --height 120 \\
            --frames 3 --sequences 6
    done
    PYTHONPATH=. python benchmarks/alignment.py sets/*
"""

from __future__ import annotations

import dataclasses
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from challenge.datasets.doctor.alignment import (
    BACKWARDS,
    LEAST_SIGNAL,
    MOVED,
    Cells,
    EventSums,
    Vote,
    judge,
    vote_by_gradient,
    vote_by_next,
    vote_by_sharp,
)
from challenge.datasets.doctor.frame import Job, Look, look_at_frame
from challenge.datasets.doctor.glance import Glance, spread_frames
from challenge.datasets.doctor.place import locate
from challenge.datasets.doctor.survey import survey
from challenge.datasets.doctor.whole import neighbours
from challenge.images import read_png
from challenge.sample import sequence_of

Frame = tuple[Look, "np.ndarray | None"]  # what was seen, and the logarithm of the sharp image
Sequences = Mapping[tuple[str, str, str], Sequence[Frame]]
Harm = Callable[[EventSums], EventSums]
FLIPPED = "with the polarity flipped"
SPLITS, MOST_FRAMES = 100, 6


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
    "time reversed": (reversed_in_time, BACKWARDS),
}


def read_sequences(roots: list[str]) -> Sequences:
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
            sequences[key].append((look, log_sharp))
    return sequences


def harmed(sequences: Sequences, harm: Harm) -> Sequences:
    def change(look: Look) -> Look:
        assert look.sums is not None
        return dataclasses.replace(look, sums=harm(look.sums))

    return {key: [(change(look), sharp) for look, sharp in v] for key, v in sequences.items()}


def half_an_exposure_later(sequences: Sequences) -> Sequences:
    """Of all frames but the last ones: theirs lie beyond the recording."""

    def joined(look: Look, following: Look) -> Look:
        one, two = look.sums, following.sums
        assert one is not None and two is not None
        early = two.total - two.late
        early_rising = two.rising - two.end - two.late / 2
        total = one.late + one.after + early
        rising = one.end + one.after / 2 + early_rising + early / 2
        sums = EventSums(one.noise, rising, total, early, early_rising, np.zeros_like(early))
        return dataclasses.replace(look, sums=sums)

    return {
        key: [
            (joined(look, following), sharp)
            for (look, sharp), (following, _) in zip(v, v[1:], strict=False)
        ]
        for key, v in sequences.items()
        if len(v) > 2
    }


def of_another_sequence(sequences: Sequences) -> Sequences:
    keys = list(sequences)
    strange = {}
    for key, other in zip(keys, keys[1:] + keys[:1], strict=True):
        own, theirs = sequences[key], sequences[other]
        if other != key and own[0][0].size == theirs[0][0].size:
            strange[key] = [
                (dataclasses.replace(look, sums=theirs[i % len(theirs)][0].sums), sharp)
                for i, (look, sharp) in enumerate(own)
            ]
    return strange


def votes(frames: Sequence[Frame], by: str) -> list[Vote]:
    """The votes of frames that follow each other, where they have what `by` says."""
    cast: list[Vote] = []
    before: Look | None = None
    for look, log_sharp in frames:
        if look.signal >= LEAST_SIGNAL and look.log_blurry is not None and look.sums is not None:
            cast.append(vote_by_gradient("", look.log_blurry, look.sums))
            if by == "sharp" and log_sharp is not None:
                cast.append(vote_by_sharp("", look.log_blurry - log_sharp, look.sums))
            if by != "gradient" and before is not None and before.sums is not None:
                near = neighbours(before, look)
                change = look.log_blurry - before.log_blurry
                if near != "no":
                    cast.append(vote_by_next("", change, before.sums, look.sums, near == "yes"))
        before = look
    return cast


def part_of(length: int, rng: random.Random) -> range:
    """Draw some that follow each other, of so many."""
    start = rng.randrange(length)
    return range(start, rng.randint(start + 1, length))


def judged(sequences: Sequences, by: str, six: bool) -> list[str]:
    """What is said of each sequence, or of splits that are drawn from them."""
    if not six:
        return [judge(votes(frames, by)).says for frames in sequences.values()]
    rng = random.Random(1)
    said = []
    for _ in range(SPLITS if sequences else 0):
        chosen = rng.sample(sorted(sequences), min(rng.randint(1, 6), len(sequences)))
        named = {
            f"{place}_{number:05d}": (place, number)
            for place, key in enumerate(chosen)
            for number in part_of(len(sequences[key]), rng)
        }
        runs: list[list[tuple[int, int]]] = []
        for place, number in map(named.__getitem__, spread_frames(list(named), MOST_FRAMES)):
            if runs and runs[-1][-1] == (place, number - 1):
                runs[-1].append((place, number))
            else:
                runs.append([(place, number)])
        cast = [
            vote
            for run in runs
            for vote in votes([sequences[chosen[place]][number] for place, number in run], by)
        ]
        said.append(Glance((), tuple(cast)).verdict.says)
    return said


def main(given: list[str]) -> None:
    six = "--six" in given
    sequences = read_sequences([each for each in given if each != "--six"])
    print(f"{len(sequences)} sequences, {sum(map(len, sequences.values()))} frames with events")
    print("| told by | events | judged | right | not told | nothing in common | wrong |")
    print("|---|---|---|---|---|---|---|")
    for by in ("sharp", "next", "gradient"):
        chosen = {k: v for k, v in sequences.items() if by != "sharp" or v[0][1] is not None}
        if not chosen:
            continue
        for name, (harm, expected) in HARMS.items():
            changed = harmed(chosen, harm)
            if expected == "with x and y swapped":  # can be told on square sensors alone
                changed = {k: v for k, v in changed.items() if is_square(v[0][0])}
            print_row(by, name, expected, judged(changed, by, six))
        said = judged(half_an_exposure_later(chosen), by, six)
        print_row(by, "half an exposure later", MOVED[1], said)
        said = judged(of_another_sequence(chosen), by, six)
        print_row(by, "of another sequence", "nothing in common", said)


def is_square(look: Look) -> bool:
    return look.size is not None and look.size[0] == look.size[1]


def print_row(by: str, name: str, expected: str, says: list[str]) -> None:
    either = "or time reversed" * (expected == BACKWARDS)  # the sharp image alone cannot tell them
    says = [expected if either and either in each else each.split(" (")[0] for each in says]
    counts = Counter(says)
    right, unknown, nothing = (
        counts[key] for key in (expected, "cannot tell", "nothing in common")
    )
    wrong = len(says) - right - unknown - nothing * (expected != "nothing in common")
    print(f"| {by} | {name} | {len(says)} | {right} | {unknown} | {nothing} | {wrong} |")


if __name__ == "__main__":
    main(sys.argv[1:])
