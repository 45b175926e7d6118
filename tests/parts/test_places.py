"""The folder of files about addresses: what it says of an address, whatever becomes of the files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import date
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import NOON
from tests.mmdb import flat, mmdb, nested

from unsealed.core.network import built_in, locate, network_of, told_of
from unsealed.model.errors import BadInput, Unavailable
from unsealed.model.event import Network, NetworkClass, Place, PlaceState
from unsealed.model.view import DataFileRow
from unsealed.store.places import Places, credits_for, data_files, examine, keep

OLD = date(2026, 6, 17)
Give = Callable[..., DataFileRow]

OWN = "network,class,operator\n203.0.113.0/24,corporate,Example AG\n"
RELAY = "172.224.226.0/27,GB,GB-EN,London,\n2a02:26f7:b00a:4000::/64,DE,DE-BE,Berlin,\n"
ROUTES = "74.125.0.0,74.125.255.255,15169,Google LLC\n198.51.100.0,198.51.100.255,64512,Example Telecom\n"
CITIES = mmdb(
    {"198.51.100.0/24": nested("DE", "Land Berlin", "Berlin"), "172.224.226.0/24": nested("GB", "E", "London")}
)
COUNTRIES = mmdb({"198.51.0.0/16": flat("DE"), "192.0.2.0/24": flat("NL"), "2001:db8::/32": flat("FR")})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "places"


@pytest.fixture
def give(tmp_path: Path, folder: Path) -> Give:
    """`give(content)`: a file among the data files."""

    def kept(content: str | bytes, name: str = "given", dated: date = OLD) -> DataFileRow:
        path = tmp_path / "given"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return keep(folder, path, name=name, source=name, dated=dated, at=NOON)

    return kept


def known(folder: Path) -> Places:
    return Places(folder, built_in=built_in(), network_of=network_of, told_of=told_of)


def test_without_files_it_knows_what_is_built_in(folder: Path) -> None:
    places = known(folder)

    for address in ("66.249.84.77", "::ffff:66.249.84.77", "fe80::1%eth0", "", "nonsense", "203.0.113.9", "1.2.3", "é"):
        assert locate(address) == places.look_up(address)
    assert ("", (), False) == (places.fingerprint, places.files(), places.refresh())
    assert not folder.exists()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.text(max_size=40),
        st.integers(0, 2**32 - 1).map(lambda n: str(IPv4Address(n))),
        st.integers(0, 2**128 - 1).map(lambda n: str(IPv6Address(n))),
    )
)
def test_every_text_has_an_answer_and_the_two_readers_of_addresses_agree(folder: Path, address: str) -> None:
    assert locate(address) == known(folder).look_up(address)


def test_files_say_network_and_place(folder: Path, give: Give) -> None:
    for content in (OWN, RELAY, ROUTES, CITIES):
        give(content)
    places = known(folder)
    berlin = places.look_up("198.51.100.7")

    assert Network(kind=NetworkClass.CORPORATE, operator="Example AG") == places.look_up("203.0.113.9").network
    assert Network(operator="Example Telecom") == berlin.network
    assert ("DE", "Land Berlin", "Berlin") == (berlin.place.country, berlin.place.region, berlin.place.city)
    assert NetworkClass.GOOGLE_PROXY == places.look_up("74.125.0.1").network.kind


def test_a_proxy_has_no_place_even_where_a_database_knows_one(folder: Path, give: Give) -> None:
    give(RELAY)
    give(CITIES)
    relay = known(folder).look_up("172.224.226.1")

    assert NetworkClass.APPLE_RELAY == relay.network.kind
    assert (PlaceState.PROXY, "", "") == (relay.place.state, relay.place.country, relay.place.city)


def test_countries_fill_in_where_cities_know_nothing(folder: Path, give: Give) -> None:
    give(CITIES)
    give(COUNTRIES)
    places = known(folder)

    assert "Berlin" == places.look_up("198.51.100.7").place.city
    assert ("NL", "") == (places.look_up("192.0.2.1").place.country, places.look_up("192.0.2.1").place.city)
    assert "FR" == places.look_up("2001:db8::7").place.country
    assert "DE" == places.look_up("::ffff:198.51.7.7").place.country
    assert PlaceState.UNKNOWN == places.look_up("192.0.3.1").place.state


def test_each_version_is_looked_up_in_its_own_database(folder: Path, give: Give) -> None:
    give(mmdb({"192.0.2.0/24": flat("NL")}, ip_version=4))
    give(mmdb({"2001:db8::/32": flat("FR")}))
    places = known(folder)

    assert ["country-ipv4", "country-ipv6"] == [row.name for row in places.files()]
    assert ["NL", "FR"] == [places.look_up(address).place.country for address in ("192.0.2.1", "2001:db8::7")]


def test_a_file_for_both_versions_takes_the_place_of_one_for_each(folder: Path, give: Give) -> None:
    give(mmdb({"192.0.2.0/24": flat("NL")}, ip_version=4))
    give(mmdb({"2001:db8::/32": flat("FR")}))
    give(COUNTRIES)

    assert ["country"] == [row.name for row in data_files(folder)]
    assert 1 == len(list(folder.glob("*.ranges")))


def test_a_running_process_takes_up_new_files(folder: Path, give: Give) -> None:
    places = known(folder)
    assert PlaceState.UNKNOWN == places.look_up("192.0.2.1").place.state
    give(COUNTRIES)

    assert places.refresh()
    assert not places.refresh()
    assert "NL" == places.look_up("192.0.2.1").place.country
    before = places.fingerprint
    give(mmdb({"192.0.2.0/24": flat("BE"), "2001:db8::/32": flat("FR")}))

    assert places.refresh()
    assert "BE" == places.look_up("192.0.2.1").place.country
    assert before != places.fingerprint


def test_the_same_data_taken_again_is_younger_but_changes_nothing(folder: Path, give: Give) -> None:
    give(RELAY)
    give(ROUTES)
    places = known(folder)
    give(ROUTES, dated=NOON.date())

    assert places.fingerprint == known(folder).fingerprint
    assert not places.refresh()
    assert NOON.date() == data_files(folder)[1].as_of


def test_a_list_that_is_refused_leaves_the_old_one(folder: Path, give: Give) -> None:
    give(OWN)
    with pytest.raises(BadInput):
        give("network,class,operator\n203.0.113.0/24,castle,Example AG\n")

    assert NetworkClass.CORPORATE == known(folder).look_up("203.0.113.9").network.kind


def test_what_a_crash_left_behind_is_not_used_and_is_cleared_away(folder: Path, give: Give) -> None:
    give(OWN)
    (folder / "relay.0123456789ab.ranges").write_bytes(b"whole, but no note names it")
    (folder / "relay.json.new").write_text("{")

    assert ["own"] == [row.name for row in known(folder).files()]
    give(ROUTES)
    assert ["lock", "own", "own", "routes-ipv4", "routes-ipv4"] == sorted(
        path.name.partition(".")[0] for path in folder.iterdir()
    )


def damage(path: Path, how: str) -> None:
    """As a broken disk or a careless hand leaves it: another file under the same name."""
    raw = path.read_bytes()
    path.unlink()
    if how != "gone":
        path.write_bytes({"cut": raw[:-1], "empty": b"", "changed": raw[:60] + b"\xff\xff\xff\xff" + raw[64:]}[how])


@pytest.mark.parametrize("how", ["cut", "empty", "changed", "gone", "note", "future"])
@pytest.mark.parametrize("content", [OWN, COUNTRIES], ids=["ranges", "database"])
def test_a_file_that_breaks_is_passed_over_and_named(folder: Path, give: Give, content: str | bytes, how: str) -> None:
    name = give(content).name
    give(ROUTES)
    note = folder / f"{name}.json"
    match how:
        case "note":
            note.write_text("{")
        case "future":
            note.write_text(json.dumps({"version": 2}))
        case _:
            damage(folder / json.loads(note.read_text())["data"], how)
    places = known(folder)

    assert Network(operator="Example Telecom") == places.look_up("198.51.100.7").network
    for address in ("203.0.113.9", "192.0.2.1", "2001:db8::7", "0.0.0.0", "255.255.255.255"):
        places.look_up(address)
    found = {row.name: row.trouble for row in examine(folder)}
    assert found.pop(name)
    assert {"routes-ipv4": ""} == found


def test_a_file_that_breaks_while_it_is_in_use_changes_no_answer(folder: Path, give: Give) -> None:
    give(COUNTRIES)
    places = known(folder)
    (data,) = folder.glob("*.ranges")
    data.write_bytes(b"\xff" * data.stat().st_size)

    assert "DE" == places.look_up("198.51.7.7").place.country
    assert "not a file of ranges of this version" == examine(folder)[0].trouble
    assert PlaceState.UNKNOWN == known(folder).look_up("198.51.7.7").place.state


def test_of_a_mobile_carrier_no_more_than_the_country_is_told(folder: Path, give: Give) -> None:
    give("198.51.100.0,198.51.100.255,64512,Example Mobile\n")
    give(CITIES)
    give(COUNTRIES)

    assert Place(state=PlaceState.KNOWN, country="DE") == known(folder).look_up("198.51.100.7").place
    assert "NL" == known(folder).look_up("192.0.2.1").place.country


def test_notes_name_source_licence_and_age(folder: Path, give: Give) -> None:
    row = give(ROUTES, "asn-ipv4.csv")

    assert (row,) == data_files(folder)
    assert ("routes-ipv4", "asn-ipv4.csv", "CC-BY-4.0", OLD, NOON, 2) == (
        row.name,
        row.source,
        row.licence,
        row.as_of,
        row.added_at,
        row.rows,
    )
    assert ["https://db-ip.com"] == [credit.url for credit in credits_for((row, row, give(OWN)))]


def test_only_the_owner_can_read_the_files(folder: Path, give: Give) -> None:
    give(OWN)
    give(CITIES)

    assert {0o600} == {path.stat().st_mode & 0o777 for path in folder.iterdir()}


def test_a_folder_that_cannot_be_written_is_said(folder: Path, give: Give) -> None:
    folder.parent.mkdir(parents=True)
    folder.write_text("a file where the folder should be")

    with pytest.raises(Unavailable, match="places"):
        give(OWN)


def test_a_data_folder_below_the_links_of_another_is_never_left(folder: Path, give: Give) -> None:
    """A note that names a file elsewhere is a note that names nothing."""
    give(OWN)
    note = folder / "own.json"
    said = json.loads(note.read_text())
    (folder.parent / "secret").write_bytes(b"x" * said["size"])
    note.write_text(json.dumps(said | {"data": os.path.join("..", "secret")}))

    assert "secret is gone" == data_files(folder)[0].trouble


def test_a_relay_list_for_one_version_says_nothing_of_the_other(folder: Path, give: Give) -> None:
    give("172.224.226.0/27,GB,GB-EN,London,\n")
    places = known(folder)

    assert NetworkClass.APPLE_RELAY == places.look_up("172.224.226.1").network.kind
    assert NetworkClass.UNKNOWN == places.look_up("172.224.227.1").network.kind  # the list does not hold it
    assert NetworkClass.APPLE_RELAY == places.look_up("2a02:26f7::1").network.kind  # the round range still stands


def test_lists_that_overlap_are_asked_in_their_order(folder: Path, give: Give) -> None:
    give('{"prefixes": [{"ip_prefix": "203.0.113.0/24"}, {"ip_prefix": "198.51.100.0/25"}], "ipv6_prefixes": []}')
    give("203.0.113.0/25,DE,DE-BE,Berlin,\n")
    give("network,class,operator\n203.0.113.0/26,corporate,Example AG\n")
    give(ROUTES)
    places = known(folder)

    assert ["Example AG", "iCloud Private Relay", "Amazon", "Amazon", "Example Telecom"] == [
        places.look_up(address).network.operator
        for address in ("203.0.113.1", "203.0.113.65", "203.0.113.129", "198.51.100.1", "198.51.100.129")
    ]
