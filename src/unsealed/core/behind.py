"""Who may be behind a request, by the kind of its program and of its network: one reader, a crowd, a machine, nobody.

What the judge, its scene and corrections have in common. What kind a program or a network is, core.agent and
core.network say.
"""

from __future__ import annotations

from unsealed.model.event import ClientKind, NetworkClass

# What comes along with a person's act and is no act by itself.
COMPANIONS = frozenset({ClientKind.LINK_PREVIEW, ClientKind.PREFETCH})
MAIL_PROGRAMS = frozenset({ClientKind.DESKTOP_CLIENT, ClientKind.MOBILE_APP, ClientKind.WEBMAIL})
READERS = MAIL_PROGRAMS | {ClientKind.BROWSER}
# The same for every reader in the world.
NO_DEVICE = frozenset({ClientKind.IMAGE_PROXY, ClientKind.PREFETCH})
# Proxies and scanners of mail providers.
PROVIDERS = frozenset(
    {NetworkClass.MICROSOFT, NetworkClass.WEBMAIL_PROXY, NetworkClass.GOOGLE_PROXY, NetworkClass.YAHOO_PROXY}
)
# Networks that answer with many addresses for one actor.
MANY_ADDRESSES = PROVIDERS | {NetworkClass.APPLE_RELAY}
MANY_ADDRESSES_ONE_ACTOR = MANY_ADDRESSES | {NetworkClass.SECURITY_VENDOR, NetworkClass.HOSTING}
MACHINE_NETWORKS = frozenset({NetworkClass.MICROSOFT, NetworkClass.SECURITY_VENDOR, NetworkClass.HOSTING})
# Several addresses of one of these that follow links at once are one machine.
FOLLOWED_BY_MACHINES = MACHINE_NETWORKS | PROVIDERS
WHERE_PEOPLE_ARE = frozenset(
    {
        NetworkClass.RESIDENTIAL,
        NetworkClass.MOBILE_CARRIER,
        NetworkClass.CORPORATE,
        NetworkClass.SSE_PROXY,
        NetworkClass.VPN,
        NetworkClass.LOCAL,
        NetworkClass.UNKNOWN,  # without a routing table every ordinary address is unknown
        NetworkClass.SENDER,
    }
)
# Strangers behind one address.
CROWDED = frozenset(
    {
        NetworkClass.SSE_PROXY,
        NetworkClass.VPN,
        NetworkClass.MOBILE_CARRIER,
        NetworkClass.HOSTING,
        *MANY_ADDRESSES,
    }
)
# Two of them opening within 2 s prove nothing.
NO_CROSSING = CROWDED - {NetworkClass.HOSTING} | {NetworkClass.LOCAL}

_PREFETCH_WORDS = ("prefetch", "preview", "prerender", "instant")


def says_ahead(prefetch: str) -> bool:
    """Whether the request itself says that nobody looks yet. prefetch: as in SeenHit."""
    return bool(prefetch) and any(word in prefetch.lower() for word in _PREFETCH_WORDS)
