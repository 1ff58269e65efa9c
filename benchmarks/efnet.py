"""How fast EFNet restores and trains, and in how much memory: ours, and the published network.

python benchmarks/efnet.py [--published DIR] [--rows forward1,frame] [--wf 16 --size 64]

`--published` is a checkout of AHupuJR/EFNet; its network file is run as it is, with equal weights
and inputs. Everyone who takes part computes in a process of its own, ours with the settings of the
C library that run.sh makes, published without, and they take turns, so that a machine that slows
down slows all. Times are medians, ratios medians of the ratios of each turn. Memory is the growth
of a process's peak on the CPU, the allocator's peak on a GPU. A training step is forward, the
published loss, backward, clipping and AdamW.
"""

from __future__ import annotations

if __name__ == "__main__":
    import pathlib
    import sys

    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])
    from challenge.environment import bootstrap

    bootstrap.ensure_packages()

import importlib.util
import multiprocessing
import os
import resource
import statistics
import sys
import time
import types
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import torch
import typer
from torch.utils.flop_counter import FlopCounterMode

from baselines.efnet.device import autocast, choose_device, device_name, tuned_to_one_size
from baselines.efnet.losses import psnr_loss
from baselines.efnet.memory import KEPT
from baselines.efnet.model import EFNet
from challenge import cli
from challenge.environment.torchvision_shim import ensure_torchvision_imports
from challenge.errors import ConfigError

MIB = 2.0**20
KEPT_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(KEPT), "MALLOC_TRIM_THRESHOLD_": str(2**30)}
"""What `keep_memory` of run.sh exports."""


@dataclass(frozen=True)
class Row:
    """What is measured."""

    name: str
    trains: bool
    batch: int
    height: int
    width: int
    turns: int


class Turn(NamedTuple):
    """What one turn took, and gave."""

    wall: float  # seconds
    used: float  # seconds of the processor
    memory: float  # MiB, the peak so far
    result: np.ndarray


@dataclass(frozen=True)
class Contender:
    """Who takes part."""

    network: str  # ours, published
    precision: str
    wf: int
    device: str
    published: Path | None


def published_network(checkout: Path, wf: int) -> torch.nn.Module:
    """Load the network of a checkout, without installing what else the published code imports.

    Raises:
        ConfigError: no network file there.
    """
    folder = checkout / "basicsr" / "models" / "archs"
    if not (folder / "EFNet_arch.py").is_file():
        raise ConfigError(f"{folder / 'EFNet_arch.py'}: no such file; --published takes a checkout")
    ensure_torchvision_imports()  # the published code imports timm
    for name in ("basicsr", "basicsr.models", "basicsr.models.archs", "basicsr.utils"):
        sys.modules[name] = types.ModuleType(name)
    vars(sys.modules["basicsr.utils"])["get_root_logger"] = lambda *_: None
    module: Any = None
    for file in ("arch_util", "EFNet_arch"):
        name = f"basicsr.models.archs.{file}"
        spec = importlib.util.spec_from_file_location(name, folder / f"{file}.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    network: torch.nn.Module = module.EFNet(wf=wf)
    return network


def work_of(network: torch.nn.Module, contender: Contender, row: Row) -> Callable[[], Any]:
    """Prepare one turn on constant random data; it returns what was restored, or the loss."""
    device = choose_device(contender.device)
    network = network.to(device)
    if contender.network == "ours" and device.type == "cuda":
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=1e-4, fused=contender.network == "ours" or None
    )
    rng = torch.Generator().manual_seed(0)
    size = (row.batch, 3, row.height, row.width)
    blurry, sharp = (torch.rand(size, generator=rng).to(device) for _ in range(2))
    voxel = torch.randn((row.batch, 6, *size[2:]), generator=rng).to(device)

    def forward() -> torch.Tensor:
        with torch.inference_mode(), autocast(device, contender.precision):
            restored: torch.Tensor = network(blurry, voxel)[-1]
        return restored

    def step() -> torch.Tensor:
        with tuned_to_one_size(device):
            with autocast(device, contender.precision):
                stages = network(blurry, voxel)
            optimiser.zero_grad(set_to_none=True)
            loss = psnr_loss(stages, sharp)
            loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 0.01)
        optimiser.step()
        return loss.detach()

    return step if row.trains else forward


def network_of(contender: Contender) -> torch.nn.Module:
    """Make the network; both have the weights of one seed."""
    torch.manual_seed(0)
    if contender.network == "ours":
        return EFNet(wf=contender.wf)
    assert contender.published is not None
    return published_network(contender.published, contender.wf)


def peak_so_far() -> float:
    """Read the most memory this process ever had, in MiB."""
    status = Path("/proc/self/status")
    if not status.exists():  # ru_maxrss, in KiB, also counts the process that started this one
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def take_part(pipe: Connection, contender: Contender, row: Row) -> None:
    """Compute once each time the pipe says so, answering with a Turn."""
    network, device = network_of(contender), choose_device(contender.device)
    before = peak_so_far()
    work = work_of(network, contender, row)
    while pipe.recv():
        began, used = time.perf_counter(), time.process_time()
        result = work().float().cpu().numpy()  # waits for a GPU
        wall, used = time.perf_counter() - began, time.process_time() - used
        memory = peak_so_far() - before
        if device.type == "cuda":
            memory = torch.cuda.max_memory_allocated(device) / MIB
        pipe.send(Turn(wall, used, memory, result))


def measure(contenders: list[Contender], row: Row) -> list[list[Turn]]:
    """Let all take turns; the first of each is not counted."""
    spawn, pipes = multiprocessing.get_context("spawn"), []
    for contender in contenders:
        here, there = spawn.Pipe()
        settings = KEPT_MEMORY if contender.network == "ours" else {}
        outer = {name: os.environ.pop(name, None) for name in KEPT_MEMORY}
        os.environ.update(settings)
        process = spawn.Process(target=take_part, args=(there, contender, row), daemon=True)
        process.start()
        for name in KEPT_MEMORY:
            os.environ.pop(name, None)
        os.environ.update({name: value for name, value in outer.items() if value is not None})
        pipes.append((here, process))
    turns: list[list[Turn]] = [[] for _ in contenders]
    for _ in range(row.turns + 1):
        for (pipe, _process), taken in zip(pipes, turns, strict=True):
            pipe.send(True)
            taken.append(pipe.recv())
    for pipe, process in pipes:
        pipe.send(False)
        process.join()
    return [taken[1:] for taken in turns]


def operations(contender: Contender, row: Row) -> float:
    """Count the floating-point operations of one turn, two for each multiplication and sum."""
    with torch.device("meta"):
        network = network_of(contender)
        size = (row.batch, 3, row.height, row.width)
        image, voxel = torch.empty(size), torch.empty((row.batch, 6, *size[2:]))
        with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(row.trains):
            stages = network(image, voxel)
            if row.trains:
                psnr_loss(stages, image).backward()  # type: ignore[no-untyped-call]
    return float(counter.get_total_flops())


def peak_rate(device: torch.device, precision: str) -> float:
    """Measure the operations per second of a large matrix product."""
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    size, seconds = (8192 if device.type == "cuda" else 2048), []
    a, b = (torch.randn(size, size, dtype=dtype, device=device) for _ in range(2))
    for _ in range(10):
        began = time.perf_counter()
        (a @ b)[0, 0].item()  # waits for a GPU
        seconds.append(time.perf_counter() - began)
    return float(2 * size**3 / min(seconds))


def rows_of(size: int, frame: tuple[int, int], batches: list[int], turns: int) -> list[Row]:
    """List all that can be measured."""
    steps = [Row(f"step{batch}", True, batch, size, size, turns) for batch in batches]
    return [
        Row("forward1", False, 1, size, size, turns),
        Row("forward4", False, 4, size, size, turns),
        Row("frame", False, 1, *frame, min(turns, 2)),
        *steps,
    ]


def report(row: Row, contenders: list[Contender], peaks: dict[str, float]) -> None:
    """Measure one row and print it, each beside the first."""
    turns = measure(contenders, row)
    print(f"{row.name}: {row.batch}x{row.height}x{row.width} (images x height x width)")
    for contender, taken in zip(contenders, turns, strict=True):
        wall = statistics.median(turn.wall for turn in taken)
        used = statistics.median(turn.used for turn in taken)
        pairs = list(zip(turns[0], taken, strict=True))
        faster = statistics.median(first.wall / turn.wall for first, turn in pairs)
        cheaper = statistics.median(first.used / turn.used for first, turn in pairs)
        share = operations(contender, row) / wall / peaks[contender.precision]
        off = np.abs(taken[0].result - turns[0][0].result).max()
        print(
            f"  {contender.network:9} {contender.precision:8} {wall * 1e3:9.1f} ms "
            f"(processor {used * 1e3:9.1f})  {row.batch / wall:7.2f} images/s  "
            f"{max(turn.memory for turn in taken):6.0f} MiB  {share:4.0%} of the peak  "
            f"x{faster:.2f} (processor x{cheaper:.2f})  off by {off:.1e}",
            flush=True,
        )


def command(
    published: Annotated[Path | None, typer.Option(help="checkout of the published code")] = None,
    wf: Annotated[int, typer.Option(help="width of the first level")] = 64,
    size: Annotated[int, typer.Option(help="side of a crop in pixels")] = 256,
    frame: Annotated[str, typer.Option(help="of a whole frame, width x height")] = "1632x1224",
    batches: Annotated[str, typer.Option(help="images in a training step")] = "4,16",
    rows: Annotated[str, typer.Option(help="forward1,forward4,frame,step4; or all")] = "all",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda")] = "auto",
    turns: Annotated[int, typer.Option(help="of each, after one that is not counted")] = 7,
) -> None:
    """Time forward passes and training steps of EFNet.

    Example: python benchmarks/efnet.py --published ../EFNet --device cuda
    """
    width, height = map(int, frame.split("x"))
    known = rows_of(size, (height, width), [int(n) for n in batches.split(",")], turns)
    chosen = [row for row in known if rows == "all" or row.name in rows.split(",")]
    if not chosen:
        raise ConfigError(f"--rows {rows}: expected some of {', '.join(r.name for r in known)}")
    names = ["published", "ours"] if published else ["ours"]
    contenders = [
        Contender(name, precision, wf, device, published)
        for name in names
        for precision in ("float32", "bfloat16")
    ]
    where = choose_device(device)
    threads = f", {torch.get_num_threads()} threads" if where.type == "cpu" else ""
    peaks = {precision: peak_rate(where, precision) for precision in ("float32", "bfloat16")}
    said = ", ".join(f"{name} {rate / 1e12:.2f} T/s" for name, rate in peaks.items())
    print(f"wf {wf}, torch {torch.__version__}, {device_name(where)}{threads}; matrices {said}")
    for row in chosen:
        report(row, contenders, peaks)


def main() -> int:
    """Run the command line; return the exit code."""
    return cli.run(command, None, "python benchmarks/efnet.py")


if __name__ == "__main__":
    sys.exit(main())
