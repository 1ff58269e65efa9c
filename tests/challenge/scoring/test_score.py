"""A folder scored whole: names, means, findings, files."""

import json
import math
import shutil
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from challenge.errors import ConfigError, DataError
from challenge.images import read_png, write_png
from challenge.metrics.profiles import PROFILES, Profile, score_pair
from challenge.runs import RunRecord
from challenge.scoring import pairs, score
from challenge.scoring.results import gains, load_scores, usable_scores
from challenge.scoring.score import current_scores, score_folder

RECORD = RunRecord("my_method", challenge="mini", split="val")


def scored(folder: Path, sharp: Path, **options) -> score.Scores:
    return score_folder(folder, sharp, RECORD, "standard", progress=False, **options)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.suffix != ".png"}


def test_every_image_under_every_profile(folders):
    predictions, sharp = folders
    scores = scored(predictions, sharp)
    table = pd.read_csv(predictions / "per_image.csv")
    assert table["frame"].tolist() == sorted(path.stem for path in sharp.iterdir())
    assert table["sequence"].tolist() == ["night_run"] * 3 + ["zigzag"]
    assert table.columns.tolist()[2:] == [
        f"{name}_{metric}" for name in PROFILES for metric in ("psnr", "ssim")
    ]
    for row in table.to_dict("records"):
        pair = (read_png(folder / f"{row['frame']}.png") for folder in (predictions, sharp))
        expected = score_pair("ntire_y", *pair)
        assert row["ntire_y_psnr"] == pytest.approx(expected["psnr"], abs=1e-6)
        assert row["ntire_y_ssim"] == pytest.approx(expected["ssim"], abs=1e-6)
    assert scores.frames == 4 and scores.profile == "standard"


def test_a_profile_of_the_challenges_own_is_scored_beside_the_kits(folders):
    predictions, sharp = folders
    profiles = {**PROFILES, "mine": Profile("psnr_luma", "ssim_3d", psnr_cap=40.0)}
    scores = score_folder(*folders, RECORD, "mine", progress=False, profiles=profiles)
    table = pd.read_csv(predictions / "per_image.csv")
    assert list(scores.means) == [*PROFILES, "mine"] and scores.profile == "mine"
    assert (table["mine_ssim"] == table["published_kit_ssim"]).all()
    assert (table["mine_psnr"] == np.minimum(table["ntire_y_psnr"], 40.0)).all()
    assert table["ntire_y_psnr"].max() > 40  # the cap is at work
    assert current_scores(predictions, sharp, profiles) == scores == load_scores(predictions)
    assert current_scores(predictions, sharp) is None  # other profiles, other scores
    assert gains(scored(sharp, sharp), scores).keys() == PROFILES.keys()  # what both have


def test_means_are_over_images_and_per_sequence(folders):
    scores = scored(*folders)
    table = pd.read_csv(folders[0] / "per_image.csv")
    values = table["standard_psnr"].to_numpy()
    assert scores.means["standard"]["psnr"] == pytest.approx(values.mean(), abs=1e-6)
    night, zigzag = (scores.sequences[name]["standard"]["psnr"] for name in ("night_run", "zigzag"))
    assert night == pytest.approx(values[:3].mean(), abs=1e-6)
    assert zigzag == pytest.approx(values[3], abs=1e-6)
    assert abs(scores.means["standard"]["psnr"] - (night + zigzag) / 2) > 1  # not of sequences


def test_the_score_file_holds_what_was_promised(folders):
    predictions, sharp = folders
    scores = scored(predictions, sharp)
    kept = json.loads((predictions / "scores.json").read_text())
    assert list(kept) == [
        "run",
        "challenge",
        "split",
        "profile",
        "frames",
        "means",
        "sequences",
        "predictions_sha256",
        "sharp_sha256",
        "profiles_sha256",
        "extra",
        "extra_sequences",
    ]
    assert (kept["run"], kept["challenge"], kept["split"]) == ("my_method", "mini", "val")
    assert load_scores(predictions) == scores


def test_names_match_not_their_order(folders):
    predictions, sharp = folders
    before = scored(predictions, sharp).means
    first, second = predictions / "night_run_00000.png", predictions / "night_run_00012.png"
    spare = predictions / "spare"
    for source, target in ((first, spare), (second, first), (spare, second)):
        source.rename(target)
    assert scored(predictions, sharp).means["standard"]["psnr"] < before["standard"]["psnr"] - 3


def test_equal_images_are_capped_in_the_files(folders):
    scores = scored(folders[1], folders[1])
    assert scores.means == {name: {"psnr": 100.0, "ssim": 1.0} for name in PROFILES}
    text = (folders[1] / "scores.json").read_text() + (folders[1] / "per_image.csv").read_text()
    assert "inf" not in text.lower() and "nan" not in text.lower()


def test_processes_change_nothing(folders):
    assert scored(*folders, workers=2) == scored(*folders, workers=1)


def test_all_wrong_names_and_sizes_are_reported_at_once(folders):
    predictions, sharp = folders
    (predictions / "night_run_00000.png").rename(predictions / "['night_run_00000'].png")
    (predictions / "night_run_00012.png").unlink()
    shutil.copy(sharp / "zigzag_00000.png", predictions / "other_00000.png")
    write_png(predictions / "zigzag_00000.png", np.zeros((24, 20, 3), np.uint8))
    with pytest.raises(DataError) as caught:
        scored(predictions, sharp)
    text = str(caught.value)
    assert "['night_run_00000'].png: expected night_run_00000.png" in text
    assert "night_run_00012.png: expected a prediction, found none" in text
    assert "other_00000.png" in text
    assert "zigzag_00000.png: expected 24x20 (width x height), found 20x24" in text
    assert len(caught.value.problems) == 4
    assert files(predictions) == set()


def test_damaged_images_are_all_reported_and_nothing_is_written(folders):
    predictions, sharp = folders
    scored(predictions, sharp)
    kept = (predictions / "scores.json").read_bytes()
    cut = predictions / "night_run_00000.png"
    cut.write_bytes(cut.read_bytes()[:200])
    cv2.imwrite(str(predictions / "zigzag_00000.png"), np.zeros((20, 24, 4), np.uint8))
    with pytest.raises(DataError) as caught:
        scored(predictions, sharp)
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        str(cut),
        str(predictions / "zigzag_00000.png"),
    ]
    assert "cut off" in caught.value.problems[0]
    assert "RGB with alpha" in caught.value.problems[1]
    assert (predictions / "scores.json").read_bytes() == kept


def test_a_text_file_called_png_is_found_before_scoring(folders):
    (folders[0] / "zigzag_00000.png").write_text("not an image")
    with pytest.raises(DataError, match="zigzag_00000.png: expected a PNG, found something else"):
        scored(*folders)


def test_tiny_images_name_the_file(tmp_path):
    for folder in ("predictions", "sharp"):
        write_png(tmp_path / folder / "a_00000.png", np.zeros((9, 10, 3), np.uint8))
    with pytest.raises(DataError, match=r"a_00000.png: expected at least 11x11 pixels"):
        scored(tmp_path / "predictions", tmp_path / "sharp")


def test_missing_and_empty_folders(folders, tmp_path):
    predictions, sharp = folders
    with pytest.raises(DataError, match="expected a folder of predictions, found nothing"):
        scored(tmp_path / "none", sharp)
    with pytest.raises(DataError, match="expected the sharp images, found no PNG"):
        scored(predictions, tmp_path)
    with pytest.raises(DataError, match="no PNG here, but in .*my_method"):
        scored(tmp_path, sharp)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match="bash run.sh predict"):
        scored(empty, sharp)


def test_hidden_files_do_not_count(folders):
    (folders[0] / "._zigzag_00000.png").write_bytes(b"a Mac was here")
    assert scored(*folders).frames == 4


def test_wrong_options(folders):
    with pytest.raises(ConfigError, match="did you mean ntire_y"):
        score_folder(*folders, RECORD, "ntire-y", progress=False)
    with pytest.raises(ConfigError, match="at least 1, found 0"):
        scored(*folders, workers=0)
    assert files(folders[0]) == set()


def test_scores_are_current_until_an_image_changes(folders):
    predictions, sharp = folders
    assert current_scores(predictions, sharp) is None
    scores = scored(predictions, sharp)
    assert current_scores(predictions, sharp) == scores
    for folder in folders:
        path = folder / "zigzag_00000.png"
        before = path.read_bytes()
        write_png(path, read_png(path) ^ 1)
        assert current_scores(predictions, sharp) is None
        path.write_bytes(before)
        assert current_scores(predictions, sharp) == scores
    (predictions / "zigzag_00000.png").rename(predictions / "zigzag_00012.png")
    assert current_scores(predictions, sharp) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"means": 3}', '{"run": "x"}'])
def test_a_score_file_that_cannot_be_read_counts_as_none(folders, text):
    (folders[0] / "scores.json").write_text(text)
    assert usable_scores(folders[0]) is None


def test_a_score_file_of_fewer_metrics_counts_as_none(folders):
    scored(*folders)
    path = folders[0] / "scores.json"
    values = json.loads(path.read_text())
    del values["sequences"]["zigzag"]["standard"]["ssim"]
    path.write_text(json.dumps(values))
    assert usable_scores(folders[0]) is None


def test_gains_are_differences_of_means(folders):
    predictions, sharp = folders
    mine, perfect = scored(predictions, sharp), scored(sharp, sharp)
    gain = gains(perfect, mine)
    assert gain is not None
    expected = 100 - mine.means["standard"]["psnr"]
    assert math.isclose(gain["standard"]["psnr"], expected)
    write_png(sharp / "zigzag_00000.png", np.zeros((20, 24, 3), np.uint8))
    assert gains(scored(sharp, sharp), mine) is None  # other sharp images: not comparable


def test_a_killed_process_is_one_clear_error(folders, monkeypatch):
    def killed(*_arguments):
        raise BrokenProcessPool("killed")

    monkeypatch.setattr(pairs, "map_in_processes", killed)
    with pytest.raises(DataError, match="--workers 1"):
        scored(*folders, workers=2)
    assert files(folders[0]) == set()
