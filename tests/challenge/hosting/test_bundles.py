"""Bundles: uploadable, deterministic, and the linter finds what breaks later."""

from __future__ import annotations

import datetime
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
from challenge.hosting import packed, platforms
from challenge.hosting.bundles import build_bundle, with_splits
from challenge.hosting.definitions import DEFINITIONS
from challenge.hosting.lint import lint_bundle
from challenge.hosting.packed import hosting_of, scoring_program
from challenge.metrics.profiles import METRICS
from challenge.rules import RULES_FOLDER, Rules, load_rules
from challenge.rules.hosting import LPIPS, Column, Hosting, Link, Page, Phase, hosting_problems

NOW = datetime.datetime(2026, 12, 1, tzinfo=datetime.timezone.utc)
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
    assert lint_bundle(path, now=NOW) == []
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
    assert "Gaussian of 11 x 11 x 11" in evaluation and "Traps" not in evaluation
    with zipfile.ZipFile(io.BytesIO(content["starting_kit.zip"])) as kit:
        assert kit.read("names_val.txt") == b"park_00000.png\npark_00012.png\n"
        assert b"runtime per image [s] : 0.31" in kit.read("readme.txt")


def test_every_metric_has_words_for_participants() -> None:
    names = {name for kind in METRICS.values() for name in kind} | set(LPIPS)
    assert set(DEFINITIONS) == names
    for title, text in DEFINITIONS.values():
        assert title and not any(
            word in text for word in ("Traps", "uint8", "dtype", "Raises", "{")
        )


def test_links_sponsors_and_own_pages_are_in_the_bundle(
    highrev: Path, rules: Rules, tmp_path: Path
) -> None:
    (tmp_path / "prizes.html").write_text("<p>Prizes: \u20ac 100</p>", encoding="utf-8")
    hosting = replace(
        hosting_of(rules),
        data_links=[Link("Training <data>", "https://example.org/a?b=c&d=e")],
        sponsors=[Link("A sponsor", "https://example.com")],
        pages=[Page("Prizes & dates", str(tmp_path / "prizes.html"))],
        contact="lab@example.org",
    )
    for platform in ("codalab", "codabench"):
        path = tmp_path / f"{platform}.zip"
        build_bundle(replace(rules, hosting=hosting), highrev, platform, path)
        assert lint_bundle(path, now=NOW) == []
        content = entries(path)
        link = b'<a href="https://example.org/a?b=c&amp;d=e">Training &lt;data&gt;</a>'
        assert link in content["data.html"] and b"https://example.com" in content["overview.html"]
        assert content["page_1.html"] == b"<p>Prizes: &#8364; 100</p>"
        assert "Prizes & dates" in content["competition.yaml"].decode()
    for text in ("", None):
        page = tmp_path / "prizes.html"
        page.unlink() if text is None else page.write_text(text)
        with pytest.raises(ConfigError, match=r"prizes\.html: expected a page's HTML"):
            build_bundle(replace(rules, hosting=hosting), highrev, "codabench", path)


def test_the_command_line_builds_and_lints_both(
    highrev: Path, rules_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = [str(rules_file), "--data", str(highrev), "--out", str(out), "--split", "val"]
    assert bundle_command.main(arguments) == 0
    assert sorted(path.name for path in out.iterdir()) == ["tiny_codabench.zip", "tiny_codalab.zip"]
    assert bundle_command.main(["--lint", str(out / "tiny_codalab.zip")]) == 0
    printed = capsys.readouterr().out
    assert "SSIM 1; the blurry frames PSNR" in printed and "nothing known breaks later" in printed
    content = entries(out / "tiny_codalab.zip")
    del content["reference_val.zip"]
    rewrite(out / "tiny_codalab.zip", content)
    assert bundle_command.main(["--lint", str(out / "tiny_codalab.zip")]) == 1
    assert "would refuse it at upload" in (said := capsys.readouterr().err)
    assert "no 'reference_val.zip'" in said


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
        (Hosting("T", phases=[FIRST], columns=[Column("P", "lpips_alex")]), "torch and lpips"),
        (Hosting("T", phases=[FIRST], columns=[Column("P:Q", "psnr")]), "letters, digits"),
        (
            Hosting("T", phases=[FIRST], columns=[Column("T", "runtime", profile="ntire_y")]),
            "only psnr and ssim",
        ),
        (Hosting("T", phases=[FIRST], contact="Jane Doe"), "one e-mail address"),
        (Hosting("T", phases=[FIRST], contact="a@b.org, c@d.org"), "one e-mail address"),
        (Hosting("T", phases=[FIRST], sponsors=[Link("X", "javascript:x")]), "address from http"),
        (Hosting("T", phases=[FIRST], data_links=[Link("", "https://x.org")]), "a name"),
        (Hosting("T", phases=[FIRST], pages=[Page("Terms", "x.html")]), "a title of its own"),
    ],
)
def test_hosting_that_no_platform_can_use(hosting: Hosting, said: str) -> None:
    assert any(said in problem for problem in hosting_problems(hosting))


def test_hosting_with_all_there_is_can_be_used() -> None:
    hosting = Hosting(
        "T",
        contact="jane.doe+x@uni.example.org",
        image="ghcr.io/lab/scorer:1",
        phases=[FIRST],
        columns=[Column("P", "psnr", profile="ntire_y"), Column("L", "lpips_vgg", "", "asc")],
        data_links=[Link("Data", "https://example.org/a?b=c")],
        sponsors=[Link("S", "http://example.org")],
        pages=[Page("Prizes", "prizes.html")],
    )
    assert hosting_problems(hosting) == []


@BOTH
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"title": "x" * 257}, "title: a text of at most"),
        ({"columns": [Column("P" * 37, "psnr")]}, "at most 36"),
        ({"columns": [Column("P", "psnr", "x" * 37)]}, "at most 36"),
        ({"image": "x" * 129}, "at most 128"),
        ({"submission_rule": "Best"}, None),
    ],
)
def test_what_a_platform_refuses_is_said_before_anything_is_built(
    highrev: Path, rules: Rules, tmp_path: Path, platform: str, changes: dict[str, Any], said: str
) -> None:
    wrong = replace(rules, hosting=replace(hosting_of(rules), **changes))
    if said is None and platform == "codalab":
        return  # it has no such rules, but one of its own
    with pytest.raises(ConfigError) as caught:
        build_bundle(wrong, highrev, platform, tmp_path / "out" / "b.zip")
    assert any((said or "did you mean Force_Best?") in each for each in caught.value.problems)
    assert not (tmp_path / "out").exists()


def test_columns_that_nothing_fills_are_refused(rules: Rules) -> None:
    for column, said in (
        (Column("L", "llm", "", "asc"), "does not ask for it"),
        (Column("P", "psnr", profile="nosuch"), "expected one of published_kit"),
    ):
        wrong = replace(rules, hosting=replace(hosting_of(rules), columns=[column]))
        with pytest.raises(ConfigError) as caught:
            hosting_of(wrong)
        assert said in str(caught.value)


def test_a_failing_self_test_leaves_no_bundle(
    highrev: Path,
    rules_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A program that stops at once: the one before stays, and the message names the phase."""
    monkeypatch.setitem(packed.COMMANDS, "metadata.yaml", "command: python3 score.py a b\n")
    arguments = ["--platform", "codabench", "--split", "val", "--out", str(tmp_path / "out")]
    before = tmp_path / "out" / "tiny_codabench.zip"
    before.parent.mkdir()
    before.write_bytes(b"before")
    assert bundle_command.main([str(rules_file), "--data", str(highrev), *arguments]) == 1
    assert "the two folders" in capsys.readouterr().err
    assert [path.read_bytes() for path in (tmp_path / "out").iterdir()] == [b"before"]
