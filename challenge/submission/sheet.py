"""A CSV table that people edit as well: read as they left it, written back with nothing lost."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from challenge.files import write_whole

DELIMITERS = (",", ";", "\t")
SEPARATOR_LINE = re.compile(r'"?sep=(?P<delimiter>[^\r\n])"?(\r\n|\r|\n)', re.IGNORECASE)
"""What Excel may put above the header."""


class Sheet:
    """Cells as text, under a header; columns and lines that nobody knows are kept as they are.

    Understood: UTF-8 with and without a byte order mark, UTF-16 with one, else the Western code
    page; commas, semicolons or tabs; any line end; columns in any order, their names in any case.
    """

    def __init__(self, content: bytes, columns: Sequence[str], needed: Sequence[str]) -> None:
        """Read a table; an empty one gets the header `columns`.

        Args:
            content: of the file.
            columns: the names that are looked for; those missing are added when they are filled.
            needed: those that must be there.

        Raises:
            ValueError: quotes that do not close, or no header with the needed columns.
        """
        text, self._encoding = _decode(content)
        self._newline = "\r\n" if "\r\n" in text else "\n"
        start = SEPARATOR_LINE.match(text)
        self._above = start.group() if start else ""
        body = text[len(self._above) :]
        if not text.strip():
            self._above, self._delimiter = "", ","
            self._lines, self._head = [list(columns)], 0
        else:
            known = {name.lower() for name in columns}
            self._delimiter, self._lines = _split(body, known, start["delimiter"] if start else "")
            self._head = next((i for i, line in enumerate(self._lines) if _filled(line)), 0)
        self._place: dict[str, int] = {}
        for place, name in enumerate(self._lines[self._head] if self._lines else []):
            self._place.setdefault(name.strip().lower(), place)
        if missing := [name for name in needed if name.lower() not in self._place]:
            raise ValueError(f"no column {', '.join(missing)}")

    def lines(self) -> Iterator[int]:
        """Go through the numbers of the lines below the header."""
        return iter(range(self._head + 1, len(self._lines)))

    def get(self, line: int, column: str) -> str:
        """Return a cell, without white space around it; "" where there is none."""
        place, cells = self._place.get(column.lower()), self._lines[line]
        return cells[place].strip() if place is not None and place < len(cells) else ""

    def set(self, line: int, column: str, text: str) -> None:
        """Write a cell; a column that is missing is added behind everything that is there."""
        if column.lower() not in self._place:
            header = self._lines[self._head]
            width = max(len(each) for each in self._lines)
            header += [""] * (width - len(header)) + [column]
            self._place[column.lower()] = width
        place, cells = self._place[column.lower()], self._lines[line]
        cells += [""] * (place + 1 - len(cells))
        cells[place] = text

    def add(self, values: Mapping[str, str]) -> None:
        """Add a line."""
        self._lines.append([""] * len(self._lines[self._head]))
        for column, text in values.items():
            if text:
                self.set(len(self._lines) - 1, column, text)

    def write(self, path: Path) -> None:
        """Write the table as it was found, whole or not at all."""
        text = self._above + "".join(map(self._line, self._lines))
        try:
            content = text.encode(self._encoding)
        except UnicodeEncodeError:  # of a code page; with the mark, Excel still understands
            content = text.encode("utf-8-sig")
        with write_whole(path) as temporary:
            temporary.write_bytes(content)

    def _line(self, cells: Sequence[str]) -> str:
        text = io.StringIO(newline="")
        ended = "\r\n"  # so that a cell which holds either of them is quoted
        csv.writer(text, delimiter=self._delimiter, lineterminator=ended).writerow(cells)
        return text.getvalue().removesuffix(ended) + self._newline


def _decode(content: bytes) -> tuple[str, str]:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16"), "utf-16"
    encodings = ["utf-8-sig" if content.startswith(codecs.BOM_UTF8) else "utf-8", "cp1252"]
    for encoding in encodings:
        try:
            return content.decode(encoding), encoding
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1"), "latin-1"


def _filled(line: Sequence[str]) -> bool:
    return any(cell.strip() for cell in line)


def _split(text: str, known: set[str], said: str) -> tuple[str, list[list[str]]]:
    """Find the delimiter under which most of the header's names are known; and the cells."""
    best: tuple[int, str, list[list[str]]] | None = None
    fault: csv.Error | None = None
    for delimiter in dict.fromkeys((*said, *DELIMITERS)):
        try:
            stream = io.StringIO(text, newline="")
            lines = list(csv.reader(stream, delimiter=delimiter, strict=True))
        except csv.Error as error:
            fault = fault or error
            continue
        header = next(filter(_filled, lines), [])
        found = len(known.intersection(name.strip().lower() for name in header))
        if best is None or found > best[0]:
            best = found, delimiter, lines
    if best is None or (fault and not best[0]):
        raise ValueError(f"{fault}")
    return best[1], best[2]
