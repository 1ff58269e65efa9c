"""What changes the weights: AdamW as published, or another optimiser of timm."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from baselines.efnet.config import ADAMW, TrainConfig
from baselines.efnet.device import is_fused
from challenge.environment.torchvision_shim import ensure_torchvision_imports
from challenge.errors import ConfigError

ELSEWHERE = ("apex.", "bitsandbytes.")
"""Packages that timm hands some optimisers on to."""
INEXACT = ("Kron", "AdafactorBigVision")
"""Cannot be resumed exactly: draws numbers of its own; keeps bfloat16, which becomes float32."""
MOST_MOMENTS = 4
"""Numbers for each weight that Adan keeps, and none of the others more."""
State = dict[str, Any]


def optimiser_of(
    parameters: Iterable[Tensor], train: TrainConfig, device: torch.device
) -> torch.optim.Optimizer:
    """Make the optimiser that `train` names; all weights decay alike, biases too, as published.

    `train.betas` go to those of timm's that take two; `train.optimiser_options` to whom they name.

    Raises:
        ConfigError: timm has no such optimiser, or it does not have such options.
    """
    if train.optimiser == ADAMW:
        return torch.optim.AdamW(
            parameters,
            lr=train.learning_rate,
            weight_decay=train.weight_decay,
            betas=(train.betas[0], train.betas[1]),
            fused=is_fused(device, train.fused) or None,  # None: as torch would
        )
    return of_timm(parameters, train)


def of_timm(parameters: Iterable[Tensor], train: TrainConfig) -> torch.optim.Optimizer:
    """Make one of timm's, as `optimiser_of` says."""
    factory = timm_optim()
    known = [name for name in factory.list_optimizers() if usable(name)]
    if train.optimiser not in known:
        near = difflib.get_close_matches(train.optimiser, known, 3) or known
        raise ConfigError(
            f"train.optimiser={train.optimiser}: expected {ADAMW}, or one of timm.optim, such as "
            f"{', '.join(near)}"
        )
    info = factory.get_optimizer_info(train.optimiser)
    made_by = factory.get_optimizer_class(train.optimiser, bind_defaults=False)
    taken = [*inspect.signature(made_by).parameters][1:]  # timm passes over some that are not
    if unknown := [name for name in train.optimiser_options if name not in taken]:
        raise ConfigError(
            f"train.optimiser_options: {train.optimiser} has no {', '.join(unknown)}; it has "
            f"{', '.join(taken)}"
        )
    options: State = dict(train.optimiser_options)
    if info.has_betas and info.num_betas == len(train.betas):
        options = {"betas": tuple(train.betas), **options}
    try:
        made: torch.optim.Optimizer = factory.create_optimizer_v2(
            parameters, train.optimiser, train.learning_rate, train.weight_decay, **options
        )
    except (TypeError, ValueError, AssertionError) as error:
        raise ConfigError(
            f"train.optimiser={train.optimiser}, train.optimiser_options={train.optimiser_options}:"
            f" timm refuses them: {error or type(error).__name__}"
        ) from error
    return made


def moments_of(train: TrainConfig) -> int:
    """Say how many numbers an optimiser keeps for each weight: of timm's, what the most do."""
    return 2 if train.optimiser == ADAMW else MOST_MOMENTS


def timm_optim() -> Any:
    """Import timm's optimisers, which some seconds are saved without."""
    ensure_torchvision_imports()  # timm imports it
    return importlib.import_module("timm.optim")


def usable(name: str) -> bool:
    """Say whether an optimiser of timm can be resumed exactly, and needs neither another package
    nor second derivatives.
    """
    info = timm_optim().get_optimizer_info(name)
    made_by = getattr(info.opt_class, "__name__", str(info.opt_class))
    return not (info.second_order or made_by in INEXACT or made_by.startswith(ELSEWHERE))


def load_state(optimiser: torch.optim.Optimizer, saved: State) -> None:
    """Go on from what `state_dict()` gave, with the settings of now.

    What some optimisers count in their groups (they have no default for it) is no setting, and
    comes from what was saved.
    """
    now = optimiser.state_dict()["param_groups"]
    settings = {"params", *optimiser.defaults}
    groups = [
        group | {key: value for key, value in before.items() if key not in settings}
        for before, group in zip(saved["param_groups"], now, strict=True)
    ]
    optimiser.load_state_dict({"state": saved["state"], "param_groups": groups})
    for parameter, moments in optimiser.state.items():
        for name, moment in moments.items():
            if isinstance(moment, Tensor) and moment.shape == parameter.shape:
                # a fused step takes for granted that both are ordered alike in memory
                moments[name] = torch.empty_like(parameter).copy_(moment)
