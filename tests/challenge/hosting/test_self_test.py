"""The self-test: sound bundles pass it, and it says what does not score as it must."""

from __future__ import annotations

import datetime
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from challenge.commands import bundle as bundle_command
from challenge.errors import ConfigError, DataError
from challenge.hosting.bundles import build_bundle
from challenge.hosting.lint import lint_bundle
from challenge.hosting.lint_findings import BREAKS
from challenge.hosting.packed import hosting_of, scoring_program
from challenge.hosting.self_test import Task, self_test, spread, tasks_of, uses_lpips
from challenge.metrics.weights import State, save_weights
from challenge.rules import Rules, load_rules
from challenge.rules.hosting import Column, Hosting

NOW = datetime.datetime(2026, 12, 1, tzinfo=datetime.timezone.utc)
Make = Callable[[str, Callable[[Any], object]], Path]


@pytest.mark.parametrize("platform", ["codalab", "codabench"])
def test_every_phase_is_tried(
    changed: Make, competition: Path, isolated_python: Path, tmp_path: Path, platform: str
) -> None:
    blurry = {f"reference_{split}.zip": competition / split / "blur" for split in ("val", "test")}
    path = changed(platform, lambda bundle: None)
    trials = list(self_test(path, isolated_python, tmp_path / "run", blurry, frames=1))
    assert [trial.task.name.rpartition(" ")[2] for trial in trials] == ["Development", "Final"]
    for trial in trials:
        assert trial.problems == () and (trial.frames, trial.all_frames) == (1, 2)
        assert trial.perfect == {"PSNR": 100.0, "SSIM": 1.0}
        assert trial.blurry is not None and trial.blurry["PSNR"] < 40


def rewritten(bundle: Any, old: str, new: str) -> None:
    def change(files: dict[str, bytes]) -> None:
        text = files["challenge/server/program.py"].decode()
        assert old in text
        files["challenge/server/program.py"] = text.replace(old, new).encode()

    bundle.program(change)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("read_png(prediction), read_png(sharp))", "read_png(prediction) // 2, read_png(sharp))",
         "the references score PSNR"),
        ("report(column.profile, values)[column.value]",
         "max(30.0, report(column.profile, values)[column.value]) if column.value == 'psnr' else 1",
         "the blurry frames score PSNR"),
        ("    if errors:\n        _write(output", "    if False:\n        _write(output",
         "refused without a page"),
    ],
)  # fmt: skip
def test_a_program_that_scores_wrongly_is_found(
    changed: Make,
    competition: Path,
    isolated_python: Path,
    tmp_path: Path,
    old: str,
    new: str,
    said: str,
) -> None:
    """What no rule of the linter can see."""
    if said == "refused without a page":
        new = "    if errors:\n        return 1\n    if False:\n        _write(output"
    path = changed("codabench", lambda bundle: rewritten(bundle, old, new))
    assert lint_bundle(path, now=NOW) == []
    blurry = {"reference_val.zip": competition / "val" / "blur"}
    trial = next(self_test(path, isolated_python, tmp_path / "run", blurry))
    assert any(said in problem for problem in trial.problems), trial.problems


def test_frames_are_spread_evenly() -> None:
    names = [f"{number:03d}" for number in range(284)]
    few = spread(names, 12)
    assert (few[0], few[-1], len(set(few))) == ("000", "283", 12)
    assert spread(names, None) == names == spread(names, 300)


def test_phases_that_score_alike_are_one_task() -> None:
    task = {"scoring_program": "p.zip", "reference_data": "r.zip"}
    values = {"tasks": [{"name": "A", **task}, {"name": "B", **task}]}
    assert tasks_of(values) == [Task("A", "p.zip", "r.zip")]
    phases = {"phases": {1: {"label": "A", **task}, 2: {"label": "B", **task | {"x": 1}}}}
    assert tasks_of(phases) == [Task("A", "p.zip", "r.zip")]


def test_the_command_line_tries_a_bundle_when_asked(
    changed: Make, competition: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = changed("codabench", lambda bundle: None)
    arguments = ["--lint", str(good), "--data", str(competition)]
    assert bundle_command.main(arguments) == 0
    assert "self-test" not in capsys.readouterr().out
    changed("codabench", lambda b: rewritten(b, "read_png(sharp))", "None)"))
    assert bundle_command.main(arguments) == 0
    assert bundle_command.main([*arguments, "--self-test", "all"]) == 1
    assert "the self-test failed in 'Tiny: Development'" in (said := capsys.readouterr().err)
    assert "the references were not scored" in said


def test_one_phase_publishes_its_images_and_the_test_phase_does_not(changed: Make) -> None:
    programs: list[str] = []

    def look(values: Any) -> None:
        programs.extend(task["scoring_program"] for task in values["tasks"])

    changed("codabench", lambda bundle: bundle.edit(look))
    assert programs == ["scoring_program.zip", "scoring_program_means.zip"]
    settings: list[bytes] = []

    def keep(files: dict[str, bytes]) -> None:
        settings.append(files["settings.json"])

    for name in programs:
        changed("codabench", lambda bundle, name=name: bundle.inner(name, keep))
    assert b'"images": true' in settings[0] and b'"images": false' in settings[1]


# --- LPIPS: only where the image has torch -------------------------------------------------------


def with_lpips(rules: Rules) -> Rules:
    hosting = hosting_of(rules)
    columns = [*hosting.columns, Column("LPIPS", "lpips_alex", "", "asc")]
    image = "ghcr.io/lab/scorer:1"
    return replace(rules, hosting=replace(hosting, columns=columns, image=image))


@pytest.fixture
def lpips_rules(
    highrev: Path, rules: Rules, no_weights: Path, make_state: Callable[..., State]
) -> Rules:
    save_weights("alex", make_state("alex"), "a test")
    hosting = hosting_of(rules)
    one = replace(rules, hosting=replace(hosting, phases=hosting.phases[:1]))
    return with_lpips(one)


def test_lpips_without_weights_says_how_to_get_them(rules: Rules, no_weights: Path) -> None:
    with pytest.raises(DataError, match="bash run.sh weights"):
        scoring_program(with_lpips(rules))


def test_lpips_needs_an_image_of_its_own(rules: Rules) -> None:
    wrong = with_lpips(rules)
    assert isinstance(wrong.hosting, Hosting)
    usual = replace(wrong.hosting, image=Hosting("x").image)
    with pytest.raises(ConfigError) as caught:
        hosting_of(replace(wrong, hosting=usual))
    assert "expected an image with torch and lpips" in str(caught.value)


def test_the_linter_looks_for_what_lpips_needs(
    highrev: Path, lpips_rules: Rules, tmp_path: Path, changed: Make
) -> None:
    path = tmp_path / "lpips.zip"
    build_bundle(lpips_rules, highrev, "codabench", path)
    assert lint_bundle(path, now=NOW) == [] and uses_lpips(path)
    assert not uses_lpips(changed("codabench", lambda bundle: None))

    def shrink(bundle: Any) -> None:
        with zipfile.ZipFile(path) as archive:
            bundle.files = {name: archive.read(name) for name in archive.namelist()}
        bundle.edit(lambda y: y.update(docker_image=Hosting("x").image))
        bundle.program(lambda files: files.pop("weights/lpips_alex.pth"))

    findings = lint_bundle(changed("codabench", shrink), now=NOW)
    assert {each.kind for each in findings} == {BREAKS}
    said = "\n".join(map(str, findings))
    assert "an image with torch and lpips" in said and "weights/lpips_alex.pth" in said


@pytest.mark.slow
def test_lpips_on_the_server_is_the_local_one(
    highrev: Path, lpips_rules: Rules, isolated_python: Path, tmp_path: Path
) -> None:
    path = tmp_path / "lpips.zip"
    build_bundle(lpips_rules, highrev, "codabench", path)
    blurry = {"reference_val.zip": highrev / "val" / "blur"}
    (trial,) = self_test(path, Path(sys.executable), tmp_path / "run", blurry)
    assert trial.problems == ()
    assert trial.perfect == {"PSNR": 100.0, "SSIM": 1.0, "LPIPS": 0.0}
    assert trial.blurry is not None and trial.blurry["LPIPS"] > 0
    (trial,) = self_test(path, isolated_python, tmp_path / "bare", blurry)
    assert any("no package torch" in problem for problem in trial.problems)


def test_the_kits_rules_keep_the_test_images_to_themselves() -> None:
    phases = hosting_of(load_rules("highrev")).phases
    assert [phase.shows_images for phase in phases] == [True, False]
