from __future__ import annotations

import pytest

from unsealed.inlets.submit_throttle import ENTRIES, Throttle, network_of


def test_five_failures_in_a_minute_close_address_and_account() -> None:
    throttle = Throttle()
    for second in range(5):
        assert throttle.open("192.0.2.1", "ann@example.org", second)
        throttle.failed("192.0.2.1", "ann@example.org", second)

    assert not throttle.open("192.0.2.1", "bob@example.org", 5)
    assert not throttle.open("198.51.100.7", "ANN@example.org", 5)
    assert throttle.open("198.51.100.7", "bob@example.org", 5)
    assert throttle.open("192.0.2.1", "ann@example.org", 61)


def test_each_failure_is_answered_later() -> None:
    throttle = Throttle()

    assert [throttle.failed("192.0.2.1", f"u{n}", n) for n in range(6)] == [0.25, 0.5, 1.0, 2.0, 4.0, 4.0]


def test_an_account_under_attack_lets_in_the_addresses_it_is_used_from() -> None:
    throttle = Throttle()
    throttle.succeeded("203.0.113.5", "ann@example.org")
    for second in range(9):
        throttle.failed("192.0.2.1", "ann@example.org", second)

    assert throttle.open("203.0.113.5", "ann@example.org", 9)
    assert not throttle.open("198.51.100.7", "ann@example.org", 9)


def test_memory_is_bounded() -> None:
    throttle = Throttle()
    for number in range(ENTRIES + 500):
        throttle.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", f"u{number}", 0)
        throttle.succeeded("192.0.2.1", f"u{number}")

    assert len(throttle._failures) == len(throttle._known) == ENTRIES


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_an_ipv6_client_is_its_network(address: str, network: str) -> None:
    assert network_of(address) == network
