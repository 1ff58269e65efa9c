"""What one training sample costs to read: ours from plain files and from the store, and the
published loader beside it.

python benchmarks/reading.py ROOT [--published DIR] [--crop 256 --samples 24 --seeds 3]

ROOT is in HighREV's layout, with train (`bash run.sh data --out ROOT --width 1632 --height 1224
--frames 4 --sequences 3 --train-only` makes one). `--published` is a checkout of AHupuJR/EFNet;
its data set is run as it is. All take turns on the same frames in one process with one thread;
seconds are those of the processor. "decoding" is what the sample's files cost alone: two PNGs by
OpenCV, the arrays of its npz by NumPy. The store is made in a temporary folder if there is none.
"""

from __future__ import annotations

if __name__ == "__main__":
    import pathlib
    import sys

    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])
    from challenge.environment import bootstrap

    bootstrap.ensure_packages()

import importlib
import statistics
import sys
import tempfile
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import torch
import typer

from baselines.efnet.config import DataConfig, TrainConfig
from baselines.efnet.crops import Crops, training_batches
from challenge import cli
from challenge.datasets import Dataset, DataSource
from challenge.datasets.store import StoredFrames, open_store, prepare, store_folder
from challenge.errors import ConfigError

MIB = 2.0**20
NOT_CALLED = {
    "torchvision": "",
    "torchvision.utils": "make_grid",
    "torchvision.transforms": "",
    "torchvision.transforms.functional": "normalize",
}
"""What the published data set imports and never calls."""


def published_data(checkout: Path, split: Path, crop: int) -> Any:
    """Open the published data set, without installing what else the published code imports.

    Raises:
        ConfigError: no such file in the checkout.
    """
    package = checkout / "basicsr"
    if not (package / "data" / "npz_image_dataset.py").is_file():
        raise ConfigError(f"{package}: no data/npz_image_dataset.py; --published takes a checkout")
    for name in ("basicsr", "basicsr.data", "basicsr.utils"):  # their own __init__ import all
        module = types.ModuleType(name)
        module.__path__ = [str(checkout.joinpath(*name.split(".")))]
        sys.modules[name] = module
    for name, function in NOT_CALLED.items():
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name])[function] = None
    vars(sys.modules["basicsr.utils"]).update(
        scandir=None,
        FileClient=importlib.import_module("basicsr.utils.file_client").FileClient,
        imfrombytes=importlib.import_module("basicsr.utils.img_util").imfrombytes,
        img2tensor=importlib.import_module("basicsr.utils.img_util").img2tensor,
        padding=None,
        get_root_logger=lambda *_: types.SimpleNamespace(info=lambda *_: None),
    )
    module = importlib.import_module("basicsr.data.npz_image_dataset")
    return module.NpzPngSingleDeblurDataset(
        {
            "dataroot": str(split),
            "phase": "train",
            "voxel_bins": 6,
            "norm_voxel": True,
            "io_backend": {"type": "disk"},
            "scale": 1,
            "gt_size": crop,
            "use_hflip": True,
            "use_rot": True,
        }
    )


def decode(data: Dataset, frame: str) -> None:
    """Decode the files of a frame, and do nothing with them."""
    for path in data.source_files(frame):
        if path.suffix == ".png":
            cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
        else:
            with np.load(path) as arrays:
                for key in arrays.files:
                    arrays[key]


def seconds_of(call: Callable[[], object]) -> float:
    """Take the processor time of a call."""
    began = time.process_time()
    call()
    return time.process_time() - began


def frame_of(crops: Crops, position: int) -> int:
    """Say which frame a crop is cut from."""
    number = len(crops.dataset)
    epoch, place = divmod(position, number)
    rng = np.random.default_rng((crops.train.seed, 0, epoch))
    return int(rng.permutation(number)[place])


def open_both(source: DataSource, scratch: Path) -> tuple[Dataset, StoredFrames]:
    """Open train as it is, and its store, which is made if there is none."""
    plain = source.open("train")
    stored = open_store(plain, store_folder(source, "train"))
    if stored is None:
        began = time.perf_counter(), time.process_time()
        prepare(source, scratch, workers=1)
        print(
            f"prepared in {time.perf_counter() - began[0]:.1f} s, "
            f"{time.process_time() - began[1]:.1f} s of the processor, one process"
        )
        stored = open_store(plain, store_folder(source, "train", scratch))
    assert stored is not None
    return plain, stored


def describe(plain: Dataset, stored: StoredFrames) -> None:
    """Print what the frames are like and what they take on disk."""
    counts = [len(plain.read_inputs(frame).events or ()) for frame in plain.frames]
    source = sum(path.stat().st_size for f in plain.frames for path in plain.source_files(f))
    store = sum(path.stat().st_size for path in stored.folder.iterdir())
    height, width = plain.frame_size(plain.frames[0])
    print(
        f"{len(plain)} frames of {width}x{height} (width x height), {min(counts) / 1e6:.2f} to "
        f"{max(counts) / 1e6:.2f} million events (mean {statistics.mean(counts) / 1e6:.2f}); "
        f"source {source / MIB:.0f} MiB, store {store / MIB:.0f} MiB, {store / source:.2f} times"
    )


def compare(
    plain: Dataset, stored: StoredFrames, published: Any, crop: int, samples: int, seed: int
) -> dict[str, list[float]]:
    """Time samples of all in turns; plain and stored ones must be equal, bit for bit."""
    train = TrainConfig(crop=crop, seed=seed)
    ours, quick = (Crops(data, DataConfig(), train) for data in (plain, stored))
    times: dict[str, list[float]] = {"decoding": [], "plain": [], "store": [], "published": []}
    for position in range(samples):
        index = frame_of(ours, position)
        times["decoding"].append(seconds_of(lambda i=index: decode(plain, plain.frames[i])))
        times["plain"].append(seconds_of(lambda p=position: ours[p]))
        times["store"].append(seconds_of(lambda p=position: quick[p]))
        for one, other in zip(ours[position], quick[position], strict=True):
            assert (one is None and other is None) or torch.equal(one, other), position
        if published is not None:
            times["published"].append(seconds_of(lambda i=index: published[i]))
    return times


def report(times: dict[str, list[float]], seed: int) -> None:
    """Print medians, and the medians of ratios of the same sample."""

    def ratio(one: str, other: str) -> str:
        pairs = zip(times[one], times[other], strict=False)
        found = [a / b for a, b in pairs]
        return f"{statistics.median(found):.2f}" if found else "-"

    print(f"seed {seed}, {len(times['plain'])} samples, milliseconds of the processor (median):")
    for name, seconds in times.items():
        if seconds:
            print(f"  {name:10s} {1e3 * statistics.median(seconds):8.1f}")
    print(
        f"  plain / decoding {ratio('plain', 'decoding')}, plain / store {ratio('plain', 'store')}"
    )
    if times["published"]:
        print(
            f"  published / plain {ratio('published', 'plain')}, "
            f"published / store {ratio('published', 'store')}"
        )


def throughput(data: Dataset, crop: int, samples: int, most_workers: int) -> None:
    """Print samples per second with 1, 2, 4, … worker processes."""
    workers = 1
    while workers <= most_workers:
        train = TrainConfig(crop=crop, batch=4, iterations=8 + samples // 4)
        batches = training_batches(data, DataConfig(workers=workers), train, 0, False)
        for _ in range(8):  # processes start, and fill their queues
            next(batches)
        began = time.perf_counter()
        number = 4 * sum(1 for _ in batches)
        seconds = time.perf_counter() - began
        print(f"  {workers} workers: {number / seconds:.0f} samples/s")
        workers *= 2


def command(
    root: Annotated[Path, typer.Argument(help="the folder with train/")],
    published: Annotated[Path | None, typer.Option(help="checkout of the published code")] = None,
    crop: Annotated[int, typer.Option(help="pixels", min=1)] = 256,
    samples: Annotated[int, typer.Option(help="for each seed", min=1)] = 24,
    seeds: Annotated[int, typer.Option(min=1)] = 3,
    workers: Annotated[int, typer.Option(help="samples/s with up to so many", min=0)] = 0,
) -> None:
    """Time reading.

    Example: python benchmarks/reading.py data/large --published ../EFNet
    """
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory(dir=root.absolute().parent) as scratch:
        plain, stored = open_both(DataSource(root), Path(scratch))
        describe(plain, stored)
        theirs = published_data(published, root / "train", crop) if published else None
        compare(plain, stored, theirs, crop, 2, 0)  # warms up
        for seed in range(1, seeds + 1):
            report(compare(plain, stored, theirs, crop, samples, seed), seed)
        if workers:
            print("from the store:")
            throughput(stored, crop, 400, workers)
            print("from plain files:")
            throughput(plain, crop, 64, workers)


def main() -> int:
    """Run the command line; return the exit code."""
    return cli.run(command, None, "python benchmarks/reading.py")


if __name__ == "__main__":
    sys.exit(main())
