"""Networks that come with the kit: their weights lie in `weights/`, each beside its facts."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from baselines.efnet.inference import Inference
from challenge.config import load_config
from challenge.errors import ConfigError, DataError
from challenge.files import kit_path, sha256

if TYPE_CHECKING:
    from baselines.efnet.restorer import EfnetRestorer

WEIGHTS = Path(__file__).resolve().parent / "weights"
"""NAME.safetensors, as `bash run.sh export` writes it, and NAME.yml, its facts."""
DEFAULT = "efnet_small"
"""What restores where nothing was trained and nothing is named."""
LIST = "list"
"""In place of a name: asks which there are."""
SUFFIX, FACTS_SUFFIX = ".safetensors", ".yml"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What stands beside the weights, all of it required."""

    about: str  # one line, for lists
    licence: str  # of the weights, an SPDX name
    sha256: str  # of the .safetensors, in hexadecimal
    exposure_ms: tuple[float, float]  # shortest and longest that it was trained on
    card: str  # path of its model card, from the kit's folder

    def problems(self) -> list[str]:
        """Say what cannot be: one line each, or nothing."""
        shortest, longest = self.exposure_ms
        told = [
            f"{key}: is empty" for key in ("about", "licence", "card") if not getattr(self, key)
        ]
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            told.append(f"sha256: expected 64 hexadecimal digits, found {self.sha256!r}")
        if not (0 < shortest <= longest and math.isfinite(longest)):
            told.append(f"exposure_ms: expected [shortest, longest], found {[shortest, longest]}")
        return told


@dataclass(frozen=True)
class Shipped(Facts):
    """A network that comes with the kit."""

    name: str
    path: Path  # of its .safetensors

    @property
    def parameters(self) -> int:
        """Count the weights in its file, from what the file says of itself.

        Raises:
            DataError: it cannot be read.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.path, "np") as file:
                names = file.keys()
                return sum(math.prod(file.get_slice(name).get_shape()) for name in names)
        except (OSError, SafetensorError) as error:
            raise DataError(f"{self.path}: not readable ({error}); {_mend(self.path)}") from error


def shipped_weights(folder: Path = WEIGHTS) -> dict[str, Shipped]:
    """Read which weights come with the kit: name -> facts, by name. Their contents are not read.

    Raises:
        DataError: weights without facts, or facts without weights.
        ConfigError: facts with an unknown or missing key, or a value that cannot be.
    """
    weights, facts = (
        {path.stem: path for path in folder.glob(f"[!.]*{suffix}")}  # hidden: an export was killed
        for suffix in (SUFFIX, FACTS_SUFFIX)
    )
    if alone := sorted(weights.keys() ^ facts.keys()):
        lacking = [
            f"{name}: {FACTS_SUFFIX if name in weights else SUFFIX} is missing" for name in alone
        ]
        raise DataError(
            f"{folder}: weights and their facts come in pairs; {_mend(folder)}", lacking
        )
    return {name: _read(weights[name], facts[name]) for name in sorted(weights)}


def _read(path: Path, facts: Path) -> Shipped:
    found = load_config(Facts, facts)
    if problems := found.problems():
        raise ConfigError(f"{facts}: facts that cannot be", problems)
    return Shipped(name=path.stem, path=path, **dataclasses.asdict(found))


def find_shipped(name: str, folder: Path = WEIGHTS) -> Shipped:
    """Find the shipped weights of a name, and look whether they are what was shipped.

    Raises:
        ConfigError: there are none; lists those there are, the most alike first.
        DataError: as `shipped_weights`, or the file is damaged or another one.
    """
    known = shipped_weights(folder)
    if name not in known:
        nearest = sorted(known, key=lambda each: -difflib.SequenceMatcher(None, name, each).ratio())
        there = "there are" if known else "none come with the kit yet"
        raise ConfigError(
            f"no shipped weights called {name!r}; {there}",
            [f"{each}: {known[each].about}" for each in nearest],
        )
    _check(known[name].path, known[name].sha256)
    return known[name]


@functools.cache
def _check(path: Path, expected: str) -> None:
    """Refuse weights that are not those of their facts; a file is read once per process."""
    if (found := sha256(path)) != expected:
        raise DataError(
            f"{path}: damaged, or not the file that was shipped: expected SHA-256 {expected}, "
            f"found {found}; {_mend(path)}"
        )


def _mend(path: Path) -> str:
    return f"`git checkout -- {path}` in the kit's clone, or copy it again"


def shipped_of(path: Path, folder: Path = WEIGHTS) -> Shipped | None:
    """Say which shipped weights a checkpoint is, by its content, wherever it lies; None: none.

    Raises:
        DataError, ConfigError: as `shipped_weights`.
    """
    if not path.is_file():
        return None
    for each in shipped_weights(folder).values():
        if path.stat().st_size == each.path.stat().st_size and sha256(path) == each.sha256:
            return each
    return None


def weights_path(text: str, folder: Path = WEIGHTS) -> Path:
    """Find weights by the path of their file or, where none is there, by the name of shipped ones.

    Raises:
        DataError, ConfigError: as `find_shipped`.
    """
    path = kit_path(text)
    bare = path.name == text and not path.suffix
    return find_shipped(text, folder).path if bare and not path.is_file() else path


def load_shipped(
    name: str = DEFAULT,
    device: str = "auto",
    settings: Inference | None = None,
    folder: Path = WEIGHTS,
) -> EfnetRestorer:
    """Load a network that comes with the kit, to restore frames of any size with it.

        restore = load_shipped("efnet_small")
        sharp = restore(Sample("cup", blurry, Events(x, y, t, p)))

    What it returns maps a `challenge.sample.Sample` to the sharp image, (H, W, 3) uint8 RGB as
    `blurry`: (H, W, 3) uint8 RGB, the mean over an exposure; a grey frame three times. Its events
    are those of the exposure alone: x, y (N,) in pixels from the upper left, t (N,) ascending, in
    microseconds, p (N,) 1 where it became brighter, 0 or -1 where darker. Nothing is written to.
    `restore.estimate(sample)` gives (H, W, 3) float32 before rounding, about 0 to 1. Frames are
    restored whole where memory allows, else in the largest tiles that fit. `find_shipped(name)`
    tells what exposures it was trained on.

    Args:
        name: one of `shipped_weights()`.
        device: "auto" (a GPU where there is one), "cpu", "cuda" or "cuda:1".
        settings: of restoring, such as `Inference(engine="openvino", precision="auto")`.
        folder: of the weights.

    Raises:
        ConfigError: no such weights, device or engine.
        DataError: the weights are damaged; later, a frame or its events are not as above.
        ChallengeError: later, memory cannot hold what is to be restored at once.
    """
    from baselines.efnet.restorer import load_file

    return load_file(find_shipped(name, folder).path, device, settings)


def show(known: Iterable[Shipped]) -> None:
    """Print which weights there are: a row for each."""
    table = Table(box=box.SIMPLE_HEAD)
    for title in ("name", "parameters", "size", "licence", "about, card"):
        right = title in ("parameters", "size")
        table.add_column(title, justify="right" if right else "left", overflow="fold")
    for each in known:
        counted = f"{each.parameters / 1e6:.2f} M"
        size = f"{each.path.stat().st_size / 1e6:.1f} MB"
        row = (each.name, counted, size, each.licence, f"{each.about}\n{each.card}")
        table.add_row(*(Text(word) for word in row))
    if not table.row_count:
        print("no weights come with the kit yet; bash run.sh train makes some")
        return
    Console().print(table)
    print("bash run.sh predict --weights NAME")
