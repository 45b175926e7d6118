"""Databases in the form of MaxMind, small enough to write in a test.

Form: https://maxmind.github.io/MaxMind-DB/. A search tree, 16 zero bytes, the records, the marker,
the metadata.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Literal

_U16, _U32, _U64 = 5, 6, 9
BUILT = datetime(2026, 11, 1, tzinfo=UTC)


def mmdb(
    records: Mapping[str, object],
    *,
    database_type: str = "country",
    ip_version: int = 6,
    built: datetime = BUILT,
    record_size: Literal[24, 28, 32] = 32,
) -> bytes:
    """A database that says `records[prefix]` of the addresses of each prefix."""
    written: dict[int, int] = {}  # where records begin, by identity: many prefixes may share one
    nodes: list[list[int | None]] = [[None, None]]  # None: nobody; below 0: a record, counted from -1
    data, offsets = bytearray(), []
    for prefix, record in records.items():
        network = ip_network(prefix)
        number, length = int(network.network_address), network.prefixlen
        if network.version == 4 and ip_version == 6:
            length += 96
        bits = [number >> ((32 if ip_version == 4 else 128) - 1 - at) & 1 for at in range(length)]
        at = 0
        for bit in bits[:-1]:
            following = nodes[at][bit]
            if following is None:
                following = len(nodes)
                nodes.append([None, None])
                nodes[at][bit] = following
            at = following
        if id(record) not in written:
            written[id(record)] = len(data)
            data += _encoded(record)
        offsets.append(written[id(record)])
        nodes[at][bits[-1]] = -len(offsets)

    def pointer(value: int | None) -> int:
        if value is None:
            return len(nodes)
        return value if value >= 0 else len(nodes) + 16 + offsets[-value - 1]

    tree = b"".join(_node(pointer(left), pointer(right), record_size) for left, right in nodes)
    about = {
        "binary_format_major_version": (_U16, 2),
        "binary_format_minor_version": (_U16, 0),
        "build_epoch": (_U64, int(built.timestamp())),
        "database_type": database_type,
        "description": {},
        "ip_version": (_U16, ip_version),
        "languages": [],
        "node_count": (_U32, len(nodes)),
        "record_size": (_U16, record_size),
    }
    return tree + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + _encoded(about)


def _node(left: int, right: int, record_size: int) -> bytes:
    match record_size:
        case 24:
            return left.to_bytes(3, "big") + right.to_bytes(3, "big")
        case 28:
            middle = left >> 24 << 4 | right >> 24
            return (left & 0xFFFFFF).to_bytes(3, "big") + bytes([middle]) + (right & 0xFFFFFF).to_bytes(3, "big")
        case _:
            return struct.pack(">2I", left, right)


def _encoded(value: object) -> bytes:
    match value:
        case dict():
            return _head(7, len(value)) + b"".join(_encoded(key) + _encoded(item) for key, item in value.items())
        case list():
            return _head(11, len(value)) + b"".join(map(_encoded, value))
        case str():
            raw = value.encode()
            return _head(2, len(raw)) + raw
        case (int(kind), int(number)):
            raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
            return _head(kind, len(raw)) + raw
    raise TypeError(value)


def _head(kind: int, size: int) -> bytes:
    more = b""
    if size >= 29:
        size, more = 29, bytes([size - 29])  # up to 284
    return (bytes([kind << 5 | size]) if kind < 8 else bytes([size, kind - 7])) + more


def flat(country: str, region: str = "", city: str = "") -> dict[str, object]:
    """A record as @ip-location-db and DB-IP write it."""
    return {"country_code": country, **({"state1": region, "city": city} if city else {})}


def nested(country: str, region: str = "", city: str = "") -> dict[str, object]:
    """A record as MaxMind writes it."""
    record: dict[str, object] = {"country": {"iso_code": country, "names": {"en": country}}}
    if city:
        record |= {"city": {"names": {"en": city, "de": "?"}}, "subdivisions": [{"names": {"en": region}}]}
    return record
