"""Hits as the judge sees them, for the tests of what it makes of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from unsealed.core.agent import read_agent
from unsealed.core.scene import SeenHit
from unsealed.model.event import HitId, HitKind, Network, NetworkClass
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
