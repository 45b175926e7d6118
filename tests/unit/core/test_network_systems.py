from __future__ import annotations

import csv
from pathlib import Path

import pytest

from unsealed.core.network import network_of
from unsealed.core.network_systems import DATE, SYSTEMS
from unsealed.model.event import Network, NetworkClass
from unsealed.model.ranges import AddressFacts

# What the shared list says in words of its own
SAID_OTHERWISE = {
    "google_other": NetworkClass.HOSTING,
    "link_preview_platform": NetworkClass.HOSTING,
    "apple_relay": NetworkClass.HOSTING,  # only the relay list can say more
    "apple": NetworkClass.CORPORATE,
}


def read_system(number: int, name: str) -> Network:
    """What is said of an address that this system announces and no list holds."""
    return network_of(AddressFacts(system=number, organisation=name))


def test_a_system_stands_in_one_row() -> None:
    numbers = [number for _, _, written in SYSTEMS for number in written.split()]

    assert len(set(numbers)) == len(numbers)
    assert all(number.isdecimal() for number in numbers)
    assert len("2026-11") == len(DATE)


def test_every_system_of_the_shared_list_has_its_class(shared: Path) -> None:
    with (shared / "data" / "networks.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))

    assert rows
    assert [] == [
        row
        for row in rows
        if SAID_OTHERWISE.get(row["class"], row["class"]) != read_system(int(row["asn"]), row["as_org"]).kind
    ]


@pytest.mark.parametrize("number", [15169, 8075])
@pytest.mark.parametrize("name", ["", "Cloud Hosting Data Center VPS"])
def test_google_and_microsoft_are_never_hosting(number: int, name: str) -> None:
    assert NetworkClass.HOSTING != read_system(number, name).kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Example Hosting Ltd", NetworkClass.HOSTING),
        ("Example Data Centers, Inc.", NetworkClass.HOSTING),
        ("UAB Example Servers", NetworkClass.HOSTING),
        ("Example Cloud LLC", NetworkClass.HOSTING),
        ("Example Mobile S.A.", NetworkClass.MOBILE_CARRIER),
        ("Example Cellular Corp", NetworkClass.MOBILE_CARRIER),
        ("Example Automobile AG", NetworkClass.UNKNOWN),
        ("Example Cloud Broadband", NetworkClass.UNKNOWN),  # lines to homes under a modern name
        ("Example Telecom Internet Data Center", NetworkClass.UNKNOWN),
        ("Example Wireless", NetworkClass.UNKNOWN),  # as often a mast for farms as a telephone network
        ("Example Telekom AG", NetworkClass.UNKNOWN),  # homes and offices alike
        ("", NetworkClass.UNKNOWN),
    ],
)
def test_a_name_tells_only_what_its_words_say(name: str, kind: NetworkClass) -> None:
    assert kind == read_system(64512, name).kind
    assert name == read_system(64512, name).operator
