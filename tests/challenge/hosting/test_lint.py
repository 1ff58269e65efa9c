"""Mutations of what a bundle's configuration says, and what each platform would do with them."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from challenge.errors import ConfigError
from challenge.hosting.lint import lint_bundle
from challenge.hosting.lint_findings import BREAKS, DOUBT, REFUSED

NOW = datetime.datetime(2026, 12, 1, tzinfo=datetime.timezone.utc)
Make = Callable[[str, Callable[[Any], object]], Path]
Case = tuple[Callable[[Any], object], str | None, str]
"""A change, the worst that must be found (None: nothing at all), and part of what is said."""


def edit(change: Callable[[Any], object]) -> Callable[[Any], object]:
    return lambda bundle: bundle.edit(change)


def put(name: str, data: bytes) -> Callable[[Any], object]:
    return lambda bundle: bundle.files.update({name: data})


def drop(name: str) -> Callable[[Any], object]:
    return lambda bundle: bundle.files.pop(name)


def board(**values: object) -> Callable[[Any], object]:
    return edit(lambda y: y["leaderboards"][0].update(values))


def column(number: int = 0, /, **values: object) -> Callable[[Any], object]:
    return edit(lambda y: y["leaderboards"][0]["columns"][number].update(values))


def task(**values: object) -> Callable[[Any], object]:
    return edit(lambda y: y["tasks"][0].update(values))


def phase(number: int = 0, /, **values: object) -> Callable[[Any], object]:
    return edit(lambda y: y["phases"][number].update(values))


def top(**values: object) -> Callable[[Any], object]:
    return edit(lambda y: y.update(values))


def without(*path: Any) -> Callable[[Any], object]:
    def change(values: Any) -> None:
        for step in path[:-1]:
            values = values[step]
        del values[path[-1]]

    return edit(change)


def folder_instead(bundle: Any) -> None:
    bundle.files["program/score.py"] = b"print()"
    bundle.edit(lambda y: y["tasks"][0].update(scoring_program="program"))


def wrapped(bundle: Any) -> None:
    bundle.files = {f"folder/{name}": data for name, data in bundle.files.items()}


def notes_first(bundle: Any) -> None:
    bundle.files = {"notes.yaml": b"a: 1", **bundle.files}


START = "'2027-01-15 00:00:00'"
KEY = "12345678-1234-1234-1234-123456789012"
CODABENCH: dict[str, Case] = {
    "nothing changed": (lambda bundle: None, None, ""),
    # texts and their lengths
    "title of 256": (top(title="x" * 200), None, ""),
    "title of 201": (top(title="x" * 201), DOUBT, "your user's name"),
    "title of 257": (top(title="x" * 257), REFUSED, "at most 256 characters"),
    "title empty": (top(title=" "), REFUSED, "title"),
    "title a number": (top(title=2027), None, ""),
    "title a list": (top(title=["x"]), REFUSED, "title"),
    "no title": (without("title"), REFUSED, "title"),
    "description none": (top(description=None), None, ""),
    "contact": (top(contact_email="a.b@uni.example.org"), None, ""),
    "contact a name": (top(contact_email="Jane Doe"), REFUSED, "one e-mail address"),
    "contact two": (top(contact_email="a@b.org, c@d.org"), REFUSED, "one e-mail address"),
    "contact local": (top(contact_email="root@localhost.5"), REFUSED, "one e-mail address"),
    "reward long": (top(reward="x" * 257), REFUSED, "reward"),
    "image name long": (top(docker_image="a/" + "b" * 128), REFUSED, "at most 128"),
    "image null": (top(docker_image=None), REFUSED, "docker_image"),
    "page title 255": (edit(lambda y: y["pages"][0].update(title="x" * 255)), None, ""),
    "page title 256": (edit(lambda y: y["pages"][0].update(title="x" * 256)), REFUSED, "255"),
    "page untitled": (without("pages", 0, "title"), REFUSED, "title"),
    "phase name 257": (phase(name="x" * 257), REFUSED, "at most 256"),
    "phase unnamed": (without("phases", 0, "name"), REFUSED, "name"),
    "task name 257": (task(name="x" * 257), REFUSED, "at most 256"),
    "task unnamed": (without("tasks", 0, "name"), REFUSED, "name"),
    "board title 65": (board(title="x" * 65), REFUSED, "at most 64"),
    "board key 37": (board(key="x" * 37), REFUSED, "at most 36"),
    "column title 36": (column(title="x" * 36), None, ""),
    "column title 37": (column(title="x" * 37), REFUSED, "at most 36"),
    "column key 37": (column(key="x" * 37), REFUSED, "at most 36"),
    # numbers, flags, choices
    "negative limit": (phase(max_submissions=-1), REFUSED, "max_submissions"),
    "limit a text": (phase(max_submissions="many"), REFUSED, "max_submissions"),
    "limit quoted": (phase(max_submissions="7"), None, ""),
    "flag a word": (top(enable_detailed_results="maybe"), REFUSED, "true or false"),
    "flag yes": (top(enable_detailed_results="yes"), None, ""),
    "type": (top(competition_type="challenge"), REFUSED, "competition, benchmark"),
    "rule": (board(submission_rule="force_best"), REFUSED, "did you mean Force_Best?"),
    "sorting": (column(sorting="descending"), REFUSED, "did you mean desc?"),
    "time limit": (phase(execution_time_limit=3600), DOUBT, "600 s"),
    "primary": (board(primary_index=5), BREAKS, "primary_index"),
    "primary second": (board(primary_index=1), None, ""),
    "double index": (column(1, index=0), REFUSED, "index of its own"),
    "double key": (column(1, key="PSNR"), REFUSED, "key of its own"),
    "no precision": (without("leaderboards", 0, "columns", 0, "precision"), DOUBT, "2 decimals"),
    "no column index": (without("leaderboards", 0, "columns", 0, "index"), REFUSED, "index"),
    "no columns": (board(columns=[]), REFUSED, "columns"),
    # keys
    "misspelt key": (top(dockerimage="x"), BREAKS, "did you mean docker_image?"),
    "a note": (top(zzz="x"), DOUBT, "it is ignored"),
    "no terms": (without("terms"), REFUSED, "terms"),
    "no logo": (without("image"), REFUSED, "image"),
    "no pages": (without("pages"), REFUSED, "pages"),
    "pages empty": (top(pages=[]), None, ""),
    "index quoted": (phase(1, index="1"), REFUSED, "index: a number"),
    "no tasks": (without("tasks"), REFUSED, "tasks"),
    "no phases": (without("phases"), REFUSED, "phases"),
    "no leaderboards": (top(leaderboards=[]), REFUSED, "leaderboards"),
    "no task index": (without("tasks", 0, "index"), REFUSED, "index"),
    "double task index": (task(index=1), REFUSED, "index of its own"),
    "unknown task": (phase(tasks=[7]), REFUSED, "tasks among"),
    "phase without task": (phase(tasks=[]), BREAKS, "tasks among"),
    "version 3": (top(version=3), REFUSED, "version"),
    # dates
    "no end of the last": (without("phases", 1, "start"), REFUSED, "start"),
    "no end": (phase(end=None), REFUSED, "another phase follows"),
    "overlap": (phase(1, start="2027-01-20 00:00:00"), REFUSED, "must start after the end"),
    "same moment": (phase(1, start="2027-02-01 00:00:00"), REFUSED, "must start after the end"),
    "end first": (phase(1, end="2027-02-02 00:00:00"), BREAKS, "end after"),
    "no date": (phase(start="next week"), REFUSED, "YYYY-MM-DD"),
    "zone": (phase(start="2027-01-15T00:00:00+02:00"), BREAKS, "in UTC"),
    "other form": (phase(start="2027-01-15T00:00:00"), DOUBT, "YYYY-MM-DD"),
    "unquoted": (lambda b: b.replace(START, "2027-01-15 10:00:00"), BREAKS, "without quotes"),
    "unquoted midnight": (lambda b: b.replace(START, START.strip("'")), DOUBT, "quote it"),
    "past": (phase(start="2026-11-01 00:00:00"), DOUBT, "a date to come"),
    "migrates": (phase(auto_migrate_to_this_phase=True), REFUSED, "auto_migrate"),
    # files
    "starting kit": (phase(starting_kit="kit.zip"), REFUSED, "no 'kit.zip'"),
    "public data": (phase(public_data="data.zip"), REFUSED, "no 'data.zip'"),
    "public data null": (phase(public_data=None), REFUSED, "public_data"),
    "uploaded before": (phase(public_data=KEY), None, ""),
    "no reference": (without("tasks", 0, "reference_data"), BREAKS, "reference_data"),
    "reference not there": (drop("reference_val.zip"), REFUSED, "no 'reference_val.zip'"),
    "no program": (without("tasks", 0, "scoring_program"), REFUSED, "scoring_program"),
    "a folder": (folder_instead, DOUBT, "a folder"),
    "a folder not there": (task(scoring_program="program/"), REFUSED, "no 'program/'"),
    "empty page": (put("data.html", b""), REFUSED, "0 bytes"),
    "page not there": (drop("data.html"), REFUSED, "a file of the bundle"),
    "logo not there": (drop("logo.png"), REFUSED, "a file of the bundle"),
    "logo a text": (put("logo.png", b"not a picture"), REFUSED, "PNG, JPEG"),
    # no structure at all
    "wrapped": (wrapped, REFUSED, "zip the files, not their folder"),
    "a list": (put("competition.yaml", b"- 1\n"), REFUSED, "keys and values"),
    "no yaml": (put("competition.yaml", b"a: [\n"), REFUSED, "mend its syntax"),
    "bytes": (put("competition.yaml", b"\x80\xfe"), REFUSED, "mend its syntax"),
    "deep": (put("competition.yaml", b"[" * 5000), REFUSED, "mend its syntax"),
    "tasks a text": (top(tasks="x"), REFUSED, "tasks: a list"),
    "tasks of texts": (top(tasks=["x"]), REFUSED, "the platform's structure"),
    "phases of numbers": (top(phases=[1]), REFUSED, "the platform's structure"),
    "board a text": (top(leaderboards=["x"]), REFUSED, "the platform's structure"),
    "index a text": (phase(index="first"), REFUSED, "index"),
    "yaml elsewhere": (notes_first, None, ""),
}


def v1_phase(number: int = 1, /, **values: object) -> Callable[[Any], object]:
    return edit(lambda y: y["phases"][number].update(values))


def v1_column(**values: object) -> Callable[[Any], object]:
    return edit(lambda y: y["leaderboard"]["columns"]["PSNR"].update(values))


CODALAB: dict[str, Case] = {
    "nothing changed": (lambda bundle: None, None, ""),
    "title of 100": (top(title="x" * 100), None, ""),
    "title of 101": (top(title="x" * 101), REFUSED, "at most 100"),
    "unknown key": (top(titel="x"), REFUSED, "did you mean title?"),
    "contact": (top(contact_email="a@b.org"), REFUSED, "a key that CodaLab v1 knows"),
    "unknown phase key": (v1_phase(end_date="x"), REFUSED, "start_date?"),
    "phase label 51": (v1_phase(label="x" * 51), REFUSED, "at most 50"),
    "phase text 1001": (v1_phase(description="x" * 1001), REFUSED, "at most 1000"),
    "no phasenumber": (without("phases", 1, "phasenumber"), REFUSED, "phasenumber"),
    "no reference": (without("phases", 1, "reference_data"), REFUSED, "reference_data"),
    "no program": (without("phases", 1, "scoring_program"), BREAKS, "scoring_program"),
    "program a folder": (v1_phase(scoring_program="program/"), REFUSED, "a .zip"),
    "starting kit": (v1_phase(starting_kit="kit.zip"), REFUSED, "a .zip of the bundle"),
    "public data": (v1_phase(public_data="kit.zip"), REFUSED, "a .zip of the bundle"),
    "uploaded before": (v1_phase(public_data=KEY), None, ""),
    "unquoted": (lambda b: b.replace(START, "2027-01-15 10:00:00"), BREAKS, "without quotes"),
    "day alone": (v1_phase(start_date="2027-01-15"), REFUSED, "time of day"),
    "no data page": (without("html", "data"), REFUSED, "html: data"),
    "another page": (edit(lambda y: y["html"].update(Prizes="terms.html")), None, ""),
    "page not there": (edit(lambda y: y["html"].update(Prizes="x.html")), REFUSED, "a file of"),
    "empty page": (put("data.html", b""), DOUBT, "an empty file"),
    "label": (v1_column(leaderboard={"label": "x"}), REFUSED, "the label of a leaderboard"),
    "column label 37": (v1_column(label="x" * 37), REFUSED, "at most 36"),
    "no precision": (
        without("leaderboard", "columns", "PSNR", "numeric_format"),
        DOUBT,
        "2 decimals",
    ),
    "too near": (v1_phase(2, start_date="2027-01-16 00:00:00"), BREAKS, "a day before the next"),
    "backwards": (v1_phase(2, start_date="2027-01-14 00:00:00"), BREAKS, "after the phase"),
    "end early": (top(end_date="2027-02-01 00:00:00"), BREAKS, "last phase's start"),
    "past": (v1_phase(start_date="2020-01-01 00:00:00"), DOUBT, "a date to come"),
    "not first": (notes_first, REFUSED, "before it"),
    "phases a list": (top(phases=[{"phasenumber": 1}]), REFUSED, "phases"),
    "a phase a text": (edit(lambda y: y["phases"].update({1: "x"})), REFUSED, "keys and values"),
    "no leaderboard": (without("leaderboard"), REFUSED, "leaderboard"),
    "columns a list": (edit(lambda y: y["leaderboard"].update(columns=[1])), REFUSED, "columns"),
}
CASES = [("codabench", name) for name in CODABENCH] + [("codalab", name) for name in CODALAB]
RANK = (DOUBT, BREAKS, REFUSED)


@pytest.mark.parametrize(("platform", "name"), CASES)
def test_what_a_platform_makes_of_a_configuration(
    configured: Make, platform: str, name: str
) -> None:
    change, verdict, said = (CODABENCH if platform == "codabench" else CODALAB)[name]
    findings = lint_bundle(configured(platform, change), now=NOW)
    worst = max((finding.kind for finding in findings), key=RANK.index, default=None)
    assert worst == verdict, findings
    if verdict:
        assert any(said in str(each) for each in findings if each.kind == verdict), findings
    levels = {each.kind: each.level for each in findings}
    assert all((level == "warning") == (kind == DOUBT) for kind, level in levels.items())


def test_there_are_enough_mutations() -> None:
    assert (
        sum(verdict is not None for _, verdict, _ in [*CODABENCH.values(), *CODALAB.values()]) > 60
    )


@pytest.mark.parametrize("platform", ["codalab", "codabench"])
def test_no_value_of_any_kind_crashes_the_linter(configured: Make, platform: str) -> None:
    """Each value of the configuration in turn becomes one of another kind."""
    odd = (None, "", "x" * 70000, -1, 1.5, True, [], {}, [None], {"a": None}, [{}], [[1]])
    paths: list[tuple[Any, ...]] = []

    def walk(values: Any, path: tuple[Any, ...]) -> None:
        keys = values if isinstance(values, dict) else range(len(values))
        for key in keys:
            paths.append((*path, key))
            if isinstance(values[key], (dict, list)):
                walk(values[key], (*path, key))

    configured(platform, edit(lambda y: walk(y, ())))
    assert len(paths) > 60
    for number, path in enumerate(paths):

        def replace(values: Any, path: tuple[Any, ...] = path, number: int = number) -> None:
            for step in path[:-1]:
                values = values[step]
            values[path[-1]] = odd[number % len(odd)]

        findings = lint_bundle(configured(platform, edit(replace)), now=NOW)
        assert all(len(str(finding)) < 2000 for finding in findings)


def test_a_file_name_that_codabench_cannot_keep(configured: Make) -> None:
    path = configured("codabench", lambda bundle: None)
    assert lint_bundle(path, "x" * 60 + ".zip", now=NOW) == []
    (finding,) = lint_bundle(path, "x" * 61 + ".zip", now=NOW)
    assert finding.kind == REFUSED and "at most 64" in finding.expected


def test_a_bundle_that_is_damaged_outside_is_refused(configured: Make) -> None:
    path = configured("codabench", lambda bundle: None)
    data = bytearray(path.read_bytes())
    data[data.index(b"<h1>Data")] ^= 255
    path.write_bytes(data)
    findings = lint_bundle(path, now=NOW)
    assert [each.kind for each in findings] == [REFUSED] and "data.html" in str(findings[0])


def test_a_file_that_is_no_zip_is_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "b.zip").write_bytes(b"nothing")
    with pytest.raises(ConfigError, match="cannot be read"):
        lint_bundle(tmp_path / "b.zip")
