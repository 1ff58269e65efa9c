"""Networks that come with the kit: found, checked, used."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from shipping import ship

from baselines.counting import count
from baselines.efnet.restorer import load_file
from baselines.efnet.shipped import (
    DEFAULT,
    Shipped,
    find_shipped,
    shipped_of,
    shipped_weights,
    weights_path,
)
from challenge import REPOSITORY
from challenge.errors import ConfigError, DataError
from challenge.files import sha256

LIMITS = {"bytes": 8e6, "parameters": 5e6, "GMAC at 1920x1200": 200.0}


def faults(each: Shipped, limits: dict[str, float]) -> list[str]:
    """What keeps a network from being shipped: limits that it breaks, facts that are not so."""
    restorer = load_file(each.path, "cpu", None)  # every weight fits, or that is an error
    figures = {
        "bytes": each.path.stat().st_size,
        "parameters": restorer.parameters,
        "GMAC at 1920x1200": count(restorer.meta_call(1200, 1920)).macs / 1e9,
    }
    told = [key for key, limit in limits.items() if figures[key] > limit]
    told += ["parameters in lists"] if each.parameters != restorer.parameters else []
    return told + ([] if (REPOSITORY / each.card).is_file() else ["card"])


def test_what_is_shipped_is_sound() -> None:
    known = shipped_weights()
    if not known:
        pytest.skip("no weights come with the kit yet")
    assert DEFAULT in known
    for name in known:
        assert faults(find_shipped(name), LIMITS) == []


def test_what_is_not_sound_is_found(tmp_path: Path) -> None:
    ship(tmp_path, "small", card="README.md")
    ship(tmp_path, "other", card="docs/weights/nothing.md")
    small, other = find_shipped("small", tmp_path), find_shipped("other", tmp_path)
    assert faults(small, LIMITS) == [] and faults(other, LIMITS) == ["card"]
    for limit in LIMITS:
        assert faults(small, LIMITS | {limit: 1.0}) == [limit]


def test_a_pair_is_read_with_all_its_facts(tmp_path: Path) -> None:
    ship(tmp_path, "b")
    path = ship(tmp_path, "a", exposure_ms=[2, 40.0], about="for cups")
    found = shipped_weights(tmp_path)
    assert list(found) == ["a", "b"]
    assert (found["a"].name, found["a"].path, found["a"].about) == ("a", path, "for cups")
    assert (found["a"].licence, found["a"].card) == ("MIT", "docs/weights/a.md")
    assert found["a"].exposure_ms == (2.0, 40.0) and found["a"].sha256 == sha256(path)
    assert find_shipped("a", tmp_path) == found["a"]
    (tmp_path / ".a.1234.safetensors").touch()  # what a killed export leaves
    assert shipped_weights(tmp_path) == found


def test_no_folder_holds_none(tmp_path: Path) -> None:
    assert shipped_weights(tmp_path / "nothing") == {}
    with pytest.raises(ConfigError, match="no shipped weights called 'a'; none come with the kit"):
        find_shipped("a", tmp_path / "nothing")


@pytest.mark.parametrize("lost", [".yml", ".safetensors"])
def test_half_a_pair_is_told(tmp_path: Path, lost: str) -> None:
    ship(tmp_path, "whole")
    ship(tmp_path, "half").with_suffix(lost).unlink()
    with pytest.raises(DataError, match=rf"in pairs[\s\S]*half: {lost} is missing") as told:
        shipped_weights(tmp_path)
    assert "whole" not in str(told.value)


@pytest.mark.parametrize(
    "facts, message",
    [
        ({"licence": None}, "missing mandatory value: licence"),
        ({"exposure": [1, 2]}, "exposure: Key 'exposure' not in 'Facts'. Did you mean"),
        ({"exposure_ms": [300.0, 1.0]}, "exposure_ms: expected .shortest, longest., found .300"),
        ({"exposure_ms": [0, 1.0]}, "exposure_ms: expected"),
        ({"exposure_ms": [1.0]}, "length 1 does not match"),
        ({"sha256": "12ab"}, "sha256: expected 64 hexadecimal digits, found '12ab'"),
        ({"about": "", "card": ""}, r"about: is empty[\s\S]*card: is empty"),
    ],
)
def test_facts_that_cannot_be_are_refused(
    tmp_path: Path, facts: dict[str, Any], message: str
) -> None:
    ship(tmp_path, **facts)
    with pytest.raises(ConfigError, match=rf"efnet_small.yml: [\s\S]*{message}"):
        shipped_weights(tmp_path)


def test_an_unknown_name_is_told_the_known_ones_the_most_alike_first(tmp_path: Path) -> None:
    for name in ("aaa", "efnet_large", "efnet_small"):
        ship(tmp_path, name)
    with pytest.raises(ConfigError, match="no shipped weights called 'efnet_smal'") as told:
        find_shipped("efnet_smal", tmp_path)
    assert [problem.partition(":")[0] for problem in told.value.problems] == [
        "efnet_small",
        "efnet_large",
        "aaa",
    ]
    assert told.value.problems[0] == "efnet_small: efnet_small, random weights"


def test_a_damaged_file_is_refused_and_its_neighbour_is_not(tmp_path: Path) -> None:
    path, healthy = ship(tmp_path, "small"), ship(tmp_path, "other", seed=4)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"small.safetensors: damaged[\s\S]*git checkout"):
        find_shipped("small", tmp_path)
    assert find_shipped("other", tmp_path).path == healthy
    content[-1] ^= 1
    path.write_bytes(content)
    assert find_shipped("small", tmp_path).path == path  # mended, and looked at again


def test_a_checkpoint_is_known_by_its_content_wherever_it_lies(tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    small, other = ship(folder, "small"), ship(folder, "other", seed=4)
    copied = Path(shutil.copy(other, tmp_path / "best.safetensors"))
    for path, name in ((small, "small"), (other, "other"), (copied, "other")):
        found = shipped_of(path, folder)
        assert found is not None and found.name == name
    stranger = ship(tmp_path / "elsewhere", "small", seed=5)  # of the same size
    assert stranger.stat().st_size == small.stat().st_size
    assert shipped_of(stranger, folder) is None
    assert shipped_of(tmp_path / "none.pth", folder) is None


def test_weights_are_found_by_path_or_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = ship(tmp_path / "weights", "small")
    assert weights_path("small", tmp_path / "weights") == shipped
    for path in ("small.pth", "runs/small"):  # paths, whatever is there
        assert weights_path(path, tmp_path / "weights") == REPOSITORY / path
    with pytest.raises(ConfigError, match="no shipped weights called 'smal'"):
        weights_path("smal", tmp_path / "weights")
    (tmp_path / "small").mkdir()
    assert weights_path("small", tmp_path / "weights") == shipped
    (tmp_path / "small").rmdir()
    (tmp_path / "small").write_bytes(b"")
    assert weights_path("small", tmp_path / "weights") == Path("small")
