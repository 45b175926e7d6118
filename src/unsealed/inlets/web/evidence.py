"""What one judged request shows, in words: what it was, on which device, in whose network, from where. Pure.

Never overstates: a guess is a "maybe", what a machine did is said to be a machine's, and no place is named behind a
proxy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from unsealed.inlets.web.countries import country
from unsealed.inlets.web.states import STATES, Mark, mark_of
from unsealed.inlets.web.words import bare, sentence, shortened
from unsealed.model.event import BELIEVED, Answer, ClientKind, Device, Finding, HitKind, NetworkClass, Place, PlaceState
from unsealed.model.message import CopyState
from unsealed.model.texts import Texts, later
from unsealed.model.view import EventLine

ANSWERS = {Answer.ME: later("you"), Answer.MACHINE: later("a machine"), Answer.THEM: later("the recipient")}
FINDINGS = {
    Finding.HUMAN_OPEN: later("opened by a person"),
    Finding.PROXIED_OPEN: later("opened through a proxy"),
    Finding.MACHINE_PREFETCH: later("loaded ahead by a machine"),
    Finding.SCANNER: later("loaded by a scanner"),
    Finding.SELF_OPEN: later("you"),
    Finding.DUPLICATE: later("a repeat"),
    Finding.HUMAN_CLICK: later("followed by a person"),
    Finding.SCANNER_CLICK: later("followed by a machine"),
    Finding.SELF_CLICK: later("you"),
}


@dataclass(frozen=True, slots=True)
class Chip:
    """What kind of event; a dashed border says that it does not count."""

    words: str
    look: str = ""  # "", "apart" or "you"


def chip(event: EventLine, texts: Texts) -> Chip:
    """The chip of an event."""
    made = _chip(event)
    return Chip(texts.say(made.words), made.look)


def _chip(event: EventLine) -> Chip:
    if event.corrected and event.finding.machine:
        return Chip(later("machine"), "apart")
    match event.finding:
        case Finding.HUMAN_OPEN | Finding.HUMAN_CLICK:
            return Chip(later("person"))
        case Finding.PROXIED_OPEN:
            return Chip(later("through a proxy"))  # whose, the program beside it says
        case Finding.MACHINE_PREFETCH:
            apple = event.network == NetworkClass.APPLE_RELAY or any(each.code == "APPLE_MPP" for each in event.reasons)
            return Chip(later("Apple privacy") if apple else later("prefetched"), "apart")
        case Finding.SCANNER | Finding.SCANNER_CLICK:
            return Chip(
                later("link preview") if event.client_kind == ClientKind.LINK_PREVIEW else later("scanner"), "apart"
            )
        case Finding.SELF_OPEN | Finding.SELF_CLICK:
            return Chip(later("you"), "you")
        case Finding.DUPLICATE:
            return Chip(later("repeated"), "apart")
        case _:
            assert_never(event.finding)


def link_name(event: EventLine, texts: Texts, most: int = 48) -> str:
    """What the link of a click is called: its visible text, or its address."""
    return texts.say("the hidden link") if event.trap else shortened(event.link_text or bare(event.destination), most)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one request was, as a heading."""

    said: str
    mark: Mark


def verdict(event: EventLine, texts: Texts) -> Verdict:
    """The heading of one request."""
    where, say = link_name(event, texts, 32), texts.say
    guess = event.confidence < BELIEVED
    match event.finding:
        case Finding.HUMAN_OPEN | Finding.PROXIED_OPEN:
            shown = Mark(kind="maybe" if guess else "opened", symbol="ticks", number="?" if guess else "")
            return Verdict(say("Maybe opened") if guess else say("Opened"), shown)
        case Finding.HUMAN_CLICK:
            said = say("Maybe clicked %(link)s", link=where) if guess else say("Clicked %(link)s", link=where)
            return Verdict(said, Mark(kind="clicked", symbol="link"))
        case Finding.SCANNER_CLICK:
            return Verdict(say("A machine followed %(link)s", link=where), Mark(kind="machine", symbol="link"))
        case Finding.MACHINE_PREFETCH | Finding.SCANNER:
            return burst_verdict(texts)
        case Finding.SELF_OPEN | Finding.SELF_CLICK:
            return Verdict(say("That was you"), Mark(kind="", symbol="eye"))
        case Finding.DUPLICATE:
            return Verdict(say("Repeated, counted already"), Mark(kind="machine", symbol="ticks-hollow"))
        case _:
            assert_never(event.finding)


def burst_verdict(texts: Texts) -> Verdict:
    """Several requests of one machine."""
    state = CopyState.LOADED_BY_MACHINE
    return Verdict(texts.say(STATES[state]), mark_of(state, texts))


DEVICE_SYMBOLS = {
    Device.DESKTOP: "desktop",
    Device.MOBILE: "phone",
    Device.TABLET: "tablet",
    Device.HIDDEN: "devices",
    Device.UNKNOWN: "unknown",
}
DEVICE_WORDS = {
    Device.DESKTOP: later("desktop"),
    Device.MOBILE: later("phone"),
    Device.TABLET: later("tablet"),
    Device.HIDDEN: later("device hidden"),
    Device.UNKNOWN: later("device unknown"),
}


WEBMAILS = frozenset({NetworkClass.GOOGLE_PROXY, NetworkClass.YAHOO_PROXY, NetworkClass.MICROSOFT})


def device_symbol(event: EventLine) -> str:
    """The icon of what asked: a device, two of them where webmail hides which, a proxy, a machine, you."""
    if event.finding in (Finding.SELF_OPEN, Finding.SELF_CLICK):
        return "you"
    if event.finding.machine:
        apple = event.network == NetworkClass.APPLE_RELAY or event.client_kind == ClientKind.IMAGE_PROXY
        return "proxy" if apple else "scanner"
    if event.device == Device.HIDDEN and event.client_kind == ClientKind.IMAGE_PROXY and event.network not in WEBMAILS:
        return "devices" if event.network == NetworkClass.WEBMAIL_PROXY else "proxy"
    return DEVICE_SYMBOLS[event.device]


NAMED = {"Gmail Image Proxy": "Gmail", "Yahoo Mail Proxy": "Yahoo Mail"}


def device(event: EventLine, texts: Texts) -> str:
    """ "Thunderbird on Linux, desktop", "Gmail, device hidden"."""
    named = _program(NAMED.get(event.client, event.client) or texts.say("Program unknown"), event.system, texts)
    if event.client_kind in (ClientKind.SCANNER, ClientKind.LINK_PREVIEW, ClientKind.CRAWLER):
        return named
    return f"{named}, {texts.say(DEVICE_WORDS[event.device])}"


def _program(name: str, system: str, texts: Texts) -> str:
    return texts.say("%(program)s on %(system)s", program=name, system=system) if system else name


HIDERS = {  # whose proxy stands between us and the reader's place
    NetworkClass.GOOGLE_PROXY: "Gmail",
    NetworkClass.APPLE_RELAY: "Apple",
    NetworkClass.YAHOO_PROXY: "Yahoo",
    NetworkClass.MICROSOFT: "Microsoft",
}
HIDDEN = {
    NetworkClass.SSE_PROXY: later("place hidden by the company’s proxy"),
    NetworkClass.VPN: later("place hidden by a VPN"),
}


def place(event: EventLine, texts: Texts) -> str:
    """ "Lisbon, Portugal", "place hidden by Gmail"; "" when it is not known. Never a place behind a proxy."""
    if event.place.state == PlaceState.KNOWN:
        return there(event.place, texts)
    if hidden := HIDDEN.get(event.network):
        return texts.say(hidden)
    if hider := _hider(event):
        return texts.say("place hidden by %(who)s", who=hider)
    if event.network == NetworkClass.HOSTING:
        if event.operator:
            return texts.say("a rented machine at %(who)s", who=event.operator)
        return texts.say("a rented machine")
    return texts.say("place hidden by a proxy") if event.place.state == PlaceState.PROXY else ""


def _hider(event: EventLine) -> str:
    proxied = event.place.state == PlaceState.PROXY and event.network != NetworkClass.HOSTING
    return HIDERS.get(event.network) or (event.operator if proxied else "")


def there(place: Place, texts: Texts) -> str:
    """A known place: "Portugal", or "Lisbon, Portugal" when a database of cities is there."""
    land = texts.territories.get(place.country, country(place.country))
    return ", ".join(part for part in (place.city or place.region, land) if part)


NETWORKS = {  # whose network a request came from; with the name of who runs it, where that says more
    NetworkClass.GOOGLE_PROXY: (later("Google’s network"), ""),
    NetworkClass.APPLE_RELAY: (later("Apple’s relay"), ""),
    NetworkClass.YAHOO_PROXY: (later("Yahoo’s network"), ""),
    NetworkClass.MICROSOFT: (later("Microsoft’s network"), ""),
    NetworkClass.WEBMAIL_PROXY: (later("proxy of a mail provider"), later("proxy of %(who)s")),
    NetworkClass.SSE_PROXY: (later("web proxy of the company"), later("web proxy of the company, %(who)s")),
    NetworkClass.SECURITY_VENDOR: (later("network of a security vendor"), later("network of %(who)s")),
    NetworkClass.HOSTING: (later("hosting network"), later("hosting network, %(who)s")),
    NetworkClass.VPN: ("VPN", later("VPN, %(who)s")),
    NetworkClass.MOBILE_CARRIER: (later("mobile network"), ""),
    NetworkClass.CORPORATE: (later("office network"), ""),
    NetworkClass.RESIDENTIAL: (later("home network"), ""),
    NetworkClass.SENDER: (later("your own network"), ""),
    NetworkClass.LOCAL: (later("this network"), ""),
    NetworkClass.UNKNOWN: ("", "%(who)s"),
}


def network(event: EventLine, texts: Texts) -> str:
    """Whose network a request came from; "" when nothing is known of it."""
    alone, named = NETWORKS[event.network]
    if named and event.operator:
        return texts.say(named, who=event.operator)
    return texts.say(alone) if alone else ""


def where_from(event: EventLine, texts: Texts) -> str:
    """What stands behind the device in a line: of a machine whose network it was, of all others the place. Who hides
    the place is not named again where the device says it: "Gmail, device hidden", "place hidden"."""
    if event.finding.machine:
        return network(event, texts)
    hider = "" if event.place.state == PlaceState.KNOWN else _hider(event)
    if hider and hider in NAMED.get(event.client, event.client):
        return texts.say("place hidden")
    return place(event, texts)


def from_where(event: EventLine, texts: Texts) -> str:
    """The same in full, for the evidence: "Home network, Lisbon, Portugal"."""
    parts = (network(event, texts), "" if event.network == NetworkClass.HOSTING else place(event, texts))
    return sentence(", ".join(part for part in parts if part))


NAMELESS = {Device.DESKTOP: later("a computer"), Device.MOBILE: later("a phone"), Device.TABLET: later("a tablet")}


def seen_as(client: str, system: str, device: Device, texts: Texts) -> str:
    """What a reading came from, short: "Thunderbird on Linux", "Gmail", "a phone"."""
    if named := NAMED.get(client, client):
        return _program(named, system, texts)
    return texts.say(NAMELESS[device]) if device in NAMELESS else texts.say("a program")


CHATS = {
    "Slackbot": "Slack",
    "Slack Image Proxy": "Slack",
    "facebookexternalhit": "Facebook",
    "facebookcatalog": "Facebook",
    "Facebot": "Facebook",
    "TelegramBot": "Telegram",
    "Twitterbot": "X",
    "LinkedInBot": "LinkedIn",
    "Discordbot": "Discord",
    "Skype URI Preview": later("Teams or Skype"),
    "Microsoft Preview": later("a Microsoft program"),
    "vkShare": "VK",
    "Snap URL Preview Service": "Snapchat",
    "redditbot": "Reddit",
}


def chat(client: str, texts: Texts) -> str:
    """The chat program behind a preview: "Slack"."""
    return texts.one(CHATS.get(client, client))


def pasted(event: EventLine, texts: Texts) -> str:
    """ "Slack", when a chat program looked at a link because somebody pasted it there; else ""."""
    is_paste = event.client_kind == ClientKind.LINK_PREVIEW and event.kind == HitKind.CLICK
    return chat(event.client, texts) if is_paste else ""
