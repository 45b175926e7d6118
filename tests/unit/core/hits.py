"""Hits as the judge sees them, for the tests of what it makes of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from unsealed.core.agent import read_agent
from unsealed.core.scene import Context, Presence, SeenHit
from unsealed.model.event import Answer, Correction, HitId, HitKind, Network, NetworkClass
from unsealed.model.message import CopyId

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
)
STALE = CHROME.replace("141", "80")
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.1 Mobile/15E148 Safari/604.1"
)
APPLE_MAIL = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
OUTLOOK = "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; Trident/7.0; Microsoft Outlook 16.0.17928; ms-office)"
THUNDERBIRD = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Thunderbird/140.5.0"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
GMAIL_PREFETCH = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0"
)
YAHOO = "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html"
APPLE = "Mozilla/5.0"
OFFICE_ASKS = "Microsoft Office Existence Discovery"
SLACKBOT = "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"

HOME = ("203.0.113.21", NetworkClass.RESIDENTIAL)
OFFICE = ("192.0.2.10", NetworkClass.CORPORATE)
PLAIN = ("198.51.100.4", NetworkClass.UNKNOWN)
HERE = ("127.0.0.1", NetworkClass.LOCAL)
GOOGLE = ("66.249.84.77", NetworkClass.GOOGLE_PROXY)
MICROSOFT = ("40.94.16.20", NetworkClass.MICROSOFT)
PROTON = ("185.70.40.83", NetworkClass.WEBMAIL_PROXY)
CLOUD = ("54.70.12.9", NetworkClass.HOSTING)
OTHER_CLOUD = ("54.70.12.10", NetworkClass.HOSTING)
RELAY = ("172.226.56.12", NetworkClass.APPLE_RELAY)
VENDOR = ("209.222.80.14", NetworkClass.SECURITY_VENDOR)
ZSCALER = ("87.58.66.12", NetworkClass.SSE_PROXY)
PHONE = ("198.51.100.66", NetworkClass.MOBILE_CARRIER)
VPN = ("198.51.100.200", NetworkClass.VPN)

INES = "ines@fennel.example"

Place = tuple[str, NetworkClass]


def seen(
    t: float = 900,
    agent: str = CHROME,
    place: Place = HOME,
    link: int | None = None,
    *,
    copy: int = 1,
    method: str = "GET",
    language: bool | None = True,
    prefetch: str = "",
    timed: bool = True,
    own_device: bool = False,
    recipient: str = "",
    waiting: bool = False,
) -> SeenHit:
    """A hit `t` seconds after delivery; `timed=False`: nobody knows when that was."""
    address, network = place
    return SeenHit(
        id=HitId(0),
        copy=CopyId(copy),
        kind=HitKind.OPEN if link is None else HitKind.CLICK,
        link=link,
        at=NOON + timedelta(seconds=t),
        sent_at=NOON if timed else None,
        waiting=waiting,
        method=method,
        address=address,
        user_agent=agent,
        agent=read_agent(agent),
        network=Network(kind=network, operator="Proton AG" if place is PROTON else ""),
        language=language,
        prefetch=prefetch,
        own_device=own_device,
        recipient=recipient,
    )


SIGNED_IN = Context(
    presences=(
        Presence(address=HERE[0], user_agent=CHROME, since=NOON - timedelta(hours=1), until=NOON + timedelta(days=7)),
    )
)


def number(hits: Sequence[SeenHit]) -> list[SeenHit]:
    return [dataclasses.replace(hit, id=HitId(place)) for place, hit in enumerate(hits)]


# Any hits at all

HITS = st.lists(
    st.builds(
        seen,
        st.one_of(st.integers(-40, 400).map(lambda quarters: quarters / 4), st.integers(0, 3000).map(float)),
        st.sampled_from((CHROME, STALE, OUTLOOK, GMAIL, APPLE, OFFICE_ASKS, "curl/8", "")),
        st.sampled_from((HOME, OFFICE, HERE, GOOGLE, MICROSOFT, CLOUD, OTHER_CLOUD, RELAY, VENDOR)),
        st.sampled_from((None, None, 0, 1, 2)),
        copy=st.integers(1, 2),
        method=st.sampled_from(("GET", "GET", "HEAD")),
        prefetch=st.sampled_from(("", "", "prefetch")),
        language=st.sampled_from((True, False, None)),
        timed=st.booleans(),
        own_device=st.sampled_from((False, False, False, True)),
        recipient=st.sampled_from(("", INES, "rob@x.example", "me@x.example")),
    ),
    max_size=30,
)
CONTEXTS = st.builds(
    Context,
    presences=st.sampled_from(((), SIGNED_IN.presences)),
    addresses=st.sampled_from(({}, {HOME[0]: NOON, OFFICE[0]: NOON})),
    shared_addresses=st.sampled_from((frozenset[str](), frozenset({HOME[0]}))),
    views=st.sampled_from(((), (NOON + timedelta(seconds=20),))),
    traps=st.sampled_from((frozenset[int](), frozenset({2}))),
    agents=st.sampled_from((frozenset[str](), frozenset({CHROME}))),
    mailboxes=st.sampled_from((frozenset[str](), frozenset({"me@x.example"}))),
    corrections=st.lists(
        st.builds(
            Correction,
            id=st.just(1),
            answer=st.sampled_from(Answer),
            user_agent=st.sampled_from((CHROME, GMAIL, APPLE)),
            network=st.sampled_from(("203.0.113.0/24", "local", "operator:google_proxy", "hit:3")),
            recipient=st.sampled_from(("", INES, "@x.example")),
            at=st.just(NOON),
        ),
        max_size=2,
    ).map(tuple),
)
