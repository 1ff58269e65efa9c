"""Zips that are odd in one way each: name -> bytes. Good ones, and such as somebody refuses."""

from __future__ import annotations

import io
import random
import stat
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence

Files = list[tuple[str, bytes]]
Way = Callable[[Files], Files]


def zipped(files: Files, method: int = zipfile.ZIP_STORED, comment: bytes = b"") -> bytes:
    """Zip files in the order given; a name may come twice."""
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that come twice
        with zipfile.ZipFile(stream, "w", method) as archive:
            archive.comment = comment
            for name, content in files:
                info = zipfile.ZipInfo("x")
                info.filename = name  # the constructor cuts it at a NUL
                info.compress_type = method
                archive.writestr(info, content)
    return stream.getvalue()


def odd_zips(good: Files) -> Iterator[tuple[str, bytes]]:
    """Yield (what is odd, the zip's bytes); `good` are the PNGs, then readme.txt."""
    yield "good", zipped(good)
    for name, change in (*_names(good).items(), *_texts(good).items()):
        yield name, zipped(change(list(good)))
    yield from _methods(good)
    yield from _attributes(good)
    yield from _containers(good)


def _put(index: int, name: str | None = None, content: bytes | None = None) -> Way:
    """Replace the name or the content of one file."""

    def way(files: Files) -> Files:
        old = files[index]
        files[index] = (old[0] if name is None else name, old[1] if content is None else content)
        return files

    return way


def _names(good: Files) -> dict[str, Way]:
    """Everything that a list of names can hold."""
    (first, pixels), (second, _) = good[:2]
    stem = first.removesuffix(".png")
    ways: dict[str, Way] = {f"with {name!r}": _with(name) for name in EXTRA_NAMES}
    for prefix in ("./", "/", "//", "../", "../../", "././", "x/../", "x/", "x/y/", "x\\", "C:\\"):
        ways[f"one under {prefix!r}"] = _put(0, prefix + first)
        ways[f"all under {prefix!r}"] = lambda files, prefix=prefix: [
            (prefix + name, content) for name, content in files
        ]
    renamed = (
        *(stem, f"{stem}.PNG", f"{stem}.Png", first.upper(), f"['{stem}'].png", f"('{stem}',).png"),
        *(f"{stem} .png", f" {first}", f"{first} ", f"{stem}.png.png", f"{stem}.jpg", f"{first}/"),
        *(f"{first}\0.txt", f"{first}\n", f"é{first}", stem.replace("0", "") + ".png", "", ".png"),
    )
    ways |= {f"renamed {name!r}": _put(0, name) for name in renamed}
    ways |= {
        "one missing": lambda files: files[1:],
        "no image": lambda files: files[-1:],
        "nothing": lambda files: [],
        "no readme": lambda files: files[:-1],
        "reversed": lambda files: files[::-1],
        "first again, the same": lambda files: [*files, files[0]],
        "first again, damaged": lambda files: [*files, (first, b"no picture")],
        "first after a damaged one": lambda files: [(first, b"no picture"), *files],
        "first after an empty one": lambda files: [(first, b""), *files],
        "first again under ./": lambda files: [*files, (f"./{first}", pixels)],
        "first damaged under ./": lambda files: [*files, (f"./{first}", b"no picture")],
        "all twice": lambda files: files * 2,
        "readme twice": lambda files: [*files, files[-1]],
        "readme after a wrong one": lambda files: [("readme.txt", b"x"), *files],
        "a wrong readme after it": lambda files: [*files, ("readme.txt", b"x")],
        "readme under ./": lambda files: [*files[:-1], ("./readme.txt", files[-1][1])],
        "readme in a folder": lambda files: [*files[:-1], ("x/readme.txt", files[-1][1])],
        "a folder of its own name": lambda files: [*files, (f"{first}/", b"")],
        "a file in its own name": lambda files: [*files, (f"{first}/x.png", pixels)],
        "in its own name, before it": lambda files: [(f"{first}/x", b""), *files],
        "two names exchanged": lambda files: [
            (second, files[0][1]), (first, files[1][1]), *files[2:]
        ],
    }  # fmt: skip
    return ways


EXTRA_NAMES = (
    *(
        "metadata",
        "./metadata",
        "metadata.yaml",
        "metadata/",
        "METADATA",
        "run.json",
        "scores.json",
    ),
    *(
        "per_image.csv",
        "README.txt",
        "README.TXT",
        "readme.md",
        "notes.txt",
        "results.zip",
        "a.npy",
    ),
    *(
        "results.zip",
        "a.npy",
        "x.jpg",
        "x.png",
        ".hidden",
        ".DS_Store",
        "._x.png",
        "__MACOSX/._x.png",
        "__MACOSX/",
    ),
    *("Thumbs.db", "desktop.ini", "empty/", "./", "../", "/", ".", "..", "a/b/c/d.txt"),
    *(
        "x" * 255,
        "x" * 256,
        "é" * 128,
        "x/" * 40,
        "a\tb",
        "\x1b[2J",
        "\u202e",
        "日本",
        "con",
        "~",
        "-rf",
        "*",
    ),
)


def _with(name: str) -> Way:
    return lambda files: [*files, (name, b"" if name.endswith("/") else b"x: 1\n")]


def _texts(good: Files) -> dict[str, Way]:
    text = good[-1][1]
    lines = text.split(b"\n")
    texts: dict[str, bytes] = {
        "empty": b"",
        "of spaces": b"   \n",
        "with CRLF": text.replace(b"\n", b"\r\n"),
        "with CR": text.replace(b"\n", b"\r"),
        "with a mark": b"\xef\xbb\xbf" + text,
        "in UTF-16": text.decode().encode("utf-16"),
        "in Latin-1": text + "é".encode("latin-1"),
        "with a NUL": text + b"\0",
        "with blank lines": text.replace(b"\n", b"\n\n"),
        "with a line before": b"A title\n" + text,
        "with a line of another key before": b"Team : x\n" + text,
        "in reverse": b"\n".join(lines[::-1]),
        "without its last line": b"\n".join(lines[:3]) + b"\n",
        "with three colons": text.replace(b":", b":::"),
        "without colons": text.replace(b":", b" "),
        "with a unit": text.replace(b"0.5", b"0.5s"),
        "with a comma": text.replace(b"0.5", b"0,5"),
        "with an exponent": text.replace(b"0.5", b"5e-1"),
        "negative": text.replace(b"0.5", b"-0.5"),
        "not a number": text.replace(b"0.5", b"nan"),
        "infinite": text.replace(b"0.5", b"inf"),
        "with words": text.replace(b": 1", b": CPU"),
        "with a point": text.replace(b": 1", b": 1.0"),
        "with an underscore": text.replace(b"0.5", b"1_0"),
        "of 64 kB": text + b"x" * (65_536 - len(text)),
        "over 64 kB": text + b"x" * 65_537,
        "of megabytes": text + b"x" * (3 << 20),
    }
    return {f"readme {name}": _put(-1, content=content) for name, content in texts.items()}


def _methods(good: Files) -> Iterator[tuple[str, bytes]]:
    for name in ("DEFLATED", "BZIP2", "LZMA"):
        whole = zipped(good, getattr(zipfile, f"ZIP_{name}"))
        yield name, whole
        damaged = bytearray(whole)
        damaged[whole.index(b"PK\x01\x02") // 2] ^= 0xFF
        yield f"{name}, damaged", bytes(damaged)
    for method in (1, 6, 9, 93, 95, 97, 99, 255):
        yield f"method {method}", _patched(zipped(good), 8, 10, struct.pack("<H", method))


def _patched(whole: bytes, local: int, listed: int, value: bytes, which: int = 0) -> bytes:
    """Write a value into the header of one file, and into its line of the zip's list."""
    content = bytearray(whole)
    for signature, offset in ((b"PK\x03\x04", local), (b"PK\x01\x02", listed)):
        place = -1
        for _ in range(which + 1):
            place = whole.index(signature, place + 1)
        content[place + offset : place + offset + len(value)] = value
    return bytes(content)


def _attributes(good: Files) -> Iterator[tuple[str, bytes]]:
    whole, last = zipped(good), len(good) - 1
    for which in (0, last):
        yield f"encrypted {which}", _patched(whole, 6, 8, b"\1\0", which)
        yield f"patched data {which}", _patched(whole, 6, 8, b"\x20\0", which)
        yield f"strong encryption {which}", _patched(whole, 6, 8, b"\x41\0", which)
        yield f"UTF-8 names {which}", _patched(whole, 6, 8, b"\0\x08", which)
        yield f"wrong checksum {which}", _patched(whole, 14, 16, b"\0" * 4, which)
        for change in (-1, 1, 1000):
            size = len(good[which][1]) + change
            yield (
                f"size {change:+d} {which}",
                _patched(whole, 22, 24, struct.pack("<I", size), which),
            )
            yield (
                f"packed {change:+d} {which}",
                _patched(whole, 18, 20, struct.pack("<I", size), which),
            )
    for mode in (stat.S_IFLNK, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFDIR, 0):
        for content in (None, b"somewhere/else.png"):
            files = list(good) if content is None else _put(0, content=content)(list(good))
            yield f"mode {mode:o}, {content!r}", _with_mode(files, mode)
    yield "a date before 1980", _patched(whole, 10, 12, b"\0" * 4)
    yield "a later version", _patched(whole, 4, 6, b"\x3f\0")
    yield "a version nobody reads", _patched(whole, 4, 6, b"\xff\0")
    yield (
        "another name in the header",
        whole.replace(good[0][0].encode(), b"y" * len(good[0][0]), 1),
    )


def _with_mode(files: Files, mode: int) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for place, (name, content) in enumerate(files):
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr = 3, ((mode if place == 0 else 0) | 0o644) << 16
            archive.writestr(info, content)
    return stream.getvalue()


def _containers(good: Files) -> Iterator[tuple[str, bytes]]:
    whole = zipped(good)
    yield "no zip", b"no zip"
    yield "empty file", b""
    yield "another archive", b"Rar!\x1a\7\0" + bytes(100)
    yield "a tar", b"readme.txt" + bytes(502) + bytes(1024)
    yield "one after another", whole + whole
    yield "bytes before", b"#!/bin/sh\n" + whole
    yield "bytes after", whole + b"more"
    yield "a page after", whole + b"<html>" * 20_000
    yield "comment", zipped(good, comment=b"made by hand")
    yield "long comment", zipped(good, comment=b"x" * 65_535)
    yield "zip in a zip", zipped([("mine.zip", whole)])
    yield "zip beside", zipped([*good, ("mine.zip", whole)])
    for share in (0.2, 0.5, 0.9, 0.999):
        yield f"cut at {share}", whole[: int(share * len(whole))]
        yield f"without its first {share}", whole[int(share * len(whole)) :]
    yield "zeros in its middle", _zeroed(whole, len(whole) // 3, 64)
    yield "zeros in its list", _zeroed(whole, whole.index(b"PK\x01\x02") + 8, 30)
    yield "many files", zipped([*good, *((f"x{n}.txt", b"") for n in range(500))])
    yield "much of nothing", zipped([*good, ("x.bin", bytes(80 << 20))], zipfile.ZIP_DEFLATED)
    yield "some of nothing", zipped([*good, ("x.bin", bytes(8 << 20))], zipfile.ZIP_DEFLATED)


def _zeroed(whole: bytes, start: int, length: int) -> bytes:
    return whole[:start] + bytes(length) + whole[start + length :]


def mixtures(good: Files, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield zips that are odd in two or three ways at once."""
    ways: Sequence[tuple[str, Way]] = [*_names(good).items(), *_texts(good).items()]
    methods = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    for number in range(count):
        rng = random.Random(f"{seed}/{number}")
        files, names = list(good), []
        for name, way in rng.sample(ways, rng.choice((2, 2, 3))):
            if len(files) > 3:  # those that take files away come last
                files = way(files)
                names.append(name)
        yield f"{number}: {' + '.join(names)}", zipped(files, rng.choice(methods))
