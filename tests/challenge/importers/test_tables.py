"""npz, npy, csv, txt and HDF5: names, orders, units of time, polarities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from challenge.errors import ChallengeError, ConfigError, DataError
from challenge.events import Events
from challenge.importers import Frame, open_recording
from challenge.importers.columns import Layout
from challenge.importers.recording import all_events

COUNT = 500
RNG = np.random.default_rng(3)
X, Y = RNG.integers(0, 346, COUNT), RNG.integers(0, 260, COUNT)
T = 1_700_000_000_000_000 + np.cumsum(RNG.integers(0, 90, COUNT))
P = RNG.integers(0, 2, COUNT)
TXYP = np.stack([T, X, Y, P], axis=1)


def check(path: Path, layout: Layout | None = None) -> None:
    events = all_events(open_recording(path, layout))
    for name, expected in zip("xytp", (X, Y, T, P), strict=True):
        np.testing.assert_array_equal(getattr(events, name), expected, name)


@pytest.mark.parametrize(
    "arrays",
    [
        {"x": X, "y": Y, "t": T, "p": P},
        {"xs": X[:, None], "ys": Y[:, None], "ts": T[:, None], "ps": P[:, None] > 0},
        {"x": X.astype("u2"), "y": Y.astype("f4"), "timestamp": T, "polarity": 2 * P - 1},
        {"X": X, "Y": Y, "T": T * 1000, "P": P},
        {"x": X, "y": Y, "t": T.astype(np.float64), "p": P, "height": np.array(260)},
        {"events": TXYP},
        {"events": TXYP.T},
        {"arr_0": TXYP[:, [1, 2, 0, 3]]},
        {"events": np.rec.fromarrays([T, X, Y, P], names="t,x,y,p")},
    ],
    ids=lambda arrays: ",".join(arrays),
)
def test_npz_under_any_of_its_usual_names(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    np.savez(tmp_path / "e.npz", **arrays)
    check(tmp_path / "e.npz")


def test_npy(tmp_path: Path) -> None:
    np.save(tmp_path / "e.npy", TXYP)
    check(tmp_path / "e.npy")


def lines(separator: str, columns: str = "txyp") -> str:
    values = {"t": T, "x": X, "y": Y, "p": P}
    rows = zip(*(values[key].tolist() for key in columns), strict=True)
    return "".join(separator.join(map(str, row)) + "\n" for row in rows)


@pytest.mark.parametrize(
    "text",
    [
        lines(" "),
        lines(","),
        lines(";", "xytp"),
        lines("\t", "xytp"),
        "# t x y p\n" + lines(" "),
        "t,x,y,p\n" + lines(","),
        "x, y, polarity, timestamp\n" + lines(", ", "xypt"),
        "p y x ts\n" + lines(" ", "pyxt"),
        "\ufeff" + lines(","),
        lines(",").replace("\n", "\r\n"),
    ],
)
def test_text_with_and_without_names(tmp_path: Path, text: str) -> None:
    (tmp_path / "e.csv").write_text(text, encoding="utf-8", newline="")
    check(tmp_path / "e.csv")


def test_seconds_of_the_event_camera_dataset(tmp_path: Path) -> None:
    first = 3811  # microseconds
    rows = zip((T - T[0] + first).tolist(), X, Y, P, strict=True)
    text = "".join(f"{t / 1e6:.9f} {x} {y} {p}\n" for t, x, y, p in rows)
    (tmp_path / "events.txt").write_text(text)
    recording = open_recording(tmp_path / "events.txt")
    np.testing.assert_array_equal(all_events(recording).t, T - T[0] + first)
    assert "seconds, since the numbers have fractions" in recording.notes[0]


@pytest.mark.parametrize("unit, factor", [("s", 10**6), ("ms", 1000), ("us", 1)])
def test_the_unit_can_be_said(tmp_path: Path, unit: str, factor: int) -> None:
    t = np.arange(COUNT)
    np.savez(tmp_path / "e.npz", x=X, y=Y, t=t, p=P)
    events = all_events(open_recording(tmp_path / "e.npz", Layout(unit=unit)))
    np.testing.assert_array_equal(events.t, t * factor)


def test_x_and_y_can_be_swapped_and_the_order_said(tmp_path: Path) -> None:
    np.save(tmp_path / "e.npy", np.stack([T, Y, X, P], axis=1))
    check(tmp_path / "e.npy", Layout(swap_xy=True))
    still = np.stack([np.full(5, 7), np.arange(5), np.full(5, 7), np.ones(5)], axis=1)
    np.save(tmp_path / "s.npy", still)
    with pytest.raises(DataError, match="--columns txyp"):
        open_recording(tmp_path / "s.npy")
    events = all_events(open_recording(tmp_path / "s.npy", Layout(columns="txyp")))
    assert events.x.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("layout", [Layout(unit="h"), Layout(columns="ptxy")])
def test_a_layout_that_is_not_known_is_refused(tmp_path: Path, layout: Layout) -> None:
    with pytest.raises(ConfigError, match="expected one of"):
        open_recording(tmp_path / "e.npy", layout)


@pytest.mark.parametrize("names", [("xs", "ys", "ts", "ps"), ("x", "y", "t", "p")])
@pytest.mark.parametrize("group", ["events/", ""])
def test_hdf5(tmp_path: Path, names: tuple[str, ...], group: str) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "e.h5", "w") as file:
        for name, values in zip(names, (X, Y, T, P), strict=True):
            file[group + name] = values
        file.attrs["sensor_resolution"] = [260, 346]
    check(tmp_path / "e.h5")
    assert open_recording(tmp_path / "e.h5").size == (346, 260)


def test_hdf5_of_monash_has_images_with_exposures(tmp_path: Path) -> None:
    """Seconds, BGR, channels first or last."""
    h5py = pytest.importorskip("h5py")
    bgr = RNG.integers(0, 255, (260, 346, 3), np.uint8)
    with h5py.File(tmp_path / "e.h5", "w") as file:
        for name, values in zip(("xs", "ys", "ts", "ps"), (X, Y, (T - T[0]) / 1e6, P), strict=True):
            file[f"events/{name}"] = values
        for i, image in enumerate((bgr, bgr.transpose(2, 0, 1))):
            data = file.create_dataset(f"images/image{i:09d}", data=image)
            data.attrs["timestamp"] = 0.005 + i
        data.attrs["exposure_start"], data.attrs["exposure_end"] = 1.001, 1.009
    parts = [*open_recording(tmp_path / "e.h5").parts()]
    first, second = (part for part in parts if isinstance(part, Frame))
    assert (first.stamp_us, first.start_us, first.end_us) == (5000, None, None)
    assert (second.start_us, second.end_us) == (1_001_000, 1_009_000)
    for frame in (first, second):
        np.testing.assert_array_equal(frame.image, bgr[:, :, ::-1])
    assert sum(len(part) for part in parts if isinstance(part, Events)) == COUNT


def test_hdf5_of_dsec_counts_from_an_offset(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "e.h5", "w") as file:
        for name, values in zip("xytp", (X, Y, T - T[0], P), strict=True):
            file[f"events/{name}"] = values
        file["t_offset"] = T[0]
    check(tmp_path / "e.h5")


GOOD = {"x": X, "y": Y, "t": T, "p": P}


@pytest.mark.parametrize(
    "change, words",
    [
        ({"p": P * 3}, "polarity"),
        ({"x": X - 10}, "expected pixels, found -10"),
        ({"x": X + 0.5}, "whole numbers"),
        ({"y": Y * 1000}, "expected pixels"),
        ({"t": np.where(P > 0, np.nan, T)}, "finite numbers"),
        ({"t": T[:-1]}, "arrays of one length"),
        ({"x": X.astype(str)}, "finite numbers"),
    ],
)
def test_wrong_values_are_refused(
    tmp_path: Path, change: dict[str, np.ndarray], words: str
) -> None:
    np.savez(tmp_path / "e.npz", **{**GOOD, **change})
    with pytest.raises(DataError, match=words) as raised:
        all_events(open_recording(tmp_path / "e.npz"))
    assert "e.npz" in str(raised.value)


@pytest.mark.parametrize(
    "name, content",
    [
        ("e.npz", b"PK\x03\x04 and so on"),
        ("e.npy", b"\x93NUMPY\x01\x00"),
        ("e.csv", b"\x00\x01\x02"),
        ("e.csv", b"1,2,3\n"),
        ("e.csv", b"1,2,3,1\n1,2\n"),
        ("e.csv", b"1,2,3,1\n1,2,3,1,5,6\n"),
        ("e.csv", b"a,b,c,d\n1,2,3,1\n"),
        ("e.csv", b"t,x,y,p\n1,2,three,1\n"),
        ("e.csv", b"# nothing\n"),
        ("e.h5", b"\x89HDF\r\n\x1a\n and so on"),
        ("e.aedat4", b"#!AER-DAT4.0\r\n\xff\xff\xff\xff"),
        ("e.aedat4", b"#!AER-DAT2.0\r\n and so on"),
        ("e.bag", b"#ROSBAG V2.0\n and so on"),
        ("e.mp4", b"no recording"),
        ("e.npz", b""),
    ],
)
def test_damaged_and_foreign_files_are_refused_with_their_names(
    tmp_path: Path, name: str, content: bytes
) -> None:
    needs = {".aedat4": "aedat", ".bag": "rosbags", ".h5": "h5py"}
    pytest.importorskip(needs.get(Path(name).suffix, "numpy"))
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ChallengeError, match=r"e\.\w+: "):
        all_events(open_recording(tmp_path / name))


def test_a_pickle_in_an_npz_is_never_run(tmp_path: Path) -> None:
    np.savez(tmp_path / "e.npz", **{**GOOD, "p": np.array([{"a": 1}], dtype=object)})
    with pytest.raises(DataError, match=r"e\.npz"):
        all_events(open_recording(tmp_path / "e.npz"))


def test_a_folder_and_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found a folder"):
        open_recording(tmp_path)
    with pytest.raises(DataError, match="found nothing"):
        open_recording(tmp_path / "a.raw")
