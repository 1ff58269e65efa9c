"""Write the zip, read it back, and only then put it in its place."""

from __future__ import annotations

import operator
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from challenge.errors import SubmissionError
from challenge.files import BLOCK, add_to_zip, list_pngs, sha256, write_whole
from challenge.submission import readme
from challenge.submission.readme import Readme
from challenge.zips import UNREADABLE


@dataclass(frozen=True)
class Written:
    """A finished zip."""

    path: Path
    size: int  # bytes
    images: int
    sha256: str


Pack = Callable[[Sequence[Path]], Iterable[bytes]]
"""PNG files to the bytes that go into the zip in their place, in the same order."""
Same = Callable[[bytes, bytes], bool]
"""Whether what was packed in a PNG's place holds the same pixels."""


def write_submission(
    folder: Path,
    path: Path,
    template: str,
    values: Readme,
    pack: Pack | None = None,
    same: Same = operator.eq,
) -> Written:
    """Write every `*.png` of `folder` and `readme.txt` to a flat zip, and read it back.

    Names are sorted, dates fixed, the entries stored (PNGs are compressed already); memory does not
    grow with the zip. A zip that stood at `path` is replaced only when the new one is whole and
    equal to the folder.

    Args:
        folder: FRAME.png files.
        path: the zip.
        template, values: of `readme.txt`.
        pack: makes smaller PNGs of the folder's (`challenge.submission.recompress`); None: they are
            stored as they are, block by block.
        same: compares a packed PNG with the folder's, when the zip is read back after `pack`.

    Raises:
        SubmissionError: the zip read back is not the folder.
        ConfigError: the template cannot be filled.
    """
    images = list_pngs(folder)
    text = readme.write_readme(template, values)
    with write_whole(path) as temporary:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            contents: Iterable[bytes | Path] = pack(images) if pack else images
            for image, content in zip(images, contents, strict=True):
                add_to_zip(archive, image.name, content)
            add_to_zip(archive, readme.FILE_NAME, text.encode("utf-8"))
        problems = read_back(temporary, images, template, values, same if pack else None)
        if problems:
            raise SubmissionError(
                f"{path}: the zip that was written is not what the folder holds, and was thrown "
                "away; is another program writing there, or the disk full? Run it again",
                problems,
            )
    return Written(path, path.stat().st_size, len(images), sha256(path))


def zip_size(folder: Path) -> int:
    """Return bytes of the zip of a folder of predictions (but for readme.txt), PNGs stored as they
    are.
    """
    images = list_pngs(folder)
    names = sum(len(image.name.encode("utf-8", "surrogateescape")) for image in images)
    return sum(image.stat().st_size for image in images) + 76 * len(images) + 2 * names + 22


def read_back(
    path: Path, images: Sequence[Path], template: str, content: Readme, same: Same | None = None
) -> list[str]:
    """Compare a zip with its files: names, every byte, and `readme.txt` as the server reads it.

    With `same`, PNGs may differ in their bytes, if it finds the same pixels in them.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [info.filename for info in archive.infolist()]
            if names != [*(image.name for image in images), readme.FILE_NAME]:
                return ["its list of names differs from the folder's"]
            problems = [
                f"{image.name}: its {'pixels' if same else 'bytes'} differ from the file's"
                for image in images
                if not (_equal(archive, image) or (same and _alike(archive, image, same)))
            ]
            text = archive.read(readme.FILE_NAME).decode("utf-8")
    except UNREADABLE as error:
        return [f"it cannot be read: {error}"]
    differences = readme.readme_differences(text, template, content)
    return problems + [f"readme.txt: {what} does not read back" for what in differences]


def _alike(archive: zipfile.ZipFile, image: Path, same: Same) -> bool:
    return same(archive.read(image.name), image.read_bytes())


def _equal(archive: zipfile.ZipFile, image: Path) -> bool:
    with archive.open(image.name) as packed, open(image, "rb") as original:
        while True:
            block = packed.read(BLOCK)
            if block != original.read(BLOCK):
                return False
            if not block:
                return True
