"""Time and peak memory of a training step and of a prediction; draws docs/cost.svg.

python benchmarks/cost.py [--draw docs/cost.svg] [--wide]

One of width x height, batch, wf and bins grows at a time; each point is a process of its own with
one thread, and with the settings of the C library that run.sh makes. Seconds are those of the
processor (of the clock on a GPU), for the second of two calls. Memory is the growth of the
process's resident peak over what it had before there was a network, or the allocator's peak on a
GPU. `--wide` adds points of wf 64 in float32 and bfloat16, up to 4 GiB.
"""

from __future__ import annotations

if __name__ == "__main__":
    import pathlib
    import sys

    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])
    from challenge.environment import bootstrap

    bootstrap.ensure_packages()

import dataclasses
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from baselines.efnet.checkpoint import save_checkpoint
from baselines.efnet.config import Config, DataConfig, NetworkConfig, TrainConfig
from baselines.efnet.device import choose_device, device_name
from baselines.efnet.engines import Forward, open_exported, torch_forward
from baselines.efnet.exporting import load_described, onnx_of
from baselines.efnet.inputs import Batch
from baselines.efnet.memory import frame_need, training_need
from baselines.efnet.training import Training
from benchmarks.efnet import KEPT_MEMORY
from benchmarks.scale import Line, Panel
from challenge import cli
from challenge.environment.memory import GIB
from challenge.files import write_text

FULL = (1224, 1632)
SIZES = {
    "train": ((64, 64), (128, 128), (192, 192), (256, 256)),
    "predict": ((128, 128), (256, 256), (512, 512), (768, 1024), FULL),
}
BATCHES, WIDTHS, BINS = (1, 2, 4, 8), (4, 8, 16, 32), (6, 12, 24, 48)
WIDE = {"train": ((128, 128), (256, 256), (384, 384)), "predict": ((256, 256), (612, 816), FULL)}


@dataclass(frozen=True)
class Point:
    """What is measured."""

    work: str  # "train" or "predict"
    height: int = 128
    width: int = 128
    batch: int = 1
    wf: int = 8
    bins: int = 6
    precision: str = "float32"
    device: str = "cpu"
    ema: float = 0.0
    engine: str = "torch"

    @property
    def need(self) -> int:
        """Bytes, as `baselines.efnet.memory` estimates them."""
        if self.work == "predict":
            size = (self.height, self.width)
            return frame_need(self.wf, *size, self.precision, self.engine)
        size = (self.batch, self.height, self.width)
        return training_need(self.wf, *size, self.precision, self.bins, self.ema > 0)


def points(wide: bool, device: str) -> list[Point]:
    """List what is measured."""
    every = []
    for work, sizes in SIZES.items():
        base = Point(work, device=device)
        every += [dataclasses.replace(base, height=h, width=w) for h, w in sizes]
        if work == "train":
            every += [dataclasses.replace(base, batch=batch) for batch in BATCHES]
            every.append(dataclasses.replace(base, wf=32, ema=0.99))
        every += [dataclasses.replace(base, wf=wf) for wf in WIDTHS]
        every += [dataclasses.replace(base, bins=bins) for bins in BINS]
        for precision in ("float32", "bfloat16") if wide else ():
            broad = dataclasses.replace(base, wf=64, precision=precision)
            every += [dataclasses.replace(broad, height=h, width=w) for h, w in WIDE[work]]
    return list(dict.fromkeys(every))


def resident(peak: bool) -> int:
    """Read the bytes this process has in memory, now or at most so far."""
    word = "VmHWM:" if peak else "VmRSS:"
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    line = next(line for line in status.read_text().splitlines() if line.startswith(word))
    return 1024 * int(line.split()[1])


def work_of(point: Point) -> Callable[[], object]:
    """Prepare a training step, or a prediction, on random data."""
    data = DataConfig(root="", bins=point.bins)
    train = TrainConfig(
        batch=point.batch, ema=point.ema, precision=point.precision, device=point.device
    )
    config = Config("cost", data, NetworkConfig(wf=point.wf), train)
    training = Training(config, Path())
    rng = torch.Generator().manual_seed(0)

    def random(channels: int) -> torch.Tensor:
        return torch.rand((point.batch, channels, point.height, point.width), generator=rng)

    batch = Batch(random(3), random(point.bins), None, random(3))
    if point.work == "train":
        return lambda: training.step(batch)
    device, network = training.device, training.network.eval()
    forward = torch_forward(network, device, point.precision)
    if point.engine != "torch":
        forward = engine_forward(training, point)
        del training, network
    return lambda: forward(batch.blurry.to(device), batch.voxel.to(device), None)


def engine_forward(training: Training, point: Point) -> Forward:
    """Export a network and open it, as `predict --engine` does."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cost.pth"
        save_checkpoint(path, training.weights())
        model = onnx_of(*load_described(path)[:2])
    return open_exported(point.engine, model, point.precision, path)[0]


def measure(point: Point) -> tuple[float, int]:
    """Measure the seconds of a call, and the bytes it takes at most, in this very process."""
    torch.set_num_threads(1)
    device = choose_device(point.device)
    before = resident(peak=False)
    work = work_of(point)
    work()
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    began = clock()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return clock() - began, torch.cuda.max_memory_allocated(device)
    return clock() - began, resident(peak=True) - before


def measure_apart(point: Point) -> tuple[float, int]:
    """Measure in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure, point).result()


def line_fit(x: Sequence[float], y: Sequence[float]) -> tuple[float, float, float]:
    """Fit y = a + b x: a, b, and the largest residual as a share of the largest y."""
    slope, first = np.polyfit(x, y, 1)
    residual = np.abs(first + slope * np.asarray(x) - np.asarray(y)).max()
    return float(first), float(slope), float(residual / np.max(y))


def panels(found: dict[Point, tuple[float, int]]) -> list[Panel]:
    """Sort what was measured into plots, and print how it grows."""
    axes: dict[str, Callable[[Point], float]] = {
        "width x height": lambda point: float(point.height * point.width),
        "batch": lambda point: float(point.batch),
        "wf": lambda point: float(point.wf),
        "bins": lambda point: float(point.bins),
    }
    drawn = []
    for title, index, unit in (("Seconds", 0, "s"), ("Peak memory", 1, "MiB")):
        for name, x_of in axes.items():
            lines: list[Line] = []
            for work in SIZES:
                along = [
                    point
                    for point in found
                    if point.work == work and point.wf < 64 and not point.ema
                    if all(of(point) == of(Point(work)) for a, of in axes.items() if a != name)
                ]
                along.sort(key=x_of)
                if len(along) < 2:
                    continue
                x = [x_of(point) for point in along]
                y = [found[point][index] / (1, 2**20)[index] for point in along]
                first, slope, residual = line_fit(x, y)
                print(f"{title}, {work}: {first:.4g} + {slope:.4g} * {name} {unit}, "
                      f"largest residual {100 * residual:.1f} %")  # fmt: skip
                lines.append((work, x, y))
            drawn.append(Panel(f"{title} against {name}", name, lines, unit))
    return drawn


def command(
    draw: Annotated[Path | None, typer.Option(help="SVG to write")] = None,
    wide: Annotated[bool, typer.Option(help="points of wf 64, too")] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1")] = "cpu",
) -> None:
    """Measure how time and memory grow.

    Example: python benchmarks/cost.py --wide --draw docs/cost.svg
    """
    os.environ.update(KEPT_MEMORY)
    print(f"{device_name(choose_device(device))}, torch {torch.__version__}")
    found = {}
    for point in points(wide, device):
        found[point] = seconds, size = measure_apart(point)
        print(
            f"{point.work} {point.width}x{point.height} batch {point.batch} wf {point.wf} bins "
            f"{point.bins} {point.precision}{' ema' if point.ema else ''}: {seconds:.3f} s, "
            f"{size / GIB:.3f} GiB (estimate {point.need / GIB:.3f})",
            flush=True,
        )
    plots = panels(found)
    if draw:
        rows = [
            f'<g transform="translate(0 {310 * (k // 2)})">{panel.svg(440 * (k % 2))}</g>'
            for k, panel in enumerate(plots)
        ]
        height = 310 * -(-len(plots) // 2)
        write_text(
            draw,
            f'<svg xmlns="http://www.w3.org/2000/svg" width="880" height="{height}" '
            'font-family="sans-serif" font-size="12">\n'
            f'<rect width="880" height="{height}" fill="white"/>\n'
            + "\n".join(rows)
            + "\n</svg>\n",
        )


def main() -> int:
    """Run the command line; return the exit code."""
    return cli.run(command, None, "python benchmarks/cost.py")


if __name__ == "__main__":
    sys.exit(main())
