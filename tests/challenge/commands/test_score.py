"""The command line: what it picks, prints and refuses."""

import dataclasses
import functools
import shutil
import zipfile
from pathlib import Path

import pytest

from challenge.commands import score as score_verb
from challenge.images import read_png, write_png
from challenge.rules import Rules
from challenge.runs import RunRecord, load_record, save_record
from challenge.scoring import pairs
from challenge.scoring.results import load_scores
from challenge.submission import Readme, write_submission


@pytest.fixture(autouse=True)
def wide_terminal_and_nothing_of_the_kits(monkeypatch, no_weights):
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
def main(tmp_path):
    """The command line, its runs in a folder of the test's own."""
    return functools.partial(score_verb.main, submissions=tmp_path / "submissions")


@pytest.fixture
def submissions(folders, tmp_path) -> Path:
    """Runs `old`, `new` and the reference `blurry` of val; `new` of test, which has no sharp/."""
    predictions, _ = folders
    root = tmp_path / "submissions"
    for day, (split, name) in enumerate(
        [("val", "old"), ("val", "new"), ("val", "blurry"), ("test", "new")]
    ):
        folder = root / "mini" / split / name
        for path in predictions.glob("*.png"):
            step = 16 if name == "blurry" else 1
            frame = path.name if split == "val" else f"unseen_{path.name}"
            write_png(folder / frame, read_png(path) // step * step)
        record = RunRecord(
            name,
            challenge="mini",
            rules="mini",
            data_root=str(tmp_path / "data"),
            split=split,
            created=f"2026-01-0{day + 1}T00:00:00+00:00",
            reference=name == "blurry",
        )
        save_record(folder, record)
    return root / "mini"


def test_the_newest_run_with_sharp_images_and_its_references(main, submissions, capsys):
    assert main([]) == 0
    output = capsys.readouterr().out
    assert "mini/val/new: 4 images" in output
    assert "published_kit *" in output and "gain over blurry" in output
    assert "night_run" in output and "zigzag" in output
    assert "LPIPS is empty" in output and "`bash run.sh weights` gets it" in output
    assert "next: python challenge/make_submission.py" in output
    mine, blurry = load_scores(submissions / "val/new"), load_scores(submissions / "val/blurry")
    assert mine is not None and blurry is not None and mine.profile == "published_kit"
    gain = mine.means["ntire_y"]["psnr"] - blurry.means["ntire_y"]["psnr"]
    assert gain > 1 and f"{gain:+.3f}" in output
    assert load_scores(submissions / "val/old") is None
    assert load_scores(submissions / "test/new") is None


def test_what_was_scored_is_kept_beside_the_runs_not_among_them(
    main, submissions, capsys, monkeypatch
):
    assert main([]) == 0
    caches = sorted(path.name for path in (submissions.parent / ".cache").iterdir())
    assert [name.partition("-")[0] for name in caches] == ["blurry", "new"]
    (submissions / "val/new/scores.json").unlink()
    monkeypatch.setattr(pairs, "compute_pair", lambda job: pytest.fail(f"computed again: {job}"))
    assert main([]) == 0
    assert load_scores(submissions / "val/new") is not None


def test_a_profile_of_the_rules_own(main, submissions, tmp_path, capsys):
    rules = tmp_path / "rules.yml"
    rules.write_text(
        "name: mini\nprofile: mine\nprofiles: {mine: {psnr: psnr_luma, ssim: ssim_3d}}"
    )
    for name in ("new", "blurry"):
        record = load_record(submissions / "val" / name)
        save_record(submissions / "val" / name, dataclasses.replace(record, rules=str(rules)))
    assert main([]) == 0
    output = capsys.readouterr().out
    assert "mine *" in output and "mine ranks: psnr_luma and ssim_3d" in output
    assert "published_kit" in output and "gain over blurry" in output
    scores = load_scores(submissions / "val/new")
    assert scores is not None and scores.profile == "mine"
    assert scores.means["mine"] == {
        "psnr": scores.means["ntire_y"]["psnr"],
        "ssim": scores.means["published_kit"]["ssim"],
    }
    assert main(["--profile", "standard"]) == 0
    assert "standard *" in capsys.readouterr().out
    assert main(["--profile", "min"]) == 1
    assert "did you mean mine?" in capsys.readouterr().err


def test_references_are_computed_once_until_an_image_changes(main, submissions, capsys):
    assert main([]) == 0
    kept = submissions / "val/blurry/scores.json"
    before = kept.stat().st_mtime_ns
    assert main([]) == 0
    assert kept.stat().st_mtime_ns == before
    path = submissions / "val/blurry/zigzag_00000.png"
    write_png(path, read_png(path) ^ 1)
    assert main([]) == 0
    assert kept.stat().st_mtime_ns != before


def test_all_scores_what_is_out_of_date_and_leaves_test_alone(main, submissions, capsys):
    assert main(["--all"]) == 0
    output = capsys.readouterr().out
    assert all(f"mini/val/{name}: 4 images" in output for name in ("old", "new"))
    assert output.count("gain over blurry") == 2
    kept = submissions / "val/blurry/scores.json"
    before = kept.stat().st_mtime_ns
    assert main(["--all"]) == 0
    assert "2 of 2 runs had current scores" in capsys.readouterr().out
    assert kept.stat().st_mtime_ns == before
    kept.unlink()
    assert main(["--all"]) == 0
    assert kept.exists()  # a reference out of date is scored, though the runs are current


def test_all_goes_on_after_a_run_that_cannot_be_scored(main, submissions, capsys):
    (submissions / "val/old/zigzag_00000.png").unlink()
    assert main(["--all"]) == 1
    captured = capsys.readouterr()
    assert "mini/val/new: 4 images" in captured.out
    assert "1 of 2 runs not scored" in captured.err and "zigzag_00000.png" in captured.err


def test_a_broken_reference_does_not_cost_the_score(main, submissions, capsys):
    (submissions / "val/blurry/zigzag_00000.png").unlink()
    assert main([]) == 0
    captured = capsys.readouterr()
    assert "warning: reference blurry not scored" in captured.err
    assert "gain over blurry" not in captured.out and "mini/val/new" in captured.out


def test_another_frameworks_folder(main, folders, tmp_path, capsys):
    predictions, sharp = folders
    assert main([str(predictions)]) == 1
    assert "give --sharp DIR, or --data ROOT --split val" in capsys.readouterr().err
    assert main([str(predictions), "--sharp", str(sharp), "--profile", "ntire_y"]) == 0
    assert "ntire_y *" in capsys.readouterr().out
    by_sharp = load_scores(predictions)
    arguments = ["--data", str(tmp_path / "data"), "--split", "val", "--workers", "1"]
    assert main([str(predictions), *arguments]) == 0
    by_data = load_scores(predictions)
    assert by_sharp is not None and by_data is not None
    assert by_sharp.run == by_data.run == "my_method" and by_sharp.means == by_data.means


def test_a_test_split_has_no_sharp_images(main, submissions, capsys):
    assert main([str(submissions / "test/new")]) == 1
    error = capsys.readouterr().err
    assert "data/test/sharp" in error and "withheld: upload the zip" in error
    assert main(["--split", "test"]) == 1
    assert "withheld: upload the zip" in capsys.readouterr().err


def test_only_test_predictions(main, submissions, capsys):
    shutil.rmtree(submissions / "val")
    for arguments in ([], ["--all"]):
        assert main(arguments) == 1
        assert "withheld: upload the zip" in capsys.readouterr().err


def test_nothing_predicted_yet(main, capsys):
    assert main([]) == 1
    assert "nothing predicted yet; run bash run.sh predict" in capsys.readouterr().err


def test_a_run_named_without_its_place_is_told_where_it_is(main, submissions, capsys):
    name = next(path for path in (submissions / "val").iterdir()).name
    assert main([name]) == 1
    said = capsys.readouterr().err
    assert f"found nothing; of that name there is {submissions / 'val' / name}" in said


@pytest.mark.parametrize(
    "arguments, code, message",
    [
        (["nowhere"], 1, "expected a folder of predictions or a zip, found nothing"),
        (["--profile", "published"], 1, "did you mean published_kit"),
        (["--sharp", "a", "--data", "b"], 1, "give one"),
        (["x", "--all"], 1, "leave x or --all out"),
        (["--workers", "0"], 2, "workers"),
        (["--sharpp", "x"], 2, "--sharp"),
    ],
)
def test_wrong_arguments(main, submissions, capsys, arguments, code, message):
    assert main(arguments) == code
    assert message in capsys.readouterr().err


# --- a folder without run.json, a wrong split -----------------------------------------------------


def test_a_folder_of_pngs_beside_runs_is_scored_as_they_are(main, submissions, capsys):
    folder = submissions / "val" / "theirs"
    shutil.copytree(submissions / "val" / "new", folder)
    (folder / "run.json").unlink()
    assert main([str(folder)]) == 0
    captured = capsys.readouterr()
    assert "mini/val/theirs: 4 images" in captured.out and "gain over blurry" in captured.out
    assert "no run.json; by its place it is of mini/val" in captured.err
    assert main([str(submissions / "val" / "new")]) == 0
    theirs, new = load_scores(folder), load_scores(submissions / "val" / "new")
    assert theirs is not None and new is not None and theirs.means == new.means


def test_names_of_another_split_are_said_to_look_like_it(main, submissions, tmp_path, capsys):
    for path in (submissions / "val" / "new").glob("*.png"):
        for split, name in (("val", path.name), ("train", f"seen_{path.name}")):
            write_png(tmp_path / "data" / split / "blur" / name, read_png(path))
            write_png(tmp_path / "data" / split / "sharp" / name, read_png(path))
    folder = str(submissions / "val" / "new")
    assert main([folder, "--split", "train"]) == 1
    error = capsys.readouterr().err
    assert "this looks like val; give --split val" in error and "missing" not in error
    assert main([folder, "--split", "val"]) == 0
    (submissions / "val" / "new" / "zigzag_00000.png").unlink()  # one is missing: it is val still
    assert main([folder]) == 1
    assert "looks like" not in capsys.readouterr().err


# --- a zip ----------------------------------------------------------------------------------------


@pytest.fixture
def zipped(submissions, tmp_path) -> Path:
    """`new` of val as a zip from elsewhere; its data have their blurry frames too."""
    for path in (submissions / "val" / "new").glob("*.png"):
        write_png(tmp_path / "data" / "val" / "blur" / path.name, read_png(path) // 2)
    path = tmp_path / "inbox" / "x.zip"
    write_submission(submissions / "val" / "new", path, Rules().readme, Readme(0.5, 1, 0, "x"))
    return path


def rewrite(path: Path, change) -> None:
    """A zip with every entry changed."""
    with zipfile.ZipFile(path) as archive:
        files = [change(name, archive.read(name)) for name in archive.namelist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in filter(None, files):
            archive.writestr(name, content)


def files_of(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if ".cache" not in path.parts)


def test_a_zip_reads_as_its_folder_and_leaves_nothing(main, submissions, zipped, tmp_path, capsys):
    assert main([str(submissions / "val" / "new")]) == 0
    before, table = files_of(tmp_path), capsys.readouterr().out.splitlines()
    assert main([str(zipped), "--data", str(tmp_path / "data")]) == 0
    captured = capsys.readouterr()
    rows = ("mean", "zigzag", "night_run")
    figures, again = (
        [line.split() for line in lines if line.startswith(rows)]
        for lines in (table, captured.out.splitlines())
    )
    assert len(figures) == 3 and again == figures
    assert "it is val" in captured.err and files_of(tmp_path) == before


def test_a_zip_beside_its_folder_has_the_references_beside_it(main, submissions, zipped, capsys):
    shutil.copy(zipped, submissions / "val" / "new.zip")
    record = load_record(submissions / "val" / "new")
    save_record(submissions / "val" / "new", dataclasses.replace(record, rules="own"))
    assert main([str(submissions / "val" / "new.zip")]) == 0
    output = capsys.readouterr().out
    assert "mini/val/new: 4 images" in output and "gain over blurry" in output


def test_a_zip_is_unpacked_inside_and_as_the_server_does(main, zipped, tmp_path, capsys):
    rewrite(zipped, lambda name, content: (f"../../{name}", content))
    before = files_of(tmp_path)
    assert main([str(zipped), "--data", str(tmp_path / "data"), "--split", "val"]) == 0
    captured = capsys.readouterr()
    assert "x: 4 images" in captured.out and "which the server unpacks as" in captured.err
    assert files_of(tmp_path) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda n, c: (f"/tmp/{n}", c), "every file at the root of the zip"),
        (lambda n, c: (f"C:/{n}", c), "expected a plain file name, found a path"),
        (lambda n, c: (f"val/{n}", c), "every file at the root of the zip"),
        (lambda n, c: (n, bytes(30_000_000) if "zigzag" in n else c), "expected a whole PNG"),
        (lambda n, c: None if "zigzag" in n else (n, c), "expected a prediction, found none"),
        (lambda n, c: (n, c[:-20] if "zigzag" in n else c), "zigzag_00000.png"),
        (lambda n, c: (f"other_{n}", c), "expected a name of an input frame"),
    ],
)
def test_a_zip_that_the_server_would_refuse(main, zipped, tmp_path, capsys, change, message):
    rewrite(zipped, change)
    before = files_of(tmp_path)
    assert main([str(zipped), "--data", str(tmp_path / "data"), "--split", "val"]) == 1
    captured = capsys.readouterr()
    assert "cannot be scored" in captured.err and message in captured.err
    assert captured.out == "" and files_of(tmp_path) == before


def test_a_zip_whose_readme_is_wrong_is_scored_with_a_warning(main, zipped, tmp_path, capsys):
    rewrite(zipped, lambda name, content: None if name == "readme.txt" else (name, content))
    assert main([str(zipped), "--data", str(tmp_path / "data"), "--split", "val"]) == 0
    captured = capsys.readouterr()
    assert "warning: " in captured.err and "readme.txt" in captured.err
    assert "new: 4 images" not in captured.out and "x: 4 images" in captured.out


def test_what_is_no_zip_and_a_zip_of_nowhere(main, zipped, tmp_path, capsys):
    assert main([str(zipped)]) == 1
    assert "give --sharp DIR, or --data ROOT" in capsys.readouterr().err
    (tmp_path / "y.zip").write_bytes(b"PK")
    assert main([str(tmp_path / "y.zip"), "--data", str(tmp_path / "data"), "--split", "val"]) == 1
    assert "expected a zip" in capsys.readouterr().err
