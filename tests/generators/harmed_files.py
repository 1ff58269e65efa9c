"""Damaged files for every reader: an error that names the file, or what the whole file says.

A case is a whole file of one kind in which bytes were changed, cut, moved or put in; or one whose
checksums are right and whose headers lie ("crafted": there any result will do, but no crash, no
hang, no gigabytes). The cases run in a process of their own with little address space to spare.
Each follows from the seed and its number: `python tests/generators/harmed_files.py KIND+KIND SEED
FIRST LAST` runs them by hand (`harmed_kinds` names the kinds; KIT_SAMPLES has some more).
"""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import resource
import signal
import struct
import sys
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
SPARE = 640 << 20  # bytes of address space, beyond what the libraries take
SLOWEST_S = 20
EXTREMES = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 40)
CANARY = "KIT_UNPICKLED"


@dataclass(frozen=True)
class Kind:
    """One kind of file: a whole one, how the kit reads it, and what a crafted one may be.

    read: gives something that can be compared with `==` after `numpy.asarray`-free packing: bytes,
    tuples, numbers.
    """

    suffix: str
    whole: Callable[[], bytes]
    read: Callable[[Path], Any]
    crafted: Callable[[random.Random], bytes] | None = None
    checked: bool = True  # has checksums: what is read is what was written, or refused


# --- harm -----------------------------------------------------------------------------------------


def harm(content: bytes, rng: random.Random) -> bytes:
    """Change bits, numbers or blocks, cut, or put something in."""
    harmed = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at = rng.randrange(len(harmed)) if harmed else 0
        if rng.random() < 0.3:  # headers are at the ends
            near = rng.randrange(200)
            at = rng.choice((min(near, at), max(len(harmed) - 1 - near, 0)))
        choice = rng.randrange(8)
        if choice <= 1 and harmed:
            harmed[at] ^= 1 << rng.randrange(8)
        elif choice == 2:
            width, order = rng.choice((1, 2, 4, 8)), rng.choice(("little", "big"))
            number = rng.choice((*EXTREMES, rng.getrandbits(64))) % (1 << 8 * width)
            harmed[at : at + width] = number.to_bytes(width, order)  # type: ignore[arg-type]
        elif choice == 3:
            del harmed[at:]
        elif choice == 4:
            del harmed[at : at + rng.choice((1, 2, 7, 64, 1000))]
        elif choice == 5:
            harmed[at:at] = rng.randbytes(rng.choice((1, 2, 7, 64, 1000)))
        elif choice == 6:
            length = rng.choice((4, 16, 64, 512))
            harmed[at : at + length] = bytes(len(harmed[at : at + length]))
        else:
            other = rng.randrange(len(harmed)) if harmed else 0
            length = rng.choice((2, 8, 64, 400))
            harmed[at : at + length] = harmed[other : other + length]
    return bytes(harmed)


# --- the kinds ------------------------------------------------------------------------------------


def packed(*arrays: Any) -> tuple[Any, ...]:
    """What arrays hold, to be compared."""
    return tuple((each.shape, str(each.dtype), each.tobytes()) for each in map(np.asarray, arrays))


def slice_arrays(count: int = 150) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    return {
        "x": rng.integers(0, 40, (count, 1)).astype(np.uint16),
        "y": rng.integers(0, 56, (count, 1)).astype(np.uint16),
        "timestamp": 1_700_000_000_000_000 + np.sort(rng.integers(0, 1500, (count, 1)), axis=0),
        "polarity": rng.integers(0, 2, (count, 1)).astype(np.int8),
    }


def npz(arrays: dict[str, np.ndarray], compressed: bool = True) -> bytes:
    stream = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(stream, **arrays)
    return stream.getvalue()


class Boom:
    """What runs when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.putenv, (CANARY, "1")


def npy(header: str, body: bytes, version: tuple[int, int] = (1, 0)) -> bytes:
    """An npy file with a header of one's own."""
    text = header.encode("latin-1", "replace") + b"\n"
    length = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + length + text + body


def crafted_npz(rng: random.Random) -> bytes:
    """A zip that is right, of arrays whose headers lie, that are huge, or that hold code."""
    arrays = slice_arrays(20)
    files = {key: npz_member(value) for key, value in arrays.items()}
    key = rng.choice(list(files))
    whole = arrays[key].tobytes()
    shape = rng.choice(("(10**12,)", "(1000000000000,)", "(4294967296, 1)", "(-1,)", "(20, 0)",
                        "(2, 10)", "()", "(20, 1, 1)", "(True,)", "(1e3,)", "(9" + "9" * 40 + ",)",
                        "(" * 300 + ")" * 300, "(20,)", "(0, 1000000000000)"))  # fmt: skip
    kind = rng.choice(("'<u2'", "'|O'", "'<f8'", "'|S0'", "'<U1000000000'", "'|V0'", "'<M8[us]'",
                       "[('a', '<u2')]", "[('a', '|O')]", "'<i8'", "'nonsense'", "None",
                       "__import__('os').putenv('KIT_UNPICKLED','1')"))  # fmt: skip
    order = rng.choice(("False", "True", "1", "None"))
    header = f"{{'descr': {kind}, 'fortran_order': {order}, 'shape': {shape}, }}"
    choice = rng.randrange(6)
    if choice == 0:  # as pickles
        stream = io.BytesIO()
        np.save(stream, np.array([Boom()] * 20, object).reshape(20, 1), allow_pickle=True)
        files[key] = rng.choice((stream.getvalue(), pickle.dumps(Boom())))
    elif choice == 1:  # much from little: 8 MB of zeros are packed into 8 kB
        count = 1_000_000
        files[key] = npz_member(np.zeros((count, 1), np.int64))
    elif choice == 2:
        files[key] = npy(header, whole, rng.choice(((1, 0), (2, 0), (3, 0), (9, 9))))
    else:
        files[key] = npy(header, whole + bytes(rng.choice((0, 8, 1000))))
    return zipped(files, rng)


def npz_member(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def zipped(files: dict[str, bytes], rng: random.Random) -> bytes:
    """Zip members, some with sizes in the directory that are invented."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, content in files.items():
            archive.writestr(f"{key}.npy", content)
    content = bytearray(stream.getvalue())
    if rng.random() < 0.3:
        places = [at for at in range(len(content)) if content.startswith(b"PK\x01\x02", at)]
        at = rng.choice(places) + rng.choice((20, 24))  # packed size, size
        content[at : at + 4] = (rng.choice(EXTREMES) & 0xFFFFFFFF).to_bytes(4, "little")
    return bytes(content)


def crafted_png(rng: random.Random) -> bytes:
    import fuzzing

    if rng.random() < 0.2:
        sides = struct.pack(">II", *rng.choices((60_000, 30_000, 8_000, 1 << 31, 0), k=2))
        chunks = fuzzing.good_chunks(rng)
        depth = rng.choice((b"\x08\x02", b"\x10\x06", b"\x01\x00", b"\x08\x03"))
        chunks[0] = (b"IHDR", sides + depth + bytes(3))
        return fuzzing.as_png(chunks)
    return fuzzing.mutant_png(rng)


def whole_png() -> bytes:
    import fuzzing

    return fuzzing.as_png(fuzzing.good_chunks(random.Random(4)))


def make_case(kind: Kind, name: str, seed: int, number: int) -> tuple[bytes, bool]:
    """The bytes of a case, and whether any result will do."""
    rng = random.Random(f"{name}/{seed}/{number}")
    if kind.crafted and number % 3 == 0:
        return kind.crafted(rng), True
    return harm(kind.whole(), rng), not kind.checked


# --- running them ---------------------------------------------------------------------------------


def run(name: str, seed: int, first: int, last: int) -> dict[str, Any]:
    """Read every case in this process; what went wrong, how often each end came, the slowest."""
    sys.path[:0] = [str(REPOSITORY), str(Path(__file__).parent)]
    from harmed_kinds import kinds

    from challenge.errors import ChallengeError

    kind = kinds(os.environ.get("KIT_SAMPLES"))[name]
    faults: list[str] = []
    ends: Counter[str] = Counter()
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train" / f"odd_name_00012_04{kind.suffix}"
        path.parent.mkdir()
        path.write_bytes(kind.whole())
        expected = kind.read(path)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + SPARE
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        signal.signal(signal.SIGALRM, _too_long)
        for number in range(first, last):
            print(number, end="\r", file=sys.stderr, flush=True)  # the last word before a crash
            content, anything = make_case(kind, name, seed, number)
            path.write_bytes(content)
            begin = time.perf_counter()
            signal.alarm(SLOWEST_S)
            try:
                found = kind.read(path)
                ends["right" if found == expected else "other"] += 1
                if not anything and found != expected:
                    faults.append(f"case {number}: read, but not as the whole file")
            except ChallengeError as error:
                ends["refused"] += 1
                if path.stem not in str(error):
                    faults.append(f"case {number}: names no file: {error}")
            except BaseException:
                faults.append(f"case {number}: {_end_of(traceback.format_exc())}")
            signal.alarm(0)
            took = time.perf_counter() - begin
            slowest = max(slowest, took)
            if took > SLOWEST_S:  # whatever became of the alarm
                faults.append(f"case {number}: {took:.0f} s")
            if os.environ.get(CANARY) or _unpickled():
                faults.append(f"case {number}: something in the file was run")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"faults": faults, "ends": dict(ends), "slowest_s": slowest, "grown_kb": grown}


def _end_of(trace: str) -> str:
    """The place in the kit, and the error."""
    lines = trace.strip().splitlines()
    places = [line.strip() for line in lines if "/challenge/" in line]
    return f"{places[-1] if places else ''} {lines[-1]}"


def _too_long(*_: Any) -> None:
    raise TimeoutError(f"still reading after {SLOWEST_S} s")


def _unpickled() -> bool:
    """Whether `Boom` ran: what putenv set is seen by a child, not in os.environ."""
    import ctypes

    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_char_p
    return getenv(CANARY.encode()) is not None


if __name__ == "__main__":
    names, numbers = sys.argv[1].split("+"), [int(text) for text in sys.argv[2:]]
    print(json.dumps({name: run(name, *numbers) for name in names}, indent=1))
