"""Databases of countries and cities in the form of MaxMind (mmdb), read once into ranges.

Promises that a database is read whole or refused, whoever wrote it: every record that its tree leads to is decoded, in
Python, and no tree makes the walk longer than twice its nodes. The reader in C is not used: it writes beyond its memory
in a damaged file (3.2.0), and for each look-up it decodes all words in all languages to show three.

    tree       node_count nodes of two records of 24, 28 or 32 bits: a node, nothing (node_count), or data behind it
    16 zeros
    data       maps, lists, texts, numbers; equal ones are pointers
    metadata

Form: https://maxmind.github.io/MaxMind-DB/. A meaning of the ranges is country, region and city with tabs between.
"""

from __future__ import annotations

import re
import struct
import sys
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import maxminddb
from maxminddb.decoder import Decoder
from maxminddb.reader import Metadata

from unsealed.model.errors import BadInput
from unsealed.model.event import Place, PlaceState
from unsealed.model.ranges import table_of
from unsealed.store.range_file import Ranges, clean, ranges_of

NODES_MAX = 60_000_000  # several times the largest that is published
_ZEROS = 16  # between the tree and the data
_BITS = {4: 32, 6: 128}
_HIGH = bytes(byte >> 4 for byte in range(256))
_LOW = bytes(byte & 15 for byte in range(256))

# What maxminddb raises on a damaged file, its own error among them.
_DAMAGED = (
    maxminddb.InvalidDatabaseError,
    ValueError,
    TypeError,
    LookupError,
    RuntimeError,
    AttributeError,
    OverflowError,
    struct.error,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """What a database says of places."""

    ranges: Ranges
    versions: frozenset[int]  # of the internet protocol that it speaks of
    cities: bool
    as_of: date
    says: str  # of itself


def read_database(path: Path) -> Database:
    """Read a database whole; takes some seconds for a large one, and three times its size in memory.

    Raises:
        BadInput: permanent; damaged, or without countries.
        OSError: it cannot be read.
    """
    raw = path.read_bytes()
    try:
        with maxminddb.open_database(path, maxminddb.MODE_FILE) as reader:
            about = reader.metadata()
        nodes = _nodes(raw, about)
        places = _Places(raw, about)
        stretches = {version: _stretches(nodes, about, version, places.value) for version in (4, 6)}
        as_of = datetime.fromtimestamp(about.build_epoch, UTC).date()
        says = f"{about.database_type} {' '.join(map(str, about.description.values()))}"
    except _DAMAGED as error:
        raise BadInput(f"the database is cut short or damaged: {error}") from error
    if not any(places.words):
        raise BadInput(f"a database without countries: it holds {places.keys or 'nothing'}")
    cities = "city" in says.partition(" ")[0].lower() or any(
        not words.endswith("\t") for words in places.words if words
    )
    return Database(
        ranges=ranges_of(table_of(stretches[4], stretches[6]), ((0, words) for words in places.words)),
        versions=frozenset(version for version, (_, values) in stretches.items() if any(values)),
        cities=cities,
        as_of=as_of,
        says=says,
    )


class _Places:
    """The places of records, each decoded once, as values of ranges: indices into `words`."""

    def __init__(self, raw: bytes, about: Metadata) -> None:
        self._decode = Decoder(raw, about.search_tree_size + _ZEROS).decode
        self._data = about.search_tree_size - about.node_count  # where a record of the tree points, counted from 0
        self._seen = {about.node_count: 0}  # nothing is said
        self._values = {"": 0}
        self.words = [""]
        self.keys = ""  # of a record without a place, for the error

    def value(self, record: int) -> int:
        """The value of a record of the tree."""
        value = self._seen.get(record)
        if value is None:
            said, _ = self._decode(record + self._data)
            words = words_of(said)
            if not words and isinstance(said, dict):
                self.keys = ", ".join(sorted(map(str, said)))
            value = self._values.setdefault(words, len(self.words))
            if value == len(self.words):
                self.words.append(words)
            self._seen[record] = value
        return value


def _nodes(raw: bytes, about: Metadata) -> array[int]:
    """The records of the tree, two for each node. Bytes are moved in bulk: there are millions of nodes."""
    size = about.search_tree_size
    if about.node_count > NODES_MAX or size + _ZEROS > len(raw):
        raise ValueError("its tree does not fit")
    tree = raw[:size]
    match about.record_size:
        case 32:
            wide: bytes | bytearray = tree
        case 28:  # the halves of the byte in the middle open both records
            wide = bytearray(8 * about.node_count)
            wide[0::8], wide[4::8] = tree[3::7].translate(_HIGH), tree[3::7].translate(_LOW)
            for to, of in ((1, 0), (2, 1), (3, 2), (5, 4), (6, 5), (7, 6)):
                wide[to::8] = tree[of::7]
        case 24:
            wide = bytearray(8 * about.node_count)
            for at in range(3):
                wide[at + 1 :: 4] = tree[at::3]
        case _:
            raise ValueError(f"its records have {about.record_size} bits")
    nodes = array("I")
    nodes.frombytes(wide)
    if sys.byteorder == "little":
        nodes.byteswap()
    return nodes


def _stretches(
    nodes: array[int], about: Metadata, version: int, value_of: Callable[[int], int]
) -> tuple[list[int], list[int]]:
    """Where each stretch of addresses begins, and its value."""
    starts, values = [0], [0]
    for start, record in _walk(nodes, about, version):
        value = value_of(record)
        if value == values[-1]:
            continue
        if start == starts[-1]:
            values[-1] = value
        else:
            starts.append(start)
            values.append(value)
    return starts, values


def _walk(nodes: array[int], about: Metadata, version: int) -> Iterator[tuple[int, int]]:
    """The records that are no nodes, in the order of addresses, each with the first address that it speaks of."""
    count, root = about.node_count, 0
    ipv4 = -1
    if about.ip_version == 6:  # IPv4 lies in ::/96, and again wherever it is mapped: `unwrap` leads to the first
        for _ in range(96):
            root = nodes[2 * root] if root < count else root
        ipv4 = root if root < count else -1
    if version == 6:
        if about.ip_version == 4:
            return
        root = 0
    waiting = [(root, 0, _BITS[version])]
    steps = 0
    while waiting:
        node, start, bits = waiting.pop()
        while node < count and (version == 4 or node != ipv4):
            steps += 1
            if bits == 0 or steps > 2 * count:
                raise ValueError("its tree is no tree")
            bits -= 1
            waiting.append((nodes[2 * node + 1], start | 1 << bits, bits))
            node = nodes[2 * node]
        yield start, node if node >= count else count


def words_of(record: object) -> str:
    """Country, region and city of a record in the layout of MaxMind or of DB-IP, with tabs between; "": no country."""
    if not isinstance(record, dict):
        return ""
    flat = record.get("country_code")  # @ip-location-db, of DB-IP and others
    if isinstance(flat, str):
        return _words(flat, _text(record, "state1"), _text(record, "city"))
    parts = record.get("subdivisions")
    return _words(
        _text(record, "country", "iso_code") or _text(record, "registered_country", "iso_code"),
        _text(parts[0], "names", "en") if isinstance(parts, list) and parts else "",
        _text(record, "city", "names", "en"),
    )


def read_place(words: str) -> Place:
    """The place that a meaning of the ranges stands for."""
    country, region, city = words.split("\t")
    return Place(state=PlaceState.KNOWN, country=country, region=region, city=city)


def _text(record: object, *keys: str) -> str:
    for key in keys:
        record = record.get(key) if isinstance(record, dict) else None
    return record if isinstance(record, str) else ""


def _words(country: str, region: str, city: str) -> str:
    if not re.fullmatch("[A-Z]{2}", country) or country == "ZZ":  # ZZ: nobody knows
        return ""
    return f"{country}\t{clean(region)}\t{clean(city)}"
