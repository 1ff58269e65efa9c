"""Malformed zips and PNGs: the check names a fault or none, but never crashes, hangs, fills the
memory or writes.

The cases run in a process of their own with an address space of 400 MB. Each follows from the seed
and its number: `python tests/generators/fuzzing.py SEED FIRST LAST` runs them by hand.
"""

from __future__ import annotations

import io
import json
import os
import random
import struct
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
MEMORY = 400 << 20  # bytes of address space
WIDTH, HEIGHT = 16, 12
NAMES = [f"zigzag_{number:05d}.png" for number in (0, 12, 24)]
README = b"runtime : 0.5\nCPU : 1\nExtra : 0\nOther : x\n"
TEMPLATE = "runtime : {runtime}\nCPU : {cpu}\nExtra : {extra_data}\nOther : {description}\n"
ODD_NAMES = (
    *("../x.png", "/etc/x.png", "C:\\x.png", "..\\..\\x.png", "a/b/c.png", "x\x00.png", "\x00"),
    *("", ".", "..", "/", "//", "a" * 300 + ".png", "9" * 5000 + ".png", "['" + " " * 9000, "[('a"),
    *(
        "metadata",
        ".DS_Store",
        "__MACOSX/._x",
        "CON",
        "\x1b[2J.png",
        "\u202egnp.x",
        "zigzag_12.png",
    ),
    *("readme.txt/", "zigzag_00012.png/x.png", "~/x.png", "$(touch x).png", "-rf.png", "日本.png"),
)
NUMBERS = (0, 1, 2, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
WRITES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate"}


# --- making cases --------------------------------------------------------------------------------


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def good_chunks(rng: random.Random) -> list[tuple[bytes, bytes]]:
    """An 8-bit RGB picture of random pixels."""
    rows = b"".join(b"\x00" + rng.randbytes(3 * WIDTH) for _ in range(HEIGHT))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    return [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]


def as_png(chunks: list[tuple[bytes, bytes]]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


def mutant_png(rng: random.Random) -> bytes:
    """A PNG whose checksums are right and whose content is not."""
    chunks = good_chunks(rng)
    for _ in range(rng.randint(1, 2)):
        at = rng.randrange(len(chunks))
        kind, body = chunks[at]
        choice = rng.randrange(9)
        if choice == 0:  # a huge or empty picture
            sides = struct.pack(">II", *rng.choices((*NUMBERS, WIDTH, HEIGHT, 1 << 14), k=2))
            chunks[0] = (chunks[0][0], sides + chunks[0][1][8:])
        elif choice == 1:  # another depth, colour, compression, filter, interlace
            place = rng.randrange(8, 13)
            header = bytearray(chunks[0][1].ljust(13, b"\x00"))
            header[place] = rng.choice((0, 1, 2, 3, 4, 6, 7, 8, 16, 255))
            chunks[0] = (chunks[0][0], bytes(header))
        elif choice == 2:
            chunks.insert(rng.randrange(len(chunks) + 1), rng.choice(chunks))
        elif choice == 3:
            del chunks[at]
        elif choice == 4:
            letters = rng.choice(
                (b"tRNS", b"PLTE", b"IDAT", b"IHDR", b"abcd", b"ABCD", b"\xff" * 4)
            )
            chunks.insert(at, (letters, rng.randbytes(rng.choice((0, 1, 6, 768, 2000)))))
        elif choice == 5:
            chunks[at] = (kind, body[: rng.randint(0, len(body))])
        elif choice == 6:
            chunks[at] = (kind, flipped(body, rng))
        elif choice == 7:  # far more pixels than the header says
            chunks[at] = (b"IDAT", zlib.compress(bytes(rng.choice((1 << 16, 1 << 22)))))
        else:
            rng.shuffle(chunks)
        if not chunks:
            break
    return as_png(chunks)


def flipped(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.randint(1, 8) if changed else 0):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def make_zip(files: list[tuple[str, bytes]], rng: random.Random, **attributes: int) -> bytes:
    stream = io.BytesIO()
    method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    odd = rng.randrange(len(files)) if attributes else -1
    with zipfile.ZipFile(stream, "w") as archive:
        for place, (name, content) in enumerate(files):
            info = zipfile.ZipInfo("x")
            info.filename = name  # the constructor would cut it at a NUL
            info.compress_type = method
            if place == odd:
                for key, value in attributes.items():
                    setattr(info, key, value)
            archive.writestr(info, content)
    return stream.getvalue()


def good_files(rng: random.Random) -> list[tuple[str, bytes]]:
    return [*((name, as_png(good_chunks(rng))) for name in NAMES), ("readme.txt", README)]


def flips(rng: random.Random) -> bytes:
    return flipped(make_zip(good_files(rng), rng), rng)


def cuts(rng: random.Random) -> bytes:
    whole = make_zip(good_files(rng), rng)
    first, last = sorted(rng.choices(range(len(whole) + 1), k=2))
    return rng.choice((whole[:last], whole[first:], whole[:first] + whole[last:], whole * 2))


def fields(rng: random.Random) -> bytes:
    """A number in a header of the zip replaced: sizes, offsets, counts, versions, flags."""
    content = bytearray(make_zip(good_files(rng), rng))
    for _ in range(rng.randint(1, 3)):
        signature = rng.choice((b"PK\x01\x02", b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"))
        places = [at for at in range(len(content)) if content.startswith(signature, at)]
        size = {b"PK\x01\x02": 46, b"PK\x03\x04": 30, b"PK\x05\x06": 22}[signature]
        at = rng.choice(places) + rng.randrange(4, size - 1) if places else 0
        width = rng.choice((1, 2, 4))
        number = rng.choice((*NUMBERS, rng.getrandbits(32))) & ((1 << 8 * width) - 1)
        content[at : at + width] = number.to_bytes(width, "little")
    return bytes(content)


def names(rng: random.Random) -> bytes:
    files = good_files(rng)
    for _ in range(rng.randint(1, 3)):
        files.append((rng.choice(ODD_NAMES), rng.choice((b"", b"x", files[0][1]))))
    return make_zip(files, rng)


def images(rng: random.Random) -> bytes:
    files = good_files(rng)
    files[rng.randrange(3)] = (rng.choice(NAMES), mutant_png(rng))
    return make_zip(files, rng)


def texts(rng: random.Random) -> bytes:
    text = rng.choice((rng.randbytes(200), flipped(README, rng), b":" * 70_000, b"", b":\n" * 9))
    return make_zip([*good_files(rng)[:3], ("readme.txt", text)], rng)


def attributes(rng: random.Random) -> bytes:
    mode = rng.choice((0o120777, 0o010644, 0o020644, 0o040755, 0o140644, 0o170000))
    method = rng.choice((zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_STORED))
    if rng.random() < 0.5:
        return make_zip(good_files(rng), rng, external_attr=mode << 16, create_system=3)
    return flipped(make_zip(good_files(rng), rng, compress_type=method), rng)


def bombs(rng: random.Random) -> bytes:
    """Zips in zips, much from little, entries over one another, and a list of names of its own."""
    choice = rng.randrange(5)
    if choice == 0:
        inner = make_zip(good_files(rng), rng)
        return make_zip([*good_files(rng), (rng.choice((NAMES[0], "x.zip")), inner)], rng)
    if choice == 1:
        zeros = bytes(rng.choice((1 << 19, 1 << 23)))
        files = [*good_files(rng)[1:], (NAMES[0], zeros)]
        return make_zip(files, rng, compress_type=zipfile.ZIP_DEFLATED)
    whole = make_zip(good_files(rng), rng)
    start = whole.index(b"PK\x01\x02")
    end = whole.index(b"PK\x05\x06")
    times = rng.choice((2, 50, 1000))
    if choice == 2:  # every name again and again, over the same bytes
        listed, count = whole[start:end] * times, 4 * times
    elif choice == 3:  # a count and a size that are invented
        listed, count = whole[start:end], rng.choice(NUMBERS)
    else:
        listed, count = rng.randbytes(5000), 4
    size = len(listed) if rng.random() < 0.7 else rng.choice(NUMBERS)
    tail = struct.pack(
        "<4s4H2IH", b"PK\x05\x06", 0, 0, count & 0xFFFF, count & 0xFFFF, size, start, 0
    )
    large = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, 1 << 40, start)
    place = struct.pack("<4sIQI", b"PK\x06\x07", 0, start + len(listed), 1)
    return whole[:start] + listed + (large + place if rng.random() < 0.3 else b"") + tail


KINDS: tuple[Callable[[random.Random], bytes], ...] = (
    *(flips, cuts, fields, fields, names, images, images, texts, attributes, bombs),
)


def make_case(seed: int, number: int) -> tuple[str, bytes]:
    rng = random.Random(f"{seed}/{number}")
    kind = KINDS[number % len(KINDS)]
    return kind.__name__, kind(rng)


# --- running them --------------------------------------------------------------------------------


def run(seed: int, first: int, last: int, memory: int = MEMORY) -> dict[str, Any]:
    """Check every case in this process; what went wrong, what was found, the slowest case."""
    import resource

    sys.path.insert(0, str(REPOSITORY))
    from challenge.errors import SubmissionError
    from challenge.submission import Expected, check_submission

    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    warnings.simplefilter("ignore")  # zipfile's about duplicate names
    watching, faults, found = [False], [], Counter[str]()

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        opened = event == "open" and isinstance(arguments[2], int)
        written = opened and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if watching[0] and (event in WRITES or written):
            faults.append(f"case {number}: wrote: {event} {arguments}")

    sys.addaudithook(watch)
    expected = Expected(TEMPLATE, frozenset(NAMES), len(NAMES), (WIDTH, HEIGHT))
    unknown = Expected(TEMPLATE)
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.zip"
        for number in range(first, last):
            kind, content = make_case(seed, number)
            path.write_bytes(content)
            begin, watching[0] = time.perf_counter(), True
            try:
                findings = check_submission(path, unknown if number % 7 == 0 else expected)
                found.update({finding.kind for finding in findings} or {"nothing"})
                assert all(str(finding).isprintable() for finding in findings)
            except SubmissionError:
                found["no zip"] += 1
            except BaseException:
                faults.append(f"case {number} ({kind}): {traceback.format_exc()}")
            watching[0] = False
            slowest = max(slowest, time.perf_counter() - begin)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"faults": faults, "found": dict(found), "slowest_s": slowest, "peak_kb": peak}


if __name__ == "__main__":
    print(json.dumps(run(*map(int, sys.argv[1:]))))
