"""Values computed before, kept by the contents of the images: a killed scoring goes on."""

from __future__ import annotations

import json
import math
import sys
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from challenge.files import write_text
from challenge.metrics.profiles import metrics_sha256

Values = dict[str, float]
"""Name of a metric -> its value; infinity for the PSNR of equal images."""


class ScoreCache:
    """Scores of pairs of files, in one file of JSON lines.

    A line is added as soon as a pair is scored, and holds `key` (the files' hashes), `code` (a hash
    of the metrics' source), `values` (null: infinite) and `crc` over the rest. Lines of other code
    are passed over; damaged ones too, with a warning on stderr. Reading never fails: what is not
    known is computed.
    """

    def __init__(self, path: Path | None) -> None:
        """Read what is there; None keeps values in memory only."""
        self._path = path
        self._code = metrics_sha256()
        self._known: dict[str, Values] = {}
        if path is not None and path.exists():
            self._read(path)

    def find(self, key: str) -> Values:
        """Say what is known of a pair; empty if nothing is."""
        return dict(self._known.get(key, {}))

    def add(self, key: str, values: Mapping[str, float]) -> None:
        """Keep values of a pair, beside those already known; they are on disk on return."""
        self._known[key] = {**self._known.get(key, {}), **values}
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with open(self._path, "ab") as file:
                file.write(self._line(key).encode())
        except OSError as error:
            self._give_up(error)

    def keep_only(self, keys: Iterable[str]) -> None:
        """Write the file anew with the values of these pairs alone."""
        self._known = {key: self._known[key] for key in keys if key in self._known}
        if self._path is None:
            return
        try:
            write_text(self._path, "".join(self._line(key) for key in self._known))
        except OSError as error:
            self._give_up(error)

    def _read(self, path: Path) -> None:
        damaged = 0
        try:
            lines = path.read_bytes().split(b"\n")
        except OSError as error:
            self._give_up(error)
            return
        for line in filter(None, lines):
            try:
                entry = json.loads(line)
                if entry.pop("crc") != _checksum(entry):
                    raise ValueError("a checksum that does not fit")
                if entry["code"] == self._code:
                    values = {name: _number(value) for name, value in entry["values"].items()}
                    self._known[entry["key"]] = {**self.find(entry["key"]), **values}
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                damaged += 1
        if damaged:
            print(f"warning: {path}: damaged lines passed over: {damaged}", file=sys.stderr)
        if lines[-1]:  # cut off in the middle of a line: what follows must not join it
            self.keep_only(list(self._known))

    def _line(self, key: str) -> str:
        known = self._known[key].items()
        values = {name: None if value == math.inf else value for name, value in known}
        entry = {"key": key, "code": self._code, "values": values}
        return json.dumps({**entry, "crc": _checksum(entry)}, allow_nan=False) + "\n"

    def _give_up(self, error: OSError) -> None:
        print(
            f"warning: {self._path}: {error.strerror}; scores are not kept there", file=sys.stderr
        )
        self._path = None


def pair_key(prediction_sha256: str, sharp_sha256: str) -> str:
    """Say what a pair is known by: its contents, whatever the files are called."""
    return f"{prediction_sha256} {sharp_sha256}"


def cache_file(caches: Path, folder: Path) -> Path:
    """Name the file for a folder of predictions, outside of it: nothing joins the PNGs."""
    place = zlib.crc32(str(folder.resolve()).encode())
    return caches / f"{folder.resolve().name}-{place:08x}.jsonl"


def _checksum(entry: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(entry, sort_keys=True).encode())


def _number(value: Any) -> float:
    if value is None:
        return math.inf
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a number")
    return float(value)
