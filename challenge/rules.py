"""The rules of one challenge, read from `configs/challenge/*.yml`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from challenge import REPOSITORY
from challenge.config import load_config

RULES_FOLDER = REPOSITORY / "configs" / "challenge"


@dataclass(frozen=True)
class Rules:
    """What a challenge asks of a submission.

    Attributes:
        name: short name; predictions land in `submissions/<name>/<split>/<run>/`. None: the name of
            the
            data's folder.
        width, height: size of every image in pixels; None: the size of the input frames.
        frames: split -> number of images; a split that is not named may have any number.
        profile: the metric profile (`challenge.scoring.profiles`) whose figures decide the ranking.
        readme: template of `readme.txt`; `{runtime:.4g}` seconds per image, `{cpu}` 1 if it ran on
            the CPU
            and 0 on a GPU, `{extra_data}` 1 or 0, `{description}` free text in one line.
        zip_limit_mb: the largest zip the platform takes, in 10^6 bytes; None: no limit known.
    """

    name: str | None = None
    width: int | None = None
    height: int | None = None
    frames: dict[str, int] = field(default_factory=dict)
    profile: str = "published_kit"
    readme: str = (
        "runtime per image [s] : {runtime:.4g}\n"
        "CPU[1] / GPU[0] : {cpu}\n"
        "Extra Data [1] / No Extra Data [0] : {extra_data}\n"
        "Other description : {description}\n"
    )
    zip_limit_mb: float | None = None


def load_rules(path: Path) -> Rules:
    """Read rules from YAML; a bare name such as `highrev` stands for
    `configs/challenge/highrev.yml`.

    Raises:
        ConfigError: no such file, or a key or value that is not known.
    """
    if not path.suffix and not path.exists():
        path = RULES_FOLDER / f"{path}.yml"
    return load_config(Rules, path)
