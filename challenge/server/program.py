"""The scoring program: INPUT/{ref,res} -> OUTPUT/{scores.txt, scores.json, detailed_results.html}.

Runs on the server with numpy and Pillow alone; only where a column shows LPIPS, torch and lpips are
imported too. The figures are those of `challenge.metrics.profiles`, the very file the participants
have.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np

from challenge.environment.cores import cores
from challenge.environment.processes import map_in_processes
from challenge.errors import ChallengeError, DataError
from challenge.files import list_pngs
from challenge.findings import Finding, listing, shorten
from challenge.metrics.profiles import compute, refuse_small, report
from challenge.server import page
from challenge.server.settings import SETTINGS_FILE, Settings, Shown, load_settings
from challenge.submission.check import README_LIMIT, check_entries
from challenge.submission.entries import Entry, open_entries
from challenge.submission.expected import Expected
from challenge.submission.layout import PLATFORM_FILES
from challenge.submission.png import decode_png, inspect_png
from challenge.submission.readme import FILE_NAME, server_values, template_fields

SERIAL_PIXELS = 4_000_000
"""Up to so many pixels in all, starting other processes costs more than it gains."""
TEXTS_SHOWN = 25


Pair = tuple[str, str, Sequence[Shown]]
"""Path of a prediction, of its sharp image, and the columns to compute."""


def main(source: str, target: str, settings: Path | None = None) -> int:
    """Score, write the files, return 0; on any fault write the page, say it on stderr, return 1."""
    output = Path(target)
    title = "Scoring"
    try:
        chosen = load_settings(settings or Path(__file__).parents[2] / SETTINGS_FILE)
        title = chosen.title
        return _score(chosen, Path(source), output)
    except ChallengeError as error:
        _write(output, page.failure(title, error.summary, error.problems))
        print(f"error: {error}", file=sys.stderr)
    except BaseException as error:  # a fault of ours; the participant still gets a page
        text = "".join(traceback.format_exception_only(type(error), error)).strip()
        fault = "the scoring program failed; nothing is known to be wrong with your submission"
        _write(output, page.failure(title, fault, [f"tell the organisers: {text}"]))
        if not isinstance(error, Exception):
            raise
        traceback.print_exc()
    return 1


def _score(settings: Settings, source: Path, output: Path) -> int:
    started = time.monotonic()
    result, reference = source / "res", source / "ref"
    expected = _expected(reference, settings.readme)
    findings = check_result(result, expected)
    errors = [finding for finding in findings if finding.level == "error"]
    if errors:
        _write(output, page.refusal(settings.title, findings))
        for line in listing(errors):
            print(f"error: {line}", file=sys.stderr)
        return 1
    for column in settings.figures:
        if column.profile:
            refuse_small(column.profile, expected.sizes)
    _need_lpips(settings)
    names = sorted(expected.names or ())
    columns = settings.figures
    pairs = [(str(result / name), str(reference / name), columns) for name in names]
    pixels = sum(width * height for width, height in expected.sizes.values())
    rows = dict(zip(names, score_rows(pairs, pixels), strict=True))
    with open(result / FILE_NAME, "rb") as file:
        readme = file.read(README_LIMIT).decode("utf-8", "replace")
    scores = leaderboard_row(settings, rows, readme)
    _write(output, _success(settings, scores, rows))
    write_scores(output, scores)
    print(f"{len(rows)} images scored in {time.monotonic() - started:.1f} s")
    return 0


def _success(
    settings: Settings, scores: dict[str, float], rows: dict[str, dict[str, float]]
) -> str:
    profiles = [column.profile for column in settings.figures if column.profile]
    said = dict.fromkeys(profile.description for profile in profiles)
    heads = {column.key: column.title or column.key for column in settings.figures}
    shown = rows if settings.images and heads else None
    return page.success(settings.title, "; ".join(said), scores, len(rows), heads, shown)


def _need_lpips(settings: Settings) -> None:
    """See that LPIPS can be computed, where a column shows it.

    Raises:
        DataError: a package is not installed here.
    """
    missing = [name for name in ("torch", "lpips") if importlib.util.find_spec(name) is None]
    if settings.lpips_nets and missing:
        fault = "the competition's image lacks what LPIPS needs; tell the organisers"
        raise DataError(fault, [f"no package {name}" for name in missing])


def _expected(reference: Path, template: str) -> Expected:
    """Expect the names and sizes of the reference images, 8-bit RGB PNGs at the folder's root."""
    sizes = {}
    problems = []
    for path in list_pngs(reference):
        with open(path, "rb") as stream:
            png = inspect_png(stream)
        if png.fault or png.mode != "8-bit RGB":
            problems.append(f"{path.name}: {png.fault or png.mode}")
        sizes[path.name] = (png.width, png.height)
    if problems or not sizes:
        found = shorten(problems, TEXTS_SHOWN) or ["no PNG at the root of the reference data"]
        raise DataError("the organisers' reference data cannot be used; tell them", found)
    source = "the reference data"
    return Expected(template, frozenset(sizes), len(sizes), sizes=sizes, source=source)


def check_result(folder: Path, expected: Expected) -> list[Finding]:
    """Check the unpacked submission as its zip would be checked; links are refused."""
    if not folder.is_dir():
        fix = "upload a zip with the PNGs and readme.txt"
        return [Finding("empty", "the zip", "the submission", "nothing", fix)]
    findings, entries = [], []
    with open_entries(folder) as found:
        for entry in found:
            if _is_plain(folder, entry):
                entries += [entry] * (entry.name not in PLATFORM_FILES)
            else:
                fix = "put the file itself into the zip"
                findings.append(Finding("link", entry.name, "a plain file", "a link", fix))
        return findings + check_entries(entries, expected, zipped=True)


def _is_plain(folder: Path, entry: Entry) -> bool:
    path = folder / entry.name.rstrip("/")
    return not path.is_symlink() and (path.is_file() or path.is_dir())


def read_png(path: str) -> np.ndarray:
    """Decode an 8-bit RGB PNG whose header was checked: (H, W, 3) uint8 RGB.

    Raises:
        DataError: its pixels cannot be decoded, or it is an animation.
    """
    try:
        with open(path, "rb") as file:
            return decode_png(file.read())
    except (OSError, ValueError) as error:
        name = os.path.basename(path)
        raise DataError(f"{name}: expected a whole PNG, found {error}") from error


def score_one(pair: Pair) -> dict[str, float] | str:
    """Score one image: key of each column -> figure; a fault is returned, so that all are seen."""
    prediction, sharp, columns = pair
    try:
        return figures(columns, read_png(prediction), read_png(sharp))
    except ChallengeError as error:
        return str(error).replace("\n", " ")


def figures(
    columns: Sequence[Shown], prediction: np.ndarray, sharp: np.ndarray
) -> dict[str, float]:
    """Compute the columns of one image: key -> figure. Each metric is computed once.

    Raises:
        DataError: images that cannot be scored, or no weights for LPIPS.
    """
    profiles = [column.profile for column in columns if column.profile]
    names = [name for profile in profiles for name in profile.metrics.values()]
    values = compute(names, prediction, sharp)
    row = {}
    for column in columns:
        if column.profile:
            row[column.key] = report(column.profile, values)[column.value]
        elif column.net:
            from challenge.metrics.lpips import score_lpips

            row[column.key] = score_lpips(prediction, sharp, column.net)
    return row


def score_rows(pairs: Sequence[Pair], pixels: int) -> list[dict[str, float]]:
    """Score all pairs, on all cores where there is much to do (LPIPS uses them by itself).

    Raises:
        DataError: images that cannot be scored (the first of them).
    """
    lpips = any(column.net for _, _, columns in pairs[:1] for column in columns)
    workers = 1 if pixels <= SERIAL_PIXELS or lpips else min(cores(), len(pairs))
    print(f"scoring {len(pairs)} images with {workers} processes", flush=True)
    rows = list(score_pairs(pairs, workers))
    problems = [row for row in rows if isinstance(row, str)]
    if problems:
        raise DataError("images that cannot be scored", shorten(problems, TEXTS_SHOWN))
    return [row for row in rows if not isinstance(row, str)]


def score_pairs(pairs: Sequence[Pair], workers: int) -> Iterator[dict[str, float] | str]:
    """Yield `score_one` of each pair, in order; what other processes cannot do, this one does."""
    done = 0
    if workers > 1:
        try:
            for row in map_in_processes(score_one, pairs, workers):
                yield row
                done += 1
        except (BrokenProcessPool, OSError, ImportError) as error:
            print(f"warning: going on with one process: {error}", file=sys.stderr)
    yield from map(score_one, pairs[done:])


def leaderboard_row(
    settings: Settings, rows: dict[str, dict[str, float]], readme: str
) -> dict[str, float]:
    """Key of each column -> its figure: the mean over all images, or the number of readme.txt."""
    numbers = dict(zip(template_fields(settings.readme), server_values(readme), strict=False))
    row = {}
    for column in settings.columns:
        if column.is_of_images:
            row[column.key] = float(np.mean([scores[column.key] for scores in rows.values()]))
        else:
            row[column.key] = float(numbers.get(column.value, -1))
    return row


def write_scores(output: Path, scores: dict[str, float]) -> None:
    """Write `scores.json` for Codabench, `scores.txt` for CodaLab (`KEY: value`, no exponents)."""
    text = json.dumps(scores, allow_nan=False)
    lines = [f"{key}: {_plain(value)}\n" for key, value in scores.items()]
    (output / "scores.txt").write_text("".join(lines), encoding="ascii")
    (output / "scores.json").write_text(text + "\n", encoding="ascii")


def _plain(value: float) -> str:
    """Write a number so that reading gives the same one; YAML reads `1e-05` as text."""
    return repr(value) if "e" not in repr(value) else np.format_float_positional(value, trim="0")


def _write(output: Path, html: str) -> None:
    output.mkdir(parents=True, exist_ok=True)
    text = html.encode("ascii", "xmlcharrefreplace")
    (output / "detailed_results.html").write_bytes(text)
