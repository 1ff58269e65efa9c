"""A small competition's bundle of each platform, made once, and a way to change it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from challenge.hosting.bundles import build_bundle
from challenge.images import write_png
from challenge.rules import load_rules

RULES = """
name: tiny
frames: {val: 2}
hosting:
  title: Tiny
  phases:
    - {split: val, name: Development, start: "2027-01-15 00:00:00", end: "2027-02-01 00:00:00"}
    - {split: test, name: Final, start: "2027-02-03 00:00:00"}
"""


@dataclass
class Bundle:
    """The files of a bundle, to be changed."""

    files: dict[str, bytes]

    def edit(self, change: Callable[[Any], object]) -> None:
        """Change what competition.yaml says."""
        values = yaml.safe_load(self.files["competition.yaml"])
        change(values)
        self.files["competition.yaml"] = yaml.safe_dump(values, sort_keys=False).encode()

    def replace(self, old: str, new: str) -> None:
        """Change the text of competition.yaml."""
        assert old.encode() in self.files["competition.yaml"], old
        text = self.files["competition.yaml"].replace(old.encode(), new.encode())
        self.files["competition.yaml"] = text

    def inner(self, name: str, change: Callable[[dict[str, bytes]], object]) -> None:
        """Change the files of a zip in the bundle."""
        files = unzipped(self.files[name])
        change(files)
        self.files[name] = zipped(files)

    def program(self, change: Callable[[dict[str, bytes]], object]) -> None:
        """Change the files of the first phase's scoring program."""
        self.inner("scoring_program.zip", change)

    def write(self, path: Path) -> Path:
        path.write_bytes(zipped(self.files))
        return path


def zipped(files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def unzipped(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="session")
def competition(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ROOT of the data: two frames of 32x24 in val and in test, and the rules, `tiny.yml`."""
    root = tmp_path_factory.mktemp("competition")
    rng = np.random.default_rng(5)
    for split in ("val", "test"):
        for frame in ("park_00000", "park_00012"):
            sharp = rng.integers(30, 225, (24, 32, 3), dtype=np.uint8)
            write_png(root / split / "sharp" / f"{frame}.png", sharp)
            write_png(
                root / split / "blur" / f"{frame}.png", sharp // 2 + np.roll(sharp, 1, 1) // 2
            )
    (root / "tiny.yml").write_text(RULES)
    return root


@pytest.fixture(scope="session")
def sound(competition: Path) -> Mapping[str, Mapping[str, bytes]]:
    """Platform -> the files of a bundle with nothing wrong."""
    rules = load_rules(competition / "tiny.yml")
    found = {}
    for platform in ("codalab", "codabench"):
        path = competition / f"{platform}.zip"
        build_bundle(rules, competition, platform, path)
        found[platform] = unzipped(path.read_bytes())
    return found


STUBS = {
    "scoring_program.zip": {
        "metadata": b"command: python $program/score.py $input $output",
        "score.py": b"import json",
    },
    "reference_val.zip": {"truth.csv": b"1"},
}


@pytest.fixture(scope="session")
def light(sound: Mapping[str, Mapping[str, bytes]]) -> Mapping[str, Mapping[str, bytes]]:
    """The same bundles with an organiser's own small program: quick to look through."""
    stubs = {name: zipped(files) for name, files in STUBS.items()}
    stubs["scoring_program_means.zip"] = stubs["scoring_program.zip"]
    stubs["reference_test.zip"] = stubs["reference_val.zip"]
    return {platform: {**files, **stubs} for platform, files in sound.items()}


@pytest.fixture
def configured(
    light: Mapping[str, Mapping[str, bytes]], tmp_path: Path
) -> Callable[[str, Callable[[Bundle], object]], Path]:
    """A platform's bundle with a change, its program and references being stubs."""

    def make(platform: str, change: Callable[[Bundle], object]) -> Path:
        bundle = Bundle(dict(light[platform]))
        change(bundle)
        return bundle.write(tmp_path / "bundle.zip")

    return make


@pytest.fixture
def changed(
    sound: Mapping[str, Mapping[str, bytes]], tmp_path: Path
) -> Callable[[str, Callable[[Bundle], object]], Path]:
    """A platform's bundle with a change."""

    def make(platform: str, change: Callable[[Bundle], object]) -> Path:
        bundle = Bundle(dict(sound[platform]))
        change(bundle)
        return bundle.write(tmp_path / "bundle.zip")

    return make
