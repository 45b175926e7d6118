"""Slows down guessing of passwords over SMTP.

Promises that an address or an account that failed five times within a minute is not asked again until the minute is
over, that each failure is answered later than the one before, and that an account under attack still lets in the
addresses from which it signed in before. Keeps a bounded number of entries, in memory only.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

FAILURES = 5
WINDOW_S = 60.0
FIRST_DELAY_S = 0.25  # doubles with each failure in the window
LONGEST_DELAY_S = 4.0
ENTRIES = 10_000


class Throttle:
    """Counts failures by network and by account. `now` is any clock that never goes back, in seconds."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, list[float]] = OrderedDict()
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def open(self, address: str, account: str, now: float) -> bool:
        """Whether a password may be tried now."""
        network = network_of(address)
        if len(self._recent(f"n:{network}", now)) >= FAILURES:
            return False
        known = (account.lower(), network) in self._known
        return known or len(self._recent(f"a:{account.lower()}", now)) < FAILURES

    def failed(self, address: str, account: str, now: float) -> float:
        """Count one failure; return how many seconds the answer has to wait."""
        keys = (f"n:{network_of(address)}", f"a:{account.lower()}")
        for key in keys:
            recent = self._recent(key, now)
            self._failures[key] = [*recent, now]
            self._failures.move_to_end(key)
        while len(self._failures) > ENTRIES:
            self._failures.popitem(last=False)
        most = max(len(self._failures.get(key, ())) for key in keys)
        return min(FIRST_DELAY_S * 2.0 ** (most - 1), LONGEST_DELAY_S)

    def succeeded(self, address: str, account: str) -> None:
        """This account is used from this network."""
        key = (account.lower(), network_of(address))
        self._known[key] = None
        self._known.move_to_end(key)
        if len(self._known) > ENTRIES:
            self._known.popitem(last=False)

    def _recent(self, key: str, now: float) -> list[float]:
        return [at for at in self._failures.get(key, ()) if now - at < WINDOW_S]


def network_of(address: str) -> str:
    """One IPv4 address, or the /64 of an IPv6 address: whoever has one of its addresses has them all."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
