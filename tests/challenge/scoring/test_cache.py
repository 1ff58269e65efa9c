"""What was scored is not scored again: contents, changes, damage, and a kill in the middle."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from challenge import REPOSITORY
from challenge.errors import DataError
from challenge.images import read_png, write_png
from challenge.metrics.profiles import PROFILES, Profile
from challenge.runs import RunRecord
from challenge.scoring import cache, pairs
from challenge.scoring.cache import ScoreCache, cache_file
from challenge.scoring.score import Scores, score_folder
from challenge.submission.decoders import read_prediction

RECORD = RunRecord("my_method")
KILLED = """
import sys
from pathlib import Path
from challenge.runs import RunRecord
from challenge.scoring.score import score_folder
if __name__ == "__main__":
    predictions, sharp, caches = map(Path, sys.argv[1:4])
    score_folder(predictions, sharp, RunRecord("my_method"), "standard", int(sys.argv[4]),
                 progress=False, caches=caches)
"""


@pytest.fixture
def computed(monkeypatch) -> list[tuple[str, tuple[str, ...]]]:
    """(frame, metrics) of every pair that is computed in this process."""
    calls = []
    compute = pairs.compute_pair

    def counted(job):
        calls.append((job.pair.frame, job.metrics))
        return compute(job)

    monkeypatch.setattr(pairs, "compute_pair", counted)
    return calls


@pytest.fixture
def score(folders, tmp_path):
    """Score the folders with a cache, in this process."""

    def scored(**options) -> Scores:
        options = {"workers": 1, "progress": False, "caches": tmp_path / "cache", **options}
        return score_folder(*folders, RECORD, "standard", **options)

    return scored


def kept(folders, tmp_path) -> Path:
    return cache_file(tmp_path / "cache", folders[0])


def test_an_unchanged_folder_is_not_computed_again(folders, score, computed):
    first = score()
    table = (folders[0] / "per_image.csv").read_bytes()
    assert len(computed) == 4
    assert score() == first and len(computed) == 4
    assert (folders[0] / "per_image.csv").read_bytes() == table
    assert score(caches=None) == first and len(computed) == 8  # control: without a cache


def test_a_changed_image_alone_is_computed_again(folders, score, computed):
    before = score()
    for folder in folders:
        computed.clear()
        path = folder / "night_run_00012.png"
        write_png(path, read_png(path) ^ 1)
        after = score()
        assert [frame for frame, _ in computed] == ["night_run_00012"]
        assert after.means != before.means and after == score(caches=None)


def test_contents_count_not_names(folders, score, computed):
    score()
    for folder in folders:
        (folder / "zigzag_00000.png").rename(folder / "zigzag_00012.png")
    computed.clear()
    assert score().frames == 4 and computed == []


def test_a_new_profile_needs_its_missing_metrics_alone(score, computed):
    score(profiles={"standard": PROFILES["standard"]})
    computed.clear()
    score(profiles={**PROFILES, "mine": Profile("psnr_luma", "ssim_gaussian")})
    assert {metrics for _, metrics in computed} == {("ssim_3d", "psnr_luma", "ssim_luma")}


def test_other_code_computes_everything_again(score, computed, monkeypatch):
    score()
    computed.clear()
    monkeypatch.setattr(cache, "metrics_sha256", lambda: "of other code")
    score()
    assert len(computed) == 4


def test_equal_images_are_kept_without_infinity(folders, score, computed, tmp_path):
    (folders[0] / "zigzag_00000.png").write_bytes((folders[1] / "zigzag_00000.png").read_bytes())
    first = score()
    assert first.sequences["zigzag"]["standard"] == {"psnr": 100.0, "ssim": 1.0}
    text = kept(folders, tmp_path).read_text()
    assert '"psnr": null' in text and "nf" not in text
    computed.clear()
    assert score() == first and computed == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: line[:50],
        lambda line: b"\x00\xff" * 40,
        lambda line: b"[]",
        lambda line: b"{}",
        lambda line: b"[" * 100_000,
        lambda line: line.replace(b'"psnr": 3', b'"psnr": 4'),  # a believable figure
        lambda line: line.replace(b'"ssim_3d": 0', b'"ssim_3d": true, "x": 0'),
    ],
    ids=["cut", "binary", "list", "empty", "deep", "figure", "type"],
)
def test_a_damaged_line_is_passed_over_with_a_warning(
    folders, score, computed, tmp_path, capsys, damage
):
    first = score()
    path = kept(folders, tmp_path)
    lines = path.read_bytes().splitlines()
    spoilt = damage(lines[1])
    assert spoilt != lines[1]
    path.write_bytes(b"\n".join([lines[0], spoilt, *lines[2:]]) + b"\n")
    computed.clear()
    assert score() == first
    assert [frame for frame, _ in computed] == ["night_run_00012"]
    assert "damaged lines passed over: 1" in capsys.readouterr().err
    computed.clear()
    assert score() == first and computed == [] and capsys.readouterr().err == ""  # mended


def test_a_file_that_is_no_cache_at_all(folders, score, computed, tmp_path, capsys):
    path = kept(folders, tmp_path)
    path.parent.mkdir()
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    assert score() == score() and len(computed) == 4
    assert "damaged" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_costs_no_score(score, tmp_path, capsys, computed):
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert score() == score(caches=None)
    assert "scores are not kept there" in capsys.readouterr().err


def test_a_value_that_is_no_number_is_a_bug_not_a_score(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        ScoreCache(tmp_path / "x.jsonl").add("a", {"psnr": math.nan})


def test_a_line_after_a_cut_off_one_is_whole(tmp_path):
    path = tmp_path / "x.jsonl"
    first = ScoreCache(path)
    first.add("a", {"psnr": 30.0})
    with open(path, "ab") as file:
        file.write(b'{"key": "b", "co')
    second = ScoreCache(path)
    second.add("c", {"psnr": math.inf})
    third = ScoreCache(path)
    assert third.find("a") == {"psnr": 30.0} and third.find("c") == {"psnr": math.inf}
    assert third.find("b") == {}
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_what_is_gone_from_the_folder_leaves_the_file(folders, score, tmp_path):
    score()
    path = kept(folders, tmp_path)
    assert len(path.read_text().splitlines()) == 4
    for folder in folders:
        (folder / "zigzag_00000.png").unlink()
    score()
    assert len(path.read_text().splitlines()) == 3


def test_the_folder_of_pngs_gains_nothing(folders, score):
    score()
    others = {path.name for path in folders[0].iterdir() if path.suffix != ".png"}
    assert others == {"scores.json", "per_image.csv"}


def test_an_error_keeps_what_was_computed(folders, score, computed):
    path = folders[0] / "night_run_00000.png"
    whole = path.read_bytes()
    path.write_bytes(whole[:200])
    with pytest.raises(DataError, match="cut off"):
        score()
    computed.clear()
    path.write_bytes(whole)
    score()
    assert [frame for frame, _ in computed] == ["night_run_00000"]


def test_an_image_that_changes_meanwhile_is_an_error(folders, score, monkeypatch):
    def overwritten(path):
        image = read_prediction(path)
        if path == folders[0] / "zigzag_00000.png":
            write_png(path, image ^ 1)
        return image

    monkeypatch.setattr(pairs, "read_prediction", overwritten)
    with pytest.raises(DataError, match="zigzag_00000.png: changed while it was scored"):
        score()


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_killed_scoring_goes_on(tmp_path, computed, workers):
    count = 24
    rng = np.random.default_rng(0)
    folders = tmp_path / "my_method", tmp_path / "sharp"
    for index in range(count):  # of about 30 ms each
        image = rng.integers(0, 250, (300, 240, 3), dtype=np.uint8)
        write_png(folders[1] / f"a_{index:05d}.png", image)
        write_png(folders[0] / f"a_{index:05d}.png", image + rng.integers(1, 5, dtype=np.uint8))
    script, caches = tmp_path / "killed.py", tmp_path / "cache"
    script.write_text(KILLED)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, script, *folders, caches, str(workers)]
    journal = cache_file(caches, folders[0])
    with subprocess.Popen(command, env=environment, start_new_session=True) as process:
        while not journal.exists() or journal.read_bytes().count(b"\n") < 3:
            assert process.poll() is None, "it must be killed before its end"
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
    assert not (folders[0] / "scores.json").exists()
    done = journal.read_bytes().count(b"\n")
    assert 3 <= done < count
    wait_until_alone(process.pid)
    scores = score_folder(*folders, RECORD, "standard", 1, progress=False, caches=caches)
    assert len(computed) == count - done
    assert scores == score_folder(*folders, RECORD, "standard", 1, progress=False)


def wait_until_alone(session: int) -> None:
    """The workers of a killed scoring leave by themselves."""
    for _ in range(1000):
        try:
            os.killpg(session, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    os.killpg(session, signal.SIGKILL)
    raise AssertionError("workers outlive their parent")
