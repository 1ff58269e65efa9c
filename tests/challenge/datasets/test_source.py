"""One description of a data set, taken from a configuration, written to a record and read back."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from challenge import REPOSITORY
from challenge.datasets import DataSource, open_split
from challenge.errors import ConfigError
from challenge.runs import RunRecord


def test_what_a_record_says_is_what_it_was_made_from(tmp_path: Path) -> None:
    source = DataSource(tmp_path / "A", "highrev_voxel", tmp_path / "B", bins=9)
    record = RunRecord("mine", **source.record_fields())
    assert (record.data_root, record.data_format) == (str(tmp_path / "A"), "highrev_voxel")
    assert DataSource.of_record(record) == source


def test_a_record_that_says_little_means_raw_events() -> None:
    assert DataSource.of_record(RunRecord("mine")) is None
    found = DataSource.of_record(RunRecord("mine", data_root="A"))
    assert found == DataSource(Path("A"), "highrev_raw", None, 6)


def test_folders_of_a_configuration_are_sought_in_the_kit(tmp_path: Path) -> None:
    data = {"root": "configs", "format": "highrev_raw", "bins": 6, "voxel_root": None}
    assert DataSource.of_config(data).root in (REPOSITORY / "configs", Path("configs"))
    assert DataSource.of_config(data | {"root": str(tmp_path)}).root == tmp_path
    assert DataSource.of_config(data | {"voxel_root": "~/x"}).voxel_root == Path.home() / "x"


def test_opening_is_the_same_as_by_hand(highrev: Path) -> None:
    source = DataSource(highrev)
    assert source.open("val").frames == open_split(highrev, "val").frames
    with pytest.raises(ConfigError, match="expected one of highrev_raw, highrev_voxel"):
        dataclasses.replace(source, format="gopro").open("val")
