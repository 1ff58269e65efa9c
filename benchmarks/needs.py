"""What restoring takes in memory, and the numbers by which `memory.py` of EFNet foretells it.

python benchmarks/needs.py [--engines torch,openvino] [--sizes 256x256,816x612,1632x1224]

Each peak is that of a process of its own, with the settings of the C library that run.sh makes, an
engine's own libraries and the export included. What is found is the least NEEDS that lie MARGIN
above each peak, to be written there; what `memory.py` says now stands beside each.
"""

from __future__ import annotations

if __name__ == "__main__":
    import pathlib
    import sys

    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])
    from challenge.environment import bootstrap

    bootstrap.ensure_packages()

import os
import sys
from typing import Annotated

import numpy as np
import typer
from scipy.optimize import linprog

from baselines.efnet.export import parse_size
from baselines.efnet.memory import KEPT, NEEDS, WEIGHTS, Need
from benchmarks.cost import Point, measure_apart
from benchmarks.efnet import KEPT_MEMORY
from challenge import cli
from challenge.environment.memory import GIB

MARGIN = 1.06
"""Of an estimate over every peak: two runs differ by some per cent."""


def fitted(points: list[Point], peaks: list[int], now: Need) -> Need:
    """Find the least Need, by the sum of its ratios, that is MARGIN above every peak.

    It has `large` where the present one has it.
    """
    features = np.array([p.height * p.width * p.wf for p in points])
    given_back = (features * now.item > KEPT) & (now.large > 0)
    weights = [WEIGHTS * p.wf**2 for p in points]
    pixels = [p.height * p.width for p in points]
    terms = np.stack(
        [np.ones(len(points)), weights, features * ~given_back, pixels, features * given_back], 1
    )
    rows = terms / np.array(peaks)[:, None]  # of an estimate relative to the peak
    scale = np.maximum(rows.max(axis=0), 1e-30)
    found = linprog((rows / scale).sum(axis=0), -rows / scale, np.full(len(rows), -MARGIN))
    return Need(*(int(np.ceil(value)) for value in found.x / scale), item=now.item)


def command(
    engines: Annotated[str, typer.Option(help="of those that memory.py knows")] = "torch",
    sizes: Annotated[str, typer.Option(help="WIDTHxHEIGHT, ...")] = "256x256,816x612,1632x1224",
    widths: Annotated[str, typer.Option(help="wf, ...")] = "4,16,64",
) -> None:
    """Measure peaks, and find what foretells them.

    Example: python benchmarks/needs.py --engines torch,onnxruntime,openvino
    """
    os.environ.update(KEPT_MEMORY)
    for engine, precision in [way for way in NEEDS if way[0] in engines.split(",")]:
        points, peaks = [], []
        for wf in map(int, widths.split(",")):
            for size in map(parse_size, sizes.split(",")):
                assert size is not None
                point = Point("predict", *size, wf=wf, precision=precision, engine=engine)
                seconds, peak = measure_apart(point)
                points.append(point)
                peaks.append(peak)
                print(
                    f"{engine} {precision} wf {wf} {size[1]}x{size[0]}: {seconds:.2f} s, "
                    f"{peak / GIB:.3f} GiB, estimate {point.need / GIB:.3f} "
                    f"({point.need / peak:.2f} times)",
                    flush=True,
                )
        found = fitted(points, peaks, NEEDS[engine, precision])
        pairs = zip(points, peaks, strict=True)
        ratios = [found.of(p.wf, p.height, p.width) / peak for p, peak in pairs]
        print(f"{engine} {precision}: {found}, {min(ratios):.2f} to {max(ratios):.2f} times")


def main() -> int:
    """Run the command line; return the exit code."""
    return cli.run(command, None, "python benchmarks/needs.py")


if __name__ == "__main__":
    sys.exit(main())
