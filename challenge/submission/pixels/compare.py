"""Small copies of all predictions, held against those of all inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import cv2
import numpy as np

from challenge.submission.pixels.known import KNOWN
from challenge.submission.pixels.look import SIDE, Look
from challenge.submission.pixels.motion import blurred_by_motion

SOFT = 2.0  # cells; what restoring changes hardly counts after that
LEAST = 2.5  # levels; nothing nearer to its input than that is blamed
LEASTS = {"channels": 8.0}  # levels; a slight cast is no mistake
MARGINS = {"levels": 9.0, "zoom": 3.0}  # spoiled, the squared error must be so many times smaller
MARGIN = 3.5
TOGETHER, NEARLY_ALL = 2.0, 0.8  # for channels, the same in nearly all frames
EXPLAINED = 0.2  # of the contrast, squared, may be left
ANOTHER = 2.5  # times nearer to another frame's input, squared
GAIN, OFFSET = (0.72, 1.35), 0.3  # contrast against the input's; brightness, as a share of it
DARK = 16.0  # levels; brightness is compared with at least that
UNRELATED = 0.95  # share of the prediction's shapes that are not its input's
TILES = 4  # by as many
PART, PART_CONTRAST, PART_LEAST = 0.65, 0.5, 8.0  # share of a tile; of the contrast; levels

Found = Mapping[str, str]
"""Name of a frame -> what is found in it."""
Fault = tuple[str, Found, str, str]
"""Kind, what was found in which frames, what was expected, how to mend it."""
WORDS = {
    "turned": "frames as their inputs lie",
    "zoom": "the whole of the frame",
    "channels": "the input's colours",
    "levels": "the input's brightness",
    "wrapped": "values that stay near their input's",
}


def _errors(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    return np.asarray(np.square(ours - theirs).mean(axis=(1, 2, 3)))


def _copies(looks: Mapping[str, Look]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names, (N, SIDE, SIDE, 3) predictions and inputs of the frames that have an input."""
    known = {n: (k.small, k.target) for n, k in looks.items() if k.small is not None}
    pairs = np.array(list(known.values()), np.float32).reshape(-1, 2, SIDE, SIDE, 3)
    return list(known), pairs[:, 0], pairs[:, 1]


def _soft(small: np.ndarray) -> np.ndarray:
    soft = [cv2.GaussianBlur(each.astype(np.float32), (0, 0), SOFT) for each in small]
    return np.array(soft, np.float32).reshape(small.shape)


def _soft_copies(looks: Mapping[str, Look]) -> tuple[list[str], np.ndarray, np.ndarray]:
    names, ours, theirs = _copies(looks)
    return names, _soft(ours), _soft(theirs)


def _not_moved(suspects: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> list[int]:
    """Give which of the suspects, (N,) bool, no motion explains."""
    places = map(int, np.flatnonzero(suspects))
    return [i for i in places if not blurred_by_motion(ours[i], theirs[i])]


def known_mistakes(looks: Mapping[str, Look]) -> Iterable[Fault]:
    """Try each known mistake on the inputs: which of them explains a prediction best?"""
    names, ours, theirs = _copies(looks)
    if not names:
        return
    straight = _errors(_soft(ours), _soft(theirs))
    spoiled = np.array([_errors(_soft(ours), _soft(known.spoil(theirs))) for known in KNOWN]) + 0.1
    margins = np.array([MARGINS.get(known.kind, MARGIN) for known in KNOWN])[:, None]
    least = np.array([LEASTS.get(known.kind, LEAST) for known in KNOWN])[:, None]
    contrast = _shapes(theirs)[1]
    nearer = (straight > margins * spoiled) & (straight > least**2)
    nearer &= spoiled < EXPLAINED * np.square(np.maximum(contrast, least))
    for index, known in enumerate(KNOWN):  # a weak tint tells by all frames together
        mine = straight > TOGETHER * spoiled[index]
        if known.kind == "channels" and mine.mean() > NEARLY_ALL:
            nearer[index] |= mine & (straight > LEAST**2)
    best = np.where(nearer, spoiled, np.inf).argmin(axis=0)
    blamed = nearer.any(axis=0)
    for kind in dict.fromkeys(known.kind for known in KNOWN):
        mine = [i for i in np.flatnonzero(blamed) if KNOWN[best[i]].kind == kind]
        if mine:
            fixes = [KNOWN[best[i]].fix for i in mine]
            found = {
                names[i]: f"{KNOWN[best[i]].found}: so, the input is "
                f"{np.sqrt(straight[i] / spoiled[best[i], i]):.2g} times nearer"
                for i in mine
            }
            yield kind, found, WORDS[kind], max(fixes, key=fixes.count)


def _shapes(small: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, values) without brightness and contrast, of length 1; (N,) the contrast in levels."""
    centred = small - small.mean(axis=(1, 2), keepdims=True)
    contrast = np.sqrt(np.square(centred).mean(axis=(1, 2, 3)))
    flat = centred.reshape(len(small), -1)
    return flat / np.maximum(contrast, 0.5)[:, None] / np.sqrt(flat.shape[1]), contrast


def of_others(looks: Mapping[str, Look]) -> Iterable[Fault]:
    """Find the predictions that have the shapes of another frame's input."""
    names, ours, theirs = _copies(looks)
    other = _nearer_to_another(ours, theirs)
    found = {names[i]: f"one nearer to the input of {names[j]}" for i, j in other.items()}
    fix = "look at the order in which frames are read, named and saved"
    yield "frames", found, "a restoration of its own input", fix


def shining_through(looks: Mapping[str, Look]) -> Iterable[Fault]:
    """Find the predictions that are half another frame."""
    names, ours, theirs = _copies(looks)
    other = _nearer_to_another(2 * ours - theirs, theirs)
    found = {names[i]: f"that of {names[j]} shining through" for i, j in other.items()}
    fix = "look at buffers that are used again, and at averages over frames"
    yield "frames", found, "a restoration of its own input", fix


def _nearer_to_another(ours: np.ndarray, theirs: np.ndarray) -> dict[int, int]:
    """Give (which prediction, whose input) where another frame's shapes fit much better.

    Brightness and contrast do not count: in a fade, restoring may change more than time does.
    """
    if len(ours) < 2:
        return {}
    target, contrast = _shapes(theirs)
    distances = 1 - _shapes(ours)[0] @ target.T
    own = distances.diagonal().copy()
    np.fill_diagonal(distances, np.inf)
    least = distances.min(axis=1) + 1e-4
    clear = (own > ANOTHER * least) & (own * np.square(contrast) > LEAST**2)
    return {int(i): int(distances[i].argmin()) for i in np.flatnonzero(clear)}


def unrelated(looks: Mapping[str, Look]) -> Iterable[Fault]:
    """Find what has nothing in common with its input."""
    return unlike_its_input(looks, UNRELATED)


def unlike_its_input(looks: Mapping[str, Look], share: float = 0.5) -> Iterable[Fault]:
    """Find what has less than `share` of its shapes from its input, and nothing explains it."""
    names, ours, theirs = _soft_copies(looks)
    if not names:
        return
    (mine, _), (target, contrast) = _shapes(ours), _shapes(theirs)
    apart = 1 - (mine * target).sum(axis=1)
    off = (apart > share) & (contrast > 2 * LEAST)
    found = {
        names[i]: f"{100 * min(apart[i], 1):.0f} % of its shapes are not its input's"
        for i in _not_moved(off, ours, theirs)
    }
    fix = "look at both (`bash run.sh show`): another split, a wrong reshape, tiles misplaced?"
    yield "unlike", found, "a restoration of its input", fix


def unlike_in_part(looks: Mapping[str, Look]) -> Iterable[Fault]:
    """Find a tile that has little in common with its input's.

    Its error must count in the whole frame, and beside what both tiles hold. By the frame's
    contrast alone, an object that flies past a quiet wall would be blamed: its blur spreads it
    out, and restoring it changes more than the wall holds, but there it is, in both.
    """
    names, ours, theirs = _soft_copies(looks)
    if not names:
        return
    error, held = _tile_errors(ours, theirs)
    contrast = _shapes(theirs)[1][:, None, None]
    off = error > np.square(np.maximum(PART_CONTRAST * contrast, PART_LEAST))
    off &= error > PART * held
    worst = np.where(off, error, 0).reshape(len(names), -1).argmax(axis=1)
    found = {}
    for i in _not_moved(np.any(off, axis=(1, 2)), ours, theirs):
        row, column = divmod(int(worst[i]), TILES)
        place = f"row {row + 1}, column {column + 1} of {TILES} by {TILES} tiles"
        found[names[i]] = f"a part that is not its input's ({place})"
    fix = "look at both (`bash run.sh show`): tiles in wrong places?"
    yield "part", found, "a restoration of its input", fix


def _tile_errors(ours: np.ndarray, theirs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compare tile by tile, the frame's own contrast and brightness fitted.

    Both (N, TILES, TILES): the mean squared error, and that of both tiles from their input's mean
    colour, which is as much where they have nothing in common and more where they are alike.
    """
    rest = _fit(ours, theirs)[2]
    mine = ours - ours.mean(axis=(1, 2), keepdims=True)
    shape = -1, TILES, SIDE // TILES, TILES, SIDE // TILES, 3
    error, mine, target = (each.reshape(shape) for each in (rest, mine, mine - rest))
    colour = target.mean(axis=(2, 4), keepdims=True)
    apart = error, mine - colour, target - colour
    squares = [np.square(each).mean(axis=(2, 4, 5)) for each in apart]
    return squares[0], squares[1] + squares[2]


def of_other_levels(looks: Mapping[str, Look]) -> Iterable[Fault]:
    """Find another contrast or brightness than the input's."""
    names, ours, theirs = _soft_copies(looks)
    if not names:
        return
    gain, offset, _ = _fit(ours, theirs)
    contrast = _shapes(theirs)[1]
    change = np.abs(offset).max(axis=1) / np.maximum(theirs.mean(axis=(1, 2, 3)), DARK)
    off = ((gain < GAIN[0]) | (gain > GAIN[1])) & (contrast > 2 * LEAST) | (change > OFFSET)
    found = {
        names[i]: f"{gain[i]:.2f} times its contrast, {offset[i].mean():+.0f} levels"
        for i in _not_moved(off, ours, theirs)
    }
    fix = "look at how values are scaled before they are saved"
    yield "levels", found, "the input's brightness", fix


def _fit(ours: np.ndarray, theirs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit one contrast per frame; (N,) it, (N, 3) brightness beyond the input's, what is left."""
    means = [small.mean(axis=(1, 2), keepdims=True) for small in (ours, theirs)]
    mine, target = ours - means[0], theirs - means[1]
    gain = (mine * target).mean(axis=(1, 2, 3)) / np.maximum(
        np.square(target).mean(axis=(1, 2, 3)), 1
    )
    return gain, (means[0] - means[1])[:, 0, 0], mine - gain[:, None, None, None] * target
