"""Restore a data set with any baseline: `bash run.sh predict [RUN]` writes PNGs and `run.json`."""

from __future__ import annotations

if __name__ == "__main__":
    from challenge.environment import bootstrap

    bootstrap.ensure_packages()

import dataclasses
import datetime
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
import yaml
from tqdm import tqdm

from baselines import RUNS
from baselines.restorer import Restorer, load_restorer
from challenge import REPOSITORY, cli
from challenge.datasets import BINS, Dataset, open_split
from challenge.errors import ChallengeError, ConfigError, DataError
from challenge.files import kit_path, sha256
from challenge.images import write_png
from challenge.rules import load_rules
from challenge.runs import SUBMISSIONS, RunRecord, load_record, save_record
from challenge.simulation import embedded


@dataclass(frozen=True)
class Source:
    """Where frames come from, and by which rules they are played."""

    root: Path  # folder with {train,val,test}/
    format: str = "highrev_raw"
    voxel_root: Path | None = None
    bins: int = BINS
    rules: str = "own"

    def open(self, split: str) -> Dataset:
        """One split of it."""
        return open_split(self.root, split, self.format, self.bins, self.voxel_root)

    def challenge(self) -> str:
        """The folder name of this data under `submissions/`."""
        return load_rules(self.rules).name or self.root.resolve().name


def restore_all(restorer: Restorer, dataset: Dataset, folder: Path, title: str) -> float:
    """Restore every frame and write it to `folder`.

    Returns:
        Mean seconds per image of the restoring alone, after one frame that is not counted.
    """
    restorer(dataset[0])
    seconds = []
    for index in tqdm(range(len(dataset)), desc=title, unit=" images", dynamic_ncols=True):
        sample = dataset[index]
        began = time.perf_counter()
        image = restorer(sample)
        seconds.append(time.perf_counter() - began)
        if image.shape != sample.blurry.shape or image.dtype != np.uint8:
            raise ChallengeError(
                f"{title}: the restorer returned {image.shape} {image.dtype} for {sample.frame}, "
                f"expected {sample.blurry.shape} uint8"
            )
        write_png(folder / f"{sample.frame}.png", image)
    return float(np.mean(seconds))


def predict(
    source: Source,
    split: str,
    name: str,
    baseline: str,
    checkpoint: Path | None = None,
    device: str = "auto",
    reference: bool = False,
    config: dict[str, Any] | None = None,
) -> Path:
    """Restore one split into `submissions/<challenge>/<split>/<name>/`, whole or not at all.

    Predictions of the same run are replaced; a folder that was not made by `predict` never is.

    Raises:
        ChallengeError: the data, the checkpoint or the device cannot be used, or the folder is
            somebody else's.
    """
    folder = SUBMISSIONS / source.challenge() / split / name
    if folder.exists() and load_record(folder).baseline is None:
        raise ConfigError(f"{folder}: was not made by predict; choose another name with --name")
    dataset = source.open(split)
    restorer = load_restorer(baseline, dataset, checkpoint, device)
    with replaced_folder(folder) as unfinished:
        runtime = restore_all(restorer, dataset, unfinished, f"{name} {split}")
        record = RunRecord(
            name=name,
            baseline=baseline,
            challenge=source.challenge(),
            rules=source.rules,
            data_root=str(source.root.resolve()),
            data_format=source.format,
            voxel_root=str(source.voxel_root.resolve()) if source.voxel_root else None,
            bins=source.bins,
            split=split,
            frames=len(dataset),
            runtime_per_image_s=runtime,
            device=restorer.device,
            parameters=restorer.parameters,
            checkpoint=str(checkpoint) if checkpoint else None,
            checkpoint_sha256=sha256(checkpoint) if checkpoint else None,
            commit=commit(),
            created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            reference=reference,
            description=restorer.description,
            config=config or {},
        )
        save_record(unfinished, record)
    print(f"wrote {folder} ({len(dataset)} PNGs, {runtime:.3f} s per image on {restorer.device})")
    return folder


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder that replaces `folder` when the block succeeds, and vanishes if not."""
    unfinished = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
        if folder.exists():
            old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
            folder.rename(old)
            unfinished.rename(folder)
            shutil.rmtree(old)
        else:
            unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def commit() -> str | None:
    """The kit's commit, with "+changes" where tracked files differ from it; None outside a
    checkout.
    """
    git = ["git", "-C", str(REPOSITORY)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True)
        state = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no"], capture_output=True, text=True
        )
    except OSError:
        return None
    if head.returncode != 0:
        return None
    return head.stdout.strip() + ("+changes" if state.stdout.strip() else "")


def latest_training() -> Path:
    """The folder of the newest training with a `best.pth`.

    Raises:
        ConfigError: nothing was trained yet.
    """
    trained = sorted(RUNS.glob("*/best.pth"), key=lambda path: path.stat().st_mtime)
    if not trained:
        raise ConfigError(
            f"{RUNS}: nothing trained yet; `bash run.sh train`, "
            "or `bash run.sh predict --baseline edi`"
        )
    return trained[-1].parent


def find_training(run: str | None) -> Path:
    """The folder of a named training, or of the newest one.

    Raises:
        ConfigError: there is none, or it has no `best.pth` yet.
    """
    if run is None:
        return latest_training()
    folder = Path(run) if (Path(run) / "best.pth").exists() else RUNS / run
    if not (folder / "best.pth").exists():
        known = ", ".join(sorted(path.parent.name for path in RUNS.glob("*/best.pth"))) or "none"
        raise ConfigError(f"{folder}: no best.pth there; trained runs: {known}")
    return folder


def source_of(config: dict[str, Any]) -> Source:
    """The data a training was configured with."""
    data = config["data"]
    voxel_root = data.get("voxel_root")
    return Source(
        root=kit_path(data["root"]),
        format=data["format"],
        voxel_root=kit_path(voxel_root) if voxel_root else None,
        bins=data["bins"],
        rules=data["rules"],
    )


def command(
    run: Annotated[str | None, typer.Argument(help="a training; default: the newest one")] = None,
    baseline: Annotated[
        str | None, typer.Option(help="efnet, edi, blurry, or a module of yours; default: efnet")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="weights to use; default: RUN's best.pth")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="folder with {val,test}/; default: RUN's")
    ] = None,
    split: Annotated[
        list[str] | None, typer.Option(help="default: val and test, those there are")
    ] = None,
    rules: Annotated[
        str | None,
        typer.Option(help="configs/challenge/<RULES>.yml; default: RUN's, `own` with --data"),
    ] = None,
    name: Annotated[str | None, typer.Option(help="of the predictions; default: RUN's")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1")] = "auto",
) -> None:
    """Restore blurry frames into submissions/<challenge>/<split>/<name>/*.png.

    Example: bash run.sh predict --data /data/my_recording --split test
    """
    learns = baseline in (None, "efnet")
    config: dict[str, Any] = {}
    training = None
    if learns and checkpoint is None:
        training = find_training(run)
        checkpoint = training / "best.pth"
    elif run is not None:
        training = find_training(run)
    if training is not None:
        config = yaml.safe_load((training / "config.yml").read_text(encoding="utf-8"))
    if data is not None:
        bins = config.get("data", {}).get("bins", BINS)
        source = Source(root=data, rules=rules or "own", bins=bins)
    elif config:
        source = source_of(config)
        source = dataclasses.replace(source, rules=rules or source.rules)
    else:
        embedded.ensure(embedded.DEFAULT_ROOT)
        source = Source(root=embedded.DEFAULT_ROOT, rules=rules or "mini")
    splits = split or [part for part in ("val", "test") if (source.root / part).is_dir()]
    if not splits:
        raise DataError(
            f"{source.root}: no val/ and no test/ in it; expected {{val,test}}/{{blur,event}}/"
        )
    default_name = training.name if training else (checkpoint.stem if checkpoint else baseline)
    for part in splits:
        predict(
            source,
            part,
            name or default_name or "run",
            baseline or "efnet",
            checkpoint,
            device,
            config=config,
        )
    print("next: bash run.sh score, python challenge/make_submission.py")


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    return cli.run(command, argv, "bash run.sh predict")


if __name__ == "__main__":
    sys.exit(main())
