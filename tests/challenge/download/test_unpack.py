"""Archives unpacked: the data set's folder is found, and nothing dishonest comes out."""

from __future__ import annotations

import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from challenge.datasets.packed import find_root
from challenge.download.unpack import is_whole_zip, looks_like_zip, unpack
from challenge.environment.space import need_space
from challenge.errors import ChallengeError, DataError, DiskError, disk_errors

FILES = {"train/a.h5": b"a" * 5000, "train/deep/b.h5": b"b", "test/c.h5": b"c"}
SPLITS = ("train", "test")


def pack(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tree(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("wrapped", ["", "GOPRO/", "./x/y/", "data//"])
def test_the_data_set_is_found_whatever_is_around_it(tmp_path: Path, wrapped: str) -> None:
    files = {wrapped + name: content for name, content in FILES.items()}
    other = {"readme.txt": b"r", "__MACOSX/GOPRO/train/._a.h5": b"m", f"{wrapped}train/._a": b"m"}
    done = unpack(
        pack(tmp_path / "a.zip", {**files, **other, f"{wrapped}.DS_Store": b""}),
        tmp_path / "out" / "GOPRO",
        SPLITS,
    )
    assert tree(tmp_path / "out" / "GOPRO") == FILES
    assert (done.files, done.there, done.left_out) == ({"train": 2, "test": 1}, (), 4)


def test_what_windows_packed_is_unpacked_too(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("GOPRO\\train\\", "GOPRO\\train\\a.h5", "GOPRO\\test\\b.h5"):
            archive.writestr(name, b"" if name.endswith("\\") else b"x")
    unpack(path, tmp_path / "root", SPLITS)
    assert tree(tmp_path / "root") == {"train/a.h5": b"x", "test/b.h5": b"x"}


@pytest.mark.parametrize("wrapped", ["", "HighREV_test/", "test/", "HighREV/test/"])
def test_one_split_may_come_without_a_folder_of_its_own(tmp_path: Path, wrapped: str) -> None:
    names = ("blur/s_00000.png", "event/s_00000_00.npz")
    path = pack(tmp_path / "a.zip", {wrapped + name: b"x" for name in names})
    (tmp_path / "HighREV" / "train").mkdir(parents=True)
    unpack(path, tmp_path / "HighREV", ("test",))
    assert set(tree(tmp_path / "HighREV")) == {f"test/{name}" for name in names}


def test_what_is_there_already_is_left_alone(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", FILES)
    (tmp_path / "root" / "train").mkdir(parents=True)
    (tmp_path / "root" / "train" / "mine.h5").write_bytes(b"mine")
    done = unpack(path, tmp_path / "root", SPLITS)
    assert (done.there, done.files) == (("train",), {"test": 1})
    assert tree(tmp_path / "root") == {"train/mine.h5": b"mine", "test/c.h5": b"c"}


@pytest.mark.parametrize(
    "names, words",
    [
        (["a.h5", "b/c.h5"], "expected folders train, val, test in it, found a.h5, b"),
        (["x/train/a", "y/test/b"], "found several: in x/, y/"),
        ([], "found nothing"),
        (["train"], "found train"),  # a file
    ],
)
def test_an_archive_of_something_else_is_refused(
    tmp_path: Path, names: list[str], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        find_root(names)
    path = pack(tmp_path / "a.zip", dict.fromkeys(names, b"x"))
    with pytest.raises(DataError, match=r"a\.zip: .*unpack it by hand, so that there is .* train/"):
        unpack(path, tmp_path / "root", SPLITS)
    assert not (tmp_path / "root").exists()


def link(info: zipfile.ZipInfo) -> None:
    info.external_attr = (stat.S_IFLNK | 0o777) << 16


def rename(name: str) -> Callable[[zipfile.ZipInfo], None]:
    return lambda info: setattr(info, "filename", name)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    "change, words",
    [
        (rename("train/../../evil"), "leads out"),
        (rename("/etc/evil"), "leads out"),
        (rename("..\\evil"), "leads out"),
        (rename("train\\..\\..\\evil"), "leads out"),
        (rename("\\evil"), "leads out"),
        (rename("C:/evil"), "leads out"),
        (rename("train/a.h5"), "2 files of that name"),
        (rename("train/./a.h5"), "2 files of that name"),
        (link, "a symbolic link"),
    ],
)
def test_a_dishonest_entry_keeps_everything_out(
    tmp_path: Path, change: Callable[[zipfile.ZipInfo], None], words: str
) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("train/a.h5", b"a")
        info = zipfile.ZipInfo("train/odd")
        change(info)
        archive.writestr(info, b"../../x")
    with pytest.raises(DataError, match=words):
        unpack(path, tmp_path / "in" / "root", SPLITS)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.zip"]


def test_a_bomb_is_refused_before_anything_is_unpacked(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"train/a.h5": bytes(30_000_000)})
    with pytest.raises(DataError, match="no data set is compressed"):
        unpack(path, tmp_path / "root", SPLITS)
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("flag, method, words", [(1, 0, "encrypted"), (0, 9, "deflate64")])
def test_what_python_cannot_unpack_is_named(
    tmp_path: Path, flag: int, method: int, words: str
) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("train/a.h5", b"a")
    content = bytearray(path.read_bytes())
    listed = content.index(b"PK\x01\x02")
    struct.pack_into("<HH", content, listed + 8, flag, method)
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"train/a.h5: .*{words}.*another program"):
        unpack(path, tmp_path / "root", SPLITS)


@pytest.mark.parametrize("damage", ["cut", "flipped", "text"])
def test_a_damaged_archive_leaves_nothing(tmp_path: Path, damage: str) -> None:
    path = pack(tmp_path / "a.zip", FILES, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[content.index(b"test/c.h5") + 9] ^= 1  # the last one, when others are written
    path.write_bytes({"cut": content[:-30], "text": b"hello"}.get(damage, content))
    assert is_whole_zip(path) == (damage == "flipped")
    assert looks_like_zip(content[:4])
    with pytest.raises(DataError, match=r"a\.zip: cannot be unpacked.*damaged"):
        unpack(path, tmp_path / "in" / "root", SPLITS)
    assert not [each for each in tmp_path.rglob("*") if each.is_file() and each != path]


def test_room_is_looked_after(tmp_path: Path) -> None:
    need_space(tmp_path / "not" / "there", 1000, "a")
    with pytest.raises(DiskError, match=r"there: a needs 9000000000\.0 GB, free are .*--out DIR"):
        need_space(tmp_path / "not" / "there", 9 * 10**18, "a")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_damaged_archive_gives_all_of_it_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    path = pack(folder / "a.zip", {f"GOPRO/{name}": content for name, content in FILES.items()})
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.sampled_from((len(content), len(content) // 2)))])
    try:
        with disk_errors():
            unpack(path, folder / "root", SPLITS)
    except ChallengeError as error:
        assert str(folder) in str(error)
        assert not [each for each in folder.rglob("*") if each.is_file() and each != path]
    else:
        assert tree(folder / "root") == FILES
