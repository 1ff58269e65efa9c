"""What each recipe is worth: trainings of one budget, paired by seed with the default.

python benchmarks/recipes.py OUT --minutes 5 [--seeds 3] [--only default,charbonnier]
python benchmarks/recipes.py OUT --iterations 3500

The recipes stand in benchmarks/recipes.yml. `--minutes` are processor time of the steps: how many
iterations a recipe gets for them is found once, in turns with the default, and kept in OUT. A kill
costs what was trained since the last save: the same command goes on, and what is finished stays.
The same command again, beside it, takes what the first is not at: one on each core.
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

import contextlib
import dataclasses
import itertools
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from baselines import CONFIG, LAST
from baselines.distributed import World
from baselines.efnet import train
from baselines.efnet.config import read_config
from baselines.efnet.crops import Crops, Positions, collate
from baselines.efnet.inference import Inference
from baselines.efnet.stages import Stage, stages_of
from baselines.efnet.training import Training
from baselines.efnet.trainings.facts import read_training
from benchmarks.recipe_plan import TABLE, Plan, Table
from benchmarks.recipe_scores import (
    REFERENCES,
    kept,
    means,
    open_sets,
    other_recipe,
    references,
)
from benchmarks.recipe_table import Cells, markdown
from challenge import REPOSITORY, cli
from challenge.config import load_config
from challenge.datasets import Dataset
from challenge.environment.locks import locked
from challenge.errors import ChallengeError, ConfigError
from challenge.files import write_json, write_text

SAMPLES = Path(os.environ.get("KIT_SAMPLES", REPOSITORY.parent / "shared" / "samples"))
PAUSE_S = 5.0
TURNS, TIMED_STEPS = 4, 4
"""Of timing a recipe beside the default; the first turn, in which frames are read, is left out."""


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
    failed: list[str] = []
    if not show:
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / "budget.json", [plan.iterations, plan.minutes])
        sets = open_sets(train.open_data(plan.read(plan.first, 100), "val"), samples)
        with locked(out / "references"):
            references(out / "scores", sets)
        if code := measure_all(plan, names, seeds, sets, failed):
            return code
    text = markdown(collected(plan, seeds), seeds)
    write_text(out / "table.md", text)
    print(text)
    if failed:
        raise ChallengeError("could not be measured", failed)
    return 0


def budget(
    out: Path, iterations: int | None, minutes: float | None
) -> tuple[int | None, float | None]:
    """Return the budget that was asked for, or the one that OUT was begun with."""
    path, asked = out / "budget.json", (iterations, minutes)
    there = tuple(read_json(path, ())) or None
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


def measure_all(
    plan: Plan, names: Sequence[str], seeds: int, sets: dict[str, Dataset], failed: list[str]
) -> int:
    """Measure recipes, seed by seed; return the exit code, other than 0 where it was stopped.

    Those that other processes are at are left to them, and looked at in the end. One that fails is
    noted in `failed`, and keeps no other waiting.
    """
    waiting = list(itertools.product(range(1, seeds + 1), names))
    while waiting:
        busy = []
        for seed, name in waiting:
            with contextlib.ExitStack() as held:
                if not claims(plan, name, seed, held):
                    busy.append((seed, name))
                    continue
                try:
                    if code := measure(plan, name, seed, sets):
                        return code
                except ChallengeError as error:
                    failed.append(f"{name}, seed {seed}: {error}")
                    print(f"error: {failed[-1]}", file=sys.stderr, flush=True)
        if len(busy) == len(waiting):
            time.sleep(PAUSE_S)
        waiting = busy
    return 0


def claims(plan: Plan, name: str, seed: int, held: contextlib.ExitStack) -> bool:
    """Keep other processes from the trainings that a recipe needs; say whether none has them."""
    try:
        for folder in dict.fromkeys(plan.trainings(name, seed)):
            held.enter_context(locked(plan.out / "at_work" / folder.name, wait_s=0))
    except ChallengeError:
        return False
    return True


def measure(plan: Plan, name: str, seed: int, sets: dict[str, Dataset]) -> int:
    """Train and score a recipe with one seed, as far as that is not done; return the exit code."""
    recipe = plan.table.recipes[name]
    folders = plan.trainings(name, seed)
    for folder, each in zip(folders, [name, *recipe.fuse], strict=True):
        if code := trained(plan, plan.trained_as(each), seed, folder):
            return code
    settings = Inference(flips=recipe.flips, tiles=tuple(recipe.tiles))
    asked = dataclasses.asdict(recipe)
    asked.pop("what")
    checkpoints = [folder / LAST for folder in folders]
    kept(plan.scores(name, seed), asked, sets, "efnet", checkpoints, settings)
    return 0


def trained(plan: Plan, name: str, seed: int, folder: Path) -> int:
    """Train a recipe with one seed into a folder, or go on there; return the exit code."""
    count = plan.iterations or steps_for(plan, name)
    words = plan.config(name, count, seed, folder.name)
    if (begun := folder / CONFIG).exists():
        wanted, there = read_config(Path(words[0]), words[1:]), read_config(begun)
        there.train.tile = wanted.train.tile  # decided when it began
        if there != wanted:
            raise other_recipe(folder, folder.name)
        facts = read_training(folder)
        if facts.state == "finished" and facts.iteration >= count:
            return 0
    began = time.process_time()
    code = train.main([*words, "--resume"], folder.parent)
    print(f"{folder.name}: {time.process_time() - began:.0f} s of the processor", flush=True)
    if 0 < code < 128:
        raise ChallengeError(f"{folder.name}: could not be trained; see above")
    return code


def steps_for(plan: Plan, name: str) -> int:
    """Find how many iterations the budget is worth, once; one process at a time."""
    path = plan.out / "steps.json"
    for each in (plan.first, name):
        with locked(path, wait_s=3600):
            if each not in (found := read_json(path, {})):
                found[each] = timed(plan, each, found.get(plan.first))
                write_json(path, found)
    return int(found[name]["iterations"])


def timed(plan: Plan, name: str, first: dict[str, Any] | None) -> dict[str, Any]:
    """Time steps, processor time; those of the first recipe once, all others in turns with it."""
    assert plan.minutes is not None
    own, other = (timer(plan, each) for each in (name, plan.first))
    turns = [(own(), other()) for _ in range(TURNS)][1:]  # frames are read in the first
    step_s = statistics.median(turn[0] for turn in turns)
    if first is not None:
        step_s = first["step_s"] * statistics.median(mine / its for mine, its in turns)
    count = max(int(60 * plan.minutes / step_s), 2)
    print(f"{name}: a step takes {1e3 * step_s:.0f} ms, {count} of them", flush=True)
    return {"step_s": step_s, "iterations": count}


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


def collected(plan: Plan, seeds: int) -> list[Cells]:
    """Read all scores there are, by recipe and seed."""
    steps = read_json(plan.out / "steps.json", {})
    rows = []
    for name in REFERENCES:
        if found := means(plan.out / "scores" / f"{name}.json"):
            rows.append(Cells(name, "", None, {0: found}))
    for name, recipe in plan.table.recipes.items():
        each = {seed: means(plan.scores(name, seed)) for seed in range(1, seeds + 1)}
        there = {seed: found for seed, found in each.items() if found}
        if there:
            count = plan.iterations or steps.get(plan.trained_as(name), {}).get("iterations")
            rows.append(Cells(name, recipe.what, count, there))
    return rows


def read_json(path: Path, default: Any) -> Any:
    """Read a file of OUT, or return what holds where there is none yet."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else default


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    return cli.run(command, argv, "python benchmarks/recipes.py")


if __name__ == "__main__":
    sys.exit(main())
