"""Databases in the form of MaxMind: read whole into ranges, or refused."""

from __future__ import annotations

import struct
from datetime import date
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

import maxminddb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.mmdb import flat, mmdb, nested

from unsealed.model.errors import BadInput
from unsealed.model.event import Place, PlaceState
from unsealed.model.ranges import NOBODY
from unsealed.store.database_file import Database, read_database, read_place, words_of

PREFIXES = ("198.51.100.0/24", "198.51.100.128/25", "203.0.113.7/32", "192.0.2.0/24", "2001:db8::/32", "2a00::/12")


def read(tmp_path: Path, raw: bytes) -> Database:
    path = tmp_path / "given.mmdb"
    path.write_bytes(raw)
    return read_database(path)


def said(database: Database, address: str) -> str:
    parsed = ip_address(address)
    return database.ranges.meaning(database.ranges.table.find(parsed.version, int(parsed)))[1]


@pytest.mark.parametrize("layout", [flat, nested])
def test_a_record_of_either_layout_becomes_the_same_place(tmp_path: Path, layout: type) -> None:
    database = read(tmp_path, mmdb({"198.51.100.0/24": layout("DE", "Land Berlin", "Berlin")}))
    berlin = Place(state=PlaceState.KNOWN, country="DE", region="Land Berlin", city="Berlin")

    assert berlin == read_place(said(database, "198.51.100.7"))
    assert ["", ""] == [said(database, address) for address in ("198.51.99.255", "198.51.101.0")]
    assert (True, frozenset({4}), date(2026, 11, 1)) == (database.cities, database.versions, database.as_of)


@pytest.mark.parametrize("ip_version", [4, 6])
@pytest.mark.parametrize("record_size", [24, 28, 32])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(data=st.data())
def test_an_address_has_the_place_that_the_official_reader_finds(
    tmp_path: Path, ip_version: int, record_size: Literal[24, 28, 32], data: st.DataObject
) -> None:
    held = data.draw(
        st.lists(st.sampled_from([0, 2, 3, 4, 5] if ip_version == 6 else [0, 2, 3]), min_size=1, unique=True)
    )
    records = {PREFIXES[which]: flat("DE", "Region", f"City {which}") for which in held}
    raw = mmdb(records, ip_version=ip_version, record_size=record_size)
    database = read(tmp_path, raw)
    near = {
        address
        for prefix in records
        for address in (prefix.partition("/")[0], "198.51.100.255", "203.0.113.8", "0.0.0.0", "255.255.255.255")
    }

    with maxminddb.open_database(tmp_path / "given.mmdb", maxminddb.MODE_MMAP) as reader:
        for address in near:
            assert words_of(reader.get(address)) == said(database, address), address


def test_ipv4_is_not_found_again_under_ipv6(tmp_path: Path) -> None:
    """Writers hang the tree of IPv4 below ::ffff:0:0/96, 2001::/32 and 2002::/16 as well."""
    database = read(tmp_path, mmdb({"198.51.100.0/24": flat("DE"), "2001:db8::/32": flat("FR")}))

    assert NOBODY == database.ranges.table.find(6, int(ip_address("::198.51.100.7")))
    assert ["DE\t\t", "FR\t\t"] == [said(database, address) for address in ("198.51.100.7", "2001:db8::7")]


def test_a_tree_that_leads_back_into_itself_is_refused(tmp_path: Path) -> None:
    raw = mmdb({f"203.0.{n}.0/24": flat("DE") for n in range(200)}, ip_version=4)

    with pytest.raises(BadInput, match="no tree"):
        read(tmp_path, struct.pack(">2I", 0, 0) + raw[8:])


def test_a_tree_whose_branches_meet_ends_all_the_same(tmp_path: Path) -> None:
    """Thirty nodes whose records both lead to the next: a billion ways."""
    raw = mmdb({"203.0.113.7/32": flat("DE")}, ip_version=4)

    with pytest.raises(BadInput, match="no tree"):
        read(tmp_path, b"".join(struct.pack(">2I", n + 1, n + 1) for n in range(30)) + raw[30 * 8 :])


@pytest.mark.parametrize(
    "record",
    [
        None,
        "DE",
        {},
        {"country_code": 7},
        {"country_code": ""},
        {"country_code": "ZZ"},
        {"country_code": "Germany"},
        {"country": "DE"},
        {"country": {"iso_code": ["DE"]}},
        {"subdivisions": {}, "country": {}},
    ],
)
def test_a_record_that_says_no_country_is_nobodys(record: object) -> None:
    assert "" == words_of(record)


def place(record: object) -> Place:
    return read_place(words_of(record))


def test_names_of_places_hold_nothing_that_cannot_be_shown() -> None:
    assert "Berlin" == place({"country_code": "DE", "state1": 5, "city": "Ber\0lin\n"}).city
    assert 100 == len(place({"country_code": "DE", "city": "x" * 5_000}).city)
    assert (
        "Berlin"
        == place({"country": {"iso_code": "DE"}, "city": {"names": {"en": "Berlin"}}, "subdivisions": [7]}).city
    )
