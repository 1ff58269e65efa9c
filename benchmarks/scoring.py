"""How fast scoring is: each metric against other implementations, then a whole folder.

python benchmarks/scoring.py [--published DIR] [--width 1632 --height 1224] [--folder-pairs 16]

`--published` is a checkout of the published kit (its `basicsr/metrics` is run on the CPU). Every
time is the best of several; the machine should do nothing else. OMP_NUM_THREADS=1 compares one core
with one core: the published code and scikit-image then use one as well. The time of a folder counts
the starting of the processes in; memory is the growth of the process's peak, measured in a process
of its own. PSNR is measured as the kit runs (OpenCV, which reads its PNGs, adds up the squares) and
with NumPy alone, as on a server; `--folder-pairs 284` is a whole challenge, and needs 2.5 GB in the
folder for temporary files.
"""

from __future__ import annotations

if __name__ == "__main__":
    import pathlib
    import sys

    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])
    from challenge.environment import bootstrap

    bootstrap.ensure_packages()

import multiprocessing
import os
import resource
import sys
import tempfile
import time
import types
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from challenge import cli
from challenge.images import read_png, write_png
from challenge.metrics.profiles import METRICS, PROFILES, score_pair
from challenge.runs import RunRecord
from challenge.scoring.pairs import cores
from challenge.scoring.score import score_folder

Metric = Callable[[np.ndarray, np.ndarray], float]
KIBIBYTES = 1024


def image_pair(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """(prediction, sharp): smooth shapes with grain, and noise of 6 levels on top; about 32 dB."""
    rng = np.random.default_rng(0)
    y, x, channel = np.mgrid[:height, :width, :3]
    shapes = 127 + 90 * np.sin(x / 37 + channel) * np.cos(y / 23)
    sharp = np.clip(shapes + rng.normal(0, 8, shapes.shape), 0, 255).astype(np.uint8)
    prediction = np.clip(sharp + rng.normal(0, 6, shapes.shape).round(), 0, 255).astype(np.uint8)
    return prediction, sharp


def published_metrics(checkout: Path) -> dict[str, Metric]:
    """`calculate_psnr` and `calculate_ssim` of the published kit, its .cuda() calls made idle."""
    import importlib

    import torch

    threads = os.environ.get("OMP_NUM_THREADS")
    if threads:
        torch.set_num_threads(int(threads))
    for name in ("basicsr", "basicsr.metrics", "basicsr.utils"):  # without their __init__
        package = types.ModuleType(name)
        package.__path__ = [str(checkout / name.replace(".", "/"))]
        sys.modules[name] = package
    for kind in (torch.Tensor, torch.nn.Module):
        kind.cuda = lambda self, *_args, **_options: self  # type: ignore[method-assign]
    module = importlib.import_module("basicsr.metrics.psnr_ssim")
    return {
        "psnr": partial(module.calculate_psnr, crop_border=0),
        "ssim_3d": partial(module.calculate_ssim, crop_border=0),
    }


def library_metrics() -> dict[str, Metric]:
    """scikit-image's equivalents, in float64."""

    def luma_pair(prediction: np.ndarray, sharp: np.ndarray) -> list[np.ndarray]:
        height, width = (size - size % 4 for size in sharp.shape[:2])
        weights = np.array([65.481, 128.553, 24.966])
        inner = slice(4, height - 4), slice(4, width - 4)
        return [image[inner] @ weights / 255 + 16 for image in (prediction, sharp)]

    def ssim_luma(prediction: np.ndarray, sharp: np.ndarray) -> float:
        first, second = luma_pair(prediction, sharp)
        return float(structural_similarity(second, first, data_range=first.max() - first.min()))

    def psnr_luma(prediction: np.ndarray, sharp: np.ndarray) -> float:
        first, second = luma_pair(prediction, sharp)
        return float(peak_signal_noise_ratio(second, first, data_range=255))

    gaussian = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return {
        "psnr": partial(peak_signal_noise_ratio, data_range=255),
        "ssim_gaussian": partial(structural_similarity, data_range=255, channel_axis=2, **gaussian),
        "psnr_luma": psnr_luma,
        "ssim_luma": ssim_luma,
    }


def best_time(metric: Metric, pair: tuple[np.ndarray, np.ndarray], budget_s: float) -> float:
    """The shortest of at least 2 runs, more (up to 15) as long as the budget lasts."""
    times: list[float] = []
    while len(times) < 2 or (sum(times) < budget_s and len(times) < 15):
        begin = time.perf_counter()
        metric(*pair)
        times.append(time.perf_counter() - begin)
    return min(times)


def measure(
    source: str, name: str, height: int, width: int, published: Path | None
) -> tuple[float, float, float]:
    """(value, seconds, growth of the peak memory in MiB) of one metric, in a fresh process."""
    if source == "ours":
        metric: Metric = METRICS[name.partition("_")[0]][name]
    elif source == "scikit-image":
        metric = library_metrics()[name]
    else:
        assert published is not None
        metric = published_metrics(published)[name]
    pair = image_pair(height, width)
    metric(*(image[:64, :64] for image in pair))  # imports and caches; hardly any memory
    before = current_memory()
    reset = reset_peak()
    value = float(metric(*pair))
    growth = peak_memory() - before if reset else float("nan")
    return value, best_time(metric, pair, 3.0), growth


def reset_peak() -> bool:
    """Let the kernel count this process's peak memory anew; False where it cannot."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def current_memory() -> float:
    """Resident MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / KIBIBYTES**2


def peak_memory() -> float:
    """Largest resident MiB since `reset_peak`."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / KIBIBYTES


def compare_metrics(height: int, width: int, published: Path | None) -> None:
    """Print a table row for each metric and implementation."""
    print("| metric | implementation | value | ms | MiB | times as fast |")
    print("|---|---|---|---|---|---|")
    context = multiprocessing.get_context("spawn")
    others = {"scikit-image": list(library_metrics())}
    if published is not None:
        others["published"] = ["psnr", "ssim_3d"]
    for name in ("psnr", "ssim_3d", "ssim_gaussian", "psnr_luma", "ssim_luma"):
        ours = 0.0
        for source in ("ours", *(other for other, names in others.items() if name in names)):
            with ProcessPoolExecutor(1, mp_context=context) as pool:
                job = pool.submit(measure, source, name, height, width, published)
                value, seconds, growth = job.result()
            ours = ours or seconds
            ratio = f"{seconds / ours:.1f}" if source != "ours" else ""
            cells = name, source, f"{value:.8f}", f"{seconds * 1e3:.1f}", f"{growth:.0f}", ratio
            print("|", " | ".join(cells), "|")


def time_pairs(height: int, width: int) -> None:
    """Print the time of one pair on one core, decoding included, per profile."""
    pair = image_pair(height, width)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("prediction.png", "sharp.png")]
        for path, image in zip(paths, pair, strict=True):
            write_png(path, image)

        def decode_and_score(name: str) -> Any:
            return score_pair(name, *(read_png(path) for path in paths))

        for name in PROFILES:
            times = []
            for _ in range(5):
                begin = time.perf_counter()
                decode_and_score(name)
                times.append(time.perf_counter() - begin)
            print(f"one pair, decoding included, {name}: {min(times) * 1e3:.0f} ms")


def make_folder(root: Path, height: int, width: int, pairs: int) -> None:
    """Write `run/` and `sharp/`; every file has contents of its own, in its last bytes."""
    for name, image in zip(("run", "sharp"), image_pair(height, width), strict=True):
        write_png(root / name / "a_00000.png", image)
        whole = (root / name / "a_00000.png").read_bytes()
        for index in range(1, pairs):
            (root / name / f"a_{index:05d}.png").write_bytes(whole + index.to_bytes(4, "big"))


def time_folder(height: int, width: int, pairs: int) -> None:
    """Print the time of a folder under all profiles, hashing and writing included."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        make_folder(root, height, width, pairs)
        for label, workers, cache in (
            ("one process", 1, None),
            (f"all cores ({cores()})", None, "cache"),
            ("again, nothing changed", None, "cache"),
        ):
            begin = time.perf_counter()
            score_folder(
                root / "run",
                root / "sharp",
                RunRecord("run"),
                "standard",
                workers,
                progress=False,
                caches=root / cache if cache else None,
            )
            seconds = time.perf_counter() - begin
            print(
                f"folder of {pairs} pairs, all profiles, {label}: {seconds:.2f} s; "
                f"284 pairs at this rate: {seconds / pairs * 284:.1f} s"
            )


def command(
    published: Annotated[
        Path | None, typer.Option(help="A checkout of the published kit to compare with.")
    ] = None,
    width: Annotated[int, typer.Option(min=16)] = 1632,
    height: Annotated[int, typer.Option(min=16)] = 1224,
    folder_pairs: Annotated[int, typer.Option(min=1)] = 16,
) -> None:
    """Measure the metrics and a whole scoring.

    Example: OMP_NUM_THREADS=1 python benchmarks/scoring.py --published ~/EFNet
    """
    threads = os.environ.get("OMP_NUM_THREADS", "not set")
    print(f"{width}x{height} (width x height), NumPy {np.__version__}, OMP_NUM_THREADS {threads}\n")
    compare_metrics(height, width, published)
    print()
    time_pairs(height, width)
    time_folder(height, width, folder_pairs)


if __name__ == "__main__":
    sys.exit(cli.run(command, None, "benchmarks/scoring.py"))
