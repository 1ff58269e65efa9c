"""A zip over the platform's limit is compressed harder; what is still too large is said so."""

from __future__ import annotations

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from challenge.commands import check, submit
from challenge.images import read_png, write_png
from challenge.runs import RunRecord, save_record
from challenge.submission.ledger import read_ledger
from challenge.submission.recompress import smaller_png
from challenge.submission.write import zip_size

HEIGHT, WIDTH = 96, 128


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "submissions" / "big" / "val" / "mine"
    for number in range(4):
        coarse = np.random.default_rng(number).integers(0, 255, (6, 8, 3)).astype(np.uint8)
        picture = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        write_png(tmp_path / "data" / "val" / "blur" / f"a_{number:05d}.png", 255 - picture)
        write_png(folder / f"a_{number:05d}.png", picture)
    rules = tmp_path / "big.yml"
    record = {"runtime_per_image_s": 0.5, "device": "cpu", "rules": str(rules), "split": "val"}
    save_record(folder, RunRecord("mine", data_root=str(tmp_path / "data"), **record))
    return folder


def limit(tmp_path: Path, size: float) -> None:
    (tmp_path / "big.yml").write_text(f"zip_limit_mb: {size / 1e6:.6f}\n")


def reached(folder: Path, level: int) -> int:
    """Bytes of the zip's PNGs at a level; readme.txt and the list of names take another 700."""
    return sum(len(smaller_png(path, level)) for path in sorted(folder.glob("*.png")))


def test_below_the_limit_the_files_go_in_as_they_are(run: Path, tmp_path: Path) -> None:
    limit(tmp_path, zip_size(run) + 1000)
    assert submit.main([str(run)], run.parents[2]) == 0
    with zipfile.ZipFile(run.with_name("mine.zip")) as archive:
        assert archive.read("a_00000.png") == (run / "a_00000.png").read_bytes()


def test_over_the_limit_the_pngs_get_smaller_and_stay_equal(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    limit(tmp_path, reached(run, 6) + 1500)
    assert zip_size(run) > reached(run, 6) + 1500  # else nothing would have to be done
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    assert submit.main([str(run)], run.parents[2]) == 0
    assert "smaller than the folder, pixels equal" in capsys.readouterr().out
    with zipfile.ZipFile(run.with_name("mine.zip")) as archive:
        for path in run.glob("*.png"):
            (tmp_path / "out.png").write_bytes(archive.read(path.name))
            np.testing.assert_array_equal(read_png(tmp_path / "out.png"), read_png(path))
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


def test_still_too_large_it_is_written_and_refused_with_the_figures(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    limit(tmp_path, 1000)
    assert submit.main([str(run)], run.parents[2]) == 1
    captured = capsys.readouterr()
    path = run.with_name("mine.zip")
    over = (path.stat().st_size - 1000) / 1e6
    assert f"{over:.1f} MB here" in captured.err and "CodaLab takes 300 MB" in captured.err
    command = f"python challenge/make_submission.py {run}"
    assert f"`{command}` has compressed it as far as that helps" in captured.err
    assert path.stat().st_size < zip_size(run)
    assert check.main([str(path)]) == 1  # that a zip made elsewhere may become smaller, it says
    assert "`python challenge/make_submission.py` compresses" in capsys.readouterr().out
    assert len(read_ledger(tmp_path / "submissions" / "ledger.csv")) == 1
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        packed = archive.read("a_00000.png")
    assert packed == smaller_png(run / "a_00000.png", 6)  # level 9 would take long, and not do


def test_the_last_level_is_tried_where_it_may_do(run: Path, tmp_path: Path) -> None:
    limit(tmp_path, 0.95 * reached(run, 6))
    submit.main([str(run)], run.parents[2])
    with zipfile.ZipFile(run.with_name("mine.zip")) as archive:
        assert archive.read("a_00000.png") == smaller_png(run / "a_00000.png", 9)
