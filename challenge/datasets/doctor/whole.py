"""What is wrong with a data set as a whole: what only frames beside each other can tell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from challenge.datasets.doctor.alignment import (
    LEAST_SIGNAL,
    NOTHING,
    Verdict,
    Vote,
    judge,
    vote_by_next,
)
from challenge.datasets.doctor.comparisons import Seen, comparisons
from challenge.datasets.doctor.frame import Look
from challenge.datasets.doctor.place import Place
from challenge.datasets.layout import event_folder
from challenge.findings import Finding
from challenge.sample import sequence_of


class Tally:
    """Keeps of each frame what the comparison with others needs, and no images but the last."""

    def __init__(self, place: Place) -> None:
        self.seen = Seen(place)
        self.votes: dict[tuple[str, str], list[Vote]] = defaultdict(list)
        self._before: Look | None = None

    def add(self, look: Look) -> None:
        """Take the next frame, in the order of splits, sequences and numbers."""
        self.votes[look.files.split, sequence_of(look.files.frame)] += votes_of(look, self._before)
        self._before = look
        self.seen.looks.append(look.without_images())

    def findings(self) -> Iterator[Finding]:
        """Find all that the frames together tell."""
        yield from comparisons(self.seen)
        yield from self._alignment()

    def verdicts(self) -> dict[tuple[str, str], Verdict]:
        """Judge the alignment of each (split, sequence) that has frames with events."""
        keys = {
            (look.files.split, sequence_of(look.files.frame)): None
            for look in self.seen.looks
            if look.signal or (look.recording and look.recording.number)
        }
        return {key: judge(self.votes.get(key, ())) for key in keys}

    def _alignment(self) -> Iterator[Finding]:
        for (split, sequence), verdict in self.verdicts().items():
            folder = self.seen.place.name(event_folder(self.seen.place.root, split))
            where = f"{folder}/{sequence}_*"
            if verdict.says in ("aligned", "cannot tell"):
                yield from self._outsiders(split, sequence)
                continue
            expected = "events that follow the images"
            if verdict.says == "nothing in common":
                yield Finding(
                    *("alignment", where, expected),
                    f"correlation {verdict.score:.2f}, at most {verdict.next_best:.2f} mirrored",
                    "are these the events of other frames, or of another moment?",
                    "warning",
                )
                continue
            yield Finding(
                *("alignment", where, expected),
                f"events that fit {verdict.says} (correlation {verdict.score:.2f}, "
                f"as they are {verdict.next_best:.2f})",
                "convert them again the right way round",
            )

    def _outsiders(self, split: str, sequence: str) -> Iterator[Finding]:
        """Find single frames that have nothing in common with their events."""
        votes = self.votes[split, sequence]
        for vote in votes:
            if vote.by == "sharp" and max(map(abs, vote.scores)) < NOTHING:
                folder = self.seen.place.name(event_folder(self.seen.place.root, split))
                yield Finding(
                    *("alignment", f"{folder}/{vote.frame}_*.npz"),
                    *("events that follow the images", f"correlation {vote.scores[0]:.2f}"),
                    *("do blurry frame, sharp image and events belong together?", "warning"),
                )


def votes_of(look: Look, before: Look | None) -> Iterator[Vote]:
    """Give the votes of a frame whose events show anything, with those beside the frame before it.

    Args:
        look, before: with their images. None: there is no frame before it.
    """
    if look.signal < LEAST_SIGNAL:
        return
    yield from look.votes
    if before is None or before.sums is None or look.sums is None:
        return
    if before.log_blurry is None or look.log_blurry is None or before.size != look.size:
        return
    near = neighbours(before, look)
    if near != "no":
        change = look.log_blurry - before.log_blurry
        yield vote_by_next(look.files.frame, change, before.sums, look.sums, near == "yes")


def neighbours(before: Look, look: Look) -> str:
    """Say whether one exposure follows the other at once, by their clock: "yes", "no", "perhaps".

    "perhaps" where the clock begins anew with each exposure.
    """
    one, two = before.files, look.files
    if (one.split, sequence_of(one.frame)) != (two.split, sequence_of(two.frame)):
        return "no"
    first, then = before.recording, look.recording
    if first is None and then is None:
        return "perhaps"  # grids do not say when
    if first is None or then is None or first.span is None or then.span is None:
        return "no"
    if then.span[0] < first.span[1]:
        return "perhaps"
    pause = float(then.span[0]) - float(first.span[1])
    return "yes" if pause <= first.duration / 2 else "no"
