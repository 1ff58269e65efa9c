"""Competition bundles: one zip that an organiser uploads, for CodaLab v1 or Codabench v2."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from challenge.datasets import provide_frames
from challenge.datasets.layout import sharp_folder
from challenge.errors import ConfigError, DataError
from challenge.files import list_pngs, scratch_folder
from challenge.findings import shorten
from challenge.hosting.lint import structure_findings
from challenge.hosting.logo import draw_logo
from challenge.hosting.packed import hosting_of, scoring_program, write_zip
from challenge.hosting.texts import SplitFacts, page_files, pages, starting_kit
from challenge.rules import Rules
from challenge.rules.hosting import TITLES, Hosting, Phase
from challenge.submission.png import inspect_png

KIT, LOGO = "starting_kit.zip", "logo.png"
PROGRAMS = {True: "scoring_program.zip", False: "scoring_program_means.zip"}
"""Whether the page shows the scores of each image -> the zip of the program that writes it so."""
BOARD = "Results"


def build_bundle(rules: Rules, data: Path, platform: str, path: Path) -> None:
    """Write the bundle of one platform, whole or not at all; same inputs, same bytes.

    Args:
        data: folder with the sharp images for the split of every phase.
        platform: a key of CONFIGURATIONS.

    Raises:
        ConfigError: the rules say nothing about hosting, or what the platform could not use.
        DataError: sharp images are missing, or are not what the rules say (all of them).
    """
    hosting = hosting_of(rules)
    configuration = CONFIGURATIONS[platform](hosting)
    now = datetime.datetime.now(datetime.timezone.utc)
    found = structure_findings(configuration, now)
    if errors := [str(finding) for finding in found if finding.level == "error"]:
        raise ConfigError(f"rules {rules.name}: {platform} would not take this", errors)
    references = {phase.split: find_references(data, phase.split) for phase in hosting.phases}
    facts = {split: _facts(files) for split, files in references.items()}
    if problems := reference_problems(rules, data, facts):
        raise DataError(f"{data}: the reference data does not fit the rules", problems)
    text = yaml.safe_dump(configuration, sort_keys=False, allow_unicode=False, width=1000)
    with scratch_folder(path.parent, path.name) as scratch:  # inner zips are as large as the bundle
        inner: dict[str, Mapping[str, bytes | Path]] = {KIT: starting_kit(rules, hosting, facts)}
        for images in dict.fromkeys(phase.shows_images for phase in hosting.phases):
            inner[PROGRAMS[images]] = scoring_program(rules, images)
        for split, files in references.items():
            inner[reference_name(split)] = {file.name: file for file in files}
        for name, files_of_zip in inner.items():
            write_zip(scratch / name, files_of_zip)
        content: dict[str, bytes | Path] = {"competition.yaml": text.encode("ascii")}
        content |= {LOGO: draw_logo(), **pages(rules, hosting, facts)}
        content |= {name: scratch / name for name in inner}
        write_zip(path, content)


def with_splits(rules: Rules, splits: Sequence[str]) -> Rules:
    """Keep the rules with the phases of these splits only.

    Raises:
        ConfigError: no phase has one of these splits.
    """
    hosting = hosting_of(rules)
    known = [phase.split for phase in hosting.phases]
    if unknown := [split for split in splits if split not in known]:
        raise ConfigError(f"--split {unknown[0]}: expected one of a phase: {', '.join(known)}")
    phases = [phase for phase in hosting.phases if phase.split in splits]
    return replace(rules, hosting=replace(hosting, phases=phases))


def find_references(data: Path, split: str) -> list[Path]:
    """Find the sharp images of a split, sorted by name; hidden files do not count."""
    provide_frames(data, split)
    files = list_pngs(sharp_folder(data, split))
    if not files:
        raise DataError(
            f"{sharp_folder(data, split)}: expected the sharp images of a phase, found none; put "
            "them there, or leave the phase out: --split with the others"
        )
    return files


def reference_problems(rules: Rules, data: Path, facts: Mapping[str, SplitFacts]) -> list[str]:
    """Say what the reference images and the rules disagree on, one line each."""
    problems = []
    size = (rules.width, rules.height)
    for split, fact in facts.items():
        where = sharp_folder(data, split)
        count, wanted = len(fact.names), rules.frames.get(split)
        if wanted is not None and count != wanted:
            problems.append(f"{where}: expected {wanted} images, found {count}")
        if None not in size and fact.sizes != (size,):
            found = ", ".join(f"{width}x{height}" for width, height in fact.sizes)
            problems.append(f"{where}: expected {size[0]}x{size[1]}, found {found}")
    return problems


def reference_name(split: str) -> str:
    """Return the name of the zip with a split's reference data."""
    return f"reference_{split}.zip"


def codalab_configuration(hosting: Hosting) -> dict[str, Any]:
    """Return `competition.yaml` of CodaLab v1: it knows no end of a phase, only the competition's
    own.
    """
    best = hosting.submission_rule == "Force_Best"
    phases = {
        number: {
            "phasenumber": number,
            "label": phase.name,
            "description": phase.description,
            "start_date": phase.start,
            "max_submissions": phase.max_submissions,
            "max_submissions_per_day": phase.max_submissions_per_day,
            "execution_time_limit": hosting.execution_time_limit_s,
            "force_best_submission_to_leaderboard": best,
            "is_scoring_only": True,
            "scoring_program": PROGRAMS[phase.shows_images],
            "reference_data": reference_name(phase.split),
            "starting_kit": KIT,
        }
        for number, phase in enumerate(hosting.phases, 1)
    }
    columns = {
        column.key: {
            "leaderboard": {"label": BOARD, "rank": 1},
            "label": column.title or column.key,
            "rank": rank,
            "sort": column.sorting,
            "numeric_format": column.precision,
        }
        for rank, column in enumerate(hosting.columns, 1)
    }
    return {
        "title": hosting.title,
        "description": hosting.description,
        "image": LOGO,
        "has_registration": True,
        "competition_docker_image": hosting.image,
        "enable_detailed_results": True,
        "end_date": hosting.phases[-1].end,
        "html": page_files(hosting),
        "phases": phases,
        "leaderboard": {
            "leaderboards": {BOARD: {"label": BOARD, "rank": 1}},
            "columns": columns,
        },
    }


def codabench_configuration(hosting: Hosting) -> dict[str, Any]:
    """Return `competition.yaml` of Codabench, version 2."""
    contact = {"contact_email": hosting.contact} if hosting.contact else {}
    files = page_files(hosting)
    titles = ("overview", "evaluation", "data", *(page.title for page in hosting.pages))
    return {
        "version": 2,
        "title": hosting.title,
        "description": hosting.description,
        "image": LOGO,
        "docker_image": hosting.image,
        "registration_auto_approve": False,
        "enable_detailed_results": True,
        **contact,
        "terms": "terms.html",
        "pages": [
            {"title": title.capitalize() if title in TITLES else title, "file": files[title]}
            for title in titles
        ],
        "tasks": [
            {
                "index": index,
                "name": f"{hosting.title}: {phase.name}"[:256],
                "description": phase.description,
                "scoring_program": PROGRAMS[phase.shows_images],
                "reference_data": reference_name(phase.split),
            }
            for index, phase in enumerate(hosting.phases)
        ],
        "phases": [_codabench_phase(hosting, index) for index in range(len(hosting.phases))],
        "leaderboards": [
            {
                "title": BOARD,
                "key": "main",
                "submission_rule": hosting.submission_rule,
                "primary_index": 0,
                "columns": [
                    {
                        "title": column.title or column.key,
                        "key": column.key,
                        "index": index,
                        "sorting": column.sorting,
                        "precision": column.precision,
                    }
                    for index, column in enumerate(hosting.columns)
                ],
            }
        ],
    }


CONFIGURATIONS: Mapping[str, Callable[[Hosting], dict[str, Any]]] = {
    "codalab": codalab_configuration,
    "codabench": codabench_configuration,
}


def _codabench_phase(hosting: Hosting, index: int) -> dict[str, Any]:
    phase: Phase = hosting.phases[index]
    values = {
        "index": index,
        "name": phase.name,
        "description": phase.description,
        "start": phase.start,
        "end": phase.end,
        "tasks": [index],
        "max_submissions": phase.max_submissions,
        "max_submissions_per_day": phase.max_submissions_per_day,
        "execution_time_limit": hosting.execution_time_limit_s,
        "starting_kit": KIT,
    }
    return {key: value for key, value in values.items() if value is not None}


def _facts(files: Sequence[Path]) -> SplitFacts:
    sizes = set()
    problems = []
    for path in files:
        with open(path, "rb") as stream:
            png = inspect_png(stream)
        if png.fault or png.mode != "8-bit RGB":
            problems.append(f"{path}: expected an 8-bit RGB PNG, found {png.fault or png.mode}")
        sizes.add((png.width, png.height))
    if problems:
        raise DataError("reference images that no submission could match", shorten(problems))
    return SplitFacts([path.name for path in files], tuple(sorted(sizes)))
