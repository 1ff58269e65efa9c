"""The table of recipes: it goes on where it was stopped, and says what few seeds cannot decide."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
import yaml
from scipy import stats

from baselines.efnet.config import read_config
from benchmarks import recipe_scores, recipes
from benchmarks.recipe_plan import TABLE, Plan, Recipe, Table
from benchmarks.recipe_table import Cells, markdown, paired
from challenge import REPOSITORY
from challenge.config import load_config

SMALL = [
    *("data.rules=own", "data.workers=0", "data.keep_in_memory=true", "network.wf=4"),
    *("train.crop=16", "train.precision=float32", "train.augment.noise=0.1"),
]


def test_every_recipe_is_a_configuration_and_differs_from_the_first() -> None:
    table = load_config(Table, TABLE)
    plan = Plan(Path("out"), table, 30, None)
    default = plan.read("default", 30)
    assert plan.first == "default" and not table.recipes["default"].train
    for name, recipe in table.recipes.items():
        config = plan.read(name, 30)
        assert config.train.iterations == 30 and recipe.what
        assert all(fused in table.recipes for fused in recipe.fuse)
        assert (config != default) == (plan.trained_as(name) != "default") == bool(recipe.train)


def test_the_published_recipe_is_the_published_one() -> None:
    """As configs/efnet_highrev_raw.yml has it, but for network, crop and data."""
    table = load_config(Table, TABLE)
    plan = Plan(Path("out"), table, 100, None)
    found = plan.read("published_wf64", 100)
    wanted = read_config(REPOSITORY / "configs" / "efnet_highrev_raw.yml").train
    same = [name for name in vars(wanted) if getattr(found.train, name) == getattr(wanted, name)]
    every = {"iterations", "log_every", "save_every", "validate_every", "seed"}
    assert set(vars(wanted)) - set(same) <= every | {"crop"}
    assert found.network.wf == 64 and found.train.crop == 240
    assert plan.read("published", 100).train == found.train


def test_shares_of_the_iterations(tmp_path: Path) -> None:
    table = Table("configs/efnet_mini.yml", {"a": Recipe(train=["b=[5%,34%,x5%]"])})
    plan = Plan(tmp_path, table, 200, None)
    assert "b=[10,68,x5%]" in plan.config("a", 200, 1, "t")


def test_what_another_process_is_at_is_left_to_it_and_done_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    three = {"a": Recipe(), "b": Recipe(train=["x"]), "both": Recipe(fuse=["b"])}
    plan = Plan(tmp_path, Table("", three), 5, None)
    done: list[str] = []
    monkeypatch.setattr(recipes, "measure", lambda plan, name, *_: done.append(name))
    with contextlib.ExitStack() as other:
        assert recipes.claims(plan, "b", 1, other)
        monkeypatch.setattr(recipes.time, "sleep", lambda seconds: other.close())
        assert recipes.measure_all(plan, ["both", "a", "b"], 1, {}, []) == 0
    assert done == ["a", "both", "b"]


def test_differences_are_paired_by_seed() -> None:
    one, other = [30.1, 31.4, 29.9], [30.0, 31.1, 29.7]
    found = paired([a - b for a, b in zip(one, other, strict=True)])
    wanted = stats.ttest_rel(one, other).confidence_interval(0.95)
    assert found == pytest.approx((0.2, wanted.low, wanted.high)) and not found.decides
    assert paired([0.20, 0.21, 0.19]).decides and paired([-0.20, -0.21, -0.19]).decides


def test_the_table_says_what_three_seeds_cannot_decide() -> None:
    def cells(name: str, values: list[float]) -> Cells:
        scores = {seed: {"val": value} for seed, value in enumerate(values, 1)}
        return Cells(name, name, 10, scores)

    rows = [
        Cells("blurry", "blurry", None, {0: {"val": 29.87}}),
        cells("default", [35.0, 35.2, 34.9]),
        cells("better", [35.5, 35.71, 35.39]),
        cells("open", [35.5, 34.9, 35.2]),
        cells("begun", [35.5]),
    ]
    lines = markdown(rows, 3).splitlines()
    assert lines[0] == "| recipe | what | iterations | embedded val | against the first (95 %) |"
    assert lines[2] == "| blurry | blurry |  | 29.87 |  |"
    assert lines[3] == "| default | default | 10 | 35.03 |  |"
    assert lines[4] == "| better | better | 10 | 35.53 | +0.50 (+0.48 to +0.52) |"
    assert lines[5].endswith("+0.17 (-0.87 to +1.20), three seeds cannot decide |")
    assert lines[6].endswith("| 35.50 | 1 of 3 seeds so far |")


def test_a_few_steps_of_each_go_on_after_a_stop(
    untouched_highrev: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(recipe_scores.street, "ROOT", tmp_path / "none")
    (tmp_path / "small.yml").write_text((REPOSITORY / "configs" / "efnet_mini.yml").read_text())
    train = [*SMALL, f"data.root={untouched_highrev}"]
    small = {
        "config": str(tmp_path / "small.yml"),
        "recipes": {
            "default": {"what": "small", "train": train},
            "lion": {"what": "lion", "train": [*train, "train.optimiser=lion"]},
            "eight": {"what": "flips", "train": train, "flips": True},
            "both": {"what": "fused", "train": train, "fuse": ["lion"]},
        },
    }
    (tmp_path / "table.yml").write_text(yaml.safe_dump(small, sort_keys=False))
    out = tmp_path / "out"
    given = [str(out), "--table", str(tmp_path / "table.yml"), "--samples", str(tmp_path)]
    begin = [*given, "--iterations", "3", "--seeds", "2"]
    calls: list[str] = []

    def training(words: list[str], runs: Path) -> int:
        calls.append(words[-2].removeprefix("name="))
        return 143 if len(calls) == 2 else true_main(words, runs)  # SIGTERM, as it ends then

    true_main = recipes.train.main
    monkeypatch.setattr(recipes.train, "main", training)
    assert recipes.main(begin) == 143
    assert recipes.main([*given, "--seeds", "2"]) == 0  # with the budget that was kept
    assert calls == ["default_s1", "lion_s1", "lion_s1", "default_s2", "lion_s2"]
    told = capsys.readouterr().out
    assert "skipped, the real frames with truth" in told and "without truth" in told
    text = (out / "table.md").read_text()
    assert text in told and "| both | fused | 3 |" in text and "| edi |  |" in text
    assert recipes.main([*begin, "--only", "lion"]) == 0 and len(calls) == 5
    assert (out / "table.md").read_text() == text

    scores = json.loads((out / "scores" / "eight_s1.json").read_text())
    assert scores["asked"]["flips"] and set(scores["val"]) == {"park_00000", "park_00012"}
    small["recipes"]["lion"]["train"].append("train.warmup=1")  # type: ignore[index]
    (tmp_path / "table.yml").write_text(yaml.safe_dump(small, sort_keys=False))
    assert recipes.main(begin) == 1 and len(calls) == 5
    told = capsys.readouterr().err
    assert "could not be measured" in told and "made by another recipe of this name" in told
    assert "  - lion, seed 2" in told and "  - both, seed 1" in told and "- default" not in told
    for wrong, sentence in (
        ([*given, "--iterations", "4"], "name another OUT"),
        ([*begin, "--only", "lyon"], "lyon: no such recipe"),
        ([str(tmp_path / "new"), *given[1:]], "expected --minutes or --iterations"),
    ):
        assert recipes.main(wrong) == 1 and sentence in capsys.readouterr().err


def test_the_budget_of_the_processor_gives_quick_steps_more_of_them(
    untouched_highrev: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipes, "TIMED_STEPS", 2)
    train = [*SMALL, f"data.root={untouched_highrev}", "train.batch=1"]
    table = Table(
        "configs/efnet_mini.yml",
        {
            "default": Recipe(train=train),
            "wide": Recipe(train=[*train, "network.wf=8", "train.batch=4", "train.crop=40"]),
        },
    )
    plan = Plan(tmp_path, table, None, 0.1)
    slow, quick = (recipes.steps_for(plan, name) for name in ("wide", "default"))
    assert quick > 2 * slow
    kept = json.loads((tmp_path / "steps.json").read_text())
    assert kept["wide"]["iterations"] == slow and recipes.steps_for(plan, "wide") == slow
