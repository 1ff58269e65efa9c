"""Random damage to zips, images and readme: a page and an exit code, never a write outside."""

from __future__ import annotations

import random
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from challenge.commands.rehearse import Rehearsal
from challenge.errors import SubmissionError
from challenge.findings import Finding
from challenge.hosting import platforms
from challenge.hosting.packed import scoring_program
from challenge.server import program

Refused = Callable[[Rehearsal], list[Finding]]
ROOT = Path(__file__).resolve().parents[3]
ROUNDS = 60
PEAK_OF_ONE_SCORING = """
import pathlib, resource, sys
from challenge.server import program
program.main(sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]))
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def mangled(data: bytes, chance: random.Random) -> bytes:
    """Some bytes changed, cut out, repeated, or appended."""
    result = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(result) + 1)
        length = chance.randint(1, 40)
        change = chance.randrange(4)
        if change == 0:
            result[place : place + 1] = bytes([chance.randrange(256)])
        elif change == 1:
            del result[place : place + length]
        elif change == 2:
            result[place:place] = result[place : place + length]
        else:
            result[place:place] = chance.randbytes(length)
    return bytes(result)


def with_checksums(data: bytes) -> bytes:
    """A PNG whose chunks all have the right checksum again: damage that only a decoder sees."""
    place, parts = 8, [data[:8]]
    while place + 8 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        body = data[place + 4 : place + 8 + length]
        parts += [data[place : place + 4], body, zlib.crc32(body).to_bytes(4, "big")]
        place += 12 + length
    return b"".join(parts)


@pytest.fixture
def settings(tmp_path: Path, plan: Rehearsal) -> Path:
    path = tmp_path / "settings.json"
    path.write_bytes(scoring_program(plan.rules)["settings.json"])
    return path


def score(unpacked: Path, output: Path, settings: Path) -> int:
    """Run the program; whatever it says, a page and nothing but its own files must be there."""
    code = program.main(str(unpacked), str(output), settings)
    names = {path.name for path in output.iterdir()}
    page = (output / "detailed_results.html").read_text(encoding="ascii")
    assert names == {"detailed_results.html"} | (
        {"scores.json", "scores.txt"} if code == 0 else set()
    )
    assert ("Not scored" in page) == (code == 1)
    assert "the scoring program failed" not in page
    for path in output.iterdir():
        path.unlink()
    return code


@pytest.mark.parametrize("kind", ["bytes", "pixels", "readme"])
def test_damaged_files(
    unpacked: Path, tmp_path: Path, settings: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(f"server {kind}")
    victim = unpacked / "res" / ("readme.txt" if kind == "readme" else "park_00000.png")
    good = victim.read_bytes()
    codes = []
    for _ in range(ROUNDS):
        bad = mangled(good, chance)
        victim.write_bytes(with_checksums(bad) if kind == "pixels" else bad)
        codes.append(score(unpacked, tmp_path / "output", settings))
    assert 1 in codes
    victim.write_bytes(good)
    assert score(unpacked, tmp_path / "output", settings) == 0
    assert "Traceback" not in capsys.readouterr().err


def chunk(kind: bytes, body: bytes) -> bytes:
    content = kind + body
    return len(body).to_bytes(4, "big") + content + zlib.crc32(content).to_bytes(4, "big")


def peak_bytes(unpacked: Path, output: Path, settings: Path) -> int:
    """The most memory that a scoring in a process of its own had at once."""
    arguments = [str(path) for path in (unpacked, output, settings)]
    command = [sys.executable, "-c", PEAK_OF_ONE_SCORING, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert "Not scored" in (output / "detailed_results.html").read_text() or not done.stderr
    return int(done.stdout.rpartition("peak ")[2])


def test_small_chunks_that_unpack_to_much_do_not_fill_the_memory(
    unpacked: Path, tmp_path: Path, settings: Path
) -> None:
    """256 MiB in a text, a profile, and the pixels themselves."""
    image = unpacked / "res" / "park_00000.png"
    good = image.read_bytes()
    usual = peak_bytes(unpacked, tmp_path / "output", settings)
    bomb = zlib.compress(bytes(256 << 20))
    for kind, start in ((b"zTXt", b"a\0\0"), (b"iCCP", b"a\0\0"), (b"iTXt", b"a\0\1\0\0\0")):
        image.write_bytes(good[:33] + chunk(kind, start + bomb) + good[33:])
        assert peak_bytes(unpacked, tmp_path / "output", settings) - usual < 64 << 20
    image.write_bytes(good[:33] + chunk(b"IDAT", bomb) + good[-12:])
    assert peak_bytes(unpacked, tmp_path / "output", settings) - usual < 64 << 20


def test_damaged_zips(
    refused: Refused,
    plan: Rehearsal,
    files: list[tuple[str, bytes]],
    tmp_path: Path,
    settings: Path,
) -> None:
    """The zip's own bytes, or a name and a file in a sound one: refused, or left to the program."""
    chance = random.Random("server zips")
    good = plan.zipped.read_bytes()
    outside = {path for path in tmp_path.rglob("*") if path.is_file()}
    ends = {"refused": 0, "unpacked": 0}
    for number in range(ROUNDS):
        run = tmp_path / "run" / str(number)
        platforms.lay_out(run, {}, plan.sharp)
        plan.zipped.write_bytes(mangled(good, chance))
        if number % 2:
            name, content = files[0]
            name = mangled(name.encode(), chance).decode("latin-1").replace("\0", "") or "x"
            with zipfile.ZipFile(plan.zipped, "w") as archive:
                for each in [(name, mangled(content, chance)), *files[1:]]:
                    archive.writestr(*each)
        if findings := refused(plan):
            platforms.refuse(findings, "T", run / "output")
            assert "Not scored" in (run / "output" / "detailed_results.html").read_text()
            ends["refused"] += 1
            continue
        try:
            platforms.unpack(plan.zipped, run / "input" / "res")
        except SubmissionError:
            continue
        ends["unpacked"] += 1
        score(run / "input", run / "output", settings)
    assert min(ends.values()) > 0, ends
    files = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert all(tmp_path / "run" in path.parents for path in files - outside)


@pytest.mark.parametrize(
    "name",
    ["../out.png", "/abs.png", "a/../../out.png", "..\\out.png", "C:\\out.png", "a\x00b", ""],
)
def test_names_that_lead_outside_write_nothing_there(
    refused: Refused, plan: Rehearsal, tmp_path: Path, name: str
) -> None:
    with zipfile.ZipFile(plan.zipped, "a") as archive:
        archive.writestr(zipfile.ZipInfo(name or "/"), b"x")
    run = tmp_path / "run"
    platforms.lay_out(run, {}, plan.sharp)
    before = {path for path in tmp_path.rglob("*")}
    if not refused(plan):
        platforms.unpack(plan.zipped, run / "input" / "res")
    new = {path for path in tmp_path.rglob("*")} - before
    allowed = (run / "input" / "res", run / "output")
    assert all(any(folder in path.parents for folder in allowed) for path in new)
    assert not Path("/abs.png").exists()


def test_a_zip_that_lies_about_a_size_is_stopped(
    refused: Refused, plan: Rehearsal, tmp_path: Path
) -> None:
    data = bytearray(plan.zipped.read_bytes())
    place = data.index(b"PK\x01\x02") + 24
    data[place : place + 4] = (100).to_bytes(4, "little")
    plan.zipped.write_bytes(data)
    assert refused(plan) == []
    with pytest.raises(SubmissionError, match="could not unpack 'park_00000.png'"):
        platforms.unpack(plan.zipped, tmp_path / "res")
    assert not (tmp_path / "res" / "park_00000.png").stat().st_size > 100
