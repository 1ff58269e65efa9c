"""How many gross mistakes `check` finds in the pixels, and how often it blames honest predictions.

python benchmarks/pixels.py ROOT [ROOT ...] [--photographs coffee,gravel] [--source sharp|edi]

Each ROOT is a data set of `bash run.sh data` (another `--seed` gives other scenes). The frames of
each photograph are a submission: its sharp frames, or what EDI makes of the blurry ones. They are
judged as they are, after honest but heavy-handed changes, and with each of the mistakes of
`tests/generators/pixel_mistakes.py`.
"""

from __future__ import annotations

if __name__ == "__main__":
    import pathlib
    import sys

    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])
    from challenge.environment import bootstrap

    bootstrap.ensure_packages()

import importlib
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Annotated, Literal

import cv2
import numpy as np
import typer

from baselines.restorer import load_restorer
from challenge import REPOSITORY, cli
from challenge.datasets import open_split
from challenge.findings import Finding
from challenge.submission.pixels import judge, look_at

Image = np.ndarray
SEQUENCES, FRAMES = 2, 4  # of each photograph


def load_mistakes() -> ModuleType:
    """Import the tests' generator."""
    sys.path.insert(0, str(REPOSITORY / "tests" / "generators"))
    return importlib.import_module("pixel_mistakes")


def submissions(root: Path, source: str) -> dict[str, tuple[list[Image], list[Image]]]:
    """Photograph -> (predictions, inputs) of its first sequences."""
    found: dict[str, tuple[list[Image], list[Image]]] = {}
    for split in ("train", "val", "test"):
        dataset = open_split(root, split)
        if source == "sharp" and not dataset.has_sharp:
            continue
        restorer = load_restorer("edi", dataset, None, "cpu") if source == "edi" else None
        for frame in dataset.frames:
            predictions, inputs = found.setdefault(frame.split("_")[0], ([], []))
            if len(inputs) < SEQUENCES * FRAMES:
                sample = dataset.read_inputs(frame)
                inputs.append(sample.blurry)
                predictions.append(restorer(sample) if restorer else dataset.read_sharp(frame))
    return found


def judged(predictions: list[Image], inputs: list[Image]) -> list[Finding]:
    """Give the warnings about predictions."""
    pairs = zip(predictions, inputs, strict=True)
    return judge({f"{i:05d}.png": look_at(*pair) for i, pair in enumerate(pairs)})


def honest_changes(mistakes: ModuleType) -> dict[str, object]:
    """What a heavy hand does to a restoration, and nobody is to be blamed for."""

    def sharpened(image: Image) -> Image:
        wide = image.astype(np.float64)
        soft = cv2.GaussianBlur(wide, (0, 0), 2)
        return np.asarray(mistakes.levels(wide + 1.5 * (wide - soft)))

    def contrast(image: Image) -> Image:
        return np.asarray(mistakes.levels((image - image.mean()) * 1.1 + image.mean()))

    def cast(image: Image) -> Image:
        return np.asarray(mistakes.levels(image * (1.04, 1, 0.96) + (3, 0, -3)))

    def seams(image: Image) -> Image:
        wide = image.astype(np.float64)
        for number, place in enumerate(mistakes.tiles(image, 2, 4)):
            wide[place] += number % 3 * 4 - 4
        return np.asarray(mistakes.levels(wide))

    return {
        "as it is": lambda image: image,
        "sharpened": sharpened,
        "denoised": lambda image: cv2.bilateralFilter(cv2.medianBlur(image, 3), 5, 30, 3),
        "more contrast": contrast,
        "a cast": cast,
        "seams": seams,
        "all of them": lambda image: seams(cast(contrast(sharpened(image)))),
    }


def command(
    roots: Annotated[list[Path], typer.Argument(help="data sets of `bash run.sh data`")],
    photographs: Annotated[str | None, typer.Option(help="comma-separated; default: all")] = None,
    source: Annotated[Literal["sharp", "edi"], typer.Option(help="what is judged")] = "sharp",
) -> None:
    """Print one row per mistake: how many submissions it was made in, in how many it was found.

    Example: python benchmarks/pixels.py data/mini --photographs coffee,gravel --source edi
    """
    mistakes = load_mistakes()
    made, found, alarms = Counter[str](), Counter[str](), Counter[str]()
    for root in roots:
        sets = submissions(root, source)
        for name, (predictions, inputs) in sets.items():
            if photographs and name not in photographs.split(","):
                continue
            for label, change in honest_changes(mistakes).items():
                warnings = judged([change(each) for each in predictions], inputs)  # type: ignore[operator]
                made[label] += 1
                alarms[label] += bool(warnings)
                for warning in warnings:
                    print(f"blamed: {root} {name}, {label}: {warning.kind}: {warning}")
            enough = (pair[0] for pair in sets.values() if len(pair[0]) == len(inputs))
            strangers = next(each for each in enough if each is not predictions)
            for mistake in mistakes.MISTAKES:
                if mistake.asks == "colour" and np.ptp(inputs[0].astype(int), axis=2).mean() < 8:
                    continue
                side = min(inputs[0].shape[:2]) if mistake.asks == "square" else None
                frames, blurry, others = (
                    [image[:side, :side] for image in images]
                    for images in (predictions, inputs, strangers)
                )
                rng = np.random.default_rng(0)
                honest = mistakes.Honest(frames, FRAMES, others, rng)
                kinds = {each.kind for each in judged(mistake.spoil(honest), blurry)}
                made[mistake.name] += 1
                found[mistake.name] += bool(kinds & set(mistake.kinds))
    print("\n| honest | blamed |\n|---|---|")
    for label in honest_changes(mistakes):
        print(f"| {label} | {alarms[label]} of {made[label]} |")
    print("\n| mistake | found |\n|---|---|")
    for mistake in mistakes.MISTAKES:
        if made[mistake.name]:
            print(f"| {mistake.name} | {found[mistake.name]} of {made[mistake.name]} |")
    whole = sum(found[each.name] == made[each.name] for each in mistakes.MISTAKES)
    total = sum(made[each.name] for each in mistakes.MISTAKES)
    print(f"\nfound {found.total()} of {total}; always found: {whole} of {len(mistakes.MISTAKES)}")


if __name__ == "__main__":
    sys.exit(cli.run(command, None, "benchmarks/pixels.py"))
