"""The rehearsal: what the platform would do, and every bad zip ends with a page."""

from __future__ import annotations

import ast
import io
import json
import struct
import subprocess
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from challenge import REPOSITORY
from challenge.commands import rehearse
from challenge.commands.rehearse import Rehearsal, run_once
from challenge.findings import Finding
from challenge.hosting import platforms
from challenge.hosting.packed import imported_files, scoring_program
from challenge.runs import RunRecord
from challenge.scoring.score import score_folder

Files = list[tuple[str, bytes]]
Refused = Callable[[Rehearsal], list[Finding]]


def test_both_platforms_give_the_local_floats(
    highrev: Path, plan: Rehearsal, rules_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(plan.zipped), "--data", str(highrev), "--rules", str(rules_file)]
    assert rehearse.main(arguments) == 0
    local = plan.zipped.parent / "local"
    with zipfile.ZipFile(plan.zipped) as archive:
        archive.extractall(local)
    record = RunRecord("local")
    means = score_folder(local, plan.sharp, record, "published_kit", progress=False).means
    folder = plan.zipped.with_name("mine.rehearsal")
    scores = json.loads((folder / "codabench" / "scores.json").read_text())
    text = (folder / "codalab" / "scores.txt").read_text()
    assert platforms.codalab_scores(text) == scores
    assert (scores["PSNR"], scores["SSIM"]) == tuple(means["published_kit"].values())
    printed = capsys.readouterr().out
    assert "codalab: scored" in printed and f"{scores['PSNR']:.4f}" in printed


def test_the_program_runs_with_numpy_and_pillow_alone(isolated_python: Path) -> None:
    def imports(name: str) -> bool:
        command = [str(isolated_python), "-I", "-c", f"import {name}"]
        return subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0

    assert imports("numpy") and imports("PIL.Image")
    assert not any(map(imports, ("cv2", "yaml", "torch", "pandas", "challenge", "pip")))


def test_the_program_is_the_kits_own_files(plan: Rehearsal) -> None:
    files = scoring_program(plan.rules)
    root = REPOSITORY
    ours = [name for name in files if name.startswith("challenge/")]
    assert "challenge/metrics/psnr.py" in ours and not any("/rules/" in name for name in ours)
    assert all(files[name] == (root / name).read_bytes() for name in ours)


def test_the_programs_files_read_as_the_oldest_python_they_may_meet(plan: Rehearsal) -> None:
    files = scoring_program(plan.rules)
    for name in (name for name in files if name.endswith(".py")):
        oldest = (3, 6) if name == "score.py" else (3, 10)
        ast.parse(files[name], name, feature_version=oldest)
    with pytest.raises(SyntaxError):  # a control: such a check can fail
        ast.parse("match x:\n    case 1: pass\n", feature_version=(3, 6))


def test_imported_files_leaves_out_what_is_imported_later(tmp_path: Path) -> None:
    package = tmp_path / "kit"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "a.py").write_text("import os\nfrom kit import b\ndef f():\n    import kit.c\n")
    (package / "b.py").write_text("from kit.d import x\n")
    (package / "c.py").touch()
    (package / "d.py").write_text("x = 1\n")
    names = [path.name for path in imported_files("kit.a", tmp_path)]
    assert names == ["__init__.py", "a.py", "b.py", "d.py"]


# --- bad zips ------------------------------------------------------------------------------------


def encoded(image: np.ndarray, format: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format)
    return stream.getvalue()


def with_first(content: bytes) -> Callable[[Files], Files]:
    return lambda files: [(files[0][0], content), *files[1:]]


def with_readme(text: str) -> Callable[[Files], Files]:
    return lambda files: [*files[:-1], ("readme.txt", text.encode())]


def renamed(name: str) -> Callable[[Files], Files]:
    return lambda files: [(name, files[0][1]), *files[1:]]


def short_pixels(files: Files) -> Files:
    """A PNG whose checksums are right, but whose pixels end early."""
    pixels = zlib.compress(bytes(1000))
    header = struct.pack(">IIBBBBB", 56, 40, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", pixels), (b"IEND", b"")]
    chunks = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts
    )
    return with_first(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))(files)


BLACK = np.zeros((40, 56, 3), np.uint8)
BAD: dict[str, tuple[Callable[[Files], Files], str]] = {
    "missing": (lambda files: files[1:], "park_00000.png"),
    "empty": (lambda files: [], "none"),
    "extra": (lambda files: [*files, ("park_00099.png", files[0][1])], "park_00099.png"),
    "misnamed": (renamed("['park_00000'].png"), "a list of names was written as text"),
    "upper case": (renamed("PARK_00000.png"), "upper and lower case"),
    "wrapped": (lambda files: [(f"mine/{name}", data) for name, data in files], "not their folder"),
    "macos": (lambda files: [*files, ("__MACOSX/._a.png", b"x")], "operating system"),
    "ds_store": (lambda files: [*files, (".DS_Store", b"x")], "operating system"),
    "size": (with_first(encoded(BLACK[:20, :28])), "28x20"),
    "swapped": (with_first(encoded(BLACK.transpose(1, 0, 2))), "width and height are swapped"),
    "alpha": (with_first(encoded(np.zeros((40, 56, 4), np.uint8))), "RGB with alpha"),
    "grey": (with_first(encoded(BLACK[:, :, 0])), "8-bit grey"),
    "truncated": (lambda files: with_first(files[0][1][:-30])(files), "cut off"),
    "short pixels": (short_pixels, "pixels"),
    "jpeg": (with_first(encoded(BLACK, "JPEG")), "a JPEG"),
    "no readme": (lambda files: files[:-1], "readme.txt"),
    "bad readme": (with_readme("runtime: 0.3s\nCPU: GPU\nExtra: 0\nOther: x"), "0.3s"),
    "bomb": (lambda files: [*files, ("x.png", bytes(20 << 20))], "x.png"),
    "markup": (renamed("<img src=x onerror=alert(1)>.png"), "&lt;img src=x"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", BAD)
def test_a_bad_zip_ends_with_a_page(
    refused: Refused,
    plan: Rehearsal,
    make_zip: Callable[[Files], Path],
    files: Files,
    isolated_python: Path,
    tmp_path: Path,
    name: str,
) -> None:
    change, said = BAD[name]
    bad = replace(plan, zipped=make_zip(change(files)))
    run = tmp_path / "run"
    findings = refused(bad)
    outcome = run_once(bad, findings, "codabench", run, isolated_python, tmp_path / "kept")
    assert outcome.code == 1 and outcome.row is None
    kept = tmp_path / "kept" / "codabench"
    html = (kept / "detailed_results.html").read_text(encoding="ascii")
    assert "Not scored" in html and "What to do" in html and said in html.replace("&#x27;", "'")
    assert "<img" not in html and "Traceback" not in outcome.log
    assert sorted(path.name for path in kept.iterdir()) == ["detailed_results.html", "log.txt"]
    assert not (tmp_path / "park_00000.png").exists()


ODD_BUT_GOOD: dict[str, Callable[[Files], Files]] = {
    "traversal": renamed("../../park_00000.png"),
    "absolute": renamed("/park_00000.png"),
    "dot": lambda files: [(f"./{name}", data) for name, data in files],
    "twice": lambda files: [(files[0][0], b"of no use"), *files],
    "metadata": lambda files: [*files, ("metadata", b"x: 1")],
    "this folder": lambda files: [("./", b""), *files],
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ODD_BUT_GOOD)
def test_what_unpacking_puts_right_is_scored(
    refused: Refused,
    plan: Rehearsal,
    make_zip: Callable[[Files], Path],
    files: Files,
    isolated_python: Path,
    tmp_path: Path,
    name: str,
) -> None:
    """Both platforms call ZipFile.extractall: dots are dropped, the last of one name stays."""
    odd = replace(plan, zipped=make_zip(ODD_BUT_GOOD[name](files)))
    kept = tmp_path / "kept"
    outcome = run_once(odd, refused(odd), "codabench", tmp_path / "run", isolated_python, kept)
    assert outcome.code == 0 and outcome.row is not None, outcome.log
    assert not (tmp_path / "park_00000.png").exists()


def test_a_zip_too_large_for_the_platform_ends_with_a_page(
    refused: Refused, plan: Rehearsal, isolated_python: Path, tmp_path: Path
) -> None:
    tight = replace(plan, expected=replace(plan.expected, zip_limit_mb=0.001))
    findings = refused(tight)
    kept = tmp_path / "kept"
    outcome = run_once(tight, findings, "codalab", tmp_path / "run", isolated_python, kept)
    html = (kept / "codalab" / "detailed_results.html").read_text()
    assert outcome.code == 1 and "at most 0.001 MB" in html


@pytest.mark.parametrize("damage", ["not a zip", "cut off", "encrypted", "wrong checksum"])
def test_a_zip_that_cannot_be_unpacked_ends_with_a_page(
    refused: Refused, plan: Rehearsal, isolated_python: Path, tmp_path: Path, damage: str
) -> None:
    data = bytearray(plan.zipped.read_bytes())
    if damage == "not a zip":
        data = bytearray(b"Rar!" + bytes(100))
    elif damage == "cut off":
        del data[len(data) // 2 :]
    elif damage == "encrypted":
        data[data.index(b"PK\x01\x02") + 8] |= 1
    else:
        place = data.index(b"PK\x01\x02") + 16
        data[place : place + 4] = struct.pack("<I", 1)
    plan.zipped.write_bytes(data)
    findings = refused(plan)
    kept = tmp_path / "kept"
    outcome = run_once(plan, findings, "codalab", tmp_path / "run", isolated_python, kept)
    html = (tmp_path / "kept" / "codalab" / "detailed_results.html").read_text()
    assert outcome.code == 1 and "Not scored" in html


def test_a_name_that_is_a_file_and_a_folder_ends_with_a_page(
    plan: Rehearsal, isolated_python: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(plan.zipped, "a") as archive:
        archive.writestr("readme.txt/x", b"x")
    kept = tmp_path / "kept"
    outcome = run_once(plan, [], "codalab", tmp_path / "run", isolated_python, kept)
    html = (kept / "codalab" / "detailed_results.html").read_text()
    assert outcome.code == 1 and "could not unpack" in html


def test_an_endless_program_is_stopped(
    plan: Rehearsal, isolated_python: Path, tmp_path: Path
) -> None:
    program = {"metadata": b"command: python $program/score.py", "score.py": b"while True: pass"}
    platforms.lay_out(tmp_path / "run", program, plan.sharp)
    codalab = platforms.PLATFORMS["codalab"]
    outcome = platforms.run_program(codalab, tmp_path / "run", isolated_python, 0.5)
    assert outcome.code == 124 and "stops a run after 0.5 s" in outcome.log


# --- the platforms' rules ------------------------------------------------------------------------


def test_codalab_splits_at_each_space_and_codabench_like_a_shell() -> None:
    run = Path("/r")
    words = platforms.codalab_command("python $program/score.py  $input $output", run)
    assert words == ["python", "/r/program/score.py", "", "/r/input", "/r/output"]
    words = platforms.codabench_command("python3  /app/program/a.py '/app/x y' b", run)
    assert words == ["python3", "/r/program/a.py", "/r/x y", "b"]


@pytest.mark.parametrize("text", ["PSNR: 1\n\nSSIM: 2\n", "PSNR: 1: 2\n", "PSNR 1\n", ""])
def test_codalab_refuses_other_score_files(text: str) -> None:
    with pytest.raises(ValueError, match="exactly one"):
        platforms.codalab_scores(text)


def test_codabench_refuses_nan() -> None:
    with pytest.raises(ValueError, match="NaN"):
        platforms.codabench_scores('{"PSNR": NaN}')


def test_rules_that_nobody_hosts_can_be_rehearsed(
    highrev: Path, plan: Rehearsal, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data", str(highrev), "--rules", "own", "--platform", "codalab"]
    assert rehearse.main([str(plan.zipped), *arguments]) == 0
    printed = capsys.readouterr().out
    assert "by names or count it is val" in printed and "codalab: scored" in printed


def test_no_sharp_images_is_said(
    highrev: Path, plan: Rehearsal, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rehearse.main([str(plan.zipped), "--data", str(highrev), "--split", "test"]) == 1
    assert "rehearse with val" in capsys.readouterr().err
