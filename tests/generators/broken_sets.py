"""Small data sets in HighREV's layout that are wrong in one way each, or odd and yet right.

`healthy` makes a sound one: train, val and test with one sequence of three frames each. Every
`Fault` harms it in one way, and says which finding has to follow, about which file; every entry of
`HARMLESS` changes it without harm.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from challenge.datasets.highrev import read_slice
from challenge.events import Events
from challenge.images import read_png, write_png
from challenge.representations import voxel_grid
from challenge.simulation.sequences import Request, plan, write_sequence

WIDTH, HEIGHT = 96, 72
TRAIN, VAL = "astronaut_pan", "camera_pan"
FIRST, SECOND, THIRD = (f"{TRAIN}_{number:05d}" for number in (0, 12, 24))
Arrays = dict[str, np.ndarray]


def healthy(root: Path, width: int = WIDTH, height: int = HEIGHT, seed: int = 0) -> Path:
    """Make nine frames in three sequences, in a second; the same arguments give the same bytes."""
    request = Request(seed, width, height, frames=3, sequences=1)
    for sequence in plan(request):
        write_sequence(root, sequence, request)
    return root


def slices(root: Path, frame: str = SECOND, split: str = "train") -> list[Path]:
    """The event files of a frame, in their order."""
    return sorted((root / split / "event").glob(f"{frame}_*.npz"))


def change(path: Path, edit: Callable[[Arrays], Arrays | None]) -> None:
    """Write an npz anew, with its arrays as `edit` leaves or returns them."""
    with np.load(path) as archive:
        arrays = {key: archive[key] for key in archive}
    np.savez_compressed(path, **(edit(arrays) or arrays))


Edit = Callable[[Arrays], "Arrays | None"]
Harm = Callable[[Path], object]


def change_slice(edit: Edit, number: int = 4) -> Harm:
    return lambda root: change(slices(root)[number], edit)


def change_frame(edit: Callable[[Arrays], Arrays | None]) -> Callable[[Path], None]:
    def broken(root: Path) -> None:
        for path in slices(root):
            change(path, edit)

    return broken


def change_all(edit: Callable[[Arrays], Arrays | None]) -> Callable[[Path], None]:
    """Change every slice of every split."""

    def broken(root: Path) -> None:
        for path in root.glob("*/event/*.npz"):
            change(path, edit)

    return broken


def setting(key: str, place: Any, value: Any, kind: str | None = None) -> Callable[[Arrays], None]:
    """Set elements of one array, after a cast to `kind`."""

    def edit(arrays: Arrays) -> None:
        arrays[key] = arrays[key].astype(kind or arrays[key].dtype)
        arrays[key][place] = value

    return edit


def cast(**kinds: str) -> Callable[[Arrays], None]:
    return lambda arrays: arrays.update({k: arrays[k].astype(kind) for k, kind in kinds.items()})


def mirrored(axis: str, size: int) -> Callable[[Arrays], None]:
    return lambda arrays: arrays.update({axis: (size - 1 - arrays[axis]).astype(np.uint16)})


def flipped(arrays: Arrays) -> None:
    arrays["polarity"] = np.where(arrays["polarity"] > 0, 0, 1)


def swapped(arrays: Arrays) -> None:
    arrays["x"], arrays["y"] = arrays["y"], arrays["x"]


def emptied(arrays: Arrays) -> None:
    arrays.update({key: values[:0] for key, values in arrays.items()})


def image(part: str, edit: Callable[[Path], None], split: str = "train") -> Callable[[Path], None]:
    return lambda root: edit(root / split / part / f"{SECOND}.png")


def saved_as(mode: str) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        with Image.open(path) as picture:
            if mode == "I;16":
                grey = np.asarray(picture.convert("L"), np.uint16) * 257
                Image.fromarray(grey).save(path)
            else:
                picture.convert(mode).save(path)

    return edit


def cut_file(share: float) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


def smaller(path: Path) -> None:
    write_png(path, read_png(path)[:-8, :-8])


def another_camera(root: Path) -> None:
    """Let one sequence of train be of another size; its events no longer fit either."""
    for path in sorted(root.glob("val/*/*")):
        target = root / "train" / path.parent.name / path.name
        shutil.move(path, target)
        if target.suffix == ".png":
            smaller(target)


def rename(source: str, target: str) -> Callable[[Path], None]:
    return lambda root: shutil.move(root / source, root / target)


def copy(source: str, target: str) -> Callable[[Path], None]:
    return lambda root: shutil.copy(root / source, root / target)


def remove(name: str) -> Callable[[Path], None]:
    return lambda root: (root / name).unlink()


def add(name: str, content: bytes = b"x") -> Callable[[Path], None]:
    def edit(root: Path) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)

    return edit


def link(name: str) -> Callable[[Path], None]:
    return lambda root: (root / name).symlink_to("nowhere")


def exchange(first: int, second: int) -> Callable[[Path], None]:
    def edit(root: Path) -> None:
        one, two = slices(root)[first], slices(root)[second]
        content = one.read_bytes()
        one.write_bytes(two.read_bytes())
        two.write_bytes(content)

    return edit


def exchange_frames(root: Path) -> None:
    """Give a frame's events to the one after the next, and that one's to it."""
    for one, two in zip(slices(root, FIRST), slices(root, THIRD), strict=True):
        content = one.read_bytes()
        one.write_bytes(two.read_bytes())
        two.write_bytes(content)


def reversed_in_time(root: Path) -> None:
    """Let the events of each exposure happen in the other order, slices as well."""
    for blurry in root.glob("*/blur/*.png"):
        paths = slices(root, blurry.stem, blurry.parents[1].name)[:-1]
        read = [dict(np.load(path)) for path in paths]
        full = [arrays["timestamp"] for arrays in read if arrays["timestamp"].size]
        turn = full[0][0, 0] + full[-1][-1, 0]
        for path, arrays in zip(paths, reversed(read), strict=True):
            turned = {key: values[::-1] for key, values in arrays.items()}
            np.savez_compressed(path, **{**turned, "timestamp": turn - turned["timestamp"]})


def half_an_exposure_later(root: Path) -> None:
    """Give each frame the second half of its events and the first of those of the next frame; the
    last frame of a sequence has no more than half of its own.
    """
    for split in ("train", "val", "test"):
        paths = [slices(root, each.stem, split) for each in sorted(root.glob(f"{split}/blur/*"))]
        read = [[dict(np.load(path)) for path in frame] for frame in paths]
        none = [{key: values[:0] for key, values in read[0][0].items()}] * 5
        for frame, own, following in zip(paths, read, [*read[1:], none], strict=True):
            for path, arrays in zip(frame, own[5:] + following[:5], strict=True):
                np.savez_compressed(path, **arrays)


def events_of(root: Path, frame: str, split: str) -> Events:
    return Events.concatenate([read_slice(path) for path in slices(root, frame, split)[:-1]])


def with_grids(root: Path, bins: int = 6) -> Path:
    """Store the published kind of grids beside the raw events; return their root."""
    voxel_root = root.with_name(f"{root.name}_voxel")
    for split in ("train", "val"):
        (voxel_root / split / "voxel").mkdir(parents=True)
        for path in sorted((root / split / "blur").glob("*.png")):
            height, width = read_png(path).shape[:2]
            grid = voxel_grid(events_of(root, path.stem, split), bins, height, width)
            target = voxel_root / split / "voxel" / f"{path.stem}.npz"
            np.savez_compressed(target, voxel=grid.transpose(1, 2, 0))
    return voxel_root


def change_grid(edit: Callable[[np.ndarray], Any], key: str = "voxel") -> Callable[[Path], None]:
    def broken(root: Path) -> None:
        path = with_grids(root) / "train" / "voxel" / f"{SECOND}.npz"
        change(path, lambda arrays: {key: edit(arrays["voxel"])})

    return broken


@dataclass(frozen=True)
class Fault:
    """One way to be wrong: what has to be found, and in which file's name."""

    name: str
    harm: Callable[[Path], object]
    kind: str
    file: str
    level: str = "error"


def _blur(frame: str, split: str = "train") -> str:
    return f"{split}/blur/{frame}.png"


def _slice(number: int, frame: str = SECOND) -> str:
    return f"train/event/{frame}_{number:02d}.npz"


def _wide(values: np.ndarray) -> np.ndarray:
    return np.concatenate([values, values], axis=1)


ABOUT_FILES = (
    Fault("no sharp image", remove(f"train/sharp/{SECOND}.png"), "missing", _blur(SECOND)),
    Fault("no blurry frame", remove(_blur(SECOND)), "missing", _slice(0)),
    Fault(
        "no events",
        lambda root: [path.unlink() for path in slices(root)],
        *("missing", _blur(SECOND)),
    ),
    Fault("one slice is missing", remove(_slice(4)), "slices", f"{SECOND}_*"),
    Fault("the last slice is missing", remove(_slice(10)), "slices", f"{SECOND}_*"),
    Fault(
        "one slice alone",
        lambda root: [path.unlink() for path in slices(root)[1:]],
        *("slices", f"{SECOND}_*"),
    ),
    Fault("AppleDouble", add(f"train/event/._{SECOND}_04.npz"), "litter", "._", "warning"),
    Fault("__MACOSX", add("__MACOSX/._train"), "litter", "__MACOSX", "warning"),
    Fault("__MACOSX in a folder", add("val/blur/__MACOSX/._x"), "litter", "__MACOSX", "warning"),
    Fault("a stray text", add("val/event/notes.txt"), "left over", "notes.txt", "warning"),
    Fault("a link to nowhere", link("val/blur/a_00000.png"), "left over", "a_0", "warning"),
    Fault("a half download", add("val/blur/a_00000.png.part"), "left over", ".part", "warning"),
    Fault("a slice without number", add("val/event/frame.npz"), "left over", "frame", "warning"),
    Fault("a folder of another name", add("val/voxels/a.npz"), "left over", "voxels/", "warning"),
    Fault("a folder within", add("val/blur/more/a.png"), "left over", "more/", "warning"),
    Fault(
        "events of no frame",
        copy(_slice(0), "train/event/lost_00000_00.npz"),
        *("missing", "lost"),
    ),
    Fault(
        "no sharp images at all",
        lambda root: shutil.rmtree(root / "val/sharp"),
        *("missing", "val/sharp", "warning"),
    ),
    Fault(
        "no blurry frames", lambda root: shutil.rmtree(root / "val/blur"), "missing", "val/blur"
    ),
)  # fmt: skip
ABOUT_IMAGES = (
    Fault("16 bit", image("blur", saved_as("I;16")), "mode", _blur(SECOND)),
    Fault("alpha", image("blur", saved_as("RGBA")), "mode", _blur(SECOND)),
    Fault("grey and alpha", image("sharp", saved_as("LA")), "mode", f"sharp/{SECOND}"),
    Fault("grey", image("blur", saved_as("L")), "mode", _blur(SECOND), "warning"),
    Fault("palette", image("blur", saved_as("P")), "mode", _blur(SECOND), "warning"),
    Fault("cut", image("blur", cut_file(0.6)), "damaged", _blur(SECOND)),
    Fault("its last bytes", image("sharp", cut_file(0.999)), "damaged", f"sharp/{SECOND}"),
    Fault("empty", image("sharp", cut_file(0)), "damaged", f"sharp/{SECOND}"),
    Fault(
        "a JPEG",
        image("blur", lambda path: Image.open(path).convert("RGB").save(path, "JPEG")),
        *("damaged", _blur(SECOND)),
    ),
    Fault("smaller sharp image", image("sharp", smaller), "size", f"sharp/{SECOND}"),
    Fault("smaller blurry frame", image("blur", smaller), "size", _blur(SECOND)),
    Fault("another camera", another_camera, "size", f"train/blur/{VAL}", "warning"),
    Fault(
        "one colour",
        image("blur", lambda path: write_png(path, np.zeros((HEIGHT, WIDTH, 3), np.uint8))),
        *("blank", _blur(SECOND), "warning"),
    ),
    Fault(
        "sharp equals blurry",
        copy(_blur(SECOND), f"train/sharp/{SECOND}.png"),
        *("equal", f"train/sharp/{SECOND}"),
    ),
)
ABOUT_EVENTS = (
    Fault("empty file", lambda root: cut_file(0)(slices(root)[4]), "damaged", _slice(4)),
    Fault("cut", lambda root: cut_file(0.7)(slices(root)[4]), "damaged", _slice(4)),
    Fault("no npz", add(_slice(4), b"x y t p\n"), "damaged", _slice(4)),
    Fault("a key is missing", change_slice(lambda a: {"x": a["x"]}), "keys", _slice(4)),
    Fault(
        "keys of another name",
        change_slice(lambda a: {f"{key}s": value for key, value in a.items()}),
        *("keys", _slice(4)),
    ),
    Fault("text", change_slice(cast(x="U9")), "dtype", _slice(4)),
    Fault("complex", change_slice(cast(timestamp="c16")), "dtype", _slice(4)),
    Fault("lengths", change_slice(lambda a: {**a, "x": a["x"][:-1]}), "shape", _slice(4)),
    Fault(
        "twice as wide",
        change_slice(lambda a: {key: _wide(value) for key, value in a.items()}),
        *("shape", _slice(4)),
    ),
    Fault("NaN", change_slice(setting("timestamp", 3, np.nan, "f8")), "values", _slice(4)),
    Fault("infinity", change_slice(setting("x", 3, np.inf, "f4")), "values", _slice(4)),
    Fault("half a pixel", change_slice(setting("y", 3, 7.5, "f4")), "values", _slice(4)),
    Fault("off the sensor", change_slice(setting("x", 3, HEIGHT)), "off sensor", _slice(4)),
    Fault("before the sensor", change_slice(setting("y", 3, -1, "i4")), "off sensor", _slice(4)),
    Fault("x and y swapped", change_all(swapped), "off sensor", "train/event/"),
    Fault("polarity 2", change_slice(setting("polarity", 3, 2)), "polarity", _slice(4)),
    Fault("polarity 255", change_slice(setting("polarity", 3, 255, "u1")), "polarity", _slice(4)),
    Fault("all ON", change_frame(setting("polarity", ..., 1)), "polarity", f"{SECOND}_*"),
    Fault("all OFF", change_frame(setting("polarity", ..., 0)), "polarity", f"{SECOND}_*"),
    Fault(
        "time backwards in a slice",
        change_slice(lambda a: a.update(timestamp=a["timestamp"][::-1])),
        *("time", _slice(4)),
    ),
    Fault("two slices exchanged", exchange(3, 6), "time", _slice(4)),
    Fault(
        "slices overlap",
        change_slice(lambda a: a.update(timestamp=a["timestamp"] - 700)),
        *("time", _slice(4)),
    ),
    Fault("a slice twice", copy(_slice(4), _slice(5)), "twice", _slice(5)),
    Fault("a slice of another frame", copy(_slice(4, FIRST), _slice(4)), "twice", _slice(4)),
    Fault("no events", change_frame(emptied), "empty", f"{SECOND}_*", "warning"),
    Fault(
        "a clock in seconds of float16",
        change_frame(lambda a: a.update(timestamp=(a["timestamp"] / 1e6 % 1).astype("f2") // 1e-2)),
        *("clock", f"{SECOND}_00", "warning"),
    ),
    Fault(
        "half the exposure",
        lambda root: [change(path, emptied) for path in slices(root)[5:]],
        *("exposure", f"{SECOND}_00", "warning"),
    ),
)
ABOUT_SPLITS = (
    Fault(
        "the same content in two splits",
        copy(_blur(SECOND), _blur(f"{VAL}_00012", "val")),
        *("splits mixed", f"{VAL}_00012"),
    ),
    Fault(
        "the same sharp image in two splits",
        copy(f"train/sharp/{SECOND}.png", f"val/sharp/{VAL}_00012.png"),
        *("splits mixed", f"val/sharp/{VAL}_00012"),
    ),
    Fault(
        "the same frame twice in a split",
        copy(_blur(FIRST), _blur(SECOND)),
        *("twice", _blur(SECOND), "warning"),
    ),
    Fault(
        "a sequence in two splits",
        lambda root: [
            shutil.move(path, root / "val" / path.parent.name / path.name)
            for path in sorted(root.glob(f"train/*/{THIRD}*"))
        ],
        *("splits mixed", f"val: {TRAIN}", "warning"),
    ),
    Fault(
        "a frame in two splits",
        lambda root: [
            shutil.copy(path, root / "val" / path.parent.name / path.name)
            for path in sorted(root.glob(f"train/*/{THIRD}*"))
        ],
        *("splits mixed", f"val/blur/{THIRD}"),
    ),
)
ABOUT_GRIDS = (
    Fault("another key", change_grid(lambda grid: grid, "grid"), "keys", SECOND),
    Fault("another shape", change_grid(lambda grid: grid[:-1]), "shape", SECOND),
    Fault("bins first", change_grid(lambda grid: grid.transpose(2, 0, 1)), "shape", SECOND),
    Fault("other bins", change_grid(lambda grid: grid[:, :, :5]), "shape", SECOND),
    Fault("NaN", change_grid(lambda grid: grid * np.nan), "values", SECOND),
    Fault("text", change_grid(lambda grid: grid.astype("U3")), "dtype", SECOND),
    Fault("zeros", change_grid(np.zeros_like), "empty", SECOND, "warning"),
    Fault("other events", change_grid(lambda grid: grid[:, ::-1]), "grid", SECOND),
    Fault("the other sign", change_grid(lambda grid: -grid), "grid", SECOND),
    Fault(
        "no grid",
        lambda root: (with_grids(root) / f"train/voxel/{SECOND}.npz").unlink(),
        *("missing", _blur(SECOND)),
    ),
)
ALIGNED = "train/event/" + TRAIN
ABOUT_ALIGNMENT = (
    Fault("mirrored", change_all(mirrored("y", WIDTH)), "alignment", ALIGNED),
    Fault("upside down", change_all(mirrored("x", HEIGHT)), "alignment", ALIGNED),
    Fault("polarity flipped", change_all(flipped), "alignment", ALIGNED),
    Fault("time reversed", reversed_in_time, "alignment", ALIGNED),
    Fault("half an exposure later", half_an_exposure_later, "alignment", ALIGNED),
    Fault("events of other frames", exchange_frames, "alignment", ALIGNED, "warning"),
)
FAULTS = (
    *(*ABOUT_FILES, *ABOUT_IMAGES, *ABOUT_EVENTS),
    *(*ABOUT_SPLITS, *ABOUT_GRIDS, *ABOUT_ALIGNMENT),
)


def _flat(arrays: Arrays) -> None:
    arrays.update({key: values.reshape(-1) for key, values in arrays.items()})


def _unix(arrays: Arrays) -> None:
    arrays["timestamp"] = arrays["timestamp"].astype(np.int64) + 1_700_000_000_000_000


HARMLESS: dict[str, Callable[[Path], object]] = {
    "as it is": lambda root: None,
    "flat arrays": change_all(_flat),
    "x as float": change_all(cast(x="f4", y="f8")),
    "a clock of uint32": change_all(
        lambda arrays: arrays.update(timestamp=(arrays["timestamp"] % 10**8).astype("u4"))
    ),
    "a clock of float64": change_all(cast(timestamp="f8")),
    "a clock since 1970": change_all(_unix),
    "polarity as bool": change_all(lambda a: a.update(polarity=a["polarity"] > 0)),
    "polarity -1": change_all(lambda a: a.update(polarity=np.where(a["polarity"] > 0, 1, -1))),
    "an empty slice": change_slice(emptied),
    "an empty last slice": change_slice(emptied, 10),
    "more keys": change_slice(lambda a: a.update(frame=np.arange(3))),
    "the same stamp at a border": lambda root: change(
        slices(root)[4],
        setting("timestamp", 0, np.load(slices(root)[3])["timestamp"][-1]),
    ),
    "no test": lambda root: shutil.rmtree(root / "test"),
    "grids beside it": with_grids,
    "24 bins": lambda root: with_grids(root, 24),
    "suffix in capitals": rename(_blur(SECOND), f"train/blur/{SECOND}.PNG"),
    "its manifest": add("dataset.json", b"{}"),
}  # fmt: skip
