"""What a hit was, in our judgement: the words, the evidence, the result."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum
from typing import NamedTuple, NewType

import msgspec

from unsealed.model.message import CopyId, MessageId

HitId = NewType("HitId", int)  # row number given by the store when a hit is shipped; grows


class HitKind(StrEnum):
    """What was asked for."""

    OPEN = "open"  # the pixel
    CLICK = "click"  # a link


class Finding(StrEnum):
    """What one hit was, in our judgement."""

    HUMAN_OPEN = "human_open"  # a person's program loaded the pixel from the person's own address
    PROXIED_OPEN = "proxied_open"  # loaded through a proxy that loads when a person looks; device and place unknown
    MACHINE_PREFETCH = "machine_prefetch"  # loaded ahead of any reading; says "delivered", never "read"
    SCANNER = "scanner"  # security scan, preview, crawler or library on the pixel
    SELF_OPEN = "self_open"  # the sender looked at the own message
    DUPLICATE = "duplicate"  # repeat of an event that is already counted
    HUMAN_CLICK = "human_click"  # a reader followed the link
    SCANNER_CLICK = "scanner_click"  # a machine followed the link
    SELF_CLICK = "self_click"  # the sender followed the own link

    @property
    def counted(self) -> bool:
        """Whether this counts as a person's act."""
        return self in COUNTED

    @property
    def machine(self) -> bool:
        return self in MACHINE


COUNTED = frozenset({Finding.HUMAN_OPEN, Finding.PROXIED_OPEN, Finding.HUMAN_CLICK})
MACHINE = frozenset({Finding.MACHINE_PREFETCH, Finding.SCANNER, Finding.SCANNER_CLICK})

CERTAIN, BELIEVED = 0.9, 0.6  # under the first we say likely, under the second maybe


def sure(confidence: float) -> str:
    """How sure we are, in the one word that every screen uses: certain, likely or maybe."""
    if confidence >= CERTAIN:
        return "certain"
    return "likely" if confidence >= BELIEVED else "maybe"


# What is made anew for each hit is a Struct: made in a tenth of the time of a frozen dataclass.


class Reason(msgspec.Struct, frozen=True, array_like=True):
    """One piece of evidence. The first reason of a verdict is the rule that decided. In JSON [code, words]."""

    code: str  # such as "CLIENT_DIRECT"; closed list in core.judge
    words: str  # in plain English with the facts that fired: "two different links within 0.4 s from the same address"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a hit was judged to be, how sure that is, and why."""

    finding: Finding
    confidence: float  # 0 to 1; below 0.6 screens say "maybe"
    reasons: tuple[Reason, ...]
    rules: str  # version of the rule set, such as "2026.11"


class ClientKind(StrEnum):
    """What kind of program asked, by its user agent."""

    DESKTOP_CLIENT = "desktop_client"
    WEBMAIL = "webmail"
    MOBILE_APP = "mobile_app"
    IMAGE_PROXY = "image_proxy"
    PREFETCH = "prefetch"
    SCANNER = "scanner"
    LINK_PREVIEW = "link_preview"
    CRAWLER = "crawler"  # search engines and plain HTTP libraries
    BROWSER = "browser"
    UNKNOWN = "unknown"


class Device(StrEnum):
    """On what it ran."""

    DESKTOP = "desktop"
    MOBILE = "mobile"
    TABLET = "tablet"
    HIDDEN = "hidden"  # a proxy or webmail stands between: it cannot be told
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """What a user agent string names."""

    client: str  # "Thunderbird", "Gmail Image Proxy", "" when nothing is named
    kind: ClientKind
    device: Device
    system: str = ""  # "Windows", "iOS", ...
    rule: str = ""  # which rule named it


class NetworkClass(StrEnum):
    """Whose kind of network a request came from."""

    GOOGLE_PROXY = "google_proxy"
    APPLE_RELAY = "apple_relay"
    MICROSOFT = "microsoft"
    YAHOO_PROXY = "yahoo_proxy"
    WEBMAIL_PROXY = "webmail_proxy"
    SECURITY_VENDOR = "security_vendor"
    SSE_PROXY = "sse_proxy"  # web proxies of companies: real employees browse through them
    HOSTING = "hosting"
    VPN = "vpn"
    MOBILE_CARRIER = "mobile_carrier"
    CORPORATE = "corporate"
    RESIDENTIAL = "residential"
    SENDER = "sender"  # an address the sender recently used
    LOCAL = "local"  # loopback and private ranges
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Whose network a request came from, and who runs it."""

    kind: NetworkClass = NetworkClass.UNKNOWN
    operator: str = ""


class PlaceState(StrEnum):
    """Whether a place may be told."""

    KNOWN = "known"
    PROXY = "proxy"  # a proxy stands between: its place says nothing about the reader's, so none is kept
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Roughly where a request came from. Country, region and city are "" unless the state is KNOWN."""

    state: PlaceState = PlaceState.UNKNOWN
    country: str = ""  # ISO 3166-1 alpha-2, such as "DE"
    region: str = ""
    city: str = ""


NOWHERE = Place()
HIDDEN = Place(state=PlaceState.PROXY)


class Told(Enum):
    """How much of the place of an address may be told, by its network."""

    ALL = "all"
    COUNTRY = "country"  # a mobile carrier: its customers of a whole country come out at a few places
    NOTHING = "nothing"  # an address of one's own network has no place
    HIDDEN = "hidden"  # what stands between


class Located(NamedTuple):
    """What an address says: whose network, and where. One is made for each new address: a tuple costs half."""

    network: Network
    place: Place = NOWHERE


class Answer(StrEnum):
    """What the sender says that an event was."""

    ME = "me"
    MACHINE = "machine"
    THEM = "them"


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What the sender said about one event, and which other hits it holds for: same agent, same network, same
    recipient (or recipient's domain)."""

    id: int
    answer: Answer
    user_agent: str  # exactly
    network: str = field(repr=False)  # key of core.correction.network_key
    recipient: str = ""  # an address, "@domain", or "" for all recipients
    at: datetime


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One judged hit."""

    hit: HitId
    message: MessageId
    copy: CopyId
    kind: HitKind
    link: int | None  # position of the link in the message, None for the pixel
    at: datetime
    verdict: Verdict
    agent: Agent
    network: Network
    place: Place = NOWHERE
    first_of_reading: bool = False  # a counted open that begins a reading
