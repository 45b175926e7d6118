from __future__ import annotations

import json
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from unsealed.core.network import PROXY_CLASSES, built_in, locate, network_of, place_behind, read_network, told_of
from unsealed.model.event import HIDDEN, NOWHERE, ClientKind, Network, NetworkClass, Place, PlaceState, Told
from unsealed.model.ranges import AddressFacts

BERLIN = Place(state=PlaceState.KNOWN, country="DE", region="Berlin", city="Berlin")


def facts(address: str, **known: Any) -> AddressFacts:
    parsed = ip_address(address)
    return AddressFacts(built_in().find(parsed.version, int(parsed)), **known)


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("66.249.84.77", NetworkClass.GOOGLE_PROXY),
        ("::ffff:66.249.84.77", NetworkClass.GOOGLE_PROXY),
        ("34.90.1.1", NetworkClass.HOSTING),  # Google Cloud is rented machines, not Gmail
        ("172.226.56.12", NetworkClass.APPLE_RELAY),
        ("2a02:26f7:b00a:4000::1", NetworkClass.APPLE_RELAY),
        ("40.94.16.20", NetworkClass.MICROSOFT),
        ("209.222.80.14", NetworkClass.SECURITY_VENDOR),
        ("87.58.66.12", NetworkClass.SSE_PROXY),
        ("54.70.12.9", NetworkClass.HOSTING),
        ("203.0.113.9", NetworkClass.UNKNOWN),
        ("2001:db8::1", NetworkClass.UNKNOWN),
        ("127.0.0.1", NetworkClass.LOCAL),
        ("::1", NetworkClass.LOCAL),
        ("192.168.1.7", NetworkClass.LOCAL),
        ("fe80::1%eth0", NetworkClass.LOCAL),
        ("64:ff9b::66.249.84.77", NetworkClass.GOOGLE_PROXY),  # behind a NAT64 of ours
        ("2002:42f9:544d::1", NetworkClass.GOOGLE_PROXY),  # 6to4
        ("66.249.84.077", NetworkClass.UNKNOWN),  # is it octal? nobody sends it
        ("", NetworkClass.LOCAL),
        ("not an address", NetworkClass.UNKNOWN),
        ("0.0.0.0", NetworkClass.UNKNOWN),
        ("255.255.255.255", NetworkClass.UNKNOWN),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NetworkClass.UNKNOWN),
    ],
)
def test_an_address_belongs_to_the_class_of_its_range(address: str, kind: NetworkClass) -> None:
    assert kind == read_network(address).kind


def test_the_address_behind_a_range_does_not_belong_to_it() -> None:
    assert NetworkClass.GOOGLE_PROXY == read_network("66.102.15.255").kind
    assert NetworkClass.UNKNOWN == read_network("66.102.16.0").kind
    assert NetworkClass.UNKNOWN == read_network("66.101.255.255").kind


def test_the_networks_of_the_public_scenarios_are_known(shared: Path) -> None:
    """Addresses in documentation ranges stand for people and are ordinary; the others are real."""
    scenarios = json.loads((shared / "data" / "scenarios.json").read_text())["scenarios"]
    people = ("residential", "mobile_carrier", "corporate", "sender")
    wrong = {
        (request["ip"], request["ip_class"])
        for scenario in scenarios
        for request in scenario["requests"]
        if read_network(request["ip"]).kind != ("unknown" if request["ip_class"] in people else request["ip_class"])
    }

    assert set() == wrong


@pytest.mark.parametrize("kind", sorted(PROXY_CLASSES))
def test_no_place_is_told_of_what_stands_between(kind: NetworkClass) -> None:
    assert Told.HIDDEN == told_of(network_of(facts("203.0.113.9", own=Network(kind=kind, operator="Example"))))


def test_the_place_of_an_ordinary_address_is_told_as_it_is_known() -> None:
    assert Told.ALL == told_of(network_of(facts("203.0.113.9")))
    assert NOWHERE == locate("203.0.113.9").place
    assert HIDDEN == locate("66.249.84.77").place
    assert Told.NOTHING == told_of(network_of(facts("192.168.0.7")))


def test_of_a_mobile_carrier_only_the_country_is_told() -> None:
    network = network_of(facts("203.0.113.9", system=21928))

    assert (NetworkClass.MOBILE_CARRIER, Told.COUNTRY) == (network.kind, told_of(network))


GATEWAY = Network(kind=NetworkClass.CORPORATE, operator="Example AG")
CLOUD = Network(kind=NetworkClass.HOSTING, operator="Example Cloud")


@pytest.mark.parametrize(
    ("known", "kind"),
    [
        (facts("66.249.84.77", own=GATEWAY, relay=True), NetworkClass.CORPORATE),  # the operator knows best
        (facts("10.0.0.1", own=GATEWAY), NetworkClass.CORPORATE),
        (facts("10.0.0.1", relay=True), NetworkClass.LOCAL),
        (facts("203.0.113.9", relay=True, system=13335), NetworkClass.APPLE_RELAY),
        (facts("203.0.113.9", relay=False, system=13335), NetworkClass.HOSTING),
        (facts("203.0.113.9", relay=None, system=13335), NetworkClass.HOSTING),
        (facts("172.226.56.12", relay=None), NetworkClass.APPLE_RELAY),  # the round range, for want of a list
        (facts("172.226.56.12", relay=False), NetworkClass.UNKNOWN),  # the list does not hold it
        (facts("172.226.56.12", relay=False, system=36183), NetworkClass.HOSTING),
        (facts("172.226.56.12", relay=None, system=36183), NetworkClass.APPLE_RELAY),
        (facts("66.249.84.77", cloud=CLOUD), NetworkClass.GOOGLE_PROXY),
        (facts("203.0.113.9", cloud=CLOUD, system=15169), NetworkClass.GOOGLE_PROXY),
        (facts("203.0.113.9", cloud=CLOUD, system=8075), NetworkClass.MICROSOFT),
        (facts("203.0.113.9", cloud=CLOUD, system=64512, organisation="Example Telecom"), NetworkClass.HOSTING),
        (facts("203.0.113.9", system=64512, organisation="Example Telecom"), NetworkClass.UNKNOWN),
        (facts("54.70.12.9", system=64512, organisation="Example Telecom"), NetworkClass.UNKNOWN),  # sold on
        (facts("54.70.12.9"), NetworkClass.HOSTING),
    ],
)
def test_the_first_that_knows_an_address_decides(known: AddressFacts, kind: NetworkClass) -> None:
    assert kind == network_of(known).kind


def test_an_ordinary_network_has_the_name_of_its_system() -> None:
    network = network_of(facts("203.0.113.9", system=64512, organisation="Example Telecom"))

    assert Network(kind=NetworkClass.UNKNOWN, operator="Example Telecom") == network


@pytest.mark.parametrize("kind", list(ClientKind))
def test_a_program_that_says_it_is_a_proxy_has_no_place_from_any_network(kind: ClientKind) -> None:
    hidden = kind in (ClientKind.IMAGE_PROXY, ClientKind.PREFETCH)

    assert (Place(state=PlaceState.PROXY) if hidden else BERLIN) == place_behind(kind, BERLIN)
