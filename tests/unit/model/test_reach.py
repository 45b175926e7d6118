"""What is public, and what only looks so."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unsealed.model.reach import is_public

INSIDE = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.254 127.0.0.1 127.1.2.3 169.254.0.1 169.254.169.254
172.16.0.1 172.31.255.254 192.0.0.1 192.0.0.8 192.0.0.170 192.0.2.1 192.88.99.1 192.168.0.1 192.168.255.255 198.18.0.1
198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
:: ::1 ::127.0.0.1 ::10.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0:0
64:ff9b::7f00:1 64:ff9b::10.0.0.1 64:ff9b::169.254.169.254 64:ff9b:1::1 64:ff9b:1::8.8.8.8 100::1 2001::1
2001:0:7f00:1:: 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1:: 2002:0a00:1:: 2002:a9fe:a9fe:: 3fff::1
5f00::1 fc00::1 fd00::1 fd12:3456:789a::1 fe80::1 fe80::1%eth0 fe80::1%lo febf::1 fec0::1 ff00::1 ff02::1 ff0e::1
::1%lo
""".split()
PUBLIC = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1 172.15.255.255 172.32.0.0
192.0.1.1 192.169.0.1 198.17.255.255 198.20.0.0 223.255.255.254 2606:4700:4700::1111 2a00:1450:4001:80f::2005
::ffff:8.8.8.8 64:ff9b::8.8.8.8 2002:0808:0808::1
""".split()
NO_ADDRESS = ["", "localhost", "127.1", "0x7f.1", "2130706433", "017700000001", "127.0.0.1:25", "[::1]", "1.1.1.1 "]


@pytest.mark.parametrize("address", INSIDE)
def test_what_is_inside_is_never_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_hosts_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("written", NO_ADDRESS)
def test_what_is_no_address_is_not_public(written: str) -> None:
    assert not is_public(written)


@given(st.ip_addresses(v=4))
def test_wrapping_an_address_changes_nothing(address: IPv4Address) -> None:
    number = int(address)
    for wrapped in (
        IPv6Address(0xFFFF << 32 | number),
        IPv6Address(0x64_FF9B << 96 | number),
        IPv6Address(0x2002 << 112 | number << 80),
    ):
        assert is_public(str(address)) == is_public(str(wrapped))


@given(st.ip_addresses(v=4))
def test_nothing_private_is_public(address: IPv4Address) -> None:
    if address.is_private or address.is_multicast or address.is_reserved or address.is_loopback:
        assert not is_public(str(address))
