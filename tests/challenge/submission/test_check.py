"""A submission's check finds every fault, in a folder and in a zip."""

from __future__ import annotations

import dataclasses
import io
import struct
import zipfile
import zlib
from pathlib import Path

import pytest

from challenge.errors import SubmissionError
from challenge.rules import Rules
from challenge.submission import (
    Expected,
    Finding,
    Readme,
    check_submission,
    listing,
    write_readme,
)
from challenge.submission.candidate import expected_submission
from challenge.submission.png import inspect_png

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
        ("run.json", "other"),
        ("README.TXT", "other"),
        ("C:\\zigzag_00012.png", "path"),
    ],
)
def test_what_does_not_belong_into_a_zip(
    tmp_path: Path, expected: Expected, name: str, kind: str
) -> None:
    path = make_zip(tmp_path / "x.zip", good_files() | {name: b"x"})
    (finding,) = check_submission(path, expected)
    assert (finding.kind, finding.level) == (kind, "error")


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("../etc/x.txt", {"path": "warning", "folder": "error"}),
        ("readme.txt/", {"entry": "error", "folder": "error"}),
        ("readme.txt/x", {"entry": "error", "folder": "error"}),
        ("x" * 256, {"name": "error"}),
        ("a.txt", {"other": "error"}),
    ],
)
def test_what_unpacking_does_not_put_right(
    tmp_path: Path, expected: Expected, name: str, kinds: dict[str, str]
) -> None:
    path = make_zip(tmp_path / "x.zip", good_files() | {name: b"x"})
    assert {each.kind: each.level for each in check_submission(path, expected)} == kinds


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        (NAMES[0], [("duplicate", NAMES[0], "warning")]),
        (f"./{NAMES[0]}", [("duplicate", NAMES[0], "warning")]),
        (f"../{NAMES[0]}", [("duplicate", NAMES[0], "warning"), ("path", NAMES[0], "warning")]),
        ("metadata", [("other", "metadata", "warning")]),
        ("./", []),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_what_unpacking_puts_right_is_no_error(
    tmp_path: Path, expected: Expected, name: str, kinds: list[tuple[str, str, str]]
) -> None:
    """The last of one name counts, as in the folder that unpacking leaves."""
    path = make_zip(tmp_path / "x.zip", good_files())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, b"" if name.endswith("/") else png())
    found = [(each.kind, each.file, each.level) for each in check_submission(path, expected)]
    assert sorted(found) == kinds
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(NAMES[0], b"damaged")
    assert "damaged" in [finding.kind for finding in check_submission(path, expected)]


def test_dots_before_every_name_are_nothing(tmp_path: Path, expected: Expected) -> None:
    assert found(make_zip(tmp_path / "x.zip", good_files("./")), expected) == []


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_both_platforms_unpack_is_no_fault(
    tmp_path: Path, expected: Expected, method: int
) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", method) as archive:
        for name, content in good_files().items():
            archive.writestr(name, content)
    assert found(tmp_path / "x.zip", expected) == []


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_entry_that_cannot_be_unpacked_is_found_even_where_another_replaces_it(
    tmp_path: Path, expected: Expected
) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(NAMES[0], b"the first of this name")
        for name, content in good_files().items():
            archive.writestr(name, content)
    content = path.read_bytes().replace(b"the first", b"THE FIRST", 1)
    path.write_bytes(content)
    (fault,) = [each for each in check_submission(path, expected) if each.level == "error"]
    assert (fault.kind, fault.file) == ("unreadable", NAMES[0])


def test_a_zip_without_readme(tmp_path: Path, expected: Expected) -> None:
    path = make_zip(tmp_path / "x.zip", {name: png() for name in NAMES})
    assert found(path, expected) == [("readme", "readme.txt")]


def test_a_bomb_is_not_opened(tmp_path: Path, expected: Expected) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (good_files() | {NAMES[0]: bytes(65 << 20)}).items():
            archive.writestr(name, content)
    assert found(path, expected) == [("bomb", "x.zip")]


def test_an_encrypted_entry(tmp_path: Path, expected: Expected) -> None:
    path = make_zip(tmp_path / "x.zip", good_files())
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1  # the first entry's flag bit 0
    path.write_bytes(content)
    assert ("entry", NAMES[0]) in found(path, expected)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut off"])
def test_what_is_no_zip(tmp_path: Path, expected: Expected, content: bytes) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(content)
    with pytest.raises(SubmissionError, match="expected a zip"):
        check_submission(path, expected)


def test_a_name_that_codabench_cannot_store_is_a_warning(
    tmp_path: Path, expected: Expected
) -> None:
    assert found(make_zip(tmp_path / ("x" * 60 + ".zip"), good_files()), expected) == []
    (finding,) = check_submission(make_zip(tmp_path / ("x" * 61 + ".zip"), good_files()), expected)
    assert (finding.kind, finding.level, finding.found) == ("name", "warning", "65")


def test_a_zip_over_the_limit_is_an_error_with_the_figure(
    tmp_path: Path, expected: Expected
) -> None:
    path = make_zip(tmp_path / "x.zip", good_files())
    small = dataclasses.replace(expected, zip_limit_mb=0.0001)
    (finding,) = check_submission(path, small)
    assert (finding.kind, finding.level) == ("limit", "error")
    assert finding.found == f"{path.stat().st_size / 1e6:.1f} MB"
    assert check_submission(path, dataclasses.replace(expected, zip_limit_mb=1.0)) == []
