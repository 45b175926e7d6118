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

from unsealed.inlets.copies import BELIEVED
from unsealed.inlets.happenings import Happened, happened
from unsealed.inlets.web import words
from unsealed.inlets.web.message import tell
from unsealed.inlets.web.page import render, said
from unsealed.inlets.web.speakers import WHY
from unsealed.inlets.web.surroundings import asked, person, surroundings
from unsealed.inlets.web.where import Where
from unsealed.inlets.web.words import Chip, Mark, Times
from unsealed.model.message import UserId, from_public_id
from unsealed.model.notice import Occasion, Why
from unsealed.model.reminder import State
from unsealed.model.view import EventRow, Happening, OpenedRow, What
from unsealed.store import activity, feed, reminders, sent

LINES = 50
OPENED_SHOWN = 5
FILTERS = {
    "": "All",
    "highlights": "Highlights",
    "opens": "Opens",
    "clicks": "Clicks",
    "replies": "Replies",
    "muted": "Muted",
    "machine": "Machine",
}

UNSUMMED = ("highlights", "muted", "machine")  # a part of what happened: a sum of it would be taken for the whole
OCCASIONS = {Occasion.HOT: ", 3 within an hour", Occasion.REVIVED: ", after weeks of silence"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line: who, what they did, with which letter, on what, from where."""

    it: Happening
    mark: Mark
    who: str
    verb: str
    of: str
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
        filters=FILTERS,
        lately=lately,
        due=due,
        anything=anything,
        story=story,
        feed_at=feed_at,
        title=words.visible(story.row.subject) if story else "Activity",
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
            sums="" if number in cut or where.state in UNSUMMED else _sums(lines),
        )
        for number, lines in enumerate(made)
    ]


def _sums(lines: Sequence[Line]) -> str:
    """ "4 people opened, 2 clicked, 1 replied": each person once."""
    people = Counter(what for what, _ in {(each.it.what, each.it.recipient or each.it.copy) for each in lines})
    parts = [
        (people[What.OPEN], "opened"),
        (people[What.CLICK], "clicked"),
        (people[What.REPLY], "replied"),
        (people[What.BOUNCE], "bounced"),
    ]
    said_so = [f"{number} {verb}" for number, verb in parts if number]
    if said_so and people[What.OPEN]:
        said_so[0] = f"{words.many(people[What.OPEN], 'person', 'people')} opened"
    return ", ".join(said_so)


def line(it: Happening, times: Times) -> Line:
    """One line in words."""
    who = words.shortened(it.name or it.recipient or words.sentence(words.someone("", "", it.among)), 80)
    subject = it.subject or "(no subject)"
    muted = f"No notice: {WHY[Why(it.why_muted)]}" if it.why_muted else ""
    if it.what is What.REPLY:
        return Line(it=it, mark=Mark(kind="replied", symbol="reply"), who=who, verb="replied", of=subject, muted=muted)
    if it.what is What.AUTOMATIC:
        chip = Chip("automatic", "apart")
        verb = "answered by a machine"
        mark = Mark(kind="machine", symbol="reply")
        return Line(it=it, mark=mark, who=who, verb=verb, of=subject, chip=chip, muted=muted)
    if it.what is What.BOUNCE or it.event is None:
        why = f"{words.bounced(it.words)} · {subject}"
        return Line(it=it, mark=Mark(kind="bounced", symbol="bounce"), who=who, verb="bounced", of=why, muted=muted)
    event = it.event
    maybe = "maybe " if event.confidence < BELIEVED else ""
    if it.what is What.OPEN:
        nth = f", {words.ordinal(it.nth)} time" if it.nth > 1 else ""
        verb = f"{maybe}opened{nth}{OCCASIONS.get(Occasion(it.occasion), '')}"
        mark = Mark(kind="maybe" if maybe else "opened", symbol="ticks")
    elif it.what is What.CLICK:
        again = OCCASIONS.get(Occasion(it.occasion), "")
        verb = f"{maybe}clicked {words.link_name(event, 32)}{again}"
        mark = Mark(kind="clicked", symbol="link")
    else:
        verb, mark = _by_machine(event, it.loads)
    return Line(
        it=it,
        mark=mark,
        who=who,
        verb=verb,
        of=subject + _loads(it),
        device=words.device(event),
        symbol=words.device_symbol(event),
        place=words.where_from(event),
        chip=words.chip(event),
        muted=muted,
    )


def _by_machine(event: EventRow, requests: int) -> tuple[str, Mark]:
    if chat := words.pasted(event):
        return f"pasted into {chat}", Mark(kind="machine", symbol="link")
    if event.link is not None and requests == 1:
        return f"{words.link_name(event, 32)} followed by a machine", Mark(kind="machine", symbol="link")
    return "loaded by a machine", Mark(kind="machine", symbol="ticks-hollow")


def _loads(it: Happening) -> str:
    """ " · 4 loads in 2 min"."""
    if it.loads < 2:
        return ""
    what = "loads" if it.what is What.OPEN else "requests"
    span = abs((it.until or it.at) - it.at)
    return f" · {it.loads} {what} in {words.lasting(max(span, timedelta(seconds=1)))}"


routes = [Route("/activity", page), Route("/activity/rows", rows)]
