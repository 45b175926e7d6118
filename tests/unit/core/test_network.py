from __future__ import annotations

import json
from pathlib import Path

import pytest

from unsealed.core.network import read_network
from unsealed.model.event import NetworkClass


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
