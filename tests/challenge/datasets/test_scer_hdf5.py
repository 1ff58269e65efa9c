"""GoPro and REBlur with SCER grids: what is read, what is refused, and that it is read late."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hdf5_recordings import BINS, HEIGHT, WIDTH, write_scer

from challenge.datasets import Dataset, DataSource, open_split
from challenge.datasets.hdf5 import MOST_OPEN, Hdf5, close_files
from challenge.datasets.store.frame_file import FrameFile, write_frame
from challenge.errors import DataError
from challenge.sample import Window, part_of, sequence_of


@pytest.fixture()
def gopro(tmp_path: Path) -> Path:
    """train: a sequence with underscores in its name; test: two, one with a dot; 2 frames each."""
    write_scer(tmp_path / "train" / "GOPR0372_07_00.h5", seed=1)
    write_scer(tmp_path / "test" / "b.1.h5", seed=2)
    write_scer(tmp_path / "test" / "a.hdf5", seed=3)
    (tmp_path / "test" / "._a.h5").write_bytes(b"\0\5\x16\7AppleDouble")
    return tmp_path


def change(path: Path, **arrays: np.ndarray | None) -> None:
    """Put other arrays into a file, or take them out; `__` in a name stands for `/`."""
    close_files()
    with h5py.File(path, "a") as file:
        for key, array in arrays.items():
            name = key.replace("__", "/")
            if name in file:
                del file[name]
            if array is not None:
                file[name] = array


def test_frames_have_names_in_order_and_of_their_sequence(gopro: Path) -> None:
    test = open_split(gopro, "test")
    assert test.frames == ["a_00000", "a_00001", "b.1_00000", "b.1_00001"]
    assert open_split(gopro, "train").frames == ["GOPR0372_07_00_00000", "GOPR0372_07_00_00001"]
    assert sequence_of("GOPR0372_07_00_00001") == "GOPR0372_07_00"
    assert test.stored_kind == "scer" and test.has_sharp and len(test) == 4
    assert DataSource.of_folder(gopro).format == "scer_hdf5"


def test_images_are_bgr_on_disk_grids_as_they_are_masks_0_or_1(gopro: Path) -> None:
    stored = write_scer(gopro / "test" / "b.1.h5", seed=2)  # the same again
    sample = open_split(gopro, "test")[3]
    assert sample.frame == "b.1_00001" and sample.events is None and sample.stored_kind == "scer"
    assert sample.blurry.shape == (HEIGHT, WIDTH, 3) and sample.blurry.dtype == np.uint8
    for channel in range(3):  # RGB in memory, BGR on disk
        assert np.array_equal(
            sample.blurry[:, :, channel], stored["images/image000000001"][2 - channel]
        )
        assert sample.sharp is not None
        assert np.array_equal(
            sample.sharp[:, :, channel], stored["sharp_images/image000000001"][2 - channel]
        )
    assert sample.stored_grid is not None and sample.stored_grid.dtype == np.float32
    assert np.array_equal(sample.stored_grid, stored["voxels/voxel000000001"])  # not normalised
    assert sample.stored_mask is not None and set(np.unique(sample.stored_mask)) == {0, 1}
    assert np.array_equal(sample.stored_mask, stored["masks/mask000000001"] // 255)


def test_a_part_is_cut_from_the_whole_bit_for_bit(gopro: Path) -> None:
    test = open_split(gopro, "test")
    window = Window(3, 10, 16, 24)
    part, whole = test.read_part("a_00001", window), part_of(test[1], window)
    for name in ("blurry", "sharp", "stored_grid", "stored_mask"):
        assert np.array_equal(getattr(part, name), getattr(whole, name)), name
    assert part.stored_kind == "scer" and test.frame_size("a_00001") == (HEIGHT, WIDTH)
    assert test.source_files("a_00001") == [gopro / "test" / "a.hdf5"]


def test_addition_has_no_sharp_images(gopro: Path) -> None:
    write_scer(gopro / "addition" / "x.h5", sharp=False)
    addition = open_split(gopro, "addition")
    assert not addition.has_sharp and addition[0].sharp is None
    with pytest.raises(DataError, match="x.h5: no sharp_images; the sharp images are withheld"):
        addition.read_sharp("x_00000")
    assert addition.read_part("x_00000", Window(0, 0, 4, 4)).sharp is None


def test_a_sharp_image_that_only_one_frame_lacks_is_a_fault(gopro: Path) -> None:
    change(gopro / "test" / "a.hdf5", sharp_images__image000000001=None)
    with pytest.raises(DataError, match=r"a.hdf5: sharp_images/image000000001 is missing"):
        open_split(gopro, "test")


def test_without_masks_there_is_none_and_one_that_is_missing_is_a_fault(gopro: Path) -> None:
    train = gopro / "train" / "GOPR0372_07_00.h5"
    change(train, masks__mask000000001=None)
    with pytest.raises(DataError, match="masks/mask000000001 is missing"):
        open_split(gopro, "train")
    change(train, masks=None)
    assert open_split(gopro, "train")[0].stored_mask is None


def test_seven_channels_are_refused_with_the_reason(gopro: Path) -> None:
    write_scer(gopro / "test" / "seven.h5", channels=BINS + 1)
    with pytest.raises(DataError, match=r"seven.h5: .*found \(7, 40, 56\).*middle of the exposure"):
        open_split(gopro, "test")
    with pytest.raises(DataError, match=r"found \(6, 40, 56\); if only the bins differ, set data"):
        open_split(gopro, "train", bins=4)
    assert len(open_split(gopro, "train", bins=6)) == 2  # its neighbour


@pytest.mark.parametrize(
    ("name", "array", "said"),
    [
        ("images__image000000000", np.zeros((3, HEIGHT, WIDTH)), "expected uint8, found float64"),
        ("images__image000000000", np.zeros((4, HEIGHT, WIDTH), "u1"), "expected .3, H, W. or"),
        ("images__image000000000", np.zeros((3, WIDTH, HEIGHT), "u1"), "not .W, H"),
        ("voxels__voxel000000000", np.zeros((6, HEIGHT, 9), "f4"), "voxel000000000: expected"),
        ("voxels__voxel000000000", np.full((6, HEIGHT, WIDTH), np.nan, "f4"), "NaN or infinity"),
        ("voxels__voxel000000000", None, "voxels/voxel000000000 is missing"),
        ("masks__mask000000000", np.zeros((HEIGHT, WIDTH), "u1"), "mask000000000: expected .1"),
        ("sharp_images__image000000000", np.zeros((3, 9, 9), "u1"), "sensor_resolution says"),
        ("images", None, "expected the groups images and voxels"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_its_name(
    gopro: Path, name: str, array: np.ndarray | None, said: str
) -> None:
    path = gopro / "train" / "GOPR0372_07_00.h5"
    change(path, **{name: array})
    with pytest.raises(DataError, match=said) as caught:
        open_split(gopro, "train")[0]
    assert str(path) in str(caught.value)


def test_a_size_that_is_not_that_of_the_array_is_a_fault(gopro: Path) -> None:
    close_files()
    path = gopro / "train" / "GOPR0372_07_00.h5"
    with h5py.File(path, "a") as file:
        file["images/image000000001"].attrs["size"] = (3, 720, 1280)
    train = open_split(gopro, "train")
    assert train[0].blurry.shape == (HEIGHT, WIDTH, 3)
    with pytest.raises(DataError, match=r"image000000001: expected \(3, 40, 56\), as it is stored"):
        train[1]


def test_a_sharp_image_of_another_size_is_a_fault_where_the_file_names_no_sensor(
    gopro: Path,
) -> None:
    path = gopro / "train" / "GOPR0372_07_00.h5"
    change(path, sharp_images__image000000000=np.zeros((3, 9, 9), np.uint8))
    with h5py.File(path, "a") as file:
        del file.attrs["sensor_resolution"]
    with pytest.raises(DataError, match="expected 56x40 .* like its blurry frame, found 9x9"):
        open_split(gopro, "train")[0]


def test_a_folder_without_files_or_with_two_of_one_name_is_refused(gopro: Path) -> None:
    with pytest.raises(DataError, match="val: expected SEQUENCE.h5 files, found no such folder"):
        open_split(gopro, "val", "scer_hdf5")
    write_scer(gopro / "test" / "a.h5")
    with pytest.raises(DataError, match="sequences in more than one file"):
        open_split(gopro, "test")


@pytest.mark.parametrize("kind", ["empty", "text", "cut off", "head alone"])
def test_a_damaged_file_is_one_sentence_with_its_name(gopro: Path, kind: str) -> None:
    path = gopro / "train" / "GOPR0372_07_00.h5"
    content = path.read_bytes()
    keep = {"empty": b"", "text": b"no such data\n" * 99}
    cut = {"cut off": len(content) // 2, "head alone": 600}
    path.write_bytes(keep[kind] if kind in keep else content[: cut[kind]])
    with pytest.raises(DataError, match="not readable as HDF5") as caught:
        open_split(gopro, "train")
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_header_that_claims_more_than_is_stored_takes_no_memory(gopro: Path) -> None:
    path = gopro / "train" / "GOPR0372_07_00.h5"
    close_files()
    with h5py.File(path, "a") as file:
        for name, shape in (("images/image000000000", (3, 10**6, 10**6)),):
            del file[name]
            file.create_dataset(name, shape, "u1", chunks=(3, 64, 64))  # not a byte of it is stored
        del file.attrs["sensor_resolution"]
    with pytest.raises(
        DataError, match=r"its header says .*1000000.* but 0 bytes of it are stored"
    ):
        Hdf5(path).read("images/image000000000")
    with pytest.raises(DataError, match="GOPR0372_07_00.h5"):
        open_split(gopro, "train")[0]


def first_pixel(train: Dataset) -> tuple[int, int]:
    return os.getpid(), int(train[0].blurry[0, 0, 0])


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_worker_processes_open_the_files_for_themselves(
    gopro: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    generators = str(Path(__file__).parents[2] / "generators")
    monkeypatch.setenv("PYTHONPATH", f"{generators}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    train = open_split(gopro, "train")
    _, here = first_pixel(train)  # the file is open here now
    with multiprocessing.get_context(method).Pool(2) as pool:
        results = pool.map(np.array, [[1]])  # the pool works at all
        assert len(results) == 1
        there = pool.map(read_red, [pickle.dumps(train)] * 4)
    assert there == [here] * 4


def read_red(pickled: bytes) -> int:
    return int(pickle.loads(pickled)[0].blurry[0, 0, 0])


def test_few_files_are_open_at_a_time(tmp_path: Path) -> None:
    for number in range(MOST_OPEN + 4):
        write_scer(tmp_path / "train" / f"s{number:02d}.h5", frames=1, seed=number)
    close_files()
    count: Callable[[], int] = lambda: len(os.listdir("/proc/self/fd"))  # noqa: E731
    before, train = count(), open_split(tmp_path, "train")
    for index in (*range(len(train)), 0):
        assert train[index].blurry.shape == (HEIGHT, WIDTH, 3)
        assert count() <= before + MOST_OPEN
    close_files()
    assert count() <= before


def test_a_store_holds_what_the_file_does(gopro: Path, tmp_path: Path) -> None:
    test = open_split(gopro, "test")
    write_frame(tmp_path / "one", test[0], [])
    with FrameFile(tmp_path / "one") as file:
        kept = file.read(Window(3, 10, 16, 24))
    part = test.read_part("a_00000", Window(3, 10, 16, 24))
    assert kept.stored_kind == "scer" and kept.magnitude == 3.0
    for name in ("blurry", "sharp", "stored_grid", "stored_mask"):
        assert np.array_equal(getattr(kept, name), getattr(part, name)), name


WRITER = """
import sys, h5py
file = h5py.File(sys.argv[1], "a", locking=True)
print("writing", flush=True)
sys.stdin.read()
"""


def test_a_file_that_another_process_writes_is_refused_and_one_it_reads_is_not(gopro: Path) -> None:
    path = gopro / "train" / "GOPR0372_07_00.h5"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as writer:  # fmt: skip
        assert writer.stdout is not None and writer.stdout.readline() == "writing\n"
        with pytest.raises(DataError, match="another process is writing it: wait for it"):
            open_split(gopro, "train")
        writer.communicate("")
    train = open_split(gopro, "train")
    with h5py.File(path) as beside:  # in this process too, while the data set has it open
        assert len(beside["images"]) == len(train) == 2


def test_a_file_system_without_locks_is_read_from(
    gopro: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = h5py.File

    def without_locks(path: Path, mode: str, **options: object) -> h5py.File:
        if options.get("locking") is not False:
            raise OSError("[Errno 37] Unable to lock file (errno = 37, No locks available)")
        return whole(path, mode, **options)

    close_files()
    monkeypatch.setattr(h5py, "File", without_locks)
    assert open_split(gopro, "train")[0].blurry.shape == (HEIGHT, WIDTH, 3)
    close_files()
