"""Whether a whole frame fits into memory, asked before the system has to kill something."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from baselines.distributed import processes_here
from baselines.efnet.device import computed_in, device_name
from challenge.environment.memory import GIB, free_memory
from challenge.errors import ChallengeError, ConfigError

MEMORY_VARIABLE = "KIT_MEMORY"
"""GiB there are, for who knows better than the system, or than the estimate."""

BASE = int(0.17 * GIB)
"""Of training in a CPU process: what the libraries and the C library keep."""

WEIGHTS = 2068
"""Weights of a network of three levels, by the square of its width, `network.wf`."""


@dataclass(frozen=True)
class Need:
    """Bytes that restoring takes."""

    call: int  # whatever is restored: what the libraries keep
    weight: int  # each
    channel: int  # each pixel, for each channel of the first level
    pixel: int  # each pixel, besides
    large: int = 0  # in place of `channel` where the first level's features are more than KEPT
    item: int = 4  # each feature

    def of(self, wf: int, height: int, width: int) -> int:
        """Sum them for a network and a frame, or a tile."""
        given_back = self.large and height * width * wf * self.item > KEPT
        each_pixel = (self.large if given_back else self.channel) * wf + self.pixel
        return self.call + self.weight * WEIGHTS * wf**2 + height * width * each_pixel


KEPT = 2**27
"""Bytes: the C library keeps smaller blocks for the next ones, with holes between them, and gives
larger ones back at once, as run.sh sets it.
"""

NEEDS = {
    ("torch", "float32"): Need(int(0.13 * GIB), 4, 46, 83, large=32),
    ("torch", "bfloat16"): Need(int(0.12 * GIB), 5, 26, 136, large=20, item=2),
    ("onnxruntime", "float32"): Need(int(0.15 * GIB), 17, 86, 218),
    ("openvino", "float32"): Need(int(0.21 * GIB), 35, 36, 444),
    ("openvino", "bfloat16"): Need(int(0.21 * GIB), 37, 18, 235),
}
"""By engine and what it computes in. `python benchmarks/needs.py` measures, and finds these."""

STEP = {"float32": (350, 700), "bfloat16": (215, 700)}
"""Of a training step, bytes per pixel: for each channel of the first level, and besides."""

OUT_OF_MEMORY = ("DefaultCPUAllocator", "ALLOC_FAILED")
"""What torch says in a plain RuntimeError, on the CPU and in cuBLAS."""

SIDES = (768, 512, 384, 256, 192, 128)
"""Of tiles, in pixels, where memory decides. Four of 1024 would cover a HighREV frame twice."""

FRAME = 300
"""Bytes per pixel of a frame besides what the network takes: two samples with their events (one is
read while the other is restored), the network's inputs, and the result.
"""


def frame_need(wf: int, height: int, width: int, precision: str, engine: str = "torch") -> int:
    """Estimate the bytes that restoring one frame, or a tile, takes on top of the idle process.

    The sum of NEEDS: above every peak of the resident set that `benchmarks/needs.py` and `cost.py`
    measured (one thread, torch 2.13, three levels; docs/cost.md). Not measured on a GPU, whose
    libraries take room besides.

    Args:
        wf: channels of the network's first level.
        height, width: of the frame, in pixels.
        precision: "float32" or "bfloat16", as computed.
        engine: that computes.
    """
    return NEEDS[engine, precision].of(wf, height, width)


def whole_need(wf: int, height: int, width: int, precision: str, engine: str = "torch") -> int:
    """Estimate the bytes that restoring frames as a whole takes; arguments as of `frame_need`."""
    return frame_need(wf, height, width, precision, engine) + FRAME * height * width


def training_need(
    wf: int, batch: int, height: int, width: int, precision: str, bins: int = 6, ema: bool = False
) -> int:
    """Estimate the bytes that training steps take on top of the idle process.

    BASE, 16 bytes a weight (itself, gradient, AdamW's two moments), 4 more for a running mean, and
    STEP for each pixel: above every peak that `benchmarks/cost.py` measured, as in `frame_need`.

    Args:
        wf: channels of the network's first level.
        batch: crops in a step.
        height, width: of a crop, in pixels.
        precision: "float32" or "bfloat16", as computed.
        bins: channels of a grid.
        ema: a running mean of the weights is kept.
    """
    each, besides = STEP[precision]
    states = (20 if ema else 16) * WEIGHTS * wf**2
    return BASE + states + batch * height * width * (each * wf + besides + 4 * bins)


def require_memory(
    wf: int,
    height: int,
    width: int,
    device: torch.device,
    precision: str,
    what: str,
    said: float | None = None,
    engine: str = "torch",
) -> None:
    """Refuse to start what would end with the system killing the process.

    Args:
        wf: channels of the network's first level.
        height, width: of what the network gets at once, a frame or a tile, in pixels.
        device: where the network runs.
        precision: "float32", "bfloat16" or "auto".
        what: would restore it: "predict", "validation".
        said: GiB there are; None: see `free_on`.
        engine: that computes.

    Raises:
        ChallengeError: the estimate is above what is free; says both, and what to do.
        ConfigError: KIT_MEMORY is no number.
    """
    free = free_on(device, said)
    computed = computed_in(device, precision)
    need = whole_need(wf, height, width, computed, engine)
    if free is None or need <= free:
        return
    halved = whole_need(max(wf // 2, 1), height, width, computed, engine) / GIB
    ways = ["restore in smaller tiles: predict --tile 256, or train.tile=256"]
    ways = ways if max(height, width) > 256 else []
    ways += [
        "run it on a machine (or --device) with more memory",
        f"train a narrower network: network.wf={max(wf // 2, 1)} needs about {halved:.1f} GiB",
    ]
    if engine != "torch":
        by_torch = whole_need(wf, height, width, computed) / GIB
        ways.append(f"leave out --engine {engine}: torch needs about {by_torch:.1f} GiB")
    if computed == "float32" and (engine, "bfloat16") in NEEDS:
        lower = whole_need(wf, height, width, "bfloat16", engine) / GIB
        ways.append(
            f"compute in bfloat16 (predict --precision, train.precision): about {lower:.1f} GiB "
            "(slow on processors without it)"
        )
    if fewer := fewer_processes(device, need, free):
        ways = [fewer, *ways]
    by = "" if engine == "torch" else f" by {engine}"
    raise ChallengeError(
        f"{what}: EFNet of network.wf={wf} needs about {need / GIB:.1f} GiB for {width}x{height} "
        f"(width x height) in {computed}{by}, {free_in_words(device, free)}",
        [
            *ways,
            "restore without a network: bash run.sh predict --baseline edi",
            all_the_same(device, need),
        ],
    )


def free_in_words(device: torch.device, free: int) -> str:
    """Say how many bytes are free on a device for this process, of several or alone."""
    each = f" for each of {count} processes" if (count := sharing(device)) > 1 else ""
    return f"{device_name(device)} has {free / GIB:.1f} GiB free{each}"


def fewer_processes(device: torch.device, need: int, free: int) -> str:
    """Say how many processes that need so many bytes each would fit, where there are several; "" if
    not even one does.
    """
    most = free * sharing(device) // need
    return f"--nproc {most}: so many processes fit on this machine" if most > 0 else ""


def all_the_same(device: torch.device, need: int) -> str:
    """Say how to go on against an estimate of so many bytes for this process."""
    gib = math.ceil(need * sharing(device) / GIB)
    return (
        f"the need is an estimate: {MEMORY_VARIABLE}={gib} (GiB that there are) in front of the "
        "command goes on all the same"
    )


def sharing(device: torch.device) -> int:
    """Count the processes that share a device's memory, this one included."""
    return processes_here() if device.type == "cpu" else 1


def largest_tile(
    wf: int,
    height: int,
    width: int,
    device: torch.device,
    precision: str,
    said: float | None = None,
    engine: str = "torch",
) -> int:
    """Find the side of the largest tiles that memory holds, in pixels; arguments as above.

    Returns:
        0 where whole frames fit, else one of SIDES: the smallest of them if none fits.
    """
    free = free_on(device, said)
    computed = computed_in(device, precision)
    if free is None or whole_need(wf, height, width, computed, engine) <= free:
        return 0
    for side in SIDES:
        if side < max(height, width):
            tile = frame_need(wf, min(side, height), min(side, width), computed, engine)
            if tile + FRAME * height * width <= free:
                return side
    return SIDES[-1]


def memory_in_words(
    wf: int,
    height: int,
    width: int,
    device: torch.device,
    precision: str,
    said: float | None = None,
    engine: str = "torch",
) -> str:
    """Say what a whole frame would take, and what there is; arguments as above."""
    computed = computed_in(device, precision)
    need, free = whole_need(wf, height, width, computed, engine), free_on(device, said)
    there = "" if free is None else f", {free_in_words(device, free)}"
    return f"since whole frames of {width}x{height} take about {need / GIB:.1f} GiB{there}"


def free_on(device: torch.device, said: float | None = None) -> int | None:
    """Read the bytes that are free on a device for this process, or what the user says there are.

    Processes that work together on one machine share its memory evenly; each has its own GPU.

    Args:
        said: GiB, of all processes on this machine; None: what KIT_MEMORY says, else the system.

    Raises:
        ConfigError: KIT_MEMORY is no number.
    """
    free = _said(said)
    if free is None and device.type == "cuda":
        free = int(torch.cuda.mem_get_info(device)[0])
    elif free is None and device.type == "cpu":
        free = free_memory()
    return None if free is None else free // sharing(device)


def _said(gib: float | None) -> int | None:
    if gib is not None:
        return int(gib * GIB)
    text = os.environ.get(MEMORY_VARIABLE)
    try:
        return int(float(text) * GIB) if text else None
    except (ValueError, OverflowError) as error:
        raise ConfigError(
            f"{MEMORY_VARIABLE}={text}: expected GiB, such as {MEMORY_VARIABLE}=16"
        ) from error


@contextlib.contextmanager
def out_of_memory_is(sentence: str) -> Iterator[None]:
    """Turn what torch raises when memory ends into a ChallengeError that says `sentence`."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise ChallengeError(sentence) from error
    except RuntimeError as error:
        if not any(sign in str(error) for sign in OUT_OF_MEMORY):
            raise
        raise ChallengeError(sentence) from error
