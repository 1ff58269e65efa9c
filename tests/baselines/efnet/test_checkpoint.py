from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from baselines.efnet.checkpoint import (
    gate_was_trained,
    load_checkpoint,
    load_weights,
    network_of,
    new_network,
    published_reading,
    save_checkpoint,
)
from baselines.efnet.config import Config, DataConfig, NetworkConfig
from baselines.efnet.inputs import Reading
from baselines.efnet.model import EFNet
from challenge.errors import DataError
from challenge.representations import Representation


def config(**network: object) -> Config:
    return Config(name="x", data=DataConfig(root="y"), network=NetworkConfig(**network))  # type: ignore[arg-type]


def test_ours_come_back(tmp_path: Path) -> None:
    settings = config(wf=4, fuse_before_downsample=True, num_heads=[1, 1, 2])
    network = new_network(settings)
    path = tmp_path / "best.pth"
    save_checkpoint(path, {"params": network.state_dict(), "config": dataclasses.asdict(settings)})
    again = network_of(load_checkpoint(path), path)
    x, event = torch.rand(1, 3, 16, 16), torch.rand(1, 6, 16, 16)
    assert torch.equal(network(x, event)[1], again(x, event)[1])


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("wrapped", [True, False])
def test_published_ones_load_without_a_configuration(
    tmp_path: Path, prefix: str, wrapped: bool
) -> None:
    network = EFNet(wf=8, ev_chn=6)
    params = {prefix + key: value for key, value in network.state_dict().items()}
    path = tmp_path / "net_g_latest.pth"
    torch.save({"params": params} if wrapped else params, path)
    again = network_of(load_checkpoint(path), path)
    assert again.state_dict().keys() == network.state_dict().keys()
    assert all(
        torch.equal(a, b)
        for a, b in zip(network.state_dict().values(), again.state_dict().values(), strict=True)
    )


def trained_gate(network: EFNet, with_mask: bool, precision: torch.dtype) -> bool | None:
    """Whether the gate counts as trained after a few steps of the published optimiser."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-4)
    x, event = torch.rand(1, 3, 16, 16), torch.rand(1, 6, 16, 16)
    for _ in range(5):
        optimiser.zero_grad()
        stages = network(x, event, torch.ones(1, 1, 16, 16) if with_mask else None)
        # as in the published code, which gives weights without a part a gradient of zero
        (stages[1].square().mean() + 0 * sum(p.sum() for p in network.parameters())).backward()
        optimiser.step()
    return gate_was_trained({k: v.to(precision) for k, v in network.state_dict().items()})


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_whether_the_mask_was_used_in_training_is_read_off_the_weights(
    precision: torch.dtype,
) -> None:
    torch.manual_seed(0)
    assert trained_gate(EFNet(wf=8), True, precision) is True
    assert trained_gate(EFNet(wf=8), False, precision) is False
    assert gate_was_trained(EFNet(wf=4, depth=1).state_dict()) is None


def test_weights_of_gopro_and_reblur_are_told_by_their_gate_and_by_the_data() -> None:
    torch.manual_seed(0)
    network = EFNet(wf=8)
    fresh = dict(network.state_dict())
    highrev = Reading(Representation("voxel", 6), "nonzero", False, "rgb")
    published = Reading(Representation("scer", 6), "magnitude", True, "bgr")

    reading, why = published_reading(fresh, 6, Path("net_g_latest.pth"), None)
    assert reading == highrev and "which weights themselves do not tell" in why
    reading, why = published_reading(fresh, 6, Path("EFNet-GoPro.pth"), None)
    assert reading == highrev and "its name says GoPro" in why  # a name decides nothing
    reading, why = published_reading(fresh, 6, Path("x.pth"), "scer")
    assert reading == dataclasses.replace(published, event_mask=False)
    assert "the data have SCER grids stored" in why and "gate is untrained" in why

    trained_gate(network, True, torch.float32)
    gated = dict(network.state_dict())
    for kind in (None, "scer"):
        reading, why = published_reading(gated, 6, Path("x.pth"), kind)
        assert reading == published and "its event-mask gate has been trained" in why
        assert "SCER" in why and "BGR" in why and "poor" not in why
    reading, why = published_reading(gated, 6, Path("x.pth"), "voxel")
    assert reading == highrev and "expect poor images" in why


def test_another_width_and_other_bins_are_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load_weights(
            EFNet(wf=8, ev_chn=6), EFNet(wf=4, ev_chn=9).state_dict(), tmp_path / "best.pth"
        )
    assert caught.value.problems == (
        "trained with network.wf=4, this network has network.wf=8",
        "trained with data.bins=9, this network has data.bins=6",
    )


def test_missing_and_foreign_weights_are_listed() -> None:
    params = EFNet(wf=4).state_dict()
    params["extra.weight"] = params.pop("last.bias")
    with pytest.raises(DataError) as caught:
        load_weights(EFNet(wf=4), params, Path("best.pth"))
    assert caught.value.problems == ("last.bias: missing", "extra.weight: not part of this network")


@pytest.mark.parametrize(
    "kind", ["absent", "empty", "cut off", "text", "list", "another network", "code"]
)
def test_what_is_no_checkpoint_is_one_sentence(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "best.pth"
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "cut off":
        save_checkpoint(path, {"params": EFNet(wf=4).state_dict()})
        path.write_bytes(path.read_bytes()[:5000])
    elif kind == "text":
        path.write_text("name:x:0:0:text of colons\n")
    elif kind == "list":
        torch.save([1, 2], path)
    elif kind == "another network":
        torch.save(torch.nn.Linear(2, 2).state_dict(), path)
    elif kind == "code":
        torch.save({"params": Path("x")}, path)
    with pytest.raises(DataError, match=str(path)) as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)


def test_writing_leaves_nothing_half_done(tmp_path: Path) -> None:
    path = tmp_path / "last.pth"
    save_checkpoint(path, {"params": {}, "iteration": 1})
    with pytest.raises(AttributeError):
        save_checkpoint(path, {"params": lambda: None})
    assert torch.load(path)["iteration"] == 1 and len(list(tmp_path.iterdir())) == 1
