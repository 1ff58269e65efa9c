"""Warnings, from the looks of all frames: one for each kind of mistake, with how many have it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from challenge.findings import Finding
from challenge.submission.pixels.compare import (
    Fault,
    Found,
    known_mistakes,
    of_other_levels,
    of_others,
    shining_through,
    unlike_in_part,
    unlike_its_input,
    unrelated,
)
from challenge.submission.pixels.look import Detail, Look, best_shift, strongest_beat

SHIFT_MARGIN = 1.03  # shifted, the squared error of all must be so many times smaller
SHIFT_ALONE, FAR_SHIFT = 3.0, 4  # of one frame: so many times smaller; pixels
APART = 4  # pixels between the channels
BLANK_SHARE = 0.018  # of a frame
WRAPPED_SHARE = 6e-4  # of a frame's samples
WHITE, GRAIN, ROUGHER = 0.5, 800.0, 4.0  # share of white noise; levels squared; times the input
COMB, COMB_TIMES = 1.25, 1.7  # neighbours differ more than the next but one do; times the input's
BEAT_ALONE = 5.0  # times what is allowed; of one frame
SMOOTH = np.array([0.28, 0.97])  # the comb of what has no fine detail (0.25 at least); of its input
FEW_LEVELS = 0.35  # of those between the darkest and the brightest
FLAT_SHARE = 0.01  # so many of a frame's pixels must be flat for their mean to be looked at
NEARLY_ALL = 0.8
TRUNCATED = (-0.65, -0.35)  # levels; truncation takes away half a level on average


def judge(looks: Mapping[str, Look]) -> list[Finding]:
    """Warn about frames, from their looks (name -> look).

    Each frame is held against what no input is needed for, then against its own input and all
    others'; once blamed for a mistake, it is blamed for no lesser one, which would follow from it.
    """
    findings: list[Finding] = []
    left = dict(looks)
    for judged in JUDGES:
        for kind, found, expected, fix in judged(dict(left)):
            mine = {name: what for name, what in found.items() if name in left}
            if mine:
                findings.append(_warning(kind, mine, len(looks), expected, fix))
            left = {name: look for name, look in left.items() if name not in mine}
    return findings


def _plain_faults(looks: Mapping[str, Look]) -> Iterable[Fault]:
    """Find frames that hold no picture, or the input itself."""
    one = {name: "a single colour, such as black" for name, look in looks.items() if look.constant}
    fix = "look at what was saved: NaN, a wrong range or an empty batch"
    yield "constant", one, "a picture", fix
    faint = {name: "none above 1" for name, look in looks.items() if look.top <= 1}
    fix = "multiply by 255 before rounding and saving (challenge.images.to_uint8)"
    yield "range", faint, "values up to 255", fix
    same = {name: "the blurry input, pixel for pixel" for name, look in looks.items() if look.same}
    fix = "right only where nothing moved: was the network's output saved?"
    yield "input", same, "a restored image", fix


def _details(looks: Mapping[str, Look]) -> dict[str, Detail]:
    return {name: look.detail for name, look in looks.items() if look.detail is not None}


def _displaced(looks: Mapping[str, Look]) -> Iterable[Fault]:
    details = _details(looks)
    torn = {
        name: "rows or columns nearer to the next but one than to the next"
        for name, each in details.items()
        if each.comb > COMB and each.comb > COMB_TIMES * each.comb_input
    }
    fix = "look at fields that are interlaced, and at the order in which pixels are put together"
    yield "fields", torn, "rows and columns in their places", fix
    apart = {
        name: f"a channel {each.apart:.0f} pixels beside the others"
        for name, each in details.items()
        if each.apart >= APART
    }
    yield "channels", apart, "channels that lie upon each other", "look at how they are merged"


def _shifted(looks: Mapping[str, Look]) -> Iterable[Fault]:
    """Find frames that all lie beside their places by the same shift."""
    details = _details(looks)
    sizes = Counter(each.shifts.shape for each in details.values())
    if not sizes:
        return
    size = sizes.most_common(1)[0][0]
    errors = [each.shifts for each in details.values() if each.shifts.shape == size]
    shift, gain = best_shift(np.mean(errors, axis=0))
    agree = sum(best_shift(each)[0] == shift for each in errors)
    if shift != (0, 0) and gain > SHIFT_MARGIN and 2 * agree > len(details):
        yield _shift_fault(dict.fromkeys(details, shift))


def _shifted_alone(looks: Mapping[str, Look]) -> Iterable[Fault]:
    """Find frames that lie far beside their places, each by itself."""
    best = {name: best_shift(each.shifts) for name, each in _details(looks).items()}
    yield _shift_fault(
        {
            name: shift
            for name, (shift, gain) in best.items()
            if gain > SHIFT_ALONE and np.hypot(*shift) >= FAR_SHIFT
        }
    )


def _shift_fault(shifts: Mapping[str, tuple[int, int]]) -> Fault:
    found = {
        name: f"a better fit when read {dy:+d} rows and {dx:+d} columns further on"
        for name, (dy, dx) in shifts.items()
    }
    fix = "look at the padding, cropping and resizing around the network"
    return "shift", found, "frames in the input's place", fix


def _grainy(looks: Mapping[str, Look]) -> Iterable[Fault]:
    details = _details(looks)
    grainy = {
        name: f"noise of some {np.sqrt(each.error * each.white):.0f} levels"
        for name, each in details.items()
        if each.white > WHITE
        and each.error * each.white > GRAIN
        and each.rough > ROUGHER * each.rough_input
    }
    fix = "look at what was saved: another layer's output, weights that were not loaded, NaN as 0"
    yield "noise", grainy, "a picture like its input", fix
    steps = {
        name: f"{100 * each.used:.2g} % of the levels in use"
        for name, each in details.items()
        if each.used < FEW_LEVELS and each.used < each.used_input / 2
    }
    fix = "round once, to 256 levels, at the very end; no palette, no half precision of 0 to 255"
    yield "steps", steps, "nearly all levels between dark and bright", fix


def _coarse(looks: Mapping[str, Look]) -> Iterable[Fault]:
    """Find a pattern with a period of a few pixels, or fine detail that not even the input lacks:
    in all frames together, or strong in one.
    """
    details = _details(looks)
    if not details:
        return
    beats = {name: strongest_beat(each.beat) for name, each in details.items()}
    names = [name for name, beat in beats.items() if beat > BEAT_ALONE]
    smooth = np.median([(each.comb, each.comb / each.comb_input) for each in details.values()], 0)
    together = strongest_beat(np.mean([each.beat for each in details.values()], axis=0))
    if together > 1 or (smooth < SMOOTH).all():
        names = list(beats)
    found = "a smaller picture, enlarged, or blocks: a pattern of a few pixels, or no fine detail"
    fix = "restore at full size, and save without loss; look at the order of pixel shuffles"
    yield "coarse", dict.fromkeys(names, found), "detail of full size", fix


def _blank(looks: Mapping[str, Look]) -> Iterable[Fault]:
    details = _details(looks)
    blank = {
        name: f"{100 * each.blank:.2g} % of it without any, far from its input"
        for name, each in details.items()
        if each.blank > BLANK_SHARE
    }
    fix = "look at padding, cropping, tiles and NaN where the frame is put together"
    yield "blank", blank, "a picture everywhere", fix


def _wrapped(looks: Mapping[str, Look]) -> Iterable[Fault]:
    wrapped = {
        name: f"{100 * each.wrapped:.2g} % at the other end of the scale (3 instead of 259)"
        for name, each in _details(looks).items()
        if each.wrapped > WRAPPED_SHARE
    }
    fix = "clip to 0 … 255 before converting to bytes (challenge.images.to_uint8)"
    yield "wrapped", wrapped, "values that stay near their input's", fix


def _truncated(looks: Mapping[str, Look]) -> Iterable[Fault]:
    """Find what is half a level too dark in nearly every frame; a method's own bias would vary."""
    means = {name: each.bias for name, each in _details(looks).items() if each.flat >= FLAT_SHARE}
    suspects = [name for name, mean in means.items() if TRUNCATED[0] <= mean <= TRUNCATED[1]]
    if suspects and len(suspects) >= NEARLY_ALL * len(means):
        bias = sum(means[name] for name in suspects) / len(suspects)
        found = dict.fromkeys(suspects, f"darker by {-bias:.2f} levels on average")
        fix = "round, do not truncate (challenge.images.to_uint8); else it is the method's own bias"
        yield "rounding", found, "flat areas as bright as the input's", fix


JUDGES: tuple[Callable[[Mapping[str, Look]], Iterable[Fault]], ...] = (
    _plain_faults,
    known_mistakes,
    _displaced,
    _shifted,
    of_others,
    _shifted_alone,
    unrelated,
    _blank,
    _wrapped,
    unlike_its_input,
    _grainy,
    _coarse,
    shining_through,
    unlike_in_part,
    of_other_levels,
    _truncated,
)
"""In this order: what explains more comes first."""


def _warning(kind: str, found: Found, total: int, expected: str, fix: str) -> Finding:
    """Warn about several frames at once, in the words that most of them have."""
    names = list(found)
    more = f" and {len(names) - 1} more of {total}" if len(names) > 1 else ""
    words = Counter(found.values()).most_common()
    first = words[0][0]
    if len(words) > 1:
        first = f"{found[names[0]]}; in the others this or the like"
    return Finding(kind, f"{names[0]}{more}", expected, first, fix, "warning")
