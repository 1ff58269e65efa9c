from __future__ import annotations

from pathlib import Path

import pytest

from baselines.efnet.config import Config, DataConfig, read_config
from challenge import REPOSITORY
from challenge.errors import ConfigError
from challenge.rules import OWN, load_rules

CONFIGS = sorted((REPOSITORY / "configs").glob("*.yml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_configuration_can_be_read(path: Path) -> None:
    config = read_config(path)
    assert config.name == path.stem
    named = load_rules(Path(config.data.rules)).name
    assert named == (None if config.data.rules == OWN else config.data.rules)  # own: of the folder


def test_highrev_is_the_published_recipe() -> None:
    """options/train/HighREV/EFNet_HighREV_Deblur.yml of AHupuJR/EFNet 7cf6737."""
    config = read_config(REPOSITORY / "configs" / "efnet_highrev_raw.yml")
    train, network = config.train, config.network
    assert (train.iterations, train.batch, train.crop) == (200_000, 4, 256)
    assert (train.learning_rate, train.final_learning_rate) == (2e-4, 1e-7)
    assert (train.weight_decay, train.betas) == (1e-4, [0.9, 0.99])
    assert (train.clip_norm, train.loss_weight) == (0.01, 0.5)
    assert (network.wf, network.fuse_before_downsample, config.data.bins) == (64, True, 6)
    assert train.flip and train.transpose and train.ema == 0


def test_every_bad_value_is_listed() -> None:
    overrides = [
        "data.bins=0",
        "train.batch=0",
        "train.precision=half",
        "name=a/b",
        "data.format=h5",
        "train.ema=1",
    ]
    with pytest.raises(ConfigError) as caught:
        read_config(REPOSITORY / "configs" / "efnet_mini.yml", overrides)
    assert len(caught.value.problems) == 6


def test_an_unknown_key_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"train.iteration: .*Did you mean: 'iterations'"):
        read_config(REPOSITORY / "configs" / "efnet_mini.yml", ["train.iteration=3"])


def test_name_and_root_must_be_given(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("train: {batch: 2}")
    with pytest.raises(ConfigError, match="name"):
        read_config(tmp_path / "a.yml")
    assert Config(name="x", data=DataConfig(root="y")).train.batch == 4
