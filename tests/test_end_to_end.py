"""The whole journey through the front door, in a copy of the kit: from frames and events to a zip
and a table.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from skimage.metrics import peak_signal_noise_ratio

from challenge import REPOSITORY
from challenge.images import read_png

PARTS = ("challenge", "baselines", "leaderboard", "configs", "run.sh", "pyproject.toml")
QUICK = ["network.wf=4", "train.iterations=4", "train.crop=16", "train.batch=2", "data.workers=0"]


@pytest.fixture()
def kit(tmp_path: Path) -> Path:
    """A copy of the kit in a folder with a space in its name, without data and results."""
    copy = tmp_path / "a kit"
    copy.mkdir()
    for part in PARTS:
        source = REPOSITORY / part
        if source.is_dir():
            shutil.copytree(source, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / part)
    return copy


def bash(kit: Path, *arguments: str, cwd: Path | None = None) -> str:
    """Call run.sh with this very Python on the path; return what it printed."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in ("VIRTUAL_ENV", "CONDA_PREFIX")
    }
    done = subprocess.run(
        ["bash", str(kit / "run.sh"), *arguments],
        cwd=cwd or kit.parent, env=environment | {"PATH": path}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_from_blurry_frames_to_a_zip_and_a_table(kit: Path, highrev: Path, tmp_path: Path) -> None:
    bash(
        kit,
        "train",
        "configs/efnet_mini.yml",
        f"data.root={highrev}",
        "data.rules=own",
        "name=mine",
        *QUICK,
        cwd=kit,
    )
    bash(kit, "predict")
    bash(kit, "score")
    bash(kit, "show")
    val = kit / "submissions" / "HighREV" / "val"
    assert sorted(path.name for path in val.iterdir()) == ["blurry", "edi", "mine", "picture.png"]

    # the score is that of the images on disk, by an independent reference
    scores = json.loads((val / "mine" / "scores.json").read_text())
    expected = [
        peak_signal_noise_ratio(
            read_png(highrev / "val" / "sharp" / f"{frame}.png"),
            read_png(val / "mine" / f"{frame}.png"),
        )
        for frame in ("park_00000", "park_00012")
    ]
    assert scores["means"]["published_kit"]["psnr"] == pytest.approx(np.mean(expected), abs=1e-6)

    submit = [sys.executable, str(kit / "challenge" / "make_submission.py")]
    done = subprocess.run(submit, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(kit / "submissions" / "HighREV" / "test" / "mine.zip") as archive:
        assert sorted(archive.namelist()) == [
            "readme.txt",
            "zig_zag_00000.png",
            "zig_zag_00012.png",
        ]
        written = (kit / "submissions/HighREV/test/mine/zig_zag_00000.png").read_bytes()
        assert archive.read("zig_zag_00000.png") == written

    table = tmp_path / "table.csv"
    bash(kit, "leaderboard", "--csv", str(table))
    rows = pd.read_csv(table).set_index("run")
    assert set(rows.index) == {"blurry", "edi", "mine"}
    assert rows.loc["mine", "psnr"] == pytest.approx(
        scores["means"]["published_kit"]["psnr"], abs=1e-6
    )
    assert rows.loc["mine", "ssim"] == pytest.approx(
        scores["means"]["published_kit"]["ssim"], abs=1e-6
    )


def test_the_reference_rows_are_in_the_table_of_a_run_that_was_only_predicted(
    kit: Path, highrev: Path, tmp_path: Path
) -> None:
    bash(kit, "predict", "--baseline", "edi", "--data", str(highrev), "--name", "mine")
    bash(kit, "leaderboard", "--csv", str(tmp_path / "table.csv"))
    rows = pd.read_csv(tmp_path / "table.csv").set_index("run")
    assert set(rows.index) == {"blurry", "edi", "mine"}
    assert rows.loc["mine", "psnr"] == rows.loc["edi", "psnr"]
