"""`check`, `rehearse` and the scoring program say the same of hundreds of odd zips and folders.

The program judges in the end: `ZipFile.extractall`, which both platforms call, and then the scoring
program. A public scorer stands beside it: Pillow, the sorted names, and nothing of this kit.
"""

from __future__ import annotations

import io
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import fuzzing
import numpy as np
import odd_pngs
import odd_zips
import pytest
from PIL import Image

from challenge.commands import submit as submit_command
from challenge.errors import DataError
from challenge.findings import Finding
from challenge.hosting import platforms
from challenge.hosting.packed import scoring_program
from challenge.images import write_png
from challenge.metrics.profiles import PROFILES
from challenge.rules import load_rules
from challenge.runs import RunRecord, save_record
from challenge.scoring.score import score_folder
from challenge.server import program
from challenge.submission.candidate import Options, check_candidate, open_candidate
from challenge.submission.decoders import ONLY_HERE

FRAMES = [name.removesuffix(".png") for name in fuzzing.NAMES]
HEIGHT, WIDTH = fuzzing.HEIGHT, fuzzing.WIDTH
RULES = """
name: odd
hosting:
  title: Odd
  phases: [{split: val, name: Development, start: "2027-01-15 00:00:00"}]
"""
Case = tuple[str, bytes]
NO_NAME = re.compile(r"[./]*/")
"""The folder itself, at which Python 3.12.1 fails; 3.11 and 3.13, which Codabench runs, do not."""
RANKING = "published_kit"
PROFILE = {RANKING: PROFILES[RANKING]}
SAFETY = {"bomb"}
"""What is refused here to spare the disk, while a platform may unpack it."""


class House:
    """A data set of three frames of 16x12, its rules, and everybody who judges a submission."""

    def __init__(self, root: Path) -> None:
        self.data, self.rules, self.scratch = root / "data", root / "odd.yml", root / "scratch"
        self.rules.write_text(RULES)
        rng = np.random.default_rng(0)
        coarse = rng.integers(20, 235, (HEIGHT // 4, WIDTH // 4, 3))
        self.sharp = np.kron(coarse, np.ones((4, 4, 1))).astype(np.uint8)
        for frame in FRAMES:
            write_png(self.data / "val" / "sharp" / f"{frame}.png", self.sharp)
            write_png(self.data / "val" / "blur" / f"{frame}.png", self.sharp // 2 + 40)
        self.prediction = self.sharp // 4 * 4 + 1
        files = scoring_program(load_rules(self.rules))
        self.settings = root / "settings.json"
        self.settings.write_bytes(files["settings.json"])

    def files(self) -> odd_zips.Files:
        """A good submission's."""
        stream = io.BytesIO()
        Image.fromarray(self.prediction).save(stream, "PNG")
        return [*((name, stream.getvalue()) for name in fuzzing.NAMES), self.readme]

    readme = ("readme.txt", b"runtime : 0.5\nCPU : 1\nExtra : 0\nOther : a method\n")

    def errors(self, path: Path) -> list[Finding]:
        """What `check` has against a folder or zip."""
        with open_candidate(path, Options(self.data, "val", self.rules)) as candidate:
            findings = check_candidate(candidate)
        return [finding for finding in findings if finding.level == "error"]

    def rehearsal(self, path: Path) -> int:
        """The exit code of `rehearse`, but for its Python of its own."""
        with open_candidate(path, Options(self.data, "val", self.rules)) as candidate:
            if platforms.zip_findings(candidate, candidate.expected):
                return 1
        with self.input() as folder:
            try:
                platforms.unpack(path, folder / "res")
            except platforms.SubmissionError:
                return 1
            return self.run(folder)

    def platform(self, path: Path) -> tuple[int, float | None]:
        """The program's exit code behind a plain extractall, and the public scorer's PSNR."""
        with self.input() as folder:
            try:
                with zipfile.ZipFile(path) as archive:
                    names = archive.infolist()
                    some = [each for each in names if not NO_NAME.fullmatch(each.filename)]
                    archive.extractall(folder / "res", some)
            except Exception:
                return 1, None
            return self.run(folder), self.public_psnr(folder / "res")

    def input(self) -> Folder:
        return Folder(self.scratch, self.data / "val" / "sharp")

    def run(self, folder: Path) -> int:
        output = folder / "output"
        code = program.main(str(folder), str(output), self.settings)
        page = (output / "detailed_results.html").read_text(encoding="ascii")
        assert "the scoring program failed" not in page and ("Not scored" in page) == bool(code)
        return code

    def public_psnr(self, folder: Path) -> float | None:
        """What a scorer of the NTIRE kind makes of the folder: sorted names, Pillow, RGB PSNR."""
        rows = []
        for path in sorted(folder.glob("*.png")):
            try:
                with Image.open(path) as image:
                    pixels = np.array(image.convert("RGB"), np.float64)
            except Exception:
                return None
            if pixels.shape != self.sharp.shape:
                return None
            rows.append(10 * np.log10(255**2 / np.square(pixels - self.sharp).mean()))
        return float(np.mean(rows)) if len(rows) == len(FRAMES) else None


class Folder:
    """INPUT of the scoring program, made anew and removed."""

    def __init__(self, scratch: Path, sharp: Path) -> None:
        self.scratch, self.sharp = scratch, sharp

    def __enter__(self) -> Path:
        shutil.copytree(self.sharp, self.scratch / "ref")
        (self.scratch / "res").mkdir()
        return self.scratch

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.scratch)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    return House(tmp_path_factory.mktemp("house"))


def cases_of_pngs(house: House) -> Iterator[Case]:
    for name, content in odd_pngs.odd_pngs(house.prediction):
        yield name, odd_zips.zipped([(fuzzing.NAMES[0], content), *house.files()[1:]])


def cases_of_zips(house: House) -> Iterator[Case]:
    yield from odd_zips.odd_zips(house.files())


def cases_of_mixtures(house: House) -> Iterator[Case]:
    yield from odd_zips.mixtures(house.files(), 150, seed=7)


def cases_of_noise(house: House) -> Iterator[Case]:
    for number in range(200):
        yield f"noise {number}", fuzzing.make_case(7, number)[1]


def disagreements(house: House, cases: Iterator[Case], path: Path) -> tuple[list[str], list[int]]:
    """Ask everybody about every case; return who said what where they differ, and the verdicts."""
    wrong, verdicts = [], []
    for name, content in cases:
        path.write_bytes(content)
        errors = house.errors(path)
        if errors and {error.kind for error in errors} <= {ONLY_HERE} | SAFETY:
            continue  # refused on purpose: one decoder of two, or the disk
        code, psnr = house.platform(path)
        rehearsed = house.rehearsal(path)
        verdicts.append(code)
        if not bool(errors) == bool(rehearsed) == bool(code):
            wrong.append(f"{name}: check {errors}, rehearse {rehearsed}, program {code}")
        elif not errors and psnr is None:
            wrong.append(f"{name}: check clean, the public scorer fails")
    return wrong, verdicts


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("cases", "accepted", "refused"),
    [
        (cases_of_pngs, 150, 70),
        (cases_of_zips, 60, 60),
        (cases_of_mixtures, 5, 100),
        (cases_of_noise, 20, 100),
    ],
    ids=["pngs", "zips", "mixtures", "noise"],
)
def test_check_rehearse_and_the_program_agree(
    house: House,
    tmp_path: Path,
    cases: Callable[[House], Iterator[Case]],
    accepted: int,
    refused: int,
) -> None:
    """Of each kind there must be enough that all accept, and enough that all refuse."""
    wrong, verdicts = disagreements(house, cases(house), tmp_path / "mine.zip")
    assert wrong == []
    assert verdicts.count(0) >= accepted and verdicts.count(1) >= refused, len(verdicts)


@pytest.mark.filterwarnings("ignore")
def test_folders_are_scored_and_packed_if_and_only_if_the_check_finds_nothing(
    house: House, tmp_path: Path
) -> None:
    """`check`, `score` and the zip that `make_submission` would write, of each odd PNG."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, content in house.files()[:-1]:
        (folder / name).write_bytes(content)
    save_record(folder, RunRecord("mine", runtime_per_image_s=0.5, device="cpu"))
    sharp, verdicts = house.data / "val" / "sharp", []
    for number, (name, content) in enumerate(odd_pngs.odd_pngs(house.prediction)):
        (folder / fuzzing.NAMES[0]).write_bytes(content)
        errors = house.errors(folder)
        try:
            score_folder(folder, sharp, RunRecord("mine"), RANKING, 1, False, PROFILE)
            scored = True
        except DataError:
            scored = False
        assert scored == (not errors), (name, errors)
        verdicts.append(scored)
        if number % 8 == 0:
            assert pack(house, folder) == (not scored), name
            zipped = folder.with_suffix(".zip")
            assert zipped.is_file() == scored, name
            assert not scored or house.platform(zipped)[0] == 0, name
            zipped.unlink(missing_ok=True)
    assert verdicts.count(True) > 150 and verdicts.count(False) > 70


def pack(house: House, folder: Path) -> int:
    """Call `make_submission`; return its exit code."""
    options = ["--data", str(house.data), "--split", "val", "--rules", str(house.rules)]
    return submit_command.main([str(folder), *options], submissions=folder.parent)


def test_control_a_disagreement_is_seen(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = [("good", odd_zips.zipped(house.files())), ("none", odd_zips.zipped([house.readme]))]
    assert disagreements(house, iter(cases), tmp_path / "x.zip") == ([], [0, 1])
    monkeypatch.setattr(House, "errors", lambda *_: [])
    (wrong,), _ = disagreements(house, iter(cases), tmp_path / "x.zip")
    assert wrong == "none: check [], rehearse 1, program 1"
