from __future__ import annotations

from ipaddress import ip_network
from operator import itemgetter

from unsealed.core.network import read_network
from unsealed.core.network_ranges import DATE, RANGES
from unsealed.model.event import Network


def test_the_first_and_the_last_address_of_a_range_belong_to_it() -> None:
    ranges = [
        (ip_network(text), Network(kind=kind, operator=operator))
        for kind, operator, written in RANGES
        for text in written.split()
    ]
    for network, _ in ranges:
        for address in (network.network_address, network.broadcast_address):
            holders = [(other.prefixlen, holder) for other, holder in ranges if address in other]
            assert max(holders, key=itemgetter(0))[1] == read_network(str(address)), network


def test_every_range_is_written_as_a_network_and_stands_once() -> None:
    written = [text for _, _, ranges in RANGES for text in ranges.split()]

    assert written == [str(ip_network(text)) for text in written]
    assert len(written) == len(set(written))


def test_the_table_says_when_it_was_looked_at() -> None:
    assert len("2026-11") == len(DATE)
