"""A finished bundle tried out: unpacked and run as its platform would, on what has known scores."""

from __future__ import annotations

import math
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from challenge.errors import ChallengeError
from challenge.hosting import platforms
from challenge.hosting.lint_findings import CONFIGURATION, items
from challenge.hosting.lint_inner import is_reference
from challenge.hosting.platforms import PAGE_FILE, PLATFORMS, Outcome, Platform
from challenge.hosting.texts import EXAMPLE
from challenge.runs import RunRecord
from challenge.scoring.extra import LpipsChoice, lpips_extras
from challenge.scoring.score import score_folder
from challenge.server.settings import SETTINGS_FILE, Settings, load_settings, parse_settings
from challenge.submission.readme import FILE_NAME, server_values, template_fields, write_readme
from challenge.zips import UNREADABLE

FEW = 12
"""Frames of each phase that are tried, unless all are asked for."""
LIMIT_S = 3600.0
BROKEN = (ChallengeError, yaml.YAMLError, KeyError, TypeError, AttributeError, *UNREADABLE)
"""What a bundle that is not as it should be makes of an attempt."""
NOT_OURS = f"its program has no {SETTINGS_FILE}: only bundles that the kit made can be tried"
Row = Mapping[str, float]


@dataclass(frozen=True)
class Task:
    """What a phase scores with: names of zips in the bundle."""

    name: str
    program: str
    reference: str


@dataclass(frozen=True)
class Trial:
    """How one task went.

    Attributes:
        frames: that were scored, of `all_frames`.
        seconds: that scoring them took.
        perfect: figures of the references submitted.
        blurry: row of the blurry frames; None: there were none to compare with.
        problems: what did not go as it must; nothing where all is well.
    """

    task: Task
    frames: int = 0
    all_frames: int = 0
    seconds: float = 0.0
    perfect: Row | None = None
    blurry: Row | None = None
    problems: tuple[str, ...] = ()


def self_test(
    bundle: Path,
    python: Path,
    scratch: Path,
    blurry: Mapping[str, Path],
    frames: int | None = FEW,
) -> Iterator[Trial]:
    """Try every task of a bundle, each in a folder below `scratch`.

    The scoring program is run three times, as the platform of the bundle does: on the references
    themselves (100 dB and 1, or what its profiles cap at), on the blurry frames (what
    `challenge.scoring` gives, to rounding), on a zip with a folder around its files (it must fail,
    with a page).

    Args:
        python: takes the place of the image's; see `challenge.hosting.isolated`.
        blurry: name of the references' zip -> folder with the blurry frames of that split.
        frames: how many of each phase, spread over its names; None: all.
    """
    with zipfile.ZipFile(bundle) as archive:
        values = yaml.safe_load(archive.read(CONFIGURATION))
        platform = PLATFORMS["codabench" if str(values.get("version", 1)) == "2" else "codalab"]
        for number, task in enumerate(tasks_of(values)):
            yield _try(archive, platform, task, python, scratch / str(number), blurry, frames)


def uses_lpips(bundle: Path) -> bool:
    """Whether a scoring program of a bundle computes LPIPS, and so needs torch."""
    found = False
    with zipfile.ZipFile(bundle) as archive:
        for task in tasks_of(yaml.safe_load(archive.read(CONFIGURATION))):
            try:
                with archive.open(task.program) as stream, zipfile.ZipFile(stream) as program:
                    found |= bool(parse_settings(program.read(SETTINGS_FILE)).lpips_nets)
            except BROKEN:
                continue
    return found


def tasks_of(values: Mapping[str, Any]) -> list[Task]:
    """List what each phase of a configuration scores with; the same for several counts once."""
    found: list[Mapping[str, Any]] = items(values.get("tasks"))
    if "tasks" not in values:
        found = [{"name": each.get("label"), **each} for each in values["phases"].values()]
    tasks = {
        (task.get("scoring_program"), task.get("reference_data")): str(task.get("name"))
        for task in reversed(found)
    }
    return [Task(name, str(pair[0]), str(pair[1])) for pair, name in reversed(tasks.items())]


def spread(names: Sequence[str], count: int | None) -> list[str]:
    """Choose so many names, evenly spread from the first to the last.

    >>> spread("abcdefg", 3)
    ['a', 'd', 'g']
    """
    if count is None or len(names) <= count:
        return list(names)
    return [names[round(at * (len(names) - 1) / max(1, count - 1))] for at in range(count)]


def _try(
    archive: zipfile.ZipFile,
    platform: Platform,
    task: Task,
    python: Path,
    run: Path,
    blurry: Mapping[str, Path],
    frames: int | None,
) -> Trial:
    try:
        names, count = _unpack(archive, task, run, frames)
        if not (run / "program" / SETTINGS_FILE).is_file():
            return Trial(task, problems=(NOT_OURS,))
        settings = load_settings(run / "program" / SETTINGS_FILE)
    except BROKEN as error:
        return Trial(task, problems=(f"it cannot be unpacked: {_line(error)}",))
    attempt = _Attempt(platform, python, run, names, settings)
    started = time.monotonic()
    perfect = attempt.score("references", run / "input" / "ref")
    seconds = time.monotonic() - started
    problems = list(attempt.problems) or _capped(perfect, settings)
    row = None
    folder = blurry.get(task.reference)
    if not problems and folder and all((folder / name).is_file() for name in names):
        row = attempt.score("blurry frames", folder)
        problems = list(attempt.problems) or list(_local(row, folder, run, names, settings))
    if not problems:
        problems = list(attempt.wrapped())
    shown = {column.key for column in settings.figures}
    best = {key: value for key, value in (perfect or {}).items() if key in shown}
    return Trial(task, len(names), count, seconds, best, row, tuple(problems))


def _unpack(
    archive: zipfile.ZipFile, task: Task, run: Path, frames: int | None
) -> tuple[list[str], int]:
    """Unpack the program, and the chosen references; return their names, and how many there are."""
    with archive.open(task.program) as stream, zipfile.ZipFile(stream) as program:
        program.extractall(run / "program")
    with archive.open(task.reference) as stream, zipfile.ZipFile(stream) as reference:
        files = [info.filename for info in reference.infolist()]
        names = sorted(filter(is_reference, files))
        chosen = set(spread(names, frames))
        wanted = [file for file in files if file in chosen or file not in names]
        reference.extractall(run / "input" / "ref", wanted)
    return sorted(chosen), len(names)


class _Attempt:
    """Submissions to one task; what goes wrong is noted in `problems`."""

    def __init__(
        self, platform: Platform, python: Path, run: Path, names: Sequence[str], settings: Settings
    ) -> None:
        self.platform, self.python, self.run = platform, python, run
        self.names, self.settings = names, settings
        self.problems: list[str] = []

    def score(self, what: str, folder: Path) -> Row | None:
        """Submit the frames of a folder; None where they were not scored."""
        outcome = self._submit(folder, "")
        if outcome is None or outcome.row is None:
            said = outcome.log.strip().splitlines()[-3:] if outcome else []
            self.problems += [f"the {what} were not scored", *said]
            return None
        return outcome.row

    def wrapped(self) -> Iterator[str]:
        """Submit a zip with a folder around its files."""
        outcome = self._submit(self.run / "input" / "ref", "wrapped")
        page = self.run / "output" / PAGE_FILE
        text = page.read_text(encoding="ascii") if page.is_file() else ""
        if outcome is None or outcome.row is not None or outcome.code == 0:
            yield "a zip with a folder around its files was not refused"
        elif "Not scored" not in text:
            yield "a zip with a folder around its files was refused without a page"

    def _submit(self, folder: Path, inside: str) -> Outcome | None:
        result = platforms.new_submission(self.run)
        (result / inside).mkdir(exist_ok=True)
        for name in self.names:
            platforms.link(folder / name, result / inside / name)
        text = write_readme(self.settings.readme, EXAMPLE)
        (result / inside / FILE_NAME).write_text(text, encoding="utf-8")
        try:
            return platforms.run_program(self.platform, self.run, self.python, LIMIT_S)
        except BROKEN as error:
            self.problems.append(_line(error))
            return None


def _capped(row: Row | None, settings: Settings) -> list[str]:
    """Say where the references did not score what only equal images score."""
    assert row is not None
    wanted = {}
    for column in settings.columns:
        if column.profile:
            wanted[column.key] = column.profile.psnr_cap if column.value == "psnr" else 1.0
        elif column.net:
            wanted[column.key] = 0.0
        else:
            wanted[column.key] = _told(settings.readme, column.value)
    return [
        f"the references score {key} {row.get(key)}, expected {value:g}"
        for key, value in wanted.items()
        if not math.isclose(row.get(key, math.nan), value, abs_tol=1e-6)
    ]


def _told(template: str, field: str) -> float:
    """Read a number of the sample readme.txt as the server does."""
    values = server_values(write_readme(template, EXAMPLE))
    return float(dict(zip(template_fields(template), values, strict=False)).get(field, -1))


def _local(
    row: Row | None, folder: Path, run: Path, names: Sequence[str], settings: Settings
) -> Iterator[str]:
    """Say where the row of the blurry frames is not the local scorer's."""
    assert row is not None
    mine = run / "local"
    mine.mkdir()
    for name in names:
        platforms.link(folder / name, mine / name)
    profiles = {each.profile.name: each.profile for each in settings.columns if each.profile}
    first = next(iter(profiles), None)
    if first is None:
        return
    extras = [extra for net in settings.lpips_nets for extra in lpips_extras(LpipsChoice(net))]
    scores = score_folder(
        mine,
        run / "input" / "ref",
        RunRecord("self-test"),
        first,
        progress=False,
        profiles=profiles,
        extras=extras,
    )
    for column in settings.columns:
        if not column.is_of_images:
            continue
        means = scores.means[column.profile.name] if column.profile else scores.extra
        value = means[column.value]
        if not math.isclose(row[column.key], value, rel_tol=1e-9):
            yield f"the blurry frames score {column.key} {row[column.key]}, here {value}"


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
