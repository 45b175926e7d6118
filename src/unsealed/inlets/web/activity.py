"""The Activity screen: what happened over all messages, by day, the message of a line beside it.

GET /activity        state: one of FILTERS; machine=1: also what machines did
GET /activity/rows   the lines alone; live.js puts them in the place of the old ones
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby

from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from unsealed.inlets.happenings import Happened, happened
from unsealed.inlets.speakers import WHY
from unsealed.inlets.web import evidence, moments, states, words
from unsealed.inlets.web.evidence import Chip
from unsealed.inlets.web.message import tell
from unsealed.inlets.web.moments import Times
from unsealed.inlets.web.page import render, said
from unsealed.inlets.web.states import Mark
from unsealed.inlets.web.surroundings import asked, person, surroundings
from unsealed.inlets.web.where import Where
from unsealed.model.event import BELIEVED
from unsealed.model.message import UserId, from_public_id
from unsealed.model.notice import Occasion, Why
from unsealed.model.reminder import State
from unsealed.model.texts import Texts, later
from unsealed.model.view import EventLine, Happening, OpenedRow, What
from unsealed.store import activity, feed, reminders, sent

LINES = 50
OPENED_SHOWN = 5
FILTERS = {
    "": later("All"),
    "highlights": later("Highlights"),
    "opens": later("Opens"),
    "clicks": later("Clicks"),
    "replies": later("Replies"),
    "muted": later("Muted"),
    "machine": later("Machine"),
}

UNSUMMED = ("highlights", "muted", "machine")  # a part of what happened: a sum of it would be taken for the whole
OCCASIONS = {Occasion.HOT: later("3 within an hour"), Occasion.REVIVED: later("after weeks of silence")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line: who, what they did, with which letter, on what, from where."""

    it: Happening
    mark: Mark
    who: str
    verb: str
    of: str
    loads: str = ""  # " · 4 loads in 2 min"
    device: str = ""
    symbol: str = ""
    place: str = ""
    chip: Chip | None = None
    muted: str = ""  # why nobody was told

    @property
    def key(self) -> str:
        """What stands in the address when this line is chosen: of an event its id, so that it stands open."""
        return self.it.id.partition(".")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """The lines of a day, and what they sum up to where all of them are there."""

    heading: str
    lines: Sequence[Line]
    sums: str


async def page(request: Request) -> Response:
    """`/activity`."""
    around, where, times = surroundings(request), Where.of(request), said(request)
    user = person(request).id
    first = not (where.state or where.after)

    def look(store: Connection) -> tuple[int, Happened, Sequence[OpenedRow], int, bool]:
        feed_at = feed.ends(store)[1]
        found = _asked(store, user, where)
        lately = activity.opened(store, user, limit=OPENED_SHOWN).items if first and found.items else ()
        due = len(reminders.listed(store, user, [State.DUE])) if first else 0
        anything = bool(found.items) or bool(sent.listed(store, user, limit=1, now=times.now).items)
        return feed_at, found, lately, due, anything

    feed_at, found, lately, due, anything = await asked(request, look)
    story = await run_in_threadpool(tell, around, user, from_public_id(where.m), where, times)
    return render(
        request,
        "activity.html",
        where=where,
        found=found,
        days=days(found, where, times),
        filters={state: times.texts.say(name) for state, name in FILTERS.items()},
        lately=lately,
        due=due,
        anything=anything,
        story=story,
        feed_at=feed_at,
        title=words.visible(story.row.subject) if story else times.texts.say("Activity"),
    )


async def rows(request: Request) -> Response:
    """`/activity/rows`: the same lines, as they are now."""
    where = Where.of(request)
    user = person(request).id
    found = await asked(request, lambda store: _asked(store, user, where))
    here = Where("/activity", state=where.state, machine=where.machine, after=where.after, m=where.m)
    return render(request, "activity_rows.html", where=here, found=found, days=days(found, where, said(request)))


def _asked(store: Connection, user: UserId, where: Where) -> Happened:
    machine = where.machine == "1"
    return happened(store, user, show=where.state, machine=machine, after=where.after or None, limit=LINES)


def days(found: Happened, where: Where, times: Times) -> list[Day]:
    """Lines under the days of the reader's zone. A day that the page cuts has no sum: it would be wrong."""
    made = [
        [line(each, times) for each in group]
        for _, group in groupby(found.items, key=lambda each: times.local(each.at).date())
    ]
    cut = {len(made) - 1 if found.next else -1, 0 if where.after else -1}
    return [
        Day(
            heading=times.day(lines[0].it.at),
            lines=lines,
            sums="" if number in cut or where.state in UNSUMMED else _sums(lines, times.texts),
        )
        for number, lines in enumerate(made)
    ]


def _sums(lines: Sequence[Line], texts: Texts) -> str:
    """ "4 people opened, 2 clicked, 1 replied": each person once."""
    people = Counter(what for what, _ in {(each.it.what, each.it.recipient or each.it.copy) for each in lines})
    said_so = []
    if number := people[What.OPEN]:
        said_so.append(texts.plural("%(number)s person opened", "%(number)s people opened", number))
    if number := people[What.CLICK]:
        said_so.append(texts.plural("%(number)s clicked", "%(number)s clicked", number))
    if number := people[What.REPLY]:
        said_so.append(texts.plural("%(number)s replied", "%(number)s replied", number))
    if number := people[What.BOUNCE]:
        said_so.append(texts.plural("%(number)s bounced", "%(number)s bounced", number))
    return ", ".join(said_so)


def line(it: Happening, times: Times) -> Line:
    """One line in words."""
    texts, say = times.texts, times.texts.say
    who = words.shortened(it.name or it.recipient or words.sentence(words.someone("", "", it.among, texts)), 80)
    subject = it.subject or say("(no subject)")
    muted = say("No notice: %(why)s", why=say(WHY[Why(it.why_muted)])) if it.why_muted else ""
    if it.what is What.REPLY:
        mark = Mark(kind="replied", symbol="reply")
        return Line(it=it, mark=mark, who=who, verb=say("replied"), of=subject, muted=muted)
    if it.what is What.AUTOMATIC:
        chip = Chip(say("automatic"), "apart")
        verb = say("answered by a machine")
        mark = Mark(kind="machine", symbol="reply")
        return Line(it=it, mark=mark, who=who, verb=verb, of=subject, chip=chip, muted=muted)
    if it.what is What.BOUNCE or it.event is None:
        why = f"{states.bounced(it.words, texts)} · {subject}"
        mark = Mark(kind="bounced", symbol="bounce")
        return Line(it=it, mark=mark, who=who, verb=say("bounced"), of=why, muted=muted)
    event = it.event
    if it.what is What.OPEN:
        guess = event.confidence < BELIEVED
        verb = _with_occasion(_opened(it.nth, guess, texts), it, texts)
        mark = Mark(kind="maybe" if guess else "opened", symbol="ticks")
    elif it.what is What.CLICK:
        link = evidence.link_name(event, texts, 32)
        guess = event.confidence < BELIEVED
        clicked = say("maybe clicked %(link)s", link=link) if guess else say("clicked %(link)s", link=link)
        verb = _with_occasion(clicked, it, texts)
        mark = Mark(kind="clicked", symbol="link")
    else:
        verb, mark = _by_machine(event, it.loads, texts)
    return Line(
        it=it,
        mark=mark,
        who=who,
        verb=verb,
        of=subject,
        loads=_loads(it, texts),
        device=evidence.device(event, texts),
        symbol=evidence.device_symbol(event),
        place=evidence.where_from(event, texts),
        chip=evidence.chip(event, texts),
        muted=muted,
    )


def _opened(nth: int, guess: bool, texts: Texts) -> str:
    if nth <= 1:
        return texts.say("maybe opened") if guess else texts.say("opened")
    number = words.ordinal(nth, texts)
    if guess:
        return texts.say("maybe opened, %(nth)s time", nth=number)
    return texts.say("opened, %(nth)s time", nth=number)


def _with_occasion(verb: str, it: Happening, texts: Texts) -> str:
    occasion = OCCASIONS.get(Occasion(it.occasion))
    return f"{verb}, {texts.say(occasion)}" if occasion else verb


def _by_machine(event: EventLine, requests: int, texts: Texts) -> tuple[str, Mark]:
    if chat := evidence.pasted(event, texts):
        return texts.say("pasted into %(chat)s", chat=chat), Mark(kind="machine", symbol="link")
    if event.link is not None and requests == 1:
        link = evidence.link_name(event, texts, 32)
        return texts.say("%(link)s followed by a machine", link=link), Mark(kind="machine", symbol="link")
    return texts.say("loaded by a machine"), Mark(kind="machine", symbol="ticks-hollow")


def _loads(it: Happening, texts: Texts) -> str:
    """ " · 4 loads in 2 min"."""
    if it.loads < 2:
        return ""
    span = moments.lasting(max(abs((it.until or it.at) - it.at), timedelta(seconds=1)), texts)
    if it.what is What.OPEN:
        return " · " + texts.plural("%(number)s load in %(span)s", "%(number)s loads in %(span)s", it.loads, span=span)
    return " · " + texts.plural(
        "%(number)s request in %(span)s", "%(number)s requests in %(span)s", it.loads, span=span
    )


routes = [Route("/activity", page), Route("/activity/rows", rows)]
