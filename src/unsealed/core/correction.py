"""For which other hits a correction holds.

The sender's answer about one hit is kept with the program, the network and the recipients that it reaches; this module
says which they are, and whether a recipient is among them.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import assert_never

from unsealed.core.agent import read_agent
from unsealed.core.behind import MACHINE_NETWORKS, MANY_ADDRESSES_ONE_ACTOR, NO_DEVICE, says_ahead
from unsealed.core.reliability import company_of
from unsealed.model.event import Answer, ClientKind, HitId, Network, NetworkClass


def correction_scope(
    answer: Answer, *, hit: HitId, user_agent: str, address: str, network: Network, recipient: str, prefetch: str
) -> tuple[str, str, str]:
    """user_agent, network and recipient of the correction that the sender's answer about a hit makes: which other hits
    it holds for.

    "That was me" holds for all recipients, "a machine" for the recipient's company, "them" for the recipient. What says
    nothing of a device, such as Gmail's image proxy, is the same for every reader in the world: there the answer never
    reaches beyond the recipient, and "me" not beyond this one hit (network "hit:<id>"). So it is with an unknown
    recipient, and with "them" about a request that says itself that nobody looks yet.

    recipient: whose copy, in lower case; "" when it is shared. prefetch: as in SeenHit.
    """
    kind = read_agent(user_agent).kind
    key = network_key(address, network)
    one_device = kind not in NO_DEVICE
    everybodys = not one_device or network.kind in MANY_ADDRESSES_ONE_ACTOR
    this_one = f"hit:{hit}"
    match answer:
        case Answer.ME:
            return user_agent, this_one if everybodys else key, ""
        case Answer.MACHINE:
            company = company_of(recipient)
            at_work = one_device and network.kind in MACHINE_NETWORKS  # a gateway, not a provider's proxy
            if company and (at_work or not everybodys):
                recipient = f"@{company}"
            return user_agent, this_one if everybodys and not recipient else key, recipient
        case Answer.THEM:
            ahead = kind is ClientKind.PREFETCH or says_ahead(prefetch)
            return user_agent, this_one if ahead or (everybodys and not recipient) else key, recipient
        case _:
            assert_never(answer)


def network_key(address: str, network: Network) -> str:
    """What a correction remembers of where a request came from.

    "operator:Example Ltd" where one actor answers with many addresses; otherwise the network around the address, /24 of
    IPv4 or /56 of IPv6, which is what a household or an office keeps while its address changes; "local" for this
    machine and private addresses; the text itself when it is no address.
    """
    if network.kind in MANY_ADDRESSES_ONE_ACTOR:
        return f"operator:{network.operator or network.kind.value}"
    if network.kind is NetworkClass.LOCAL:
        return "local"
    return _prefix(address)


@lru_cache(maxsize=16_384)
def _prefix(address: str) -> str:
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is None:
            return str(ip_network((parsed, 56), strict=False))
        parsed = parsed.ipv4_mapped
    return str(ip_network((parsed, 24), strict=False))


def covers(scope: str, recipient: str) -> bool:
    """Whether a correction that holds for `scope` holds for this recipient."""
    return not scope or scope == recipient or (scope.startswith("@") and recipient.endswith(scope))
