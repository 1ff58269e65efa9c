"""Train EFNet: `bash run.sh train [CONFIG.yml] [key=value …] [--resume]`."""

from __future__ import annotations

if __name__ == "__main__":
    from challenge import bootstrap

    bootstrap.ensure_packages()

import dataclasses
import math
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from omegaconf import OmegaConf
from tqdm import tqdm

from baselines.blurry.restorer import Blurry
from baselines.efnet.batches import Batch, to_device, training_batches
from baselines.efnet.checkpoint import (
    Checkpoint,
    load_checkpoint,
    load_weights,
    new_network,
    save_checkpoint,
)
from baselines.efnet.config import Config, read_config
from baselines.efnet.device import autocast, choose_device, device_name
from baselines.efnet.losses import psnr_loss
from baselines.efnet.restorer import EfnetRestorer
from baselines.efnet.training_log import TrainingLog
from baselines.restorer import Restorer
from challenge import REPOSITORY, cli, prepare_data
from challenge.datasets import Dataset, open_split
from challenge.errors import ChallengeError, ConfigError, DataError
from challenge.files import kit_path, write_text
from challenge.images import read_png, write_png
from challenge.rules import load_rules
from challenge.scoring.profiles import score_pair

DEFAULT_CONFIG = REPOSITORY / "configs" / "efnet_mini.yml"
RUNS = REPOSITORY / "runs"


@dataclasses.dataclass(frozen=True)
class Scores:
    """Means over the validation frames."""

    psnr: float  # dB
    ssim: float


def learning_rate(iteration: int, config: Config) -> float:
    """Half a cosine from `learning_rate` to `final_learning_rate` over all iterations."""
    first, last = config.train.learning_rate, config.train.final_learning_rate
    share = iteration / config.train.iterations
    return last + (first - last) * (1.0 + math.cos(math.pi * share)) / 2.0


def validate(restorer: Restorer, dataset: Dataset, profile: str, folder: Path | None) -> Scores:
    """Restore every frame, write it as PNG, and score what was written.

    Args:
        restorer: what is judged.
        dataset: with sharp images.
        profile: the metric profile, as the challenge's rules name it.
        folder: where the PNGs go; None where the restorer's images are PNGs on disk already.
    """
    rows = []
    for index in range(len(dataset)):
        sample = dataset[index]
        image = restorer(sample)
        if folder is not None:
            path = folder / f"{sample.frame}.png"
            write_png(path, image)
            image = read_png(path)
        assert sample.sharp is not None
        rows.append(score_pair(profile, image, sample.sharp))
    means = {key: float(np.mean([row[key] for row in rows])) for key in ("psnr", "ssim")}
    return Scores(**means)


class Training:
    """The state of one training: network, optimiser, iteration, best score."""

    def __init__(self, config: Config, folder: Path) -> None:
        self.config, self.folder = config, folder
        self.device = choose_device(config.train.device)
        torch.manual_seed(config.train.seed)
        self.network = new_network(config).to(self.device)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(),
            lr=config.train.learning_rate,
            weight_decay=config.train.weight_decay,
            betas=(config.train.betas[0], config.train.betas[1]),
        )
        self.iteration = 0
        self.best_psnr: float | None = None

    def restorer(self) -> EfnetRestorer:
        """The network as it is now."""
        data, precision = self.config.data, self.config.train.precision
        return EfnetRestorer(self.network, self.device, precision, data.event_mask)

    def step(self, batch: Batch) -> torch.Tensor:
        """One iteration; returns the loss, still on the device."""
        blurry, voxel, mask, sharp = to_device(batch, self.device)
        assert sharp is not None
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.iteration, self.config)
        self.network.train()
        with autocast(self.device, self.config.train.precision):
            stages = self.network(blurry, voxel, mask)
        loss = psnr_loss(stages, sharp, self.config.train.loss_weight)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.train.clip_norm)
        self.optimiser.step()
        self.iteration += 1
        return loss.detach()

    def checkpoint(self) -> Checkpoint:
        """What `last.pth` holds."""
        return self.weights() | {"optimiser": self.optimiser.state_dict()}

    def weights(self) -> Checkpoint:
        """What `best.pth` holds: enough to predict."""
        return {
            "params": self.network.state_dict(),
            "config": dataclasses.asdict(self.config),
            "iteration": self.iteration,
            "best_psnr": self.best_psnr,
        }

    def resume(self, path: Path) -> None:
        """Go on from a `last.pth`."""
        checkpoint = load_checkpoint(path)
        load_weights(self.network, checkpoint["params"], path)
        if "optimiser" not in checkpoint:
            raise DataError(
                f"{path}: holds weights only; start from them with train.weights={path}"
            )
        self.optimiser.load_state_dict(checkpoint["optimiser"])
        self.iteration, self.best_psnr = checkpoint["iteration"], checkpoint["best_psnr"]


def train(training: Training, frames: Dataset, judge: Callable[[], Scores] | None) -> None:
    """Run the iterations that are left: step, log, save, validate.

    `last.pth` is also written when the loop is left by Ctrl-C or by an error in the data.
    """
    settings, folder = training.config.train, training.folder
    log = TrainingLog(folder, training.iteration)
    batches = training_batches(
        frames, training.config.data, settings, training.iteration, training.device.type == "cuda"
    )
    bar = tqdm(
        total=settings.iterations * settings.batch,
        initial=training.iteration * settings.batch,
        desc=folder.name,
        unit=" images",
        mininterval=0.5 if sys.stderr.isatty() else 20.0,
        smoothing=0.05,
        dynamic_ncols=True,
    )
    losses: list[torch.Tensor] = []
    shown: dict[str, str] = {}
    since = time.perf_counter()
    try:
        with bar:
            for batch in batches:
                losses.append(training.step(batch))
                bar.update(settings.batch)
                iteration = training.iteration
                last = iteration == settings.iterations
                if iteration % settings.log_every == 0 or last:
                    loss = float(torch.stack(losses).mean())
                    refuse_nonsense(loss, iteration)
                    now = time.perf_counter()
                    speed = len(losses) * settings.batch / (now - since)
                    rate = training.optimiser.param_groups[0]["lr"]
                    log.write(iteration, loss=loss, learning_rate=rate, images_per_s=speed)
                    shown["loss"] = f"{loss:.2f}"
                    bar.set_postfix(shown)
                    losses, since = [], now
                if judge and (iteration % settings.validate_every == 0 or last):
                    scores = judge()
                    log.write(iteration, val_psnr=scores.psnr, val_ssim=scores.ssim)
                    shown["val PSNR"] = f"{scores.psnr:.2f} dB"
                    bar.set_postfix(shown)
                    if training.best_psnr is None or scores.psnr > training.best_psnr:
                        training.best_psnr = scores.psnr
                        save_checkpoint(folder / "best.pth", training.weights())
                    since = time.perf_counter()
                if iteration % settings.save_every == 0 or last:
                    save_checkpoint(folder / "last.pth", training.checkpoint())
    except KeyboardInterrupt:
        save_checkpoint(folder / "last.pth", training.checkpoint())
        raise
    except DataError as error:
        save_checkpoint(folder / "last.pth", training.checkpoint())
        # a worker process adds its traceback; what it says last is the error itself
        raise DataError(str(error).strip().rpartition("DataError: ")[2]) from error
    finally:
        log.close()


def refuse_nonsense(loss: float, iteration: int) -> None:
    """Raise ChallengeError if the loss is no number: the checkpoints on disk are from before."""
    if not math.isfinite(loss):
        raise ChallengeError(
            f"the loss is {loss} at iteration {iteration}; try a lower train.learning_rate, "
            "or train.precision=float32; the checkpoints on disk are from before"
        )


def open_data(config: Config, split: str) -> Dataset:
    """One split of the configured data; the embedded data set is made if it is not there yet."""
    root = kit_path(config.data.root)
    if root == prepare_data.DEFAULT_ROOT:
        prepare_data.ensure(root)
    voxel_root = kit_path(config.data.voxel_root) if config.data.voxel_root else None
    return open_split(root, split, config.data.format, config.data.bins, voxel_root)


def run_folder(name: str, resume: bool) -> Path:
    """`runs/<name>`, or `runs/<name>-2`, … if there is one already; to resume, the newest of these.

    Raises:
        ConfigError: there is nothing to resume.
    """
    taken = [
        RUNS / name,
        *sorted(RUNS.glob(f"{name}-[0-9]*"), key=lambda path: (len(path.name), path)),
    ]
    taken = [path for path in taken if path.exists()]
    if resume:
        started = [path for path in taken if (path / "last.pth").exists()]
        if not started:
            raise ConfigError(f"{RUNS / name}: no last.pth to resume from; leave out --resume")
        return started[-1]
    return RUNS / (f"{name}-{len(taken) + 1}" if taken else name)


def start(config: Config, resume: bool) -> Path:
    """Train as configured, from iteration 0 or from `last.pth`; returns the run's folder."""
    folder = run_folder(config.name, resume)
    rules = load_rules(Path(config.data.rules))
    frames = open_data(config, "train")
    if not frames.has_sharp:
        raise DataError(f"{frames.sharp_folder()}: no such folder; training needs sharp images")
    valid = None
    if (kit_path(config.data.root) / "val").is_dir():
        valid = open_data(config, "val")
    training = Training(config, folder)
    if resume:
        training.resume(folder / "last.pth")
    elif config.train.weights:
        weights = kit_path(config.train.weights)
        load_weights(training.network, load_checkpoint(weights)["params"], weights)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "config.yml", OmegaConf.to_yaml(OmegaConf.structured(config)))
    parameters = sum(parameter.numel() for parameter in training.network.parameters())
    print(
        f"{folder.name}: {len(frames)} frames, {parameters / 1e6:.2f} M parameters, on "
        f"{device_name(training.device)}, iteration {training.iteration} of "
        f"{config.train.iterations}"
    )
    judge: Callable[[], Scores] | None = None
    if valid is not None and valid.has_sharp:
        blurry = validate(Blurry(), valid, rules.profile, None)
        print(f"val: {len(valid)} frames, blurry input {blurry.psnr:.2f} dB ({rules.profile})")
        judge = lambda: validate(training.restorer(), valid, rules.profile, folder / "val")  # noqa: E731
    else:
        print("val: no sharp images, so nothing is validated and best.pth is the last checkpoint")
    train(training, frames, judge)
    if judge is None:
        save_checkpoint(folder / "best.pth", training.weights())
    else:
        assert training.best_psnr is not None
        print(
            f"val PSNR {training.best_psnr:.2f} dB ({rules.profile}), "
            f"blurry input {blurry.psnr:.2f} dB: {training.best_psnr - blurry.psnr:+.2f} dB"
        )
    return folder


def command(
    arguments: Annotated[
        list[str] | None, typer.Argument(help="a configuration file, then overrides: key=value")
    ] = None,
    resume: Annotated[bool, typer.Option(help="go on from the run's last.pth")] = False,
) -> None:
    """Train EFNet and validate it as the challenge scores.

    Example: bash run.sh train configs/efnet_highrev_raw.yml data.root=/data/HighREV train.batch=8
    """
    words = list(arguments or [])
    path = Path(words.pop(0)) if words and "=" not in words[0] else DEFAULT_CONFIG
    config = read_config(path, words)
    for stop in (signal.SIGINT, signal.SIGTERM):  # schedulers send SIGTERM
        signal.signal(stop, signal.default_int_handler)
    try:
        folder = start(config, resume)
    except KeyboardInterrupt:
        again = " ".join(["bash run.sh train", *(arguments or []), "--resume"])
        print(f"\nstopped; go on with: {again}", file=sys.stderr)
        raise
    print(f"wrote {folder} (best.pth, last.pth, log.jsonl, val/, tensorboard/)")
    print("next: bash run.sh predict")


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    return cli.run(command, argv, "bash run.sh train")


if __name__ == "__main__":
    sys.exit(main())
