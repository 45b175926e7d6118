"""What screens say: states, times, devices, reasons. Pure functions, used by the templates.

Never overstates: "no signal" is not "unread", what a machine did is said to be a machine's, a guess is a "maybe".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import assert_never

from unsealed.core.instrument import UNCHANGED_REASONS
from unsealed.core.links import LEFT_REASONS
from unsealed.core.reading import Silence, copy_state
from unsealed.core.reliability import Trait
from unsealed.inlets.copies import BELIEVED, Known, sure
from unsealed.inlets.web.countries import country
from unsealed.model.event import Answer, ClientKind, Device, Finding, HitKind, NetworkClass, Place, PlaceState
from unsealed.model.message import AddressKind, CopyState, Delivery
from unsealed.model.view import CopyRow, EventRow, MessageRow, SandboxRow, Sighting, Signals

JUST_NOW = "just now"
JOINERS = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"  # part of emoji and of several scripts; turn no direction


def visible(text: str) -> str:
    """Text of strangers for a page: control and direction-changing characters become codes such as ‹U+202E›."""
    if text.isprintable():
        return text
    return "".join(_code(each) if unicodedata.category(each) in ("Cc", "Cf") else each for each in text)


def _code(letter: str) -> str:
    return letter if letter in JOINERS else f"‹U+{ord(letter):04X}›"


def sentence(text: str) -> str:
    """With a capital first letter; an address in front keeps its own."""
    return text if "@" in text.partition(" ")[0] else text[:1].upper() + text[1:]


# Times


@dataclass(frozen=True, slots=True)
class Times:
    """Moments in words, for one reader: seen from `now`, in the reader's zone."""

    now: datetime
    zone: tzinfo = UTC

    def local(self, at: datetime) -> datetime:
        return at.astimezone(self.zone)

    def clock(self, at: datetime) -> str:
        return f"{self.local(at):%H:%M}"

    def second(self, at: datetime) -> str:
        return f"{self.local(at):%H:%M:%S}"

    def days(self, at: datetime) -> int:
        """Midnights between then and now."""
        return (self.local(self.now).date() - self.local(at).date()).days

    def dated(self, day: date) -> str:
        return f"{day.day} {day:%b}" if day.year == self.local(self.now).year else f"{day.day} {day:%b} {day.year}"

    def ago(self, at: datetime) -> str:
        """ "just now", "3 min ago", "2 h ago", "yesterday", "Tuesday", "6 Mar"; live.js ages them by the same rule."""
        passed = self.now - at
        if passed < timedelta(minutes=1):
            return JUST_NOW
        if passed < timedelta(hours=1):
            return f"{passed // timedelta(minutes=1)} min ago"
        if self.days(at) == 0 or passed < timedelta(hours=12):
            return f"{passed // timedelta(hours=1)} h ago"
        if self.days(at) == 1:
            return "yesterday"
        if self.days(at) < 7:
            return f"{self.local(at):%A}"
        return self.dated(self.local(at).date())

    def when(self, at: datetime) -> str:
        """ "14:19" today, "Wed 16:40" this week, "6 Mar" before."""
        if self.days(at) <= 0:
            return self.clock(at)
        if self.days(at) < 7:
            return f"{self.local(at):%a %H:%M}"
        return self.dated(self.local(at).date())

    def full(self, at: datetime) -> str:
        """ "today, 12 March, 09:14"."""
        there = self.local(at)
        day = {0: "today, ", 1: "yesterday, "}.get(self.days(at), f"{there:%A}, " if self.days(at) < 7 else "")
        year = "" if there.year == self.local(self.now).year else f" {there.year}"
        return f"{day}{there.day} {there:%B}{year}, {there:%H:%M}"

    def day(self, at: datetime) -> str:
        """Heading of a day: "Today, Thursday 12 March"."""
        there = self.local(at)
        name = {0: "Today, ", 1: "Yesterday, "}.get(self.days(at), "")
        year = "" if there.year == self.local(self.now).year else f" {there.year}"
        return f"{name}{there:%A} {there.day} {there:%B}{year}"

    def ahead(self, weeks: int = 2) -> list[tuple[date, str]]:
        """The next days, and some weeks behind them: "tomorrow, Friday 13 March", "Monday 16 March", "in 3 weeks"."""
        today = self.local(self.now).date()
        days = [today + timedelta(days=ahead) for ahead in range(1, 7 * weeks + 1)]
        named = [(day, f"{'tomorrow, ' if day == days[0] else ''}{day:%A} {day.day} {day:%B}") for day in days]
        return named + [(today + timedelta(weeks=each), f"in {each} weeks") for each in (3, 4, 8)]

    def exact(self, at: datetime) -> str:
        """For tooltips: "Thu 12 Mar 2026, 12:08:44 WET"."""
        there = self.local(at)
        return f"{there:%a} {there.day} {there:%b %Y, %H:%M:%S} {there:%Z}"


def lasting(span: timedelta) -> str:
    """ "1 h 53 min", "2 min", "8 s"."""
    minutes, seconds = divmod(int(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min" if minutes else f"{seconds} s"


def days_old(day: date, today: date) -> str:
    """ "of today", "5 days old", "7 months old"."""
    days = (today - day).days
    if days <= 0:
        return "of today"
    if days < 60:
        return f"{many(days, 'day')} old"
    return f"{many(round(days / 30.44), 'month')} old"


def size(count: int) -> str:
    """ "812 bytes", "49.9 kB", "3.2 MB"."""
    if count < 1_000:
        return f"{count} bytes"
    return f"{count / 1_000:.1f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"


def counted(number: int, most: int) -> str:
    """ "12", "1,000+"."""
    return f"{most:,}+" if number > most else f"{number:,}"


def ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def many(number: int, one: str, more: str = "") -> str:
    """ "1 link", "3 links"."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


# States


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What stands in the mark column: a class of look.css, a symbol, a number under it."""

    kind: str
    symbol: str
    number: str = ""
    hint: str = ""  # what the mark says, for who points at it


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A state in words with its mark. `said` stands alone; `beside` goes on after it, quieter."""

    state: CopyState
    mark: Mark
    said: str
    beside: str = ""
    aged: datetime | None = None  # `beside` ends with how long this is ago: "last 2 h ago", "22 min ago"


MARKS = {
    CopyState.NOT_TRACKED: Mark(kind="crossed", symbol="eye-crossed", hint="Nothing is or will be seen"),
    CopyState.QUEUED: Mark(kind="waiting", symbol="clock", hint="On its way out"),
    CopyState.DELAYED: Mark(kind="waiting", symbol="clock", hint="Refused for now, will be tried again"),
    CopyState.BOUNCED: Mark(kind="bounced", symbol="bounce", hint="It did not arrive"),
    CopyState.SENT: Mark(kind="sent", symbol="tick", hint="The next server has it"),
    CopyState.DELIVERED: Mark(kind="delivered", symbol="tick-dot", hint="It lies in the mailbox"),
    CopyState.NO_SIGNAL: Mark(kind="signal", symbol="eye-dashed", hint="Nothing seen; not the same as unread"),
    CopyState.LOADED_BY_MACHINE: Mark(
        kind="machine", symbol="ticks-hollow", hint="Machines only: it arrived, no reader was seen"
    ),
    CopyState.OPENED: Mark(kind="opened", symbol="ticks"),
    CopyState.CLICKED: Mark(kind="clicked", symbol="link"),
    CopyState.REPLIED: Mark(kind="replied", symbol="reply", hint="A person answered: read for certain"),
}
STATES = {
    CopyState.NOT_TRACKED: "Not tracked",
    CopyState.QUEUED: "Sending",
    CopyState.DELAYED: "Sending",
    CopyState.BOUNCED: "Bounced",
    CopyState.SENT: "Sent",
    CopyState.DELIVERED: "Delivered",
    CopyState.NO_SIGNAL: "No signal",
    CopyState.LOADED_BY_MACHINE: "Loaded by a machine",
    CopyState.OPENED: "Opened",
    CopyState.CLICKED: "Clicked",
    CopyState.REPLIED: "Replied",
}


def maybe(signals: Signals) -> bool:
    """Whether the best evidence is still a guess."""
    return signals.confidence is not None and signals.confidence < BELIEVED


def mark(state: CopyState, signals: Signals) -> Mark:
    """The mark of a state. Ticks stay once an open is seen, also when a link was followed; only an open that we
    believe colours them. An answer stands above all of them."""
    if state is CopyState.REPLIED:
        return MARKS[state]
    if signals.opens:
        if maybe(signals):
            return Mark(kind="maybe", symbol="ticks", number=f"{signals.opens}?", hint="Perhaps a person opened it")
        word = "certain" if signals.clicks or signals.confidence is None else sure(signals.confidence)
        return Mark(kind="opened", symbol="ticks", number=f"{signals.opens}", hint=f"A person opened it: {word}")
    if signals.clicks:
        hint = "A person followed a link: read for certain"
        return Mark(kind="clicked", symbol="link", number=f"{signals.clicks}", hint=hint)
    return MARKS[state]


def message_standing(row: MessageRow, times: Times) -> Standing:
    """A message in a list: the words name the latest signal; partly bounced mail says both."""
    state = copy_state(row.facts, times.now)
    shown = mark(state, row.signals)
    also = f", {row.bounced} bounced" if row.bounced and state != CopyState.BOUNCED else ""
    if row.waiting and state in (CopyState.OPENED, CopyState.CLICKED, CopyState.REPLIED):
        also += f", {row.waiting} waiting"
    if row.facts.replies:
        return Standing(state=state, mark=shown, said=_replied(row.facts.replies) + also, aged=row.replied_at)
    if row.last_click and (row.signals.last_at is None or row.last_click.at >= row.signals.last_at):
        return Standing(
            state=state,
            mark=shown,
            said=f"Clicked {shortened(row.last_click.text, 32)}{also}",
            aged=row.last_click.at,
        )
    if row.signals.opens:
        said = "Maybe opened" if maybe(row.signals) else "Opened"
        return Standing(state=state, mark=shown, said=said + also, beside="last ", aged=row.signals.last_at)
    return Standing(state=state, mark=shown, said=_unseen(row, state, also), beside=_beside(row, state, times))


def _replied(number: int) -> str:
    return f"Replied {times(number)}" if number > 1 else STATES[CopyState.REPLIED]


def _unseen(row: MessageRow, state: CopyState, also: str) -> str:
    if state == CopyState.BOUNCED:
        return f"Bounced: {bounced(row.reply)}"
    return STATES[state] + also


def _beside(row: MessageRow, state: CopyState, times: Times) -> str:
    if state == CopyState.DELAYED and row.next_at:
        return f"next try {times.when(row.next_at)}"
    if state == CopyState.NOT_TRACKED and row.unchanged:
        return UNCHANGED_SHORT.get(row.unchanged, "")
    return ""


def copy_standing(copy: CopyRow | SandboxRow, times: Times, *, shares: bool = False) -> Standing:
    """One recipient: "Opened 3 times, clicked 2", beside it when. shares: what is seen of it is seen of "someone"."""
    state = copy_state(copy.facts, times.now)
    if shares and state == CopyState.NOT_TRACKED:
        state = CopyState.DELIVERED if copy.facts.delivery == Delivery.DELIVERED else CopyState.SENT
    signals = copy.signals
    shown = mark(state, signals)
    if copy.facts.replies:
        said = _replied(copy.facts.replies)
        said += f", opened {times_seen(signals.opens)}".rstrip() if signals.opens else ""
        said += f", clicked {signals.clicks}" if signals.clicks else ""
        at = copy.replied_at if isinstance(copy, CopyRow) else None
        return Standing(state=state, mark=shown, said=said, beside="replied " if at else "", aged=at)
    if signals.opens or signals.clicks:
        said = "Maybe opened" if maybe(signals) else "Opened"
        said += f" {words}" if (words := times_seen(signals.opens)) else ""
        if signals.clicks:
            said += f", clicked {signals.clicks}"
        if signals.opens <= 1 and signals.clicks and isinstance(copy, CopyRow) and copy.last_click:
            said = f"Clicked {shortened(copy.last_click.text)}"
        return Standing(state=state, mark=shown, said=said, beside="last ", aged=signals.last_at)
    return Standing(state=state, mark=shown, said=_copy_unseen(copy, state), beside=_copy_beside(copy, state, times))


def times_seen(opens: int) -> str:
    return times(opens) if opens > 1 else ""


def _copy_unseen(copy: CopyRow | SandboxRow, state: CopyState) -> str:
    if state == CopyState.BOUNCED and isinstance(copy, CopyRow):
        return f"Bounced: {bounced(copy.reply)}"
    return STATES[state]


def _copy_beside(copy: CopyRow | SandboxRow, state: CopyState, times: Times) -> str:
    if isinstance(copy, SandboxRow):
        return ""
    if state == CopyState.DELAYED and copy.next_at:
        return f"next try {times.when(copy.next_at)}"
    if copy.facts.sent_at is None:
        return ""
    took = "delivered" if copy.facts.delivery == Delivery.DELIVERED else "sent"
    return f"{took} {times.when(copy.facts.sent_at)}"


STATUS = re.compile(r"\b[45]\.(\d{1,3}\.\d{1,3})\b")
STATUS_WORDS = {  # RFC 3463 and the registry of enhanced status codes, what a sender can act on
    "1.1": "no such mailbox",
    "1.2": "no such domain",
    "1.3": "not a valid address",
    "1.6": "the mailbox has moved",
    "1.10": "the domain takes no mail",
    "2.0": "mailbox trouble",
    "2.1": "mailbox closed",
    "2.2": "mailbox full",
    "2.3": "too large for the mailbox",
    "3.4": "too large for their server",
    "4.1": "their server did not answer",
    "4.4": "no route to their server",
    "4.7": "given up after many tries",
    "7.1": "refused by their rules",
    "7.23": "failed their SPF check",
    "7.26": "failed their sender checks",
}


def answered(reply: str) -> str:
    """What the next hop said when it took a copy."""
    return f"answered {reply}" if reply else ""


def bounced(reply: str) -> str:
    """Why the next hop refused, in words where its code says it, else in its own."""
    found = STATUS.search(reply)
    if found and (words := STATUS_WORDS.get(found[1])):
        return words
    own = re.sub(r"^\d{3}[ -]?(\d\.\d+\.\d+)?\s*", "", reply).strip()
    return shortened(own, 60) or "given up"


def shortened(text: str, most: int = 48) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def someone(name: str, address: str, among: int = 0) -> str:
    """A recipient: name, or else address; "someone (one of 4)" for a copy that `among` people share."""
    return name or address or (f"someone (one of {among})" if among > 1 else "someone")


KINDS = {AddressKind.TO: "To", AddressKind.CC: "Cc", AddressKind.BCC: "Bcc"}


# Events


@dataclass(frozen=True, slots=True)
class Chip:
    """What kind of event; a dashed border says that it does not count."""

    words: str
    look: str = ""  # "", "apart" or "you"


def chip(event: EventRow) -> Chip:
    if event.corrected and event.finding.machine:
        return Chip("machine", "apart")
    match event.finding:
        case Finding.HUMAN_OPEN | Finding.HUMAN_CLICK:
            return Chip("person")
        case Finding.PROXIED_OPEN:
            if event.network == NetworkClass.GOOGLE_PROXY or "gmail" in event.client.lower():
                return Chip("through Gmail")
            return Chip("through Yahoo" if event.network == NetworkClass.YAHOO_PROXY else "through another proxy")
        case Finding.MACHINE_PREFETCH:
            apple = event.network == NetworkClass.APPLE_RELAY or any(each.code == "APPLE_MPP" for each in event.reasons)
            return Chip("Apple privacy" if apple else "prefetched", "apart")
        case Finding.SCANNER | Finding.SCANNER_CLICK:
            return Chip("link preview" if event.client_kind == ClientKind.LINK_PREVIEW else "scanner", "apart")
        case Finding.SELF_OPEN | Finding.SELF_CLICK:
            return Chip("you", "you")
        case Finding.DUPLICATE:
            return Chip("repeated", "apart")
        case _:
            assert_never(event.finding)


def link_name(event: EventRow, most: int = 48) -> str:
    """What the link of a click is called: its visible text, or its address."""
    return "the hidden link" if event.trap else shortened(event.link_text or bare(event.destination), most)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one request was, as a heading."""

    said: str
    mark: Mark


def verdict(event: EventRow) -> Verdict:
    where = link_name(event, 32)
    guess = event.confidence < BELIEVED
    match event.finding:
        case Finding.HUMAN_OPEN | Finding.PROXIED_OPEN:
            number = "?" if guess else ""
            kind = "maybe" if guess else "opened"
            return Verdict("Maybe opened" if guess else "Opened", Mark(kind=kind, symbol="ticks", number=number))
        case Finding.HUMAN_CLICK:
            return Verdict(f"{'Maybe clicked' if guess else 'Clicked'} {where}", Mark(kind="clicked", symbol="link"))
        case Finding.SCANNER_CLICK:
            return Verdict(f"A machine followed {where}", Mark(kind="machine", symbol="link"))
        case Finding.MACHINE_PREFETCH | Finding.SCANNER:
            return Verdict("Loaded by a machine", MARKS[CopyState.LOADED_BY_MACHINE])
        case Finding.SELF_OPEN | Finding.SELF_CLICK:
            return Verdict("That was you", Mark(kind="", symbol="eye"))
        case Finding.DUPLICATE:
            return Verdict("Repeated, counted already", Mark(kind="machine", symbol="ticks-hollow"))
        case _:
            assert_never(event.finding)


def burst_verdict() -> Verdict:
    """Several requests of one machine."""
    return Verdict("Loaded by a machine", MARKS[CopyState.LOADED_BY_MACHINE])


DEVICE_SYMBOLS = {
    Device.DESKTOP: "desktop",
    Device.MOBILE: "phone",
    Device.TABLET: "tablet",
    Device.HIDDEN: "devices",
    Device.UNKNOWN: "unknown",
}
DEVICE_WORDS = {
    Device.DESKTOP: "desktop",
    Device.MOBILE: "phone",
    Device.TABLET: "tablet",
    Device.HIDDEN: "device hidden",
    Device.UNKNOWN: "device unknown",
}


WEBMAILS = frozenset({NetworkClass.GOOGLE_PROXY, NetworkClass.YAHOO_PROXY, NetworkClass.MICROSOFT})


def device_symbol(event: EventRow) -> str:
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


def device(event: EventRow) -> str:
    """ "Thunderbird on Linux, desktop", "Gmail, device hidden"."""
    named = NAMED.get(event.client, event.client) or "Program unknown"
    if event.system:
        named += f" on {event.system}"
    if event.client_kind in (ClientKind.SCANNER, ClientKind.LINK_PREVIEW, ClientKind.CRAWLER):
        return named
    return f"{named}, {DEVICE_WORDS[event.device]}"


HIDERS = {  # whose proxy stands between us and the reader's place
    NetworkClass.GOOGLE_PROXY: "Gmail",
    NetworkClass.APPLE_RELAY: "Apple",
    NetworkClass.YAHOO_PROXY: "Yahoo",
    NetworkClass.MICROSOFT: "Microsoft",
    NetworkClass.SSE_PROXY: "the company’s proxy",
    NetworkClass.VPN: "a VPN",
}


def place(event: EventRow) -> str:
    """ "Lisbon, Portugal", "place hidden by Gmail"; "" when it is not known. Never a place behind a proxy."""
    if event.place.state == PlaceState.KNOWN:
        return there(event.place)
    if hider := HIDERS.get(event.network):
        return f"place hidden by {hider}"
    if event.network == NetworkClass.HOSTING:
        return f"a rented machine at {event.operator}" if event.operator else "a rented machine"
    if event.place.state == PlaceState.PROXY:
        return f"place hidden by {event.operator or 'a proxy'}"
    return ""


def there(place: Place) -> str:
    """A known place: "Portugal", or "Lisbon, Portugal" when a database of cities is there."""
    return ", ".join(part for part in (place.city or place.region, country(place.country)) if part)


def network(event: EventRow) -> str:
    """Whose network a request came from."""
    match event.network:
        case NetworkClass.GOOGLE_PROXY:
            return "Google’s network"
        case NetworkClass.APPLE_RELAY:
            return "Apple’s relay"
        case NetworkClass.YAHOO_PROXY:
            return "Yahoo’s network"
        case NetworkClass.MICROSOFT:
            return "Microsoft’s network"
        case NetworkClass.WEBMAIL_PROXY:
            return f"proxy of {event.operator}" if event.operator else "proxy of a mail provider"
        case NetworkClass.SSE_PROXY:
            return f"web proxy of the company, {event.operator}" if event.operator else "web proxy of the company"
        case NetworkClass.SECURITY_VENDOR:
            return f"network of {event.operator}" if event.operator else "network of a security vendor"
        case NetworkClass.HOSTING:
            return f"hosting network, {event.operator}" if event.operator else "hosting network"
        case NetworkClass.VPN:
            return f"VPN, {event.operator}" if event.operator else "VPN"
        case NetworkClass.MOBILE_CARRIER:
            return "mobile network"
        case NetworkClass.CORPORATE:
            return "office network"
        case NetworkClass.RESIDENTIAL:
            return "home network"
        case NetworkClass.SENDER:
            return "your own network"
        case NetworkClass.LOCAL:
            return "this network"
        case NetworkClass.UNKNOWN:
            return event.operator
        case _:
            assert_never(event.network)


def where_from(event: EventRow) -> str:
    """What stands behind the device in a line: of a machine whose network it was, of all others the place."""
    return network(event) if event.finding.machine else place(event)


def from_where(event: EventRow) -> str:
    """The same in full, for the evidence: "Home network, Lisbon, Portugal"."""
    parts = (network(event), "" if event.network == NetworkClass.HOSTING else place(event))
    return sentence(", ".join(part for part in parts if part))


def seen_as(client: str, system: str, device: Device) -> str:
    """What a reading came from, short: "Thunderbird on Linux", "Gmail", "a phone"."""
    named = NAMED.get(client, client)
    if named:
        return f"{named} on {system}" if system else named
    return {Device.DESKTOP: "a computer", Device.MOBILE: "a phone", Device.TABLET: "a tablet"}.get(device, "a program")


ANSWERS = {Answer.ME: "you", Answer.MACHINE: "a machine", Answer.THEM: "the recipient"}
FINDINGS = {
    Finding.HUMAN_OPEN: "opened by a person",
    Finding.PROXIED_OPEN: "opened through a proxy",
    Finding.MACHINE_PREFETCH: "loaded ahead by a machine",
    Finding.SCANNER: "loaded by a scanner",
    Finding.SELF_OPEN: "you",
    Finding.DUPLICATE: "a repeat",
    Finding.HUMAN_CLICK: "followed by a person",
    Finding.SCANNER_CLICK: "followed by a machine",
    Finding.SELF_CLICK: "you",
}


# Previews by chat programs


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
    "Skype URI Preview": "Teams or Skype",
    "Microsoft Preview": "a Microsoft program",
    "vkShare": "VK",
    "Snap URL Preview Service": "Snapchat",
    "redditbot": "Reddit",
}


def chat(client: str) -> str:
    """The chat program behind a preview: "Slack"."""
    return CHATS.get(client, client)


def pasted(event: EventRow) -> str:
    """ "Slack", when a chat program looked at a link because somebody pasted it there; else ""."""
    is_paste = event.client_kind == ClientKind.LINK_PREVIEW and event.kind == HitKind.CLICK
    return chat(event.client) if is_paste else ""


# What is known of a recipient beside the counts


@dataclass(frozen=True, slots=True)
class Note:
    """One calm line under a recipient."""

    symbol: str
    words: str


SILENCES = {
    Silence.OPENS_OFF: "opens were not to be tracked",
    Silence.PLAIN_TEXT: "a plain-text letter carries no picture",
    Silence.NO_PIXEL: "the letter has no place for a picture",
    Silence.LINKS_ONLY: "only a followed link can tell",
    Silence.PICTURES_BLOCKED_LIKELY: "this reader answered or followed links before without loading pictures",
    Silence.COMPANY_BLOCKS: "nobody at this company loads pictures",
    Silence.NOT_LOADED_BEFORE: "earlier letters to this address showed nothing either",
    Silence.CLIPPED: "Gmail cuts so long a letter before its picture",
    Silence.PICTURES_MAY_BE_BLOCKED: "many mail programs load no pictures unless asked",
}
TRAITS = {
    Trait.BLOCKS_PICTURES: "answers or follows links without loading pictures, so opens stay unseen",
    Trait.NEVER_SEEN: "nothing was ever seen of this address",
    Trait.ALWAYS_PREFETCHED: "pictures are loaded ahead for this address, read or not: only clicks tell",
    Trait.GATEWAY_FOLLOWS_LINKS: "a scanner opens every link for this address",
    Trait.GATEWAY_LOADS_PICTURES: "a scanner loads every picture for this address",
    Trait.RELIABLE: "opens show reliably for this address",
}
COMPANY_TRAITS = {
    Trait.BLOCKS_PICTURES: "this company’s mail programs load no pictures",
    Trait.NEVER_SEEN: "nothing was ever seen of this company",
    Trait.ALWAYS_PREFETCHED: "this company’s pictures are loaded ahead, read or not",
    Trait.GATEWAY_FOLLOWS_LINKS: "this company’s gateway opens every link",
    Trait.GATEWAY_LOADS_PICTURES: "this company’s gateway loads every picture",
    Trait.RELIABLE: "opens show reliably at this company",
}


def unseen(traits: Iterable[Trait]) -> str:
    """Why nothing can be expected to be seen of somebody."""
    return "; ".join(TRAITS[each] for each in traits)


_SILENT = frozenset({Trait.BLOCKS_PICTURES, Trait.NEVER_SEEN})


def notes(known: Known, times: Times) -> list[Note]:
    """What is worth a line under a recipient, the newest knowledge first; often nothing."""
    found = [
        Note("forward", f"Perhaps forwarded: {_came_from(each.sighting)}, {times.when(each.sighting.first_at)}")
        for each in known.readers
        if each.forwarded
    ]
    found += [Note("link", f"Pasted into {chat(each.client)}, {times.when(each.at)}") for each in known.pasted]
    if known.silence:
        found.append(
            Note("eye-dashed", f"Not the same as unread: {'; '.join(SILENCES[each] for each in known.silence)}")
        )
    # What the silence says already is not said twice, nor of a person what holds for the whole company.
    skipped = _SILENT if known.silence else frozenset()
    company = [each for each in known.company if each not in skipped]
    own = [each for each in known.traits if each not in skipped and each not in company]
    if Trait.RELIABLE in known.traits:
        own, company = [Trait.RELIABLE], []
    for traits, said in ((own, TRAITS), (company, COMPANY_TRAITS)):
        if traits:
            symbol = "eye" if Trait.RELIABLE in traits else "scanner"
            found.append(Note(symbol, sentence("; ".join(said[each] for each in traits))))
    return found


def _came_from(sighting: Sighting) -> str:
    place = f" in {there(sighting.place)}" if sighting.place.state == PlaceState.KNOWN else ""
    return f"{seen_as(sighting.client, sighting.system, sighting.device)}{place}"


# Reasons of the instrumenting side


def left_reason(code: str) -> str:
    """Why a link was left alone."""
    return LEFT_REASONS.get(code, code)


def unchanged_reason(code: str) -> str:
    """Why a message went out as it came."""
    return UNCHANGED_REASONS.get(code, code)


UNCHANGED_SHORT = {  # the same for a list, where the recipients need the room
    "off": "switched off",
    "signed": "signed",
    "encrypted": "encrypted",
    "dkim-signed": "signed by a domain",
    "odd-encoding": "odd encoding",
    "broken-structure": "broken structure",
    "too-large": "too large",
    "too-many-parts": "too many parts",
    "too-deep": "nested too deep",
    "header-too-large": "header too large",
    "too-many-addresses": "too many addresses",
    "too-many-links": "too many links",
    "too-complex": "too complex",
    "null-sender": "no sender",
    "report": "a report",
    "loop": "a mail loop",
    "no-html": "plain text",
    "fault": "our fault",
}


def bare(address: str) -> str:
    """An address without the part that says nothing: "tidewater.example/visit"."""
    return re.sub(r"^https?://(www\.)?", "", address)
