"""Checkpoints: ours, and those of the published code."""

from __future__ import annotations

import dataclasses
import io
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from baselines import BEST, LAST, PREVIOUS
from baselines.efnet.config import Config, NetworkConfig
from baselines.efnet.inputs import Reading
from baselines.efnet.metadata import KEY, Metadata
from baselines.efnet.model import EFNet
from challenge import cli
from challenge.errors import DataError
from challenge.files import write_whole
from challenge.findings import shorten
from challenge.representations import Representation

Checkpoint = dict[str, Any]
"""`params`: the state_dict that predicts; `config`, `iteration`, `best_psnr` and, to resume,
`optimiser`, the rest that `Training.checkpoint` says and, where `params` are a running mean,
`trained`, the weights that are stepped. Published checkpoints have `params` alone.
"""

SET_ASIDE = ".unreadable"
"""Added to the name of a checkpoint that cannot be read."""
EXPORTED = (".onnx", ".xml")
"""Suffixes of files that another engine runs (`baselines.efnet.engines`)."""
GATE = ".emgc_"
"""In the names of the weights that the event mask decides about."""
HIGHREV_WAY = "voxel grids of mean 0 and spread 1, RGB, no event mask"
PAPER_WAY = "SCER grids divided by their largest magnitude, BGR"


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all."""
    with write_whole(path) as temporary:
        _write(temporary, checkpoint)


def save_keeping_one(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all; the one that it replaces becomes `previous.pth`.

    At every moment there is one at `path`, or (where the file system knows no hard links) at
    `previous.pth`.
    """
    with write_whole(path) as temporary:
        _write(temporary, checkpoint)
        if path.exists():
            with write_whole(path.with_name(PREVIOUS)) as link:
                try:
                    os.link(path, link)
                except OSError:
                    os.replace(path, link)


def _write(path: Path, checkpoint: Checkpoint) -> None:
    content = io.BytesIO()  # writing by itself, torch tells of a full disk in words of its own
    torch.save(checkpoint, content)
    with open(path, "wb") as file:
        file.write(content.getbuffer())
        file.flush()
        os.fsync(file.fileno())


def load_last(folder: Path) -> tuple[Checkpoint, Path]:
    """Read the checkpoint that a training goes on from, and say which it is.

    Where `last.pth` cannot be used it is set aside, and the one before it takes its place.

    Raises:
        DataError: neither can be used; nothing is changed.
    """
    last, previous = folder / LAST, folder / PREVIOUS
    try:
        return load_resumable(last), last
    except DataError as error:
        try:
            checkpoint = load_resumable(previous)
        except DataError as other:
            raise DataError(f"{folder}: nothing to go on from", [str(error), str(other)]) from error
        aside = last.with_name(LAST + SET_ASIDE)
        if last.exists():
            os.replace(last, aside)
            error = DataError(f"{error}; it was set aside as {aside.name}")
        cli.warn_once(
            f"{error}\ngoing on from {previous.name}, iteration {checkpoint['iteration']}"
        )
        os.replace(previous, last)
        return checkpoint, last


def load_resumable(path: Path) -> Checkpoint:
    """Read a checkpoint that a training can go on from.

    Raises:
        DataError: not readable, or weights only.
    """
    checkpoint = load_checkpoint(path)
    if not {"optimiser", "iteration", "best_psnr"} <= checkpoint.keys():
        raise DataError(f"{path}: holds weights only; start from them with train.weights={path}")
    return checkpoint


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint without running any code it may hold.

    A `state_dict` without `params` around it is accepted, and a `module.` in front of names is
    taken off.

    Raises:
        DataError: missing, cut off, or no weights of an EFNet.
    """
    if not path.is_file():
        raise DataError(
            f"{path}: no such checkpoint; `bash run.sh train` makes one in runs/<name>/"
        )
    if path.suffix.lower() in EXPORTED:
        raise DataError(
            f"{path}: holds a network that another engine runs, no weights for torch; take the "
            "checkpoint it was exported from"
        )
    try:
        loaded = read_file(path)
    except DataError:
        raise
    except Exception as error:  # bytes that are no checkpoint make the unpickler raise anything
        fix = "copy it again" + _others(path)
        raise DataError(
            f"{path}: not a readable checkpoint ({_first_line(error)}); {fix}"
        ) from error
    checkpoint = loaded if isinstance(loaded, dict) and "params" in loaded else {"params": loaded}
    params = checkpoint["params"]
    if not isinstance(params, dict) or not all(isinstance(v, Tensor) for v in params.values()):
        raise DataError(
            f"{path}: holds no weights: expected a state_dict, or one under the key params"
        )
    checkpoint["params"] = {key.removeprefix("module."): value for key, value in params.items()}
    if "conv_01.weight" not in params and "module.conv_01.weight" not in params:
        raise DataError(f"{path}: no EFNet: conv_01.weight is missing")
    return checkpoint


def read_file(path: Path) -> Any:
    """Read what torch.save wrote, or a safetensors file: ours with its metadata, or a bare one."""
    if path.suffix.lower() != ".safetensors":
        return torch.load(path, map_location="cpu", weights_only=True)
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        params = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        text = (file.metadata() or {}).get(KEY)
    if text is None:
        return params
    metadata = Metadata.of_text(text, path)
    told = {"iteration": metadata.iteration, "best_psnr": metadata.best_psnr}
    known = {key: value for key, value in told.items() if value is not None}
    return {"params": params, "config": metadata.config, **known}


def published_reading(
    params: dict[str, Tensor], bins: int, path: Path, stored_kind: str | None
) -> tuple[Reading, str]:
    """Choose how weights without a configuration read a sample, and say why in a sentence.

    The weights published for GoPro, REBlur and HighREV have the same names and shapes. Two things
    tell them apart: whether the event mask's gate was ever trained, as in the trainings on GoPro
    and REBlur (SCER, mask, BGR) and not in that on HighREV (voxel grids, no mask, RGB); and, where
    the data have grids stored, of which kind these are.

    Args:
        params: the weights.
        bins: that their network takes.
        path: of the file, for the sentence.
        stored_kind: of the data set's stored grids; None where it has raw events.
    """
    gate = bool(gate_was_trained(params))
    lead = f"{path.name} holds no record of a training of this kit"
    if stored_kind == "scer" or (gate and stored_kind is None):
        sign = "its event-mask gate has been trained" if gate else "the data have SCER grids stored"
        mask = "with the event mask" if gate else "without an event mask, whose gate is untrained"
        reading = Reading(Representation("scer", bins), "magnitude", gate, "bgr")
        return reading, (
            f"{lead}, and {sign}: it is run as the weights published for GoPro and REBlur are, on "
            f"{PAPER_WAY}, {mask}"
        )
    reading = Reading(Representation("voxel", bins))
    told = "which weights themselves do not tell"
    if gate:
        told = "since the data have such grids stored; yet its event-mask gate has been trained, "
        told += f"as in those of GoPro and REBlur, which expect {PAPER_WAY}: expect poor images"
    elif named := [word for word in ("GoPro", "REBlur") if word.lower() in path.name.lower()]:
        told = f"since its event-mask gate was never trained; yet its name says {named[0]}"
    return reading, (
        f"{lead}: run as weights of the published HighREV training ({HIGHREV_WAY}), {told}"
    )


def gate_was_trained(params: dict[str, Tensor]) -> bool | None:
    """Say whether weights were ever trained with an event mask; None if they have no gate.

    Without a mask the convolutions of the gate take no part, and stay as they were made: within
    1 / sqrt(inputs), where torch draws the first weights of a convolution. Training soon moves some
    of them out of it; weight decay alone moves them inwards.
    """
    gates = [value for key, value in params.items() if GATE in key and value.dim() == 4]
    if not gates:
        return None
    drawn_within = [1.01 * value[0].numel() ** -0.5 for value in gates]  # 1.01: saved in bfloat16
    return any(
        float(value.abs().max()) > limit for value, limit in zip(gates, drawn_within, strict=True)
    )


def _others(path: Path) -> str:
    """Say what other checkpoints lie beside one."""
    names = [name for name in (BEST, LAST, PREVIOUS) if name != path.name]
    others = [name for name in names if path.with_name(name).is_file()]
    return f", or take {' or '.join(others)} beside it" if others else ""


def _first_line(error: Exception) -> str:
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    return first.split(". ")[0][:120]  # the sentence; what follows tells of torch


def structure_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """Find the arguments of the `EFNet` that a checkpoint belongs to, but `ev_chn`.

    Width, depth and channels are read off the weights themselves; what leaves no trace in them
    (heads, slope, order of fusion) comes from the checkpoint's `config`, else from the published
    values.
    """
    params = checkpoint["params"]
    stored = checkpoint.get("config", {}).get("network", {})
    defaults = dataclasses.asdict(NetworkConfig())
    settings = {key: stored.get(key, value) for key, value in defaults.items()}
    settings["wf"] = params["conv_01.weight"].shape[0]
    settings["depth"] = 1 + max(
        (int(key.split(".")[1]) for key in params if key.startswith("down_path_1.")), default=0
    )
    return settings


def network_of(checkpoint: Checkpoint, path: Path) -> EFNet:
    """Return the network a checkpoint belongs to (see `structure_of`), with its weights.

    Raises:
        DataError: the weights are not those of such a network.
    """
    params = checkpoint["params"]
    in_channels = params["conv_01.weight"].shape[1]
    bins = params["conv_ev1.weight"].shape[1] if "conv_ev1.weight" in params else 6
    network = EFNet(in_chn=in_channels, ev_chn=bins, **structure_of(checkpoint))
    load_weights(network, params, path)
    return network


def load_weights(network: EFNet, params: dict[str, Tensor], path: Path) -> None:
    """Put weights into a network; every one must fit.

    Raises:
        DataError: of another width, number of bins or structure; says which.
    """
    expected = network.state_dict()
    width, bins = expected["conv_01.weight"].shape[0], expected["conv_ev1.weight"].shape[1]
    problems = []
    for name, key, axis, here in (
        ("network.wf", "conv_01.weight", 0, width),
        ("data.bins", "conv_ev1.weight", 1, bins),
    ):
        if key in params and params[key].shape[axis] != here:
            problems.append(
                f"trained with {name}={params[key].shape[axis]}, this network has {name}={here}"
            )
    if not problems:
        problems = [f"{key}: missing" for key in expected if key not in params]
        problems += [f"{key}: not part of this network" for key in params if key not in expected]
        problems += [
            f"{key}: expected {tuple(expected[key].shape)}, found {tuple(params[key].shape)}"
            for key in expected
            if key in params and params[key].shape != expected[key].shape
        ]
    if problems:
        raise DataError(f"{path}: weights of another network", shorten(problems, 5))
    network.load_state_dict(params)


def new_network(config: Config) -> EFNet:
    """Make a network as the configuration asks for, with random weights."""
    representation = Reading.of_config(dataclasses.asdict(config.data)).representation
    return EFNet(ev_chn=representation.channels, **dataclasses.asdict(config.network))
