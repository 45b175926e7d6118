"""Address -> network class and operator, and whether its place may be told.

Promises an answer for every text. What the files of store.places say comes in as a value; this module decides what it
means. The first of these that knows the address decides:

    1  the operator's own list of ranges
    2  loopback and private ranges
    3  Apple's relay list; without one, the round ranges of the relay
    4  the providers' ranges of core.network_ranges, which are always there
    5  the routing table, where the system stands in core.network_systems under its number
    6  the clouds' lists of their own ranges
    7  the routing table, by the words in the system's name
    8  the round ranges of the largest clouds

So no list of data centres makes hosting of Gmail's proxy (AS15169) or of Outlook (AS8075). What nothing knows is
UNKNOWN, an ordinary address.

Never a place for what stands between: the place of a proxy, a rented machine or a VPN says nothing about the reader.
Of a mobile carrier only the country: its customers of a whole country come out at a few places.
"""

from __future__ import annotations

from datetime import date
from functools import cache, lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_network

from unsealed.core.network_ranges import DATE, RANGES
from unsealed.core.network_systems import HOSTING_WORDS, LINE_WORDS, MOBILE_WORDS, SYSTEMS
from unsealed.model.event import HIDDEN, NOWHERE, ClientKind, Located, Network, NetworkClass, Place, Told
from unsealed.model.ranges import AddressFacts, Range, RangeTable, build_table, unwrap
from unsealed.model.view import DataFileRow

PROXY_CLASSES = frozenset(
    {
        NetworkClass.GOOGLE_PROXY,
        NetworkClass.APPLE_RELAY,
        NetworkClass.MICROSOFT,
        NetworkClass.YAHOO_PROXY,
        NetworkClass.WEBMAIL_PROXY,
        NetworkClass.SECURITY_VENDOR,
        NetworkClass.SSE_PROXY,
        NetworkClass.HOSTING,
        NetworkClass.VPN,
    }
)

_PROXY_PROGRAMS = frozenset({ClientKind.IMAGE_PROXY, ClientKind.PREFETCH})

# Named once: before Python 3.12 a member of an enum costs 80 ns each time.
_LOCAL, _APPLE_RELAY, _HOSTING = NetworkClass.LOCAL, NetworkClass.APPLE_RELAY, NetworkClass.HOSTING
_MOBILE_CARRIER = NetworkClass.MOBILE_CARRIER
_UNKNOWN = Network()
_HERE = Network(kind=_LOCAL)
_RELAY = Network(kind=_APPLE_RELAY, operator="iCloud Private Relay")
# Built-in ranges that give way to what files know better
_ROUND = frozenset({_HOSTING, _APPLE_RELAY, NetworkClass.UNKNOWN})
_BY_NUMBER = {
    int(number): Network(kind=kind, operator=operator)
    for kind, operator, numbers in SYSTEMS
    for number in numbers.split()
}

BUILT_IN = DataFileRow(
    name="built-in",
    holds="ranges of image proxies, mail scanners, company proxies and large clouds",
    source="comes with Unsealed",
    licence="Apache-2.0",
    as_of=date.fromisoformat(f"{DATE}-01"),
    rows=sum(len(written.split()) for _, _, written in RANGES),
)


@lru_cache(maxsize=65_536)
def locate(address: str) -> Located:
    """What the built-in ranges say of an address as text; "" (a local socket) is LOCAL, what cannot be read UNKNOWN."""
    if not address:
        return Located(network=_HERE)
    numbers = _numbers(address)
    if numbers is None:
        return Located(network=_UNKNOWN)
    network = network_of(AddressFacts(built_in().find(*numbers)))
    return Located(network=network, place=HIDDEN if told_of(network) is Told.HIDDEN else NOWHERE)


def read_network(address: str) -> Network:
    """The network of an address, by the built-in ranges alone."""
    return locate(address).network


def told_of(network: Network) -> Told:
    """How much may be told of the place of an address in a network."""
    if network.kind in PROXY_CLASSES:
        return Told.HIDDEN
    if network.kind is _LOCAL:
        return Told.NOTHING
    return Told.COUNTRY if network.kind is _MOBILE_CARRIER else Told.ALL


def place_behind(kind: ClientKind, place: Place) -> Place:
    """The place of a request whose program says what it is: a proxy hides the reader's from any network, also from one
    that nobody knows as a proxy's."""
    return HIDDEN if kind in _PROXY_PROGRAMS else place


def network_of(facts: AddressFacts) -> Network:
    """The network of an address, given all that is known of it."""
    if facts.own is not None:
        return facts.own
    by_itself = _built_in()[1][facts.built_in]
    kind = by_itself.kind
    if kind is _LOCAL:
        return by_itself
    if facts.relay:
        return _RELAY
    if kind not in _ROUND or (kind is _APPLE_RELAY and facts.relay is None):
        return by_itself
    known = _BY_NUMBER.get(facts.system) or facts.cloud
    if known is not None:
        return known
    if facts.system:
        return _system_by_name(facts.organisation)
    return by_itself if kind is _HOSTING else _UNKNOWN


def _system_by_name(name: str) -> Network:
    kind = NetworkClass.UNKNOWN
    if MOBILE_WORDS.search(name):
        kind = NetworkClass.MOBILE_CARRIER
    elif HOSTING_WORDS.search(name) and not LINE_WORDS.search(name):
        kind = NetworkClass.HOSTING
    return Network(kind=kind, operator=name)


def built_in() -> RangeTable:
    """The built-in ranges; a value of theirs means something to `network_of` alone."""
    return _built_in()[0]


@cache
def _built_in() -> tuple[RangeTable, tuple[Network, ...]]:
    ranges: list[Range] = []
    networks = [_UNKNOWN]  # the value NOBODY
    for kind, operator, written in RANGES:
        networks.append(Network(kind=kind, operator=operator))
        for text in written.split():
            parsed = ip_network(text)
            first, last = int(parsed.network_address), int(parsed.broadcast_address)
            ranges.append(Range(parsed.version, first, last, len(networks) - 1))
    return build_table(ranges), tuple(networks)


def _numbers(address: str) -> tuple[int, int] | None:
    """Version and number of an address as text, a zone (RFC 4007) left out; None when it is none."""
    text = address.partition("%")[0]
    try:
        return unwrap(6, int(IPv6Address(text))) if ":" in text else (4, int(IPv4Address(text)))
    except ValueError:
        return None
