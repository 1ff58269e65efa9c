"""What rounding costs: `python benchmarks/rounding.py`, no data needed.

Estimates of a random 8-bit image with errors that make 30 to 45 dB; of two estimates the errors
have the correlation 0.5. What is compared is the PSNR of what is written as 8-bit, against that of
the floats (mean over seeds).
"""

from __future__ import annotations

import numpy as np

from challenge.commands.fuse import mean
from challenge.images import to_uint8

SIZE, SEEDS = (400, 500, 3), 5


def psnr(image: np.ndarray, sharp: np.ndarray) -> float:
    """PSNR in dB of levels, which may be fractions, on a peak of 255."""
    return float(-10 * np.log10(np.mean(((image - sharp) / 255.0) ** 2)))


def costs(decibels: float, seed: int) -> list[float]:
    """Lost dB of: rounding, truncating; of a mean of two: rounded once, rounded twice, truncated
    twice.
    """
    rng = np.random.default_rng(seed)
    sharp = rng.integers(40, 216, size=SIZE).astype(float)
    spread = 255 * 10 ** (-decibels / 20)
    shared, *own = (rng.normal(0, spread / np.sqrt(2), SIZE) for _ in range(3))
    first, second = ((sharp + shared + each) / 255 for each in own)
    single, both = psnr(first * 255, sharp), psnr((first + second) / 2 * 255, sharp)
    cut = [np.floor(each * 255) for each in (first, second)]
    return [
        single - psnr(to_uint8(first).astype(float), sharp),
        single - psnr(cut[0], sharp),
        both - psnr(to_uint8((first + second) / 2).astype(float), sharp),
        both - psnr(mean([to_uint8(first), to_uint8(second)]).astype(float), sharp),
        both - psnr(np.floor((cut[0] + cut[1]) / 2), sharp),
    ]


def main() -> None:
    """Print the table."""
    print("| PSNR of floats | rounded | truncated | mean, rounded once | twice | truncated twice |")
    print("|---|---|---|---|---|---|")
    for decibels in (30, 35, 40, 45):
        lost = np.mean([costs(decibels, seed) for seed in range(SEEDS)], axis=0)
        print(f"| {decibels} dB | " + " | ".join(f"{each:.3f}" for each in lost) + " |")


if __name__ == "__main__":
    main()
