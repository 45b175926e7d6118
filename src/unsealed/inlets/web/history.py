"""The history of a message as a reader follows it: readings instead of requests, gaps, days. Pure.

Judged requests come in as judged.of_message gives them, latest first; repeated loads of one reading become one line
("4 loads in 2 min"). Nothing is dropped: what is folded into a line stays in its list of requests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby, zip_longest

from unsealed.inlets.web.evidence import link_name, pasted
from unsealed.inlets.web.moments import Times, lasting
from unsealed.inlets.web.states import answered, bounced
from unsealed.inlets.web.words import ordinal, sentence, shortened, someone
from unsealed.model.event import BELIEVED, Finding, HitKind
from unsealed.model.message import Delivery
from unsealed.model.reply import Kind
from unsealed.model.texts import Texts, later
from unsealed.model.view import CopyRow, EventRow, MessageView, ReplyRow

GAP = timedelta(hours=1)  # from here on silence gets a line of its own
BURST = timedelta(seconds=3)  # requests of a machine this close belong together


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the history: a reading, a click, the sender's own look, or how the message went out."""

    at: datetime
    verb: str
    mark: str = ""  # class of look.css
    symbol: str = ""
    event: EventRow | None = None  # None: not a request (delivery)
    others: tuple[EventRow, ...] = ()  # requests that are part of the same reading
    loads: str = ""  # "4 loads in 2 min"
    detail: str = ""
    gap: str = ""  # silence below this line: "1 h 53 min"

    def has(self, event: str) -> bool:
        """Whether this line tells of the event with that id."""
        return self.event is not None and event in (self.event.id, *(each.id for each in self.others))


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """The lines of one day, under its heading."""

    heading: str
    lines: tuple[Line, ...]


@dataclass(slots=True)
class _Reading:
    """Requests that make one line, the deciding one first."""

    events: list[EventRow]
    number: int = 0


def readings(events: Iterable[EventRow], opens: dict[str, int]) -> list[_Reading]:
    """Requests latest first, folded: a reading and its repeats become one, a click and its repeats become one.

    opens: readings of each copy by copy id, so that the newest gets its true number when older ones are not shown.
    """
    made: list[_Reading] = []
    open_of: dict[str, _Reading] = {}
    click_of: dict[tuple[str, int | None], _Reading] = {}
    for event in sorted(events, key=lambda each: (each.at, each.id)):
        if event.kind == HitKind.OPEN:
            before = open_of.get(event.copy)
            repeats = event.finding == Finding.DUPLICATE or (event.finding.counted and not event.first_of_reading)
        else:
            before = click_of.get((event.copy, event.link))
            repeats = event.finding == Finding.DUPLICATE
        if before is not None and repeats:
            before.events.append(event)
            continue
        line = _Reading([event])
        made.append(line)
        if event.kind == HitKind.CLICK:
            click_of[event.copy, event.link] = line
        elif event.finding.counted:
            open_of[event.copy] = line
    _number([line for line in made if _is_reading(line)], opens)
    return made[::-1]


def _is_reading(line: _Reading) -> bool:
    return line.events[0].kind == HitKind.OPEN and line.events[0].finding.counted


def _number(lines: Sequence[_Reading], opens: dict[str, int]) -> None:
    shown = Counter(line.events[0].copy for line in lines)
    seen: Counter[str] = Counter()
    for line in lines:
        copy = line.events[0].copy
        seen[copy] += 1
        line.number = max(opens.get(copy, 0) - shown[copy], 0) + seen[copy]


def lines(events: Iterable[EventRow], copies: Sequence[CopyRow], texts: Texts) -> list[Line]:
    """The history of what people did, latest first."""
    among = sharing(copies)
    made = [_line(each, among, texts) for each in readings(events, {copy.id: copy.signals.opens for copy in copies})]
    return _with_gaps(made, texts)


def sharing(copies: Iterable[CopyRow]) -> int:
    """How many people a shared copy may stand for."""
    return sum(bool(copy.address) for copy in copies)


def proven(lines: Sequence[Line], copies: Iterable[CopyRow], texts: Texts) -> list[Line]:
    """Openings that nobody saw: a copy whose link was followed was open, though its picture was never loaded."""
    seen = {line.event.copy for line in lines if line.event is not None}
    copies = list(copies)
    among = sharing(copies)
    return [
        Line(
            at=copy.signals.first_at,
            verb=texts.say("%(who)s opened", who=sentence(someone(copy.name, copy.address, among, texts))),
            mark="opened",
            symbol="ticks",
            detail=texts.say("A followed link proves it; the picture was never loaded"),
        )
        for copy in copies
        if copy.signals.opens and copy.signals.first_at and copy.id not in seen
    ]


def _line(reading: _Reading, among: int, texts: Texts) -> Line:
    event, requests = reading.events[0], len(reading.events)
    who = someone(event.name, event.recipient, among, texts)
    loads = ""
    if requests > 1:
        span = lasting(max(reading.events[-1].at - event.at, timedelta(seconds=1)), texts)
        if event.kind == HitKind.OPEN:
            loads = texts.plural("%(number)s load in %(span)s", "%(number)s loads in %(span)s", requests, span=span)
        else:
            loads = texts.plural("%(number)s time in %(span)s", "%(number)s times in %(span)s", requests, span=span)
    verb, mark, symbol = _verb(event, who, reading.number, texts)
    return Line(
        at=event.at, verb=verb, mark=mark, symbol=symbol, event=event, others=tuple(reading.events[1:]), loads=loads
    )


def _verb(event: EventRow, who: str, number: int, texts: Texts) -> tuple[str, str, str]:
    where, say = link_name(event, texts), texts.say
    first = sentence(who)
    guess = event.confidence < BELIEVED
    match event.finding:
        case Finding.HUMAN_OPEN | Finding.PROXIED_OPEN:
            return _opened(first, number, guess, texts), "maybe" if guess else "opened", "ticks"
        case Finding.HUMAN_CLICK if guess:
            return say("%(who)s maybe clicked %(link)s", who=first, link=where), "clicked", "link"
        case Finding.HUMAN_CLICK:
            return say("%(who)s clicked %(link)s", who=first, link=where), "clicked", "link"
        case Finding.SELF_OPEN:
            return say("You looked at the copy of %(who)s", who=who), "", "eye"
        case Finding.SELF_CLICK:
            return say("You followed %(link)s in the copy of %(who)s", who=who, link=where), "", "link"
        case Finding.DUPLICATE:
            return say("The copy of %(who)s was loaded again", who=who), "machine", "ticks-hollow"
        case Finding.SCANNER_CLICK if chat := pasted(event, texts):
            said = say(
                "%(link)s was pasted into %(chat)s, from the copy of %(who)s", link=sentence(where), chat=chat, who=who
            )
            return said, "machine", "link"
        case Finding.SCANNER_CLICK:
            return say("A machine followed %(link)s for %(who)s", link=where, who=who), "machine", "link"
        case Finding.MACHINE_PREFETCH | Finding.SCANNER:
            return say("A machine loaded the copy of %(who)s", who=who), "machine", "ticks-hollow"


def _opened(who: str, number: int, guess: bool, texts: Texts) -> str:
    if number <= 1:
        return texts.say("%(who)s maybe opened", who=who) if guess else texts.say("%(who)s opened", who=who)
    nth = ordinal(number, texts)
    if guess:
        return texts.say("%(who)s maybe opened, %(nth)s time", who=who, nth=nth)
    return texts.say("%(who)s opened, %(nth)s time", who=who, nth=nth)


def _with_gaps(lines: Sequence[Line], texts: Texts) -> list[Line]:
    return [_with_gap(line, below, texts) for line, below in zip_longest(lines, lines[1:])]


def _with_gap(line: Line, below: Line | None, texts: Texts) -> Line:
    if below is None or line.at - below.at < GAP or line.at.date() != below.at.date():
        return line
    return replace(line, gap=lasting(line.at - below.at, texts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """Requests of one machine that belong together, the last one first; a person's request stands alone."""

    events: tuple[EventRow, ...]

    @property
    def event(self) -> EventRow:
        return self.events[0]

    def span(self, texts: Texts) -> str:
        """ "4 links and the picture in 0.8 s"; "" for a single request."""
        if len(self.events) == 1:
            return ""
        links = len({event.link for event in self.events if event.kind == HitKind.CLICK})
        passed = max((self.events[0].at - self.events[-1].at).total_seconds(), 0.1)
        seconds = texts.decimal(passed)
        if not links:
            return texts.say("the picture in %(seconds)s s", seconds=seconds)
        if all(event.kind == HitKind.CLICK for event in self.events):
            return texts.plural(
                "%(number)s link in %(seconds)s s", "%(number)s links in %(seconds)s s", links, seconds=seconds
            )
        return texts.plural(
            "%(number)s link and the picture in %(seconds)s s",
            "%(number)s links and the picture in %(seconds)s s",
            links,
            seconds=seconds,
        )


def bursts(events: Iterable[EventRow]) -> list[Burst]:
    """Requests latest first, those of one machine within a few seconds put together."""
    made: list[list[EventRow]] = []
    for event in events:
        last = made[-1][-1] if made else None
        if (
            last is not None
            and last.finding.machine
            and event.finding.machine
            and last.user_agent == event.user_agent
            and last.at - event.at < BURST
        ):
            made[-1].append(event)
        else:
            made.append([event])
    return [Burst(events=tuple(each)) for each in made]


def machine_lines(events: Iterable[EventRow], copies: Sequence[CopyRow], texts: Texts) -> list[Line]:
    """What machines did, latest first, one line each."""
    among = sharing(copies)
    return [_line(_Reading([event]), among, texts) for event in events]


def requests(events: Iterable[EventRow], copies: Sequence[CopyRow], texts: Texts) -> list[Line]:
    """Every request as it came, latest first: what was asked for, and of whose copy."""
    among = sharing(copies)
    made = []
    for event in events:
        who = someone(event.name, event.recipient, among, texts)
        if event.kind == HitKind.OPEN:
            verb = texts.say("Picture, copy of %(who)s", who=who)
        else:
            verb = texts.say("%(link)s, copy of %(who)s", link=sentence(link_name(event, texts)), who=who)
        symbol = "image" if event.kind == HitKind.OPEN else "link"
        mark = "" if event.finding.counted else "machine"
        made.append(Line(at=event.at, verb=verb, mark=mark, symbol=symbol, event=event))
    return made


def came_back(replies: Iterable[ReplyRow], texts: Texts) -> list[Line]:
    """Answers, and reports that say something which the state of a copy does not, latest first."""
    made, say = [], texts.say
    for each in replies:
        who = someone(each.name, each.address, 0, texts)
        match each.kind:
            case Kind.REPLY:
                verb = say("%(who)s replied", who=sentence(shortened(who)))
                detail = "" if each.copy else say("Not from an address that it was sent to")
                made.append(Line(at=each.at, verb=verb, mark="replied", symbol="reply", detail=detail))
            case Kind.AUTOMATIC:
                verb = say("Automatic answer from %(who)s", who=who)
                detail = say("Not counted: no person wrote it")
                made.append(Line(at=each.at, verb=verb, mark="machine", symbol="reply", detail=detail))
            case Kind.DELAYED:
                verb = say("Delayed on the way to %(who)s", who=who)
                made.append(Line(at=each.at, verb=verb, mark="waiting", symbol="clock"))
            case Kind.BOUNCE | Kind.DELIVERED:
                pass  # the copy says so
    return made


def between(lines: Sequence[Line], others: Sequence[Line], texts: Texts) -> list[Line]:
    """Both, latest first, with the silence between them."""
    if not others:
        return list(lines)
    plain = [replace(line, gap="") for line in sorted([*lines, *others], key=lambda line: line.at, reverse=True)]
    return _with_gaps(plain, texts)


def departure(message: MessageView, texts: Texts) -> Line:
    """How the message went out: the last line of every history."""
    row, say = message.row, texts.say
    copies = [copy for copy in message.copies if copy.address] or message.copies
    took = [copy for copy in copies if copy.facts.sent_at is not None]
    refused = [copy for copy in copies if copy.facts.delivery == Delivery.BOUNCED]
    if refused and len(refused) == len(copies):
        at = max((copy.ended_at for copy in refused if copy.ended_at), default=row.at)
        verb = say("Bounced: %(why)s", why=bounced(refused[0].reply, texts))
        return Line(at=at, verb=verb, mark="bounced", symbol="bounce", detail=answered(refused[0].reply, texts))
    if not took:
        return Line(at=row.at, verb=say("Accepted from your mail program"), mark="waiting", symbol="clock")
    whom = _whom(took, len(copies), len(refused), texts)
    lying = all(copy.ended_at is not None and copy.facts.delivery == "delivered" for copy in took)
    return Line(
        at=max(copy.facts.sent_at for copy in took if copy.facts.sent_at),
        verb=say("Delivered to %(whom)s", whom=whom) if lying else say("Sent to %(whom)s", whom=whom),
        mark="delivered" if lying else "sent",
        symbol="tick-dot" if lying else "tick",
        detail=answered(took[0].reply, texts),
    )


def _whom(took: Sequence[CopyRow], copies: int, refused: int, texts: Texts) -> str:
    """Those of all recipients whose copies were taken, to stand behind "Sent to"."""
    if len(took) == 1 == copies:
        return someone(took[0].name, took[0].address, 0, texts)
    if len(took) == copies:
        named = {2: later("both"), 3: later("all three")}
        if copies in named:
            return texts.say(named[copies])
        return texts.plural("all %(number)s", "all %(number)s", copies)
    some = texts.say("%(number)s of %(all)s", number=texts.number(len(took)), all=texts.number(copies))
    if refused:
        return f"{some}, " + texts.plural("%(number)s bounced", "%(number)s bounced", refused)
    return some


def days(lines: Sequence[Line], times: Times) -> list[Day]:
    """Lines under the days of the reader's zone, latest first."""
    return [
        Day(heading=times.day(first[0].at), lines=tuple(first))
        for first in (list(group) for _, group in groupby(lines, key=lambda line: times.local(line.at).date()))
    ]
