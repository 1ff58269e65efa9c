from __future__ import annotations

from pathlib import Path

import pytest
import torch

from baselines.efnet.device import (
    autocast,
    choose_device,
    device_name,
    has_bfloat16,
    is_fused,
    lay_out,
)
from baselines.efnet.model import EFNet
from challenge.errors import ConfigError

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    "flags, expected",
    [("fpu avx2", False), ("avx512f avx512_bf16", True), ("amx_bf16", True), ("asimd bf16", True)],
)
def test_bfloat16_is_used_where_the_processor_has_it(
    tmp_path: Path, flags: str, expected: bool
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor : 0\nflags : {flags}\n")
    assert has_bfloat16(CPU, cpuinfo) is expected


def test_a_system_that_does_not_tell_gets_float32(tmp_path: Path) -> None:
    assert not has_bfloat16(CPU, tmp_path / "absent")


@pytest.mark.parametrize(
    "precision, dtype",
    [("float32", torch.float32), ("bfloat16", torch.bfloat16), ("float16", torch.float16)],
)
def test_autocast_computes_in_what_was_asked_for(precision: str, dtype: torch.dtype) -> None:
    with autocast(CPU, precision):
        assert torch.nn.functional.linear(torch.ones(2, 2), torch.ones(2, 2)).dtype == dtype


def test_auto_follows_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    for has, dtype in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr("baselines.efnet.device.has_bfloat16", lambda device, has=has: has)
        with autocast(CPU, "auto"):
            assert torch.nn.functional.linear(torch.ones(2, 2), torch.ones(2, 2)).dtype == dtype


@pytest.mark.parametrize("wish, last", [(None, False), (True, True), (False, False)])
def test_weights_lie_in_memory_as_asked(wish: bool | None, last: bool) -> None:
    """By default as a processor has them; what the network gives stays the same."""
    network = EFNet(wf=4)
    blurry, voxel = torch.rand(1, 3, 12, 16), torch.rand(1, 6, 12, 16)
    expected = network(blurry, voxel)[-1]
    network.to(memory_format=torch.channels_last if wish is False else torch.contiguous_format)
    lay_out(network, CPU, wish)
    weight = network.down_path_1[0].conv_1.weight
    assert weight.is_contiguous(memory_format=torch.channels_last) is last
    torch.testing.assert_close(network(blurry, voxel)[-1], expected, rtol=1e-5, atol=1e-6)


def test_the_optimiser_is_fused_where_torch_can() -> None:
    assert is_fused(CPU) and is_fused(torch.device("cuda")) and not is_fused(torch.device("mps"))
    assert not is_fused(CPU, False) and is_fused(CPU, True)


def test_devices_are_chosen_by_name() -> None:
    assert choose_device("cpu") == CPU and device_name(CPU) == "cpu"
    for name in ("gpu", "cuda:99"):
        with pytest.raises(ConfigError, match=name):
            choose_device(name)
