"""GoPro and REBlur, the data of EFNet's paper: the whole journey, and the published weights."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from baselines import predict, references
from baselines.efnet import train
from baselines.efnet.config import read_config
from baselines.efnet.model import EFNet
from challenge import REPOSITORY
from challenge.commands import check, convert, data, submit
from challenge.datasets.hdf5 import close_files
from challenge.images import read_png, to_uint8
from challenge.rules import load_rules
from challenge.runs import load_record
from leaderboard import __main__ as leaderboard
from leaderboard import show

QUICK = (
    "network.wf=4", "train.iterations=2", "train.crop=16", "train.batch=2", "data.workers=0",
    "data.rules=own", "train.log_every=1",
)  # fmt: skip


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`highrev`, simulated, and the same frames as `scer` and `monash`: train, test (once val) and
    addition (once test, without sharp images).
    """
    root = tmp_path_factory.mktemp("simulated")
    size = ["--width", "64", "--height", "48", "--frames", "1", "--sequences", "2"]
    assert data.main(["--out", str(root / "highrev"), *size, "--workers", "1"]) == 0
    for target in ("scer", "monash"):
        out = root / target
        assert convert.main([target, str(root / "highrev"), str(out), "--workers", "1"]) == 0
        (out / "test").rename(out / "addition")
        (out / "val").rename(out / "test")
    return root


@pytest.mark.parametrize(
    ("config", "format"),
    [
        ("efnet_gopro.yml", "scer"),
        pytest.param("efnet_gopro.yml", "monash", marks=pytest.mark.slow),
        pytest.param("reblur", "scer", marks=pytest.mark.slow),
    ],
)
def test_from_hdf5_files_to_a_zip_and_a_table(
    simulated: Path,
    tmp_path: Path,
    config: str,
    format: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    runs, submissions, root = tmp_path / "runs", tmp_path / "submissions", simulated / format
    words = [f"data.root={root}", f"data.format={format}_hdf5", "name=mine", *QUICK]
    if config == "reblur":
        start = tmp_path / "EFNet-GoPro.pth"
        torch.save({"params": EFNet(wf=4).state_dict()}, start)
        config, words = "efnet_reblur_finetune.yml", [*words, f"train.weights={start}"]
    assert train.main([str(REPOSITORY / "configs" / config), *words], runs) == 0
    assert "validated on test, and the best of it is kept" in capsys.readouterr().out
    assert predict.main([], submissions, runs) == 0
    assert references.main([], submissions) == 0
    test = submissions / root.name / "test"
    assert {path.name for path in test.iterdir() if path.is_dir()} == {"mine", "blurry", "edi"}
    assert len(list((submissions / root.name / "addition" / "mine").glob("*.png"))) == 2
    record = load_record(test / "mine")
    assert (record.data_format, record.split, record.frames) == (f"{format}_hdf5", "test", 2)
    scores = json.loads((test / "mine" / "scores.json").read_text())
    blurry = json.loads((test / "blurry" / "scores.json").read_text())
    assert 5 < scores["means"]["published_kit"]["psnr"] < blurry["means"]["published_kit"]["psnr"]

    assert show.main([], submissions) == 0
    assert show.main([str(root), "--representation", "scer"], submissions) == 0
    assert submit.main([], submissions) == 0
    with zipfile.ZipFile(test / "mine.zip") as archive:
        assert len(archive.namelist()) == 3  # the test split alone
    capsys.readouterr()
    assert check.main([str(test / "mine.zip")]) == 0
    assert "error" not in capsys.readouterr().out
    assert leaderboard.main([str(submissions), "--csv", str(tmp_path / "table.csv")]) == 0
    rows = pd.read_csv(tmp_path / "table.csv").set_index("run")
    assert {"mine", "blurry", "edi"} <= set(rows.index)


def published(path: Path) -> EFNet:
    """Weights without a configuration, their gate trained as those of GoPro and REBlur."""
    torch.manual_seed(3)
    network = EFNet(wf=4)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if ".emgc_" in name:
                weight.mul_(3.0)
    torch.save({"params": network.state_dict()}, path)
    return network.eval()


def test_published_weights_see_what_the_published_loader_gave_them(
    simulated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = published(tmp_path / "EFNet-GoPro.pth")
    arguments = ["--checkpoint", str(tmp_path / "EFNet-GoPro.pth"), "--split", "test"]
    arguments += ["--data", str(simulated / "scer")]
    assert predict.main(arguments, tmp_path / "submissions", tmp_path / "runs") == 0
    warning = capsys.readouterr().err
    assert "its event-mask gate has been trained" in warning and "poor" not in warning
    close_files()
    for path in sorted((simulated / "scer" / "test").glob("*.h5")):
        with h5py.File(path) as file:  # as `H5ImageDataset` does
            frame = torch.from_numpy(file["images/image000000000"][:]).float() / 255
            voxel = file["voxels/voxel000000000"][:]
            voxel = torch.from_numpy(voxel).float() / abs(max(voxel.min(), voxel.max(), key=abs))
            mask = torch.from_numpy(file["masks/mask000000000"][:]).float() / 255
        with torch.no_grad():
            restored = network(frame[None], voxel[None], mask[None])[-1][0]
        bgr = to_uint8(restored.permute(1, 2, 0).numpy())
        name = f"submissions/scer/test/EFNet-GoPro/{path.stem}_00000.png"
        assert np.array_equal(read_png(tmp_path / name), bgr[:, :, ::-1])


def test_published_weights_restore_raw_events_alike(simulated: Path, tmp_path: Path) -> None:
    """From a folder in HighREV's layout and from raw HDF5: SCER, mask and BGR are made of them."""
    published(tmp_path / "x.pth")
    made = {}
    for name, split in (("scer", "test"), ("monash", "test"), ("highrev", "val")):
        arguments = ["--checkpoint", str(tmp_path / "x.pth"), "--split", split]
        arguments += ["--data", str(simulated / name), "--name", name]
        assert predict.main(arguments, tmp_path / "submissions", tmp_path / "runs") == 0
        folder = tmp_path / "submissions" / name / split / name
        made[name] = [read_png(path) for path in sorted(folder.glob("*.png"))]
    assert len(made["scer"]) == 2
    for one, other, third in zip(made["scer"], made["monash"], made["highrev"], strict=True):
        assert np.array_equal(one, other) and np.array_equal(one, third)


def test_a_network_of_voxel_grids_is_not_given_scer_grids(
    simulated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [f"data.root={simulated / 'highrev'}", "name=v", *QUICK, "train.validate_every=9"]
    runs, submissions = tmp_path / "runs", tmp_path / "submissions"
    assert train.main(words, runs) == 0
    capsys.readouterr()
    arguments = ["--data", str(simulated / "scer"), "--split", "test"]
    assert predict.main(arguments, submissions, runs) == 1
    said = capsys.readouterr().err
    assert "the network was trained on voxel grids, the data set has scer grids stored" in said
    assert not list(submissions.rglob("*.png"))
    arguments = [
        "--data",
        str(simulated / "monash"),
        "--split",
        "test",
    ]  # raw events: fine
    assert predict.main(arguments, submissions, runs) == 0


def test_a_configuration_that_reads_stored_grids_as_others_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["data.root=x", "data.format=scer_hdf5"]
    assert train.main([str(REPOSITORY / "configs/efnet_highrev_raw.yml"), *words], tmp_path) == 1
    assert "set data.representation=scer" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["efnet_gopro", "efnet_reblur_finetune"])
def test_the_published_recipes(name: str) -> None:
    """AHupuJR/EFNet, options/train/GoPro/EFNet.yml and options/train/REBlur/Finetune_EFNet.yml."""
    config = read_config(REPOSITORY / "configs" / f"{name}.yml")
    long = name == "efnet_gopro"
    assert config.train.iterations == (200_000 if long else 600)
    assert config.train.learning_rate == pytest.approx(2e-4 if long else 2e-5)
    assert config.train.final_learning_rate == pytest.approx(1e-7)
    assert (config.train.batch, config.train.crop) == (4, 256)
    assert config.train.flip and not config.train.transpose
    assert config.train.betas == [0.9, 0.99] and config.train.weight_decay == pytest.approx(1e-4)
    assert (config.data.representation, config.data.normalise) == ("scer", "magnitude")
    assert config.data.event_mask and config.data.channel_order == "bgr"
    assert config.data.validation == "test" and config.network.wf == 64
    rules = load_rules(config.data.rules)
    assert (rules.width, rules.height) == ((1280, 720) if long else (320, 260))
    assert rules.profile == "published_kit"
