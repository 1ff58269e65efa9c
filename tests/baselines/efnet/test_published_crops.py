"""Our training crops against those of the published dataset classes (`golden_crops.json`)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from baselines.efnet.config import read_config
from baselines.efnet.crops import Crops
from baselines.efnet.train import open_data
from challenge import REPOSITORY
from challenge.commands import convert

GOLDEN = json.loads((Path(__file__).parent / "golden_crops.json").read_text())["published"]


@pytest.mark.parametrize(
    "recipe, converted", [("highrev_raw", None), ("highrev_voxel", "voxel"), ("gopro", "scer")]
)
def test_crops_are_those_that_the_published_classes_cut(
    recipe: str, converted: str | None, untouched_highrev: Path, tmp_path: Path
) -> None:
    roots = [f"data.root={tmp_path if converted == 'scer' else untouched_highrev}"]
    if converted:
        words = [converted, str(untouched_highrev), str(tmp_path), "--split", "train"]
        assert convert.main([*words, "--workers", "1"]) == 0
    if converted == "voxel":
        roots.append(f"data.voxel_root={tmp_path}")
    path = REPOSITORY / "configs" / f"efnet_{recipe}.yml"
    config = read_config(path, [*roots, "train.crop=16"])
    crops = Crops(open_data(config, "train"), config.data, config.train)
    assert len(GOLDEN[recipe]) == 5
    for position, published in GOLDEN[recipe].items():
        crop = crops[int(position)]._asdict()
        assert {name for name in crop if crop[name] is not None} == set(published)
        for name, values in published.items():
            wanted = torch.tensor(values)
            assert len(set(values)) > 1 or name == "mask"  # another place or turn is noticed
            assert torch.allclose(crop[name].flatten()[::37], wanted, rtol=0, atol=1e-6)
