"""What publishers of address data write: recognised by its content, read, or refused in words.

Promises that what is taken is whole and means what it says: every row is read before anything is kept, a row that
cannot be right refuses the file with its line, and no file takes more memory than its rows. Files come from strangers.

    own       network,class,operator                      the operator's own: gateways, VPNs, offices
    relay     prefix,country,region,city,                 Apple's list of the relay's ways out
    cloud     ip-ranges.json of Amazon, cloud.json of Google, service tags of Azure, or one prefix a line
    routes    first,last,number,name                      a routing table, or the same in iptoasn's tabs
    country   a database in the form of MaxMind (mmdb), nested as MaxMind's or flat as DB-IP's
    city      the same, with cities
"""

from __future__ import annotations

import csv
import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import chain
from pathlib import Path
from socket import AF_INET, AF_INET6, inet_pton
from typing import Any, BinaryIO

from unsealed.model.errors import BadInput
from unsealed.model.event import Network, NetworkClass
from unsealed.store.database_file import read_database
from unsealed.store.range_file import Ranges, clean, compile_ranges

FILE_BYTES_MAX = 1_000_000_000  # ten times the largest that is published
TABLE_BYTES_MAX = 300_000_000  # of text or JSON, unpacked
ROWS_MAX = 5_000_000  # the internet announces a fifth of that
LINE_BYTES_MAX = 4_096

_MMDB_END = b"\xab\xcd\xefMaxMind.com"  # opens the metadata at the end of the file
_MMDB_END_WITHIN = 128 * 1024

Row = tuple[int, int, int, int, str]  # version, first, last, number, text


class DataKind(StrEnum):
    """What a file of facts about addresses knows."""

    OWN = "own"
    RELAY = "relay"
    CLOUD = "cloud"
    ROUTES = "routes"
    COUNTRY = "country"
    CITY = "city"


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """Under which terms data comes."""

    licence: str
    credit: str = ""  # what pages that show places must show
    credit_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a file turned out to hold."""

    kind: DataKind
    name: str  # of its place among the data files: "aws", "routes-ipv4"; a newer file of that name replaces it
    versions: frozenset[int]  # of the internet protocol that it speaks of
    rows: int
    as_of: date | None  # when the file itself says
    publisher: Publisher
    ranges: Ranges


# Told by the name of the file and what it says of itself; the first that is found. Looked at: 2026-11.
_PUBLISHERS: tuple[tuple[str, Publisher], ...] = (
    ("user-country|origin-asn|iptoasn|ip2asn", Publisher(licence="PDDL-1.0")),
    (
        "geo-whois",
        Publisher(licence="CC0-1.0", credit="Country statistics by the NRO", credit_url="https://www.nro.net"),
    ),
    (
        "geolite|geoip2|maxmind",
        Publisher(
            licence="MaxMind's end user licence agreement",
            credit="This product includes GeoLite data created by MaxMind",
            credit_url="https://www.maxmind.com",
        ),
    ),
    (
        "db-?ip|^asn-ipv",
        Publisher(licence="CC-BY-4.0", credit="IP Geolocation by DB-IP", credit_url="https://db-ip.com"),
    ),
)
_UNKNOWN_PUBLISHER = Publisher(licence="")
_PUBLIC = Publisher(licence="published for this use")

OWN_CLASSES = frozenset(kind.value for kind in NetworkClass) - {NetworkClass.SENDER.value}  # that a list may give
_OWN_HEAD = ["network", "class", "operator"]


def read_contents(path: Path, name: str, *, kind: DataKind | None = None, network: Network | None = None) -> Contents:
    """Recognise a file and read it whole.

    name: what it was called where it came from; tells the publisher.
    kind: what it must turn out to be. network: whose the prefixes of a plain list are.

    Raises:
        BadInput: permanent; says what is wrong, where, and what was expected.
        OSError: it cannot be read.
    """
    contents = _recognised(path, name, kind, network)
    if kind is not None and contents.kind is not kind:
        raise BadInput(f"it holds {contents.kind}, not {kind}")
    return contents


def _recognised(path: Path, name: str, kind: DataKind | None, network: Network | None) -> Contents:
    size = path.stat().st_size
    if not size:
        raise BadInput("the file is empty")
    if size > FILE_BYTES_MAX:
        raise BadInput(f"the file has more than {FILE_BYTES_MAX // 1_000_000} MB; no published file is that large")
    with path.open("rb") as file:
        start = file.read(1024)
        file.seek(max(0, size - _MMDB_END_WITHIN))
        if _MMDB_END in file.read():
            return _database(path, name)
    if name.lower().endswith(".mmdb"):
        raise BadInput("the database is cut short or damaged; fetch it again")
    opened: Callable[[], Any] = (lambda: gzip.open(path)) if start[:2] == b"\x1f\x8b" else (lambda: path.open("rb"))
    try:
        with opened() as file:
            text = file.read(1024).removeprefix(b"\xef\xbb\xbf").lstrip()
        if text[:1] in (b"{", b"["):
            with opened() as file:
                return _published_json(file)
        with opened() as file:
            return _table(file, name, kind, network)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadInput("the compressed file is cut short or damaged; fetch it again") from error


# Text


def _table(file: BinaryIO, name: str, kind: DataKind | None, network: Network | None) -> Contents:
    lines = _lines(file)
    first = next(lines, None)
    if first is None:
        raise BadInput("the file holds nothing but comments")
    try:
        cells = [cell.strip() for cell in _cells(first[1])]
    except ValueError as error:
        raise BadInput(f"line {first[0]}: {error}") from error
    rest = chain([first], lines)
    publisher = _publisher(name)
    match cells:
        case _ if [cell.lower() for cell in cells] == _OWN_HEAD:
            return _ranges(DataKind.OWN, _rows(lines, _own_row), Publisher(licence="your own"), name="own")
        case [prefix, _, _, _, *_] if "/" in prefix:
            return _ranges(DataKind.RELAY, _rows(rest, _relay_row), _PUBLIC)
        case [_, _, number, _] if number.isdecimal():
            return _ranges(DataKind.ROUTES, _rows(rest, _route_row), publisher)
        case [_, _, number, _, _] if number.isdecimal() and "\t" in first[1]:
            return _ranges(DataKind.ROUTES, _rows(rest, _iptoasn_row), publisher)
        case [prefix] if _is_prefix(prefix) and kind is DataKind.RELAY:
            return _ranges(DataKind.RELAY, _rows(rest, _relay_row), publisher)
        case [prefix] if _is_prefix(prefix) and network is not None:
            text = _written(network)
            rows = _rows(rest, lambda cells: (*_prefix(cells[0]), 0, text))
            return _ranges(DataKind.CLOUD, rows, publisher, stem=f"list-{_slug(network.operator)}")
        case [prefix] if _is_prefix(prefix):
            raise BadInput(
                "a plain list of prefixes does not say whose they are: "
                "add --class hosting --operator NAME, or --kind relay for Apple's relay"
            )
        case [_, _, country] if len(country) == 2 and country.isalpha():
            raise BadInput("countries as CSV are not read; add the same data as a .mmdb file")
        case _:
            raise BadInput(
                "not a file that is known here. Expected: a .mmdb database of countries or cities; a routing table "
                "(first,last,number,name); Apple's egress-ip-ranges.csv; Amazon's ip-ranges.json, Google's cloud.json "
                "or Azure's service tags; or your own ranges under the line network,class,operator"
            )


def _lines(file: BinaryIO) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, without blank ones and comments; whatever ends them, whatever begins the file."""
    number = size = 0
    while line := file.readline(LINE_BYTES_MAX + 1):
        number += 1
        size += len(line)
        if len(line) > LINE_BYTES_MAX:
            raise BadInput(f"line {number} has more than {LINE_BYTES_MAX} bytes; this is no table of addresses")
        if number > ROWS_MAX or size > TABLE_BYTES_MAX:
            raise BadInput(f"more than {ROWS_MAX:,} rows or {TABLE_BYTES_MAX // 1_000_000} MB of them")
        if b"\0" in line:
            raise BadInput(f"line {number} is not text")
        text = line.decode("utf-8-sig" if number == 1 else "utf-8", errors="replace").strip("\r\n ")
        if text and not text.startswith("#"):
            yield number, text


def _cells(text: str) -> list[str]:
    try:
        return next(csv.reader([text], delimiter="\t" if "\t" in text else ","))
    except csv.Error as error:
        raise ValueError(f"no row of a table: {error}") from error


def _rows(lines: Iterable[tuple[int, str]], read: Callable[[list[str]], Row | None]) -> Iterator[Row]:
    for number, text in lines:
        try:
            row = read(_cells(text))
        except ValueError as error:
            raise BadInput(f"line {number}: {error}") from error
        if row is not None:
            yield row


def _own_row(cells: list[str]) -> Row:
    if len(cells) != len(_OWN_HEAD):
        raise ValueError(f"three columns were expected: {','.join(_OWN_HEAD)}")
    prefix, kind, operator = map(str.strip, cells)
    if kind not in OWN_CLASSES:
        raise ValueError(f"{kind!r} is no class; one of {', '.join(sorted(OWN_CLASSES))}")
    return *_prefix(prefix), 0, _written(Network(kind=NetworkClass(kind), operator=operator))


def _relay_row(cells: list[str]) -> Row:
    return *_prefix(cells[0].strip()), 1, ""


def _route_row(cells: list[str]) -> Row | None:
    if len(cells) != 4 or not cells[2].strip().isdecimal():
        raise ValueError("four columns were expected: first address, last address, number of the system, name")
    return _route(*cells)


def _iptoasn_row(cells: list[str]) -> Row | None:
    if len(cells) != 5 or not cells[2].isdecimal():
        raise ValueError("five columns were expected: first address, last address, number, country, name")
    return _route(cells[0], cells[1], cells[2], cells[4])


def _route(first_text: str, last_text: str, number_text: str, name: str) -> Row | None:
    version, first = _address(first_text.strip())
    last_version, last = _address(last_text.strip())
    number = int(number_text)
    if version != last_version or first > last:
        raise ValueError(f"{first_text} to {last_text} is no range")
    if number > 0xFFFFFFFF:
        raise ValueError(f"{number_text} is no number of a system")
    return (version, first, last, number, clean(name)) if number else None  # 0: nobody announces it


def _address(text: str) -> tuple[int, int]:
    """Version and number of an address as text, or as a number: routing tables come in both forms."""
    try:
        if text.isdecimal() and len(text) < 40:
            number = int(text)
            return (4 if number < 1 << 32 else 6), number
        if ":" in text:
            return 6, int.from_bytes(inet_pton(AF_INET6, text), "big")
        return 4, int.from_bytes(inet_pton(AF_INET, text), "big")
    except (OSError, UnicodeError):
        raise ValueError(f"{text[:60]!r} is no address") from None


def _prefix(text: str) -> tuple[int, int, int]:
    network: IPv4Network | IPv6Network = ip_network(text, strict=False)
    if not network.prefixlen:
        raise ValueError(f"{text} is the whole internet")
    return network.version, int(network.network_address), int(network.broadcast_address)


def _is_prefix(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _ranges(
    kind: DataKind,
    rows: Iterable[Row],
    publisher: Publisher,
    *,
    name: str = "",
    stem: str = "",
    as_of: date | None = None,
) -> Contents:
    count, versions = 0, set()

    def counted() -> Iterator[Row]:
        nonlocal count
        for row in rows:
            count += 1
            versions.add(row[0])
            yield row

    ranges = compile_ranges(counted())
    if not count:
        raise BadInput("the file holds no addresses")
    return Contents(
        kind=kind,
        name=name or _with_versions(stem or kind, versions),
        versions=frozenset(versions),
        rows=count,
        as_of=as_of,
        publisher=publisher,
        ranges=ranges,
    )


# JSON of the clouds


def _published_json(file: BinaryIO) -> Contents:
    raw = file.read(TABLE_BYTES_MAX + 1)
    if len(raw) > TABLE_BYTES_MAX:
        raise BadInput(f"more than {TABLE_BYTES_MAX // 1_000_000} MB of JSON")
    try:
        said = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"the JSON is cut short or damaged: {error}") from error
    try:
        match said:
            case {"prefixes": [{"ip_prefix": _}, *_] as old, "ipv6_prefixes": list(new)}:
                prefixes = [row["ip_prefix"] for row in old] + [row["ipv6_prefix"] for row in new]
                return _cloud("aws", "Amazon", prefixes, said.get("createDate"))
            case {"prefixes": [{"service": "Google Cloud"}, *_] as rows}:
                prefixes = [row.get("ipv4Prefix") or row["ipv6Prefix"] for row in rows]
                return _cloud("google-cloud", "Google Cloud", prefixes, said.get("creationTime"))
            case {"prefixes": [{"ipv4Prefix": _} | {"ipv6Prefix": _}, *_]}:
                raise BadInput(
                    "this is Google's goog.json, which does not tell rented machines from Google's own; add cloud.json"
                )
            case {"cloud": str(), "values": [{"properties": _}, *_] as tags}:
                prefixes = [prefix for tag in tags for prefix in tag["properties"]["addressPrefixes"]]
                # Outlook and Defender are in there, and cannot be told from what is rented.
                return _cloud("azure", "Microsoft", prefixes, None, NetworkClass.MICROSOFT)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise BadInput(f"a list of a cloud with a row that is not understood: {error}") from error
    raise BadInput(
        "JSON that is not known here. Expected: Amazon's ip-ranges.json, Google's cloud.json or Azure's service tags"
    )


def _cloud(
    name: str, operator: str, prefixes: list[str], date_text: object, kind: NetworkClass = NetworkClass.HOSTING
) -> Contents:
    text = _written(Network(kind=kind, operator=operator))
    rows = ((*_prefix(prefix), 0, text) for prefix in prefixes)
    day = re.match(r"(\d{4})-(\d\d)-(\d\d)", str(date_text))
    as_of = date(*map(int, day.groups())) if day else None
    return _ranges(DataKind.CLOUD, rows, _PUBLIC, name=name, as_of=as_of)


# Databases


def _database(path: Path, name: str) -> Contents:
    database = read_database(path)
    kind = DataKind.CITY if database.cities else DataKind.COUNTRY
    return Contents(
        kind=kind,
        name=_with_versions(kind, set(database.versions)),
        versions=database.versions,
        rows=database.ranges.table.stretches,
        as_of=database.as_of,
        publisher=_publisher(f"{name} {database.says}"),
        ranges=database.ranges,
    )


# Words


@lru_cache(maxsize=4_096)
def read_meaning(text: str) -> Network:
    """The network that a row of own ranges or of a cloud stands for."""
    kind, _, operator = text.partition("\t")
    return Network(kind=NetworkClass(kind), operator=operator)


def _written(network: Network) -> str:
    return f"{network.kind}\t{clean(network.operator)}"


def _publisher(says: str) -> Publisher:
    for pattern, publisher in _PUBLISHERS:
        if re.search(pattern, says, re.IGNORECASE):
            return publisher
    return _UNKNOWN_PUBLISHER


def _with_versions(stem: str, versions: set[int]) -> str:
    """Publishers give both versions of the protocol in one file, or each in its own."""
    return str(stem) if len(versions) == 2 else f"{stem}-ipv{min(versions, default=4)}"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40] or "unnamed"
