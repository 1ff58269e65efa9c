"""Images of a few pixels: `score` and the server refuse the same sizes, with the same words."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from challenge.commands import score
from challenge.errors import DataError
from challenge.images import write_png
from challenge.metrics.profiles import METRICS, PROFILES, SMALLEST, compute
from challenge.rules import Rules
from challenge.runs import RunRecord
from challenge.scoring.score import score_folder
from challenge.server import program
from challenge.server.program import Settings, Shown
from challenge.submission import Readme, write_readme

SIZES = [(1, 1), (7, 40), (10, 10), (11, 11), (12, 12), (40, 12), (15, 15), (16, 16)]


def noise(width: int, height: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("metric", [name for kind in METRICS.values() for name in kind])
def test_smallest_is_what_the_metric_itself_says(metric: str) -> None:
    least = SMALLEST.get(metric, 1)
    image = noise(least, least, 0)
    assert np.isfinite(compute([metric], image, 255 - image)[metric])
    if least > 1:
        for height, width in ((least - 1, 40), (40, least - 1)):
            with pytest.raises(DataError, match="cannot be compared"):
                compute([metric], noise(width, height, 0), noise(width, height, 1))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("profile", list(PROFILES))
def test_score_and_the_server_agree(
    tmp_path: Path,
    profile: str,
    size: tuple[int, int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    res, ref = tmp_path / "in" / "res", tmp_path / "in" / "ref"
    for number, frame in enumerate(("a_00000", "a_00012")):
        write_png(res / f"{frame}.png", noise(*size, seed=number))
        write_png(ref / f"{frame}.png", noise(*size, seed=number + 2))
    template = Rules().readme
    (res / "readme.txt").write_text(write_readme(template, Readme(0.5, 1, 0)))
    columns = [Shown(key.upper(), key, PROFILES[profile]) for key in ("psnr", "ssim")]
    settings = asdict(Settings("x", template, columns))
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    output = tmp_path / "out"
    code = program.main(str(tmp_path / "in"), str(output), tmp_path / "settings.json")
    said = capsys.readouterr().err
    if min(size) >= PROFILES[profile].smallest:
        scores = score_folder(res, ref, RunRecord("x"), profile, progress=False)
        server = json.loads((output / "scores.json").read_text())
        assert code == 0
        assert server == {key.upper(): value for key, value in scores.means[profile].items()}
    else:
        assert code == 1
        with pytest.raises(DataError, match="too small to be scored under") as refused:
            score_folder(res, ref, RunRecord("x"), profile, progress=False)
        assert said == f"error: {refused.value}\n"
        assert f"{size[0]}x{size[1]} (width x height)" in said


def test_profiles_that_need_larger_images_are_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_png(tmp_path / "run" / "a_00000.png", noise(8, 8, 0))
    write_png(tmp_path / "sharp" / "a_00000.png", noise(8, 8, 1))
    arguments = [str(tmp_path / "run"), "--sharp", str(tmp_path / "sharp"), "--lpips", "none"]
    assert score.main(arguments, tmp_path / "submissions") == 0
    said = capsys.readouterr().out
    assert "too small for them: ntire_y, standard" in said and "published_kit *" in said
    assert score.main(arguments, tmp_path / "submissions") == 0
    assert score.main([*arguments, "--profile", "ntire_y"], tmp_path / "submissions") == 1
