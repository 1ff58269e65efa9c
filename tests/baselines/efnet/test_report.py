"""What a training writes to be watched: tables, TensorBoard, pictures; also after a kill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from baselines.efnet import train
from baselines.efnet.sample_pictures import GAP, SamplePictures, blurriest, chosen
from baselines.efnet.score_tables import FRAMES, LOSSES, VALIDATIONS, FrameScores
from baselines.efnet.training_log import read_log
from baselines.efnet.trainings.facts import read_training
from baselines.efnet.validation import Scores
from challenge import REPOSITORY
from challenge.datasets import open_split
from challenge.images import read_png

KILLED_AT_5 = """
import os, pathlib, signal, sys
from baselines.efnet import train, training
step = training.Training.step
def dying(self, batch):
    if self.iteration == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, batch)
training.Training.step = dying
train.main(sys.argv[2:], pathlib.Path(sys.argv[1]))
"""
SETTINGS = {
    "data.rules": "own",
    "data.workers": 0,
    "network.wf": 4,
    "train.precision": "float32",
    "train.crop": 16,
    "train.batch": 2,
    "train.iterations": 6,
    "train.log_every": 1,
    "train.save_every": 3,
    "train.validate_every": 3,
}


def test_after_a_kill_and_a_resume_every_step_is_there_once(highrev: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    words = [f"data.root={highrev}", *(f"{key}={value}" for key, value in SETTINGS.items())]
    assert train.main([*words, "name=whole"], runs) == 0
    done = subprocess.run(
        [sys.executable, "-c", KILLED_AT_5, str(runs), *words, "name=killed"],
        cwd=REPOSITORY,
        capture_output=True,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
    )
    whole, killed = runs / "whole", runs / "killed"
    assert done.returncode == -9, done.stderr
    facts = read_training(killed)
    assert (facts.state, facts.iteration, facts.iterations) == ("killed", 5, 6)
    with open(killed / FRAMES, "a") as file:
        file.write("6,park_000")  # as if it had been cut off in a write
    (events,) = (killed / "tensorboard").iterdir()
    events.write_bytes(events.read_bytes()[:-7])
    assert train.main([str(killed / "config.yml"), "--resume"], runs) == 0
    for name in ("log.jsonl", VALIDATIONS, FRAMES):
        assert (whole / name).read_bytes() == (killed / name).read_bytes(), name
    assert read_training(killed).state == "finished"
    for folder in (whole, killed):
        shown = EventAccumulator(str(folder / "tensorboard"))
        shown.Reload()
        for name in (*LOSSES, "learning_rate", "gradient_norm"):
            steps = [event.step for event in shown.Scalars(f"training/{name}")]
            assert steps == [1, 2, 3, 4, 5, 6], name
        for name in ("images_per_s", "waited_for_data", "memory_mib"):
            assert [event.step for event in shown.Scalars(f"speed/{name}")] == [1, 2, 3, 4, 5, 6]
        for name in ("psnr", "ssim"):
            assert [event.step for event in shown.Scalars(f"validation/{name}")] == [3, 6]
        pictures = [tag for tag in shown.Tags()["images"]]
        assert len(pictures) == 2  # of the two frames there are
        assert all([event.step for event in shown.Images(tag)] == [3, 6] for tag in pictures)
        (text,) = shown.Tags()["tensors"]
        (value,) = shown.Tensors(text)[0].tensor_proto.string_val
        assert b"wf: 4" in value


def test_the_tables_say_what_was_validated(highrev: Path, tmp_path: Path) -> None:
    words = [f"data.root={highrev}", *(f"{key}={value}" for key, value in SETTINGS.items())]
    assert train.main([*words, "name=t", "train.weights=null"], tmp_path) == 0
    table, frames = (  # by default pandas may miss a number's last bit
        pd.read_csv(tmp_path / "t" / name, float_precision="round_trip")
        for name in (VALIDATIONS, FRAMES)
    )
    assert table["iteration"].tolist() == [3, 6]
    assert table["best_psnr"].tolist() == table["psnr"].cummax().tolist()
    assert frames["frame"].tolist() == ["park_00000", "park_00012"] * 2
    assert frames.groupby("iteration")["psnr"].mean().tolist() == pytest.approx(table["psnr"])
    rows = [row for row in read_log(tmp_path / "t" / "log.jsonl") if "gradient_norm" in row]
    assert len(rows) == 6 and all(row["gradient_norm"] > 0 for row in rows)
    for name in LOSSES:
        assert table[name].tolist() == [rows[2][name], rows[5][name]]
    took = read_log(tmp_path / "t" / "speed.jsonl")
    assert all(row["memory_mib"] > 50 for row in took if "images_per_s" in row)


def test_rows_of_frames_after_the_resumed_iteration_are_dropped(tmp_path: Path) -> None:
    scores = Scores(20.0, 0.5, {"b,1": {"psnr": 21.0, "ssim": 0.5}, "a": {"psnr": 19, "ssim": 0.5}})
    table = FrameScores(tmp_path, 0)
    table.add(3, scores)
    kept = (tmp_path / FRAMES).read_text()
    assert kept == 'iteration,frame,psnr,ssim\n3,a,19,0.5\n3,"b,1",21.0,0.5\n'
    table.add(6, scores)
    FrameScores(tmp_path, 5)
    assert (tmp_path / FRAMES).read_text() == kept


def test_pictures_show_where_there_is_most_to_restore(highrev: Path, tmp_path: Path) -> None:
    blurry = np.full((40, 60, 3), 9, np.uint8)
    sharp = blurry.copy()
    sharp[20:24, 30:34] = 200
    rows, columns = blurriest(blurry, sharp, side=8)
    assert (rows.start, rows.stop, columns.start, columns.stop) == (16, 24, 26, 34)
    rows, columns = blurriest(blurry, blurry, side=50)  # higher than the frame
    assert (rows, columns) == (slice(0, 40), slice(0, 50))
    assert (chosen(12), chosen(2), chosen(1), chosen(0)) == ([0, 4, 7, 11], [0, 1], [0], [])
    data = open_split(highrev, "val")
    for frame in data.frames:
        content = cv2.imencode(".png", data.read_sharp(frame)[:, :, ::-1])[1].tobytes()
        (tmp_path / f"{frame}.png").write_bytes(content)
    drawn = dict(SamplePictures(data).draw(tmp_path))
    assert list(drawn) == data.frames
    for frame, picture in drawn.items():
        assert picture.shape == (40, 3 * 56 + 2 * GAP, 3) and picture.dtype == np.uint8
        assert np.array_equal(picture[:, :56], data.read_blurry(frame))
        assert np.array_equal(picture[:, 60:116], read_png(tmp_path / f"{frame}.png"))
        assert np.array_equal(picture[:, 120:], data.read_sharp(frame))


def test_a_log_holds_no_time(highrev: Path, tmp_path: Path) -> None:
    """Each row of the log is one of two kinds; what took time is in the other file."""
    words = [f"data.root={highrev}", *(f"{key}={value}" for key, value in SETTINGS.items())]
    assert train.main([*words, "name=t", "train.iterations=1"], tmp_path) == 0
    found, scored = map(json.loads, (tmp_path / "t" / "log.jsonl").read_text().splitlines())
    assert list(found) == ["iteration", *LOSSES, "learning_rate", "gradient_norm"]
    assert sum(found[name] for name in LOSSES[1:]) == pytest.approx(found["loss"], rel=1e-6)
    assert list(scored) == ["iteration", "val_psnr", "val_ssim", "learning_rate"]
