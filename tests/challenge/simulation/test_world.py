"""What is drawn for a sequence lies in its range; what cannot be is told, every value of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from challenge.errors import ConfigError
from challenge.simulation.frames import BAYER
from challenge.simulation.world import (
    FOLDER,
    LIMITS,
    Take,
    World,
    between,
    draw_take,
    load_world,
)

NUMBER = 400
IN_TIME = ("path_px", "object_px", "px_s")


@pytest.fixture(scope="module")
def world() -> World:
    return load_world()


@pytest.fixture(scope="module")
def takes(world: World) -> list[Take]:
    return [draw_take(world, np.random.default_rng(seed)) for seed in range(NUMBER)]


def share(flags: list[bool]) -> float:
    return sum(flags) / len(flags)


@pytest.mark.parametrize("name", sorted(LIMITS.keys() - {"exposure_ms", "gap", "hot_hz", *IN_TIME}))
def test_what_is_drawn_fills_its_range(world: World, takes: list[Take], name: str) -> None:
    drawn = [getattr(take, name) for take in takes]
    if name == "row_us":
        drawn = [value for value in drawn if value]
    if name == "frames":
        drawn = [value for value in drawn if value > 1]
    low, high = getattr(world, name)
    assert low <= min(drawn) and max(drawn) <= high
    if name in ("objects", "frames"):  # whole numbers, each as likely as any other
        assert set(range(low, high + 1)) == set(drawn)
        return
    assert min(drawn) < between([low, high], 0.1) and max(drawn) > between([low, high], 0.9)
    middle = between([low, high], 0.5)
    assert 0.4 < share([value < middle for value in drawn]) < 0.6


def test_exposures_are_tenths_of_whole_microseconds_and_gaps_follow_them(
    world: World, takes: list[Take]
) -> None:
    exposures_ms = [take.exposure_us / 1000 for take in takes]
    assert all(take.exposure_us % 10 == 0 for take in takes)
    assert world.exposure_ms[0] <= min(exposures_ms) < 2 and 150 < max(exposures_ms) <= 300
    gaps = [take.gap_us / take.exposure_us for take in takes]
    assert world.gap[0] * 0.99 <= min(gaps) and max(gaps) <= world.gap[1] * 1.01


def test_no_way_is_faster_or_slower_than_what_occurs(world: World, takes: list[Take]) -> None:
    for name in IN_TIME[:2]:
        ways = np.array([getattr(take, name) for take in takes])
        speeds = ways / [take.exposure_us / 1e6 for take in takes]
        assert world.px_s[0] * 0.999 <= speeds.min() and speeds.max() <= world.px_s[1] * 1.001
        assert np.mean(np.isclose(speeds, world.px_s[1])) < 0.4  # most are as they were drawn
        assert ways.max() <= getattr(world, name)[1] and np.median(ways) > 1


def test_shares_and_weights_are_kept(world: World, takes: list[Take]) -> None:
    assert share([take.frames > 1 for take in takes]) == pytest.approx(world.of_frames, abs=0.1)
    assert share([take.grey for take in takes]) == pytest.approx(world.grey, abs=0.1)
    coloured = [take.mosaic for take in takes if not take.grey]
    assert share([m in BAYER for m in coloured]) == pytest.approx(world.bayer, abs=0.12)
    assert set(BAYER) < set(coloured)
    tripods = world.motion["tripod"] / sum(world.motion.values())
    assert share([take.motion == "tripod" for take in takes]) == pytest.approx(tripods, abs=0.1)
    assert share([bool(take.row_us) for take in takes]) == pytest.approx(world.in_rows, abs=0.1)
    assert not any(take.coloured_events for take in takes if take.mosaic not in BAYER)


def test_where_photons_are_few_the_events_are_noisy(takes: list[Take]) -> None:
    logs = np.log([(take.electrons, take.shot_hz) for take in takes])
    assert np.corrcoef(logs.T)[0, 1] < -0.8


@pytest.mark.parametrize("name", [path.stem for path in sorted(FOLDER.glob("*.yml"))])
def test_worlds_that_come_with_the_kit_lie_inside_the_wide_one(name: str, world: World) -> None:
    """What a narrower world draws could be drawn in the wide one, but for the mix."""
    mine = load_world(name)
    for key, value in dataclasses.asdict(mine).items():
        if isinstance(value, list):
            low, high = getattr(world, key)
            assert low <= value[0] <= value[1] <= high, key


def test_means_are_of_few_frames_and_a_clear_world_is_quiet() -> None:
    means, clear = load_world("means"), load_world("clear")
    drawn = [draw_take(means, np.random.default_rng(seed)) for seed in range(60)]
    assert {7, 13} <= {take.frames for take in drawn} <= set(range(7, 14))
    assert max(draw_take(clear, np.random.default_rng(seed)).shot_hz for seed in range(60)) <= 3


def test_a_world_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_text("contrast: [0.3, 0.3]\nmotion: {still: 0}\n", encoding="utf-8")
    mine = load_world(str(path), ["grey=1"])
    assert mine.contrast == [0.3, 0.3] and mine.grey == 1 and mine.motion["still"] == 0
    assert mine.leak_hz == load_world().leak_hz and mine.motion["pan"] == load_world().motion["pan"]
    takes = [draw_take(mine, np.random.default_rng(seed)) for seed in range(60)]
    assert {take.contrast for take in takes} == {0.3} and all(take.grey for take in takes)
    assert "still" not in {take.motion for take in takes}


def test_every_value_that_cannot_be_is_told() -> None:
    bad = ["contrast=[0.5,0.1]", "grey=2", "exposure_ms=[1]", "gamma=[2,.nan]", "motion={pan: -1}"]
    with pytest.raises(ConfigError) as caught:
        load_world("wide", bad)
    for name in ("contrast", "grey", "exposure_ms", "gamma", "motion"):
        assert any(line.startswith(f"{name}=") for line in caught.value.problems)


@pytest.mark.parametrize("change, says", [
    ("contrasts=[0.1,0.2]", "contrasts"), ("grey=much", "grey"), ("curve={hdr: 1}", "hdr"),
])  # fmt: skip
def test_what_is_unknown_is_told(change: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load_world("wide", [change])


def test_another_name_says_which_there_are() -> None:
    with pytest.raises(ConfigError, match=r"no such configuration file; there are .*wide\.yml"):
        load_world("narrow")


def test_each_range_has_limits_and_the_other_way_round(world: World) -> None:
    ranges = {name for name, value in dataclasses.asdict(world).items() if isinstance(value, list)}
    assert ranges == set(LIMITS)
