"""The learning rate of each iteration, and what changes the weights: against timm and torch."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from formulas import fill_by_formula, training_batch

from baselines.efnet.checkpoint import load_checkpoint, save_checkpoint
from baselines.efnet.config import TrainConfig, read_config
from baselines.efnet.folder import compare_settings
from baselines.efnet.optimiser import load_state, moments_of, optimiser_of, usable
from baselines.efnet.schedule import TIMM, schedule_of
from baselines.efnet.training import Training
from challenge import REPOSITORY
from challenge.environment.torchvision_shim import ensure_torchvision_imports
from challenge.errors import ConfigError

ensure_torchvision_imports()  # timm imports it

import timm.optim  # noqa: E402
import timm.scheduler  # noqa: E402

MINI = REPOSITORY / "configs" / "efnet_mini.yml"
CPU = torch.device("cpu")
pytestmark = pytest.mark.usefixtures("one_thread")


def settings(**values: Any) -> TrainConfig:
    return TrainConfig(learning_rate=1e-3, final_learning_rate=1e-5, **values)


def test_warm_up_rises_in_equal_steps_and_half_a_cosine_follows() -> None:
    rate = schedule_of(settings(iterations=14, warmup=4))
    rising = [1e-3 * step / 5 for step in (1, 2, 3, 4, 5)]
    assert [rate(k) for k in range(5)] == pytest.approx(rising, rel=1e-12)
    assert rate(9) == pytest.approx((1e-3 + 1e-5) / 2) and rate(14) == pytest.approx(1e-5)
    falling = [1e-5 + 0.99e-3 * (1 + math.cos(math.pi * k / 10)) / 2 for k in range(11)]
    assert [rate(4 + k) for k in range(11)] == pytest.approx(falling, rel=1e-12)


def test_cosine_with_warm_up_is_that_of_timm() -> None:
    asked = torch.optim.SGD([torch.zeros(1)], lr=1e-3)
    timms = timm.scheduler.CosineLRScheduler(
        asked, 35, lr_min=1e-5, warmup_t=5, warmup_lr_init=1e-3 / 6, warmup_prefix=True,
        t_in_epochs=False,
    )  # fmt: skip
    rate = schedule_of(settings(iterations=40, warmup=5))
    for k in range(40):
        timms.step_update(k)
        assert rate(k) == pytest.approx(asked.param_groups[0]["lr"], rel=1e-9)


@pytest.mark.parametrize(
    "name, options, arguments",
    [
        ("tanh", {}, {"t_initial": 30, "lr_min": 1e-5}),
        ("tanh", {"lb": -4.0, "ub": 4.0}, {"t_initial": 30, "lr_min": 1e-5, "lb": -4, "ub": 4}),
        ("poly", {"power": 1.0}, {"t_initial": 30, "lr_min": 1e-5, "power": 1.0}),
        ("step", {"decay_t": 12, "decay_rate": 0.5}, {"decay_t": 12, "decay_rate": 0.5}),
        (
            "multistep",
            {"decay_t": [5, 25], "decay_rate": 0.1},
            {"decay_t": [5, 25], "decay_rate": 0.1},
        ),
        (
            "restarts",
            {"t_initial": 10, "cycle_limit": 3, "cycle_decay": 0.5},
            {"t_initial": 10, "lr_min": 1e-5, "cycle_limit": 3, "cycle_decay": 0.5},
        ),
    ],
)
def test_schedules_of_timm(name: str, options: dict[str, Any], arguments: dict[str, Any]) -> None:
    """Asked in any order: a resume begins in the middle."""
    rate = schedule_of(settings(iterations=34, warmup=4, schedule=name, schedule_options=options))
    asked = torch.optim.SGD([torch.zeros(1)], lr=1e-3)
    timms = getattr(timm.scheduler, TIMM[name])(asked, **arguments, t_in_epochs=False)
    seen = []
    for k in (20, 0, 29, 12, 5, 11, 25):
        timms.step_update(k)
        seen.append(rate(4 + k))
        assert seen[-1] == asked.param_groups[0]["lr"]
    assert len(set(seen)) > 2 and rate(1) == pytest.approx(1e-3 * 2 / 5)


def test_linear_is_poly_of_power_one() -> None:
    rate = schedule_of(settings(iterations=10, schedule="poly", schedule_options={"power": 1.0}))
    assert [rate(k) for k in (0, 5, 10)] == pytest.approx([1e-3, (1e-3 + 1e-5) / 2, 1e-5])


@pytest.mark.parametrize(
    "changes, sentence",
    [
        (["train.schedule=plateau"], "train.schedule=plateau: expected cosine or tanh or poly"),
        (["train.warmup=3500"], "train.warmup=3500: expected 0 or more, and fewer than"),
        (["train.clip_norm=.inf"], "train.clip_norm=inf: expected a length, or 0"),
        (["train.clip_norm=-1"], "train.clip_norm=-1.0: expected a length, or 0"),
        (["train.warmup=-1"], "train.warmup=-1: expected 0 or more"),
        (["train.schedule_options={power: 2}"], "train.schedule=cosine has none"),
        (["train.optimiser_options={momentum: 0.5}"], "train.optimiser=adamw has none"),
        (["train.optimiser=lion", "train.fused=true"], "train.fused=true: of adamw alone"),
        (["train.loss=l2"], "train.loss=l2: expected psnr or psnr_y or charbonnier or l1_gradient"),
    ],
)
def test_settings_that_cannot_be(changes: list[str], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        read_config(MINI, changes)


@pytest.mark.parametrize(
    "values, sentence",
    [
        ({"optimiser": "lyon"}, "train.optimiser=lyon: expected adamw, or one of .* lion"),
        ({"optimiser": "adahessian"}, "train.optimiser=adahessian: expected adamw"),
        ({"optimiser": "kron"}, "train.optimiser=kron: expected adamw"),
        (
            {"optimiser": "lion", "optimiser_options": {"momentum": 1}},
            "lion has no momentum; it has",
        ),
        ({"optimiser": "lion", "optimiser_options": {"betas": 7}}, "timm refuses them: "),
        ({"schedule": "step"}, "timm's StepLRScheduler refuses them: .*decay_t"),
        ({"schedule": "poly", "schedule_options": {"pow": 2}}, "PolyLRScheduler refuses .*pow"),
    ],
)
def test_what_timm_refuses_is_a_sentence(values: dict[str, Any], sentence: str) -> None:
    train = settings(iterations=10, **values)
    with pytest.raises(ConfigError, match=sentence):
        schedule_of(train)
        optimiser_of([torch.zeros(2, requires_grad=True)], train, CPU)


def test_betas_and_decay_reach_timms_optimisers() -> None:
    weights = [torch.zeros(3, 3, requires_grad=True), torch.zeros(3, requires_grad=True)]
    train = settings(optimiser="nadamw", betas=[0.8, 0.95], weight_decay=0.5)
    (group,) = optimiser_of(weights, train, CPU).param_groups
    assert (group["betas"], group["weight_decay"], group["lr"]) == ((0.8, 0.95), 0.5, 1e-3)
    train = settings(optimiser="sgd", optimiser_options={"momentum": 0.7})
    (group,) = optimiser_of(weights, train, CPU).param_groups
    assert group["momentum"] == 0.7 and len(group["params"]) == 2


def test_a_step_of_lion_by_hand() -> None:
    """Sign of the mean of gradient and momentum, decoupled decay: w (1 - lr wd) - lr sign."""
    weight = torch.tensor([1.0, -2.0], requires_grad=True)
    train = settings(optimiser="lion", weight_decay=0.1)
    optimiser = optimiser_of([weight], train, CPU)
    weight.grad = torch.tensor([0.3, -5.0])
    optimiser.step()
    assert weight.tolist() == pytest.approx([0.9999 - 1e-3, -1.9998 + 1e-3], abs=1e-6)


def exact(name: str) -> bool:
    """Whether an optimiser saved in the middle goes on as if it had not been."""

    def made() -> tuple[list[torch.Tensor], torch.optim.Optimizer]:
        rng = torch.Generator().manual_seed(1)
        shapes = ((4, 3, 3, 3), (4,), (6, 4))
        weights = [torch.randn(shape, generator=rng).requires_grad_() for shape in shapes]
        return weights, optimiser_of(weights, settings(optimiser=name), CPU)

    def step(weights: list[torch.Tensor], optimiser: torch.optim.Optimizer, number: int) -> None:
        for place, weight in enumerate(weights):
            rng = torch.Generator().manual_seed(10 * number + place)
            weight.grad = torch.randn(weight.shape, generator=rng)
        optimiser.step()

    whole, alone = made()
    for number in range(4):
        step(whole, alone, number)
        if number == 1:
            half, saved = [weight.detach().clone() for weight in whole], alone.state_dict()
            file = io.BytesIO()
            torch.save(saved, file)
            file.seek(0)
            saved = torch.load(file, weights_only=True)
    again, resumed = made()
    with torch.no_grad():
        for weight, kept in zip(again, half, strict=True):
            weight.copy_(kept)
    load_state(resumed, saved)
    for number in (2, 3):
        step(again, resumed, number)
    return all(map(torch.equal, whole, again)) and not torch.equal(whole[0], half[0])


USABLE = [name for name in timm.optim.list_optimizers() if usable(name)]


def kept_for_each_weight(name: str) -> float:
    """How many numbers an optimiser keeps, for each of those it changes."""
    weight = torch.ones(64, 32).requires_grad_()
    optimiser = optimiser_of([weight], settings(optimiser=name), CPU)
    for _ in range(2):
        weight.grad = torch.ones_like(weight)
        optimiser.step()
    states = (value for state in optimiser.state.values() for value in state.values())
    return sum(each.numel() for each in states if isinstance(each, torch.Tensor)) / weight.numel()


def test_memory_reckons_with_what_the_hungriest_optimiser_keeps() -> None:
    found = {name: kept_for_each_weight(name) for name in USABLE}
    assert round(max(found.values())) == moments_of(TrainConfig(optimiser="adan"))
    assert round(kept_for_each_weight("adamw")) == moments_of(TrainConfig())


@pytest.mark.parametrize("name", USABLE)
def test_every_optimiser_goes_on_exactly(name: str) -> None:
    assert name == "adamw" or exact(name)


def test_a_training_with_timms_goes_on_exactly_and_keeps_its_optimiser(tmp_path: Path) -> None:
    changes = [
        *("network.wf=4", "train.iterations=6", "train.device=cpu", "train.precision=float32"),
        *("train.optimiser=adan", "train.betas=[0.9,0.99]", "train.schedule=tanh"),
        *("train.warmup=2", "train.loss=psnr_y"),
    ]

    def begin() -> Training:
        training = Training(read_config(MINI, changes), tmp_path)
        fill_by_formula(training.network)
        return training

    whole, again = begin(), begin()
    for number in range(6):
        if number == 3:
            save_checkpoint(tmp_path / "last.pth", whole.checkpoint())
        whole.step(training_batch(number, 16, 2, masked=False))
    again.resume(load_checkpoint(tmp_path / "last.pth"), tmp_path / "last.pth")
    for number in range(3, 6):
        again.step(training_batch(number, 16, 2, masked=False))
    assert whole.rate == again.rate and whole.steps == again.steps
    weights = zip(whole.network.parameters(), again.network.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in weights)
    other = read_config(MINI, [*changes, "train.optimiser=lion"])
    with pytest.raises(ConfigError, match="of another network or optimiser") as caught:
        compare_settings(other, whole.checkpoint(), tmp_path / "last.pth")
    assert list(caught.value.problems) == ["train.optimiser=lion (was adan)"]


def test_without_clipping_gradients_keep_their_length(tmp_path: Path) -> None:
    """Unclipped, a gradient is the one that is shorter than the longest allowed."""

    def gradient(clip_norm: float) -> tuple[float, float]:
        changes = ["network.wf=4", "train.device=cpu", f"train.clip_norm={clip_norm}"]
        training = Training(read_config(MINI, [*changes, "train.precision=float32"]), tmp_path)
        fill_by_formula(training.network)
        found = training.step(training_batch(0, 16, 2, masked=False)).gradient_norm
        grads = [each.grad for each in training.network.parameters() if each.grad is not None]
        return found, float(torch.cat([each.flatten() for each in grads]).norm())

    clipped, free, far = gradient(0.01), gradient(0), gradient(1e9)
    assert clipped[0] == free[0] > 0.1 and clipped[1] == pytest.approx(0.01, rel=1e-3)
    assert free == far and free[1] == pytest.approx(free[0])
