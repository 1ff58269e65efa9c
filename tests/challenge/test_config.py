from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from challenge import REPOSITORY
from challenge.config import load_config
from challenge.errors import ConfigError
from challenge.rules import Rules, load_rules


@dataclass
class Inner:
    rate: float = 1e-3
    steps: int = 5


@dataclass
class Outer:
    name: str = "x"
    inner: Inner = field(default_factory=Inner)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "some.yml"
    path.write_text(text)
    return path


def test_file_then_overrides(tmp_path: Path) -> None:
    config = load_config(
        Outer, written(tmp_path, "inner: {rate: 2e-4}"), ["inner.steps=7", "name=a b"]
    )
    assert config == Outer(name="a b", inner=Inner(rate=2e-4, steps=7))


@pytest.mark.parametrize(
    "text, overrides, message",
    [
        ("inner: {rat: 1}", [], "inner.rat: Key 'rat' not in 'Inner'. Did you mean: 'rate'"),
        ("", ["inner.step=1"], "Did you mean: 'steps'"),
        (
            "inner: {steps: many}",
            [],
            "inner.steps: Value 'many' of type 'str' could not be converted",
        ),
        ("", ["inner.steps=1.5"], "could not be converted to Integer"),
        ("inner: 3", [], "some.yml"),
        ("- a\n- b", [], "some.yml"),
        ("a: [", [], "not valid YAML"),
        ("", ["steps"], "expected KEY=VALUE"),
        ("", ["=3"], "expected KEY=VALUE"),
    ],
)
def test_what_is_not_understood_is_one_sentence(
    tmp_path: Path, text: str, overrides: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(Outer, written(tmp_path, text), overrides)
    assert "\n" not in str(caught.value)


def test_a_missing_file_names_those_there_are(tmp_path: Path) -> None:
    written(tmp_path, "")
    with pytest.raises(
        ConfigError, match=r"other.yml: no such configuration file; there are .*some.yml"
    ):
        load_config(Outer, tmp_path / "other.yml")


def test_every_rules_file_can_be_read() -> None:
    paths = sorted((REPOSITORY / "configs" / "challenge").glob("*.yml"))
    assert {path.stem for path in paths} >= {"highrev", "mini", "own"}
    for path in paths:
        assert isinstance(load_rules(path), Rules)
    highrev = load_rules(Path("highrev"))  # a bare name
    assert (highrev.width, highrev.height) == (1632, 1224)
    assert highrev.frames == {"train": 1771, "val": 421, "test": 284}


def test_a_folder_of_that_name_does_not_hide_the_rules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "highrev").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load_rules("highrev").width == 1632
    assert load_rules("configs/challenge/highrev.yml").width == 1632  # from anywhere
