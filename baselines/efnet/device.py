"""Where the network runs, and in what precision."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from challenge.errors import ConfigError


def choose_device(name: str, local_rank: int | None = None) -> torch.device:
    """Choose the device that `name` ("auto", "cpu", "cuda", "cuda:1") stands for; auto takes a GPU
    if there is one.

    Args:
        local_rank: number of this process on this machine, where each takes a GPU of its own.

    Raises:
        ConfigError: no such device on this machine.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and local_rank is not None:
        name = f"cuda:{local_rank}"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"device {name!r}: expected auto, cpu, cuda or cuda:1") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        raise ConfigError(
            f"device {name}: this torch sees {found} GPUs; use cpu, or `bash run.sh doctor`"
        )
    return device


def device_name(device: torch.device) -> str:
    """Return "cpu", or the GPU's name."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager[None]:
    """Make the context in which the network is called: autocast to half the bits, or nothing.

    Weights stay float32, and so do the images that are added to what the network finds.
    """
    half = torch.float16 if precision == "float16" else torch.bfloat16
    enabled = precision == "float16" or uses_bfloat16(device, precision)
    return torch.autocast(device.type, half, enabled=enabled)


@contextlib.contextmanager
def tuned_to_one_size(device: torch.device) -> Iterator[None]:
    """Let cuDNN try its algorithms on the sizes it meets here, and keep the fastest of each.

    For crops, which are all of one size. Otherwise torch's own choices stand: on a GPU convolutions
    of float32 round their factors to TF32, as they do in the published code, matrix products do not
    (`torch.set_float32_matmul_precision("high")` lets them).
    """
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = before or device.type == "cuda"
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def lay_out(network: nn.Module, device: torch.device, channels_last: bool | None = None) -> None:
    """Put the weights of convolutions into the order that these read fastest, in memory.

    Args:
        network: on the device.
        channels_last: a pixel's channels side by side, or a channel's pixels; None: side by side on
            a GPU, whose convolutions would else turn them around at each call. A processor's
            (oneDNN) bring weights into an order of their own anyway.
    """
    if channels_last is None:
        channels_last = device.type == "cuda"
    order = torch.channels_last if channels_last else torch.contiguous_format
    network.to(memory_format=order)  # type: ignore[call-overload]


def is_fused(device: torch.device, wish: bool | None = None) -> bool:
    """Say whether AdamW updates all weights in one call, rather than one operation at a time.

    Args:
        wish: None: where torch has it for the device.
    """
    return device.type in ("cpu", "cuda") if wish is None else wish


def compiled(network: nn.Module, device: torch.device) -> Callable[..., list[Tensor]]:
    """Let torch compile a network: the first call of each size takes a minute or more.

    The network itself stays as it is, its state_dict too; only calls of what is returned are fast.

    Raises:
        ConfigError: what torch compiles with is missing on this machine.
    """
    if device.type == "cpu" and not any(map(shutil.which, ("c++", "g++", "clang++"))):
        raise ConfigError("train.compile=true: needs a C++ compiler, such as g++; found none")
    if device.type == "cuda" and importlib.util.find_spec("triton") is None:
        raise ConfigError("train.compile=true: needs triton; pip install triton")
    return torch.compile(network, dynamic=False)


def uses_bfloat16(device: torch.device, precision: str) -> bool:
    """Say whether a network computes in bfloat16 there, rather than in float32.

    "auto" is bfloat16 where the device computes in it; a processor that has to imitate it is faster
    in float32.
    """
    return precision == "bfloat16" or (precision == "auto" and has_bfloat16(device))


def computed_in(device: torch.device, precision: str) -> str:
    """Name what memory is reckoned in there: "bfloat16" or "float32", for float16 as well."""
    return "bfloat16" if uses_bfloat16(device, precision) else "float32"


def has_bfloat16(device: torch.device, cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Say whether a device multiplies bfloat16 by itself; no where the system does not tell."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    try:
        words = set(cpuinfo.read_text(encoding="utf-8").split())
    except OSError:
        return False
    return not words.isdisjoint({"amx_bf16", "avx512_bf16", "bf16"})  # Intel and AMD; Arm
