"""What each recipe is worth: trainings of one budget, paired by seed with the default.

python benchmarks/recipes.py OUT --minutes 5 [--seeds 3] [--only default,charbonnier]
python benchmarks/recipes.py OUT --iterations 3500

The recipes stand in benchmarks/recipes.yml. `--minutes` are processor time of the steps: how many
iterations a recipe gets for them is found once, in turns with the default, and kept in OUT. A kill
costs what was trained since the last save: the same command goes on, and what is finished stays.
Validated once, at the end: the last weights are judged (or their running mean), never the best of
many. Scored are the embedded validation set, the real recording with truth (`bash run.sh data
--real`) and, by Tenengrad, the 30 real frames without truth: the mean squared gradient beside the
blurry frame's, which noise and ringing raise as well. It prints Markdown, of what there is so far.
Run it in one thread: OMP_NUM_THREADS=1.
"""

from __future__ import annotations

if __name__ == "__main__":
    import pathlib
    import sys

    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])
    from challenge.environment import bootstrap

    bootstrap.ensure_packages()

import dataclasses
import json
import os
import re
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer

from baselines import LAST
from baselines.distributed import World
from baselines.efnet import train
from baselines.efnet.config import Config, read_config
from baselines.efnet.crops import Crops, Positions, collate
from baselines.efnet.inference import Inference
from baselines.efnet.stages import Stage, stages_of
from baselines.efnet.training import Training
from baselines.efnet.trainings.facts import read_training
from baselines.mean import load_mean
from benchmarks.recipe_table import Cells, markdown
from challenge import REPOSITORY, cli
from challenge.config import load_config
from challenge.datasets import Dataset, open_split
from challenge.environment.locks import locked
from challenge.errors import ChallengeError, ConfigError
from challenge.files import write_json, write_text
from challenge.importers import street
from challenge.metrics.psnr import psnr

TABLE = REPOSITORY / "benchmarks" / "recipes.yml"
SAMPLES = Path(os.environ.get("KIT_SAMPLES", REPOSITORY.parent / "shared" / "samples"))
TURNS, TIMED_STEPS = 4, 4
"""Of timing a recipe beside the default; the first turn, in which frames are read, is left out."""
PERCENT = re.compile(r"(?<![\w.])(\d+)%")


@dataclass
class Recipe:
    """One line of the table."""

    what: str = ""
    train: list[str] = field(default_factory=list)  # overrides of the configuration
    flips: bool = False  # restored eight ways
    tiles: list[int] = field(default_factory=list)
    fuse: list[str] = field(default_factory=list)  # recipes averaged with its own network


@dataclass
class Table:
    """What `recipes.yml` holds."""

    config: str
    recipes: dict[str, Recipe]


@dataclass(frozen=True)
class Plan:
    """What is measured, and where it is kept."""

    out: Path
    table: Table
    iterations: int | None  # of every recipe, or
    minutes: float | None  # of the processor, for the steps of every recipe

    @property
    def first(self) -> str:
        """The recipe that the others are compared with."""
        return next(iter(self.table.recipes))

    def trained_as(self, name: str) -> str:
        """Name the recipe whose training it uses: the first one with its overrides."""
        wanted = self.table.recipes[name].train
        return next(key for key, each in self.table.recipes.items() if each.train == wanted)

    def config(self, name: str, iterations: int, seed: int, training: str) -> list[str]:
        """Return the words of the command line that trains a recipe."""
        overrides = [
            PERCENT.sub(lambda found: str(int(found[1]) * iterations // 100), each)
            for each in self.table.recipes[name].train
        ]
        every = [f"train.iterations={iterations}", f"train.validate_every={iterations}"]
        every += [f"train.save_every={max(iterations // 10, 1)}", f"train.seed={seed}"]
        return [str(REPOSITORY / self.table.config), *overrides, *every, f"name={training}"]

    def read(self, name: str, iterations: int, seed: int = 1) -> Config:
        """Read the configuration of a recipe."""
        path, *overrides = self.config(name, iterations, seed, "timed")
        return read_config(Path(path), overrides)


def command(
    out: Annotated[Path, typer.Argument(help="folder of the trainings and scores; goes on there")],
    minutes: Annotated[
        float | None, typer.Option(help="of the processor, for the steps of each training")
    ] = None,
    iterations: Annotated[
        int | None, typer.Option(min=2, help="the same number for each recipe, instead")
    ] = None,
    seeds: Annotated[int, typer.Option(min=2, help="1 to so many")] = 3,
    only: Annotated[
        str | None, typer.Option(help="names, comma between; the first of the table is among them")
    ] = None,
    table: Annotated[Path, typer.Option(help="the recipes")] = TABLE,
    samples: Annotated[Path, typer.Option(help="folder of the real recordings")] = SAMPLES,
    show: Annotated[bool, typer.Option("--show", help="print what there is; run nothing")] = False,
) -> int:
    """Train and score recipes, and print what each is worth.

    Example: OMP_NUM_THREADS=1 python benchmarks/recipes.py recipes_runs --minutes 5
    """
    found = load_config(Table, table)
    plan = Plan(out, found, *budget(out, iterations, minutes))
    names = list(found.recipes) if only is None else [plan.first, *only.split(",")]
    for name in names:
        for needed in [name, *(found.recipes[name].fuse if name in found.recipes else ())]:
            if needed not in found.recipes:
                raise ConfigError(f"{needed}: no such recipe in {table}")
    names = list(dict.fromkeys(names))
    if not show:
        out.mkdir(parents=True, exist_ok=True)
        with locked(out, wait_s=0):
            write_json(out / "budget.json", [plan.iterations, plan.minutes])
            sets = open_sets(plan, samples)
            references(plan, sets)
            for seed in range(1, seeds + 1):
                for name in names:
                    if code := measure(plan, name, seed, sets):
                        return code
    text = markdown(*collected(plan, list(found.recipes), seeds))
    write_text(out / "table.md", text)
    print(text)
    return 0


def budget(
    out: Path, iterations: int | None, minutes: float | None
) -> tuple[int | None, float | None]:
    """Return the budget that was asked for, or the one that OUT was begun with."""
    path, asked = out / "budget.json", (iterations, minutes)
    there = tuple(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None
    if asked == (None, None) and there:
        return there
    if (iterations is None) == (minutes is None):
        raise ConfigError("expected --minutes or --iterations, one of them")
    if there not in (None, asked):
        raise ConfigError(
            f"{out}: holds trainings of (iterations, minutes) = {there}, asked for {asked}; "
            "name another OUT"
        )
    return asked


def open_sets(plan: Plan, samples: Path) -> dict[str, Dataset]:
    """Open what is scored; what is not there is skipped with a reason."""
    sets = {"val": train.open_data(plan.read(plan.first, 100), "val")}
    recording = samples / street.NAME / "street.aedat4"
    try:
        if not street.ROOT.is_dir() and recording.is_file():
            street.make(recording, street.ROOT)
        sets["street"] = open_split(street.ROOT, "val")
    except ChallengeError as error:
        print(f"skipped, the real frames with truth: {error.summary}; bash run.sh data --real")
    try:
        sets["cups"] = open_split(samples / "davis346_cups", "test")
    except ChallengeError as error:
        print(f"skipped, the real frames without truth: {error.summary}")
    return sets


def measure(plan: Plan, name: str, seed: int, sets: dict[str, Dataset]) -> int:
    """Train and score a recipe with one seed, as far as that is not done; return the exit code."""
    recipe = plan.table.recipes[name]
    checkpoints = []
    for each in [name, *recipe.fuse]:
        folder, code = trained(plan, plan.trained_as(each), seed)
        if code:
            return code
        checkpoints.append(folder / LAST)
    settings = Inference(flips=recipe.flips, tiles=tuple(recipe.tiles))
    asked = dataclasses.asdict(recipe)
    asked.pop("what")

    def scores() -> dict[str, Any]:
        print(f"{name}, seed {seed}: scoring", flush=True)
        restored = {
            key: restored_scores(frames, "efnet", checkpoints, settings)
            for key, frames in sets.items()
        }
        return {"asked": asked, **restored}

    kept(plan.out / "scores" / f"{name}_s{seed}.json", scores, asked, sets)
    return 0


def references(plan: Plan, sets: dict[str, Dataset]) -> None:
    """Score what needs no training."""
    for name in ("blurry", "edi"):
        asked = {"baseline": name}
        kept(
            plan.out / "scores" / f"{name}.json",
            lambda name=name, asked=asked: {  # type: ignore[misc]
                "asked": asked,
                **{key: restored_scores(each, name, (), None) for key, each in sets.items()},
            },
            asked,
            sets,
        )


def kept(
    path: Path, make: Callable[[], dict[str, Any]], asked: Any, sets: Sequence[str]
) -> dict[str, Any]:
    """Read scores, or make them where there are none of these sets.

    Raises:
        ConfigError: they are of another recipe of this name.
    """
    if path.exists():
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if values["asked"] != asked:
            raise ConfigError(
                f"{path}: was made by another recipe of this name ({values['asked']}); remove it "
                f"and its trainings, {path.parents[1] / 'runs' / path.stem}, or name it otherwise"
            )
        if set(sets) <= values.keys():
            return values
    values = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, values)
    return values


def trained(plan: Plan, name: str, seed: int) -> tuple[Path, int]:
    """Train a recipe with one seed, or go on; return the folder and the exit code."""
    runs, training = plan.out / "runs", f"{name}_s{seed}"
    count = plan.iterations or steps_for(plan, name)
    if (runs / training).is_dir():
        facts = read_training(runs / training)
        if facts.state == "finished" and facts.iteration >= count:
            return runs / training, 0
    words = plan.config(name, count, seed, training)
    began = time.process_time()
    code = train.main([*words, "--resume"], runs)
    print(f"{training}: {time.process_time() - began:.0f} s of the processor", flush=True)
    if 0 < code < 128:
        raise ChallengeError(f"{training}: could not be trained; see above")
    return runs / training, code


def steps_for(plan: Plan, name: str) -> int:
    """Find how many iterations the budget is worth, once."""
    assert plan.minutes is not None
    path = plan.out / "steps.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for each in (plan.first, name):
        if each not in found:
            own, first = (timer(plan, one) for one in (each, plan.first))
            turns = [(own(), first()) for _ in range(TURNS)][1:]  # frames are read in the first
            step_s = (
                found[plan.first]["step_s"] if found else statistics.median(t[1] for t in turns)
            )
            step_s *= 1.0 if each == plan.first else statistics.median(a / b for a, b in turns)
            count = max(int(60 * plan.minutes / step_s), 2)
            found[each] = {"step_s": step_s, "iterations": count}
            write_json(path, found)
            print(f"{each}: a step takes {1e3 * step_s:.0f} ms, {count} of them", flush=True)
    return int(found[name]["iterations"])


def timer(plan: Plan, name: str) -> Callable[[], float]:
    """Prepare to time a step with its crops, processor time, stages averaged by their shares."""
    config = plan.read(name, 1000)
    training = Training(config, plan.out / "timed")  # nothing is written there
    crops = Crops(train.open_data(config, "train"), config.data, config.train)

    def seconds(stage: Stage) -> float:
        positions = Positions(stage._replace(end=stage.begin + TIMED_STEPS), stage.begin, World())
        cut, taken = crops.of_stage(stage), []
        for each in positions:
            began = time.process_time()
            training.step(collate([cut[position] for position in each]))
            taken.append(time.process_time() - began)
        return statistics.median(taken)

    stages = stages_of(config.train)
    return lambda: sum((each.end - each.begin) / 1000 * seconds(each) for each in stages)


def restored_scores(
    frames: Dataset, baseline: str, checkpoints: Sequence[Path], settings: Inference | None
) -> dict[str, float]:
    """Restore every frame: PSNR where the sharp image is known, else Tenengrad beside the input."""
    restorer = load_mean(baseline, frames, checkpoints, "cpu", settings)
    scores = {}
    for number, frame in enumerate(frames.frames):
        sample = frames[number]
        image = restorer(dataclasses.replace(sample, sharp=None))
        if sample.sharp is None:
            scores[frame] = tenengrad(image) / tenengrad(sample.blurry)
        else:
            scores[frame] = psnr(image, sample.sharp)
    return scores


def tenengrad(image: np.ndarray) -> float:
    """Return the mean squared gradient (Sobel) of the grey (H, W, 3) uint8 image."""
    grey = image.astype(np.float64).mean(axis=2)
    rows, columns = cv2.Sobel(grey, cv2.CV_64F, 0, 1), cv2.Sobel(grey, cv2.CV_64F, 1, 0)
    return float(np.mean(rows**2 + columns**2))


def collected(plan: Plan, names: Sequence[str], seeds: int) -> tuple[list[Cells], int]:
    """Read all scores there are, by recipe and seed."""

    def of(path: Path) -> dict[str, float] | None:
        if not path.exists():
            return None
        values = json.loads(path.read_text(encoding="utf-8"))
        return {
            key: float(np.mean([*each.values()])) for key, each in values.items() if key != "asked"
        }

    steps_file = plan.out / "steps.json"
    steps = json.loads(steps_file.read_text(encoding="utf-8")) if steps_file.exists() else {}
    rows = [
        Cells(name, name, None, {0: found})
        for name in ("blurry", "edi")
        if (found := of(plan.out / "scores" / f"{name}.json"))
    ]
    for name in names:
        scores = {
            seed: of(plan.out / "scores" / f"{name}_s{seed}.json") for seed in range(1, seeds + 1)
        }
        there = {seed: each for seed, each in scores.items() if each is not None}
        if there:
            count = plan.iterations or steps.get(plan.trained_as(name), {}).get("iterations")
            rows.append(Cells(name, plan.table.recipes[name].what, count, there))
    return rows, seeds


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    return cli.run(command, argv, "python benchmarks/recipes.py")


if __name__ == "__main__":
    sys.exit(main())
