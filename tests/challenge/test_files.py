from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from challenge import REPOSITORY
from challenge.files import kit_path, sha256, write_json, write_text, write_whole


def test_a_block_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), write_whole(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_nan_never_reaches_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", {"psnr": float("nan")})
    assert not list(tmp_path.iterdir())


def test_sha256_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()


def test_relative_paths_mean_here_first_then_the_kit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert kit_path("data/mini") == REPOSITORY / "data" / "mini"
    (tmp_path / "data" / "mini").mkdir(parents=True)
    assert kit_path("data/mini") == Path("data/mini")
    assert kit_path(tmp_path / "absent") == tmp_path / "absent"
