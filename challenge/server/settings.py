"""What a bundle fixes for its scoring program: `settings.json`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from challenge.errors import ConfigError
from challenge.metrics.profiles import Profile

SETTINGS_FILE = "settings.json"


@dataclass(frozen=True)
class Shown:
    """A column of the leaderboard.

    Attributes:
        key: in the score files.
        value: as in `challenge.rules.hosting`.
        profile: whose psnr or ssim it is; None: it is neither.
        net: the network whose LPIPS it is; None: it is none.
        title: for people.
    """

    key: str
    value: str
    profile: Profile | None = None
    net: str | None = None
    title: str = ""

    @property
    def is_of_images(self) -> bool:
        """Whether each image has such a figure; the others come from readme.txt."""
        return self.profile is not None or self.net is not None


@dataclass(frozen=True)
class Settings:
    """What the bundle fixes: written by `challenge.hosting.packed`, read by the program.

    Attributes:
        title: of the competition.
        readme: template of readme.txt.
        columns: of the leaderboard.
        images: whether the page shows the figures of each image and sequence.
    """

    title: str
    readme: str
    columns: list[Shown] = field(default_factory=list)
    images: bool = True

    @property
    def figures(self) -> list[Shown]:
        """The columns that each image has a figure in."""
        return [column for column in self.columns if column.is_of_images]

    @property
    def lpips_nets(self) -> list[str]:
        """The networks that LPIPS columns need."""
        return [column.net for column in self.columns if column.net]


def load_settings(path: Path) -> Settings:
    """Read `settings.json`; see `parse_settings`."""
    return parse_settings(path.read_bytes())


def parse_settings(text: bytes) -> Settings:
    """Read the text of `settings.json`.

    Raises:
        ConfigError: it is not what `challenge.hosting.packed` writes.
    """
    try:
        values = json.loads(text)
        for column in values["columns"]:
            if column["profile"] is not None:
                column["profile"] = Profile(**column["profile"])
        values["columns"] = [Shown(**column) for column in values["columns"]]
        return Settings(**values)
    except (ValueError, TypeError, KeyError) as error:
        found = f"{type(error).__name__}: {error}"
        raise ConfigError(f"{SETTINGS_FILE}: not what the kit writes: {found}") from error
