"""Ranges of addresses as values: what a file of ranges says, and what all files say about one address.

Promises that the narrowest range around an address wins, of equally narrow ones the later, and that a look-up costs
two bisections at most, whatever the number of ranges. Knows no file and no meaning.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import NamedTuple

from unsealed.model.event import Network

NOBODY = 0  # the value of an address that no range holds
_INDEX_BITS = 16  # of an IPv4 address, at most: halves the time of a look-up among millions, and takes 50 ms to make
_LOW = (1 << 64) - 1
_BITS = {4: 32, 6: 128}


class Range(NamedTuple):
    """Addresses from `first` to `last`, both included, and what is said of them."""

    version: int  # 4 or 6
    first: int
    last: int
    value: int  # 1 or more; an index into what the owner of the table keeps


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeTable:
    """Both address spaces cut into stretches, each with its value; the first stretch begins at 0.

    Arrays instead of tuples: 400,000 stretches of IPv4 take 3 MB.
    """

    starts4: array[int]  # u32
    values4: array[int]  # u32
    highs6: array[int]  # u64: the upper half of the address where a stretch begins
    lows6: array[int]  # u64: the lower half
    values6: array[int]  # u32
    index4: array[int] = field(init=False, repr=False, compare=False)  # how many stretches begin before each block
    shift4: int = field(init=False, repr=False, compare=False)  # from an address to its block

    def __post_init__(self) -> None:
        bits = min(len(self.starts4).bit_length(), _INDEX_BITS)
        object.__setattr__(self, "shift4", 32 - bits)
        blocks = (bisect_left(self.starts4, block << self.shift4) for block in range(1 << bits))
        object.__setattr__(self, "index4", array("I", [*blocks, len(self.starts4)]))

    def find(self, version: int, number: int) -> int:
        """The value of an address, NOBODY when no range holds it."""
        if version == 4:
            block = number >> self.shift4
            return self.values4[bisect_right(self.starts4, number, self.index4[block], self.index4[block + 1]) - 1]
        high = number >> 64
        behind = bisect_right(self.highs6, high)
        if self.highs6[behind - 1] == high:
            behind = bisect_right(self.lows6, number & _LOW, bisect_left(self.highs6, high, 0, behind), behind)
        return self.values6[behind - 1]

    @property
    def stretches(self) -> int:
        return len(self.starts4) + len(self.highs6)


def build_table(ranges: Iterable[Range]) -> RangeTable:
    """Cut the narrower out of the wider. Ranges may come in any order, nested or overlapping; n log n."""
    by_version: dict[int, list[tuple[int, int, int, int]]] = {4: [], 6: []}
    for order, (version, first, last, value) in enumerate(ranges):
        by_version[version].append((first, last, -order, value))
    return table_of(_cut(by_version[4], 4), _cut(by_version[6], 6))


def lay_over(tables: Sequence[RangeTable]) -> tuple[RangeTable, tuple[tuple[int, ...], ...]]:
    """One table out of several, to look up once: its values are indices into what each of them says.

    Takes some 2 microseconds for each stretch of each table.
    """
    said: dict[tuple[int, ...], int] = {(NOBODY,) * len(tables): NOBODY}

    def joined(version: int, starts: Iterable[int]) -> tuple[list[int], list[int]]:
        at, values = [0], [NOBODY]
        for start in sorted({0, *starts}):
            value = said.setdefault(tuple(table.find(version, start) for table in tables), len(said))
            if start == 0:
                values[0] = value
            elif value != values[-1]:
                at.append(start)
                values.append(value)
        return at, values

    four = joined(4, (start for table in tables for start in table.starts4))
    six = joined(6, (h << 64 | low for table in tables for h, low in zip(table.highs6, table.lows6, strict=True)))
    return table_of(four, six), tuple(said)


def table_of(four: tuple[list[int], list[int]], six: tuple[list[int], list[int]]) -> RangeTable:
    """A table out of where the stretches of each version begin, the first at 0, and their values."""
    return RangeTable(
        starts4=array("I", four[0]),
        values4=array("I", four[1]),
        highs6=array("Q", [start >> 64 for start in six[0]]),
        lows6=array("Q", [start & _LOW for start in six[0]]),
        values6=array("I", six[1]),
    )


def _cut(ranges: list[tuple[int, int, int, int]], version: int) -> tuple[list[int], list[int]]:
    ranges.sort()
    starts, values = [0], [NOBODY]
    open_here: list[tuple[int, int, int, int]] = []  # width, -order, last, value: the narrowest and latest on top
    at, following, end = 0, 0, 1 << _BITS[version]
    while at < end:
        while following < len(ranges) and ranges[following][0] <= at:
            first, last, later, value = ranges[following]
            heappush(open_here, (last - first, later, last, value))
            following += 1
        while open_here and open_here[0][2] < at:
            heappop(open_here)
        value = open_here[0][3] if open_here else NOBODY
        if starts[-1] == at:
            values[-1] = value
        elif values[-1] != value:
            starts.append(at)
            values.append(value)
        at = open_here[0][2] + 1 if open_here else end
        if following < len(ranges):
            at = min(at, ranges[following][0])
    return starts, values


class AddressFacts(NamedTuple):
    """What is known of one address; what nothing says is None, 0 or ""."""

    built_in: int = NOBODY  # its value in core.network.built_in
    own: Network | None = None  # the operator's own list of ranges
    relay: bool | None = None  # whether Apple's relay list holds it; None: there is no such list
    cloud: Network | None = None  # a provider's list of its own ranges
    system: int = 0  # the autonomous system that announces it
    organisation: str = ""  # that system's registered name


def unwrap(version: int, number: int) -> tuple[int, int]:
    """The IPv4 address inside an IPv6 address that stands for one, else the address itself.

    IPv4-mapped (RFC 4291 §2.5.5.2), NAT64 (RFC 6052 §2.1) and 6to4 (RFC 3056 §2) carry the client's own. Teredo
    (RFC 4380) carries what its relay saw, often a private address, and is left as it is.
    """
    if version == 6:
        if number >> 32 in (0xFFFF, 0x64FF9B << 64):
            return 4, number & 0xFFFFFFFF
        if number >> 112 == 0x2002:
            return 4, number >> 80 & 0xFFFFFFFF
    return version, number
