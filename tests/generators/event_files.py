"""Writers of event files, one event after the other as their formats describe them: slow, plain,
and independent of the readers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

Row = tuple[int, int, int, int]
"""(x, y, t in microseconds, p)"""


def dat(rows: Iterable[Row], header: str = "% Version 2\n% Width 346\n% Height 260\n") -> bytes:
    """Prophesee DAT of version 2; times are kept modulo 2**32."""
    content = header.encode("ascii") + bytes([12, 8])
    for x, y, t, p in rows:
        content += struct.pack("<II", t % (1 << 32), x | y << 14 | p << 28)
    return content


def evt2_words(rows: Iterable[Row]) -> list[int]:
    """A TIME_HIGH in front of each event whose high bits are others than before."""
    words, high = [], None
    for x, y, t, p in rows:
        if t >> 6 != high:
            high = t >> 6
            words.append(0x8 << 28 | high % (1 << 28))
        words.append(p << 28 | (t & 0x3F) << 22 | x << 11 | y)
    return words


def evt2(words: Sequence[int], header: str = "% evt 2.0\n% geometry 346x260\n% end\n") -> bytes:
    return header.encode("ascii") + struct.pack(f"<{len(words)}I", *words)


def evt3_words(rows: Iterable[Row]) -> list[int]:
    """Single events: TIME_HIGH, TIME_LOW and ADDR_Y where they change, then ADDR_X."""
    words: list[int] = []
    high = low = row = None
    for x, y, t, p in rows:
        if t >> 12 != high:
            high, low = t >> 12, None
            words.append(0x8000 | high % (1 << 12))
        if t & 0xFFF != low:
            low = t & 0xFFF
            words.append(0x6000 | low)
        if y != row:
            row = y
            words.append(y)
        words.append(0x2000 | p << 11 | x)
    return words


def evt3(
    words: Sequence[int], header: str = "% format EVT3;height=260;width=346\n% end\n"
) -> bytes:
    return header.encode("ascii") + struct.pack(f"<{len(words)}H", *words)
