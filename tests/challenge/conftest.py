"""What tests of several folders share: a run, its data, a competition, stand-in LPIPS weights."""

from __future__ import annotations

import dataclasses
import io
import shutil
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from challenge.commands.rehearse import Rehearsal
from challenge.findings import Finding
from challenge.hosting.isolated import make_isolated_python
from challenge.hosting.platforms import zip_findings
from challenge.images import write_png
from challenge.metrics.weights import FOLDER_VARIABLE, State, find_backbone
from challenge.rules import Rules, load_rules
from challenge.runs import RunRecord, save_record
from challenge.submission import Expected, Readme, write_readme
from challenge.submission.candidate import Options, expected_submission, open_candidate

# --- scoring: folders of small PNGs

SCORED_FRAMES = ("night_run_00000", "night_run_00012", "night_run_00024", "zigzag_00000")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """(predictions, sharp): four frames of two sequences, each with noise of its own strength."""
    rng = np.random.default_rng(0)
    predictions, sharp = tmp_path / "my_method", tmp_path / "data" / "val" / "sharp"
    for index, frame in enumerate(SCORED_FRAMES):
        image = rng.integers(40, 216, (20, 24, 3), dtype=np.uint8)
        noise = rng.integers(-4 * (index + 1), 4 * (index + 1) + 1, image.shape)
        write_png(sharp / f"{frame}.png", image)
        write_png(predictions / f"{frame}.png", (image + noise).astype(np.uint8))
    return predictions, sharp


# --- submission: a small run over three frames of 8x6, and the server's own reading of readme.txt

FRAMES = ("logo_a_00012", "logo_a_00024", "zigzag_00012")
BLACK = np.zeros((6, 8, 3), np.uint8)
Parsed = tuple[float, int, int, str]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for frame in FRAMES:
        write_png(tmp_path / "data" / "val" / "blur" / f"{frame}.png", BLACK)
    return tmp_path / "data"


@pytest.fixture
def folder(tmp_path: Path, data: Path) -> Path:
    """A good run: nothing is found in it."""
    folder = tmp_path / "submissions" / "mini" / "val" / "mine"
    for frame in FRAMES:
        write_png(folder / f"{frame}.png", BLACK)
    record = RunRecord("mine", data_root=str(data), split="val", rules="own", created="2026-01-01")
    save_record(
        folder,
        dataclasses.replace(
            record, runtime_per_image_s=0.3125, device="cpu", description="two: lines\nof text"
        ),
    )
    return folder


@pytest.fixture
def expected(data: Path) -> Expected:
    expected, doubts = expected_submission(Rules(), data, "val")
    assert doubts == []
    return expected


@pytest.fixture
def server_parse() -> Callable[[str], Parsed]:
    """The public scorers' rule, on its own: lines with a `:`, by position, -1 on any error."""

    def parse(text: str) -> Parsed:
        lines = [line.strip() for line in io.StringIO(text).readlines() if line.find(":") >= 0]
        values = [":".join(line.split(":")[1:]) for line in lines]
        try:
            return float(values[0]), int(values[1]), int(values[2]), values[3].strip()
        except (ValueError, IndexError):
            return -1.0, -1, -1, ""

    return parse


# --- server: a tiny competition, two frames of 56x40 with their sharp images

RULES = """
name: tiny
frames: {val: 2}
profile: published_kit
hosting:
  title: Tiny & <b>bold</b>
  phases:
    - {split: val, name: Development, start: "2027-01-15 00:00:00", end: "2027-02-01 00:00:00"}
    - {split: train, name: Final, start: "2027-02-02 00:00:00"}
"""
Refused = Callable[[Rehearsal], list[Finding]]
MakeZip = Callable[[Sequence[tuple[str, bytes]]], Path]


@pytest.fixture(scope="session")
def isolated_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_isolated_python(tmp_path_factory.mktemp("isolated") / "python")


@pytest.fixture
def rules_file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yml"
    path.write_text(RULES)
    return path


@pytest.fixture
def rules(rules_file: Path) -> Rules:
    return load_rules(rules_file)


@pytest.fixture
def files(highrev: Path, rules: Rules) -> list[tuple[str, bytes]]:
    """Name and bytes of what a good zip holds: the blurry input itself, and readme.txt."""
    images = sorted((highrev / "val" / "blur").glob("*.png"))
    text = write_readme(rules.readme, Readme(0.25, 1, 0, "no <script>alert(1)</script>"))
    return [*((path.name, path.read_bytes()) for path in images), ("readme.txt", text.encode())]


@pytest.fixture
def make_zip(tmp_path: Path) -> MakeZip:
    def make(files: Sequence[tuple[str, bytes]]) -> Path:
        path = tmp_path / "mine.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files:
                archive.writestr(name, content)
        return path

    return make


@pytest.fixture
def plan(
    highrev: Path, rules: Rules, make_zip: MakeZip, files: list[tuple[str, bytes]]
) -> Rehearsal:
    """A good submission, ready to be rehearsed."""
    expected, findings = expected_submission(rules, highrev, "val")
    assert findings == []
    return Rehearsal(make_zip(files), highrev / "val" / "sharp", rules, expected)


@pytest.fixture
def refused(highrev: Path, rules_file: Path) -> Refused:
    """Why a zip would not be unpacked."""

    def look(plan: Rehearsal) -> list[Finding]:
        options = Options(highrev, "val", rules_file)
        with open_candidate(plan.zipped, options) as candidate:
            return zip_findings(candidate, plan.expected)

    return look


@pytest.fixture
def unpacked(tmp_path: Path, highrev: Path, files: list[tuple[str, bytes]]) -> Path:
    """INPUT of the scoring program: {ref,res}, with the platform's own file in res."""
    folder = tmp_path / "input"
    shutil.copytree(highrev / "val" / "sharp", folder / "ref")
    (folder / "res").mkdir()
    for name, content in [*files, ("metadata", b"description: results\n")]:
        (folder / "res" / name).write_bytes(content)
    return folder


# --- metrics: stand-in LPIPS weights of the right shapes


def random_state(net: str, seed: int = 0) -> State:
    """Weights small enough that no layer's output explodes, biases that are not zero."""
    rng = np.random.default_rng(seed)
    return {
        name: (rng.standard_normal(shape, np.float32) / np.sqrt(np.prod(shape[1:]) or 1)).astype(
            np.float32
        )
        for name, shape in find_backbone(net).shapes().items()
    }


@pytest.fixture
def make_state() -> Callable[..., State]:
    return random_state


@pytest.fixture
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder as the store of weights."""
    folder = tmp_path / "weights"
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    return folder
