"""Write the zip, read it back, and only then put it in its place."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from challenge.errors import SubmissionError
from challenge.files import sha256, write_whole
from challenge.submission import readme
from challenge.submission.entries import UNREADABLE
from challenge.submission.readme import Readme

BLOCK = 1 << 20
DATE = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can hold: the same inputs give the same bytes
PERMISSIONS = 0o100644 << 16


@dataclass(frozen=True)
class Written:
    """A finished zip."""

    path: Path
    size: int  # bytes
    images: int
    sha256: str


def write_submission(folder: Path, path: Path, template: str, content: Readme) -> Written:
    """Write every `*.png` of `folder` and `readme.txt` to a flat zip, and read it back.

    Names are sorted, dates fixed, PNGs stored as they are (they are compressed already), one block
    in memory at a time. A zip that stood at `path` is replaced only when the new one is whole and
    equal to the folder.

    Raises:
        SubmissionError: the zip read back is not the folder.
        ConfigError: the template cannot be filled.
    """
    images = image_files(folder)
    text = readme.write_readme(template, content)
    with write_whole(path) as temporary:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            for image in images:
                with open(image, "rb") as source, _create(archive, image.name, image) as target:
                    while block := source.read(BLOCK):
                        target.write(block)
            with _create(archive, readme.FILE_NAME) as target:
                target.write(text.encode("utf-8"))
        problems = read_back(temporary, images, template, content)
        if problems:
            raise SubmissionError(
                f"{path}: the zip that was written is not what the folder holds, and was thrown "
                "away; is another program writing there, or the disk full? Run it again",
                problems,
            )
    return Written(path, path.stat().st_size, len(images), sha256(path))


def image_files(folder: Path) -> list[Path]:
    """The PNGs of a folder of predictions, sorted by name; hidden files are left out."""
    return sorted(path for path in folder.glob("*.png") if not path.name.startswith("."))


def read_back(path: Path, images: Sequence[Path], template: str, content: Readme) -> list[str]:
    """Compare a zip with its files: names, every byte, and `readme.txt` as the server reads it."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [info.filename for info in archive.infolist()]
            if names != [*(image.name for image in images), readme.FILE_NAME]:
                return ["its list of names differs from the folder's"]
            problems = [
                f"{image.name}: its bytes differ from the file's"
                for image in images
                if not _equal(archive, image)
            ]
            text = archive.read(readme.FILE_NAME).decode("utf-8")
    except UNREADABLE as error:
        return [f"it cannot be read: {error}"]
    differences = readme.readme_differences(text, template, content)
    return problems + [f"readme.txt: {what} does not read back" for what in differences]


def _create(archive: zipfile.ZipFile, name: str, source: Path | None = None) -> IO[bytes]:
    info = zipfile.ZipInfo(name, DATE)
    info.external_attr = PERMISSIONS
    info.create_system = 3  # Unix, whatever wrote it
    info.file_size = source.stat().st_size if source else 0
    return archive.open(info, "w")


def _equal(archive: zipfile.ZipFile, image: Path) -> bool:
    with archive.open(image.name) as packed, open(image, "rb") as original:
        while True:
            block = packed.read(BLOCK)
            if block != original.read(BLOCK):
                return False
            if not block:
                return True
