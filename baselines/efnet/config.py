"""The training configuration: what may stand in `configs/efnet_*.yml`, with the published recipe as
default.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import MISSING

from baselines.efnet.inference import PRECISIONS, SMALLEST
from baselines.efnet.stages import stages_of
from challenge import SPLITS
from challenge.config import load_config
from challenge.datasets import BINS, FORMATS, STORED
from challenge.errors import ConfigError
from challenge.files import is_folder_name
from challenge.representations import KINDS, WINDOWS

NORMALISE = ("nonzero", "magnitude", "contrast")
LOSSES = ("psnr", "psnr_y", "charbonnier", "l1_gradient")
ADAMW = "adamw"
COSINE = "cosine"
SCHEDULES = (COSINE, "tanh", "poly", "step", "multistep", "restarts")
CHANNEL_ORDERS = ("rgb", "bgr")


@dataclass
class DataConfig:
    """What is trained on, and how its events reach the network."""

    root: str = MISSING  # folder with {train,val,test}/; relative ones are the kit's
    format: str = "highrev_raw"  # or highrev_voxel, scer_hdf5 (GoPro, REBlur), monash_hdf5
    voxel_root: str | None = None  # highrev_voxel: folder with {train,val}/voxel/
    validation: str = "val"  # the split that is validated on; GoPro and REBlur have but test
    store: str | None = None  # folder of the training store; None: ROOT_store, if there; none: none
    rules: str = "highrev"  # configs/challenge/<rules>.yml, or a path
    representation: str = "voxel"  # of raw events: voxel, scer or nested
    bins: int = BINS  # time bins of the grid; of nested, those of each window
    windows: list[float] = field(default_factory=lambda: [*WINDOWS])  # nested: shares of exposure
    # mean 0, spread 1 of the non-zero cells; magnitude: to [-1, 1]; contrast: an event is 0.25
    normalise: str = "nonzero"
    event_mask: bool = False  # gate stage 2 with the pixels that saw events (REBlur needs it)
    channel_order: str = "rgb"  # bgr: what the published GoPro and REBlur weights were trained on
    keep_in_memory: bool = False  # read every frame once, each worker for itself: small data only
    workers: int = 4  # processes that read and cut; 0: the training process itself


@dataclass
class NetworkConfig:
    """Arguments of `baselines.efnet.model.EFNet`."""

    wf: int = 64
    depth: int = 3
    fuse_before_downsample: bool = True
    relu_slope: float = 0.2
    num_heads: list[int] = field(default_factory=lambda: [1, 2, 4])


@dataclass
class AugmentConfig:
    """What else is done to crops (`baselines.efnet.augment`); nothing, unless it is asked for."""

    resize: list[float] = field(default_factory=lambda: [1.0, 1.0])  # nearer or farther, from, to
    stretch: bool = False  # a factor each for height and width
    reverse: float = 0.0  # probability that the exposure runs backwards, signs flipped
    time_shift: float = 0.0  # share of the exposure: events early or late by up to so much
    drop: float = 0.0  # up to this share of events is lost
    noise: float = 0.0  # up to so many random events per pixel
    hot_pixels: float = 0.0  # up to this share of pixels fires all the time


@dataclass
class StageConfig:
    """A part of a training with crops of its own size (`baselines.efnet.stages`)."""

    share: float = MISSING  # of all iterations, beside the other stages' shares
    crop: int = MISSING  # pixels; 0: whole frames
    batch: int = MISSING


@dataclass
class TrainConfig:
    """The published recipe (AHupuJR/EFNet, options/train/HighREV/EFNet_HighREV_Deblur.yml) by
    default, and what other teams changed in theirs.

    `stages`: NTIRE 2025 teams went from crops of 256 over 320 to 480 and 1024. `loss`, `optimiser`,
    `schedule`: `baselines.efnet.losses`, `optimiser` and `schedule` say what each is, and whose.
    `augment`: joint resizing, noise and hot pixels are those of a medal team of 2025, flips that
    happen (`flip`) and turns (`transpose`) everybody's. `ema`: Polyak and Juditsky 1992.
    """

    iterations: int = 200_000
    batch: int = 4
    crop: int = 256  # pixels; 0: whole frames
    # [{share: 0.6, crop: 256, batch: 4}, {share: 0.4, crop: 480, batch: 1}]; []: crop and batch
    stages: list[StageConfig] = field(default_factory=list)
    flip: bool = True  # left-right and upside down, each for half of the crops
    transpose: bool = True  # rows for columns, for half of the crops
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    optimiser: str = ADAMW  # or one of timm.optim: lion, adan, nadamw, adopt, lamb, muon, …
    optimiser_options: dict[str, Any] = field(default_factory=dict)  # arguments of timm's
    learning_rate: float = 2e-4
    final_learning_rate: float = 1e-7  # reached at the end
    # half of a cosine; or of timm.scheduler: tanh, poly, step, multistep, restarts
    schedule: str = COSINE
    schedule_options: dict[str, Any] = field(default_factory=dict)  # arguments of timm's
    warmup: int = 0  # iterations in which the learning rate rises, before the schedule begins
    weight_decay: float = 1e-4
    betas: list[float] = field(default_factory=lambda: [0.9, 0.99])
    clip_norm: float = 0.01  # longer gradients are shortened to it; 0: none is
    loss: str = "psnr"  # or psnr_y, charbonnier, l1_gradient
    loss_weight: float = 0.5
    ema: float = 0.0  # share of itself that the running mean of the weights keeps; 0: no mean
    tile: int | None = None  # validation in tiles of so many pixels; 0: whole; None: memory decides
    # bfloat16: autocast; auto: bfloat16 where the device has it; float16: for GPUs that have not
    precision: str = "float32"
    compile: bool = False  # by torch.compile; the first step takes a minute or more
    channels_last: bool | None = None  # order of weights in memory; None: that of the device
    fused: bool | None = None  # AdamW in one call; None: where torch has it for the device
    device: str = "auto"  # auto, cpu, cuda, cuda:1
    seed: int = 10
    weights: str | None = None  # start from these: a file, or shipped weights by their name
    log_every: int = 200  # iterations
    save_every: int = 5_000
    stop_after_nan: int = 10  # so many steps in a row whose loss or gradient is no finite number
    validate_every: int = 10_000


@dataclass
class Config:
    """Everything one training needs."""

    name: str = MISSING  # results land in runs/<name>/
    data: DataConfig = field(default_factory=DataConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    train: TrainConfig = field(default_factory=TrainConfig)


def read_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Read and check a training configuration; every problem with a value is listed.

    Raises:
        ConfigError: no such file, an unknown key, a wrong type, or a value that cannot work.
    """
    config = load_config(Config, path, overrides)
    problems = []
    if OMISSION in (config.name, config.data.root):
        problems.append("name and data.root must be given")
    if not is_folder_name(config.name):
        problems.append(f"name={config.name!r}: expected a plain folder name")
    if config.data.format not in FORMATS:
        problems.append(f"data.format={config.data.format}: expected {' or '.join(FORMATS)}")
    choices = {
        "data.validation": SPLITS[1:],
        "data.representation": KINDS,
        "data.normalise": NORMALISE,
        "data.channel_order": CHANNEL_ORDERS,
        "train.loss": LOSSES,
        "train.schedule": SCHEDULES,
        "train.precision": PRECISIONS,
    }
    for key, known in choices.items():
        section, name = key.split(".")
        value = getattr(getattr(config, section), name)
        if value not in known:
            problems.append(f"{key}={value}: expected {' or '.join(known)}")
    problems += representation_problems(config.data)
    problems += augment_problems(config.train)
    problems += recipe_problems(config.train)
    least = {
        "data.bins": 1,
        "data.workers": 0,
        "train.crop": 0,
        "network.wf": 1,
        "network.depth": 1,
    }
    counts = ("iterations", "batch", "log_every", "save_every", "validate_every", "stop_after_nan")
    least |= {f"train.{name}": 1 for name in counts}
    for key, low in least.items():
        section, name = key.split(".")
        value = getattr(getattr(config, section), name)
        if value < low:
            problems.append(f"{key}={value}: expected at least {low}")
    if config.train.tile is not None and 0 != config.train.tile < SMALLEST:
        problems.append(f"train.tile={config.train.tile}: expected 0 or at least {SMALLEST} pixels")
    for name in ("learning_rate", "loss_weight"):
        if getattr(config.train, name) <= 0:
            problems.append(f"train.{name}={getattr(config.train, name)}: expected more than 0")
    if not 0 <= config.train.ema < 1:
        problems.append(f"train.ema={config.train.ema}: expected a number in [0, 1)")
    if len(config.network.num_heads) < config.network.depth:
        problems.append("network.num_heads: expected one number for each of network.depth levels")
    if len(config.train.betas) != 2 or not all(0 <= beta < 1 for beta in config.train.betas):
        problems.append(f"train.betas={config.train.betas}: expected two numbers in [0, 1)")
    if problems:
        raise ConfigError(f"{path}: values that cannot work", problems)
    return config


def representation_problems(data: DataConfig) -> list[str]:
    """Say what no representation can be made of."""
    problems = []
    if data.representation != (stored := STORED.get(data.format, data.representation)):
        problems.append(
            f"data.representation={data.representation}: data.format={data.format} has {stored} "
            f"grids stored; set data.representation={stored}"
        )
    if data.representation == "scer" and data.bins % 2:
        problems.append(f"data.bins={data.bins}: scer takes an even number")
    if not data.windows or not all(0 < share <= 1 for share in data.windows):
        problems.append(f"data.windows={data.windows}: expected shares of the exposure in (0, 1]")
    return problems


def augment_problems(train: TrainConfig) -> list[str]:
    """Say what no augmentation can be."""
    settings, problems = train.augment, []
    crops = [each.crop for each in train.stages] or [train.crop]
    if len(settings.resize) != 2 or not 0 < settings.resize[0] <= settings.resize[1]:
        problems.append(
            f"train.augment.resize={settings.resize}: expected two factors, such as [0.5,1.7]"
        )
    elif settings.resize != [1.0, 1.0] and 0 in crops:
        problems.append("train.augment.resize: whole frames (train.crop=0) keep their size")
    for name in ("reverse", "time_shift", "drop", "hot_pixels"):
        if not 0 <= (share := getattr(settings, name)) <= 1:
            problems.append(f"train.augment.{name}={share}: expected a number in [0, 1]")
    if not 0 <= settings.noise <= MOST_NOISE:
        problems.append(
            f"train.augment.noise={settings.noise}: expected 0 to {MOST_NOISE} events per pixel"
        )
    return problems


def recipe_problems(train: TrainConfig) -> list[str]:
    """Say what no stages, optimiser or schedule can be; timm itself says what it refuses."""
    problems = []
    for number, each in enumerate(train.stages, 1):
        if not 0 < each.share < math.inf or each.crop < 0 or each.batch < 1:
            problems.append(
                f"train.stages: stage {number} is {dataclasses.asdict(each)}: expected a share "
                "above 0, a crop of 0 (whole frames) or more pixels, and a batch of 1 or more"
            )
    if not problems and any(begin == end for begin, end, *_ in stages_of(train)):
        problems.append(
            f"train.stages: one of them would get none of train.iterations={train.iterations}"
        )
    if not 0 <= train.clip_norm < math.inf:
        problems.append(f"train.clip_norm={train.clip_norm}: expected a length, or 0 (no clipping)")
    if not 0 <= train.warmup < max(train.iterations, 1):
        problems.append(
            f"train.warmup={train.warmup}: expected 0 or more, and fewer than "
            f"train.iterations={train.iterations}"
        )
    for name, own in (("optimiser", ADAMW), ("schedule", COSINE)):
        if getattr(train, name) == own and (options := getattr(train, f"{name}_options")):
            problems.append(f"train.{name}_options={options}: train.{name}={own} has none")
    if train.optimiser != ADAMW and train.fused:
        problems.append(f"train.fused=true: of {ADAMW} alone, not of {train.optimiser}")
    return problems


MOST_NOISE = 100
OMISSION = "???"  # how OmegaConf spells a value that was not given
