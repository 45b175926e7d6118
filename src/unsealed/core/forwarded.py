"""From where a request came, when proxies of our own stand in between.

Promises that what a caller writes into X-Forwarded-For can neither hide nor invent an address: only what a trusted
proxy has written counts. The collector and the pages ask the same, so that a sender's own openings are recognised.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


def client_address(peer: str, chain: str, trusted: Sequence[Network]) -> str:
    """The right-most address of an X-Forwarded-For chain that is not one of our own proxies.

    peer: who connected, trusted already; "" for a unix socket. Entries may carry ports, brackets, quotes and `for=`.
    Each proxy writes the address it was reached from at the right end, so what lies left of the first stranger may be
    invented. An entry that is no address ends the search at the proxy that wrote it. When all are ours: the left-most.
    """
    nearest = peer
    for entry in reversed(chain.split(",")):
        if not entry.strip():
            continue  # RFC 9110 §5.6.1.2: empty elements of a list do not count
        address = read_address(entry)
        if address is None:
            break
        nearest = str(address)
        if not is_trusted(address, trusted):
            break
    return nearest


@lru_cache(maxsize=4096)
def read_address(entry: str) -> Address | None:
    """The address that an entry means; None when it is none. A mapped IPv4 address is that IPv4 address."""
    text = entry.strip()
    if text[:4].lower() == "for=":
        text = text[4:].partition(";")[0]
    text = text.strip('" \t')
    if text[:1] == "[":
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def is_trusted(address: Address, trusted: Sequence[Network]) -> bool:
    """Whether an address is one of our own proxies."""
    return any(address in network for network in trusted)
