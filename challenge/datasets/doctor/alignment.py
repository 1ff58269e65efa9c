"""Whether events and frames are aligned: what the events say of the light, against the images.

By L(t) = L(f) exp(c E(t)), E the sum of the signs since the moment f, the logarithm of what two
images show differs by c times a weighted sum of the signs (to first order in c):

    blurry against sharp       log B - log S  ~  sum of sign * (1 - s if s >= 1/2 else -s)
    a frame against the next   log B' - log B  ~  sum of sign * s, then 1 between the exposures,
                                                  then (1 - s')

where s, from 0 to 1, is when in its exposure an event happened. Both sides are correlated over the
sensor, with the events as they are and as each mirroring would have them. What is right stands out
(measured: `benchmarks/README.md`); a negative correlation is a flipped polarity, or reversed time.
Where there is neither a sharp image nor a next frame, the gradients of log B and of the first sum
are correlated instead; this is weaker, since the edges of the scene stand in B as well. If the
events are those of half an exposure before or after, the weights of the second sum move by as much
(then some events are missing at one end, and more correlates all the same).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from challenge.light import luminance, srgb_to_linear

MOST_CELLS = 1 << 16
BLACK = 0.02
"""Added to linear light in [0, 1]: the logarithm of a black pixel has no meaning."""
TURNED = ("as they are", "mirrored left-right", "upside down", "turned by 180 degrees")
SWAPPED = (
    *("with x and y swapped", "turned by 90 degrees to the left"),
    *("turned by 90 degrees to the right", "with x and y swapped and turned by 180 degrees"),
)
FLIPPED, BACKWARDS = "with the polarity flipped", "with time running backwards in each exposure"
MOVED = tuple(f"as those of half an exposure {when}" for when in ("earlier", "later"))
MOMENTS = (*MOVED, BACKWARDS)
LEAST_SIGNAL = 1.4
"""Of the power of the event sum over that of signs drawn at random: 1 where there is only noise
(0.98 to 1.02 measured), 1.5 and more where something moved."""
CLEAR, CLEAR_GRADIENT = 0.35, 0.08
MARGIN = 2.0
"""A version is taken for the right one where it correlates so much, and so many times as much as
any other."""
MOMENT_MARGIN = 1.1
"""So many times as much as the events as they are correlate those of other moments: 0.9 and less
where they are right, 1.2 and more where they are those of half an exposure later.
"""
NOTHING = 0.15
TAMED = 0.999


@dataclass(frozen=True)
class Cells:
    """The sensor in square cells of `side` pixels, at most `MOST_CELLS`; the rest is cut off."""

    height: int  # of the sensor, in pixels
    width: int
    side: int

    @classmethod
    def of(cls, height: int, width: int) -> Cells:
        """Choose cells of 2x2 pixels on any but the smallest sensor: single events are coarse."""
        side = 1 if min(height, width) < 96 else 2
        while (height // side) * (width // side) >= MOST_CELLS:
            side += 1
        return cls(height, width, side)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        return self.height // self.side, self.width // self.side

    def tables(self) -> tuple[np.ndarray, np.ndarray]:
        """Give (height,) and (width,) int32 that add up to a pixel's cell; too much outside."""
        rows, columns = self.shape
        row = np.arange(self.height, dtype=np.int32) // self.side
        column = np.arange(self.width, dtype=np.int32) // self.side
        outside = rows * columns
        return np.where(row < rows, row * columns, outside), np.where(
            column < columns, column, outside
        )

    def log_light(self, rgb: np.ndarray) -> np.ndarray:
        """Average the light of (H, W, 3) uint8 sRGB over cells: (rows, columns) float32 log.

        Of large cells every second pixel will do.
        """
        rows, columns = self.shape
        step = 1 if self.side < 4 else 2
        chosen = rgb[: rows * self.side : step, : columns * self.side : step]
        light = luminance(srgb_to_linear(chosen))
        small = cv2.resize(light, (columns, rows), interpolation=cv2.INTER_AREA)
        return np.asarray(np.log(small + BLACK), np.float32)


@dataclass(frozen=True)
class EventSums:
    """Sums of the signs of one exposure's events, in (rows, columns) cells.

    noise: what the power of `middle` would be, were the signs random. rising: weighted by s. total:
    by 1. late, end: of those with s >= 1/2 alone, weighted by 1 and by s - 1/2. after: of those
    between the exposure and the next.
    """

    noise: float
    rising: np.ndarray
    total: np.ndarray
    late: np.ndarray
    end: np.ndarray
    after: np.ndarray

    @property
    def falling(self) -> np.ndarray:
        """Weighted by 1 - s."""
        return np.asarray(self.total - self.rising)

    @property
    def middle(self) -> np.ndarray:
        """Weighted by 1 - s in the second half, and by -s in the first."""
        return np.asarray(self.late - self.rising)

    @property
    def start(self) -> np.ndarray:
        """Weighted by 1/2 - s, those of the first half alone."""
        return np.asarray(self.total / 2 - self.rising + self.end)

    @property
    def peak(self) -> np.ndarray:
        """Weighted by 1 - |s - 1/2|."""
        return np.asarray(self.total - self.start - self.end)

    @property
    def signal(self) -> float:
        """The power of `middle` over that of noise; see `LEAST_SIGNAL`."""
        return float((tamed(self.middle) ** 2).sum()) / self.noise if self.noise else 0.0


def sums_of_counts(counts: np.ndarray, moments: np.ndarray) -> EventSums:
    """Take the sums from a grid: (bins, H, W) signed events, which happened at (bins,) moments.

    Events of both signs in a cell are lost: the noise comes out too small, the signal too large.
    """
    bins, height, width = counts.shape
    cells = Cells.of(height, width)
    rows, columns = cells.shape
    area = float(cells.side**2)
    size = (columns, rows)
    whole = [np.asarray(c[: rows * cells.side, : columns * cells.side], np.float32) for c in counts]
    small = np.stack([cv2.resize(c, size, interpolation=cv2.INTER_AREA) * area for c in whole])
    weights = np.minimum(moments, 1 - moments) ** 2
    noise = float(np.abs(counts).sum(axis=(1, 2), dtype=np.float64) @ weights)
    late = np.where(moments > 0.5, 1.0, np.where(moments < 0.5, 0.0, 0.5))
    end = np.maximum(moments - 0.5, 0.0)
    maps = [
        np.tensordot(weight, small, 1).astype(np.float32)
        for weight in (moments, np.ones(bins), late, end, np.zeros(bins))
    ]
    return EventSums(noise, *maps)


@dataclass(frozen=True)
class Vote:
    """How one frame correlates with its events: as they are, and in each other version.

    sure: whether the images compared are certainly neighbours: else a low score tells nothing.
    moments: how the events would correlate if they were those of `MOMENTS`; of "next" alone.
    """

    frame: str
    by: str  # "sharp", "next" or "gradient"
    scores: tuple[float, ...]
    sure: bool = True
    moments: tuple[float, ...] = ()


def tamed(sums: np.ndarray) -> np.ndarray:
    """Keep what a few hot pixels report from outweighing all the others."""
    most = float(np.quantile(np.abs(sums), TAMED))
    return np.clip(sums, -most, most) if most > 0 else sums


def versions(image: np.ndarray) -> list[np.ndarray]:
    """Turn and mirror (rows, columns) in the order of `TURNED`, of square ones of `SWAPPED` too."""
    turned = [image, image[:, ::-1], image[::-1], image[::-1, ::-1]]
    if image.shape[0] != image.shape[1]:
        return turned
    return turned + [np.asarray(each.T) for each in turned]


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Correlate two arrays of one shape, over all their elements; 0 where one is constant."""
    a, b = a - a.mean(), b - b.mean()
    power = float((a * a).sum()) * float((b * b).sum())
    return float((a * b).sum()) / power**0.5 if power > 1e-20 else 0.0


def vote_by_sharp(frame: str, log_change: np.ndarray, sums: EventSums) -> Vote:
    """Compare log B - log S with the sum of the events around the middle of the exposure."""
    scores = [correlation(log_change, each) for each in versions(tamed(sums.middle))]
    return Vote(frame, "sharp", tuple(scores))


def vote_by_next(
    frame: str, log_change: np.ndarray, first: EventSums, then: EventSums, sure: bool = True
) -> Vote:
    """Compare log B' - log B with the events from one exposure to the next."""
    between = tamed(first.rising + first.after + then.falling)
    scores = [correlation(log_change, each) for each in versions(between)]
    others = (
        first.end + first.after / 2 + then.peak,
        first.peak + first.after / 2 + then.start,
        first.falling + first.after + then.rising,
    )
    moments = [correlation(log_change, tamed(each)) for each in others]
    return Vote(frame, "next", tuple(scores), sure, tuple(moments))


def vote_by_gradient(frame: str, log_blurry: np.ndarray, sums: EventSums) -> Vote:
    """Compare the gradients of log B with those of the events; the sign is turned: positive is
    right.
    """
    image = _gradient(log_blurry)
    scores = [-correlation(image, _gradient(each)) for each in versions(tamed(sums.middle))]
    return Vote(frame, "gradient", tuple(scores))


def _gradient(image: np.ndarray) -> np.ndarray:
    smooth = cv2.GaussianBlur(np.asarray(image, np.float32), (0, 0), 1.0)
    return np.stack(np.gradient(smooth))


@dataclass(frozen=True)
class Verdict:
    """What the votes of a sequence say.

    Attributes:
        says: "aligned", "cannot tell", "nothing in common", or which version fits instead.
        by: what the votes compared.
        score, next_best: correlation as they are, and the largest magnitude of another version;
            of a version that fits instead, its own correlation, and that as they are.
    """

    says: str
    by: str = ""
    score: float = 0.0
    next_best: float = 0.0


def judge(votes: Sequence[Vote]) -> Verdict:
    """Take the median of the best votes that there are, and see which version stands out.

    They may be of frames of several sizes: what only square ones can tell is left out then.
    """
    strong = [vote for vote in votes if vote.by != "gradient"]
    chosen = strong or votes
    if not chosen:
        return Verdict("cannot tell")
    if verdict := _of_other_moments([vote for vote in votes if vote.by == "next"]):
        return verdict
    sharp, after = (
        float(np.median([vote.scores[0] for vote in votes if vote.by == by] or [0.0]))
        for by in ("sharp", "next")
    )
    if sharp <= -CLEAR and after >= CLEAR:  # only what happens within an exposure has turned
        return Verdict(BACKWARDS, "sharp", -sharp, sharp)
    medians = _medians([vote.scores for vote in chosen])
    by = chosen[0].by
    best = int(np.argmax(np.abs(medians)))
    others = float(np.abs(np.delete(medians, best)).max())
    score = float(medians[best])
    clear = CLEAR if strong else CLEAR_GRADIENT
    if abs(score) >= clear and abs(score) >= MARGIN * others and (strong or len(votes) > 2):
        if best == 0 and score > 0:
            return Verdict("aligned", by, score, others)
        says = [] if best == 0 else [(*TURNED, *SWAPPED)[best]]
        both = sharp <= -CLEAR and after <= -CLEAR
        says += [FLIPPED + " (or time reversed)" * (not both)] * (score < 0)
        return Verdict(" and ".join(says), by, abs(score), float(medians[0]))
    if strong and abs(score) < NOTHING and all(vote.sure for vote in strong):
        return Verdict("nothing in common", by, float(medians[0]), abs(score))
    return Verdict("cannot tell", by, float(medians[0]), abs(score))


def _of_other_moments(after: Sequence[Vote]) -> Verdict | None:
    """See whether the next frames clearly fit the events as those of other moments."""
    if not after:
        return None
    moments = _medians([vote.moments for vote in after])
    score = float(np.median([vote.scores[0] for vote in after]))
    best = int(np.argmax(moments))
    others = max(score, *np.delete(moments, best).tolist())
    if moments[best] < CLEAR or moments[best] < MOMENT_MARGIN * others:
        return None
    return Verdict(MOMENTS[best], "next", float(moments[best]), score)


def _medians(scores: Sequence[tuple[float, ...]]) -> np.ndarray:
    """Take the median of each score that all have."""
    fewest = min(map(len, scores))
    return np.asarray(np.median([each[:fewest] for each in scores], axis=0))
