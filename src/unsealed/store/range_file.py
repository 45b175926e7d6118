"""Ranges of addresses in one compact file, made once from what publishers write as text.

Promises that a file is loaded whole or refused: a damaged one never answers wrongly. Loading a routing table of half a
million rows takes some 10 ms, because arrays are read as they lie.

    magic      "unsealed ranges 1\\n"
    head       counts u32 x 4: stretches of IPv4, stretches of IPv6, meanings, bytes of texts | crc32 u32 of the body
    body       starts4 u32[] | values4 u32[] | highs6 u64[] | lows6 u64[] | values6 u32[]
               | numbers u32[] | ends u32[] | texts

All little-endian. The value of a stretch is the index of its meaning; meaning 0 is nobody's. A meaning is a number (an
autonomous system, or 0) and a text, which ends in `texts` where `ends` says. Another layout gets another magic, and the
file is made again with `unsealed data update` or `add`.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from unsealed.model.errors import BadInput
from unsealed.model.ranges import Range, RangeTable, build_table

MAGIC = b"unsealed ranges 1\n"
NAME_LETTERS_MAX = 100
_HEAD = struct.Struct("<5I")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranges:
    """A table of ranges, and what its values mean."""

    table: RangeTable
    numbers: array[int]  # u32
    ends: array[int]  # u32
    texts: bytes

    def meaning(self, value: int) -> tuple[int, str]:
        """Number and text of a value that the table gave."""
        text = self.texts[self.ends[value - 1] if value else 0 : self.ends[value]].decode()
        return self.numbers[value], text


def compile_ranges(rows: Iterable[tuple[int, int, int, int, str]]) -> Ranges:
    """Ranges out of (version, first, last, number, text); of equally narrow ones the later wins."""
    meanings: dict[tuple[int, str], int] = {(0, ""): 0}
    # The empty meaning is nobody's; a list without meanings, such as the relay's, gives its rows the number 1.
    table = build_table(
        Range(version, first, last, meanings.setdefault((number, text), len(meanings)))
        for version, first, last, number, text in rows
    )
    return ranges_of(table, meanings)


def ranges_of(table: RangeTable, meanings: Iterable[tuple[int, str]]) -> Ranges:
    """A table whose values are positions among the meanings, of which the first is nobody's."""
    numbers, ends, texts = array("I"), array("I"), bytearray()
    for number, text in meanings:
        texts += text.encode()
        numbers.append(number)
        ends.append(len(texts))
    return Ranges(table=table, numbers=numbers, ends=ends, texts=bytes(texts))


def clean(text: str) -> str:
    """A name as it may be stored and shown: what strangers wrote, without control characters."""
    return "".join(letter for letter in text.strip()[:NAME_LETTERS_MAX] if letter.isprintable())


def pack(ranges: Ranges) -> bytes:
    """The whole file as bytes."""
    table = ranges.table
    parts = (table.starts4, table.values4, table.highs6, table.lows6, table.values6, ranges.numbers, ranges.ends)
    body = b"".join([*map(_little, parts), ranges.texts])
    counts = (len(table.starts4), len(table.highs6), len(ranges.numbers), len(ranges.texts))
    return MAGIC + _HEAD.pack(*counts, crc32(body)) + body


def load(path: Path) -> Ranges:
    """Read a file that `pack` made.

    Raises:
        BadInput: permanent; damaged, cut short, or of another layout.
        OSError: it cannot be read.
    """
    raw = path.read_bytes()
    if not raw.startswith(MAGIC) or len(raw) < len(MAGIC) + _HEAD.size:
        raise BadInput("not a file of ranges of this version")
    count4, count6, meanings, text_bytes, checksum = _HEAD.unpack_from(raw, len(MAGIC))
    at = len(MAGIC) + _HEAD.size
    if len(raw) - at != 8 * count4 + 20 * count6 + 8 * meanings + text_bytes or crc32(memoryview(raw)[at:]) != checksum:
        raise BadInput("damaged")

    def take(code: str, count: int) -> array[int]:
        nonlocal at
        taken: array[int] = array(code)
        taken.frombytes(raw[at : at + count * taken.itemsize])
        at += count * taken.itemsize
        if sys.byteorder == "big":
            taken.byteswap()
        return taken

    table = RangeTable(
        starts4=take("I", count4),
        values4=take("I", count4),
        highs6=take("Q", count6),
        lows6=take("Q", count6),
        values6=take("I", count6),
    )
    numbers, ends = take("I", meanings), take("I", meanings)
    return Ranges(table=table, numbers=numbers, ends=ends, texts=raw[at:])


def _little(numbers: array[int]) -> bytes:
    if sys.byteorder == "big":
        numbers = array(numbers.typecode, numbers)
        numbers.byteswap()
    return numbers.tobytes()
