"""A submission's check finds every fault; its zip is flat, deterministic, whole or not there."""

from __future__ import annotations

import dataclasses
import io
import json
import struct
import zipfile
import zlib
from pathlib import Path

import pytest

from challenge import make_submission, run_record
from challenge.errors import ConfigError, SubmissionError
from challenge.rules import Rules
from challenge.run_record import RunRecord, save_record
from challenge.submission import (
    Expected,
    Finding,
    Readme,
    check_submission,
    expected_submission,
    listing,
    server_values,
    write_readme,
    write_submission,
)
from challenge.submission import write as write_module
from challenge.submission.png import inspect_png
from challenge.submission.readme import check_readme, readme_differences

TEMPLATE = Rules().readme
FRAMES = ("logo_a_00012", "logo_a_00024", "zigzag_00012")
NAMES = [f"{frame}.png" for frame in FRAMES]
WIDTH, HEIGHT = 8, 6
README = Readme(runtime=0.3125, cpu=1, extra_data=0, description="a method")


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int = WIDTH, height: int = HEIGHT, depth: int = 8, colour: int = 2) -> bytes:
    """A black PNG, made from the specification alone."""
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    row = b"\x00" + bytes((width * samples * depth + 7) // 8)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    palette = chunk(b"PLTE", bytes(3)) if colour == 3 else b""
    body = chunk(b"IHDR", header) + palette + chunk(b"IDAT", zlib.compress(row * height))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    blur = tmp_path / "data" / "val" / "blur"
    blur.mkdir(parents=True)
    for name in NAMES:
        (blur / name).write_bytes(png())
    return tmp_path / "data"


@pytest.fixture
def folder(tmp_path: Path, data: Path) -> Path:
    """A good run: nothing is found in it."""
    folder = tmp_path / "submissions" / "mini" / "val" / "mine"
    folder.mkdir(parents=True)
    for name in NAMES:
        (folder / name).write_bytes(png())
    record = RunRecord("mine", data_root=str(data), split="val", rules="own", created="2026-01-01")
    save_record(
        folder,
        dataclasses.replace(
            record, runtime_per_image_s=0.3125, device="cpu", description="two: lines\nof text"
        ),
    )
    return folder


@pytest.fixture
def expected(data: Path) -> Expected:
    expected, doubts = expected_submission(Rules(), data, "val")
    assert doubts == []
    return expected


def found(path: Path, expected: Expected) -> list[tuple[str, str]]:
    return [(finding.kind, finding.file) for finding in check_submission(path, expected)]


def make_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def good_files(prefix: str = "") -> dict[str, bytes]:
    readme = write_readme(TEMPLATE, README).encode()
    return {f"{prefix}{name}": png() for name in NAMES} | {f"{prefix}readme.txt": readme}


# --- the check of a folder ----------------------------------------------------------------------


def test_nothing_is_found_in_a_good_folder(folder: Path, expected: Expected) -> None:
    (folder / "scores.json").write_text("{}")
    (folder / "per_image.csv").write_text("frame\n")
    assert found(folder, expected) == []


def test_every_fault_is_reported_at_once(folder: Path, expected: Expected) -> None:
    (folder / NAMES[0]).write_bytes(png(WIDTH // 2, HEIGHT // 2))
    (folder / NAMES[1]).unlink()
    (folder / NAMES[2]).write_bytes(png()[:-20])
    (folder / "stranger.png").write_bytes(png())
    (folder / "notes.txt").write_text("x")
    (folder / "old").mkdir()
    assert sorted(found(folder, expected)) == [
        ("damaged", NAMES[2]),
        ("extra", "stranger.png"),
        ("folder", "old/"),
        ("missing", NAMES[1]),
        ("other", "notes.txt"),
        ("size", NAMES[0]),
    ]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("['zigzag_00012'].png", "names[0]"),
        ("('zigzag_00012',).png", "names[0]"),
        ("zigzag_00012.PNG", "upper and lower case"),
        ("Zigzag_00012.png", "upper and lower case"),
        ("zigzag_12.png", "rename it"),
        ("zigzag 00012.png", "rename it"),
    ],
)
def test_a_misnamed_frame_is_told_its_name_and_is_not_missing_too(
    folder: Path, expected: Expected, name: str, hint: str
) -> None:
    (folder / NAMES[2]).rename(folder / name)
    (finding,) = check_submission(folder, expected)
    assert (finding.kind, finding.file, finding.expected) == ("misnamed", name, NAMES[2])
    assert hint in finding.fix


def test_a_stranger_is_shown_the_nearest_missing_name(folder: Path, expected: Expected) -> None:
    (folder / NAMES[2]).rename(folder / "zigzag_00013.png")
    extra, missing = check_submission(folder, expected)
    assert (extra.kind, extra.fix) == ("extra", f"did you mean {NAMES[2]}?")
    assert (missing.kind, missing.file) == ("missing", NAMES[2])


def test_an_empty_folder_is_one_finding(folder: Path, expected: Expected) -> None:
    for name in NAMES:
        (folder / name).unlink()
    (finding,) = check_submission(folder, expected)
    assert (finding.kind, finding.expected) == ("missing", "3 PNGs")


@pytest.mark.parametrize(
    ("content", "kind", "what"),
    [
        (png(colour=6), "mode", "8-bit RGB with alpha"),
        (png(colour=0), "mode", "8-bit grey"),
        (png(colour=3), "mode", "8-bit palette"),
        (png(depth=16), "mode", "16-bit RGB"),
        (png(HEIGHT, WIDTH), "size", "6x8"),
        (png(WIDTH, HEIGHT + 2), "size", "8x8"),
        (b"\xff\xd8\xff\xe0 a photograph", "format", "a JPEG"),
        (b"", "damaged", "an empty file"),
        (b"hello", "damaged", "something that is not a PNG"),
        (png()[:30], "damaged", "a PNG that is cut off"),
        (png()[:-12], "damaged", "a PNG that is cut off"),
        (png()[:5], "damaged", "a PNG that is cut off"),
        (png().replace(b"IDAT", b"IDAX"), "damaged", "a damaged PNG (wrong checksum in 'IDAX')"),
        (png()[:8] + chunk(b"IEND", b""), "damaged", "a PNG without a header"),
    ],
)
def test_an_image_of_the_wrong_kind(
    folder: Path, expected: Expected, content: bytes, kind: str, what: str
) -> None:
    (folder / NAMES[0]).write_bytes(content)
    (finding,) = check_submission(folder, expected)
    assert (finding.kind, finding.file, finding.found) == (kind, NAMES[0], what)


def test_a_transparent_colour_is_seen() -> None:
    whole = png()
    end = whole.rindex(b"IDAT") - 4
    content = whole[:end] + chunk(b"tRNS", bytes(6)) + whole[end:]
    assert inspect_png(io.BytesIO(content)).mode == "8-bit RGB with transparency"


@pytest.mark.parametrize("at", range(8, len(png())))
def test_no_single_changed_byte_passes(at: int) -> None:
    content = bytearray(png())
    content[at] ^= 0x10
    assert inspect_png(io.BytesIO(bytes(content))).fault is not None


def test_swapped_sides_are_told_apart_from_a_crop(folder: Path, expected: Expected) -> None:
    (folder / NAMES[0]).write_bytes(png(HEIGHT, WIDTH))
    (folder / NAMES[1]).write_bytes(png(WIDTH, HEIGHT - 2))
    (folder / NAMES[2]).write_bytes(png(WIDTH + 2, HEIGHT + 2))
    swapped, cropped, padded = (finding.fix for finding in check_submission(folder, expected))
    assert "swapped" in swapped and "whole frame" in cropped and "padding" in padded


@pytest.mark.parametrize("name", [".DS_Store", "._zigzag_00012.png", "Thumbs.db", "desktop.ini"])
def test_system_files_only_warn_in_a_folder(folder: Path, expected: Expected, name: str) -> None:
    (folder / name).write_bytes(b"x")
    (finding,) = check_submission(folder, expected)
    assert (finding.kind, finding.level) == ("system", "warning")


def test_predictions_in_a_sub_folder_are_found(folder: Path, expected: Expected) -> None:
    (folder / "val").mkdir()
    for name in NAMES:
        (folder / name).rename(folder / "val" / name)
    assert found(folder, expected) == [("folder", "val/")]


def test_without_the_inputs_the_rules_count_is_checked(folder: Path, tmp_path: Path) -> None:
    rules = Rules(frames={"val": 4}, width=WIDTH, height=HEIGHT)
    expected, (doubt,) = expected_submission(rules, tmp_path / "nowhere", "val")
    assert doubt.level == "warning" and "--data" in doubt.fix
    (folder / NAMES[0]).rename(folder / "['logo_a_00012'].png")
    assert found(folder, expected) == [("misnamed", "['logo_a_00012'].png"), ("count", "*.png")]


def test_incomplete_data_is_an_error(data: Path) -> None:
    _, (finding,) = expected_submission(Rules(frames={"val": 421}), data, "val")
    assert (finding.level, finding.expected, finding.found) == ("error", "421 input frames", "3")


def test_the_listing_counts_what_it_does_not_show() -> None:
    findings = [Finding("missing", f"{n}.png", "a prediction", "none", "-") for n in range(421)]
    lines = listing([*findings, Finding("folder", "x/", "none", "one", "-")], shown=2)
    assert len(lines) == 4
    assert lines[2] == "… and 419 more like this (missing: 421 in all)"


# --- the check of a zip made by hand ------------------------------------------------------------


def test_a_good_zip_has_no_finding(tmp_path: Path, expected: Expected) -> None:
    assert found(make_zip(tmp_path / "x.zip", good_files()), expected) == []


def test_a_wrapping_folder_is_one_fault(tmp_path: Path, expected: Expected) -> None:
    assert found(make_zip(tmp_path / "x.zip", good_files("val/")), expected) == [("folder", "val/")]


def test_windows_separators_are_a_wrapping_folder(tmp_path: Path, expected: Expected) -> None:
    path = make_zip(tmp_path / "x.zip", good_files("val\\"))
    assert found(path, expected) == [("folder", "val/")]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("__MACOSX/._zigzag_00012.png", "system"),
        (".DS_Store", "system"),
        ("metadata", "other"),
        ("run.json", "other"),
        ("README.TXT", "other"),
        ("../zigzag_00012.png", "path"),
        ("/etc/zigzag_00012.png", "path"),
        ("C:\\zigzag_00012.png", "path"),
    ],
)
def test_what_does_not_belong_into_a_zip(
    tmp_path: Path, expected: Expected, name: str, kind: str
) -> None:
    path = make_zip(tmp_path / "x.zip", good_files() | {name: b"x"})
    (finding,) = check_submission(path, expected)
    assert (finding.kind, finding.level) == (kind, "error")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_duplicate_names_in_a_zip(tmp_path: Path, expected: Expected) -> None:
    path = make_zip(tmp_path / "x.zip", good_files())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(NAMES[0], png())
    assert found(path, expected) == [("duplicate", NAMES[0])]


def test_a_zip_without_readme(tmp_path: Path, expected: Expected) -> None:
    path = make_zip(tmp_path / "x.zip", {name: png() for name in NAMES})
    assert found(path, expected) == [("readme", "readme.txt")]


def test_a_bomb_is_not_opened(tmp_path: Path, expected: Expected) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (good_files() | {NAMES[0]: bytes(1 << 22)}).items():
            archive.writestr(name, content)
    assert found(path, expected) == [("bomb", NAMES[0])]


def test_an_encrypted_entry(tmp_path: Path, expected: Expected) -> None:
    path = make_zip(tmp_path / "x.zip", good_files())
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1  # the first entry's flag bit 0
    path.write_bytes(content)
    assert found(path, expected) == [("encrypted", NAMES[0])]


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut off"])
def test_what_is_no_zip(tmp_path: Path, expected: Expected, content: bytes) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(content)
    with pytest.raises(SubmissionError, match="expected a zip"):
        check_submission(path, expected)


def test_a_zip_over_the_limit_warns_with_the_figure(tmp_path: Path, expected: Expected) -> None:
    path = make_zip(tmp_path / "x.zip", good_files())
    small = dataclasses.replace(expected, zip_limit_mb=0.0001)
    (finding,) = check_submission(path, small)
    assert (finding.kind, finding.level) == ("limit", "warning")
    assert finding.found == f"{path.stat().st_size / 1e6:.1f} MB"
    assert check_submission(path, dataclasses.replace(expected, zip_limit_mb=1.0)) == []


# --- readme.txt ---------------------------------------------------------------------------------


def server_parse(text: str) -> tuple[float, int, int, str]:
    """The public scorers' rule, on its own: lines with a `:`, by position, -1 on any error."""
    lines = [line.strip() for line in io.StringIO(text).readlines() if line.find(":") >= 0]
    values = [":".join(line.split(":")[1:]) for line in lines]
    try:
        return float(values[0]), int(values[1]), int(values[2]), values[3].strip()
    except (ValueError, IndexError):
        return -1.0, -1, -1, ""


@pytest.mark.parametrize(
    "description",
    [
        "plain",
        "",
        "with: colons: http://x",
        "two\nlines: 3",
        "a\r\nb\rc\x85d\u2028e\x0bf",
        "{runtime} %s",
        "né 日本",
        "bell\x07",
    ],
)
def test_any_description_leaves_the_servers_parse_right(description: str) -> None:
    readme = Readme(10.43, 0, 1, description)
    text = write_readme(TEMPLATE, readme)
    one_line = " ".join(description.split()).replace("\x07", "") or "none"
    assert server_parse(text) == (10.43, 0, 1, one_line)
    assert server_values(text) == ["10.43", "0", "1", one_line]
    assert check_readme(text, TEMPLATE) == []
    assert readme_differences(text, TEMPLATE, readme) == []


def test_the_four_lines_are_those_of_the_published_template() -> None:
    assert write_readme(TEMPLATE, Readme(10.43, 0, 0, "free text")) == (
        "runtime per image [s] : 10.43\nCPU[1] / GPU[0] : 0\n"
        "Extra Data [1] / No Extra Data [0] : 0\nOther description : free text\n"
    )


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("0.31", "0.3s", "line 1"),
        ("0.31", "nan", "line 1"),
        ("GPU[0] : 1", "GPU[0] : GPU", "line 2"),
        ("GPU[0] : 1", "GPU[0] : 2", "line 2"),
        ("Data [0] : 0", "Data [0] : no", "line 3"),
        ("Other description : a method\n", "a method\n", "line 4"),
    ],
)
def test_what_the_server_would_read_as_minus_one(old: str, new: str, place: str) -> None:
    good = write_readme(TEMPLATE, README)
    assert old in good
    (finding,) = check_readme(good.replace(old, new), TEMPLATE)
    assert place in finding.expected


def test_a_line_too_many_shifts_the_values() -> None:
    text = "Team: ours\n" + write_readme(TEMPLATE, README)
    assert server_parse(text)[0] == -1
    assert check_readme(text, TEMPLATE)[0].found == "'ours'"


def test_readme_differences_can_be_found() -> None:
    text = write_readme(TEMPLATE, README)
    other = Readme(0.4, 0, 1, "another")
    names = ["runtime", "cpu", "extra_data", "description"]
    assert readme_differences(text, TEMPLATE, other) == names


def test_another_challenges_template_is_followed() -> None:
    template = (
        "runtime per image [s] : {runtime:.4f}\nExtra Data : {extra_data}\nCPU : {cpu}\n"
        "LLM [1] / No LLM [0] : 0\nOther : {description}\n"
    )
    readme = Readme(0.0312, 1, 0, "x")
    text = write_readme(template, readme)
    assert server_values(text) == ["0.0312", "0", "1", "0", "x"]
    assert readme_differences(text, template, readme) == []


@pytest.mark.parametrize("template", ["runtime : {runtme}\n", "no value\n", "a : {runtime:.2q}\n"])
def test_a_template_that_cannot_be_filled(template: str) -> None:
    with pytest.raises(ConfigError, match="readme template"):
        write_readme(template, README)


# --- writing ------------------------------------------------------------------------------------


def test_the_zip_is_flat_sorted_and_passes_its_own_check(
    folder: Path, tmp_path: Path, expected: Expected
) -> None:
    (folder / ".DS_Store").write_bytes(b"x")
    (folder / "._zigzag_00012.png").write_bytes(b"x")
    written = write_submission(folder, tmp_path / "x.zip", TEMPLATE, README)
    with zipfile.ZipFile(written.path) as archive:
        assert archive.namelist() == [*sorted(NAMES), "readme.txt"]
        assert archive.read(NAMES[0]) == (folder / NAMES[0]).read_bytes()
        for entry in archive.infolist():  # nothing of the day, the user or the machine
            assert entry.date_time == (1980, 1, 1, 0, 0, 0)
            assert (entry.external_attr >> 16, entry.create_system) == (0o100644, 3)
            assert entry.compress_type == zipfile.ZIP_STORED
    assert (written.images, written.size) == (3, (tmp_path / "x.zip").stat().st_size)
    assert found(written.path, expected) == []


def test_same_inputs_same_bytes(folder: Path, tmp_path: Path) -> None:
    first = write_submission(folder, tmp_path / "a.zip", TEMPLATE, README)
    for name in reversed(NAMES):  # other dates, permissions and order on disk
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o600)
    second = write_submission(folder, tmp_path / "b.zip", TEMPLATE, README)
    assert first.sha256 == second.sha256
    (folder / NAMES[0]).write_bytes(png(WIDTH + 1))
    assert write_submission(folder, tmp_path / "c.zip", TEMPLATE, README).sha256 != first.sha256


def test_cut_off_in_the_middle_the_old_zip_stays(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "zips" / "x.zip"
    write_submission(folder, out, TEMPLATE, README)
    before = out.read_bytes()
    real, calls = write_module._create, []

    def interrupted(archive: zipfile.ZipFile, name: str, source: Path | None = None) -> object:
        calls.append(name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(archive, name, source)

    monkeypatch.setattr(write_module, "_create", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_submission(folder, out, TEMPLATE, README)
    assert len(calls) == 2
    assert out.read_bytes() == before
    assert list(out.parent.iterdir()) == [out]


def test_a_file_that_changes_while_it_is_packed_is_noticed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = write_module.read_back

    def changed_first(path: Path, *rest: object) -> list[str]:
        (folder / NAMES[1]).write_bytes(png(WIDTH + 1))
        return real(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(write_module, "read_back", changed_first)
    with pytest.raises(SubmissionError, match=f"{NAMES[1]}: its bytes differ"):
        write_submission(folder, tmp_path / "zips" / "x.zip", TEMPLATE, README)
    assert list((tmp_path / "zips").iterdir()) == []


# --- the command line ---------------------------------------------------------------------------


@pytest.fixture
def submissions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(run_record, "SUBMISSIONS", tmp_path / "submissions")
    return tmp_path / "submissions"


def test_without_an_argument_the_latest_run_is_packed(
    folder: Path, submissions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, created, reference in (("older", "2025-01-01", False), ("edi", "2026-09-09", True)):
        other = folder.parent / name
        other.mkdir()
        save_record(other, RunRecord(name, created=created, reference=reference))
    assert make_submission.main([]) == 0
    output = capsys.readouterr().out
    assert str(folder.with_name("mine.zip")) in output
    assert "development phase" in output and "SHA-256" in output and "next:" in output
    assert not (folder.parent / "older.zip").exists() and not (folder.parent / "edi.zip").exists()
    with zipfile.ZipFile(folder.with_name("mine.zip")) as archive:
        readme = archive.read("readme.txt").decode()
    assert server_parse(readme) == (0.3125, 1, 0, "two: lines of text")


def test_both_splits_of_the_latest_run_or_none(
    folder: Path, data: Path, submissions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "val").rename(data / "test")
    test_folder = submissions / "mini" / "test" / "mine"
    test_folder.parent.mkdir()
    folder.rename(test_folder)
    record = json.loads((test_folder / "run.json").read_text())
    (data / "val" / "blur").mkdir(parents=True)
    (data / "val" / "blur" / NAMES[0]).write_bytes(png())
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps(record | {"split": "val"}))
    (test_folder / "run.json").write_text(json.dumps(record | {"split": "test"}))
    assert make_submission.main([]) == 1  # val holds nothing yet
    assert "nothing was written" in capsys.readouterr().err
    assert list(submissions.rglob("*.zip")) == []
    (folder / NAMES[0]).write_bytes(png())
    assert make_submission.main([]) == 0
    output = capsys.readouterr().out
    assert "development phase" in output and "final (test) phase" in output
    assert len(list(submissions.rglob("*.zip"))) == 2


def test_options_stand_above_the_record(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.zip"
    options = ["--runtime", "2.5", "--device", "NVIDIA H100", "--extra-data", "--description", "z"]
    assert make_submission.main([str(folder), "--out", str(out), *options]) == 0
    with zipfile.ZipFile(out) as archive:
        assert server_parse(archive.read("readme.txt").decode()) == (2.5, 0, 1, "z")


def test_a_run_json_by_hand_is_told_what_it_lacks(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "run.json").write_text('{"name": "mine"}')
    assert make_submission.main([str(folder)]) == 1
    error = capsys.readouterr().err
    assert "--runtime" in error and "--device" in error and "names were not compared" in error


def test_wrong_types_in_a_run_json_by_hand_are_findings(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = json.loads((folder / "run.json").read_text())
    wrong = {"extra_data": "yes", "device": 0, "runtime_per_image_s": "fast", "description": None}
    (folder / "run.json").write_text(json.dumps(record | wrong))
    assert make_submission.main([str(folder)]) == 1
    error = capsys.readouterr().err
    for words in ("extra_data: 'yes'", "device: 0", "'fast'"):
        assert words in error
    assert "description:" not in error


def test_a_folder_without_run_json_is_checked_all_the_same(
    folder: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "run.json").unlink()
    (folder / NAMES[0]).unlink()
    assert make_submission.main([str(folder), "--data", str(data)]) == 1
    error = capsys.readouterr().err
    assert "run.json" in error and f"{NAMES[0]}: expected a prediction" in error


def test_a_reference_row_is_never_submitted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_record(folder, RunRecord("blurry", reference=True))
    assert make_submission.main([str(folder)]) == 1
    assert "reference row" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["nowhere", "submissions/mini/val/mine/run.json"])
def test_what_is_no_folder(
    folder: Path, tmp_path: Path, missing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make_submission.main([str(tmp_path / missing)]) == 1
    assert "expected a folder of predictions" in capsys.readouterr().err


def test_faults_leave_the_old_zip_alone(folder: Path) -> None:
    assert make_submission.main([str(folder)]) == 0
    before = folder.with_name("mine.zip").read_bytes()
    (folder / NAMES[0]).write_bytes(png(colour=6))
    assert make_submission.main([str(folder)]) == 1
    assert folder.with_name("mine.zip").read_bytes() == before


def test_the_zip_cannot_go_into_its_own_folder(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make_submission.main([str(folder), "--out", str(folder / "x.zip")]) == 1
    assert "outside the folder" in capsys.readouterr().err
