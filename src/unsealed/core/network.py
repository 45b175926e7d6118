"""Address -> network class and operator.

Promises an answer for every text, from the ranges of core.network_ranges: loopback and private addresses are LOCAL,
what no range holds is UNKNOWN, an ordinary address. Does not know places or routing tables.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cache, lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from unsealed.core.network_ranges import RANGES
from unsealed.model.event import Network, NetworkClass

_UNKNOWN = Network()
_HERE = Network(kind=NetworkClass.LOCAL)


@lru_cache(maxsize=65_536)
def read_network(address: str) -> Network:
    """The network of an address as text; "" (a local socket) is LOCAL, what cannot be read is UNKNOWN."""
    if not address:
        return _HERE
    try:
        parsed: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    except ValueError:
        return _UNKNOWN
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    starts, networks = _table(parsed.version)
    place = bisect_right(starts, int(parsed)) - 1
    return networks[place] if place >= 0 else _UNKNOWN


@cache
def _table(version: int) -> tuple[list[int], list[Network]]:
    """Where each stretch of the address space begins, and whose it is. Narrower ranges cut pieces out of wider ones."""
    ranges = []
    for kind, operator, written in RANGES:
        network = Network(kind=kind, operator=operator)
        for text in written.split():
            parsed = ip_network(text)
            if parsed.version == version:
                ranges.append((int(parsed.network_address), int(parsed.broadcast_address) + 1, network))
    ranges.sort(key=lambda item: (item[0], -item[1]))
    starts: list[int] = [0]
    networks: list[Network] = [_UNKNOWN]
    around: list[tuple[int, Network]] = []  # the ranges that are open here, widest first, each with its end

    def change(at: int, network: Network) -> None:
        if starts[-1] == at:
            networks[-1] = network
        else:
            starts.append(at)
            networks.append(network)

    def close(until: int) -> None:
        while around and around[-1][0] <= until:
            end, _ = around.pop()
            change(end, around[-1][1] if around else _UNKNOWN)

    for begin, end, network in ranges:
        close(begin)
        around.append((end, network))
        change(begin, network)
    close(2**129)
    return starts, networks
