"""The world that data are made for: what may be drawn (`World`), what a sequence has (`Take`).

The ranges, and where they come from, stand in `configs/world/*.yml`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from challenge import REPOSITORY
from challenge.config import load_config
from challenge.errors import ConfigError
from challenge.simulation.frames import BAYER, COLOUR, CURVES, GREY
from challenge.simulation.scenes import SPEEDS

FOLDER = REPOSITORY / "configs" / "world"
DEFAULT = "wide"
LOGARITHMIC = 5.0
"""A range whose ends are further apart than by this factor is drawn on a logarithmic scale."""
TOGETHER = 0.2
"""How far apart, in parts of their ranges, two things are drawn that come from one cause."""


@dataclass
class World:
    """Ranges [low, high], shares in [0, 1] and weights; what each means stands in the YAML."""

    val_share: float
    motion: dict[str, float]
    path_px: list[float]
    px_s: list[float]
    shake_hz: list[float]
    objects: list[int]
    object_px: list[float]
    object_radius: list[float]
    view: list[float]
    stops: list[float]
    highlights: list[float]
    grey: float
    exposure_ms: list[float]
    gap: list[float]
    of_frames: float
    frames: list[int]
    open: list[float]
    of_levels: float
    electrons: list[float]
    read_noise: list[float]
    prnu: list[float]
    dsnu: list[float]
    pattern_columns: list[float]
    curve: dict[str, float]
    gamma: list[float]
    bayer: float
    contrast: list[float]
    on_to_off: list[float]
    mismatch: list[float]
    dark_light: list[float]
    refractory_us: list[float]
    leak_hz: list[float]
    leak_spread: list[float]
    shot_hz: list[float]
    hot_share: list[float]
    hot_hz: list[float]
    dead_share: list[float]
    in_rows: float
    in_columns: float
    row_us: list[float]
    coloured_events: float


LIMITS: Mapping[str, tuple[float, float]] = {
    "path_px": (0, 200),
    "px_s": (0, 1e6),
    "shake_hz": (0.1, 1000),
    "objects": (0, 20),
    "object_px": (0, 200),
    "object_radius": (2, 60),
    "view": (0.01, 1),
    "stops": (-12, 6),
    "highlights": (0, 100),
    "exposure_ms": (0.1, 2000),
    "gap": (0, 1000),
    "frames": (1, 200),
    "open": (0, 1),
    "electrons": (10, 1e6),
    "read_noise": (0, 1000),
    "prnu": (0, 0.2),
    "dsnu": (0, 0.2),
    "pattern_columns": (0, 1),
    "gamma": (1, 4),
    "contrast": (0.05, 2),
    "on_to_off": (0.2, 5),
    "mismatch": (0, 0.5),
    "dark_light": (1e-4, 1),
    "refractory_us": (0, 1e5),
    "leak_hz": (0, 100),
    "leak_spread": (0, 3),
    "shot_hz": (0, 1000),
    "hot_share": (0, 0.1),
    "hot_hz": (0, 1e4),
    "dead_share": (0, 0.5),
    "row_us": (0, 1e5),
}
"""What can be simulated: beyond it memory, time or meaning end."""


@dataclass(frozen=True)
class Take:
    """What was drawn for one sequence; units as in the YAML, whose ranges the values come from.

    exposure_us: whole, a multiple of 10. gap_us: from the end of an exposure to the next. frames: 1
    where the blur is one exposure. row_us: 0 where events are stamped one by one. in_columns: it is
    columns that are read. mosaic: of the frame's sensor, see `FrameSensor`.
    """

    motion: str
    path_px: float
    shake_hz: float
    objects: int
    object_px: float
    object_radius: float
    view: float
    stops: float
    highlights: float
    exposure_us: int
    gap_us: int
    frames: int
    open: float
    of_levels: bool
    electrons: float
    read_noise: float
    prnu: float
    dsnu: float
    pattern_columns: float
    curve: str
    gamma: float
    mosaic: str
    contrast: float
    on_to_off: float
    mismatch: float
    dark_light: float
    refractory_us: float
    leak_hz: float
    leak_spread: float
    shot_hz: float
    hot_share: float
    hot_hz: tuple[float, float]
    dead_share: float
    row_us: float
    in_columns: bool
    coloured_events: bool

    @property
    def grey(self) -> bool:
        """Say whether the camera sees no colours."""
        return self.mosaic == GREY


def load_world(name: str = DEFAULT, changes: Sequence[str] = ()) -> World:
    """Read a world: configs/world/NAME.yml or a path, where it says nothing the default.

    Args:
        changes: such as "contrast=[0.2,0.3]".

    Raises:
        ConfigError: no such file, an unknown key, a wrong type; every value that cannot be.
    """
    path = Path(name) if name.endswith((".yml", ".yaml")) else FOLDER / f"{name}.yml"
    world = load_config(World, FOLDER / f"{DEFAULT}.yml")
    world = load_config(World, path, changes, base=world)
    if problems := world_problems(world):
        raise ConfigError(f"{path}: no such world can be", problems)
    return world


def world_problems(world: World) -> list[str]:
    """Say which values of a world cannot be."""
    problems = []
    for name, value in asdict(world).items():
        if isinstance(value, list):
            low, high = LIMITS[name]
            right = len(value) == 2 and low <= value[0] <= value[1] <= high
            if not right:
                problems.append(f"{name}={value}: expected [low, high], {low:g} to {high:g}")
        elif isinstance(value, dict):
            known = CURVES if name == "curve" else tuple(SPEEDS)
            unknown = sorted(value.keys() - set(known))
            sound = all(math.isfinite(each) and each >= 0 for each in value.values())
            if unknown or not sound or not sum(value.values()) > 0:
                wanted = f"weights, not all of them 0, of {', '.join(known)}"
                problems.append(f"{name}={value}: expected {wanted}")
        elif not 0 <= value <= 1:
            problems.append(f"{name}={value}: expected a share, 0 to 1")
    return problems


def between(ends: Sequence[float], part: float) -> float:
    """Find the place in a range: its low end for 0, its high end for 1, logarithmic where it is
    wide.

    >>> between([1.0, 2.0], 0.5), round(between([1.0, 100.0], 0.5), 9)
    (1.5, 10.0)
    """
    low, high = ends
    if low > 0 and high > LOGARITHMIC * low:
        return float(low * (high / low) ** part)
    return float(low + (high - low) * part)


def draw_take(world: World, rng: np.random.Generator) -> Take:
    """Draw what one sequence has."""
    part = {field.name: float(rng.random()) for field in fields(world)}
    part["shot_hz"] = min(max(1 - part["electrons"] + rng.uniform(-TOGETHER, TOGETHER), 0), 1)

    def value(name: str) -> float:
        return between(getattr(world, name), part[name])

    def whole(name: str) -> int:
        low, high = getattr(world, name)
        return int(low + (high - low + 1) * part[name])

    def is_so(name: str) -> bool:
        return bool(part[name] < getattr(world, name))

    def in_time(name: str) -> float:
        slowest, fastest = (exposure_us / 1e6 * speed for speed in world.px_s)
        return min(max(value(name), slowest), fastest)

    exposure_us = 10 * max(round(100 * value("exposure_ms")), 1)
    mosaic = GREY if is_so("grey") else COLOUR
    phase = list(BAYER)[int(rng.integers(len(BAYER)))]
    if mosaic == COLOUR and is_so("bayer"):
        mosaic = phase
    return Take(
        path_px=in_time("path_px"),
        object_px=in_time("object_px"),
        in_columns=is_so("in_rows") and is_so("in_columns"),
        motion=_weighted(world.motion, part["motion"]),
        curve=_weighted(world.curve, part["curve"]),
        objects=whole("objects"),
        frames=whole("frames") if is_so("of_frames") else 1,
        exposure_us=exposure_us,
        gap_us=round(value("gap") * exposure_us),
        mosaic=mosaic,
        of_levels=is_so("of_levels"),
        coloured_events=mosaic in BAYER and is_so("coloured_events"),
        row_us=value("row_us") if is_so("in_rows") else 0.0,
        hot_hz=(float(world.hot_hz[0]), float(world.hot_hz[1])),
        **{name: value(name) for name in DRAWN_AS_THEY_ARE},
    )


DRAWN_AS_THEY_ARE = (
    *("shake_hz", "object_radius", "view", "stops", "highlights", "open", "electrons"),
    *("read_noise", "prnu", "dsnu", "pattern_columns", "gamma", "contrast", "on_to_off"),
    *("mismatch", "dark_light", "refractory_us"),
    *("leak_hz", "leak_spread", "shot_hz", "hot_share", "dead_share"),
)


def _weighted(weights: Mapping[str, float], part: float) -> str:
    """Choose by weights, in the order of their names."""
    names = sorted(weights)
    sums = np.cumsum([weights[name] for name in names])
    return names[int(np.searchsorted(sums, part * sums[-1], "right"))]


def as_row(take: Take) -> dict[str, Any]:
    """Write what was drawn as a row of a table."""
    row = asdict(take)
    del row["hot_hz"]
    return row
