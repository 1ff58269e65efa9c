"""Inputs made on a device, against those made by NumPy; the CPU stands in for a GPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from baselines.efnet import device_inputs, restorer
from baselines.efnet.config import NORMALISE
from baselines.efnet.device_inputs import grid_on, inputs_on
from baselines.efnet.inputs import Batch, Reading, arrays_of, inputs_of
from baselines.efnet.model import EFNet
from challenge.errors import DataError
from challenge.events import Events
from challenge.representations import Representation
from challenge.sample import Sample

CPU = torch.device("cpu")
HEIGHT, WIDTH = 24, 40
KINDS = (
    Representation("voxel", 6),
    Representation("voxel", 1),
    Representation("scer", 6),
    Representation("nested", 7, (1.0, 0.3, 0.1)),
)


def random_events(count: int, clock: str = "i8") -> Events:
    rng = np.random.default_rng(5)
    return Events(
        x=rng.integers(0, WIDTH, count).astype(np.uint16),
        y=rng.integers(0, HEIGHT, count).astype(np.uint16),
        t=(np.sort(rng.integers(0, 15_000, count)) + 10**15).astype(clock),
        p=rng.integers(0, 2, count).astype(np.int8),
    )


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_inputs, "CHUNK", 1000)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("count, clock", [(0, "i8"), (1, "f8"), (2, "u8"), (20_000, "u8")])
def test_grids_equal_numpys(kind: Representation, count: int, clock: str) -> None:
    events = random_events(count, clock)
    made, expected = grid_on(CPU, events, kind, HEIGHT, WIDTH), kind.grid(events, HEIGHT, WIDTH)
    assert made.dtype == torch.float32 and made.shape == expected.shape
    if kind.kind == "scer":
        assert np.array_equal(made.numpy(), expected)
    np.testing.assert_allclose(made.numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("normalise", NORMALISE)
@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_inputs_equal_numpys(kind: Representation, stored: bool, normalise: str) -> None:
    rng = np.random.default_rng(6)
    mask = (rng.random((1, HEIGHT, WIDTH)) < 0.3).astype(np.uint8) if stored else None
    for count in (0, 150, 5000):
        blurry = rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
        events = random_events(count)
        sample = Sample("a_00000", blurry, events, stored_mask=mask)
        reading = Reading(kind, normalise, event_mask=True, channel_order="bgr")
        made = inputs_on(CPU, sample, events, reading)
        expected = inputs_of(arrays_of(sample, reading), reading)
        assert torch.equal(made.blurry, expected.blurry)
        assert made.mask is not None and torch.equal(made.mask, expected.mask)
        torch.testing.assert_close(made.voxel, expected.voxel, rtol=1e-4, atol=1e-4)
        assert made.sharp is None


def test_equal_cells_become_zero() -> None:
    one = Events(x=[3], y=[2], t=[7], p=[1])
    sample = Sample("a_00000", np.zeros((HEIGHT, WIDTH, 3), np.uint8), one)
    assert not inputs_on(CPU, sample, one, Reading()).voxel.any()


def test_what_numpy_refuses_is_refused() -> None:
    outside = Events(x=[WIDTH], y=[0], t=[0], p=[1])
    with pytest.raises(DataError, match="x from 40 to 40"):
        grid_on(CPU, outside, Representation(), HEIGHT, WIDTH)


def test_a_restorer_on_a_gpu_makes_whole_frames_there(monkeypatch: pytest.MonkeyPatch) -> None:
    events = random_events(500)
    sample = Sample("a_00000", np.zeros((HEIGHT, WIDTH, 3), np.uint8), events)
    on_cpu = restorer.EfnetRestorer(EFNet(wf=4), CPU, "float32", Reading())
    expected = on_cpu.batch_of(sample).voxel
    devices = []

    def noted(device: torch.device, *rest: Any) -> Batch:
        devices.append(device.type)
        return inputs_on(CPU, *rest)

    monkeypatch.setattr(restorer, "inputs_on", noted)
    assert torch.equal(on_cpu.batch_of(sample).voxel, expected) and devices == []
    on_cpu.torch_device = torch.device("cuda")
    torch.testing.assert_close(on_cpu.batch_of(sample).voxel, expected, rtol=1e-4, atol=1e-4)
    assert devices == ["cuda"]
