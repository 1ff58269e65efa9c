"""The recipes of `benchmarks/recipes.yml`, and how each is trained."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from baselines.efnet.config import Config, read_config
from challenge import REPOSITORY

TABLE = REPOSITORY / "benchmarks" / "recipes.yml"
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

    def trainings(self, name: str, seed: int) -> list[Path]:
        """List the folders of the trainings that a recipe needs, its own first."""
        needed = [name, *self.table.recipes[name].fuse]
        return [self.out / "runs" / f"{self.trained_as(each)}_s{seed}" for each in needed]

    def scores(self, name: str, seed: int) -> Path:
        """Say where the scores of a recipe are kept."""
        return self.out / "scores" / f"{name}_s{seed}.json"

    def read(self, name: str, iterations: int, seed: int = 1) -> Config:
        """Read the configuration of a recipe."""
        path, *overrides = self.config(name, iterations, seed, "timed")
        return read_config(Path(path), overrides)
