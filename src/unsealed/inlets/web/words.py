"""What screens say: states, times, devices, reasons. Pure functions, used by the templates, in the language of `Texts`.

Never overstates: "no signal" is not "unread", what a machine did is said to be a machine's, a guess is a "maybe".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
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
from unsealed.model.texts import ENGLISH, Texts, later
from unsealed.model.view import CopyRow, EventRow, MessageRow, SandboxRow, Sighting, Signals

JUST_NOW = later("just now")
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
    """Moments in words, for one reader: seen from `now`, in the reader's zone and language."""

    now: datetime
    zone: tzinfo = UTC
    texts: Texts = ENGLISH

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
        return self.texts.day(day, short=True, year=self._another_year(day))

    def _another_year(self, day: date) -> bool:
        return day.year != self.local(self.now).year

    def ago(self, at: datetime) -> str:
        """ "just now", "3 min ago", "2 h ago", "yesterday", "Tuesday", "6 Mar"; live.js ages them by the same rule."""
        passed, say = self.now - at, self.texts.say
        if passed < timedelta(minutes=1):
            return say(JUST_NOW)
        if passed < timedelta(hours=1):
            return say("%(number)s min ago", number=passed // timedelta(minutes=1))
        if self.days(at) == 0 or passed < timedelta(hours=12):
            return say("%(number)s h ago", number=passed // timedelta(hours=1))
        if self.days(at) == 1:
            return say("yesterday")
        if self.days(at) < 7:
            return self.texts.weekday(self.local(at))
        return self.dated(self.local(at).date())

    def since(self, at: datetime, before: str) -> str:
        """How long ago, with words in front, "last 3 min ago": `before` names the place, "last %(ago)s"."""
        ago = self.ago(at)
        return ago if ago == self.texts.say(JUST_NOW) or not before else before % {"ago": ago}

    def when(self, at: datetime) -> str:
        """ "14:19" today, "Wed 16:40" this week, "6 Mar" before."""
        if self.days(at) <= 0:
            return self.clock(at)
        if self.days(at) < 7:
            return f"{self.texts.weekday(self.local(at), short=True)} {self.clock(at)}"
        return self.dated(self.local(at).date())

    def full(self, at: datetime) -> str:
        """ "today, 12 March, 09:14"."""
        there, say = self.local(at), self.texts.say
        parts = [self.texts.day(there, year=self._another_year(there)), self.clock(at)]
        days = self.days(at)
        if days in (0, 1):
            parts.insert(0, say("yesterday") if days else say("today"))
        elif days < 7:
            parts.insert(0, self.texts.weekday(there))
        return ", ".join(parts)

    def day(self, at: datetime) -> str:
        """Heading of a day: "Today, Thursday 12 March"."""
        there, say = self.local(at), self.texts.say
        day = self.texts.day(there, year=self._another_year(there))
        said = say("%(weekday)s %(date)s", weekday=self.texts.weekday(there), date=day)
        match self.days(at):
            case 0:
                return say("Today, %(day)s", day=said)
            case 1:
                return say("Yesterday, %(day)s", day=said)
            case _:
                return said

    def ahead(self, weeks: int = 2) -> list[tuple[date, str]]:
        """The next days, and some weeks behind them: "tomorrow, Friday 13 March", "Monday 16 March", "in 3 weeks"."""
        today, texts = self.local(self.now).date(), self.texts
        named: list[tuple[date, str]] = []
        for day in (today + timedelta(days=ahead) for ahead in range(1, 7 * weeks + 1)):
            said = texts.say("%(weekday)s %(date)s", weekday=texts.weekday(day), date=texts.day(day))
            named.append((day, said if named else texts.say("tomorrow, %(day)s", day=said)))
        for number in (3, 4, 8):
            said = texts.plural("in %(number)s week", "in %(number)s weeks", number)
            named.append((today + timedelta(weeks=number), said))
        return named

    def exact(self, at: datetime) -> str:
        """For tooltips: "Thu 12 Mar 2026, 12:08:44 WET"."""
        there, texts = self.local(at), self.texts
        weekday, day = texts.weekday(there, short=True), texts.day(there, short=True, year=True)
        said = texts.say("%(weekday)s %(date)s", weekday=weekday, date=day)
        return f"{said}, {there:%H:%M:%S} {there:%Z}"


def lasting(span: timedelta, texts: Texts) -> str:
    """ "1 h 53 min", "2 min", "8 s"."""
    minutes, seconds = divmod(int(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    said = {
        "d": texts.plural("%(number)s d", "%(number)s d", days),
        "h": texts.say("%(number)s h", number=hours),
        "min": texts.say("%(number)s min", number=minutes),
    }
    if days:
        return f"{said['d']} {said['h']}" if hours else said["d"]
    if hours:
        return f"{said['h']} {said['min']}" if minutes else said["h"]
    return said["min"] if minutes else texts.say("%(number)s s", number=seconds)


def days_old(day: date, today: date, texts: Texts) -> str:
    """ "of today", "5 days old", "7 months old"."""
    days = (today - day).days
    if days <= 0:
        return texts.say("of today")
    if days < 60:
        return texts.plural("%(number)s day old", "%(number)s days old", days)
    return texts.plural("%(number)s month old", "%(number)s months old", round(days / 30.44))


def size(count: int, texts: Texts) -> str:
    """ "812 bytes", "49.9 kB", "3.2 MB"."""
    if count < 1_000:
        return texts.plural("%(number)s byte", "%(number)s bytes", count)
    return f"{texts.decimal(count / 1_000)} kB" if count < 1_000_000 else f"{texts.decimal(count / 1_000_000)} MB"


def counted(number: int, most: int, texts: Texts) -> str:
    """ "12", "1,000+"."""
    return f"{texts.number(most)}+" if number > most else texts.number(number)


def ordinal(number: int, texts: Texts) -> str:
    """ "2nd", "11th". Each of the four is for other languages to write as they do."""
    if number % 10 in (1, 2, 3) and number % 100 not in (11, 12, 13):
        endings = {1: later("%(number)sst"), 2: later("%(number)snd"), 3: later("%(number)srd")}
        return texts.say(endings[number % 10], number=number)
    return texts.say("%(number)sth", number=number)


def times(number: int, texts: Texts) -> str:
    """ "once", "twice", "3 times"."""
    if number == 2:
        return texts.say("twice")
    return texts.plural("once", "%(number)s times", number)


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
    aged: datetime | None = None  # `beside` names the place of how long this is ago: "last %(ago)s"; "" stands for it


MARKS = {
    CopyState.NOT_TRACKED: Mark(kind="crossed", symbol="eye-crossed", hint=later("Nothing is or will be seen")),
    CopyState.QUEUED: Mark(kind="waiting", symbol="clock", hint=later("On its way out")),
    CopyState.DELAYED: Mark(kind="waiting", symbol="clock", hint=later("Refused for now, will be tried again")),
    CopyState.BOUNCED: Mark(kind="bounced", symbol="bounce", hint=later("It did not arrive")),
    CopyState.SENT: Mark(kind="sent", symbol="tick", hint=later("The next server has it")),
    CopyState.DELIVERED: Mark(kind="delivered", symbol="tick-dot", hint=later("It lies in the mailbox")),
    CopyState.NO_SIGNAL: Mark(kind="signal", symbol="eye-dashed", hint=later("Nothing seen; not the same as unread")),
    CopyState.LOADED_BY_MACHINE: Mark(
        kind="machine", symbol="ticks-hollow", hint=later("Machines only: it arrived, no reader was seen")
    ),
    CopyState.OPENED: Mark(kind="opened", symbol="ticks"),
    CopyState.CLICKED: Mark(kind="clicked", symbol="link"),
    CopyState.REPLIED: Mark(kind="replied", symbol="reply", hint=later("A person answered: read for certain")),
}
STATES = {
    CopyState.NOT_TRACKED: later("Not tracked"),
    CopyState.QUEUED: later("Sending"),
    CopyState.DELAYED: later("Sending"),
    CopyState.BOUNCED: later("Bounced"),
    CopyState.SENT: later("Sent"),
    CopyState.DELIVERED: later("Delivered"),
    CopyState.NO_SIGNAL: later("No signal"),
    CopyState.LOADED_BY_MACHINE: later("Loaded by a machine"),
    CopyState.OPENED: later("Opened"),
    CopyState.CLICKED: later("Clicked"),
    CopyState.REPLIED: later("Replied"),
}


SURE = {"certain": later("certain"), "likely": later("likely"), "maybe": later("maybe")}  # the words of `copies.sure`


def maybe(signals: Signals) -> bool:
    """Whether the best evidence is still a guess."""
    return signals.confidence is not None and signals.confidence < BELIEVED


def mark_of(state: CopyState, texts: Texts) -> Mark:
    """The mark of a state of which nothing is counted."""
    found = MARKS[state]
    return replace(found, hint=texts.say(found.hint)) if found.hint else found


def mark(state: CopyState, signals: Signals, texts: Texts) -> Mark:
    """The mark of a state. Ticks stay once an open is seen, also when a link was followed; only an open that we
    believe colours them. An answer stands above all of them."""
    if state is CopyState.REPLIED:
        return mark_of(state, texts)
    if signals.opens:
        if maybe(signals):
            hint = texts.say("Perhaps a person opened it")
            return Mark(kind="maybe", symbol="ticks", number=f"{signals.opens}?", hint=hint)
        word = SURE["certain" if signals.clicks or signals.confidence is None else sure(signals.confidence)]
        hint = texts.say("A person opened it: %(sure)s", sure=texts.say(word))
        return Mark(kind="opened", symbol="ticks", number=f"{signals.opens}", hint=hint)
    if signals.clicks:
        hint = texts.say("A person followed a link: read for certain")
        return Mark(kind="clicked", symbol="link", number=f"{signals.clicks}", hint=hint)
    return mark_of(state, texts)


def message_standing(row: MessageRow, times: Times) -> Standing:
    """A message in a list: the words name the latest signal; partly bounced mail says both."""
    state, texts = copy_state(row.facts, times.now), times.texts
    shown = mark(state, row.signals, texts)
    also = []
    if row.bounced and state != CopyState.BOUNCED:
        also.append(texts.plural("%(number)s bounced", "%(number)s bounced", row.bounced))
    if row.waiting and state in (CopyState.OPENED, CopyState.CLICKED, CopyState.REPLIED):
        also.append(texts.plural("%(number)s waiting", "%(number)s waiting", row.waiting))
    beside, aged = "", None
    if row.facts.replies:
        said, aged = _replied(row.facts.replies, texts), row.replied_at
    elif row.last_click and (row.signals.last_at is None or row.last_click.at >= row.signals.last_at):
        said = texts.say("Clicked %(link)s", link=shortened(row.last_click.text, 32))
        aged = row.last_click.at
    elif row.signals.opens:
        said = texts.say("Maybe opened") if maybe(row.signals) else texts.say("Opened")
        beside, aged = texts.say(LAST, ago=AGO), row.signals.last_at
    elif state == CopyState.BOUNCED:
        said = texts.say("Bounced: %(why)s", why=bounced(row.reply, texts))
    else:
        said, beside = texts.say(STATES[state]), _beside(row, state, times)
    return Standing(state=state, mark=shown, said=", ".join([said, *also]), beside=beside, aged=aged)


LAST = later("last %(ago)s")
AGO = "%(ago)s"  # stands for itself: how long ago it is changes while the page is looked at


def _replied(number: int, texts: Texts) -> str:
    if number > 1:
        return texts.say("Replied %(times)s", times=times(number, texts))
    return texts.say(STATES[CopyState.REPLIED])


def _beside(row: MessageRow, state: CopyState, times: Times) -> str:
    if state == CopyState.DELAYED and row.next_at:
        return times.texts.say("next try %(when)s", when=times.when(row.next_at))
    if state == CopyState.NOT_TRACKED and row.unchanged in UNCHANGED_SHORT:
        return times.texts.say(UNCHANGED_SHORT[row.unchanged])
    return ""


def copy_standing(copy: CopyRow | SandboxRow, times: Times, *, shares: bool = False) -> Standing:
    """One recipient: "Opened 3 times, clicked 2", beside it when. shares: what is seen of it is seen of "someone"."""
    state, texts = copy_state(copy.facts, times.now), times.texts
    if shares and state == CopyState.NOT_TRACKED:
        state = CopyState.DELIVERED if copy.facts.delivery == Delivery.DELIVERED else CopyState.SENT
    signals = copy.signals
    shown = mark(state, signals, texts)
    said = [_copy_said(copy, state, texts)]
    beside, aged = "", None
    if copy.facts.replies:
        if signals.opens:
            said.append(_times_opened(signals.opens, texts))
        aged = copy.replied_at if isinstance(copy, CopyRow) else None
        beside = texts.say("replied %(ago)s", ago=AGO) if aged else ""
    elif signals.opens or signals.clicks:
        beside, aged = texts.say(LAST, ago=AGO), signals.last_at
    else:
        beside = _copy_beside(copy, state, times)
    if signals.clicks and (signals.opens > 1 or copy.facts.replies or not _names_link(copy)):
        said.append(texts.plural("clicked %(number)s", "clicked %(number)s", signals.clicks))
    return Standing(state=state, mark=shown, said=", ".join(said), beside=beside, aged=aged)


def _copy_said(copy: CopyRow | SandboxRow, state: CopyState, texts: Texts) -> str:
    """What stands first."""
    signals = copy.signals
    if copy.facts.replies:
        return _replied(copy.facts.replies, texts)
    if signals.opens <= 1 and isinstance(copy, CopyRow) and copy.last_click and signals.clicks:
        return texts.say("Clicked %(link)s", link=shortened(copy.last_click.text))
    if signals.opens > 1:
        many_times = times(signals.opens, texts)
        if maybe(signals):
            return texts.say("Maybe opened %(times)s", times=many_times)
        return texts.say("Opened %(times)s", times=many_times)
    if signals.opens or signals.clicks:
        return texts.say("Maybe opened") if maybe(signals) else texts.say("Opened")
    if state == CopyState.BOUNCED and isinstance(copy, CopyRow):
        return texts.say("Bounced: %(why)s", why=bounced(copy.reply, texts))
    return texts.say(STATES[state])


def _names_link(copy: CopyRow | SandboxRow) -> bool:
    return isinstance(copy, CopyRow) and copy.last_click is not None


def _times_opened(opens: int, texts: Texts) -> str:
    return texts.say("opened %(times)s", times=times(opens, texts)) if opens > 1 else texts.say("opened")


def read_how(known: Known, texts: Texts) -> str:
    """ "read for certain on 2 devices"; "" when neither is known."""
    if known.devices <= 1:
        return texts.say("read for certain") if known.certain else ""
    if known.certain:
        return texts.plural(
            "read for certain on %(number)s device", "read for certain on %(number)s devices", known.devices
        )
    return texts.plural("read on %(number)s device", "read on %(number)s devices", known.devices)


def _copy_beside(copy: CopyRow | SandboxRow, state: CopyState, times: Times) -> str:
    if isinstance(copy, SandboxRow):
        return ""
    say = times.texts.say
    if state == CopyState.DELAYED and copy.next_at:
        return say("next try %(when)s", when=times.when(copy.next_at))
    if copy.facts.sent_at is None:
        return ""
    when = times.when(copy.facts.sent_at)
    if copy.facts.delivery == Delivery.DELIVERED:
        return say("delivered %(when)s", when=when)
    return say("sent %(when)s", when=when)


STATUS = re.compile(r"\b[45]\.(\d{1,3}\.\d{1,3})\b")
STATUS_WORDS = {  # RFC 3463 and the registry of enhanced status codes, what a sender can act on
    "1.1": later("no such mailbox"),
    "1.2": later("no such domain"),
    "1.3": later("not a valid address"),
    "1.6": later("the mailbox has moved"),
    "1.10": later("the domain takes no mail"),
    "2.0": later("mailbox trouble"),
    "2.1": later("mailbox closed"),
    "2.2": later("mailbox full"),
    "2.3": later("too large for the mailbox"),
    "3.4": later("too large for their server"),
    "4.1": later("their server did not answer"),
    "4.4": later("no route to their server"),
    "4.7": later("given up after many tries"),
    "7.1": later("refused by their rules"),
    "7.23": later("failed their SPF check"),
    "7.26": later("failed their sender checks"),
}


def answered(reply: str, texts: Texts) -> str:
    """What the next hop said when it took a copy."""
    return texts.say("Answered %(reply)s", reply=reply) if reply else ""


def bounced(reply: str, texts: Texts) -> str:
    """Why the next hop refused, in words where its code says it, else in its own."""
    found = STATUS.search(reply)
    if found and (words := STATUS_WORDS.get(found[1])):
        return texts.say(words)
    own = re.sub(r"^\d{3}[ -]?(\d\.\d+\.\d+)?\s*", "", reply).strip()
    return shortened(own, 60) or texts.say("given up")


def shortened(text: str, most: int = 48) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def someone(name: str, address: str, among: int, texts: Texts) -> str:
    """A recipient: name, or else address; "someone (one of 4)" for a copy that `among` people share."""
    if name or address:
        return name or address
    return texts.say("someone (one of %(number)s)", number=among) if among > 1 else texts.say("someone")


KINDS = {AddressKind.TO: later("To"), AddressKind.CC: later("Cc"), AddressKind.BCC: later("Bcc")}


# Events


@dataclass(frozen=True, slots=True)
class Chip:
    """What kind of event; a dashed border says that it does not count."""

    words: str
    look: str = ""  # "", "apart" or "you"


def chip(event: EventRow, texts: Texts) -> Chip:
    """The chip of an event."""
    made = _chip(event)
    return replace(made, words=texts.say(made.words))


def _chip(event: EventRow) -> Chip:
    if event.corrected and event.finding.machine:
        return Chip(later("machine"), "apart")
    match event.finding:
        case Finding.HUMAN_OPEN | Finding.HUMAN_CLICK:
            return Chip(later("person"))
        case Finding.PROXIED_OPEN:
            if event.network == NetworkClass.GOOGLE_PROXY or "gmail" in event.client.lower():
                return Chip(later("through Gmail"))
            return Chip(
                later("through Yahoo") if event.network == NetworkClass.YAHOO_PROXY else later("through another proxy")
            )
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


def link_name(event: EventRow, texts: Texts, most: int = 48) -> str:
    """What the link of a click is called: its visible text, or its address."""
    return texts.say("the hidden link") if event.trap else shortened(event.link_text or bare(event.destination), most)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one request was, as a heading."""

    said: str
    mark: Mark


def verdict(event: EventRow, texts: Texts) -> Verdict:
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


def device(event: EventRow, texts: Texts) -> str:
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


def place(event: EventRow, texts: Texts) -> str:
    """ "Lisbon, Portugal", "place hidden by Gmail"; "" when it is not known. Never a place behind a proxy."""
    if event.place.state == PlaceState.KNOWN:
        return there(event.place, texts)
    if hidden := HIDDEN.get(event.network):
        return texts.say(hidden)
    proxied = event.place.state == PlaceState.PROXY and event.network != NetworkClass.HOSTING
    if hider := HIDERS.get(event.network) or (event.operator if proxied else ""):
        return texts.say("place hidden by %(who)s", who=hider)
    if event.network == NetworkClass.HOSTING:
        if event.operator:
            return texts.say("a rented machine at %(who)s", who=event.operator)
        return texts.say("a rented machine")
    return texts.say("place hidden by a proxy") if proxied else ""


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


def network(event: EventRow, texts: Texts) -> str:
    """Whose network a request came from; "" when nothing is known of it."""
    alone, named = NETWORKS[event.network]
    if named and event.operator:
        return texts.say(named, who=event.operator)
    return texts.say(alone) if alone else ""


def where_from(event: EventRow, texts: Texts) -> str:
    """What stands behind the device in a line: of a machine whose network it was, of all others the place."""
    return network(event, texts) if event.finding.machine else place(event, texts)


def from_where(event: EventRow, texts: Texts) -> str:
    """The same in full, for the evidence: "Home network, Lisbon, Portugal"."""
    parts = (network(event, texts), "" if event.network == NetworkClass.HOSTING else place(event, texts))
    return sentence(", ".join(part for part in parts if part))


NAMELESS = {Device.DESKTOP: later("a computer"), Device.MOBILE: later("a phone"), Device.TABLET: later("a tablet")}


def seen_as(client: str, system: str, device: Device, texts: Texts) -> str:
    """What a reading came from, short: "Thunderbird on Linux", "Gmail", "a phone"."""
    if named := NAMED.get(client, client):
        return _program(named, system, texts)
    return texts.say(NAMELESS[device]) if device in NAMELESS else texts.say("a program")


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
    "Skype URI Preview": later("Teams or Skype"),
    "Microsoft Preview": later("a Microsoft program"),
    "vkShare": "VK",
    "Snap URL Preview Service": "Snapchat",
    "redditbot": "Reddit",
}


def chat(client: str, texts: Texts) -> str:
    """The chat program behind a preview: "Slack"."""
    return texts.one(CHATS.get(client, client))


def pasted(event: EventRow, texts: Texts) -> str:
    """ "Slack", when a chat program looked at a link because somebody pasted it there; else ""."""
    is_paste = event.client_kind == ClientKind.LINK_PREVIEW and event.kind == HitKind.CLICK
    return chat(event.client, texts) if is_paste else ""


# What is known of a recipient beside the counts


@dataclass(frozen=True, slots=True)
class Note:
    """One calm line under a recipient."""

    symbol: str
    words: str


SILENCES = {
    Silence.OPENS_OFF: later("opens were not to be tracked"),
    Silence.PLAIN_TEXT: later("a plain-text letter carries no picture"),
    Silence.NO_PIXEL: later("the letter has no place for a picture"),
    Silence.LINKS_ONLY: later("only a followed link can tell"),
    Silence.PICTURES_BLOCKED_LIKELY: later("this reader answered or followed links before without loading pictures"),
    Silence.COMPANY_BLOCKS: later("nobody at this company loads pictures"),
    Silence.NOT_LOADED_BEFORE: later("earlier letters to this address showed nothing either"),
    Silence.CLIPPED: later("Gmail cuts so long a letter before its picture"),
    Silence.PICTURES_MAY_BE_BLOCKED: later("many mail programs load no pictures unless asked"),
}
TRAITS = {
    Trait.BLOCKS_PICTURES: later("answers or follows links without loading pictures, so opens stay unseen"),
    Trait.NEVER_SEEN: later("nothing was ever seen of this address"),
    Trait.ALWAYS_PREFETCHED: later("pictures are loaded ahead for this address, read or not: only clicks tell"),
    Trait.GATEWAY_FOLLOWS_LINKS: later("a scanner opens every link for this address"),
    Trait.GATEWAY_LOADS_PICTURES: later("a scanner loads every picture for this address"),
    Trait.RELIABLE: later("opens show reliably for this address"),
}
COMPANY_TRAITS = {
    Trait.BLOCKS_PICTURES: later("this company’s mail programs load no pictures"),
    Trait.NEVER_SEEN: later("nothing was ever seen of this company"),
    Trait.ALWAYS_PREFETCHED: later("this company’s pictures are loaded ahead, read or not"),
    Trait.GATEWAY_FOLLOWS_LINKS: later("this company’s gateway opens every link"),
    Trait.GATEWAY_LOADS_PICTURES: later("this company’s gateway loads every picture"),
    Trait.RELIABLE: later("opens show reliably at this company"),
}


def unseen(traits: Iterable[Trait], texts: Texts) -> str:
    """Why nothing can be expected to be seen of somebody."""
    return "; ".join(texts.say(TRAITS[each]) for each in traits)


_SILENT = frozenset({Trait.BLOCKS_PICTURES, Trait.NEVER_SEEN})


def notes(known: Known, times: Times) -> list[Note]:
    """What is worth a line under a recipient, the newest knowledge first; often nothing."""
    texts = times.texts
    found = [Note("forward", _forwarded(each.sighting, times)) for each in known.readers if each.forwarded]
    for each in known.pasted:
        said = texts.say("Pasted into %(chat)s, %(when)s", chat=chat(each.client, texts), when=times.when(each.at))
        found.append(Note("link", said))
    if known.silence:
        why = "; ".join(texts.say(SILENCES[each]) for each in known.silence)
        found.append(Note("eye-dashed", texts.say("Not the same as unread: %(why)s", why=why)))
    # What the silence says already is not said twice, nor of a person what holds for the whole company.
    skipped = _SILENT if known.silence else frozenset()
    company = [each for each in known.company if each not in skipped]
    own = [each for each in known.traits if each not in skipped and each not in company]
    if Trait.RELIABLE in known.traits:
        own, company = [Trait.RELIABLE], []
    for traits, told in ((own, TRAITS), (company, COMPANY_TRAITS)):
        if traits:
            symbol = "eye" if Trait.RELIABLE in traits else "scanner"
            found.append(Note(symbol, sentence("; ".join(texts.say(told[trait]) for trait in traits))))
    return found


def _forwarded(sighting: Sighting, times: Times) -> str:
    """To whom it was perhaps passed on."""
    texts = times.texts
    device = seen_as(sighting.client, sighting.system, sighting.device, texts)
    when = times.when(sighting.first_at)
    if sighting.place.state != PlaceState.KNOWN:
        return texts.say("Perhaps forwarded: %(device)s, %(when)s", device=device, when=when)
    place = there(sighting.place, texts)
    return texts.say("Perhaps forwarded: %(device)s in %(place)s, %(when)s", device=device, place=place, when=when)


# Reasons of the instrumenting side


def left_reason(code: str, texts: Texts) -> str:
    """Why a link was left alone."""
    return texts.one(LEFT_REASONS.get(code, code))


def unchanged_reason(code: str, texts: Texts) -> str:
    """Why a message went out as it came."""
    return texts.one(UNCHANGED_REASONS.get(code, code))


UNCHANGED_SHORT = {  # the same for a list, where the recipients need the room
    "off": later("switched off"),
    "signed": later("signed"),
    "encrypted": later("encrypted"),
    "dkim-signed": later("signed by a domain"),
    "odd-encoding": later("odd encoding"),
    "broken-structure": later("broken structure"),
    "too-large": later("too large"),
    "too-many-parts": later("too many parts"),
    "too-deep": later("nested too deep"),
    "header-too-large": later("header too large"),
    "too-many-addresses": later("too many addresses"),
    "too-many-links": later("too many links"),
    "too-complex": later("too complex"),
    "null-sender": later("no sender"),
    "report": later("a report"),
    "loop": later("a mail loop"),
    "no-html": later("plain text"),
    "fault": later("our fault"),
}


def bare(address: str) -> str:
    """An address without the part that says nothing: "tidewater.example/visit"."""
    return re.sub(r"^https?://(www\.)?", "", address)
