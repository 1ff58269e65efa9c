"""Several nodes: two launchers on this machine, side by side or in networks of their own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import processes
import pytest

from baselines.efnet.checkpoint import load_checkpoint

SETTINGS = [
    "data.rules=own", "data.workers=0", "network.wf=4", "train.crop=16",
    "train.precision=float32", "train.iterations=6", "train.validate_every=3",
]  # fmt: skip


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@pytest.fixture()
def networks() -> Iterator[tuple[str, str]]:
    """Two network namespaces that reach each other, 10.77.0.1 and 10.77.0.2, and nothing else."""
    if shutil.which("ip") is None:
        pytest.skip("no `ip` (iproute2) to make network namespaces with")
    one, two = (f"kit_{os.getpid()}_{letter}" for letter in "ab")
    try:
        ip("netns", "add", one)
        ip("netns", "add", two)
        ip("link", "add", "eth_a", "netns", one, "type", "veth", "peer", "eth_b", "netns", two)
        for name, end, address in ((one, "eth_a", "10.77.0.1"), (two, "eth_b", "10.77.0.2")):
            ip("-n", name, "address", "add", f"{address}/24", "dev", end)
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "set", end, "up")
        yield one, two
    except subprocess.CalledProcessError as error:
        pytest.skip(f"network namespaces are refused here: {error.stderr.strip()}")
    finally:
        for name in (one, two):
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)


@pytest.fixture(params=["one network", "two networks"])
def place(request: pytest.FixtureRequest) -> tuple[str, list[list[str]]]:
    """The meeting point, and what a command on each node is started by."""
    if request.param == "two networks":
        names = request.getfixturevalue("networks")
        return "10.77.0.1:29511", [["ip", "netns", "exec", name] for name in names]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"localhost:{free.getsockname()[1]}", [[], []]


@pytest.mark.slow
def test_two_nodes_meet_and_learn_what_one_learns_with_twice_the_batch(
    place: tuple[str, list[list[str]]], highrev: Path, tmp_path: Path
) -> None:
    point, befores = place
    runs, given = tmp_path / "runs", [*SETTINGS, f"data.root={highrev}"]
    words = ["--nnodes", "2", "--rdzv", point, *given, "name=two", "train.batch=1"]
    nodes = [processes.begin("baselines.efnet.train", [runs], words, *before) for before in befores]
    alone = processes.begin("baselines.efnet.train", [runs], [*given, "name=one", "train.batch=2"])
    told = [process.communicate(timeout=200)[0] for process in (*nodes, alone)]
    assert [process.returncode for process in (*nodes, alone)] == [0, 0, 0], told
    assert sum(text.count("in each of 2 processes") for text in told) == 1
    whole, shared = (load_checkpoint(runs / name / "last.pth")["params"] for name in ("one", "two"))
    assert max(float((shared[key] - value).abs().max()) for key, value in whole.items()) < 2e-6
    assert sorted(path.name for path in runs.iterdir()) == ["one", "two"]
