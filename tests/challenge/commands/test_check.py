"""`bash run.sh check`: exit codes, what it says and what it could not look at, JSON."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from challenge.commands import check as cli
from challenge.files import images_sha256
from challenge.images import read_png, to_uint8, write_png
from challenge.rules import Rules
from challenge.runs import RunRecord, load_record, save_record
from challenge.submission import Readme, write_submission

README = Readme(0.5, 1, 0, "a method")
NAMES = ("park_00000.png", "park_00012.png")
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def folder(highrev: Path, tmp_path: Path) -> Path:
    """A good run over the two val frames of 56x40, in the place of their inputs."""
    folder = tmp_path / "mine"
    for name in NAMES:
        blurry = read_png(highrev / "val" / "blur" / name) / 255.0
        noise = np.random.default_rng(len(name)).normal(0, 0.01, blurry.shape)
        write_png(folder / name, to_uint8(blurry + noise))
    record = RunRecord("mine", data_root=str(highrev), split="val", rules="own")
    save_record(folder, RunRecord(**vars(record) | {"runtime_per_image_s": 0.5, "device": "cpu"}))
    return folder


@pytest.fixture
def foreign(folder: Path, tmp_path: Path) -> Path:
    """The same as a zip from elsewhere, with no record beside it."""
    path = tmp_path / "inbox" / "x.zip"
    write_submission(folder, path, Rules().readme, README)
    return path


def rewrite(path: Path, change: Callable[[str, bytes], tuple[str, bytes]]) -> Path:
    """A zip with every entry changed."""
    with zipfile.ZipFile(path) as archive:
        files = [change(name, archive.read(name)) for name in archive.namelist()]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files:
            archive.writestr(name, content)
    return path


def kinds(folder_or_zip: Path, *options: str, code: int, output: Path) -> list[str]:
    """The kinds of all findings, from the JSON report; the exit code is compared."""
    assert cli.main([str(folder_or_zip), *options, "--json", str(output)]) == code
    return [finding["kind"] for finding in json.loads(output.read_text())["findings"]]


def test_a_good_folder_and_its_zip(folder: Path, tmp_path: Path, capsys: Capture) -> None:
    write_submission(folder, tmp_path / "mine.zip", Rules().readme, README)
    for path in (folder, tmp_path / "mine.zip"):  # beside the zip lies its record
        assert cli.main([str(path)]) == 0
        output = capsys.readouterr().out
        assert "nothing wrong was found in 2 PNGs" in output
        assert output.count("not checked") == 1 and "the rules name no limit" in output


def test_every_finding_is_printed_with_all_that_belongs_to_it(
    folder: Path, highrev: Path, capsys: Capture
) -> None:
    for number in range(9):
        (folder / f"stray_{number}.png").write_bytes(b"x")
    assert cli.main([str(folder)]) == 1
    output = capsys.readouterr().out
    assert output.count("error: stray_") == 18  # each is extra, and no PNG
    assert "expected a whole PNG, found something that is not a PNG; save or copy" in output
    assert "18 errors (extra 9, damaged 9)" in output
    assert cli.main([str(folder), "--brief"]) == 1
    assert capsys.readouterr().out.count("error: stray_") == 6


def test_warnings_alone_leave_the_exit_code_zero(folder: Path, capsys: Capture) -> None:
    for name in NAMES:
        write_png(folder / name, read_png(folder / name)[:, :, ::-1].copy())
    assert cli.main([str(folder)]) == 0
    output = capsys.readouterr().out
    assert "warning: park_00000.png and 1 more" in output
    assert "can be sent (exit code 0), but has 1 warning" in output
    assert cli.main([str(folder), "--no-pixels"]) == 0
    output = capsys.readouterr().out
    assert "not checked: the pixels" in output and "warning:" not in output


def test_a_zip_from_elsewhere_with_its_data(foreign: Path, highrev: Path, capsys: Capture) -> None:
    assert cli.main([str(foreign), "--data", str(highrev)]) == 0
    output = capsys.readouterr().out
    assert "no split was named: by names or count it is val" in output
    assert cli.main([str(foreign), "--data", str(highrev), "--split", "test"]) == 1
    assert "this looks like val" in capsys.readouterr().out


def test_a_zip_from_elsewhere_alone_says_what_it_could_not_check(
    foreign: Path, capsys: Capture
) -> None:
    assert cli.main([str(foreign)]) == 0
    output = capsys.readouterr().out
    for words in ("names of the frames", "number of frames", "size of the frames", "no limit"):
        assert f"not checked: {words}" in output or words in output
    assert "in what could be checked" in output


def test_the_count_of_the_rules_stands_in_for_names(
    foreign: Path, tmp_path: Path, capsys: Capture
) -> None:
    rules = tmp_path / "three.yml"
    rules.write_text("name: nobodys\nwidth: 56\nheight: 40\nframes: {val: 3, test: 2}\n")
    assert cli.main([str(foreign), "--rules", str(rules)]) == 0
    assert "it is test" in capsys.readouterr().out
    assert cli.main([str(foreign), "--rules", str(rules), "--split", "val"]) == 1
    assert "expected 3 PNGs, found 2" in capsys.readouterr().out


def test_a_folder_from_elsewhere_is_told_what_packing_will_need(
    folder: Path, highrev: Path, capsys: Capture
) -> None:
    (folder / "run.json").unlink()
    assert cli.main([str(folder), "--data", str(highrev), "--split", "val"]) == 0
    output = capsys.readouterr().out
    assert output.count("warning: run.json") == 2 and "--runtime" in output
    assert "note: no run.json, and not at submissions/<challenge>/<split>/<run>/" in output


def test_the_report_for_programs(foreign: Path, highrev: Path, capsys: Capture) -> None:
    rewrite(foreign, lambda name, content: (f"val/{name}", content))
    options = ["--data", str(highrev), "--json", "-"]
    assert cli.main([str(foreign), *options]) == 1
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert "not ready to submit" in captured.err
    assert (report["verdict"], report["errors"], report["warnings"]) == ("errors", 1, 0)
    assert (report["images"], report["split"]) == (2, "val")
    (finding,) = report["findings"]
    assert set(finding) == {"kind", "file", "expected", "found", "fix", "level"}
    assert (finding["kind"], finding["file"]) == ("folder", "val/")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda n, c: (f"['{n[:-4]}'].png" if "00012" in n else n, c), "misnamed"),
        (lambda n, c: (n, c[: len(c) // 2]), "damaged"),
        (lambda n, c: (n.replace("readme.txt", "README.md"), c), "readme"),
        (lambda n, c: (f"__MACOSX/._{n}" if "00012" in n else n, c), "system"),
        (lambda n, c: (f"C:/{n}", c), "path"),
        (lambda n, c: (n + "\x1b[2J", c), "name"),
        (lambda n, c: (n if "00012" not in n else "a" * 300 + ".png", c), "name"),
        (lambda n, c: (n, b"0.3 : x\n" if n.endswith("txt") else c), "readme"),
    ],
)
def test_faults_of_a_zip(
    foreign: Path,
    highrev: Path,
    tmp_path: Path,
    change: Callable[[str, bytes], tuple[str, bytes]],
    expected: str,
) -> None:
    rewrite(foreign, change)
    found = kinds(foreign, "--data", str(highrev), code=1, output=tmp_path / "r.json")
    assert expected in found


def changed_entry(path: Path, **attributes: int) -> None:
    """The first PNG of a zip written anew with another attribute or method."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            if name == NAMES[0]:
                for key, value in attributes.items():
                    setattr(info, key, value)
            archive.writestr(info, content)


LINK = {"external_attr": 0o120777 << 16, "create_system": 3}
PIPE = {"external_attr": 0o010644 << 16, "create_system": 3}
METHODS = [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2]


@pytest.mark.parametrize(
    ("attributes", "found"), [(LINK, "a symbolic link"), (PIPE, "a pipe, socket or device")]
)
def test_a_link_in_a_zip_is_called_one(
    foreign: Path, highrev: Path, attributes: dict[str, int], found: str, capsys: Capture
) -> None:
    """What `zip -y` keeps of a link is the name that it leads to, which is no PNG."""
    rewrite(foreign, lambda name, content: (name, b"../x.png" if name == NAMES[0] else content))
    changed_entry(foreign, **attributes)
    assert cli.main([str(foreign), "--data", str(highrev)]) == 1
    assert f"{NAMES[0]}: expected a PNG, found {found}" in capsys.readouterr().out


@pytest.mark.parametrize("attributes", [LINK, PIPE, *({"compress_type": m} for m in METHODS)])
def test_an_odd_entry_that_unpacks_to_a_png_is_fine(
    foreign: Path, highrev: Path, attributes: dict[str, int]
) -> None:
    changed_entry(foreign, **attributes)
    assert cli.main([str(foreign), "--data", str(highrev)]) == 0


def test_a_name_cannot_command_the_terminal(foreign: Path, capsys: Capture) -> None:
    rewrite(foreign, lambda name, content: ("\x1b[31m" + name, content))
    assert cli.main([str(foreign)]) == 1
    output = capsys.readouterr().out
    assert "\x1b" not in output and "\\x1b[31mpark" in output


def test_what_is_no_zip_is_a_finding_too(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "x.zip").write_bytes(b"PK\x03\x04 cut off")
    assert kinds(tmp_path / "x.zip", code=1, output=tmp_path / "r.json") == ["zip"]
    assert "expected a folder of PNGs, or a zip" in capsys.readouterr().out


def test_a_zip_inside_the_zip(foreign: Path, highrev: Path, capsys: Capture) -> None:
    content = foreign.read_bytes()
    with zipfile.ZipFile(foreign, "a") as archive:
        archive.writestr("inner.zip", content)
    assert cli.main([str(foreign), "--data", str(highrev)]) == 1
    assert "inner.zip: expected only PNGs and readme.txt, found a zip inside" in (
        capsys.readouterr().out
    )


def test_a_zip_over_the_limit_is_an_error_a_folder_a_warning(
    folder: Path, foreign: Path, tmp_path: Path
) -> None:
    rules = tmp_path / "small.yml"
    rules.write_text("zip_limit_mb: 0.001\n")
    options = ("--rules", str(rules))
    assert kinds(foreign, *options, code=1, output=tmp_path / "r.json") == ["limit"]
    assert kinds(folder, *options, code=0, output=tmp_path / "r.json") == ["limit"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_in_the_folder_is_not_waited_for(folder: Path, tmp_path: Path) -> None:
    (folder / NAMES[0]).unlink()
    os.mkfifo(folder / NAMES[0])
    assert kinds(folder, code=1, output=tmp_path / "r.json") == ["entry", "missing"]


def test_a_name_that_is_not_utf8_does_not_stop_the_report(folder: Path, capsys: Capture) -> None:
    try:
        (folder / os.fsdecode(b"\xff\xfe.png")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes no such name")
    assert cli.main([str(folder)]) == 1
    assert "\\udcff\\udcfe.png" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["{tmp}/nowhere"],
        ["{folder}", "--data", "{tmp}/nowhere"],
        ["{folder}", "--rules", "nobodys"],
        ["{folder}", "--data", "{data}", "--split", "nowhere"],
        ["{folder}", "--what"],
    ],
)
def test_wrong_usage(
    folder: Path, highrev: Path, tmp_path: Path, arguments: list[str], capsys: Capture
) -> None:
    filled = [each.format(tmp=tmp_path, folder=folder, data=highrev) for each in arguments]
    assert cli.main(filled) == 2
    assert capsys.readouterr().err


def test_predictions_of_another_split_are_said_to_look_like_it(
    folder: Path, highrev: Path, tmp_path: Path, capsys: Capture
) -> None:
    options = ("--data", str(highrev), "--split", "test")
    found = kinds(folder, *options, code=1, output=tmp_path / "r.json")
    assert found == ["split"]
    assert "this looks like val; give --split val" in capsys.readouterr().out
    (folder / NAMES[0]).unlink()  # half of them are there: it is val, and one is missing
    assert kinds(folder, "--no-pixels", code=1, output=tmp_path / "r.json") == ["missing"]


def test_frames_other_than_those_of_the_record_are_a_warning(
    folder: Path, highrev: Path, tmp_path: Path
) -> None:
    inputs = highrev / "val" / "blur"
    record = load_record(folder)
    save_record(folder, dataclasses.replace(record, inputs_sha256=images_sha256(inputs)))
    assert kinds(folder, "--no-pixels", code=0, output=tmp_path / "r.json") == []
    image = read_png(inputs / NAMES[0])
    write_png(inputs / NAMES[0], np.maximum(image, 1) - 1)
    assert kinds(folder, "--no-pixels", code=0, output=tmp_path / "r.json") == ["inputs"]


def test_a_folder_of_pngs_is_understood_by_its_neighbours(
    folder: Path, tmp_path: Path, capsys: Capture
) -> None:
    beside = tmp_path / "submissions" / "mini" / "val"
    shutil.copytree(folder, beside / "mine")
    shutil.copytree(folder, beside / "theirs")
    (beside / "theirs" / "run.json").unlink()
    (beside / "theirs" / NAMES[0]).unlink()
    assert cli.main([str(beside / "theirs")]) == 1
    output = capsys.readouterr().out
    assert f"error: {NAMES[0]}: expected a prediction, found none" in output
    assert (
        "note: no run.json; by its place it is of mini/val, by its neighbours the rules" in output
    )
    assert "names of the frames" not in output  # they were checked


def test_nothing_is_written(folder: Path, foreign: Path, tmp_path: Path) -> None:
    def state() -> list[tuple[str, int]]:
        return sorted((str(p), p.stat().st_mtime_ns) for p in tmp_path.rglob("*"))

    before = state()
    assert cli.main([str(folder)]) == 0 and cli.main([str(foreign)]) == 0
    assert state() == before
