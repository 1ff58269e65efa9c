"""Golden scores: images made by formula, under every profile, with a dated reason for each change.

After a change that is meant, and after looking at what it did to the numbers:

    python tests/challenge/scoring/test_golden.py "why the scores are other ones now"
"""

from __future__ import annotations

if __name__ == "__main__":
    import pathlib
    import sys

    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[3])

import copy
import datetime
import hashlib
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from challenge.metrics.profiles import PROFILES, score_pair

FILE = Path(__file__).with_name("golden_scores.json")
HOW = f'look at the numbers, then: python {"/".join(FILE.parts[-4:-1])}/{Path(__file__).name} "WHY"'
DIGITS = 9  # decimals kept: the last ones of a float64 depend on the processor


def pattern(height: int, width: int) -> np.ndarray:
    """(H, W, 3) uint8 of integers alone: edges, ramps and fine texture."""
    y, x, channel = np.mgrid[:height, :width, :3]
    return (40 + (x * 3 + y * (channel + 1)) % 120 + (x * x * 7 + x * y * 3 + y * 11) % 31).astype(
        np.uint8
    )


def grain(height: int, width: int, reach: int) -> np.ndarray:
    """(H, W, 3) integers in [-reach, reach], by a linear congruence: the same everywhere."""
    state = np.arange(height * width * 3, dtype=np.uint64).reshape(height, width, 3)
    for _ in range(3):
        state = (state * np.uint64(1664525) + np.uint64(1013904223)) % np.uint64(1 << 32)
        state ^= state >> np.uint64(13)
    return (state % np.uint64(2 * reach + 1)).astype(np.int64) - reach


def noisy(image: np.ndarray, reach: int) -> np.ndarray:
    return np.clip(image + grain(*image.shape[:2], reach), 0, 255).astype(np.uint8)


def blurred(image: np.ndarray) -> np.ndarray:
    parts = [np.roll(image, shift, axis=1).astype(np.uint16) for shift in range(-3, 4)]
    return ((sum(parts) + 3) // 7).astype(np.uint8)


CASES: dict[str, Callable[[], tuple[np.ndarray, np.ndarray]]] = {
    "equal": lambda: (pattern(40, 52), pattern(40, 52)),
    "offset of 3": lambda: (pattern(40, 52) + np.uint8(3), pattern(40, 52)),
    "noise of 6": lambda: (noisy(pattern(61, 98), 6), pattern(61, 98)),
    "noise of 30": lambda: (noisy(pattern(61, 98), 30), pattern(61, 98)),
    "shift by 1": lambda: (np.roll(pattern(48, 130), 1, axis=1), pattern(48, 130)),
    "blur of 7": lambda: (blurred(pattern(75, 203)), pattern(75, 203)),
    "red and blue swapped": lambda: (pattern(40, 52)[:, :, ::-1].copy(), pattern(40, 52)),
    "black": lambda: (np.zeros((37, 43, 3), np.uint8), pattern(37, 43)),
    "one value off": lambda: (pattern(40, 52) + np.eye(1, 6240, 3000, dtype=np.uint8).reshape(
        40, 52, 3), pattern(40, 52)),
    "smallest": lambda: (noisy(pattern(16, 16), 6), pattern(16, 16)),
}  # fmt: skip


# `calculate_psnr` and `calculate_ssim` of the published code (AHupuJR/EFNet 7cf6737), run on these
# very images with torch 2.13 on a CPU; its SSIM is of float32. Left out: what it takes a wrong peak
# for (black) or calls infinite (equal).
PUBLISHED = {
    "offset of 3": (38.58837851428585, 0.9996106028556824),
    "noise of 6": (36.69005173371541, 0.9856694340705872),
    "noise of 30": (23.166224148007856, 0.786541759967804),
    "shift by 1": (21.19497704814965, 0.6947908401489258),
    "blur of 7": (23.82105486740803, 0.8193237781524658),
    "red and blue swapped": (16.020146115332143, 0.08631718903779984),
    "one value off": (86.08264950550334, 0.9999997615814209),
    "smallest": (36.54490162636145, 0.9597226977348328),
}

# A public NTIRE scoring program with SCALE = 4 (scikit-image 0.26), its last logarithm in float64.
# Left out: what its float32 luma blurs by more than 2e-6 dB (one value off: 6.5e-5 dB) or 1e-6 SSIM
# (smallest: 2.5e-6), and the infinite one.
NTIRE = {
    "offset of 3": (39.91030102963009, 0.9997328578943183),
    "noise of 6": (41.43790391013076, 0.9810263868480573),
    "noise of 30": (27.941516591038923, 0.7240541119954114),
    "shift by 1": (24.632601894087287, 0.354340884669396),
    "blur of 7": (27.61081139766731, 0.5081950081979375),
    "red and blue swapped": (29.69866142031593, 0.9056002402353865),
}


def current() -> dict[str, dict[str, dict[str, float]]]:
    """Case -> profile -> metric -> score, as it is now."""
    return {
        case: {
            name: {key: round(value, DIGITS) for key, value in score_pair(profile, *make()).items()}
            for name, profile in PROFILES.items()
        }
        for case, make in CASES.items()
    }


def fingerprint(scores: Any) -> str:
    return hashlib.sha256(json.dumps(scores, sort_keys=True).encode()).hexdigest()[:16]


def check_history(golden: Any) -> None:
    """The numbers are those of the last entry; each entry has a date, a reason, other numbers."""
    history = golden["history"]
    assert history[-1]["scores_sha256"] == fingerprint(golden["scores"]), (
        f"golden scores were changed without an entry in the history; {HOW}"
    )
    dates = [datetime.date.fromisoformat(entry["date"]) for entry in history]
    assert dates == sorted(dates), "the history runs backwards"
    assert all(len(entry["reason"].split()) >= 3 for entry in history), "give a reason"
    hashes = [entry["scores_sha256"] for entry in history]
    assert all(a != b for a, b in zip(hashes, hashes[1:], strict=False)), "an entry changes nothing"


def golden() -> Any:
    return json.loads(FILE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES)
def test_the_golden_scores(case):
    made = {name: score_pair(profile, *CASES[case]()) for name, profile in PROFILES.items()}
    for name, expected in golden()["scores"][case].items():
        assert made[name] == pytest.approx(expected, rel=0, abs=2e-9), (
            f"{name} scores {case!r} otherwise than before; if that is meant, {HOW}"
        )


def test_every_case_and_profile_has_its_golden_scores():
    scores = golden()["scores"]
    assert list(scores) == list(CASES)
    assert all(list(profiles) == list(PROFILES) for profiles in scores.values())


def test_every_change_of_the_golden_scores_has_a_date_and_a_reason():
    check_history(golden())


def test_control_a_change_without_an_entry_is_found():
    changed = golden()
    changed["scores"]["noise of 6"]["standard"]["psnr"] += 1e-6
    with pytest.raises(AssertionError, match="without an entry in the history; look at"):
        check_history(changed)
    entry = {"date": "2026-11-24", "reason": "a control that proves it",
             "scores_sha256": fingerprint(changed["scores"])}  # fmt: skip
    changed["history"].append(entry)
    check_history(changed)
    for key, value, message in (
        ("date", "2020-01-01", "backwards"),
        ("reason", "because", "give a reason"),
    ):
        spoilt = copy.deepcopy(changed)
        spoilt["history"][-1][key] = value
        with pytest.raises(AssertionError, match=message):
            check_history(spoilt)
    changed["history"].append(entry)
    with pytest.raises(AssertionError, match="changes nothing"):
        check_history(changed)


@pytest.mark.parametrize("case", PUBLISHED)
def test_the_golden_scores_of_published_kit_are_those_of_the_published_code(case):
    decibels, ssim = PUBLISHED[case]
    scores = golden()["scores"][case]["published_kit"]
    assert scores["psnr"] == pytest.approx(decibels, abs=1e-6)
    assert scores["ssim"] == pytest.approx(ssim, abs=1e-5)  # the agreement asked for is 1e-4


@pytest.mark.parametrize("case", NTIRE)
def test_the_golden_scores_of_ntire_y_are_those_of_the_ntire_program(case):
    decibels, ssim = NTIRE[case]
    scores = golden()["scores"][case]["ntire_y"]
    assert scores["psnr"] == pytest.approx(decibels, abs=2e-6)
    assert scores["ssim"] == pytest.approx(ssim, abs=1e-6)


@pytest.mark.parametrize(
    "case, profile, psnr",
    [
        ("offset of 3", "published_kit", 20 * math.log10(255 / 3)),
        ("offset of 3", "ntire_y", 20 * math.log10(255 / (3 * 219 / 255))),  # of luma
        ("one value off", "standard", 10 * math.log10(255**2 * 40 * 52 * 3)),
        ("equal", "standard", 100.0),  # the cap
    ],
)
def test_golden_scores_that_a_person_can_check(case, profile, psnr):
    assert golden()["scores"][case][profile]["psnr"] == pytest.approx(psnr, abs=1e-9)


def write(reason: str) -> None:
    """Take the scores as they are now, with an entry in the history."""
    scores = current()
    history = golden()["history"] if FILE.exists() else []
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    entry = {"date": today, "reason": reason, "scores_sha256": fingerprint(scores)}
    value = {"history": [*history, entry], "scores": scores}
    check_history(value)
    FILE.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    print(f"wrote {FILE}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write(sys.argv[1])
