"""What `predict` is to restore: which weights, which data, by which rules, under which name."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from baselines import BEST, CONFIG
from baselines.efnet.inference import Inference
from baselines.efnet.shipped import DEFAULT, WEIGHTS, find_shipped, shipped_weights
from challenge import SPLITS
from challenge.datasets import BINS, DataSource
from challenge.datasets.layout import inputs_sha256, rules_named
from challenge.errors import ConfigError, DataError
from challenge.files import is_folder_name
from challenge.rules import OWN, load_rules
from challenge.runs import RunRecord, find_place
from challenge.simulation import embedded


def find_weights(
    run: str | None,
    baseline: str | None,
    checkpoints: tuple[Path, ...],
    runs: Path,
    named: str | None = None,
    shipped: Path = WEIGHTS,
) -> tuple[Path | None, tuple[Path, ...]]:
    """Find the training that is meant, if any, and the weights to use, if any.

    EFNet, which is the default, takes those of the training unless others are given; where nothing
    was trained, those that come with the kit, and a sentence says so.

    Args:
        run, baseline, checkpoints: as the command line has them.
        runs: where trainings are.
        named: weights that come with the kit.
        shipped: where those are.

    Raises:
        ConfigError: no such training, or it has no `best.pth` yet; no such weights.
        DataError: shipped weights are damaged.
    """
    learns = baseline in (None, "efnet")
    if named is not None:
        besides = ((run, "RUN"), (checkpoints, "--checkpoint"), (not learns, "--baseline"))
        if others := [what for given, what in besides if given]:
            raise ConfigError(
                f"--weights {named}: says alone what restores; leave out {', '.join(others)}, "
                "or --weights"
            )
        return None, (find_shipped(named, shipped).path,)
    if run is None and (checkpoints or not learns):
        return None, checkpoints
    if run is None and not trained_in(runs) and DEFAULT in shipped_weights(shipped):
        default = find_shipped(DEFAULT, shipped)
        print(f"nothing trained yet: taking the shipped weights {DEFAULT} ({default.card})")
        return None, (default.path,)
    training = find_training(run, runs, shipped)
    return training, checkpoints or ((training / BEST,) if learns else ())


def trained_in(runs: Path) -> list[Path]:
    """List the trainings that have a `best.pth`, the newest last."""
    best = sorted(runs.glob(f"*/{BEST}"), key=lambda path: path.stat().st_mtime)
    return [path.parent for path in best]


def find_training(run: str | None, runs: Path, shipped: Path = WEIGHTS) -> Path:
    """Find the folder of a named training, or of the newest one, below `runs`.

    Args:
        shipped: where weights are that come with the kit, for the message.

    Raises:
        ConfigError: there is none, or it has no `best.pth` yet.
    """
    trained = trained_in(runs)
    if run is None:
        if not trained:
            raise ConfigError(
                f"{runs}: nothing trained yet; `bash run.sh train`, "
                "or `bash run.sh predict --baseline edi`"
            )
        return trained[-1]
    folder = Path(run) if (Path(run) / BEST).exists() else runs / run
    if not (folder / BEST).exists():
        known, come = (
            ", ".join(sorted(names)) or "none"
            for names in ([path.name for path in trained], shipped_weights(shipped))
        )
        raise ConfigError(
            f"{folder}: no {BEST} there; trainings: {known}; shipped weights (--weights): {come}"
        )
    return folder


def read_training_config(training: Path) -> dict[str, Any]:
    """Read the configuration a training was started with."""
    config: dict[str, Any] = yaml.safe_load((training / CONFIG).read_text(encoding="utf-8"))
    return config


def find_data(
    data: Path | None, rules: str | None, config: dict[str, Any]
) -> tuple[DataSource, str]:
    """Decide which data are restored, and by which rules they are played.

    Args:
        data, rules: as the command line has them.
        config: of the training; empty where there is none. Without it and without `data` the
            embedded data set is restored.
    """
    if data is not None:
        bins = config.get("data", {}).get("bins", BINS)
        return DataSource.of_folder(data, bins), rules or rules_named(data) or OWN
    if config:
        return DataSource.of_config(config["data"]), rules or config["data"]["rules"]
    embedded.ensure(embedded.DEFAULT_ROOT)
    return DataSource(embedded.DEFAULT_ROOT), rules or "mini"


def splits_of(source: DataSource) -> list[str]:
    """List which of val, test and addition there are.

    Raises:
        DataError: none.
    """
    splits = [split for split in SPLITS[1:] if (source.root / split).is_dir()]
    if not splits:
        raise DataError(
            f"{source.root}: no val/ and no test/ in it; expected {{val,test}}/{{blur,event}}/"
        )
    return splits


@dataclass(frozen=True)
class Plan:
    """What is to be restored, by what, and under which name."""

    source: DataSource
    rules: str  # name of configs/challenge/<rules>.yml, or a path
    name: str  # of the predictions
    baseline: str  # a folder of `baselines/`, or the import path of a module
    checkpoints: tuple[Path, ...] = ()  # of several, the results are averaged
    device: str = "auto"
    reference: bool = False  # a row to compare with, never submitted
    config: dict[str, Any] = field(default_factory=dict)  # of the training, kept in `run.json`
    place: str | None = None  # the challenge's folder under `submissions`; None: see `place_for`
    settings: Inference = Inference()
    afresh: bool = False  # predictions that were interrupted are thrown away

    def __post_init__(self) -> None:
        """Raises ConfigError: the name leads elsewhere."""
        if not is_folder_name(self.name):
            raise ConfigError(f"--name {self.name!r}: expected a plain folder name")


def name_for(training: Path | None, weights: Sequence[Path], baseline: str | None) -> str:
    """Name predictions that nobody named: after the training, the weights or the baseline."""
    stems = "+".join(path.stem for path in weights)
    return (training.name if training else stems or baseline) or "run"


def place_for(plan: Plan, submissions: Path) -> str:
    """Name the challenge's folder under `submissions`: that of the rules, else of the data.

    Runs of other frames are neither replaced nor mixed with: where such lie there, the runs get a
    folder of their own (see `find_place`), and a sentence says so.
    """

    @functools.cache
    def ask(split: str) -> RunRecord | None:
        digest = inputs_sha256(plan.source.root, split)
        root = str(plan.source.root.resolve())
        return RunRecord(plan.name, data_root=root, inputs_sha256=digest) if digest else None

    name = load_rules(plan.rules).name or plan.source.root.resolve().name
    place = find_place(submissions, name, ask)
    if place != name:
        print(
            f"note: {submissions / name} holds runs made from other frames than those of "
            f"{plan.source.root}; these go to {submissions / place}"
        )
    return place
