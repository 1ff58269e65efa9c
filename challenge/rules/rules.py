"""The rules of one challenge, read from `configs/challenge/*.yml`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from challenge import REPOSITORY
from challenge.config import load_config
from challenge.errors import ConfigError
from challenge.files import kit_path
from challenge.metrics.profiles import PROFILES, Profile, find_profile, profile_problems
from challenge.rules.hosting import Hosting

RULES_FOLDER = REPOSITORY / "configs" / "challenge"
OWN = "own"
"""The rules of data that nobody made rules for."""


@dataclass(frozen=True)
class Rules:
    """What a challenge asks of a submission.

    Attributes:
        name: short name; predictions land in `submissions/<name>/<split>/<run>/`. None: the name of
            the
            data's folder.
        width, height: size of every image in pixels; None: the size of the input frames.
        frames: split -> number of images; a split that is not named may have any number.
        profile: the metric profile whose figures decide the ranking: one of `all_profiles`.
        profiles: profiles of the challenge's own, scored beside the kit's; a name ->
            {psnr: METRIC, ssim: METRIC, psnr_cap: 100, description: TEXT}, the metrics being those
            of `challenge.metrics.profiles.METRICS`.
        readme: template of `readme.txt`; `{runtime:.4g}` seconds per image, `{cpu}` 1 if it ran on
            the CPU
            and 0 on a GPU, `{extra_data}` and `{llm}` 1 or 0, `{description}` free text in one
            line.
        limits: what figures on these data cannot say; printed under every table of them.
        zip_limit_mb: the largest zip the platform takes, in 10^6 bytes; None: no limit known.
        hosting: what bundles for CodaLab and Codabench need beside; None: nobody hosts it.
    """

    name: str | None = None
    width: int | None = None
    height: int | None = None
    frames: dict[str, int] = field(default_factory=dict)
    profile: str = "published_kit"
    profiles: dict[str, Profile] = field(default_factory=dict)
    readme: str = (
        "runtime per image [s] : {runtime:.4g}\n"
        "CPU[1] / GPU[0] : {cpu}\n"
        "Extra Data [1] / No Extra Data [0] : {extra_data}\n"
        "Other description : {description}\n"
    )
    limits: str = ""
    zip_limit_mb: float | None = None
    hosting: Hosting | None = None

    @property
    def all_profiles(self) -> Mapping[str, Profile]:
        """Name -> profile: the kit's, then the challenge's own."""
        return {**PROFILES, **self.profiles}


def load_rules(path: str | Path) -> Rules:
    """Read rules from YAML.

    A bare name such as `highrev` stands for `configs/challenge/highrev.yml`; a relative path that
    is not there means the kit's own folder.

    Raises:
        ConfigError: no such file, a key or value that is not known, or profiles that name no metric
            (all of them).
    """
    path = Path(path)
    bare = not path.suffix and not path.is_file()
    path = RULES_FOLDER / f"{path}.yml" if bare else kit_path(path)
    rules = load_config(Rules, path)
    own = {name: dataclasses.replace(value, name=name) for name, value in rules.profiles.items()}
    problems = [
        f"profiles.{name}: {problem}"
        for name, profile in own.items()
        for problem in profile_problems(profile)
    ]
    if problems:
        raise ConfigError(f"{path}: profiles that cannot be used", problems)
    rules = dataclasses.replace(rules, profiles=own)
    try:
        find_profile(rules.profile, rules.all_profiles)
    except ConfigError as error:
        raise ConfigError(f"{path}: profile: {error}") from error
    return rules
