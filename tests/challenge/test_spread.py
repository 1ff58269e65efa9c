"""One grid, however it is made: compiled or by NumPy, whole or cropped."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from challenge.errors import DataError
from challenge.events import BLOCK, Events, crop
from challenge.representations import Representation, normalise_nonzero, voxel_grid
from challenge.representations.speed import compiled

USERS = tuple(
    importlib.import_module(f"challenge.representations.{name}") for name in ("spread", "normalise")
)
needs_numba = pytest.mark.skipif(compiled() is None, reason="numba is not installed")
KINDS = (
    Representation("voxel", 6),
    Representation("voxel", 1),
    Representation("voxel", 2),
    Representation("scer", 6),
    Representation("nested", 3, (1.0, 0.5, 0.1)),
)


@pytest.fixture
def by_numpy(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Within it, nothing is compiled: what a machine without numba does."""
    with monkeypatch.context() as context:
        yield context


def without_numba(context: pytest.MonkeyPatch) -> None:
    for module in USERS:
        context.setattr(module, "compiled", lambda: None)


def random_events(count: int, height: int, width: int, clock: str = "i8", seed: int = 0) -> Events:
    """Edges and a hot pixel: far from uniform, with many stamps in common."""
    rng = np.random.default_rng(seed)
    latest = 120 if clock in ("?", "i1", "u1") else 9000
    x = np.where(rng.random(count) < 0.1, 3, rng.normal(width / 2, width / 8, count))
    return Events(
        x=np.clip(x, 0, width - 1).astype(np.int32),
        y=rng.integers(0, height, count).astype(np.int32),
        t=np.sort(rng.integers(0, latest, count)).astype(clock),
        p=rng.choice(np.array([-1, 0, 1], np.int8), count),
    )


@needs_numba
@pytest.mark.parametrize(
    "clock",
    ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", ">i8", ">u4", "f2", "f4", "f8", "g"],
)
def test_the_compiled_sums_are_numpys_on_every_clock(
    clock: str, by_numpy: pytest.MonkeyPatch
) -> None:
    events = random_events(BLOCK + 5000, 20, 30, clock)
    made = [kind.grid(events, 20, 30) for kind in KINDS]
    without_numba(by_numpy)
    for kind, grid in zip(KINDS, made, strict=True):
        assert np.array_equal(kind.grid(events, 20, 30), grid), kind
        assert np.abs(grid).sum() > 1000


@pytest.mark.parametrize("loops", ["numpy", pytest.param("numba", marks=needs_numba)])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_crops_give_the_same_cells(
    kind: Representation, loops: str, by_numpy: pytest.MonkeyPatch
) -> None:
    if loops == "numpy":
        without_numba(by_numpy)
    events = random_events(BLOCK + 999, 40, 50, "u8")
    span = (events.t[0], events.t[-1])
    whole = kind.grid(events, 40, 50)
    inside = crop(events, 8, 20, height=16, width=24)
    assert np.array_equal(kind.grid(inside, 16, 24, span), whole[:, 8:24, 20:44])


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_foreign_memory_is_read_and_left_as_it_was(kind: Representation) -> None:
    """Read-only as of a memory map, every second of an array, other byte order, other types."""
    events = random_events(4000, 20, 30)
    expected = kind.grid(events, 20, 30)
    for change in (
        lambda values: np.frombuffer(values.tobytes(), values.dtype),
        lambda values: np.repeat(values, 2)[::2],
        lambda values: values.astype(values.dtype.newbyteorder(">")),
        lambda values: values.astype(np.float64),
        lambda values: values.astype(np.int64),
    ):
        given = Events(*(change(getattr(events, name)) for name in "xytp"))
        before = [getattr(given, name).copy() for name in "xytp"]
        assert np.array_equal(kind.grid(given, 20, 30), expected)
        for old, name in zip(before, "xytp", strict=True):
            assert np.array_equal(old, getattr(given, name))


@pytest.mark.parametrize("at", [0, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK - 1])
@pytest.mark.parametrize(
    "name, value, message",
    [
        ("x", 30, "x from 0 to 30, expected 0 to 29"),
        ("x", -1, "x from -1 to"),
        ("x", 2**32, "x from 0 to 4294967296"),  # would come round to 0 in 32 bits
        ("y", -(2**63), "y from -9223372036854775808"),
        ("p", 2, "polarity: expected 1"),
    ],
)
def test_one_fault_in_any_block_is_found(at: int, name: str, value: int, message: str) -> None:
    events = random_events(2 * BLOCK, 20, 30)
    arrays = {each: getattr(events, each).astype(np.int64) for each in "xytp"}
    arrays[name][at] = value
    for kind in KINDS:
        with pytest.raises(DataError, match=message):
            kind.grid(Events(**arrays), 20, 30)


@pytest.mark.parametrize("at", [1, BLOCK - 1, BLOCK, BLOCK + 1])
@pytest.mark.parametrize("clock", ["i8", "u8", "f8"])
def test_time_that_runs_backwards_is_found_in_any_block(at: int, clock: str) -> None:
    t = np.arange(1000, 1000 + 2 * BLOCK).astype(clock)
    t[at] = t[at - 1] - 1
    zeros = np.zeros(len(t), np.int8)
    far = np.append(t[:-1], 1000).astype(clock)  # the last stamp is the first: no span to lie in
    far[-2] = 2**62
    for stamps in (t, far):
        for kind in KINDS:
            with pytest.raises(DataError, match="time runs backwards"):
                kind.grid(Events(zeros, zeros, stamps, zeros), 20, 30)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_no_time_is_no_number(kind: Representation) -> None:
    for t in ([0.0, np.nan], [np.nan, 0.0], [-np.inf, np.inf]):
        with pytest.raises(DataError, match="t: expected finite numbers"):
            kind.grid(Events(x=[0, 0], y=[0, 0], t=t, p=[1, 1]), 3, 4)


def nested_by_formula(events: Events, bins: int, windows: tuple[float, ...]) -> np.ndarray:
    t = events.t.astype(float) - float(events.t[0])
    grids = []
    for share in windows:
        low, high = t[-1] * (1 - share) / 2, t[-1] * (1 + share) / 2
        grid = np.zeros((bins, 20, 30))
        for b in range(bins):
            s = (bins - 1) * (t - low) / ((high - low) or 1)
            weight = np.maximum(0, 1 - np.abs(b - s)) * ((t >= low) & (t <= high))
            np.add.at(grid[b], (events.y, events.x), weight * events.sign)
        grids.append(grid)
    return np.concatenate(grids)


@pytest.mark.parametrize("windows", [(1.0,), (1.0, 0.3, 0.1), (0.001,)])
def test_nested_windows_follow_the_formula(windows: tuple[float, ...]) -> None:
    events = random_events(9000, 20, 30)
    grid = Representation("nested", 7, windows).grid(events, 20, 30)
    np.testing.assert_allclose(grid, nested_by_formula(events, 7, windows), atol=1e-4)
    if windows[0] == 1.0:
        assert np.array_equal(grid[:7], voxel_grid(events, 7, 20, 30))


def test_nested_without_a_span_and_without_events() -> None:
    kind = Representation("nested", 3, (1.0, 0.1))
    together = Events(x=[1, 1], y=[2, 2], t=[9, 9], p=[1, 1])
    assert kind.grid(together, 3, 4)[:, 2, 1].tolist() == [2, 0, 0, 2, 0, 0]
    assert not kind.grid(Events.empty(), 3, 4).any()


@pytest.mark.parametrize("loops", ["numpy", pytest.param("numba", marks=needs_numba)])
def test_large_frames_take_little_more_memory_than_their_grid(
    loops: str, by_numpy: pytest.MonkeyPatch
) -> None:
    if loops == "numpy":
        without_numba(by_numpy)
    events = random_events(600_000, 400, 600)
    grid = voxel_grid(events, 6, 400, 600)
    for work in (lambda: voxel_grid(events, 6, 400, 600), lambda: normalise_nonzero(grid)):
        work()
        tracemalloc.start()
        work()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2.3 * grid.nbytes  # the result, and at most 1.3 times as much beside it


@needs_numba
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 200_000), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_normalised_cells_are_the_same_both_ways(size: int, share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    grid = (rng.normal(0.2, 1.0, size) * (rng.random(size) < share)).astype(np.float32)
    made = normalise_nonzero(grid)
    with pytest.MonkeyPatch.context() as context:
        without_numba(context)
        assert np.array_equal(normalise_nonzero(grid), made)
    cells = grid[grid != 0].astype(np.float64)
    if len(cells) > 1:
        expected = (cells - cells.mean()) / cells.std()
        np.testing.assert_allclose(made[grid != 0], expected, atol=1e-5)
    assert not made[grid == 0].any()


def sum_of_a_grid(seed: int) -> float:
    return float(np.abs(voxel_grid(random_events(5000, 20, 30, seed=seed), 6, 20, 30)).sum())


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
def test_a_forked_process_makes_the_same_grids() -> None:
    here = [sum_of_a_grid(seed) for seed in range(4)]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map_async(sum_of_a_grid, range(4)).get(timeout=60) == here


@pytest.mark.parametrize("says", ["raise ImportError('Numba needs NumPy 2.3')", "import os"])
def test_a_numba_that_fails_costs_time_only(tmp_path: Path, says: str) -> None:
    """One that refuses this NumPy, and one that is not what it was."""
    (tmp_path / "numba.py").write_text(says)
    code = (
        "from challenge.events import Events; from challenge.representations import voxel_grid; "
        "print(voxel_grid(Events([0, 1], [0, 0], [5, 9], [1, 0]), 2, 1, 2).ravel().tolist())"
    )
    paths = os.pathsep.join([str(tmp_path), str(Path(__file__).resolve().parents[2])])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "[1.0, 0.0, 0.0, -1.0]\n", done.stderr
    assert "numba fails" in done.stderr and "three to five times the time" in done.stderr
    assert done.stderr.count("\n") == 1
