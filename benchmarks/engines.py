"""How fast engines restore with EFNet on a processor, beside torch, and how far they are from it.

python benchmarks/engines.py [--wf 64] [--size 256x256] [--tile 512] [--turns 5]

All take turns in one process, so that a machine that slows down slows all; seconds are those of the
clock, and of the processor, summed over threads. Without a checkpoint the weights are random, and
decibels say less. With `--tile` a frame is restored as `predict --tile` does, and compared on one
tile.
"""

from __future__ import annotations

if __name__ == "__main__":
    import pathlib
    import sys

    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])
    from challenge.environment import bootstrap

    bootstrap.ensure_packages()

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import torch
import typer

from baselines.efnet.checkpoint import save_checkpoint
from baselines.efnet.engines import Forward, open_exported, torch_forward
from baselines.efnet.export import parse_size
from baselines.efnet.exporting import CPU, compare, load_described, onnx_of, random_inputs
from baselines.efnet.inference import Inference
from baselines.efnet.model import EFNet
from baselines.efnet.tiles import tiled
from challenge import cli

WAYS = (
    ("torch", "float32"),
    ("torch", "bfloat16"),
    ("onnxruntime", "float32"),
    ("openvino", "float32"),
    ("openvino", "bfloat16"),
)


def random_checkpoint(wf: int) -> Path:
    """Write a checkpoint of random weights."""
    torch.manual_seed(0)
    path = Path(tempfile.mkdtemp()) / "random.pth"
    save_checkpoint(path, {"params": EFNet(wf=wf).state_dict()})
    return path


def command(
    checkpoint: Annotated[Path | None, typer.Option(help="default: random weights")] = None,
    wf: Annotated[int, typer.Option(help="width of the first level, of random weights")] = 64,
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT")] = "256x256",
    tile: Annotated[int, typer.Option(help="side in pixels; 0: all at once")] = 0,
    turns: Annotated[int, typer.Option(help="timed turns of each", min=1)] = 5,
    threads: Annotated[int, typer.Option(help="of each engine", min=1)] = 1,
) -> None:
    """Time engines.

    Example: python benchmarks/engines.py --wf 64 --size 512x512 --turns 3
    """
    torch.set_num_threads(threads)
    network, metadata, _ = load_described(checkpoint or random_checkpoint(wf))
    began = time.process_time()
    model = onnx_of(network, metadata)
    print(f"exporting in memory: {time.process_time() - began:.2f} s, {len(model) / 2**20:.1f} MiB")
    height, width = parse_size(size) or (256, 256)
    batch = random_inputs(metadata, 1, height, width)
    first_tile = batch
    if tile:
        first_tile = random_inputs(metadata, 1, min(tile, height), min(tile, width))
    forwards: dict[str, Forward] = {}
    for engine, precision in WAYS:
        name = f"{engine} {precision}"
        if engine == "torch":
            forwards[name] = torch_forward(network, CPU, precision)
        else:
            forwards[name], _ = open_exported(engine, model, precision, Path("model.onnx"))
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in forwards}
    for name, forward in forwards.items():  # compiles, and warms up
        began = time.process_time()
        parity = compare(network, forward, first_tile, name, strict=False)
        print(f"{parity} ({time.process_time() - began:.1f} s with torch's float32)", flush=True)
    for _ in range(turns):
        for name, forward in forwards.items():
            if tile:
                forward = tiled(forward, tile, Inference().overlap_of(tile))
            began, used = time.perf_counter(), time.process_time()
            forward(*batch[:3])
            seconds[name].append((time.perf_counter() - began, time.process_time() - used))
    how = f" in tiles of {tile}" if tile else ""
    print(f"wf {metadata.wf}, {width}x{height}{how}, {threads} threads, torch {torch.__version__}")
    medians = {
        name: [*map(statistics.median, zip(*taken, strict=True))] for name, taken in seconds.items()
    }
    firsts = medians["torch float32"]
    for name, (wall, used) in medians.items():
        print(
            f"{name:20}  {wall:8.3f} s (processor {used:8.3f}), {firsts[0] / wall:5.2f} times as "
            f"fast as torch in float32 (processor {firsts[1] / used:5.2f})",
            flush=True,
        )


def main() -> int:
    """Run the command line; return the exit code."""
    return cli.run(command, None, "python benchmarks/engines.py")


if __name__ == "__main__":
    sys.exit(main())
