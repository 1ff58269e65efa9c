"""Files of a HighREV recording that are odd in one way each: name, bytes, whether they are right.

Right: they say the same as the file they stand for, in another manner.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Iterator, Mapping

import numpy as np
from PIL import Image

Arrays = Mapping[str, np.ndarray]
Case = tuple[str, bytes, bool]


def as_npz(arrays: Arrays, packed: bool = False) -> bytes:
    stream = io.BytesIO()
    (np.savez_compressed if packed else np.savez)(stream, **arrays)
    return stream.getvalue()


def odd_slices(arrays: Arrays) -> Iterator[Case]:
    """Yield odd files of events; `arrays` are x, y, timestamp, polarity of a sensor under 128x128,
    each (N, 1), whole numbers, at least two events.
    """
    yield "as it was", as_npz(arrays), True
    yield "compressed", as_npz(arrays, packed=True), True
    yield "flat", as_npz({key: value[:, 0] for key, value in arrays.items()}), True
    yield "as a row", as_npz({key: value.T for key, value in arrays.items()}), True
    yield "more keys", as_npz({**arrays, "frame": np.arange(3)}), True
    yield "an object beside", as_npz({**arrays, "info": np.array({"a": 1}, object)}), True
    off = np.where(arrays["polarity"] > 0, 1, -1)
    for key in arrays:
        for kind in ("i8", "u8", "f8", ">i8", ">f8"):
            yield f"{key} as {kind}", as_npz({**arrays, key: arrays[key].astype(kind)}), True
        yield (
            f"{key} in Fortran's order",
            as_npz({**arrays, key: np.asfortranarray(arrays[key])}),
            True,
        )
        yield from _wrong(arrays, key)
    for kind in ("i1", "u1", "i2", "f2", "f4"):
        yield f"x as {kind}", as_npz({**arrays, "x": arrays["x"].astype(kind)}), True
    for kind in ("?", "u1", "f2"):
        yield (
            f"polarity as {kind}",
            as_npz({**arrays, "polarity": arrays["polarity"].astype(kind)}),
            True,
        )
    for kind in ("i1", "i8", "f4"):
        yield f"polarity -1 as {kind}", as_npz({**arrays, "polarity": off.astype(kind)}), True
    for value in (2, 3, 255, -2, 0.5, 1.5):
        strange = np.where(off == 1, value, 0)
        yield f"polarity {value}", as_npz({**arrays, "polarity": strange}), False
    for value in (-1, 1000, 1 << 15, 1 << 31, 1 << 32, 1 << 40, 0.5):
        strange = arrays["x"].astype(np.float64) + 0
        strange[0] = value
        yield f"x {value}", as_npz({**arrays, "x": strange}), False
    yield from _damaged(as_npz(arrays))


def _wrong(arrays: Arrays, key: str) -> Iterator[Case]:
    """One array is missing, of another length, type or kind."""
    good = arrays[key]
    yield f"no {key}", as_npz({name: arrays[name] for name in arrays if name != key}), False
    renamed = {f"{key}s" if name == key else name: arrays[name] for name in arrays}
    yield f"{key} under another name", as_npz(renamed), False
    wrong: dict[str, np.ndarray] = {
        "shorter": good[:-1],
        "longer": np.concatenate([good, good[-1:]]),
        "twice as wide": np.concatenate([good, good], axis=1),
        "empty": good[:0],
        "one number": np.array(1),
        "text": good.astype("U9"),
        "bytes": good.astype("S9"),
        "complex": good.astype(np.complex128),
        "objects": good.astype(object),
        "dates": good.astype("M8[us]"),
    }
    for what, value in wrong.items():
        yield f"{key}: {what}", as_npz({**arrays, key: value}), False
    for value in (np.nan, np.inf, -np.inf):
        strange = good.astype(np.float64)
        strange[1] = value
        yield f"{key}: {value}", as_npz({**arrays, key: strange}), False


def _damaged(whole: bytes) -> Iterator[Case]:
    yield "empty file", b"", False
    yield "text", b"x y timestamp polarity\n1 2 3 1\n", False
    yield "a pickle", pickle.dumps({"x": 1}), False
    yield "a plain array", _saved(np.zeros((4, 3))), False
    yield "an empty zip", b"PK\x05\x06" + bytes(18), False
    yield "bytes after it", whole + b"more", True
    for share in (0.1, 0.5, 0.9, 0.99):
        yield f"cut at {share}", whole[: int(share * len(whole))], False
    for place in range(40, len(whole) - 400, max((len(whole) - 400) // 12, 1)):
        changed = bytearray(whole)
        changed[place] ^= 0x5A
        yield f"a byte changed at {place}", bytes(changed), not _readable(whole, bytes(changed))


def _saved(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _readable(whole: bytes, changed: bytes) -> bool:
    """Whether the checksums of a zip notice that something of its contents changed."""
    try:
        with zipfile.ZipFile(io.BytesIO(changed)) as archive:
            return archive.testzip() is not None or whole == changed
    except Exception:
        return True


def odd_images(pixels: np.ndarray) -> Iterator[Case]:
    """Yield odd PNGs for a blurry frame of (H, W, 3) uint8 pixels."""
    image = Image.fromarray(pixels)
    whole = _encoded(image)
    yield "as it was", whole, True
    yield "level 9", _encoded(image, compress_level=9), True
    yield "dpi", _encoded(image, dpi=(300, 300)), True
    for mode in ("RGBA", "LA", "I;16"):
        other = image.convert("L").convert(mode) if mode == "I;16" else image.convert(mode)
        yield f"mode {mode}", _encoded(other), False
    for kind in ("JPEG", "BMP", "TIFF"):
        yield kind, _encoded(image, kind), False
    yield "empty file", b"", False
    yield "text", b"no picture", False
    for share in (0.1, 0.5, 0.9):
        yield f"cut at {share}", whole[: int(share * len(whole))], False
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 0xFF
    yield "a byte changed", bytes(changed), False


def _encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()
