"""Whether a whole frame fits into memory, asked before the system has to kill something."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator

import torch

from baselines.efnet.device import device_name, uses_bfloat16
from challenge.environment.memory import GIB, free_memory
from challenge.errors import ChallengeError, ConfigError

MEMORY_VARIABLE = "KIT_MEMORY"
"""GiB there are, for who knows better than the system, or than the estimate."""

BYTES = {"float32": 72, "bfloat16": 45}
"""Per pixel and channel of the first level, for a network of three levels."""

OUT_OF_MEMORY = ("DefaultCPUAllocator", "ALLOC_FAILED")
"""What torch says in a plain RuntimeError, on the CPU and in cuBLAS."""

SMALL_BLOCKS = 0.5 * GIB
"""What the C library keeps beside: blocks under 32 MiB it does not hand back."""


def frame_need(width_of_network: int, height: int, width: int, precision: str) -> int:
    """Estimate the bytes that restoring one frame takes on top of the idle process.

    BYTES * wf * height * width + SMALL_BLOCKS, above every peak of the resident set (VmHWM) that
    was measured in a CPU process on top of itself idle (0.3 GiB), in GiB:

        wf, frame        float32  bfloat16
        64, 1632x1224    7.0      3.9
        64, 816x612      1.9      1.2
        64, 320x256      0.4      0.3
        32, 816x612      1.2      0.8
        16, 1632x1224    2.0      1.3
        16, 816x612      0.9      0.4

    An earlier, whole run of `validate` took 9.2 GiB on 1632x1224, hence the room above. Three
    levels, one thread, torch 2.13. Not measured on a GPU, whose libraries take room besides.

    Args:
        width_of_network: channels of the first level, `network.wf`.
        height, width: of the frame, in pixels.
        precision: "float32" or "bfloat16", as computed.
    """
    return int(BYTES[precision] * width_of_network * height * width + SMALL_BLOCKS)


def require_memory(
    wf: int, height: int, width: int, device: torch.device, precision: str, what: str
) -> None:
    """Refuse to start what would end with the system killing the process.

    Args:
        wf: channels of the network's first level.
        height, width: of the frames, in pixels.
        device: where the network runs.
        precision: "float32", "bfloat16" or "auto".
        what: would restore whole frames: "predict", "validation".

    Raises:
        ChallengeError: the estimate is above what is free; says both, and what to do.
        ConfigError: KIT_MEMORY is no number.
    """
    free = _free_on(device)
    computed = "bfloat16" if uses_bfloat16(device, precision) else "float32"
    need = frame_need(wf, height, width, computed)
    if free is None or need <= free:
        return
    halved = frame_need(max(wf // 2, 1), height, width, computed) / GIB
    problems = [
        "run it on a machine (or --device) with more memory, or on smaller frames",
        f"train a narrower network: network.wf={max(wf // 2, 1)} needs about {halved:.1f} GiB",
    ]
    if computed == "float32":
        lower = frame_need(wf, height, width, "bfloat16") / GIB
        problems.append(
            f"train with train.precision=bfloat16: about {lower:.1f} GiB (slow on processors "
            "without it)"
        )
    raise ChallengeError(
        f"{what}: EFNet of network.wf={wf} needs about {need / GIB:.1f} GiB for a whole frame of "
        f"{width}x{height} (width x height) in {computed}, {device_name(device)} has "
        f"{free / GIB:.1f} GiB free",
        [
            *problems,
            "restore without a network: bash run.sh predict --baseline edi",
            f"the need is an estimate: {MEMORY_VARIABLE}={math.ceil(need / GIB)} (GiB that there "
            "are) in front of the command goes on all the same",
        ],
    )


def _free_on(device: torch.device) -> int | None:
    """Read the bytes that are free on a device, or what KIT_MEMORY says."""
    if said := os.environ.get(MEMORY_VARIABLE):
        try:
            return int(float(said) * GIB)
        except (ValueError, OverflowError) as error:
            raise ConfigError(
                f"{MEMORY_VARIABLE}={said}: expected GiB, such as {MEMORY_VARIABLE}=16"
            ) from error
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return free_memory() if device.type == "cpu" else None


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
