"""`bash run.sh download`: from an address to a data set that can be opened."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from lying_server import PAGE, Server, serving

from challenge import REPOSITORY
from challenge.commands import download
from challenge.datasets import open_split
from challenge.download import get as getting
from challenge.download.places import PLACES, find_places
from challenge.download.transfer import Patience
from challenge.environment.locks import locked
from challenge.errors import ConfigError

QUICK = Patience(silent_s=10.0, tries=2, first_tries=1, pause_s=0.001, longest_pause_s=0.01)


def zip_of(root: Path, *splits: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for split in splits:
            for path in sorted((root / split).rglob("*.*")):
                archive.write(path, f"HighREV/{path.relative_to(root).as_posix()}")
    return packed.getvalue()


@pytest.fixture
def server(highrev: Path) -> Iterator[Server]:
    with serving(zip_of(highrev, "train", "val")) as served:
        yield served


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getting.Wish, "__init__", _impatient(getting.Wish.__init__))


def _impatient(usual):  # type: ignore[no-untyped-def]
    def made(self, *values):  # type: ignore[no-untyped-def]
        usual(self, *values, patience=QUICK)

    return made


def run(*arguments: str) -> int:
    return download.main(list(arguments))


def test_a_data_set_is_fetched_unpacked_and_opens(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], highrev: Path
) -> None:
    out = tmp_path / "my data"
    server.acts = ["cut:20000", "serve"]
    assert run("highrev-train-val", "--out", str(out), "--url", server.url) == 0
    said = capsys.readouterr().out
    root = out / "HighREV"
    assert f"wrote {root / 'train'}: 52 files" in said
    assert f"next: bash run.sh train configs/efnet_highrev_raw.yml data.root={root}" in said
    for split in ("train", "val"):
        ours, theirs = open_split(root, split), open_split(highrev, split)
        assert ours.frames == theirs.frames
        assert (ours[0].blurry == theirs[0].blurry).all()
    assert {each.name for each in out.iterdir()} == {"HighREV", "HighREV.zip.json"}
    record = json.loads((out / "HighREV.zip.json").read_text())
    assert record["size"] == len(server.content) and record["url"] == server.url
    asked = len(server.asked)
    assert run("highrev-train-val", "--out", str(out), "--url", server.url) == 0
    assert "already there" in capsys.readouterr().out
    assert len(server.asked) == asked


def test_another_file_later_is_noticed_and_can_be_taken(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], highrev: Path
) -> None:
    given = ["highrev-train-val", "--out", str(tmp_path), "--url", server.url]
    (tmp_path / "HighREV").rename(tmp_path / "elsewhere")
    assert run(*given, "--keep-archive") == 0
    assert (tmp_path / "HighREV.zip").read_bytes() == server.content
    (tmp_path / "HighREV").rename(tmp_path / "first")
    assert run(*given) == 0  # unpacked again, and not asked for
    assert len(server.asked) == 1 and not (tmp_path / "HighREV.zip").exists()
    (tmp_path / "HighREV").rename(tmp_path / "second")
    server.content, server.etag = zip_of(tmp_path / "first", "val", "train"), '"two"'
    capsys.readouterr()
    assert run(*given) == 1
    said = capsys.readouterr().err
    assert f"not the file that {server.url} sent on 20" in said
    assert f"remove {tmp_path / 'HighREV.zip.json'}" in said
    assert not (tmp_path / "HighREV").exists()
    (tmp_path / "HighREV.zip.json").unlink()
    assert run(*given) == 0
    assert open_split(tmp_path / "HighREV", "val").frames == ["park_00000", "park_00012"]


def test_what_cannot_be_reached_says_what_to_do_by_hand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], highrev: Path, server: Server
) -> None:
    server.acts = ["404"]
    dead = [dataclasses.replace(each, url=server.url) for each in PLACES]
    assert download.main(["highrev", "--out", str(tmp_path / "out")], dead) == 1
    said = capsys.readouterr().err
    assert "2 of 2 could not be fetched" in said
    assert f"put what you get at {tmp_path / 'out' / 'HighREV.zip'}" in said
    assert f"there is {tmp_path / 'out' / 'HighREV' / 'test'}" in said
    file = tmp_path / "from a browser.zip"
    file.write_bytes(server.content)
    out = ["--out", str(tmp_path / "out")]
    assert run("highrev", *out, "--from", str(file)) == 1
    assert "which is it?" in capsys.readouterr().err
    assert run("highrev-train-val", *out, "--from", str(file)) == 0
    assert open_split(tmp_path / "out" / "HighREV", "train").frames
    assert file.exists()
    file.write_bytes(PAGE)
    assert run("gopro", *out, "--from", str(file)) == 1
    assert "cannot be unpacked" in capsys.readouterr().err


@pytest.mark.parametrize("new_format", [True, False])
def test_weights_are_kept_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], new_format: bool
) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("archive/data.pkl", b"x" * 1000)
    content = packed.getvalue() if new_format else b"\x80\x02}q\x00."
    path = tmp_path / "EFNet-GoPro.pth"
    with serving(content) as server:
        given = ["efnet-gopro", "--out", str(tmp_path)]
        server.acts = ["quota"]
        assert run(*given, "--url", server.url) == 1
        said = capsys.readouterr().err
        assert "too many people" in said and "/file/d/19O-B-K4IODMENQblwHbSqNu0TX0IF-iA/" in said
        server.acts = ["sure", "serve"]
        assert run(*given, "--url", server.url) == 0
        assert path.read_bytes() == content
        assert "--checkpoint" in capsys.readouterr().out
        path.unlink()
        server.content, server.etag = content[:-1] + b"!", '"two"'
        assert run(*given, "--url", server.url) == 1  # another file, or (a zip) a damaged one
        assert not path.exists()
    other = tmp_path / "x.pth"
    for wrong in (b"hello, world", PAGE):
        other.write_bytes(wrong)
        assert run(*given, "--from", str(other)) == 1
        assert not path.exists()
    other.write_bytes(content)
    assert run(*given, "--from", str(other)) == 0
    assert path.read_bytes() == other.read_bytes() == content


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["highref"], "did you mean highrev?"),
        (["gopro", "--voxel"], "of gopro there is scer and raw"),
        (["highrev", "--url", "http://x"], "of which file? bash run.sh download highrev-train-val"),
        (["gopro", "--url", "/data/x.zip"], "a file is given by --from"),
        (["gopro", "--raw", "--voxel"], "give one of them"),
        (["gopro", "--from", "nowhere.zip"], "no such file"),
        (["gopro", "--from", "."], "a folder"),
    ],
)
def test_a_mistake_on_the_command_line_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert run(*arguments, "--out", str(tmp_path)) == 1
    assert words in capsys.readouterr().err


def test_two_at_once_do_not_write_one_file(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    with locked(out / "HighREV.zip"):
        assert run("highrev-train-val", "--out", str(out), "--url", server.url) == 1
    assert "another process" in capsys.readouterr().err
    assert server.asked == []
    assert run("highrev-train-val", "--out", str(out), "--url", server.url) == 0


def test_a_killed_download_is_gone_on_with(server: Server, tmp_path: Path) -> None:
    out = tmp_path / "out"
    given = ["highrev-train-val", "--out", str(out), "--url", server.url]
    server.acts = ["stall:20000"]
    command = [sys.executable, "-m", "challenge.commands.download", *given]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    part = out / "HighREV.zip.part"
    try:
        deadline = time.monotonic() + 30
        while not (part.is_file() and part.stat().st_size == 20000):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (out / "HighREV").exists()
    server.acts = ["serve"]
    assert run(*given) == 0
    assert server.ranges == [None, "bytes=20000-"]
    assert {each.name for each in out.iterdir()} == {"HighREV", "HighREV.zip.json"}


def test_the_table_of_addresses_is_consistent() -> None:
    names = [each.name for each in PLACES]
    assert len(set(names)) == len({each.url for each in PLACES}) == len(names)
    assert not set(names) & {each.data for each in PLACES}
    assert [each.name for each in find_places("highrev")] == ["highrev-train-val", "highrev-test"]
    assert [each.name for each in find_places("gopro", "raw")] == ["gopro-raw"]
    assert [each.name for each in find_places("weights")] == ["efnet-gopro", "efnet-reblur"]
    for place in PLACES:
        assert place.url.startswith("https://")
        assert place.file.endswith(".zip" if place.folder else ".pth")
        assert bool(place.folder) == bool(place.splits)
        for line in place.next:
            line.format(root="R", out="O", data="D", weights="W")
    with pytest.raises(ConfigError, match="did you mean reblur"):
        find_places("REBlurr")


def test_without_arguments_every_address_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    said = capsys.readouterr().out
    assert all(each.name in said and each.url in said for each in PLACES)
    assert "bash run.sh weights" in said
