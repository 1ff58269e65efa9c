"""What is wrong with frames beside each other: sizes, numbers, contents, splits, clocks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Literal

import numpy as np

from challenge.datasets.doctor.alignment import LEAST_SIGNAL
from challenge.datasets.doctor.frame import Look
from challenge.datasets.doctor.recording import COARSE, MANY
from challenge.datasets.doctor.survey import Place, sequences
from challenge.datasets.layout import event_folder
from challenge.findings import Finding
from challenge.sample import sequence_of

MANY_FRAMES = 3
Size = tuple[int, int] | None


@dataclass
class Seen:
    """The frames that were looked at, without what fills the memory."""

    place: Place
    looks: list[Look] = field(default_factory=list)

    def of_split(self, split: str) -> list[Look]:
        """Return the frames of a split."""
        return [look for look in self.looks if look.files.split == split]

    def events_of(self, split: str) -> int:
        """Count the events of a split's exposures."""
        return sum(look.recording.number for look in self.of_split(split) if look.recording)


def comparisons(seen: Seen) -> Iterator[Finding]:
    """Find all that the frames together tell, but for the alignment."""
    yield from sizes(seen)
    yield from slices(seen)
    yield from grids(seen)
    yield from same_content(seen)
    yield from mixed_splits(seen)
    yield from steps(seen)
    yield from clocks(seen)
    yield from exposures(seen)
    yield from order(seen)


def sizes(seen: Seen) -> Iterator[Finding]:
    """Find frames of another size than the rest of their sequence, and sequences than their split.

    A data set may hold what several cameras saw; one sequence does not.
    """
    for split in seen.place.splits:
        looks = [look for look in seen.of_split(split) if look.size]
        usual = Counter(look.size for look in looks).most_common(1)
        members: dict[str, list[Look]] = defaultdict(list)
        for look in looks:
            members[sequence_of(look.files.frame)].append(look)
        for sequence, group in members.items():
            own = Counter(look.size for look in group).most_common(1)[0][0]
            for look in group:
                if look.size != own:
                    yield _other_size(seen, look, own, sequence, "error")
            if own != usual[0][0]:
                yield _other_size(seen, group[0], usual[0][0], split, "warning")


def _other_size(
    seen: Seen, look: Look, usual: Size, where: str, level: Literal["error", "warning"]
) -> Finding:
    assert usual and look.size
    return Finding(
        *("size", seen.place.name(look.files.blurry)),
        f"{usual[0]}x{usual[1]} (width x height) like most frames of {where}",
        f"{look.size[0]}x{look.size[1]}",
        *("save the whole frame; it is right if another camera saw the sequence", level),
    )


def slices(seen: Seen) -> Iterator[Finding]:
    """Find frames with another number of slices than most."""
    for split in seen.place.splits:
        looks = [look for look in seen.of_split(split) if look.files.slices]
        numbers = Counter(len(look.files.slices) for look in looks)
        for look in looks:
            usual, found = numbers.most_common(1)[0][0], len(look.files.slices)
            if not look.files.slices[-1].stem.endswith(f"_{found - 1:02d}"):
                continue  # one in the middle is missing: said by its name
            name = seen.place.name(look.files.slices[0].with_name(f"{look.files.frame}_*.npz"))
            if found != usual:
                yield Finding(
                    *("slices", name, f"{usual} slices like most frames of {split}"),
                    *(str(found), "the last one is dropped as lying outside: unpack them all"),
                )


def grids(seen: Seen) -> Iterator[Finding]:
    """Find stored grids with another number of bins than most."""
    bins = Counter(look.grid_shape[-1] for look in seen.looks if look.grid_shape)
    for look in seen.looks:
        if look.grid_shape and look.files.grid and len(look.grid_shape) == 3:
            usual = bins.most_common(1)[0][0]
            if look.grid_shape[-1] != usual and look.size == look.grid_shape[1::-1]:
                yield Finding(
                    *("shape", seen.place.name(look.files.grid)),
                    *(f"{usual} bins like most grids", str(look.grid_shape[-1])),
                    "convert it again with as many bins",
                )


def same_content(seen: Seen) -> Iterator[Finding]:
    """Find images and slices that are there twice, above all in two splits."""
    for what, part in enumerate(("blurry", "sharp")):
        owners: dict[str, Look] = {}
        for look in seen.looks:
            digest = look.digests[what]
            path = (look.files.blurry, look.files.sharp)[what]
            if not digest or path is None:
                continue
            first = owners.setdefault(digest, look)
            if first is look:
                continue
            other = (first.files.blurry, first.files.sharp)[what]
            apart = first.files.split != look.files.split
            if part == "sharp" and not apart and max(first.signal, look.signal) < LEAST_SIGNAL:
                continue  # where nothing moves, sharp images may be equal
            yield Finding(
                "splits mixed" if apart else "twice",
                seen.place.name(path),
                "a picture that is in no other split" if apart else f"another {part} picture",
                f"the pixels of {seen.place.name(other or path)}",
                "take it out of one of the two: scores would be too good"
                if apart
                else "copy the right one there, or take one of the two away",
                "error" if apart else "warning",
            )
    yield from _same_events(seen)


def _same_events(seen: Seen) -> Iterator[Finding]:
    owners: dict[tuple[int, ...], tuple[str, Look]] = {}
    for look in seen.looks:
        for key, name in look.recording.keys if look.recording else ():
            first, owner = owners.setdefault(key, (name, look))
            if owner is not look and key[0] >= MANY_FRAMES:
                expected = "events that no other frame has"
                yield Finding(
                    *("twice", name, expected, f"those of {first}"),
                    "unpack or convert the events again",
                )
                break


def mixed_splits(seen: Seen) -> Iterator[Finding]:
    """Find frames, and whole sequences, that two splits have by name."""
    firsts: dict[str, Look] = {}
    owners: dict[str, str] = {}
    shared: dict[str, str] = {}
    for look in seen.looks:
        name, split = look.files.frame, look.files.split
        first = firsts.setdefault(name, look)
        if first.files.split != split:
            yield Finding(
                *("splits mixed", seen.place.name(look.files.blurry)),
                *("a frame of one split", f"{seen.place.name(first.files.blurry)} as well"),
                "keep it in one split: scores would be too good",
            )
        elif owners.setdefault(sequence_of(name), split) != split:
            shared.setdefault(sequence_of(name), split)
    for sequence, split in shared.items():
        yield Finding(
            *("splits mixed", f"{split}: {sequence}", "a sequence of one split"),
            f"frames of it in {owners[sequence]} too",
            "neighbouring frames look alike: keep a sequence in one split",
            "warning",
        )


def steps(seen: Seen) -> Iterator[Finding]:
    """Find sequences whose frame numbers do not step evenly."""
    for split in seen.place.splits:
        names = [look.files.frame for look in seen.of_split(split)]
        for sequence, members in sequences(names).items():
            steps = np.diff([number for number, _ in members])
            usual = Counter(steps.tolist()).most_common(1)[0][0] if len(steps) > 1 else 0
            odd = [members[i][1] for i, step in enumerate(steps) if usual and step != usual]
            if odd:
                yield Finding(
                    *("steps", f"{split}: {sequence}", f"numbers that step by {usual}"),
                    f"another step after {odd[0]} ({len(odd)} of {len(steps)})",
                    *("frames may be missing; it does no harm to training", "note"),
                )


def clocks(seen: Seen) -> Iterator[Finding]:
    """Find clocks that are too coarse, and those that a cast to float32 would make so."""
    ruined: dict[str, list[Look]] = defaultdict(list)
    for look in seen.looks:
        record = look.recording
        if record is None or record.number < MANY or not look.files.slices:
            continue
        name = seen.place.name(look.files.slices[0])
        stamps, left = record.stamps
        if stamps < COARSE:
            expected = f"at least {COARSE} different time stamps"
            yield Finding(
                *("clock", name, expected, f"{stamps} ({record.clock})"),
                "convert it again with whole microseconds in int64",
                "warning",
            )
        elif left < stamps / 2:
            ruined[look.files.split].append(look)
    for split, looks in ruined.items():
        record = looks[0].recording
        assert record is not None
        yield Finding(
            *("clock", f"{event_folder(seen.place.root, split).name} of {split}"),
            "to be read in 64 bits",
            f"a clock of which float32 would leave {record.stamps[1]} of {record.stamps[0]} "
            f"stamps ({len(looks)} frames)",
            *("nothing to do here; other loaders that cast it lose the order", "note"),
        )


def exposures(seen: Seen) -> Iterator[Finding]:
    """Find frames whose events last much longer or shorter than those of their sequence."""
    lasting: dict[tuple[str, str], list[tuple[float, Look]]] = defaultdict(list)
    for look in seen.looks:
        if look.recording and look.recording.number >= MANY and look.recording.span:
            key = (look.files.split, sequence_of(look.files.frame))
            lasting[key].append((look.recording.duration, look))
    for (_, sequence), members in lasting.items():
        usual = median(duration for duration, _ in members)
        for duration, look in members if len(members) >= MANY_FRAMES else ():
            if not 0.7 * usual <= duration <= 1.4 * usual:
                yield Finding(
                    *("exposure", seen.place.name(look.files.slices[0])),
                    f"events over {usual:g} like most frames of {sequence}",
                    *(f"{duration:g} (on the clock of the events)",),
                    "do they belong to this frame's exposure?",
                    "warning",
                )


def order(seen: Seen) -> Iterator[Finding]:
    """Find frames whose events come before those of the frame before them.

    Only where most of the sequence ascends: some clocks begin anew with each exposure.
    """
    for split in seen.place.splits:
        looks = {look.files.frame: look for look in seen.of_split(split)}
        for members in sequences(looks).values():
            chosen = [looks[frame] for _, frame in members]
            spans = [
                (look, look.recording.span)
                for look in chosen
                if look.recording and look.recording.span
            ]
            back = [
                (before, look)
                for (before, (_, last)), (look, (first, _)) in pairwise(spans)
                if first < last
            ]
            for before, look in back if 2 * len(back) <= len(spans) - 1 else ():
                expected = f"events after those of {before.files.frame}"
                yield Finding(
                    *("time", seen.place.name(look.files.slices[0]), expected),
                    "events that begin earlier",
                    "are these the events of another frame?",
                )
