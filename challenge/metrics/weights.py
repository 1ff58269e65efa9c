"""The kit's own store of LPIPS backbones: what a file must hold, and reading and writing it.

One file per network, `lpips_alex.pth` and `lpips_vgg.pth`, in the folder `weights/` of the kit or
in the one that KIT_WEIGHTS names. Nothing here reaches the network: `bash run.sh weights` does
(`challenge.commands.weights`), and a file copied from another machine is as good.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from challenge import REPOSITORY
from challenge.errors import ConfigError, DataError
from challenge.files import write_whole

FORMAT = 1
FOLDER_VARIABLE = "KIT_WEIGHTS"

State = Mapping[str, np.ndarray]
"""`features.N.weight` -> (out, in, height, width) float32, `features.N.bias` -> (out,) float32."""


@dataclass(frozen=True)
class Backbone:
    """The convolutions of one torchvision classifier; its linear layers are not kept.

    Attributes:
        net: as lpips calls it.
        layers: (N of `features.N`, channels in, channels out, side of the square kernel).
        content_sha256: `content_sha256` of the weights that the golden numbers were computed with.
    """

    net: str
    layers: tuple[tuple[int, int, int, int], ...]
    content_sha256: str

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return every key of a state, and the shape of its array, in torchvision's order."""
        shapes: dict[str, tuple[int, ...]] = {}
        for number, inputs, outputs, side in self.layers:
            shapes[f"features.{number}.weight"] = (outputs, inputs, side, side)
            shapes[f"features.{number}.bias"] = (outputs,)
        return shapes


def _vgg16_layers() -> tuple[tuple[int, int, int, int], ...]:
    numbers = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
    outputs = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
    return tuple(zip(numbers, (3, *outputs[:-1]), outputs, (3,) * len(numbers), strict=True))


BACKBONES: Mapping[str, Backbone] = MappingProxyType(
    {
        "alex": Backbone(
            "alex",
            (
                (0, 3, 64, 11),
                (3, 64, 192, 5),
                (6, 192, 384, 3),
                (8, 384, 256, 3),
                (10, 256, 256, 3),
            ),
            "195266a4c8e96483085621ac3389a6c24f1dd0963c9ac0e001705d24ece83273",
        ),
        "vgg": Backbone(
            "vgg",
            _vgg16_layers(),
            "e7a5a0521f65f1615c3aab84437b37f969539737cec5eb492c06e0321f4bdbc4",
        ),
    }
)


@dataclass(frozen=True)
class Weights:
    """What one file holds: the arrays, where they came from, and the hash of the arrays."""

    net: str
    source: str
    content_sha256: str
    state: State


def find_backbone(net: str) -> Backbone:
    """Find the backbone of that name.

    Raises:
        ConfigError: there is none; says which there are.
    """
    if net in BACKBONES:
        return BACKBONES[net]
    raise ConfigError(f"no LPIPS network called {net!r}; known: {', '.join(BACKBONES)}")


def weights_path(net: str) -> Path:
    """Say where the weights of a network are kept, whether or not they are there."""
    name = f"lpips_{find_backbone(net).net}.pth"
    return Path(os.environ.get(FOLDER_VARIABLE) or REPOSITORY / "weights").expanduser() / name


def has_weights(net: str) -> bool:
    """Say whether there is a file; `load_weights` tells whether it is whole."""
    return weights_path(net).is_file()


def content_sha256(state: State) -> str:
    """Return one hash over names, shapes and values, the same whatever file they are kept in."""
    digest = hashlib.sha256()
    for name, array in sorted(state.items()):
        digest.update(f"{name} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array, dtype="<f4").tobytes())
    return digest.hexdigest()


def check_state(net: str, state: State, source: object) -> None:
    """See that a state is the one of that network: its keys, shapes, type, and finite values.

    Raises:
        DataError: it is not; every difference is listed, with `source` in front.
    """
    shapes = find_backbone(net).shapes()
    problems = [f"{name}: expected an array, found none" for name in shapes.keys() - state.keys()]
    problems += [f"{name}: does not belong there" for name in state.keys() - shapes.keys()]
    for name in shapes.keys() & state.keys():
        array = state[name]
        if array.dtype != np.float32 or array.shape != shapes[name]:
            found = f"{array.shape} {array.dtype}"
            problems.append(f"{name}: expected {shapes[name]} float32, found {found}")
        elif not np.isfinite(array).all():
            problems.append(f"{name}: holds NaN or infinity")
    if problems:
        raise DataError(f"{source}: not the weights of {net}", sorted(problems))


def save_weights(net: str, state: State, source: str) -> Path:
    """Write a network's weights, whole or not at all; return where.

    Raises:
        DataError: the state is not one of that network.
    """
    import torch

    check_state(net, state, source)
    path = weights_path(net)
    content = {
        "format": FORMAT,
        "net": net,
        "source": source,
        "content_sha256": content_sha256(state),
        "state": {name: torch.from_numpy(np.array(state[name])) for name in sorted(state)},
    }
    packed = io.BytesIO()  # writing by itself, torch tells of a full disk in words of its own
    torch.save(content, packed)
    with write_whole(path) as temporary:
        temporary.write_bytes(packed.getbuffer())
    return path


def load_weights(net: str) -> Weights:
    """Read a network's weights and see that they are whole.

    Raises:
        DataError: there are none, or they are damaged; says what to do.
    """
    import torch

    path = weights_path(net)
    if not path.is_file():
        raise DataError(
            f"{path}: no such file; `bash run.sh weights --net {net}` gets it, or copy it from "
            "another machine"
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        state = {name: tensor.numpy() for name, tensor in content["state"].items()}
        weights = Weights(content["net"], content["source"], content["content_sha256"], state)
        whole = (
            content["format"] == FORMAT
            and weights.net == net
            and weights.content_sha256 == content_sha256(state)
        )
    except Exception as error:  # torch.load raises nearly anything over a damaged file
        raise _damaged(path, net) from error
    if not whole:
        raise _damaged(path, net)
    check_state(net, state, path)
    return weights


def _damaged(path: Path, net: str) -> DataError:
    return DataError(
        f"{path}: damaged, or not made by the kit; `bash run.sh weights --net {net}` gets it again"
    )
