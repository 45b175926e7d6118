"""Which addresses may be connected to on behalf of somebody who names a host: those of the public internet.

Promises that no address of this machine, of a network of its own or of its provider's inside counts as public, however
it is wrapped into IPv6. To be asked about every address that a name resolves to, and the connection goes to the address
that was asked about: a name that is looked up again may lead elsewhere by then.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

# What is_global of ipaddress lets pass, or did in some version, although it leads to no single public host.
_NOT_PUBLIC = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",  # RFC 1122: this host
            "100.64.0.0/10",  # RFC 6598: carriers' inside
            "192.0.0.0/24",  # RFC 6890
            "192.88.99.0/24",  # RFC 7526: once 6to4
            "224.0.0.0/3",  # RFC 5771, RFC 1112: multicast, reserved
            "::/96",  # RFC 4291 §2.5.5.1: IPv4-compatible
            "64:ff9b:1::/48",  # RFC 8215: translation of local use
            "100::/64",  # RFC 6666: discarded
            "2001::/23",  # RFC 2928: Teredo and other protocols
            "3fff::/20",  # RFC 9637: documentation
            "5f00::/16",  # RFC 9602: segment routing
            "fec0::/10",  # RFC 3879: site-local
            "ff00::/8",
        ),
    )
)
_TRANSLATED = IPv6Network("64:ff9b::/96")  # RFC 6052: ends with the IPv4 address


def is_public(address: str) -> bool:
    """Whether a numeric address, as a resolver gives it, is one host of the public internet.

    An IPv6 address that carries an IPv4 address (mapped, 6to4, NAT64) is as public as that one. What is no address is
    not public.
    """
    try:
        found = ip_address(address.partition("%")[0])  # fe80::1%eth0
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and (inner := _carried(found)) is not None:
        found = inner
    return found.is_global and not any(found in network for network in _NOT_PUBLIC)


def _carried(address: IPv6Address) -> IPv4Address | None:
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour
