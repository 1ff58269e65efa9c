"""docs/recipe.md says what the configurations say."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from baselines.efnet.config import Config, read_config
from challenge import REPOSITORY

PAGE = (REPOSITORY / "docs" / "recipe.md").read_text(encoding="utf-8")
CONFIGS = ("efnet_highrev_raw", "efnet_gopro", "efnet_reblur_finetune")
KEY = re.compile(r"`((?:name|(?:data|network|train)\.\w+))`")


def ours(name: str) -> dict[str, Any]:
    """What a configuration says, by dotted key."""
    path = REPOSITORY / "configs" / f"{name}.yml"
    values = dataclasses.asdict(read_config(path))
    nested = {
        f"{section}.{key}": value
        for section in ("data", "network", "train")
        for key, value in values[section].items()
    }
    return {"name": values["name"], **nested}


def rows(page: str) -> Iterator[tuple[str, list[Any]]]:
    """Each key of ours on a page, with its values in the three trainings."""
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        key = KEY.fullmatch(cells[4 if len(cells) == 9 else 0])
        if line.startswith("|") and key:
            said = cells[5:8] if len(cells) == 9 else [cells[1]] * 3
            yield key[1], [yaml.safe_load(cell) for cell in said]


def faults(page: str) -> list[str]:
    """Where the page does not say what the configurations say."""
    wanted = [ours(name) for name in CONFIGS]
    found = dict(rows(page))
    wrong = [
        f"{key}: docs/recipe.md has {found[key]}, the configurations {[c[key] for c in wanted]}"
        for key in found
        if found[key] != [config.get(key) for config in wanted]
    ]
    absent = [key for key in wanted[0] if key not in found and key != "data.voxel_root"]
    return wrong + [f"{key}: not in docs/recipe.md; add a row" for key in absent]


def test_the_page_has_every_value_of_the_configurations() -> None:
    assert faults(PAGE) == []
    assert {field.name for field in dataclasses.fields(Config)} == {
        "name", "data", "network", "train",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("now", "before", "key"),
    [("| 0.00002 |", "| 0.0002 |", "train.learning_rate"), ("`train.ema`", "`ema`", "train.ema")],
)
def test_a_stale_page_is_noticed(now: str, before: str, key: str) -> None:
    (fault,) = faults(PAGE.replace(now, before))
    assert fault.startswith(f"{key}: ")


def test_the_two_configurations_of_highrev_differ_in_the_data_alone() -> None:
    raw, voxel = ours("efnet_highrev_raw"), ours("efnet_highrev_voxel")
    differing = {key for key in raw if raw[key] != voxel[key]}
    assert differing == {"name", "data.format", "data.voxel_root"}
