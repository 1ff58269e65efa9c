"""How fast EFNet trains, and in how much memory: ours, and the published network beside it.

python benchmarks/efnet.py [--published DIR] [--wf 16 --batch 4 --crop 128] [--precision bfloat16]

`--published` is a checkout of AHupuJR/EFNet; its network file is run as it is, with equal weights.
One training step is forward, the published loss, backward and the optimiser's step. Both networks
take turns in one process, so that a machine that slows down slows both; times are medians. Memory
is that of a process of its own: the growth of its peak on the CPU, the allocator's peak on a GPU.
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
import resource
import statistics
import sys
import time
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from baselines.efnet.config import PRECISIONS
from baselines.efnet.device import autocast, choose_device, device_name
from baselines.efnet.losses import psnr_loss
from baselines.efnet.model import EFNet
from challenge import cli
from challenge.environment.torchvision_shim import ensure_torchvision_imports
from challenge.errors import ConfigError

MIB = 2.0**20


@dataclass(frozen=True)
class Setting:
    """What is measured."""

    wf: int
    batch: int
    crop: int
    precision: str
    device: str


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


def step_of(network: torch.nn.Module, setting: Setting) -> Callable[[], None]:
    """Prepare one training step on constant random data."""
    device = choose_device(setting.device)
    network = network.to(device)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-4)
    rng = torch.Generator().manual_seed(0)
    size = (setting.batch, 3, setting.crop, setting.crop)
    blurry, sharp = (torch.rand(size, generator=rng).to(device) for _ in range(2))
    voxel = torch.randn((setting.batch, 6, *size[2:]), generator=rng).to(device)

    def step() -> None:
        with autocast(device, setting.precision):
            stages = network(blurry, voxel)
        optimiser.zero_grad(set_to_none=True)
        psnr_loss(stages, sharp).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return step


def network_called(name: str, setting: Setting, published: Path | None) -> torch.nn.Module:
    """Make the network called "ours" or "published"."""
    torch.manual_seed(0)
    if name == "ours":
        return EFNet(wf=setting.wf)
    assert published is not None
    return published_network(published, setting.wf)


def peak_so_far() -> float:
    """Read the most memory this process ever had, in MiB."""
    status = Path("/proc/self/status")
    if not status.exists():  # ru_maxrss, in KiB, also counts the process that started this one
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def peak_memory(name: str, setting: Setting, published: Path | None) -> float:
    """Measure the MiB that three steps take beyond what the idle process has."""
    network = network_called(name, setting, published)
    device = choose_device(setting.device)
    before = peak_so_far()
    step = step_of(network, setting)
    for _ in range(3):
        step()
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / MIB
    return peak_so_far() - before


def command(
    published: Annotated[Path | None, typer.Option(help="checkout of the published code")] = None,
    wf: Annotated[int, typer.Option(help="width of the first level")] = 16,
    batch: Annotated[int, typer.Option(help="images in a batch")] = 4,
    crop: Annotated[int, typer.Option(help="side of a crop in pixels")] = 128,
    precision: Annotated[str, typer.Option(help=", ".join(PRECISIONS))] = "bfloat16",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda")] = "auto",
    steps: Annotated[int, typer.Option(help="timed steps of each network", min=1)] = 15,
) -> None:
    """Time training steps of EFNet.

    Example: python benchmarks/efnet.py --published ../EFNet --wf 64 --crop 256 --device cuda
    """
    if precision not in PRECISIONS:
        raise ConfigError(f"--precision {precision}: expected {' or '.join(PRECISIONS)}")
    setting = Setting(wf, batch, crop, precision, device)
    names = ["ours", "published"] if published else ["ours"]
    taking = {name: step_of(network_called(name, setting, published), setting) for name in names}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(steps + 3):
        for name in names:
            began = time.perf_counter()
            taking[name]()
            if turn >= 3:
                seconds[name].append(time.perf_counter() - began)
    threads = f", {torch.get_num_threads()} threads" if choose_device(device).type == "cpu" else ""
    print(f"{setting}, torch {torch.__version__}, {device_name(choose_device(device))}{threads}")
    spawn = multiprocessing.get_context("spawn")
    for name in names:
        with spawn.Pool(1) as pool:
            memory = pool.apply(peak_memory, (name, setting, published))
        median = statistics.median(seconds[name])
        print(
            f"{name:9}  {median * 1e3:8.1f} ms  {batch / median:7.1f} images/s  {memory:7.0f} MiB"
        )
    if published:
        pairs = zip(seconds["published"], seconds["ours"], strict=True)
        ratio = statistics.median(theirs / ours for theirs, ours in pairs)
        print(f"ours is {ratio:.2f} times as fast")


def main() -> int:
    """Run the command line; return the exit code."""
    return cli.run(command, None, "python benchmarks/efnet.py")


if __name__ == "__main__":
    sys.exit(main())
