"""Where the authors keep their data sets and weights: the one table of addresses.

From the READMEs of AHupuJR/EFNet and AHupuJR/NTIRE2025_EventDeblur_challenge. Neither names a
hash: that of the first download that succeeded is kept, see `challenge.download.record`.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from challenge.errors import ConfigError

ETH = "https://data.vision.ee.ethz.ch/csakarid/shared/EFNet/"
CODALAB = "https://codalab.lisn.upsaclay.fr/my/datasets/download/"
DRIVE = "https://drive.usercontent.google.com/download?export=download&confirm=t&id="
DRIVE_PAGE = "https://drive.google.com/file/d/"
TRAIN_CONFIGS = "bash run.sh train configs/"


@dataclass(frozen=True)
class Place:
    """One file that can be fetched.

    Attributes:
        name: what a user types for this file alone.
        data: the data set that it belongs to, or `weights`.
        kind: "raw", "voxel" or "scer"; of a data set, the first one in the table is the usual one.
        file: its name on this machine; a .zip is unpacked, a .pth kept as it is.
        url: where it is.
        what: it is, for people.
        folder: of `--out`, in which it is unpacked: the data set's ROOT. "" for a .pth.
        splits: the folders that ROOT holds then.
        pages: to be opened in a browser where `url` fails.
        next: what can be done then, with {root}, {out}, and the usual folders {data} and {weights}.
    """

    name: str
    data: str
    kind: str
    file: str
    url: str
    what: str
    folder: str = ""
    splits: tuple[str, ...] = ()
    pages: tuple[str, ...] = ()
    next: tuple[str, ...] = ()


_TEST_PAGE = "https://www.kaggle.com/datasets/lei0331/highrev-testset"
_DOCTOR = "bash run.sh doctor {root}"
_HIGHREV = TRAIN_CONFIGS + "efnet_highrev_raw.yml data.root={root}"
_VOXEL = TRAIN_CONFIGS + "efnet_highrev_voxel.yml data.root={out}/HighREV data.voxel_root={root}"
_GOPRO = TRAIN_CONFIGS + "efnet_gopro.yml data.root={root}"
_REBLUR = (
    TRAIN_CONFIGS + "efnet_reblur_finetune.yml data.root={root} "
    "train.weights={weights}/EFNet-GoPro.pth"
)
_PREDICT = "bash run.sh predict --checkpoint {root} --split test --data {data}/"

PLACES = (
    Place(
        "highrev-train-val",
        "highrev",
        "raw",
        "HighREV.zip",
        CODALAB + "9f275580-9b38-4984-b995-1e59e96b6111",
        "HighREV, train and val: images and raw events",
        "HighREV",
        ("train", "val"),
        next=(_DOCTOR, _HIGHREV),
    ),
    Place(
        "highrev-test",
        "highrev",
        "raw",
        "HighREV_test.zip",
        CODALAB + "3ed362b8-9084-414d-a5f3-d906708773cf",
        "HighREV, test: blurry images and raw events",
        "HighREV",
        ("test",),
        (_TEST_PAGE,),
        (_DOCTOR, "bash run.sh predict --data {root} --split test --rules highrev"),
    ),
    Place(
        "highrev-voxel",
        "highrev",
        "voxel",
        "HighREV_voxel.zip",
        CODALAB + "c83e95ab-d4e6-4b9f-b7de-e3d3b45356e3",
        "HighREV, train and val: voxel grids of 6 bins, without images",
        "HighREV_voxel",
        ("train", "val"),
        next=(_VOXEL,),
    ),
    Place(
        "highrev-voxel-test",
        "highrev",
        "voxel",
        "HighREV_voxel_test.zip",
        CODALAB + "bf89f778-353a-4a51-9dba-69894de81db0",
        "HighREV, test: voxel grids of 6 bins, without images",
        "HighREV_voxel",
        ("test",),
        (_TEST_PAGE,),
    ),
    Place(
        "gopro-scer",
        "gopro",
        "scer",
        "GOPRO.zip",
        ETH + "GOPRO.zip",
        "GoPro, train and test: images and SCER grids, HDF5",
        "GOPRO",
        ("train", "test"),
        ("https://pan.baidu.com/s/1TxWdMB2LjdlgIvuc6QN-Bg (code 3wm8)",),
        (_DOCTOR, _GOPRO),
    ),
    Place(
        "gopro-raw",
        "gopro",
        "raw",
        "GOPRO_rawevents.zip",
        ETH + "GOPRO_rawevents.zip",
        "GoPro, train and test: images and raw events, HDF5",
        "GOPRO_rawevents",
        ("train", "test"),
        next=(_DOCTOR, "bash run.sh convert scer {root} {out}/GOPRO"),
    ),
    Place(
        "reblur-scer",
        "reblur",
        "scer",
        "REBlur.zip",
        ETH + "REBlur.zip",
        "REBlur, train and test: images and SCER grids, HDF5",
        "REBlur",
        ("train", "test"),
        ("https://pan.baidu.com/s/13v0CjlFUXt9TxXI0Co9tQQ?pwd=f6ha",),
        (_DOCTOR, _REBLUR),
    ),
    Place(
        "reblur-raw",
        "reblur",
        "raw",
        "REBlur_rawevents.zip",
        ETH + "REBlur_rawevents.zip",
        "REBlur, train and test: images and raw events, HDF5",
        "REBlur_rawevents",
        ("train", "test"),
        next=(_DOCTOR, "bash run.sh convert scer {root} {out}/REBlur"),
    ),
    Place(
        "efnet-gopro",
        "weights",
        "pth",
        "EFNet-GoPro.pth",
        DRIVE + "19O-B-K4IODMENQblwHbSqNu0TX0IF-iA",
        "the authors' EFNet, trained on GoPro",
        pages=(DRIVE_PAGE + "19O-B-K4IODMENQblwHbSqNu0TX0IF-iA/view",),
        next=(_PREDICT + "GOPRO --rules gopro",),
    ),
    Place(
        "efnet-reblur",
        "weights",
        "pth",
        "EFNet-REBlur.pth",
        DRIVE + "1yMGnwfYsxWbVp7r-oc8ls9qnOEDavG3h",
        "the authors' EFNet, trained on GoPro, then on REBlur",
        pages=(DRIVE_PAGE + "1yMGnwfYsxWbVp7r-oc8ls9qnOEDavG3h/view",),
        next=(_PREDICT + "REBlur --rules reblur",),
    ),
)


def find_places(
    what: str, kind: str | None = None, places: Sequence[Place] = PLACES
) -> list[Place]:
    """Find the files of a data set, of the usual kind if none is named, or the one of that name.

    Raises:
        ConfigError: there are none; says which there are.
    """
    if named := [each for each in places if each.name == what]:
        return named
    of_data = [each for each in places if each.data == what]
    if not of_data:
        known = list(dict.fromkeys([each.data for each in places] + [each.name for each in places]))
        near = difflib.get_close_matches(what.lower(), known, 1)
        asked = f"did you mean {near[0]}? " if near else ""
        raise ConfigError(f"download {what}: {asked}There are {', '.join(known)}")
    kinds = list(dict.fromkeys(each.kind for each in of_data))
    if kind and kind not in kinds:
        raise ConfigError(f"download {what} --{kind}: of {what} there is {' and '.join(kinds)}")
    return [each for each in of_data if each.kind == (kind or kinds[0])]
