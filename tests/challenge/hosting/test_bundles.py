"""Bundles: uploadable, deterministic, and the linter finds what breaks later."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from challenge.commands import bundle as bundle_command
from challenge.commands.rehearse import Rehearsal
from challenge.errors import ConfigError, DataError
from challenge.hosting import platforms
from challenge.hosting.bundles import build_bundle, with_splits
from challenge.hosting.lint import lint_bundle
from challenge.hosting.packed import hosting_of, scoring_program
from challenge.rules import RULES_FOLDER, Rules, load_rules
from challenge.rules.hosting import Column, Hosting, Phase, hosting_problems

BOTH = pytest.mark.parametrize("platform", ["codalab", "codabench"])


def entries(bundle: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(bundle) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(bundle: Path, content: dict[str, bytes]) -> None:
    with zipfile.ZipFile(bundle, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def zipped(content: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return stream.getvalue()


@pytest.fixture
def bundle(highrev: Path, rules: Rules, tmp_path: Path) -> Callable[[str], Path]:
    def build(platform: str) -> Path:
        path = tmp_path / f"{platform}.zip"
        build_bundle(rules, highrev, platform, path)
        return path

    return build


@BOTH
def test_a_bundle_is_whole_and_the_same_twice(
    bundle: Callable[[str], Path], highrev: Path, platform: str
) -> None:
    first = bundle(platform).read_bytes()
    path = bundle(platform)
    assert path.read_bytes() == first
    assert lint_bundle(path) == []
    content = entries(path)
    assert next(iter(content)) == "competition.yaml"
    with zipfile.ZipFile(io.BytesIO(content["reference_val.zip"])) as reference:
        sharp = highrev / "val" / "sharp"
        assert reference.namelist() == ["park_00000.png", "park_00012.png"]
        assert reference.read("park_00000.png") == (sharp / "park_00000.png").read_bytes()
    assert [path.name for path in path.parent.glob("bundle-*")] == []


@BOTH
def test_the_bundles_program_scores_a_submission(
    bundle: Callable[[str], Path],
    plan: Rehearsal,
    isolated_python: Path,
    tmp_path: Path,
    platform: str,
) -> None:
    with zipfile.ZipFile(io.BytesIO(entries(bundle(platform))["scoring_program.zip"])) as program:
        files = {name: program.read(name) for name in program.namelist()}
    platforms.lay_out(tmp_path / "run", files, plan.sharp)
    platforms.unpack(plan.zipped, tmp_path / "run" / "input" / "res")
    chosen = platforms.PLATFORMS[platform]
    outcome = platforms.run_program(chosen, tmp_path / "run", isolated_python, 60)
    assert outcome.row is not None, outcome.log
    configuration = yaml.safe_load(entries(bundle(platform))["competition.yaml"])
    if platform == "codalab":
        keys = list(configuration["leaderboard"]["columns"])
    else:
        keys = [column["key"] for column in configuration["leaderboards"][0]["columns"]]
    assert list(outcome.row) == keys


def test_the_pages_say_what_the_rules_say(bundle: Callable[[str], Path]) -> None:
    content = entries(bundle("codabench"))
    overview, evaluation = content["overview.html"].decode(), content["evaluation.html"].decode()
    assert "Tiny &amp; &lt;b&gt;bold&lt;/b&gt;" in overview and "2027-02-02 00:00:00" in overview
    assert "56x40" in evaluation and "runtime per image [s] : 0.31" in evaluation
    assert "an 11 x 11 x 11 Gaussian window" in evaluation  # the metric's own docstring
    with zipfile.ZipFile(io.BytesIO(content["starting_kit.zip"])) as kit:
        assert kit.read("names_val.txt") == b"park_00000.png\npark_00012.png\n"
        assert b"runtime per image [s] : 0.31" in kit.read("readme.txt")


def test_the_command_line_builds_and_lints_both(
    highrev: Path, rules_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = [str(rules_file), "--data", str(highrev), "--out", str(out), "--split", "val"]
    assert bundle_command.main(arguments) == 0
    assert sorted(path.name for path in out.iterdir()) == ["tiny_codabench.zip", "tiny_codalab.zip"]
    assert bundle_command.main(["--lint", str(out / "tiny_codalab.zip")]) == 0
    assert "nothing found" in capsys.readouterr().out
    content = entries(out / "tiny_codalab.zip")
    del content["reference_val.zip"]
    rewrite(out / "tiny_codalab.zip", content)
    assert bundle_command.main(["--lint", str(out / "tiny_codalab.zip")]) == 1
    assert "no reference_val.zip" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["highrev", "mini"])
def test_the_kits_own_rules_can_be_hosted(name: str) -> None:
    rules = load_rules(RULES_FOLDER / f"{name}.yml")
    assert hosting_problems(hosting_of(rules)) == []


def test_rules_without_hosting_say_what_is_missing() -> None:
    with pytest.raises(ConfigError, match="a block `hosting:`"):
        scoring_program(Rules(name="mine"))


def test_references_that_do_not_fit_are_all_named(
    highrev: Path, rules: Rules, tmp_path: Path
) -> None:
    wrong = replace(rules, frames={"val": 3, "train": 4}, width=10, height=10)
    with pytest.raises(DataError) as caught:
        build_bundle(wrong, highrev, "codabench", tmp_path / "b.zip")
    problems = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 3
    assert "expected 3 images, found 2" in problems and "expected 10x10, found 56x40" in problems
    assert not (tmp_path / "b.zip").exists()


def test_a_phase_without_sharp_images_can_be_left_out(
    highrev: Path, rules: Rules, tmp_path: Path
) -> None:
    for path in (highrev / "train" / "sharp").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="leave the phase out"):
        build_bundle(rules, highrev, "codabench", tmp_path / "b.zip")
    build_bundle(with_splits(rules, ["val"]), highrev, "codabench", tmp_path / "b.zip")
    with pytest.raises(ConfigError, match="expected one of a phase: val, train"):
        with_splits(rules, ["test"])


FIRST = Phase("val", "A", "2027-01-01 00:00:00", "2027-01-05 00:00:00")


@pytest.mark.parametrize(
    ("hosting", "said"),
    [
        (Hosting("", phases=[FIRST]), "title"),
        (Hosting("T"), "at least one"),
        (Hosting("T", phases=[replace(FIRST, start="2027-01-01")]), "YYYY-MM-DD HH:MM:SS"),
        (Hosting("T", phases=[replace(FIRST, end="2026-01-01 00:00:00")]), "later than the start"),
        (Hosting("T", phases=[replace(FIRST, end=None), FIRST]), "another phase follows"),
        (Hosting("T", phases=[FIRST, replace(FIRST, start="2027-01-04 00:00:00")]), "before it"),
        (Hosting("T", phases=[FIRST], columns=[Column("P", "lpips")]), "expected one of psnr"),
        (Hosting("T", phases=[FIRST], columns=[Column("P:Q", "psnr")]), "letters, digits"),
    ],
)
def test_hosting_that_no_platform_can_use(hosting: Hosting, said: str) -> None:
    assert any(said in problem for problem in hosting_problems(hosting))


# --- the linter ----------------------------------------------------------------------------------

Content = dict[str, bytes]


def inner(name: str, data: bytes) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        content[name] = data

    return change


def edited(change: Callable[[Any], object]) -> Callable[[Content], None]:
    def edit(content: Content) -> None:
        values = yaml.safe_load(content["competition.yaml"])
        change(values)
        content["competition.yaml"] = yaml.safe_dump(values, sort_keys=False).encode()

    return edit


def replaced(old: bytes, new: bytes) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        assert old in content["competition.yaml"]
        content["competition.yaml"] = content["competition.yaml"].replace(old, new)

    return change


def nested(content: Content) -> None:
    name = "scoring_program.zip"
    with zipfile.ZipFile(io.BytesIO(content[name])) as archive:
        content[name] = zipped(
            {f"program/{each}": archive.read(each) for each in archive.namelist()}
        )


def wrapped(content: Content) -> None:
    for name in list(content):
        content[f"folder/{name}"] = content.pop(name)


def yaml_later(content: Content) -> None:
    content["competition.yaml"] = content.pop("competition.yaml")
    first = {"notes.yaml": b"a: 1", **content}
    content.clear()
    content.update(first)


def damaged(content: Content) -> None:
    data = bytearray(content["reference_val.zip"])
    data[200] ^= 255
    content["reference_val.zip"] = bytes(data)


START = b"'2027-01-15 00:00:00'"
CODALAB_FAULTS: dict[str, tuple[Callable[[Content], None], str]] = {
    "unknown key": (edited(lambda y: y.update(titel="x")), "did you mean title?"),
    "unknown phase key": (edited(lambda y: y["phases"][1].update(end_date="x")), "start_date?"),
    "unquoted": (replaced(START, START.strip(b"'")), "without quotes"),
    "no data page": (edited(lambda y: y["html"].pop("data")), "html: data"),
    "label": (
        edited(lambda y: y["leaderboard"]["columns"]["PSNR"]["leaderboard"].update(label="x")),
        "the label of a leaderboard",
    ),
    "no precision": (
        edited(lambda y: y["leaderboard"]["columns"]["PSNR"].pop("numeric_format")),
        "2 decimals",
    ),
    "phases too near": (replaced(b"2027-02-02", b"2027-01-16"), "a day before the next"),
    "not first": (yaml_later, "notes.yaml before it"),
}
CODABENCH_FAULTS: dict[str, tuple[Callable[[Content], None], str]] = {
    "unknown key": (edited(lambda y: y.update(dockerimage="x")), "did you mean docker_image?"),
    "primary": (edited(lambda y: y["leaderboards"][0].update(primary_index=5)), "primary_index"),
    "case": (
        edited(lambda y: y["leaderboards"][0]["columns"][0].update(key="psnr")),
        "did you mean PSNR?",
    ),
    "precision": (
        edited(lambda y: y["leaderboards"][0]["columns"][0].pop("precision")),
        "2 decimals",
    ),
    "rule": (
        edited(lambda y: y["leaderboards"][0].update(submission_rule="force_best")),
        "did you mean Force_Best?",
    ),
    "no reference": (edited(lambda y: y["tasks"][0].pop("reference_data")), "reference_data"),
    "folder": (edited(lambda y: y["tasks"][0].update(scoring_program="program/")), "a .zip"),
    "overlap": (replaced(b"2027-02-02", b"2027-02-01"), "must start after the end"),
    "no end": (edited(lambda y: y["phases"][0].pop("end")), "end"),
    "no task": (edited(lambda y: y["phases"][0].update(tasks=[7])), "tasks among"),
    "empty page": (inner("data.html", b""), "0 bytes"),
    "limit": (edited(lambda y: y["phases"][0].update(execution_time_limit=3600)), "600 s"),
    "empty inner": (inner("reference_val.zip", zipped({})), "files in it"),
    "corrupt inner": (inner("reference_val.zip", b"PK nothing"), "a whole zip"),
    "damaged inner": (damaged, "a whole zip"),
    "nested inner": (nested, "all in folders"),
    "no command": (inner("scoring_program.zip", zipped({"score.py": b""})), "metadata"),
    "wrapped": (wrapped, "zip the files, not their folder"),
    "not a mapping": (inner("competition.yaml", b"- 1\n"), "keys and values"),
    "not yaml": (inner("competition.yaml", b"a: [\n"), "mend its syntax"),
    "wrong shape": (edited(lambda y: y.update(tasks="x")), "the platform's structure"),
}
FAULTS = [("codalab", name) for name in CODALAB_FAULTS]
FAULTS += [("codabench", name) for name in CODABENCH_FAULTS]


@pytest.mark.parametrize(("platform", "name"), FAULTS)
def test_the_linter_finds(bundle: Callable[[str], Path], platform: str, name: str) -> None:
    change, said = (CODALAB_FAULTS if platform == "codalab" else CODABENCH_FAULTS)[name]
    path = bundle(platform)
    content = entries(path)
    change(content)
    rewrite(path, content)
    findings = lint_bundle(path)
    assert any(said in str(finding) for finding in findings), findings


def test_a_file_that_is_no_zip_is_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "b.zip").write_bytes(b"nothing")
    with pytest.raises(ConfigError, match="cannot be read"):
        lint_bundle(tmp_path / "b.zip")
