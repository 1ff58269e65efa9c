"""What a submission must hold: from the rules, and from the input frames where they are on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from challenge.findings import Finding
from challenge.submission.png import inspect_png

if TYPE_CHECKING:
    from challenge.rules import Rules


@dataclass(frozen=True)
class Expected:
    """What is asked of a submission; None where it is not known.

    Attributes:
        readme: template of `readme.txt` (see `challenge.rules.Rules`).
        names: file names of the PNGs, "zigzag_00012.png".
        frames: number of PNGs.
        size: (width, height) in pixels of every PNG.
        sizes: file name -> (width, height), where `size` is None.
        source: where the names come from, for messages.
        zip_limit_mb: largest zip in 10^6 bytes.
        inputs: folder of the blurry frames, where they are on disk.
    """

    readme: str
    names: frozenset[str] | None = None
    frames: int | None = None
    size: tuple[int, int] | None = None
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    source: str = "the rules"
    zip_limit_mb: float | None = None
    inputs: Path | None = None

    def size_of(self, name: str) -> tuple[int, int] | None:
        """(width, height) in pixels that the PNG of this name must have."""
        return self.size or self.sizes.get(name)


def expected_submission(
    rules: Rules, data_root: Path | None, split: str | None
) -> tuple[Expected, list[Finding]]:
    """Put together what is expected, and what is doubtful about that.

    Names and sizes are those of `data_root/split/blur/*.png`; without them only the rules' count is
    known. A data folder with another number of frames than the rules ask for is an error: the
    server would miss images.
    """
    frames = rules.frames.get(split) if split else None
    size = (rules.width, rules.height) if rules.width and rules.height else None
    inputs = data_root / split / "blur" if data_root and split else None
    if inputs is None or not inputs.is_dir():
        where = str(inputs) if inputs else "not known: no data folder, or no split"
        doubt = Finding(
            "names",
            f"{where}",
            "the input frames, to compare the names with",
            "no folder",
            "the names were not compared: give --data ROOT --split SPLIT",
            "warning",
        )
        known = Expected(rules.readme, None, frames, size, zip_limit_mb=rules.zip_limit_mb)
        return known, [doubt]
    paths = sorted(path for path in inputs.glob("*.png") if not path.name.startswith("."))
    sizes = {} if size else {path.name: found for path in paths if (found := _size(path))}
    known = Expected(
        readme=rules.readme,
        names=frozenset(path.name for path in paths),
        frames=len(paths),
        size=size,
        sizes=sizes,
        source=str(inputs),
        zip_limit_mb=rules.zip_limit_mb,
        inputs=inputs,
    )
    if paths and frames in (None, len(paths)):
        return known, []
    fix = "complete the data, or name the right --data, --split and --rules"
    asked = f"{frames} input frames" if frames is not None else "input frames"
    return known, [Finding("data", str(inputs), asked, f"{len(paths)}", fix)]


def _size(path: Path) -> tuple[int, int] | None:
    with open(path, "rb") as stream:
        png = inspect_png(stream, header_only=True)
    return None if png.fault else (png.width, png.height)
